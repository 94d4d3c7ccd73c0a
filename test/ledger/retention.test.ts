/** Old requests are forgotten in small pieces; money stays. Real SQLite. */
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createRetention } from '../../src/ledger/retention.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { attemptRow } from '../store/rows.ts'
import { createFolderFor, createTestClock, NOON } from './parts.ts'

const DAY = 86_400_000
/** As databases out there have it: the name may not change. */
const KEPT_SINCE = 'requests_kept_since_ms'
const cleanups: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const clean of cleanups.splice(0).reverse()) clean()
})

function setup(days: number | undefined, pausing: 'noted' | 'real' = 'noted') {
  const store = openSqlite(join(createFolderFor(cleanups), 'r.db'))
  const pauses: number[] = []
  const log: [string, string, LogFields | undefined][] = []
  const retention = createRetention({
    store,
    clock: createTestClock(),
    log: (level, event, fields) => void log.push([level, event, fields]),
    days: () => days,
    ...(pausing === 'noted' && { pause: async ms => void pauses.push(ms) }),
  })
  cleanups.push(() => {
    retention.stop()
    void store.close()
  })
  const rows = Array.from({ length: 900 }, (_, n) =>
    attemptRow({ requestId: `req_${String(n).padStart(4, '0')}`, createdAtMs: NOON - n * (DAY / 90) }),
  )
  return { store, retention, pauses, log, fold: () => store.fold(rows, () => []) }
}

it('keeps whole days and no more, and every sum', async () => {
  const { store, retention, pauses, log, fold } = setup(3)
  await fold()
  const view = { fromMs: NOON - 20 * DAY, toMs: NOON + DAY, nowMs: NOON, groupBy: [] }
  const before = await store.spend({ ...view, fromMs: Math.floor(view.fromMs / DAY) * DAY })
  const gone = await retention.forget()
  const since = Math.floor(NOON / DAY) * DAY - 3 * DAY
  expect(gone).toBe(900 - (45 + 3 * 90 + 1))
  expect(pauses.length).toBe(Math.floor(gone / 200))
  expect(await store.oldestDay()).toBe(since)
  expect(await store.setting(KEPT_SINCE)).toBe(String(since))
  expect(await store.spend({ ...view, fromMs: Math.floor(view.fromMs / DAY) * DAY })).toEqual(before)
  expect(before[0]?.requests).toBe(900)
  expect(log).toEqual([
    ['info', 'ledger.requests_forgotten', { rows: gone, before: new Date(since).toISOString() }],
  ])
  expect(await retention.forget()).toBe(0)
  // nothing was due, so there is nothing to tell
  expect(log).toHaveLength(1)
})

it('where nothing is due it says nothing, and what is whole stays called whole', async () => {
  const { store, retention, log, fold } = setup(30)
  expect(await retention.forget()).toBe(0)
  await fold()
  expect(await retention.forget()).toBe(0)
  expect(await store.setting(KEPT_SINCE)).toBeUndefined()
  expect(log).toEqual([])
})

it('keeps everything unless it is told otherwise', async () => {
  const { retention, store, fold } = setup(undefined)
  await fold()
  expect(await retention.forget()).toBe(0)
  expect(await store.setting(KEPT_SINCE)).toBeUndefined()
})

it('asked twice at once it works once; stopped, it leaves the rest for the next start', async () => {
  const { retention, store, fold } = setup(1)
  await fold()
  const both = Promise.all([retention.forget(), retention.forget()])
  retention.stop()
  const [first, second] = await both
  expect(first).toBe(second)
  expect(first).toBeLessThanOrEqual(200)
  expect((await store.requests({ limit: 500 })).data.length).toBeGreaterThan(400)
})

it('leaves time to others between two pieces', async () => {
  vi.useFakeTimers()
  const { store, retention, fold } = setup(1, 'real')
  await fold()
  const left = async () => (await store.requests({ limit: 1_000 })).data.length
  const done = retention.forget()
  await vi.advanceTimersByTimeAsync(1)
  expect(await left()).toBe(700)
  await vi.advanceTimersByTimeAsync(20)
  expect(await left()).toBe(700)
  await vi.advanceTimersByTimeAsync(10)
  expect(await left()).toBe(500)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await done).toBe(900 - (45 + 90 + 1))
  expect(await left()).toBe(45 + 90 + 1)
})

it('looks by itself every minute, until it is stopped; a store that refuses is told of and asked again', async () => {
  vi.useFakeTimers()
  const { store, retention, log, fold } = setup(3)
  await fold()
  const refusing = vi.spyOn(store, 'oldestDay').mockRejectedValueOnce(new Error('database is locked'))
  await vi.advanceTimersByTimeAsync(59_999)
  expect(refusing).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(log).toEqual([['warn', 'ledger.requests_not_forgotten', { reason: 'database is locked' }]])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(log.map(([, event]) => event).slice(1)).toEqual(['ledger.requests_forgotten'])
  expect(refusing).toHaveBeenCalledTimes(2)
  retention.stop()
  await vi.advanceTimersByTimeAsync(600_000)
  expect(refusing).toHaveBeenCalledTimes(2)
})

it('starts where a timer is a number, as on Workers', () => {
  vi.spyOn(globalThis, 'setInterval').mockReturnValue(7 as never)
  expect(() => setup(3)).not.toThrow()
})

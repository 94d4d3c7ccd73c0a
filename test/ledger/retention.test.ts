/** Old requests are forgotten in small pieces; money stays. Real SQLite. */
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { createRetention, KEPT_SINCE } from '../../src/ledger/retention.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { attemptRow } from '../store/rows.ts'
import { createFolderFor, createTestClock, createTestLog, NOON } from './parts.ts'

const DAY = 86_400_000
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

function setup(days: number | undefined) {
  const store = openSqlite(join(createFolderFor(cleanups), 'r.db'))
  const pauses: number[] = []
  const log = createTestLog()
  const retention = createRetention({
    store,
    clock: createTestClock(),
    log,
    days: () => days,
    pause: async ms => void pauses.push(ms),
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
  const { store, retention, pauses, fold } = setup(3)
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
  expect(await retention.forget()).toBe(0)
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

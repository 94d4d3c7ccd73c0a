/** Days that are over are closed beside the traffic, in small steps. Real SQLite. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, expect, it, vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createClosing } from '../../src/ledger/closing.ts'
import { startUpkeep } from '../../src/ledger/upkeep.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { attemptRow } from '../store/rows.ts'
import { createFolderFor, createTestClock, NOON } from './parts.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const cleanups: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
  for (const clean of cleanups.splice(0).reverse()) clean()
})

/** Three requests a day for five days, the last of them today. */
function setup() {
  const path = join(createFolderFor(cleanups), 'c.db')
  const store = openSqlite(path)
  const pauses: number[] = []
  const log: [string, string, LogFields | undefined][] = []
  const clock = createTestClock()
  let onPause = () => {}
  const closing = createClosing({
    store,
    clock,
    log: (level, event, fields) => void log.push([level, event, fields]),
    pause: async ms => {
      pauses.push(ms)
      onPause()
    },
  })
  cleanups.push(() => {
    closing.stop()
    void store.close()
  })
  const rows = Array.from({ length: 15 }, (_, n) =>
    attemptRow({ requestId: `req_${n}`, user: `user-${n % 2}`, createdAtMs: NOON - Math.floor(n / 3) * DAY }),
  )
  const closedDays = () => {
    const database = new Database(path, { readonly: true })
    const days = database.prepare('select day_ms from closed_days where attempts is not null').pluck().all()
    database.close()
    return days
  }
  return {
    store,
    closing,
    clock,
    pauses,
    log,
    closedDays,
    fold: () => store.fold(rows, () => []),
    whenPaused: (work: () => void) => {
      onPause = work
    },
  }
}

const today = Math.floor(NOON / DAY) * DAY

it('closes every day but today, with a pause after each step', async () => {
  const { closing, pauses, fold, closedDays } = setup()
  await fold()
  expect(await closing.close()).toBe(4)
  expect(closedDays()).toEqual([4, 3, 2, 1].map(ago => today - ago * DAY))
  // day by day a look, a step for each of four kinds and one for its only hour; then the five kinds of their week, and a look
  expect(pauses).toEqual(Array.from({ length: 4 * 6 + 6 }, () => 25))
  expect(await closing.close()).toBe(0)
})

it('leaves a day open until an hour after its end', async () => {
  const { store, closing, clock, closedDays, fold } = setup()
  await fold()
  await store.closeDays(today, async () => true)
  clock.advance(today + DAY + HOUR - 1 - NOON)
  expect(await closing.close()).toBe(0)
  clock.advance(1)
  expect(await closing.close()).toBe(1)
  expect(closedDays()).toContain(today)
})

it('stops between two steps, and says nothing of it', async () => {
  const { closing, fold, whenPaused, closedDays, pauses, log } = setup()
  await fold()
  whenPaused(() => {
    if (pauses.length === 7) closing.stop()
  })
  expect(await closing.close()).toBe(1)
  expect(closedDays()).toHaveLength(1)
  expect(log).toEqual([])
})

it('looks by itself, and says when the store does not take it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { store, closing, fold, closedDays, log } = setup()
  await fold()
  const refusing = vi.spyOn(store, 'closeDays').mockRejectedValueOnce(new Error('database is locked'))
  vi.advanceTimersByTime(600_000)
  await vi.waitFor(() =>
    expect(log).toEqual([['warn', 'ledger.days_not_closed', { reason: 'database is locked' }]]),
  )
  vi.advanceTimersByTime(600_000)
  await vi.waitFor(() => expect(closedDays()).toHaveLength(4), { timeout: 30_000 })
  expect(refusing).toHaveBeenCalledTimes(2)
  closing.stop()
  vi.advanceTimersByTime(6_000_000)
  expect(refusing).toHaveBeenCalledTimes(2)
})

it('is part of the upkeep, beside the retention, and both end with it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { store, closing: alone, clock, fold, closedDays, log } = setup()
  alone.stop()
  await fold()
  const upkeep = startUpkeep({ store, clock, log: (...line) => void log.push(line as never), days: () => 2 })
  vi.advanceTimersByTime(600_000)
  await vi.waitFor(() => expect(closedDays()).toHaveLength(4), { timeout: 30_000 })
  await vi.waitFor(async () => expect(await store.oldestDay()).toBe(today - 2 * DAY))
  upkeep.stop()
  const [closing, oldest] = [vi.spyOn(store, 'closeDays'), vi.spyOn(store, 'oldestDay')]
  vi.advanceTimersByTime(6_000_000)
  expect([closing, oldest].map(spy => spy.mock.calls.length)).toEqual([0, 0])
})

/** The sweep of deadlines: due once, in time, idle when nothing is watched, unharmed by an item that throws. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createWatch } from '../../src/runtime/node/watch.ts'
import { logbook } from './recorder.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const setUp = () => {
  const { lines, log } = logbook()
  return { lines, watch: createWatch({ monotonic: () => performance.now(), log }) }
}

test('expires at the deadline and not before, and may set the next one', () => {
  const { watch } = setUp()
  const expired: number[] = []
  const start = performance.now()
  const item = {
    place: -1,
    dueMs: start + 100,
    expire(nowMs: number) {
      expired.push(nowMs - start)
      item.dueMs = expired.length < 3 ? nowMs + 100 : Number.POSITIVE_INFINITY
    },
  }
  watch.add(item)
  vi.advanceTimersByTime(99)
  expect(expired).toEqual([])
  vi.advanceTimersByTime(2000)
  expect(expired).toEqual([100, 200, 300])
})

test('a removed item never expires; the timer ends when nothing is left and starts again', () => {
  const { watch } = setUp()
  const item = { place: -1, dueMs: 0, expire: vi.fn() }
  watch.add(item)
  watch.remove(item)
  vi.advanceTimersByTime(200)
  expect(item.expire).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
  watch.add(item)
  vi.advanceTimersByTime(60)
  expect(item.expire).toHaveBeenCalledTimes(1)
})

test('items may add and remove others while they expire', () => {
  const { watch } = setUp()
  const late = { place: -1, dueMs: 0, expire: vi.fn(() => watch.remove(late)) }
  const first = {
    place: -1,
    dueMs: 0,
    expire() {
      watch.remove(first)
      watch.add(late)
    },
  }
  watch.add(first)
  vi.advanceTimersByTime(200)
  expect(late.expire).toHaveBeenCalledTimes(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('an item that throws is dropped and logged, the others go on', () => {
  const { watch, lines } = setUp()
  const bad = {
    place: -1,
    dueMs: 0,
    expire: vi.fn(() => {
      throw new Error('boom')
    }),
  }
  const good = { place: -1, dueMs: 0, expire: vi.fn() }
  watch.add(bad)
  watch.add(good)
  vi.advanceTimersByTime(160)
  expect(bad.expire).toHaveBeenCalledTimes(1)
  expect(good.expire).toHaveBeenCalledTimes(3)
  expect(lines.map(line => line.event)).toEqual(['watch_failed'])
})

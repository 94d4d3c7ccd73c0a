/** Edges of budget windows: calendar arithmetic, rolling buckets, clocks that jump. */
import { describe, expect, it, test } from 'vitest'
import { Lease } from '../../src/ledger/lease.ts'
import {
  asWindow,
  bucketLeaves,
  bucketStart,
  canonicalWindow,
  parseWindow,
  windowStart,
} from '../../src/ledger/windows.ts'
import type { BudgetWindow } from '../../src/terms.ts'

const at = (text: string) => Date.parse(text)
const HOUR = 3_600_000

describe('calendar windows, UTC', () => {
  const cases: [BudgetWindow, string, string, string][] = [
    ['day', '2026-01-15T12:00:00Z', '2026-01-15T00:00:00Z', '2026-01-16T00:00:00Z'],
    ['day', '2026-01-15T23:59:59.999Z', '2026-01-15T00:00:00Z', '2026-01-16T00:00:00Z'],
    ['day', '2026-01-16T00:00:00.000Z', '2026-01-16T00:00:00Z', '2026-01-17T00:00:00Z'],
    ['day', '2028-02-29T08:00:00Z', '2028-02-29T00:00:00Z', '2028-03-01T00:00:00Z'],
    // the nights on which Europe and the US change their clocks are 24 hours long here
    ['day', '2026-03-29T12:00:00Z', '2026-03-29T00:00:00Z', '2026-03-30T00:00:00Z'],
    ['week', '2026-01-12T00:00:00.000Z', '2026-01-12T00:00:00Z', '2026-01-19T00:00:00Z'],
    ['week', '2026-01-11T23:59:59.999Z', '2026-01-05T00:00:00Z', '2026-01-12T00:00:00Z'],
    ['week', '2027-01-01T00:00:00Z', '2026-12-28T00:00:00Z', '2027-01-04T00:00:00Z'],
    ['month', '2026-01-31T23:59:59.999Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['month', '2028-02-29T00:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    ['month', '2027-02-28T23:00:00Z', '2027-02-01T00:00:00Z', '2027-03-01T00:00:00Z'],
  ]
  it.each(cases)('%s at %s', (window, now, start, end) => {
    const span = parseWindow(window)
    expect(new Date(bucketStart(span, at(now)))).toEqual(new Date(start))
    expect(new Date(bucketLeaves(span, bucketStart(span, at(now))))).toEqual(new Date(end))
    expect(windowStart(span, at(now))).toBe(at(start))
  })

  it('total never leaves', () => {
    const span = parseWindow('total')
    expect(bucketStart(span, at('2026-01-15T12:00:00Z'))).toBe(0)
    expect(bucketLeaves(span, 0)).toBe(Number.POSITIVE_INFINITY)
  })

  it.each(['', '0h', '5m', 'h', '-1d', '1.5h', '99999d', 'Day', '5h '])('refuses %j', text => {
    expect(asWindow(text)).toBeUndefined()
    expect(() => parseWindow(text as BudgetWindow)).toThrow(RangeError)
  })
  it.each(['1h', '5h', '30d', '9999d', 'week'])('takes %s', text => expect(asWindow(text)).toBe(text))
})

describe('rolling windows', () => {
  const start = at('2026-01-15T12:00:00Z')

  it('keep 60 buckets: spent money leaves when its bucket does, not before', () => {
    const lease = new Lease('5h')
    lease.open(start).spentNanoUsd += 7
    lease.open(start + 299_999).spentNanoUsd += 1
    lease.open(start + 300_000).spentNanoUsd += 20
    expect(lease.resetsAt(start + HOUR)).toBe(start + 5 * HOUR)
    expect(lease.spent(start + 5 * HOUR - 1)).toBe(28)
    expect(lease.spent(start + 5 * HOUR)).toBe(20)
    expect(lease.resetsAt(start + 5 * HOUR)).toBe(start + 5 * HOUR + 300_000)
    expect(lease.spent(start + 5 * HOUR + 300_000)).toBe(0)
    expect(lease.resetsAt(start + 6 * HOUR)).toBeNull()
  })

  it('count what an empty bucket in between does not', () => {
    const lease = new Lease('30d')
    for (let i = 0; i < 200; i++) lease.open(start + i * 12 * HOUR).spentNanoUsd += 1
    expect(lease.spent(start + 199 * 12 * HOUR)).toBe(60)
  })
})

describe('clocks that jump', () => {
  const noon = at('2026-01-15T12:00:00Z')

  it.each<BudgetWindow>(['day', 'week', 'month', '5h', 'total'])(
    '%s: back by a little refills nothing',
    window => {
      const lease = new Lease(window)
      const midnight = at('2026-02-01T00:00:00Z')
      lease.open(midnight + 1).spentNanoUsd += 10
      expect(lease.spent(midnight - 1_000)).toBe(10)
      lease.open(midnight - 1_000).spentNanoUsd += 5
      expect(lease.spent(midnight - 1_000)).toBe(15)
      expect(lease.spent(midnight + 2)).toBe(
        window === 'total' || window === '5h' ? 15 : window === 'week' ? 15 : 10,
      )
    },
  )

  it('forward by a year and back finds the old window as it was', () => {
    const lease = new Lease('month')
    lease.open(noon).spentNanoUsd += 10
    expect(lease.spent(noon + 365 * 24 * HOUR)).toBe(0)
    lease.open(noon + 365 * 24 * HOUR).spentNanoUsd += 3
    // What was spent under the wrong date still counts: it was spent.
    expect(lease.spent(noon + 1)).toBe(13)
    expect(lease.open(noon + 1).spentNanoUsd).toBe(10)
  })

  it('the bucket of now is the same object until it ends', () => {
    const lease = new Lease('day')
    const bucket = lease.open(noon)
    expect(lease.open(noon + 11 * HOUR)).toBe(bucket)
    expect(lease.open(noon + 12 * HOUR)).not.toBe(bucket)
    expect(lease.open(noon)).toBe(bucket)
  })
})

test('a window begins with its calendar period, a rolling one with the bucket that leaves next', () => {
  const now = Date.UTC(2026, 0, 15, 12, 7)
  expect(windowStart(parseWindow('day'), now)).toBe(Date.UTC(2026, 0, 15))
  expect(windowStart(parseWindow('month'), now)).toBe(Date.UTC(2026, 0, 1))
  expect(windowStart(parseWindow('total'), now)).toBe(0)
  const rolling = parseWindow('5h')
  // five hours before the end of its bucket of five minutes
  expect(windowStart(rolling, now)).toBe(Date.UTC(2026, 0, 15, 7, 10))
  expect(bucketLeaves(rolling, windowStart(rolling, now))).toBe(Date.UTC(2026, 0, 15, 12, 10))
})

test('a zone has days of its own, and what is no window is refused with what is', () => {
  const zoned = parseWindow('day@Asia/Tokyo' as BudgetWindow)
  const now = Date.UTC(2026, 0, 15, 16)
  expect([bucketStart(zoned, now), bucketLeaves(zoned, bucketStart(zoned, now))]).toEqual([
    Date.UTC(2026, 0, 15, 15),
    Date.UTC(2026, 0, 16, 15),
  ])
  expect(asWindow('week@Asia/Tokyo')).toBe('week@Asia/Tokyo')
  for (const text of ['xday', 'dayx', 'day@', 'day@A', 'xday@Asia/Tokyo', '5hx', 'x5h', 'rolling'])
    expect(asWindow(text), text).toBeUndefined()
  expect(() => parseWindow('fortnight' as BudgetWindow)).toThrow(
    /"fortnight".*day, week, month, total.*5h or 30d/,
  )
})

test('a window has one name: zones as the runtime writes them, none for UTC', () => {
  expect(canonicalWindow('day@europe/berlin')).toBe('day@Europe/Berlin')
  expect(canonicalWindow('month@Etc/UTC')).toBe('month')
  expect(canonicalWindow('week@utc')).toBe('week')
  for (const plain of ['day', 'total', '5h']) expect(canonicalWindow(plain)).toBe(plain)
  for (const none of ['fortnight', 'day@Mars/Base', '']) expect(canonicalWindow(none)).toBeUndefined()
})

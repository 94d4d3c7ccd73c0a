/** Calendar windows in a named zone: summer time, midnights that do not exist or come twice, a day that was skipped. */
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { asWindow, bucketLeaves, bucketStart, parseWindow } from '../../src/ledger/windows.ts'
import { canonicalZone, isZone } from '../../src/ledger/zones.ts'
import type { BudgetWindow } from '../../src/terms.ts'

const at = (text: string) => Date.parse(text)
afterEach(() => vi.restoreAllMocks())

test.each<[BudgetWindow, string, string, string]>([
  ['day@Europe/Berlin', '2026-01-15T22:59:59Z', '2026-01-14T23:00:00Z', '2026-01-15T23:00:00Z'],
  ['day@Europe/Berlin', '2026-01-15T23:00:00Z', '2026-01-15T23:00:00Z', '2026-01-16T23:00:00Z'],
  // the clocks go forward: 23 hours; and back: 25
  ['day@Europe/Berlin', '2026-03-29T12:00:00Z', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
  ['day@Europe/Berlin', '2026-10-25T12:00:00Z', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
  ['week@America/New_York', '2026-03-09T03:59:59Z', '2026-03-02T05:00:00Z', '2026-03-09T04:00:00Z'],
  ['month@Asia/Kolkata', '2028-02-29T18:29:59Z', '2028-01-31T18:30:00Z', '2028-02-29T18:30:00Z'],
  ['month@Pacific/Auckland', '2026-09-30T11:00:00Z', '2026-09-30T11:00:00Z', '2026-10-31T11:00:00Z'],
  // midnight of 7 September 2025 did not exist in Chile: the day began at 01:00
  ['day@America/Santiago', '2025-09-07T12:00:00Z', '2025-09-07T04:00:00Z', '2025-09-08T03:00:00Z'],
  // Lebanon's clocks go back at midnight: 23:00 to 24:00 of the day before comes twice
  ['day@Asia/Beirut', '2025-10-25T21:30:00Z', '2025-10-24T21:00:00Z', '2025-10-25T22:00:00Z'],
  ['day@Asia/Beirut', '2025-10-25T22:00:00Z', '2025-10-25T22:00:00Z', '2025-10-26T22:00:00Z'],
  // Samoa had no 30 December 2011
  ['day@Pacific/Apia', '2011-12-30T09:00:00Z', '2011-12-29T10:00:00Z', '2011-12-30T10:00:00Z'],
  ['day@Pacific/Apia', '2011-12-30T10:00:00Z', '2011-12-30T10:00:00Z', '2011-12-31T10:00:00Z'],
])('%s at %s', (window, now, start, end) => {
  const span = parseWindow(window)
  expect(new Date(bucketStart(span, at(now)))).toEqual(new Date(start))
  expect(new Date(bucketLeaves(span, at(start)))).toEqual(new Date(end))
})

test('whatever the zone and the instant: it lies in its bucket, and the bucket’s end begins the next', () => {
  const zones = [
    'Europe/Berlin',
    'America/Santiago',
    'Asia/Beirut',
    'Australia/Lord_Howe',
    'Africa/Casablanca',
    'Asia/Kathmandu',
    'Pacific/Apia',
    'America/St_Johns',
  ]
  fc.assert(
    fc.property(
      fc.constantFrom('day', 'week', 'month'),
      fc.constantFrom(...zones),
      fc.integer({ min: at('2005-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
      (kind, zone, now) => {
        const span = parseWindow(`${kind}@${zone}` as BudgetWindow)
        const start = bucketStart(span, now)
        const end = bucketLeaves(span, start)
        expect(start).toBeLessThanOrEqual(now)
        expect(end).toBeGreaterThan(now)
        expect(bucketStart(span, end - 1)).toBe(start)
        expect(bucketStart(span, end)).toBe(end)
      },
    ),
    { numRuns: 400 },
  )
})

test.each([
  'day@',
  'day@Mars/Base',
  'day@+02:00',
  'day@Europe/Berlin ',
  '5h@Europe/Berlin',
  'total@Europe/Berlin',
  'day@../etc/passwd',
  `day@${'a'.repeat(200)}`,
])('refuses %j', text => expect(asWindow(text)).toBeUndefined())
test('zones that one knows', () => {
  for (const zone of ['UTC', 'Etc/GMT+5', 'America/Argentina/Buenos_Aires', 'europe/berlin'])
    expect([zone, isZone(zone)]).toEqual([zone, true])
  // an offset has no summer time, so it is no zone, though the runtime would take it for one
  for (const text of ['+02:00', '-08', 'Mars/Base', 'Europe/Berlin ', ''])
    expect([text, isZone(text)]).toEqual([text, false])
})

const UTC_NAMES = [
  'UTC GMT UCT Zulu Universal Greenwich GMT0 GMT+0 GMT-0',
  'Etc/UTC Etc/GMT Etc/UCT Etc/Zulu Etc/Universal Etc/Greenwich Etc/GMT0 Etc/GMT+0 Etc/GMT-0',
].flatMap(names => names.split(' '))

test('UTC has one name, whether the runtime knows that or gives names back as they were written', () => {
  for (const name of UTC_NAMES) expect([name, canonicalZone(name)]).toEqual([name, 'UTC'])
  for (const name of [...UTC_NAMES, 'Etc/GMT+5', 'Etc/GMT-10', 'Europe/London']) {
    const given = new Intl.DateTimeFormat('en-US', { timeZone: name }).resolvedOptions()
    vi.spyOn(Intl.DateTimeFormat.prototype, 'resolvedOptions').mockReturnValue({ ...given, timeZone: name })
    expect([name, canonicalZone(name)]).toEqual([name, UTC_NAMES.includes(name) ? 'UTC' : name])
    vi.restoreAllMocks()
  }
  expect(() => canonicalZone('Mars/Base')).toThrow(RangeError)
})

/** Hours of keys: weekly windows on wall clocks, over midnight, on days whose clocks are put forward or back. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DAYS, hoursOfText, hoursText, isOpen, opensAt } from '../../src/keys/hours.ts'
import type { Day, Hours } from '../../src/terms.ts'

const at = (iso: string): number => Date.parse(iso)
const iso = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString().slice(0, 16)
const hours = (text: string): Hours => {
  const found = hoursOfText(text)
  if ('why' in found) throw new Error(found.why)
  return found
}

const OFFICE = hours('mon-fri 08:00-18:00@Europe/Berlin')
const NIGHT = hours('fri 22:00-06:00')

// 2026-01-16 is a Friday
test.each([
  ['office, an instant before it opens', OFFICE, '2026-01-16T06:59:59.999Z', false],
  ['office, as it opens', OFFICE, '2026-01-16T07:00:00Z', true],
  ['office, the last minute', OFFICE, '2026-01-16T16:59:59.999Z', true],
  ['office, an end is not part of it', OFFICE, '2026-01-16T17:00:00Z', false],
  ['office, a Saturday', OFFICE, '2026-01-17T10:00:00Z', false],
  ['office, the same hour in summer is another one of UTC', OFFICE, '2026-07-17T06:00:00Z', true],
  ['a night, its evening', NIGHT, '2026-01-16T23:00:00Z', true],
  ['a night, the morning after belongs to it', NIGHT, '2026-01-17T05:59:00Z', true],
  ['a night, its end', NIGHT, '2026-01-17T06:00:00Z', false],
  ['a night, the morning before does not', NIGHT, '2026-01-16T05:00:00Z', false],
  ['a night, the next evening does not', NIGHT, '2026-01-17T23:00:00Z', false],
  ['a whole day', hours('sun 00:00-24:00'), '2026-01-18T23:59:59.999Z', true],
  ['a whole day, the next one', hours('sun 00:00-24:00'), '2026-01-19T00:00:00Z', false],
  ['no windows', { allow: [] }, '2026-01-19T00:00:00Z', false],
  ['before the epoch', hours('wed 00:00-24:00'), '1969-12-31T12:00:00Z', true],
] as const)('%s', (_, given, moment, open) => {
  expect(isOpen(given, at(moment))).toBe(open)
})

describe('opens again', () => {
  test.each([
    ['today', OFFICE, '2026-01-16T03:00:00Z', '2026-01-16T07:00'],
    ['after the weekend', OFFICE, '2026-01-16T20:00:00Z', '2026-01-19T07:00'],
    ['after the weekend on which summer begins', OFFICE, '2026-03-27T20:00:00Z', '2026-03-30T06:00'],
    ['the same day next week', hours('mon 09:00-10:00'), '2026-01-19T10:00:00Z', '2026-01-26T09:00'],
    ['in the evening', NIGHT, '2026-01-16T06:00:00Z', '2026-01-16T22:00'],
    [
      'at the earliest of several',
      hours('mon 09:00-10:00, sat 10:00-11:00'),
      '2026-01-16T09:00:00Z',
      '2026-01-17T10:00',
    ],
    // 02:00 to 03:00 does not exist in Berlin on 2026-03-29
    [
      'where its beginning is skipped',
      hours('02:30-04:00@Europe/Berlin'),
      '2026-03-29T00:00:00Z',
      '2026-03-29T01:00',
    ],
    [
      'not on the day on which all of it is skipped',
      hours('02:10-02:50@Europe/Berlin'),
      '2026-03-29T00:00:00Z',
      '2026-03-30T00:10',
    ],
    [
      'in two weeks, where the only one of next week is skipped',
      hours('sun 02:10-02:50@Europe/Berlin'),
      '2026-03-22T02:00:00Z',
      '2026-04-05T00:10',
    ],
    // 02:00 to 03:00 comes twice on 2026-10-25
    [
      'a second time, as the clocks are put back',
      hours('02:00-02:30@Europe/Berlin'),
      '2026-10-25T00:40:00Z',
      '2026-10-25T01:00',
    ],
    [
      'at the moment at which clocks are put back into it',
      hours('01:30-02:15@Europe/Berlin'),
      '2026-10-25T00:30:00Z',
      '2026-10-25T01:00',
    ],
    [
      'half an hour off (Lord Howe)',
      hours('09:00-10:00@Australia/Lord_Howe'),
      '2026-10-03T00:00:00Z',
      '2026-10-03T22:00',
    ],
    ['never', { allow: [] }, '2026-01-19T00:00:00Z', undefined],
  ] as const)('%s', (_, given, now, opens) => {
    expect(isOpen(given, at(now))).toBe(false)
    expect(iso(opensAt(given, at(now)))).toBe(opens)
  })

  test('is the first minute that is open, whatever the hours, the zone and the moment', () => {
    const minute = fc.integer({ min: 0, max: 1_439 })
    const text = (m: number) =>
      `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`
    const window = fc
      .record({ days: fc.option(fc.subarray([...DAYS], { minLength: 1 })), from: minute, to: minute })
      .filter(({ from, to }) => from !== to)
      .map(({ days, from, to }) => ({ days: days as Day[] | null, from: text(from), to: text(to) }))
    const zones = ['UTC', 'Europe/Berlin', 'America/St_Johns', 'Australia/Lord_Howe', 'Asia/Kathmandu']
    const moments = [
      '2026-03-07',
      '2026-03-28',
      '2026-04-04',
      '2026-10-03',
      '2026-10-24',
      '2026-10-31',
      '2026-07-01',
    ]
    fc.assert(
      fc.property(
        fc.record({
          zone: fc.constantFrom(...zones),
          allow: fc.array(window, { minLength: 1, maxLength: 3 }),
        }),
        fc.constantFrom(...moments),
        fc.integer({ min: 0, max: 2_880 }),
        (given, day, minutes) => {
          const now = at(`${day}T00:00:00Z`) + minutes * 60_000
          const opens = opensAt(given, now) ?? Number.POSITIVE_INFINITY
          if (isOpen(given, now)) return
          // nothing in between is open, and what follows is: asked at every minute of the next hours
          const until = Math.min(opens, now + 300 * 60_000)
          for (let ms = now; ms < until; ms += 60_000) expect(isOpen(given, ms)).toBe(false)
          expect(isOpen(given, opens)).toBe(true)
          expect(isOpen(given, opens - 1)).toBe(false)
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('text and hours are the same thing', () => {
  for (const text of [
    'mon-fri 08:00-18:00@Europe/Berlin',
    '22:00-06:00',
    'mon+wed 08:00-12:00, sat 10:00-14:00',
    'mon+tue 00:00-24:00',
  ])
    expect(hoursText(hours(text))).toBe(text)
  expect(hours('FRI-mon 8:00-9:00'.replace('8:', '08:').replace('9:', '09:')).allow[0]?.days).toEqual([
    'mon',
    'fri',
    'sat',
    'sun',
  ])
  for (const text of ['', 'always', 'mon', 'mon 8-18', 'mun 08:00-09:00', '08:00-09:00@Nowhere', 'a@b@c'])
    expect(hoursOfText(text)).toHaveProperty('why')
})

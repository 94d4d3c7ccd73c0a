/** When a key may be used: weekly hours on the wall clocks of a time zone. Pure but for the runtime's zone data; asked by authenticate.ts. */
import { isZone, wallClock } from '../ledger/zones.ts'
import type { Day, Hours, HoursWindow } from '../terms.ts'

export const DAYS: readonly Day[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
export const WINDOWS_MAX = 50

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** 1970-01-05, the first Monday of the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS
/** Two weeks and a day: a window of one day of the week may be skipped once, when clocks are put forward over it. */
const AHEAD_DAYS = 15
const TIME = /^(?:([01]\d|2[0-3]):([0-5]\d)|24:00)$/

/** Minutes since midnight of `08:30`; 24:00 is the end of the day. Undefined = no time of day. */
export function minuteOf(text: string): number | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  return match[1] === undefined ? 1_440 : Number(match[1]) * 60 + Number(match[2])
}

/** How far the zone's clocks are ahead of UTC then, ms. */
function offsetAt(zone: string | undefined, atMs: number): number {
  if (zone === undefined || zone === 'UTC') return 0
  const second = Math.floor(atMs / 1_000) * 1_000
  return wallClock(zone, second) - second
}

/** The wall clock's figures as if they were UTC. */
const wallOf = (zone: string | undefined, atMs: number): number => atMs + offsetAt(zone, atMs)

const dayAt = (wallMs: number): Day =>
  DAYS[Math.floor((wallMs - FIRST_MONDAY_MS) / DAY_MS + 7_000_000) % 7] as Day

function isInside({ days, from, to }: HoursWindow, wallMs: number): boolean {
  const [start = 0, end = 0] = [minuteOf(from), minuteOf(to)]
  const minute = Math.floor((((wallMs % DAY_MS) + DAY_MS) % DAY_MS) / MINUTE_MS)
  const isOn = (atMs: number) => days?.includes(dayAt(atMs)) ?? true
  if (start < end) return minute >= start && minute < end && isOn(wallMs)
  // over midnight: the night from Friday to Saturday belongs to Friday
  return (minute >= start && isOn(wallMs)) || (minute < end && isOn(wallMs - DAY_MS))
}

/** May the key be used at this moment? An end is not part of its window. */
export function isOpen({ zone, allow }: Hours, nowMs: number): boolean {
  const wallMs = wallOf(zone, nowMs)
  return allow.some(window => isInside(window, wallMs))
}

/** The moments of the next days at which the zone's clocks are put forward or back. */
function shiftsAfter(zone: string | undefined, nowMs: number): readonly number[] {
  const shifts: number[] = []
  const first = Math.floor(nowMs / MINUTE_MS) * MINUTE_MS
  for (let day = 0; day < AHEAD_DAYS; day++) {
    let [low, high] = [first + day * DAY_MS, first + (day + 1) * DAY_MS]
    const before = offsetAt(zone, low)
    if (offsetAt(zone, high) === before) continue
    while (high - low > MINUTE_MS) {
      const middle = low + Math.floor((high - low) / MINUTE_MS / 2) * MINUTE_MS
      if (offsetAt(zone, middle) === before) low = middle
      else high = middle
    }
    shifts.push(high)
  }
  return shifts
}

/**
 * Epoch ms at which hours that are closed now open again; undefined = never. Where clocks are put forward over an opening it
 * is the moment of that; where they are put back over one, each of the two.
 */
export function opensAt(hours: Hours, nowMs: number): number | undefined {
  const { zone, allow } = hours
  const shifts = shiftsAfter(zone, nowMs)
  const offsets = new Set([nowMs, ...shifts].map(atMs => offsetAt(zone, atMs)))
  const today = Math.floor(wallOf(zone, nowMs) / DAY_MS) * DAY_MS
  const starts = new Set(allow.map(({ from }) => minuteOf(from) ?? 0))
  const moments = [...shifts]
  for (let day = 0; day <= AHEAD_DAYS; day++)
    for (const start of starts)
      for (const offset of offsets) moments.push(today + day * DAY_MS + start * MINUTE_MS - offset)
  return moments
    .filter(atMs => atMs > nowMs)
    .sort((a, b) => a - b)
    .find(atMs => isOpen(hours, atMs))
}

const namesOf = (days: readonly Day[] | null | undefined): string => {
  if (!days || days.length === 7) return ''
  const runs: string[] = []
  const sorted = DAYS.filter(day => days.includes(day))
  for (let i = 0; i < sorted.length; ) {
    let end = i
    while (
      end + 1 < sorted.length &&
      DAYS.indexOf(sorted[end + 1] as Day) === DAYS.indexOf(sorted[end] as Day) + 1
    )
      end++
    runs.push(end > i + 1 ? `${sorted[i]}-${sorted[end]}` : sorted.slice(i, end + 1).join('+'))
    i = end + 1
  }
  return `${runs.join('+')} `
}

/** As people write it: `mon-fri 08:00-18:00, sat 10:00-14:00@Europe/Berlin`. '' = never. */
export function hoursText({ zone, allow }: Hours): string {
  const windows = allow.map(({ days, from, to }) => `${namesOf(days)}${from}-${to}`)
  return windows.join(', ') + (windows.length > 0 && zone !== undefined ? `@${zone}` : '')
}

function daysOf(text: string): readonly Day[] | undefined {
  const found = new Set<Day>()
  for (const part of text.split('+')) {
    const [from = '', to = from, more] = part.split('-')
    const [first, last] = [DAYS.indexOf(from as Day), DAYS.indexOf(to as Day)]
    if (first < 0 || last < 0 || more !== undefined) return undefined
    for (let at = first; ; at = (at + 1) % 7) {
      found.add(DAYS[at] as Day)
      if (at === last) break
    }
  }
  return DAYS.filter(day => found.has(day))
}

const WINDOW = /^(?:([a-z+-]+) +)?(\d{2}:\d{2}) ?- ?(\d{2}:\d{2})$/

/** Reads `hoursText`'s form; or why it cannot be read. Names of days are those of `DAYS`, in runs (`fri-mon`) and sums (`mon+thu`). */
export function hoursOfText(text: string): Hours | { readonly why: string } {
  const [list = '', zone, more] = text.trim().split('@')
  if (more !== undefined || (zone !== undefined && !isZone(zone.trim())))
    return { why: `"${(zone ?? '').slice(0, 40)}" is not a time zone, as in Europe/Berlin` }
  const allow: HoursWindow[] = []
  for (const part of list.toLowerCase().split(',')) {
    const [, names, from = '', to = ''] = WINDOW.exec(part.trim()) ?? []
    const days = names === undefined ? null : daysOf(names)
    if (from === '' || days === undefined)
      return { why: `"${part.trim().slice(0, 40)}" is not a time, as in mon-fri 08:00-18:00` }
    allow.push({ days, from, to })
  }
  return { ...(zone !== undefined && { zone: zone.trim() }), allow }
}

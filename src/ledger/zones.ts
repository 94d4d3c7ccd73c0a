/** Where days begin in an IANA time zone, summer time and skipped days included. Pure but for the zone data of the runtime; used by the calendar windows. */

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** What the runtime takes for a zone too: `+02:00`, which knows no summer time. */
const OFFSET = /^[+-]/

/** A formatter costs milliseconds to make; there are some 600 zones at most. */
const formats = new Map<string, Intl.DateTimeFormat>()

function formatOf(zone: string): Intl.DateTimeFormat {
  let format = formats.get(zone)
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    formats.set(zone, format)
  }
  return format
}

/** Is this a zone that the runtime knows, as in `Europe/Berlin`? */
export function isZone(text: string): boolean {
  if (OFFSET.test(text)) return false
  try {
    formatOf(text)
    return true
  } catch {
    return false
  }
}

/**
 * `europe/berlin` → `Europe/Berlin`; `UTC` for all of its names, which newer runtimes give back as they were written
 * (ECMA-402 with canonical-tz). Throws RangeError for what is no zone.
 */
export function canonicalZone(text: string): string {
  const { timeZone } = formatOf(text).resolvedOptions()
  return /^(Etc\/)?(UTC|UCT|GMT|Universal|Zulu|Greenwich|GMT[+-]?0)$/.test(timeZone) ? 'UTC' : timeZone
}

/** What the clocks on the wall show, as epoch ms of the same figures in UTC; whole seconds. */
export function wallClock(zone: string, atMs: number): number {
  const parts: Record<string, number> = {}
  for (const { type, value } of formatOf(zone).formatToParts(atMs)) parts[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return Date.UTC(year, month - 1, day, hour, minute, second)
}

/**
 * The first instant of a local date, given as the epoch ms of its midnight in UTC. Where midnight does not exist or the
 * whole date was skipped it is the first instant after; where it happens twice, the one from which no earlier date follows.
 */
export function dayStart(zone: string, dateMs: number): number {
  const before = wallClock(zone, dateMs - DAY_MS) - (dateMs - DAY_MS)
  const after = wallClock(zone, dateMs + DAY_MS) - (dateMs + DAY_MS)
  const early = dateMs - Math.max(before, after)
  return wallClock(zone, early) >= dateMs ? early : dateMs - Math.min(before, after)
}

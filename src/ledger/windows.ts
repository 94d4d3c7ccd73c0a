/** Budget windows as spans of time buckets; pure calendar arithmetic, in UTC or a named zone, used by the leases of the ledger. */
import type { BudgetWindow } from '../terms.ts'
import { canonicalZone, dayStart, isZone, wallClock } from './zones.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
/** 1970-01-05, the first Monday of the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS
const ROLLING_BUCKETS = 60

/** How a window cuts time: into the buckets that it sums. `periodMs` and `widthMs` are 0 unless rolling; `zone` undefined = UTC. */
export interface Span {
  readonly kind: 'day' | 'week' | 'month' | 'total' | 'rolling'
  readonly periodMs: number
  readonly widthMs: number
  readonly zone: string | undefined
}

type Calendar = 'day' | 'week' | 'month'

const ROLLING = /^([1-9][0-9]{0,3})([hd])$/
const CALENDAR = /^(day|week|month)(?:@(.{1,100}))?$/

function spanOf(text: string): Span | undefined {
  if (text === 'total') return { kind: 'total', periodMs: 0, widthMs: 0, zone: undefined }
  const calendar = CALENDAR.exec(text)
  if (calendar !== null) {
    const zone = calendar[2]
    if (zone !== undefined && !isZone(zone)) return undefined
    return { kind: calendar[1] as Calendar, periodMs: 0, widthMs: 0, zone }
  }
  const rolling = ROLLING.exec(text)
  if (rolling === null) return undefined
  const periodMs = Number(rolling[1]) * (rolling[2] === 'h' ? HOUR_MS : DAY_MS)
  return { kind: 'rolling', periodMs, widthMs: periodMs / ROLLING_BUCKETS, zone: undefined }
}

/** Text from a file or a store as a window; undefined = none that the contract names, or a zone that is not known here. */
export function asWindow(text: string): BudgetWindow | undefined {
  return spanOf(text) === undefined ? undefined : (text as BudgetWindow)
}

/** One name for each window: zones as the runtime writes them, none for UTC. Undefined as in `asWindow`. */
export function canonicalWindow(text: string): BudgetWindow | undefined {
  const span = spanOf(text)
  if (span?.zone === undefined) return span && (text as BudgetWindow)
  const zone = canonicalZone(span.zone)
  return zone === 'UTC' ? (span.kind as Calendar) : `${span.kind as Calendar}@${zone}`
}

/** `5h` → a rolling span of 60 buckets of 5 minutes; `day@Europe/Berlin` → that zone's days. Throws RangeError on anything the contract does not name. */
export function parseWindow(window: BudgetWindow): Span {
  const span = spanOf(window)
  if (span !== undefined) return span
  throw new RangeError(
    `unknown budget window "${window}": use day, week, month, total, day@Europe/Berlin, or a rolling one such as 5h or 30d`,
  )
}

/** Midnight, as UTC has it, of the first date of the period that holds this wall-clock time. */
function firstDate(kind: Calendar, wallMs: number): number {
  if (kind === 'day') return Math.floor(wallMs / DAY_MS) * DAY_MS
  if (kind === 'week') return Math.floor((wallMs - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS
  const date = new Date(wallMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
}

/** The first date of the period after the one that begins on this date. */
function nextDate(kind: Calendar, firstMs: number): number {
  if (kind === 'day') return firstMs + DAY_MS
  if (kind === 'week') return firstMs + WEEK_MS
  const date = new Date(firstMs)
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
}

/** Epoch ms at which the bucket that holds this instant starts; 0 for `total`. */
export function bucketStart(span: Span, nowMs: number): number {
  const { kind, zone } = span
  if (kind === 'total') return 0
  if (kind === 'rolling') return Math.floor(nowMs / span.widthMs) * span.widthMs
  if (zone === undefined) return firstDate(kind, nowMs)
  return dayStart(zone, firstDate(kind, wallClock(zone, nowMs)))
}

/** Epoch ms from which the money of the bucket starting at `startMs` no longer counts; Infinity for `total`. */
export function bucketLeaves(span: Span, startMs: number): number {
  const { kind, zone } = span
  if (kind === 'total') return Number.POSITIVE_INFINITY
  if (kind === 'rolling') return startMs + span.periodMs
  if (zone === undefined) return nextDate(kind, startMs)
  return dayStart(zone, nextDate(kind, firstDate(kind, wallClock(zone, startMs))))
}

/** Start of the oldest bucket that still counts at this instant. */
export function windowStart(span: Span, nowMs: number): number {
  const start = bucketStart(span, nowMs)
  return span.kind === 'rolling' ? start - span.periodMs + span.widthMs : start
}

/** Budget windows as spans of time buckets; pure calendar arithmetic in UTC, used by the leases of the ledger. */
import type { BudgetWindow } from '../terms.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
/** 1970-01-05, the first Monday of the epoch. */
const FIRST_MONDAY_MS = 4 * DAY_MS
const ROLLING_BUCKETS = 60

/** How a window cuts time: into the buckets that it sums. `periodMs` and `widthMs` are 0 unless rolling. */
export interface Span {
  readonly kind: 'day' | 'week' | 'month' | 'total' | 'rolling'
  readonly periodMs: number
  readonly widthMs: number
}

const ROLLING = /^([1-9][0-9]{0,3})([hd])$/

/** Text from a file or a store as a window; undefined = none that the contract names. */
export function asWindow(text: string): BudgetWindow | undefined {
  return /^(day|week|month|total)$/.test(text) || ROLLING.test(text) ? (text as BudgetWindow) : undefined
}

/** `5h` → a rolling span of 60 buckets of 5 minutes. Throws RangeError on anything the contract does not name. */
export function parseWindow(window: BudgetWindow): Span {
  if (window === 'day' || window === 'week' || window === 'month' || window === 'total')
    return { kind: window, periodMs: 0, widthMs: 0 }
  const match = ROLLING.exec(window)
  if (match === null)
    throw new RangeError(
      `unknown budget window "${window}": use day, week, month, total, or a rolling one such as 5h or 30d`,
    )
  const periodMs = Number(match[1]) * (match[2] === 'h' ? HOUR_MS : DAY_MS)
  return { kind: 'rolling', periodMs, widthMs: periodMs / ROLLING_BUCKETS }
}

/** Epoch ms at which the bucket that holds this instant starts; 0 for `total`. */
export function bucketStart(span: Span, nowMs: number): number {
  switch (span.kind) {
    case 'day':
      return Math.floor(nowMs / DAY_MS) * DAY_MS
    case 'week':
      return Math.floor((nowMs - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS
    case 'month': {
      const date = new Date(nowMs)
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)
    }
    case 'total':
      return 0
    case 'rolling':
      return Math.floor(nowMs / span.widthMs) * span.widthMs
  }
}

/** Epoch ms from which the money of the bucket starting at `startMs` no longer counts; Infinity for `total`. */
export function bucketLeaves(span: Span, startMs: number): number {
  switch (span.kind) {
    case 'day':
      return startMs + DAY_MS
    case 'week':
      return startMs + WEEK_MS
    case 'month': {
      const date = new Date(startMs)
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)
    }
    case 'total':
      return Number.POSITIVE_INFINITY
    case 'rolling':
      return startMs + span.periodMs
  }
}

/** Start of the oldest bucket that still counts at this instant. */
export function windowStart(span: Span, nowMs: number): number {
  const start = bucketStart(span, nowMs)
  return span.kind === 'rolling' ? start - span.periodMs + span.widthMs : start
}

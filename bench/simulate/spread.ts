/** How times are spread: a histogram with buckets 1% wide, so that days of requests can be added together. Pure. */

/** Counts by bucket; the last one is "never". */
export interface Spread {
  readonly counts: Float64Array
  total: number
}

const STEP = Math.log(1.01)
/** 1 ms to about 3 hours. */
const BUCKETS = 1_640
const NEVER = BUCKETS

export const createSpread = (): Spread => ({ counts: new Float64Array(BUCKETS + 1), total: 0 })

/** Infinity = never. */
export function addTo(spread: Spread, ms: number): void {
  const bucket = Number.isFinite(ms)
    ? Math.min(BUCKETS - 1, Math.max(0, Math.floor(Math.log(Math.max(1, ms)) / STEP)))
    : NEVER
  spread.counts[bucket] = (spread.counts[bucket] ?? 0) + 1
  spread.total++
}

export function merge(into: Spread, from: Spread): void {
  for (let i = 0; i <= NEVER; i++) into.counts[i] = (into.counts[i] ?? 0) + (from.counts[i] ?? 0)
  into.total += from.total
}

/** The time within which that share got there; NaN when nothing was measured. */
export function percentileOf({ counts, total }: Spread, share: number): number {
  if (total === 0) return Number.NaN
  let left = Math.ceil(share * total)
  for (let i = 0; i < NEVER; i++) {
    left -= counts[i] ?? 0
    if (left <= 0) return Math.exp((i + 0.5) * STEP)
  }
  return Number.POSITIVE_INFINITY
}

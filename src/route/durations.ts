/** Percentiles of durations (or speeds) in bounded memory: counts in logarithmic buckets, the old ones fading. Pure; kept by health. */

/** JSON-safe, so that it survives a restart. About 45 numbers for answers within a minute. */
export interface Durations {
  /** Faded counts by bucket; buckets above the last are empty. */
  readonly counts: readonly number[]
  /** Sum of the counts: how many samples still speak. */
  readonly weight: number
  readonly p95Ms: number
}

/** Upper bound of the first bucket; each next one is a fifth wider, which is the largest error of an estimate. */
const FIRST_MS = 4
const GROWTH = 1.2
const LOG_GROWTH = Math.log(GROWTH)
/** The last bucket ends at 23 minutes. */
const BUCKETS = 71
/** A sample counts half as much after this. */
const HALF_LIFE_MS = 600_000
/** And at most so many speak: a busy target's past is forgotten by its traffic, not by the clock. */
const WEIGHT_MAX = 400

const bucketOf = (ms: number): number =>
  ms <= FIRST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / FIRST_MS) / LOG_GROWTH))

/** Room for every bucket, of doubles from the start: an array that begins with whole numbers would change its form. */
const NOTHING: readonly number[] = Array.from({ length: BUCKETS }, () => Number.NaN).fill(0)

/** One more sample, `sinceMs` after the one before it. */
export function withSample(past: Durations | undefined, ms: number, sinceMs: number): Durations {
  const at = bucketOf(ms)
  if (past === undefined) {
    const counts = NOTHING.slice(0, at + 1)
    counts[at] = 1
    return { counts, weight: 1, p95Ms: quantile(counts, 1, 0.95) }
  }
  const fading = sinceMs > 0 ? 0.5 ** (sinceMs / HALF_LIFE_MS) : 1
  const keep = past.weight > WEIGHT_MAX ? fading * 0.75 : fading
  const counts = at < past.counts.length ? past.counts.slice() : grown(past.counts, at + 1)
  let weight = 0
  for (let i = 0; i < counts.length; i++) {
    const count = (counts[i] as number) * keep + (i === at ? 1 : 0)
    counts[i] = count
    weight += count
  }
  return { counts, weight, p95Ms: quantile(counts, weight, 0.95) }
}

function grown(past: readonly number[], length: number): number[] {
  const counts = NOTHING.slice(0, length)
  for (let i = 0; i < past.length; i++) counts[i] = past[i] as number
  return counts
}

/** The duration below which this share (0–1) of the samples lies, in ms; undefined = no samples. */
export function percentile(durations: Durations | undefined, share: number): number | undefined {
  return durations && quantile(durations.counts, durations.weight, share)
}

function quantile(counts: readonly number[], weight: number, share: number): number {
  let left = weight * share
  for (let i = 0; i < counts.length; i++) {
    const count = counts[i] ?? 0
    if (left <= count) {
      const top = FIRST_MS * GROWTH ** i
      // within a bucket the samples are taken to lie evenly
      return i === 0 ? top : top - (top - top / GROWTH) * (1 - (count > 0 ? left / count : 1))
    }
    left -= count
  }
  return FIRST_MS * GROWTH ** (counts.length - 1)
}

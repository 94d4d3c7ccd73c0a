/** The oracle of same.test.ts: scores as they were computed when each candidate was an object of its own. Slow and plain on purpose; it changes only when decisions are meant to change. */
import type { StrategyName } from '../../../src/config/schema.ts'
import type { Preferences } from '../../../src/wire/extensions.ts'
import type { Listing } from '../../../src/route/market.ts'
import type { Spot } from '../../../src/route/ready.ts'

/** What can be sent to, with what is known about it at this moment. */
export interface Candidate {
  readonly listing: Listing
  /** Its credentials that may be used, in the order in which they are tried. */
  readonly spots: readonly Spot[]
  /** Health key of the first of them. */
  readonly key: string
  /** Likely price of this very request, nano-USD; undefined = unknown. */
  readonly likelyNanoUsd: number | undefined
  /** Share of requests that succeed, 0.05–1; 1 while nothing is known against it. */
  readonly success: number
  /** Time to first content; undefined = never measured. */
  readonly ttftMs: number | undefined
  readonly tokensPerSecond: number | undefined
  /** 1 = heard of just now, 0 = long ago: what is old counts for less, and the middle of the others for more. */
  readonly freshness: number
  /** Epoch ms of the last sample of the kind that is asked for, else of the last answer or fault; 0 = never. */
  readonly timedAtMs: number
  /** Does the caller wait for a whole answer? */
  readonly whole: boolean
  /** Was it seen to stream? */
  readonly streamed: boolean
  /** Time of whole answers; undefined = none was seen. */
  readonly wholeMs: number | undefined
  /** Tokens that it is likely to write now. */
  readonly likelyTokens: number
  /** Share of traffic under `weighted`. */
  readonly weight: number
  /** Under `priority`: the lowest first. */
  readonly place: number
  /** What the strategy makes of it, the lowest first; 0 until it was ranked. */
  score: number
}

/** Lower is better; Infinity = only if nobody else is there. The dice are uniform in [0, 1). */
export type Strategy = (candidates: readonly Candidate[], dice: () => number) => readonly number[]

/** What a caller may sort by is among the strategies of the configuration. */
export type Sort = StrategyName

/** The value of each, where some are unknown: those get the middle of the known ones, and old values drift towards it. */
function filled(
  candidates: readonly Candidate[],
  known: (c: Candidate) => number | undefined,
): readonly number[] {
  const values: number[] = []
  let missing = false
  for (const candidate of candidates) {
    const value = known(candidate)
    if (value !== undefined) values.push(value)
    if (value === undefined || candidate.freshness < 0.99) missing = true
  }
  if (!missing) return values
  if (values.length === 0) return candidates.map(() => 0)
  const middle = middleOf(values)
  const drifted: number[] = []
  for (const candidate of candidates) {
    const value = known(candidate)
    drifted.push(value === undefined ? middle : middle + (value - middle) * candidate.freshness)
  }
  return drifted
}

/** The value in the middle (of an even number the upper one), found without sorting them all (Hoare's FIND, 1961). */
function middleOf(values: readonly number[]): number {
  const list = values.slice()
  const place = list.length >> 1
  let [from, to] = [0, list.length - 1]
  while (from < to) {
    const pivot = list[(from + to) >> 1] as number
    let [low, high] = [from, to]
    while (low <= high) {
      while ((list[low] as number) < pivot) low++
      while (pivot < (list[high] as number)) high--
      if (low > high) break
      const swapped = list[low] as number
      list[low++] = list[high] as number
      list[high--] = swapped
    }
    if (place <= high) to = high
    else if (place >= low) from = low
    else break
  }
  return list[place] as number
}

/** Milliseconds per token. */
const perTokenOf = ({ tokensPerSecond }: Candidate): number | undefined =>
  tokensPerSecond && 1000 / tokensPerSecond

/** How long the caller waits: for the first content of a stream, or for all of a whole answer. */
function waits(candidates: readonly Candidate[]): readonly number[] {
  if (!candidates[0]?.whole) {
    const isPlain = !candidates.some(({ streamed }) => streamed)
    const values = filled(candidates, c => (isPlain || c.streamed ? c.ttftMs : undefined))
    return candidates.map(({ streamed, ttftMs = Number.POSITIVE_INFINITY }, i) =>
      isPlain || streamed ? (values[i] as number) : Math.min(values[i] as number, ttftMs),
    )
  }
  const perToken = filled(candidates, perTokenOf)
  return filled(candidates, c => {
    if (c.wholeMs !== undefined) return c.wholeMs
    return c.ttftMs === undefined
      ? undefined
      : c.ttftMs + c.likelyTokens * (perToken[candidates.indexOf(c)] as number)
  })
}

/** An unknown price is no bargain. A list price far off its peers' wins nothing: it counts as dear as the dearest sound one. */
function costs(candidates: readonly Candidate[]): readonly number[] {
  const plain = candidates.map(c => c.likelyNanoUsd ?? Number.POSITIVE_INFINITY)
  if (!candidates.some(c => c.listing.doubtful)) return plain
  let dearest = 0
  for (let i = 0; i < plain.length; i++) {
    const cost = plain[i] as number
    if (!candidates[i]?.listing.doubtful && Number.isFinite(cost)) dearest = Math.max(dearest, cost)
  }
  return plain.map((cost, i) => (candidates[i]?.listing.doubtful ? Math.max(cost, dearest) : cost))
}

/** Each score divided by the chance of success: what fails half the time costs twice and takes twice as long. */
const perSuccess = (candidates: readonly Candidate[], scores: readonly number[]): readonly number[] =>
  scores.map((score, i) => score / (candidates[i] as Candidate).success)

const price: Strategy = candidates => perSuccess(candidates, costs(candidates))

const latency: Strategy = candidates => perSuccess(candidates, waits(candidates))

const throughput: Strategy = candidates =>
  perSuccess(candidates, candidates[0]?.whole ? waits(candidates) : filled(candidates, perTokenOf))

/** Once as many points for twice the best: 0.6 for price, and so on. To be tuned by simulation, not by taste. */
export const BALANCE = { price: 0.6, latency: 0.2, throughput: 0.05 } as const
/** Points for an unknown price, and where the best one is free and this one is not. */
const UNPRICED = 6
const NOT_FREE = 0.6
/**
 * Uptime under 95% is punished exponentially, so that no bargain wins by failing: 0.08 points at 90%, 0.5 at 80%, 1.9 at
 * 70%, 22 at 50%. Small faults weigh about what llmgateway publishes (0.07 at 90%, 0.62 at 80%, features/routing.mdx).
 */
export const UPTIME = { floor: 0.95, weight: 0.1, growth: 12 } as const

export const downtime = (success: number): number =>
  success >= UPTIME.floor ? 0 : UPTIME.weight * Math.expm1(UPTIME.growth * (UPTIME.floor - success))

/** How much worse than the best, as a share: 0 = the best. */
const worse = (value: number, best: number): number => (best > 0 ? value / best - 1 : 0)

/** Points for a price that is so far above the cheapest. */
function dearer(own: number, cheapest: number): number {
  if (!Number.isFinite(cheapest)) return 0
  if (!Number.isFinite(own)) return UNPRICED
  return cheapest > 0 ? BALANCE.price * worse(own, cheapest) : own > 0 ? NOT_FREE : 0
}

const balanced: Strategy = candidates => {
  const cost = costs(candidates)
  const first = waits(candidates)
  const perToken = filled(candidates, perTokenOf)
  const [cheapest, soonest, quickest] = [Math.min(...cost), Math.min(...first), Math.min(...perToken)]
  return candidates.map(
    (c, i) =>
      dearer(cost[i] as number, cheapest) +
      BALANCE.latency * worse(first[i] as number, soonest) +
      BALANCE.throughput * worse(perToken[i] as number, quickest) +
      downtime(c.success),
  )
}

/** A race of exponential clocks sorts into a weighted random order (Efraimidis and Spirakis, 2006); without a weight: last. */
const weighted: Strategy = (candidates, dice) =>
  candidates.map(c => (c.weight > 0 ? -Math.log(1 - dice()) / c.weight : Number.POSITIVE_INFINITY))

/** As the file says; health alone changes it, by leaving out who is down. */
const priority: Strategy = candidates => candidates.map(c => c.place)

export const STRATEGIES: Readonly<Record<Sort, Strategy>> = {
  balanced,
  price,
  latency,
  throughput,
  weighted,
  priority,
}

/** Weighted random order, the likelier first. */
export function shuffled<T>(items: readonly T[], weight: (item: T) => number, random: () => number): T[] {
  return items
    .map(item => ({ item, key: random() ** (1 / Math.max(1e-9, weight(item))) }))
    .sort((a, b) => b.key - a.key)
    .map(({ item }) => item)
}

/** Known to be slower than the caller would like: asked after the others, not left out. What is unknown is not slow. */
export function missesWish(candidate: Candidate, p: Preferences | undefined): boolean {
  const { preferredMaxLatencyMs: most, preferredMinTokensPerSecond: least } = p ?? {}
  const { ttftMs, tokensPerSecond } = candidate
  return (
    (most !== undefined && ttftMs !== undefined && ttftMs > most) ||
    (least !== undefined && tokensPerSecond !== undefined && tokensPerSecond < least)
  )
}

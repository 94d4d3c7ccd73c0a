/** Strategies: pure functions that put candidates in order. One function and one line in the table make a new one. */
import type { StrategyName } from '../config/schema.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { HealthState } from './health.ts'
import type { Credential, Listing } from './market.ts'

export interface Candidate {
  readonly listing: Listing
  readonly credentials: readonly Credential[]
  /** Likely price of this very request, nano-USD; undefined = unknown. */
  readonly likelyNanoUsd: number | undefined
  readonly health: HealthState | undefined
}

export type Strategy = (candidates: readonly Candidate[]) => readonly Candidate[]

/** An unknown price sorts last, an unknown latency in the middle: it is found out by being tried. */
const price = (c: Candidate) => c.likelyNanoUsd ?? Number.POSITIVE_INFINITY

/** A list price that is far off its peers' wins nothing: such an offer counts as dear as the dearest sound one. */
function trusted(candidates: readonly Candidate[]): (c: Candidate) => number {
  const sound = candidates.filter(c => !c.listing.doubtful).map(price)
  const dearest = Math.max(0, ...sound.filter(Number.isFinite))
  return c => (c.listing.doubtful ? Math.max(price(c), dearest) : price(c))
}

function medianTtft(candidates: readonly Candidate[]): number {
  const known = candidates.map(c => c.health?.ttftMs).filter(ms => ms !== undefined)
  known.sort((a, b) => a - b)
  return known[known.length >> 1] ?? 0
}

const byScore =
  (score: (c: Candidate) => number): Strategy =>
  candidates =>
    candidates
      .map(c => ({ c, score: score(c) }))
      .sort((a, b) => (a.score === b.score ? 0 : a.score - b.score))
      .map(({ c }) => c)

/** A target that fails half the time costs twice: its likely price and latency are divided by its success rate. */
const successOf = (c: Candidate) => Math.max(0.05, 1 - (c.health?.errorRate ?? 0))

const PRICE_WEIGHT = 0.6
const LATENCY_WEIGHT = 0.2
/** Uptime under 95% is punished quadratically, so that a shaky bargain does not win. */
const UPTIME_FLOOR = 0.95
const UPTIME_WEIGHT = 40

/** What a caller may sort by, beside what the configuration knows. */
export type Sort = StrategyName | 'throughput'

export const STRATEGIES: Readonly<Record<Sort, Strategy>> = {
  throughput: byScore(c => -(c.health?.tokensPerSecond ?? 0) * successOf(c)),
  price: candidates => {
    const cost = trusted(candidates)
    return byScore(c => cost(c) / successOf(c))(candidates)
  },
  latency: candidates => {
    const middle = medianTtft(candidates)
    return byScore(c => (c.health?.ttftMs ?? middle) / successOf(c))(candidates)
  },
  balanced: candidates => {
    const cost = trusted(candidates)
    const cheapest = Math.min(...candidates.map(cost))
    const middle = medianTtft(candidates)
    const fastest = Math.min(...candidates.map(c => c.health?.ttftMs ?? middle))
    return byScore(c => {
      const dearer = !Number.isFinite(cost(c))
        ? 10
        : cheapest > 0
          ? cost(c) / cheapest - 1
          : cost(c) > 0
            ? 1
            : 0
      const slower = fastest > 0 ? (c.health?.ttftMs ?? middle) / fastest - 1 : 0
      const down = Math.max(0, UPTIME_FLOOR - successOf(c))
      return PRICE_WEIGHT * dearer + LATENCY_WEIGHT * slower + UPTIME_WEIGHT * down * down
    })(candidates)
  },
}

/** Equal scores are shared out by weighted dice: without it the first of equals would carry everything. */
export function shuffled<T>(items: readonly T[], weight: (item: T) => number, random: () => number): T[] {
  // Efraimidis–Spirakis: a key of u^(1/w) sorts into a weighted random order
  return items
    .map(item => ({ item, key: random() ** (1 / Math.max(1e-9, weight(item))) }))
    .sort((a, b) => b.key - a.key)
    .map(({ item }) => item)
}

/** Known to be slower than the caller would like: asked after the others, not left out. What is unknown is not slow. */
export function missesWish({ health }: Candidate, p: Preferences | undefined): boolean {
  const { preferredMaxLatencyMs: most, preferredMinTokensPerSecond: least } = p ?? {}
  const late = most !== undefined && health?.ttftMs !== undefined && health.ttftMs > most
  const slow = least !== undefined && health?.tokensPerSecond !== undefined && health.tokensPerSecond < least
  return late || slow
}

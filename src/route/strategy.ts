/** Strategies: pure functions that give each place of the field a score, the lowest first. One function and one line in the table make a new one. Used by rank.ts. */
import type { StrategyName } from '../config/schema.ts'
import type { Preferences } from '../wire/extensions.ts'
import {
  column,
  costsOf,
  type Field,
  firstTokensOf,
  freshnessOf,
  isMixed,
  isWhole,
  listingAt,
  mixedFirstTokensOf,
  perTokensOf,
  type States,
  statesOf,
  successOf,
  wholesOf,
} from './field.ts'
import type { HealthState } from './health.ts'
import type { Open } from './open.ts'

/** Lower is better; Infinity = only if nobody else is there. The dice are uniform in [0, 1). */
export type Strategy = (field: Field, dice: () => number) => readonly number[]

/** What a caller may sort by is among the strategies of the configuration. */
export type Sort = StrategyName

/** The value of each, where some are unknown (NaN): those get the middle of the known ones, and old values drift towards it. In place; what `spare` holds is lost. */
function filled(values: number[], freshness: readonly number[], spare: number[]): readonly number[] {
  let count = 0
  let isCertain = true
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    if (Number.isNaN(value)) isCertain = false
    else spare[count++] = value
    if ((freshness[i] as number) < 0.99) isCertain = false
  }
  if (isCertain) return values
  const middle = count === 0 ? 0 : middleOf(spare, count)
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number
    values[i] = Number.isNaN(value) ? middle : middle + (value - middle) * (freshness[i] as number)
  }
  return values
}

/** The value in the middle (of an even number the upper one), found without sorting them all (Hoare's FIND, 1961). Puts these, the first of the list, into another order. */
function middleOf(list: number[], count: number): number {
  const place = count >> 1
  let [from, to] = [0, count - 1]
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

/** An unknown price is no bargain. A list price far off its peers' wins nothing: it counts as dear as the dearest sound one. */
function soundCosts(field: Field): readonly number[] {
  const costs = costsOf(field)
  const isDoubtful = (place: number) => listingAt(field, place).doubtful === true
  let dearest = 0
  let isSound = true
  for (let i = 0; i < costs.length; i++) {
    const cost = costs[i] as number
    if (isDoubtful(i)) isSound = false
    else if (cost > dearest && cost !== Number.POSITIVE_INFINITY) dearest = cost
  }
  if (isSound) return costs
  for (let i = 0; i < costs.length; i++) if (isDoubtful(i)) costs[i] = Math.max(costs[i] as number, dearest)
  return costs
}

/** Each score divided by the chance of success: what fails half the time costs twice and takes twice as long. */
function perSuccess(scores: readonly number[], states: States, nowMs: number): readonly number[] {
  const each = column(scores.length)
  for (let i = 0; i < each.length; i++) each[i] = (scores[i] as number) / successOf(states[i], nowMs)
  return each
}

const price: Strategy = field => perSuccess(soundCosts(field), statesOf(field), field.nowMs)

/** How long the caller waits at each: for a stream's first content, or for all of a whole answer. What `spare` holds is lost. */
function waitsOf(
  field: Field,
  states: States,
  freshness: readonly number[],
  spare: number[],
): readonly number[] {
  const fill = (values: number[]) => filled(values, freshness, spare)
  if (isWhole(field)) return fill(wholesOf(field, states, () => fill(perTokensOf(states))))
  return isMixed(states) ? mixedFirstTokensOf(states, fill) : fill(firstTokensOf(states))
}

const latency: Strategy = field => {
  const states = statesOf(field)
  const waits = waitsOf(field, states, freshnessOf(states, field), column(states.length))
  return perSuccess(waits, states, field.nowMs)
}

const throughput: Strategy = (field, dice) => {
  // nothing is seen of the speed of a whole answer but when it is there
  if (isWhole(field)) return latency(field, dice)
  const states = statesOf(field)
  const perToken = filled(perTokensOf(states), freshnessOf(states, field), column(states.length))
  return perSuccess(perToken, states, field.nowMs)
}

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
  success >= UPTIME.floor ? 0 : UPTIME.weight * (Math.exp(UPTIME.growth * (UPTIME.floor - success)) - 1)

/** How much worse than the best, as a share: 0 = the best. */
const worse = (value: number, best: number): number => (best > 0 ? value / best - 1 : 0)

/** Points for a price that is so far above the cheapest. */
function dearer(own: number, cheapest: number): number {
  if (!Number.isFinite(cheapest)) return 0
  if (!Number.isFinite(own)) return UNPRICED
  return cheapest > 0 ? BALANCE.price * worse(own, cheapest) : own > 0 ? NOT_FREE : 0
}

/** Infinity where there is none. */
function least(values: readonly number[]): number {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < values.length; i++) if ((values[i] as number) < least) least = values[i] as number
  return least
}

const balanced: Strategy = field => {
  const { nowMs } = field
  const states = statesOf(field)
  const freshness = freshnessOf(states, field)
  const cost = soundCosts(field)
  const points = column(states.length)
  const first = waitsOf(field, states, freshness, points)
  const perToken = filled(perTokensOf(states), freshness, points)
  const [cheapest, soonest, quickest] = [least(cost), least(first), least(perToken)]
  for (let i = 0; i < points.length; i++)
    points[i] =
      dearer(cost[i] as number, cheapest) +
      BALANCE.latency * worse(first[i] as number, soonest) +
      BALANCE.throughput * worse(perToken[i] as number, quickest) +
      downtime(successOf(states[i], nowMs))
  return points
}

/** A race of exponential clocks sorts into a weighted random order (Efraimidis and Spirakis, 2006); without a weight: last. */
const weighted: Strategy = ({ open }, dice) => {
  const waits = column(open.length)
  for (let i = 0; i < waits.length; i++) {
    const weight = (open[i] as Open).listing.site.weight ?? 1
    waits[i] = weight > 0 ? -Math.log(1 - dice()) / weight : Number.POSITIVE_INFINITY
  }
  return waits
}

/** As the file says; health alone changes it, by leaving out who is down. */
const priority: Strategy = ({ open }) => {
  const places = column(open.length)
  for (let i = 0; i < places.length; i++) places[i] = (open[i] as Open).listing.site.priority ?? 0
  return places
}

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
export function missesWish(state: HealthState | undefined, p: Preferences | undefined): boolean {
  const { preferredMaxLatencyMs: most, preferredMinTokensPerSecond: least } = p ?? {}
  const { ttftMs, tokensPerSecond } = state ?? {}
  return (
    (most !== undefined && ttftMs !== undefined && ttftMs > most) ||
    (least !== undefined && tokensPerSecond !== undefined && tokensPerSecond < least)
  )
}

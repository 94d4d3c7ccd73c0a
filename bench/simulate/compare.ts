/** Runs every policy through the same days and puts the figures together. Pure. */
import { type Day, runDay } from './day.ts'
import { NAIVE } from './naive.ts'
import { CHEAPEST_HEALTHY, FASTEST_HEALTHY, ORACLE, ORACLES } from './oracle.ts'
import { OURS } from './ours.ts'
import { PEERS } from './peers.ts'
import type { Policy } from './policy.ts'
import { createSpread, merge, percentileOf, type Spread } from './spread.ts'
import { createWorld, type WorldShape } from './world.ts'

export const POLICIES: readonly Policy[] = [...OURS, ...NAIVE, ...PEERS, ...ORACLES]

/** A policy over all days. Ratios are means over the days, since a dear day must not outweigh a cheap one. */
export interface Figures {
  readonly name: string
  readonly what: string
  readonly requests: number
  readonly failures: number
  /** Attempts that failed, as a share of all. */
  readonly faultShare: number
  readonly attemptsPerRequest: number
  /** Cost of a served request over that of the cheapest healthy choice: mean of the days, and the worst day. */
  readonly costRatio: number
  readonly worstCostRatio: number
  /** First content, ms: means of the days' percentiles; failed requests count as never. */
  readonly p50Ms: number
  readonly p95Ms: number
  /** p95 over that of fastest-only, mean of the days. */
  readonly p95Ratio: number
}

const FASTEST_ONLY = 'fastest-only'

interface Sums {
  readonly policy: Policy
  requests: number
  failures: number
  attempts: number
  faults: number
  readonly costRatios: number[]
  readonly p50s: number[]
  readonly p95s: number[]
  readonly p95Ratios: number[]
  readonly spread: Spread
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
const costOf = ({ costPico, requests, failures }: Day) => costPico / Math.max(1, requests - failures)

export interface Comparison {
  readonly seeds: readonly number[]
  readonly requests: number
  readonly figures: ReadonlyMap<string, Figures>
}

/** `say` is told of each finished day. */
export function compare(
  seeds: readonly number[],
  shape?: WorldShape,
  say?: (seed: number) => void,
  policies: readonly Policy[] = POLICIES,
): Comparison {
  const sums = policies.map(
    (policy): Sums => ({
      policy,
      requests: 0,
      failures: 0,
      attempts: 0,
      faults: 0,
      costRatios: [],
      p50s: [],
      p95s: [],
      p95Ratios: [],
      spread: createSpread(),
    }),
  )
  for (const seed of seeds) {
    const world = createWorld(seed, shape)
    const days = policies.map(policy => runDay(world, policy))
    const named = (name: string) => days[policies.findIndex(policy => policy.name === name)]
    const [cheapest, fastest] = [named(CHEAPEST_HEALTHY.name), named(FASTEST_ONLY)]
    days.forEach((day, index) => {
      const sum = sums[index]
      if (sum) addDay(sum, day, cheapest, fastest)
    })
    say?.(seed)
  }
  const figures = new Map(sums.map(sum => [sum.policy.name, figuresOf(sum)]))
  return { seeds, requests: sums[0]?.requests ?? 0, figures }
}

function addDay(sum: Sums, day: Day, cheapest: Day | undefined, fastest: Day | undefined): void {
  sum.requests += day.requests
  sum.failures += day.failures
  sum.attempts += day.attempts
  sum.faults += day.faults
  const p95 = percentileOf(day.ttft, 0.95)
  sum.p50s.push(percentileOf(day.ttft, 0.5))
  sum.p95s.push(p95)
  if (cheapest) sum.costRatios.push(costOf(day) / costOf(cheapest))
  if (fastest) sum.p95Ratios.push(p95 / percentileOf(fastest.ttft, 0.95))
  merge(sum.spread, day.ttft)
}

const figuresOf = (sum: Sums): Figures => ({
  name: sum.policy.name,
  what: sum.policy.what,
  requests: sum.requests,
  failures: sum.failures,
  faultShare: sum.faults / Math.max(1, sum.attempts),
  attemptsPerRequest: sum.attempts / Math.max(1, sum.requests),
  costRatio: mean(sum.costRatios),
  worstCostRatio: Math.max(...sum.costRatios),
  p50Ms: mean(sum.p50s),
  p95Ms: mean(sum.p95s),
  p95Ratio: mean(sum.p95Ratios),
})

export { CHEAPEST_HEALTHY, FASTEST_HEALTHY, FASTEST_ONLY, ORACLE }

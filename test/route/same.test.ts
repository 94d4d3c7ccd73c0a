/** The columns decide what objects decided: each plan of thousands of random states against the oracle, target by target. */
import { expect, test } from 'vitest'
import type { StrategyName } from '../../src/config/schema.ts'
import type { Price } from '../../src/price.ts'
import { createExperience, type Experience } from '../../src/route/experience.ts'
import { createHealth, type Health } from '../../src/route/health.ts'
import type { Listing } from '../../src/route/market.ts'
import { openOf } from '../../src/route/open.ts'
import { orderOf } from '../../src/route/order.ts'
import { type Ask, type RouteDeps, targetKey } from '../../src/route/plan.ts'
import { EARLY_EVERY, EXPLORE_EVERY } from '../../src/route/rank.ts'
import { readyOf } from '../../src/route/ready.ts'
import type { Candidate } from '../../src/route/field.ts'
import { shuffled } from '../../src/route/strategy.ts'
import { diceOf, KEY, listing, marketOf, NOW, usage, wanted } from './goods.ts'
import { orderOf as oracleOf } from './oracle/order.ts'

const STRATEGIES: readonly StrategyName[] = [
  'balanced',
  'price',
  'latency',
  'throughput',
  'weighted',
  'priority',
]

const SEEDS = 3_000

type Dice = () => number
/** Few values, so that many are equal. */
const pick = <T>(dice: Dice, ...values: readonly T[]): T => values[Math.floor(dice() * values.length)] as T
const often = (dice: Dice, share: number): boolean => dice() < share

function priceOf(dice: Dice, id: string): Price | undefined {
  if (often(dice, 0.1)) return undefined
  const rates = () => ({
    inputPico: pick(dice, 0, 500_000, 1_000_000, Math.round(dice() * 4_000_000)),
    outputPico: pick(dice, 0, 2_000_000, Math.round(dice() * 9_000_000)),
    ...(often(dice, 0.5) && { cacheReadPico: pick(dice, 50_000, 100_000, 0) }),
  })
  const tiers = [
    { overInputTokens: 1_000, ...rates() },
    { overInputTokens: 8_000, ...rates() },
  ]
  return {
    id,
    ...rates(),
    ...(often(dice, 0.2) && { tiers: tiers.slice(0, pick(dice, 1, 2)) }),
    ...(often(dice, 0.1) && { units: { image: 3_000_000_000 } }),
  }
}

function sold(dice: Dice, index: number): Listing {
  const credentials = Array.from({ length: pick(dice, 0, 1, 1, 1, 2, 3) }, (_, c) => ({
    id: `c${index}-${c}`,
    name: `c${c}`,
    weight: c,
    headers: [],
  }))
  const site = {
    credentials,
    ...(often(dice, 0.5) && { weight: pick(dice, 0, 1, 3) }),
    ...(often(dice, 0.5) && { priority: pick(dice, 0, 1, 2) }),
  }
  const offer = {
    model: often(dice, 0.9) ? 'm' : 'other',
    price: priceOf(dice, `p${index}`),
    ...(often(dice, 0.5) && { maxOutputTokens: pick(dice, 100, 4_000) }),
  }
  const made = listing(`p${index}`, 1, offer, site)
  return often(dice, 0.1) ? { ...made, doubtful: true } : made
}

const keysOf = (each: Listing): readonly string[] =>
  each.site.credentials.length > 0
    ? each.site.credentials.map(credential => targetKey(each, credential))
    : [targetKey(each, undefined)]

/** What has been seen of a target: nothing, the same as of others, or something of its own. */
function live(health: Health, key: string, dice: Dice): void {
  const kind = dice()
  if (kind < 0.15) return
  const agoMs = pick(dice, 0, 0, 500, 5_000, 90_000, 3_600_000, Math.floor(dice() * 600_000))
  const times = pick(dice, 1, 2, 5)
  const kinds = pick(dice, 'streams', 'streams', 'wholes', 'both')
  const ttftMs = pick(dice, undefined, 200, 250, 300, Math.round(dice() * 4_000))
  const outputTokens = pick(dice, undefined, 0, 100, Math.round(dice() * 900))
  for (let i = 0; i < times; i++) {
    const fails = kind < 0.4 && often(dice, 0.4)
    const stream = kinds === 'both' ? often(dice, 0.5) : kinds === 'streams'
    const ok = { kind: 'ok', ttftMs, totalMs: (ttftMs ?? 0) + 1_500, outputTokens, stream } as const
    health.observe(key, fails ? { kind: 'fault' } : ok, NOW - agoMs + i)
  }
  const busy = pick(dice, 0, 0, 1, 4, 9)
  for (let i = 0; i < busy; i++) health.probe({ target: key, offer: 'x', credential: undefined }, NOW)
}

/** Trouble of the offer or of a credential, on top of what the faults have done. */
function trouble(health: Health, of: Listing, dice: Dice): void {
  const name = pick(dice, `${of.site.name}/${of.offer.upstream}`, of.site.credentials[0]?.id ?? '-')
  health.observe(
    name,
    { kind: 'cool_down', untilMs: NOW + pick(dice, -5, 3_000), told: often(dice, 0.5) },
    NOW,
  )
}

function asked(dice: Dice, strategy: StrategyName): Ask {
  const preferences = {
    ...(often(dice, 0.4) && { preferredMaxLatencyMs: pick(dice, 220, 1_000) }),
    ...(often(dice, 0.4) && { preferredMinTokensPerSecond: pick(dice, 50, 400) }),
    ...(often(dice, 0.4) && { order: ['p2', 'p0', 'nobody'] }),
    ...(often(dice, 0.2) && { ignore: ['nobody'] }),
  }
  const metering = {
    units: { kind: 'image/large', count: 2 },
    likely: { units: { kind: 'image', count: 2 } },
  }
  return {
    wanted: wanted({
      likelyInputTokens: pick(dice, 0, 100, 3_000, 20_000),
      maxOutputTokens: pick(dice, undefined, 50, 2_000),
      stream: often(dice, 0.6),
      ...(often(dice, 0.1) && { metering: metering as unknown as NonNullable<Ask['wanted']['metering']> }),
    }),
    preferences: often(dice, 0.25) ? preferences : undefined,
    strategy,
    key: KEY,
    session: pick(dice, undefined, { name: 's', given: true }, { name: 's', given: false }),
  }
}

/** Requests that have been: a leader, habits of caller and model, a warm cache, loads, and now and then a look that is due. */
function past(
  experience: Experience,
  listings: readonly Listing[],
  strategy: StrategyName,
  dice: Dice,
): void {
  if (often(dice, 0.3)) return
  const trace = { group: listings, strategy, session: 's' }
  const times = pick(dice, 1, 5, EARLY_EVERY - 1, 2 * EARLY_EVERY - 1, EXPLORE_EVERY - 1, EXPLORE_EVERY)
  for (let i = 0; i < times; i++) {
    const target = pick(dice, ...keysOf(pick(dice, ...listings)))
    const leader = often(dice, 0.8) ? target : undefined
    const ttftMs = often(dice, 0.5) ? Math.round(dice() * 2_000) : undefined
    const byScore = often(dice, 0.5) ? shuffled([...listings.keys()], () => 1, dice) : undefined
    const used =
      i > times - 25
        ? usage(pick(dice, 3_000, 20_000), pick(dice, 200, 900), pick(dice, 0, 2_000))
        : undefined
    const ended = {
      trace: { ...trace, leader, byScore },
      lineage: KEY.lineage,
      model: 'm',
      target,
      ttftMs,
      usage: used,
    }
    experience.learn(ended, NOW - 60_000 + i)
  }
}

interface State {
  readonly listings: readonly Listing[]
  readonly ask: Ask
  readonly deps: Omit<RouteDeps, 'random'>
  readonly isWatched: boolean
}

function stateOf(seed: number): State {
  const dice = diceOf(seed)
  const count = pick(dice, 1, 2, 2, 3, 3, 4, 5, 9, 50)
  const listings = Array.from({ length: count }, (_, index) => sold(dice, index))
  const [health, experience] = [createHealth(), createExperience()]
  for (const each of listings) for (const key of keysOf(each)) live(health, key, dice)
  const strategy = STRATEGIES[seed % STRATEGIES.length] as StrategyName
  past(experience, listings, strategy, dice)
  if (often(dice, 0.3)) trouble(health, pick(dice, ...listings), dice)
  const known = often(dice, 0.9) ? { experience } : {}
  return {
    listings,
    ask: asked(dice, strategy),
    deps: { market: marketOf({ m: listings }), health, nowMs: NOW, strategy, ...known },
    isWatched: often(dice, 0.5),
  }
}

/** Everything that can be told of an ordered group, by one of the two ways; undefined = nobody may be asked. */
function told(
  orderBy: typeof orderOf | typeof oracleOf,
  { listings, ask, deps, isWatched }: State,
  seed: number,
) {
  let draws = 0
  const dice = diceOf(seed + 1)
  const random = () => {
    draws++
    return dice()
  }
  const figures: unknown[] = []
  const onlooker = {
    excluded: () => {},
    ranked: (order: readonly Candidate[]) => {
      for (const { key, score, likelyNanoUsd, success, ttftMs, tokensPerSecond } of order)
        figures.push([
          key,
          score.toPrecision(10),
          likelyNanoUsd,
          success.toPrecision(10),
          ttftMs,
          tokensPerSecond,
        ])
    },
  }
  const given = { ...deps, random, ...(isWatched && { onlooker }) }
  const [open = []] = openOf([readyOf(listings)], given, [])
  if (open.length === 0) return undefined
  const { targets, leader } = orderBy(open, listings, ask, given, '; out: x (why)')
  const plan = targets.map(({ listing: { site }, credential, key, why }) => [
    site.name,
    credential?.id,
    key,
    why,
  ])
  return { plan, leader, draws, figures }
}

test('the same targets in the same order for the same reasons, with as many throws of the dice', () => {
  const seen = new Map<string, number>()
  for (let seed = 0; seed < SEEDS; seed++) {
    const state = stateOf(seed)
    const [before, now] = [told(oracleOf, state, seed), told(orderOf, state, seed)]
    // texts are compared quickly, and what differs is shown
    if (JSON.stringify(now) !== JSON.stringify(before)) expect(now, `seed ${seed}`).toEqual(before)
    if (!before) continue
    const note =
      String(before.plan[0]?.[3]).match(/shared|kept|looked at|warm|only candidate/)?.[0] ?? 'plain'
    for (const name of [note, state.deps.strategy]) seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  // every way to come first has been there, under every strategy
  for (const name of ['shared', 'kept', 'looked at', 'warm', 'only candidate', 'plain', ...STRATEGIES])
    expect(seen.get(name) ?? 0, name).toBeGreaterThan(SEEDS / 100)
})

/** One group of open listings → targets in order: measured, ranked, then what goes before the score: sessions, wishes, the caller's own order. Part of planning, pure. */
import { likelyCost } from './cost.ts'
import { candidateAt, type Field, habitOf, keyAt, listingAt, stateAt, successOf } from './field.ts'
import type { Listing } from './market.ts'
import type { Open } from './open.ts'
import type { Ask, RouteDeps, Target } from './plan.ts'
import { inFront, type Load, rank } from './rank.ts'
import type { Spot } from './ready.ts'
import { readersFirst } from './signed.ts'
import { savedNanoUsd } from './sticky.ts'
import { missesWish, shuffled, type Sort } from './strategy.ts'

/** A target that was never timed is taken to be this slow when loads are compared. */
const UNTIMED_MS = 1_000
const UNLED = { leader: undefined, requests: 0 }

/** Several credentials of one listing: tried in an order of the dice, by their weights. */
const inTurn = (spots: readonly Spot[], random: () => number): readonly Spot[] =>
  spots.length > 1 ? shuffled(spots, spot => spot.credential?.weight ?? 1, random) : spots

const fieldOf = (open: readonly Open[], { wanted, key }: Ask, deps: RouteDeps): Field => ({
  open,
  spots: open.map(({ spots }) => inTurn(spots, deps.random)),
  wanted,
  lineage: key.lineage,
  health: deps.health,
  habits: deps.experience?.habits,
  nowMs: deps.nowMs,
})

const loadOf = ({ health, experience, nowMs }: RouteDeps): Load => ({
  inFlight: key => health.inFlight(key),
  peakMs: key => experience?.peakMs(key, nowMs) ?? health.state(key)?.ttftMs ?? UNTIMED_MS,
})

/** Where the cheapest or the best is asked for; an order by speed or by the file is not bent for money. */
const STICKY: ReadonlySet<Sort> = new Set(['balanced', 'price', 'weighted'])
/** A session leaves a target that fails more than this. */
const STICKY_SUCCESS = 0.9

/** Likely price without any help of a cache: what the caller's average says of caches is not true of this conversation. */
function cold(field: Field, place: number): number | undefined {
  const listing = listingAt(field, place)
  return likelyCost(listing, field.wanted, { ...habitOf(field, listing.offer.model), cachedShare: 0 })
}

/**
 * Where in `order` the target is that a session should go back to; -1 = nowhere. Only those who are able and well are in
 * `order`, so health has had its word. The cache must save more than the first one would; a session that the caller has
 * named stays among equals too.
 */
function warm(order: readonly number[], field: Field, { session, strategy }: Ask, deps: RouteDeps): number {
  const kept = session && STICKY.has(strategy) && deps.experience?.sessions.find(session.name, deps.nowMs)
  if (!kept || !session) return -1
  const at = order.findIndex(place => keyAt(field, place) === kept.target)
  if (at <= 0) return at
  const [first, place] = [order[0] as number, order[at] as number]
  if (successOf(stateAt(field, place), field.nowMs) < STICKY_SUCCESS) return -1
  const [own, best] = [cold(field, place), cold(field, first)]
  // unknown prices cannot be compared: only a wish of the caller's speaks for one of them
  if (own === undefined || best === undefined) return session.given && own === best ? at : -1
  const { price } = listingAt(field, place).offer
  const saved = savedNanoUsd(price, field.wanted.likelyInputTokens, kept.cachedTokens)
  return own - saved < best || (session.given && own - saved === best) ? at : -1
}

const NOTES = { shared: ', load shared', kept: ', leader kept', explored: ', looked at' } as const
export const ALONE = 'only candidate'
/** Where several models are asked for, who is alone says of which. */
const aloneAs = ({ listing }: Open, { isOfSeveral }: Ask): string =>
  isOfSeveral ? `${ALONE} for ${listing.offer.model}` : ALONE
/** A request has ten attempts at most: later ones are not numbered. */
const NUMBERED = 10

interface Ordered {
  readonly targets: readonly Target[]
  /** Who leads the group if this goes well; undefined = nothing changes. */
  readonly leader: string | undefined
  /** Places by their scores, for the next one to begin with. */
  readonly byScore?: readonly number[]
}

/** What this caller alone wishes for says nothing about who should lead. */
const isPlain = (preferences: Ask['preferences']): boolean =>
  !preferences || (!preferences.order && !preferences.only && !preferences.ignore)

export function orderOf(
  open: readonly Open[],
  group: readonly Listing[],
  ask: Ask,
  deps: RouteDeps,
  tail: string,
): Ordered {
  const { preferences, strategy, wanted } = ask
  const { random } = deps
  const only = open[0]
  if (only && open.length === 1 && !deps.onlooker)
    return alone(only, preferences, random, aloneAs(only, ask) + tail)
  const field = fieldOf(open, ask, deps)
  const past = deps.experience?.past(group, strategy) ?? UNLED
  const ranking = rank(field, strategy, past, { random, load: loadOf(deps) })
  const { scores, leader, byScore } = ranking
  let { order } = ranking
  let note: string = ranking.note ? NOTES[ranking.note] : ''
  if (open.length > 1) {
    const at = warm(order, field, ask, deps)
    if (at >= 0) {
      note = ', its cache is warm'
      order = inFront(at, order)
    }
    order = wished(order, field, preferences, wanted.signed)
  }
  deps.onlooker?.ranked(order.map(place => candidateAt(field, place, scores[place] as number)))
  return {
    targets: targetsOf(order, field, ask, note, tail),
    leader: isPlain(preferences) ? leader : undefined,
    byScore,
  }
}

/** Nobody to choose among: nothing is measured. */
export function alone(
  { listing, spots }: Open,
  preferences: Ask['preferences'],
  random: () => number,
  why: string,
): Ordered {
  const targets = inTurn(spots, random).map(({ credential, key }) => ({ listing, credential, key, why }))
  return { targets, leader: isPlain(preferences) ? targets[0]?.key : undefined }
}

/** By strategy and number of candidates: made once for each, and written down for every request. */
const reasons = new Map<Sort, Map<number, readonly string[]>>()

/** "balanced: 2 of 5", by place; those that are not numbered share the last. */
function reasonsOf(strategy: Sort, count: number): readonly string[] {
  const byCount = reasons.get(strategy) ?? new Map<number, readonly string[]>()
  const known = byCount.get(count)
  if (known !== undefined) return known
  const numbered = Array.from(
    { length: Math.min(count, NUMBERED) },
    (_, i) => `${strategy}: ${i + 1} of ${count}`,
  )
  const made = [...numbered, `${strategy}: of ${count}`]
  reasons.set(strategy, byCount.set(count, made))
  return made
}

function targetsOf(
  order: readonly number[],
  field: Field,
  ask: Ask,
  note: string,
  tail: string,
): readonly Target[] {
  const [only] = field.open
  const whys = order.length === 1 && only ? [aloneAs(only, ask)] : reasonsOf(ask.strategy, order.length)
  const late = whys.at(-1) + tail
  const targets: Target[] = []
  for (let i = 0; i < order.length; i++) {
    const { listing } = field.open[order[i] as number] as Open
    const spots = field.spots[order[i] as number] as readonly Spot[]
    const why = i === 0 ? whys[0] + note + tail : i < NUMBERED ? whys[i] + tail : late
    for (let c = 0; c < spots.length; c++) {
      const { credential, key } = spots[c] as Spot
      targets.push({ listing, credential, key, why })
    }
  }
  return targets
}

/** Wishes that count before the score, the weakest first: speed, who can read signed thoughts, the caller's order. */
function wished(
  order: readonly number[],
  field: Field,
  preferences: Ask['preferences'],
  signed: Ask['wanted']['signed'],
): readonly number[] {
  let sorted = order
  const { preferredMaxLatencyMs: most, preferredMinTokensPerSecond: least, order: names } = preferences ?? {}
  if (most !== undefined || least !== undefined) {
    const slow = (place: number) => Number(missesWish(stateAt(field, place), preferences))
    sorted = [...sorted].sort((a, b) => slow(a) - slow(b))
  }
  sorted = readersFirst(sorted, signed, place => listingAt(field, place))
  if (names) {
    const turn = (place: number) => {
      const at = names.indexOf(listingAt(field, place).site.name)
      return at < 0 ? names.length : at
    }
    sorted = [...sorted].sort((a, b) => turn(a) - turn(b))
  }
  return sorted
}

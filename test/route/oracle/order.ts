/** The oracle of same.test.ts: one group of open listings → targets in order, as it was when each candidate was an object of its own. */
import { isPriced } from '../../../src/route/cost.ts'
import type { HealthState } from '../../../src/route/health.ts'
import type { Habit } from '../../../src/route/habits.ts'
import type { Listing } from '../../../src/route/market.ts'
import type { Open } from '../../../src/route/open.ts'
import { nanoFromPico, ratesFor, unitPico } from '../../../src/price.ts'
import type { Ask, RouteDeps, Target, Wanted } from '../../../src/route/plan.ts'
import { type Load, rank } from './rank.ts'
import type { Spot } from '../../../src/route/ready.ts'
import { readersFirst } from '../../../src/route/signed.ts'
import { savedNanoUsd } from '../../../src/route/sticky.ts'
import { type Candidate, missesWish, shuffled, type Sort } from './strategy.ts'

/** What was heard of a target counts half after ten minutes. */
const FADE_MS = 600_000 / Math.LN2
/** A target that was never timed is taken to be this slow when loads are compared. */
const UNTIMED_MS = 1_000
const FAILING_MOST = 0.95
const UNLED = { leader: undefined, requests: 0 }
const NO_HABIT: Habit = { outputTokens: undefined, cachedShare: 0 }

/** Likely nano-USD; undefined = the price is unknown. */
function likelyCost(listing: Listing, wanted: Wanted, habit?: Habit): number | undefined {
  const { price, maxOutputTokens: most = Number.POSITIVE_INFINITY } = listing.offer
  if (!price || !isPriced(price, wanted)) return undefined
  const { units, likely } = wanted.metering ?? {}
  const each = units && unitPico(price, units.kind)
  if (each !== undefined) return nanoFromPico((likely?.units?.count ?? 0) * each)
  const input = wanted.likelyInputTokens
  const { inputPico, outputPico, cacheReadPico = inputPico } = ratesFor(price, input)
  const output = Math.min(habit?.outputTokens ?? 512, wanted.maxOutputTokens ?? most, most)
  const cached = input * (habit?.cachedShare ?? 0)
  return nanoFromPico(Math.round((input - cached) * inputPico + cached * cacheReadPico + output * outputPico))
}

/** Failures are forgiven by half in a minute. */
function errorRateNow({ errorRate, seenAtMs }: HealthState, nowMs: number): number {
  const quietMs = nowMs - seenAtMs
  return errorRate === 0 || quietMs < 1_000 ? errorRate : errorRate * Math.exp((-Math.LN2 * quietMs) / 60_000)
}

/** Several credentials of one listing: tried in an order of the dice, by their weights. */
const inTurn = (spots: readonly Spot[], random: () => number): readonly Spot[] =>
  spots.length > 1 ? shuffled(spots, spot => spot.credential?.weight ?? 1, random) : spots

/** What is known of each now. The habit is looked up once for each model. */
function measured(open: readonly Open[], { wanted, key }: Ask, deps: RouteDeps): readonly Candidate[] {
  const { health, experience, nowMs, random } = deps
  const candidates: Candidate[] = []
  let model: string | undefined
  let habit = NO_HABIT
  for (const { listing, spots } of open) {
    const { offer, site } = listing
    if (experience && offer.model !== model) habit = experience.habits.expect(key.lineage, offer.model)
    model = offer.model
    const sorted = inTurn(spots, random)
    const first = (sorted[0] as Spot).key
    const state = health.state(first)
    const whole = wanted.stream === false
    const timedAtMs = (whole ? state?.wholeAtMs : state?.ttftAtMs) || state?.seenAtMs || 0
    const most = offer.maxOutputTokens ?? Number.POSITIVE_INFINITY
    candidates.push({
      listing,
      spots: sorted,
      key: first,
      likelyNanoUsd: likelyCost(listing, wanted, habit),
      success: state === undefined ? 1 : 1 - Math.min(FAILING_MOST, errorRateNow(state, nowMs)),
      ttftMs: state === undefined ? undefined : state.ttftMs,
      tokensPerSecond: state === undefined ? undefined : state.tokensPerSecond,
      freshness: timedAtMs === 0 ? 1 : Math.exp(Math.min(0, timedAtMs - nowMs) / FADE_MS),
      timedAtMs,
      whole,
      streamed: state?.ttft !== undefined,
      wholeMs: state?.wholeMs,
      likelyTokens: Math.min(habit.outputTokens ?? 512, wanted.maxOutputTokens ?? most, most),
      weight: site.weight ?? 1,
      place: site.priority ?? 0,
      score: 0,
    })
  }
  return candidates
}

const loadOf = ({ health, experience, nowMs }: RouteDeps): Load => ({
  inFlight: key => health.inFlight(key),
  peakMs: key => experience?.peakMs(key, nowMs) ?? health.state(key)?.ttftMs ?? UNTIMED_MS,
})

/** Where the cheapest or the best is asked for; an order by speed or by the file is not bent for money. */
const STICKY: ReadonlySet<Sort> = new Set(['balanced', 'price', 'weighted'])
/** A session leaves a target that fails more than this. */
const STICKY_SUCCESS = 0.9

/** Likely price without any help of a cache: what the caller's average says of caches is not true of this conversation. */
function cold({ listing }: Candidate, { wanted, key }: Ask, { experience }: RouteDeps): number | undefined {
  const habit = experience?.habits.expect(key.lineage, listing.offer.model) ?? NO_HABIT
  return likelyCost(listing, wanted, { ...habit, cachedShare: 0 })
}

/**
 * The place in `order` of the target that a session should go back to; -1 = none. Only those who are able and well are in
 * `order`, so health has had its word. The cache must save more than the first one would; a session that the caller has
 * named stays among equals too.
 */
function warm(order: readonly Candidate[], ask: Ask, deps: RouteDeps): number {
  const { session, strategy, wanted } = ask
  const kept = session && STICKY.has(strategy) && deps.experience?.sessions.find(session.name, deps.nowMs)
  if (!kept || !session) return -1
  const at = order.findIndex(({ key }) => key === kept.target)
  if (at <= 0) return at
  const [first, candidate] = [order[0] as Candidate, order[at] as Candidate]
  if (candidate.success < STICKY_SUCCESS) return -1
  const [own, best] = [cold(candidate, ask, deps), cold(first, ask, deps)]
  // unknown prices cannot be compared: only a wish of the caller's speaks for one of them
  if (own === undefined || best === undefined) return session.given && own === best ? at : -1
  const saved = savedNanoUsd(candidate.listing.offer.price, wanted.likelyInputTokens, kept.cachedTokens)
  return own - saved < best || (session.given && own - saved === best) ? at : -1
}

const front = <T>(items: readonly T[], at: number): readonly T[] => [
  items[at] as T,
  ...items.slice(0, at),
  ...items.slice(at + 1),
]

const NOTES = { shared: ', load shared', kept: ', leader kept', explored: ', looked at' } as const
/** A request has ten attempts at most: later ones are not numbered. */
const NUMBERED = 10

interface Ordered {
  readonly targets: readonly Target[]
  /** Who leads the group if this goes well; undefined = nothing changes. */
  readonly leader: string | undefined
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
  const { nowMs, random } = deps
  const [only] = open
  if (only && open.length === 1 && !deps.onlooker) return alone(only, preferences, random, tail)
  const candidates = measured(open, ask, deps)
  const past = deps.experience?.past(group, strategy) ?? UNLED
  const ranking = rank(candidates, strategy, past, { nowMs, random, load: loadOf(deps) })
  let { order } = ranking
  let note: string = ranking.note ? NOTES[ranking.note] : ''
  if (candidates.length > 1) {
    const at = warm(order, ask, deps)
    if (at >= 0) {
      note = ', its cache is warm'
      if (at > 0) order = front(order, at)
    }
    order = wished(order, preferences, wanted.signed)
  }
  deps.onlooker?.ranked(order)
  return {
    targets: targetsOf(order, strategy, note, tail),
    leader: isPlain(preferences) ? ranking.leader : undefined,
  }
}

/** Nobody to choose among: nothing is measured. */
function alone(
  { listing, spots }: Open,
  preferences: Ask['preferences'],
  random: () => number,
  tail: string,
): Ordered {
  const why = `only candidate${tail}`
  const targets = inTurn(spots, random).map(({ credential, key }) => ({ listing, credential, key, why }))
  return { targets, leader: isPlain(preferences) ? targets[0]?.key : undefined }
}

function targetsOf(
  order: readonly Candidate[],
  strategy: Sort,
  note: string,
  tail: string,
): readonly Target[] {
  const count = order.length
  const late = `${strategy}: of ${count}${tail}`
  const targets: Target[] = []
  for (let i = 0; i < count; i++) {
    const { listing, spots } = order[i] as Candidate
    let why = late
    if (count === 1) why = `only candidate${tail}`
    else if (i < NUMBERED) why = `${strategy}: ${i + 1} of ${count}${i === 0 ? note : ''}${tail}`
    for (const { credential, key } of spots) targets.push({ listing, credential, key, why })
  }
  return targets
}

/** Wishes that count before the score, the weakest first: speed, who can read signed thoughts, the caller's order. */
function wished(
  order: readonly Candidate[],
  preferences: Ask['preferences'],
  signed: Ask['wanted']['signed'],
): readonly Candidate[] {
  let sorted = order
  const { preferredMaxLatencyMs: most, preferredMinTokensPerSecond: least, order: names } = preferences ?? {}
  if (most !== undefined || least !== undefined) {
    const slow = (candidate: Candidate) => Number(missesWish(candidate, preferences))
    sorted = [...sorted].sort((a, b) => slow(a) - slow(b))
  }
  sorted = readersFirst(sorted, signed, ({ listing }) => listing)
  if (names) {
    const place = ({ listing }: Candidate) => {
      const at = names.indexOf(listing.site.name)
      return at < 0 ? names.length : at
    }
    sorted = [...sorted].sort((a, b) => place(a) - place(b))
  }
  return sorted
}

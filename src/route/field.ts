/** The candidates of a group at this moment, and their figures in columns of numbers: a plan among many makes no object for each of them. Filled by order.ts, read by strategy.ts and rank.ts. Pure. */
import { likelyCost, likelyOutput, quotedCost } from './cost.ts'
import { type Habit, type Habits, NO_HABIT } from './habits.ts'
import { errorRateNow, type Health, type HealthState } from './health.ts'
import type { Listing } from './market.ts'
import type { Open } from './open.ts'
import type { Wanted } from './plan.ts'
import type { Spot } from './ready.ts'

/** Who is in it; every column goes by their places in `open`. */
export interface Field {
  readonly open: readonly Open[]
  /** Of each its credentials that may be used, in the order in which they are tried; the first one's health speaks for it. */
  readonly spots: readonly (readonly Spot[])[]
  readonly wanted: Wanted
  readonly lineage: string
  readonly health: Pick<Health, 'state'>
  /** Undefined = nothing was learned yet. */
  readonly habits: Pick<Habits, 'expect'> | undefined
  readonly nowMs: number
}

/** A place in the field with its figures, for those who look on. */
export interface Candidate {
  readonly listing: Listing
  /** Health key of the first of its credentials. */
  readonly key: string
  /** Likely price of this very request, nano-USD; undefined = unknown. */
  readonly likelyNanoUsd: number | undefined
  /** Share of requests that succeed, 0–1; 1 while nothing is known against it. */
  readonly success: number
  /** Time to first content; undefined = never measured. */
  readonly ttftMs: number | undefined
  readonly tokensPerSecond: number | undefined
  /** What the strategy made of it, the lowest first. */
  readonly score: number
}

const FAILING_MOST = 0.95
/** What was heard of a target counts half after ten minutes. */
const FADE_MS = 600_000 / Math.LN2

const BLANK: readonly number[] = Array.from({ length: 256 }, () => Number.NaN)

/** A column to be filled, of doubles from the start: one that begins with whole numbers would change its form under the loops that read it. */
export const column = (length: number): number[] =>
  length <= BLANK.length ? BLANK.slice(0, length) : Array.from({ length }, () => Number.NaN)

export const listingAt = ({ open }: Field, place: number): Listing => (open[place] as Open).listing

/** Health key of the credential that is tried first. */
export const keyAt = ({ spots }: Field, place: number): string =>
  ((spots[place] as readonly Spot[])[0] as Spot).key

export const stateAt = (field: Field, place: number): HealthState | undefined =>
  field.health.state(keyAt(field, place))

export const habitOf = ({ habits, lineage }: Field, model: string): Habit =>
  habits === undefined ? NO_HABIT : habits.expect(lineage, model)

/** Share of requests that succeed, 0.05–1. */
export const successOf = (state: HealthState | undefined, nowMs: number): number =>
  state === undefined ? 1 : 1 - Math.min(FAILING_MOST, errorRateNow(state, nowMs))

export function statesOf(field: Field): States {
  const states: (HealthState | undefined)[] = []
  for (let i = 0; i < field.spots.length; i++) states.push(stateAt(field, i))
  return states
}

/** Likely nano-USD; Infinity = unknown. The habit is looked up once for each model. */
export function costsOf(field: Field): number[] {
  const { open, wanted } = field
  const isText = wanted.metering === undefined
  const costs = column(open.length)
  let model: string | undefined
  let habit = NO_HABIT
  for (let i = 0; i < costs.length; i++) {
    const { listing, quote } = open[i] as Open
    if (listing.offer.model !== model) habit = habitOf(field, listing.offer.model)
    model = listing.offer.model
    costs[i] =
      isText && quote !== undefined
        ? quotedCost(quote, wanted, habit)
        : (likelyCost(listing, wanted, habit) ?? Number.POSITIVE_INFINITY)
  }
  return costs
}

/** What health knows of each. */
export type States = readonly (HealthState | undefined)[]

/** Does the caller wait for all of the answer, and not for its beginning? */
export const isWhole = ({ wanted }: Field): boolean => wanted.stream === false

/** Epoch ms of the last sample that says how long such a request takes; 0 = never heard of. */
export const timedAtMs = (state: HealthState | undefined, whole: boolean): number =>
  state === undefined ? 0 : (whole ? state.wholeAtMs : state.ttftAtMs) || state.seenAtMs

/** 1 = heard of just now (or never), towards 0 = long ago: what is old counts for less, and the middle of the others for more. */
export function freshnessOf(states: States, field: Field): number[] {
  const { nowMs } = field
  const whole = isWhole(field)
  const freshness = column(states.length)
  for (let i = 0; i < freshness.length; i++) {
    const seenAtMs = timedAtMs(states[i], whole)
    freshness[i] = seenAtMs === 0 ? 1 : Math.exp(Math.min(0, seenAtMs - nowMs) / FADE_MS)
  }
  return freshness
}

/** Milliseconds to the first content, or of whole answers while nobody was seen to stream; NaN = never measured. */
export function firstTokensOf(states: States): number[] {
  const values = column(states.length)
  for (let i = 0; i < values.length; i++) values[i] = states[i]?.ttftMs ?? Number.NaN
  return values
}

/** Only seen to answer whole: its `ttftMs` is the time of those answers, and a first token comes before that. */
const isUnstreamed = (state: HealthState | undefined): boolean =>
  state !== undefined && state.ttftMs !== undefined && state.ttft === undefined

/** Were some seen to stream, and others only to answer whole? Whole answers stand in for first tokens only while nobody streamed. */
export function isMixed(states: States): boolean {
  let [streamed, whole] = [false, false]
  for (let i = 0; i < states.length; i++) {
    if (isUnstreamed(states[i])) whole = true
    else if (states[i]?.ttft !== undefined) streamed = true
  }
  return streamed && whole
}

/** First tokens beside which a whole answer would look slow: who gave no others is taken to be like its peers (`filled`), but never later than those answers. */
export function mixedFirstTokensOf(
  states: States,
  filled: (values: number[]) => readonly number[],
): readonly number[] {
  const sure = firstTokensOf(states)
  for (let i = 0; i < sure.length; i++) if (isUnstreamed(states[i])) sure[i] = Number.NaN
  const values = filled(sure).slice()
  for (let i = 0; i < values.length; i++)
    if (isUnstreamed(states[i])) values[i] = Math.min(values[i] as number, states[i]?.ttftMs as number)
  return values
}

/**
 * Milliseconds to the end of a whole answer; NaN = never measured. Of who was only seen to stream: its first token, and then
 * so much text as is likely at its speed (`perToken`, asked for only then).
 */
export function wholesOf(field: Field, states: States, perToken: () => readonly number[]): number[] {
  const values = column(states.length)
  let each: readonly number[] | undefined
  for (let i = 0; i < values.length; i++) {
    const { wholeMs, ttftMs } = states[i] ?? {}
    if (wholeMs !== undefined) values[i] = wholeMs
    else if (ttftMs !== undefined) {
      each ??= perToken()
      const { offer } = listingAt(field, i)
      const { maxOutputTokens: most = Number.POSITIVE_INFINITY } = offer
      const tokens = likelyOutput(habitOf(field, offer.model), field.wanted.maxOutputTokens, most)
      values[i] = ttftMs + tokens * (each[i] as number)
    }
  }
  return values
}

/** Milliseconds per token; NaN = never measured. */
export function perTokensOf(states: States): number[] {
  const values = column(states.length)
  for (let i = 0; i < values.length; i++) {
    const speed = states[i]?.tokensPerSecond
    values[i] = speed === undefined ? Number.NaN : speed && 1000 / speed
  }
  return values
}

/** For those who look on. */
export function candidateAt(field: Field, place: number, score: number): Candidate {
  const listing = listingAt(field, place)
  const state = stateAt(field, place)
  return {
    listing,
    key: keyAt(field, place),
    likelyNanoUsd: likelyCost(listing, field.wanted, habitOf(field, listing.offer.model)),
    success: state === undefined ? 1 : 1 - errorRateNow(state, field.nowMs),
    ttftMs: state?.ttftMs,
    tokensPerSecond: state?.tokensPerSecond,
    score,
  }
}

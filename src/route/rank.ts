/** The field → an order of its places: the strategy's scores, equals shared by load, a leader that stays, and now and then a look at the others. Pure. */
import { costsOf, type Field, isWhole, keyAt, listingAt, stateAt, successOf, timedAtMs } from './field.ts'
import { type Sort, STRATEGIES } from './strategy.ts'

export interface Ranking {
  /** Places in the field; the first is asked first. */
  readonly order: readonly number[]
  /** The same by their scores alone. */
  readonly byScore: readonly number[]
  /** By place: what the strategy makes of each, the lowest first. */
  readonly scores: readonly number[]
  /** Why the first is there when its score alone would not have put it there. */
  readonly note: 'shared' | 'kept' | 'explored' | undefined
  /** Who leads from now on if this goes well: the first, unless it is only being looked at. */
  readonly leader: string | undefined
}

/** How busy a target is, by its key: asked of the few where it matters. */
export interface Load {
  /** Requests that are there now. */
  inFlight(key: string): number
  /** Worst recent time to first content, ms. */
  peakMs(key: string): number
}

/** What the past has to do with it. */
export interface Past {
  /** Key of the target that led this group under this strategy. */
  readonly leader: string | undefined
  /** How many requests the group has had. */
  readonly requests: number
  /** How its places were ranked then; absent = never. */
  readonly order?: readonly number[] | undefined
}

/**
 * Scores that differ by less are equal: a share of the best one, or points of `balanced`. An exact order has none.
 * The leader stays within twice as much, so that equals whose figures tremble do not change places all the time.
 */
const MARGINS: Readonly<Record<Sort, { readonly share?: number; readonly points?: number }>> = {
  balanced: { points: 0.1 },
  price: { share: 0.01 },
  latency: { share: 0.25 },
  throughput: { share: 0.1 },
  weighted: {},
  priority: { points: 0 },
}
/** Margins are for figures that tremble: a leader that has just failed twice (one failure makes it 0.8) must be the best to stay. */
const LEADER_SUCCESS = 0.75
/** Below this many requests at once the leader of equals keeps them (its caches stay warm); above it they are shared by load. */
export const SHARED_FROM = 4
/** Every so many requests of a group one goes to whom nothing has been heard of for long: 1%. */
export const EXPLORE_EVERY = 100
const STALE_MS = 60_000
/** And early, one in so many to whom nothing has ever been heard of, until there was a turn for each of the group. */
export const EARLY_EVERY = 4
/** A look may cost so many times what the best costs. */
const LOOK_PRICE = 2
const EXPLORING: ReadonlySet<Sort> = new Set(['balanced', 'latency', 'throughput'])

function reach(best: number, strategy: Sort): number {
  const { share, points } = MARGINS[strategy]
  return share === undefined ? (points ?? -1) : share * Math.abs(best)
}

/** Two of them by dice, the less loaded one by peak-EWMA × (in flight + 1): power of two choices (Mitzenmacher, 2001). */
function lighterOfTwo(equals: readonly number[], field: Field, load: Load, random: () => number): number {
  const waitMs = (key: string) => load.peakMs(key) * (load.inFlight(key) + 1)
  const first = Math.floor(random() * equals.length)
  const step = 1 + Math.floor(random() * (equals.length - 1))
  const [a, b] = [equals[first] as number, equals[(first + step) % equals.length] as number]
  return waitMs(keyAt(field, b)) < waitMs(keyAt(field, a)) ? b : a
}

/** How old the news of a target must be for a look at it, ms; Infinity = only who was never heard of; undefined = no look is due. */
function lookAfter(requests: number, places: number): number | undefined {
  if (requests % EXPLORE_EVERY === EXPLORE_EVERY - 1) return STALE_MS
  const isEarly = requests < EARLY_EVERY * places && requests % EARLY_EVERY === EARLY_EVERY - 1
  return isEarly ? Number.POSITIVE_INFINITY : undefined
}

/** The one about whom least is known, if a look at it is due, nobody is looking already, and it is not too dear. */
function unknownOf(order: readonly number[], field: Field, load: Load, afterMs: number): number | undefined {
  const whole = isWhole(field)
  const costs = costsOf(field)
  const [best] = order
  // beside a best one of unknown price nobody is too dear: both are infinite then
  const most = (costs[best as number] as number) * LOOK_PRICE
  let oldest: number | undefined
  let oldestMs = Number.POSITIVE_INFINITY
  for (const place of order) {
    const seenAtMs = timedAtMs(stateAt(field, place), whole)
    if (listingAt(field, place).doubtful || (place === best && seenAtMs !== 0)) continue
    if (seenAtMs !== 0 && field.nowMs - seenAtMs < afterMs) continue
    if (seenAtMs >= oldestMs || (costs[place] as number) > most) continue
    if (load.inFlight(keyAt(field, place)) > 0) continue
    oldest = place
    oldestMs = seenAtMs
  }
  return oldest
}

/** The one that stands there comes first, the others as they were. */
export function inFront(at: number, order: readonly number[]): readonly number[] {
  if (at === 0) return order
  const moved = order.slice()
  for (let i = at; i > 0; i--) moved[i] = order[i - 1] as number
  moved[0] = order[at] as number
  return moved
}

/**
 * The lowest score first. Binary insertion that begins with the order of last time: it is mostly still right, and then each
 * is looked at once. No calls back and no objects, for every request is ranked.
 */
function sorted(scores: readonly number[], last: readonly number[] | undefined): number[] {
  const order = last?.length === scores.length ? last.slice() : [...scores.keys()]
  for (let i = 1; i < order.length; i++) {
    const place = order[i] as number
    const score = scores[place] as number
    if ((scores[order[i - 1] as number] as number) <= score) continue
    let low = 0
    let high = i - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((scores[order[middle] as number] as number) <= score) low = middle + 1
      else high = middle
    }
    for (let at = i; at > low; at--) order[at] = order[at - 1] as number
    order[low] = place
  }
  return order
}

/** Equals in an order of the dice (Fisher and Yates, 1938): else the first of them would be every failure's second choice. In place. */
function shuffleEquals(order: number[], scores: readonly number[], random: () => number): void {
  let from = 0
  while (from < order.length) {
    const score = scores[order[from] as number] as number
    let to = from + 1
    while (to < order.length && scores[order[to] as number] === score) to++
    for (let i = to - 1; i > from; i--) {
      const at = from + Math.floor(random() * (i - from + 1))
      const swapped = order[i] as number
      order[i] = order[at] as number
      order[at] = swapped
    }
    from = to
  }
}

const placeOf = (key: string | undefined, order: readonly number[], field: Field): number | undefined =>
  key === undefined ? undefined : order.find(place => keyAt(field, place) === key)

/** Gives each its score and its turn. */
export function rank(
  field: Field,
  strategy: Sort,
  past: Past,
  { random, load }: { readonly random: () => number; readonly load: Load },
): Ranking {
  const scores = STRATEGIES[strategy](field, random)
  const order = sorted(scores, past.order)
  shuffleEquals(order, scores, random)
  const byScore = order
  const [best, second] = order
  if (best === undefined || second === undefined)
    return {
      order,
      scores,
      byScore,
      note: undefined,
      leader: best === undefined ? undefined : keyAt(field, best),
    }

  const afterMs = EXPLORING.has(strategy) ? lookAfter(past.requests, order.length) : undefined
  if (afterMs !== undefined) {
    const unknown = unknownOf(order, field, load, afterMs)
    if (unknown !== undefined)
      return {
        order: inFront(order.indexOf(unknown), order),
        scores,
        byScore,
        note: 'explored',
        leader: undefined,
      }
  }
  const lowest = scores[best] as number
  const margin = reach(lowest, strategy)
  const before = placeOf(past.leader, order, field)
  const isSteady =
    before !== undefined &&
    (scores[before] as number) <= lowest + 2 * margin &&
    successOf(stateAt(field, before), field.nowMs) >= LEADER_SUCCESS
  const leader = isSteady ? before : best
  const lead = keyAt(field, leader)
  const kept = {
    order: inFront(order.indexOf(leader), order),
    scores,
    byScore,
    note: leader === best ? undefined : 'kept',
    leader: lead,
  } as const
  if (load.inFlight(lead) < SHARED_FROM) return kept
  // nothing is added to infinity: those without a score are all equal
  const most = Math.max(lowest, lowest + margin)
  const equals = order.filter(place => (scores[place] as number) <= most)
  if (equals.length === 1) return kept
  const lighter = lighterOfTwo(equals, field, load, random)
  return { order: inFront(order.indexOf(lighter), order), scores, byScore, note: 'shared', leader: lead }
}

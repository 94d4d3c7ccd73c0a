/** The oracle of same.test.ts: candidates → their order, as it was when each candidate was an object of its own. */
import { type Candidate, type Sort, STRATEGIES } from './strategy.ts'

export interface Ranking {
  /** The first is asked first. */
  readonly order: readonly Candidate[]
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
/** And early, one in so many to whom nothing has ever been heard of. */
const EARLY_EVERY = 4
/** A look may cost so many times what the best costs. */
const LOOK_PRICE = 2
const EXPLORING: ReadonlySet<Sort> = new Set(['balanced', 'latency', 'throughput'])

function reach(best: number, strategy: Sort): number {
  const { share, points } = MARGINS[strategy]
  return share === undefined ? (points ?? -1) : share * Math.abs(best)
}

/** Two of them by dice, the less loaded one by peak-EWMA × (in flight + 1): power of two choices (Mitzenmacher, 2001). */
function lighterOfTwo(equals: readonly Candidate[], load: Load, random: () => number): Candidate {
  const waitMs = ({ key }: Candidate) => load.peakMs(key) * (load.inFlight(key) + 1)
  const first = Math.floor(random() * equals.length)
  const step = 1 + Math.floor(random() * (equals.length - 1))
  const [a, b] = [equals[first] as Candidate, equals[(first + step) % equals.length] as Candidate]
  return waitMs(b) < waitMs(a) ? b : a
}

/** The one about whom least is known, if a look at it is due, nobody is looking already, and it is not too dear. */
function unknownOf(
  order: readonly Candidate[],
  nowMs: number,
  isEarly: boolean,
  load: Load,
): Candidate | undefined {
  const most = order[0]?.likelyNanoUsd
  let oldest: Candidate | undefined
  for (const candidate of order) {
    const { timedAtMs: seenAtMs, likelyNanoUsd, listing } = candidate
    if (listing.doubtful || load.inFlight(candidate.key) > 0) continue
    if (seenAtMs > 0 && (isEarly || candidate === order[0] || nowMs - seenAtMs < STALE_MS)) continue
    if (most !== undefined && (likelyNanoUsd === undefined || likelyNanoUsd > most * LOOK_PRICE)) continue
    if (!oldest || seenAtMs < oldest.timedAtMs) oldest = candidate
  }
  return oldest
}

const inFront = (first: Candidate, order: readonly Candidate[]): readonly Candidate[] =>
  first === order[0] ? order : [first, ...order.filter(candidate => candidate !== first)]

/** The lowest score first, by the platform's own sorting of the order of last time; then equals take the places that the dice give them. */
function byScore(
  candidates: readonly Candidate[],
  last: readonly number[] | undefined,
  random: () => number,
): readonly Candidate[] {
  const begun = last?.length === candidates.length ? last.map(at => candidates[at] as Candidate) : candidates
  const sorted = [...begun].sort((a, b) => (a.score === b.score ? 0 : a.score - b.score))
  const order: Candidate[] = []
  while (order.length < sorted.length) {
    const equals = sorted.filter(({ score }) => score === sorted[order.length]?.score)
    for (let i = equals.length - 1; i > 0; i--) {
      const at = Math.floor(random() * (i + 1))
      const swapped = [equals[at], equals[i]] as [Candidate, Candidate]
      ;[equals[i], equals[at]] = swapped
    }
    order.push(...equals)
  }
  return order
}

/** Gives each its score and its turn. */
export function rank(
  candidates: readonly Candidate[],
  strategy: Sort,
  past: Past,
  { nowMs, random, load }: { readonly nowMs: number; readonly random: () => number; readonly load: Load },
): Ranking {
  const scores = STRATEGIES[strategy](candidates, random)
  for (let i = 0; i < candidates.length; i++) (candidates[i] as Candidate).score = scores[i] as number
  const order = byScore(candidates, past.order, random)
  const [best, second] = order
  if (best === undefined || second === undefined) return { order, note: undefined, leader: best?.key }

  const isDue = past.requests % EXPLORE_EVERY === EXPLORE_EVERY - 1
  const isEarly =
    !isDue && past.requests < EARLY_EVERY * order.length && past.requests % EARLY_EVERY === EARLY_EVERY - 1
  if (EXPLORING.has(strategy) && (isDue || isEarly)) {
    const unknown = unknownOf(order, nowMs, isEarly, load)
    if (unknown) return { order: inFront(unknown, order), note: 'explored', leader: undefined }
  }
  const margin = reach(best.score, strategy)
  const before = order.find(({ key }) => key === past.leader)
  const isSteady = before !== undefined && before.success >= LEADER_SUCCESS
  const leader = isSteady && before.score <= best.score + 2 * margin ? before : best
  const lead = leader.key
  const kept = {
    order: inFront(leader, order),
    note: leader === best ? undefined : 'kept',
    leader: lead,
  } as const
  if (load.inFlight(lead) < SHARED_FROM) return kept
  // nothing is added to infinity: those without a score are all equal
  const equals = order.filter(({ score }) => score === best.score || score <= best.score + margin)
  if (equals.length === 1) return kept
  return { order: inFront(lighterOfTwo(equals, load, random), order), note: 'shared', leader: lead }
}

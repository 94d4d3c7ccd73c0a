/**
 * Requests, tokens and open requests per key, project, model and end user. Part of the ledger's admission.
 * All dimensions of all of them are checked, then all are taken, in one synchronous step: a refused request consumes
 * nothing.
 */
import type { Admission, RateFacts, RatePolicy, RateRefusal, RateState } from '../deps.ts'
import type { Key, Limits, RateLimits } from '../terms.ts'
import {
  addPolicies,
  advanceAll,
  createLanes,
  giveBack,
  type Lanes,
  type Meter,
  type Taken,
  take,
  undo,
  type Wait,
  worstWait,
} from './lanes.ts'
import { ORGANISATION } from './owners.ts'

/** Things whose rates are remembered. End users are named by callers, so their number must have a bound. */
const LANES_MAX = 100_000
const SWEEP_MS = 10_000
/** Where users count together once there are too many to tell apart: sharing is safe, forgetting would mint capacity. */
const CROWD = 'crowd'

/** How the families of `x-ratelimit-*` stand: of several limits the one that refuses first. */
function stateOf(policies: readonly RatePolicy[]): RateState {
  let requests: RatePolicy | undefined
  let tokens: RatePolicy | undefined
  for (const policy of policies) {
    if (policy.unit === 'requests' && (requests === undefined || policy.remaining < requests.remaining))
      requests = policy
    if (policy.unit === 'tokens' && (tokens === undefined || policy.remaining < tokens.remaining))
      tokens = policy
  }
  return { requests, tokens, policies }
}

function stateAt(meters: readonly Meter[]): RateState {
  const policies: RatePolicy[] = []
  for (const meter of meters) addPolicies(meter, policies)
  return stateOf(policies)
}

const hasLimit = (limits: RateLimits): boolean =>
  limits.rpm !== null || limits.tpm !== null || limits.rpd !== null || limits.concurrency !== null

/** An admission that nothing limits. */
const FREE: Admission = { state: {}, release() {}, withdraw: () => FREE.state }

/** Limits of a project by its id, `organisation` among them; undefined = no such project. */
export type LimitsOf = (project: string) => Limits | undefined

export interface Rates {
  admit(key: Key, likelyTokens: number, facts?: RateFacts): Admission | RateRefusal
  /** Counts requests of the last day that an earlier process saw; RPD would otherwise be refilled by a restart. */
  seed(id: string, requestsToday: number): void
}

/** Whose lanes: `user` and `model` narrow a holder's. A lineage's own are found without making a text. */
export function laneId(holder: string, id: string, part?: 'model' | 'user', value?: string): string {
  if (holder === 'key' && part === undefined) return id
  return JSON.stringify([holder, id, part, value])
}

/** Rates of everything that is limited, in memory. `monotonic` in ms. */
export function createRates(monotonic: () => number, limitsOf: LimitsOf = () => undefined): Rates {
  const known = new Map<string, Lanes>()
  let sweptMs = Number.NEGATIVE_INFINITY

  function sweep(nowMs: number): void {
    if (nowMs - sweptMs < SWEEP_MS) return
    sweptMs = nowMs
    for (const [id, lanes] of known) if (lanes.open === 0 && lanes.emptyAtMs <= nowMs) known.delete(id)
  }

  function lanesOf(id: string): Lanes {
    let lanes = known.get(id)
    if (lanes === undefined) {
      lanes = createLanes()
      known.set(id, lanes)
    }
    return lanes
  }

  function userLanes(holder: string, id: string, user: string): Lanes {
    const place = laneId(holder, id, 'user', user)
    if (known.size >= LANES_MAX && !known.has(place)) sweep(monotonic())
    const full = known.size >= LANES_MAX && !known.has(place)
    return lanesOf(full ? laneId(CROWD, laneId(holder, id)) : place)
  }

  /** A holder's own limits, and those that it sets for each model and each end user. */
  function collect(meters: Meter[], holder: string, id: string, limits: Limits, facts?: RateFacts): void {
    if (hasLimit(limits)) meters.push({ name: holder, limits, lanes: lanesOf(laneId(holder, id)) })
    if (facts === undefined) return
    const { perModel, perUser } = limits
    const ofModel = perModel && Object.hasOwn(perModel, facts.model) ? perModel[facts.model] : undefined
    if (ofModel && hasLimit(ofModel)) {
      const lanes = lanesOf(laneId(holder, id, 'model', facts.model))
      meters.push({ name: `${holder}.model`, limits: ofModel, lanes })
    }
    if (perUser && facts.user !== null && hasLimit(perUser))
      meters.push({ name: `${holder}.user`, limits: perUser, lanes: userLanes(holder, id, facts.user) })
  }

  function metersOf(key: Key, facts: RateFacts | undefined): Meter[] {
    const meters: Meter[] = []
    collect(meters, 'key', key.lineage, key.limits, facts)
    const ofProject = key.project === null ? undefined : limitsOf(key.project)
    if (ofProject !== undefined) collect(meters, 'project', key.project ?? '', ofProject, facts)
    const ofAll = limitsOf(ORGANISATION)
    if (ofAll !== undefined) collect(meters, ORGANISATION, '', ofAll, facts)
    return meters
  }

  return {
    seed(id, requestsToday) {
      const lane = lanesOf(id).rpd
      lane.used += requestsToday
      lane.atMs = monotonic()
      lanesOf(id).emptyAtMs = Number.POSITIVE_INFINITY
    },
    admit(key, likelyTokens, facts) {
      const meters = metersOf(key, facts)
      if (meters.length === 0) return FREE
      const tokens = Number.isFinite(likelyTokens) ? Math.max(0, likelyTokens) : 0
      const nowMs = monotonic()
      let worst: Wait | undefined
      for (const meter of meters) {
        advanceAll(meter, nowMs)
        const wait = worstWait(meter, tokens)
        if (wait !== undefined && (worst === undefined || wait.never || wait.ms > worst.ms)) worst = wait
        if (worst?.never) break
      }
      if (worst !== undefined) {
        const state = stateAt(meters)
        const { limit, ms: retryAfterMs } = worst
        return worst.never ? { limit, retryAfterMs, neverFits: true, state } : { limit, retryAfterMs, state }
      }
      const taken: Taken[] = []
      for (const meter of meters) taken.push(take(meter, tokens, nowMs))
      return admission(taken, tokens, stateAt(meters), monotonic)
    },
  }
}

function admission(
  taken: readonly Taken[],
  tokens: number,
  state: RateState,
  monotonic: () => number,
): Admission {
  let released = false
  return {
    state,
    release(actualTokens) {
      if (released) return
      released = true
      const nowMs = monotonic()
      for (const one of taken) giveBack(one, tokens, actualTokens, nowMs)
    },
    withdraw() {
      if (released) return state
      released = true
      const nowMs = monotonic()
      for (const one of taken) undo(one, tokens, nowMs)
      return stateAt(taken.map(({ meter }) => meter))
    },
  }
}

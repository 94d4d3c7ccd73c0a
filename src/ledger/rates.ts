/**
 * Requests, tokens and open requests per lineage: token buckets that drain with time. Part of the ledger's admission.
 * All dimensions are checked, then all are taken, in one synchronous step: a refused request consumes nothing.
 */
import type { Admission, RateRefusal, RateState } from '../deps.ts'
import type { Key } from '../terms.ts'

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000
/** A free slot depends on other requests, not on time: ask again soon. */
const SLOT_RETRY_MS = 1_000

/**
 * One dimension. What was used drains at limit ÷ period; the limit is not kept here, so that it can be patched, and
 * keys of one lineage can differ, without minting capacity. Times are monotonic ms.
 */
interface Drain {
  used: number
  /** All that ever drained: where a taken block lies relative to it tells how much of the block is left. */
  drained: number
  atMs: number
}

interface Lanes {
  readonly rpm: Drain
  readonly tpm: Drain
  readonly rpd: Drain
  open: number
}

const drain = (): Drain => ({ used: 0, drained: 0, atMs: 0 })

function advance(lane: Drain, limit: number, periodMs: number, nowMs: number): void {
  const gone = Math.min(lane.used, (Math.max(0, nowMs - lane.atMs) * limit) / periodMs)
  lane.used -= gone
  lane.drained += gone
  lane.atMs = nowMs
}

/** Float drains leave dust; a whole request must not wait for 1e-9 of one. */
const DUST = 1e-6

function waitMs(lane: Drain, amount: number, limit: number, periodMs: number): number {
  const over = lane.used + amount - limit
  return over <= DUST ? 0 : Math.ceil((over * periodMs) / limit)
}

/** One family of `x-ratelimit-*`: what is left, and how long until all of it is back. */
function family(lane: Drain, limit: number, periodMs: number) {
  return {
    limit,
    remaining: Math.max(0, Math.floor(limit - lane.used + DUST)),
    resetMs: limit > 0 ? Math.ceil((lane.used * periodMs) / limit) : periodMs,
  }
}

function stateOf(lanes: Lanes, { limits }: Key): RateState {
  const rpm = limits.rpm === null ? undefined : family(lanes.rpm, limits.rpm, MINUTE_MS)
  const rpd = limits.rpd === null ? undefined : family(lanes.rpd, limits.rpd, DAY_MS)
  // One header for two limits: the one that refuses first.
  const requests =
    rpm !== undefined && rpd !== undefined && rpd.remaining < rpm.remaining ? rpd : (rpm ?? rpd)
  const tokens = limits.tpm === null ? undefined : family(lanes.tpm, limits.tpm, MINUTE_MS)
  return { ...(requests && { requests }), ...(tokens && { tokens }) }
}

function refusal(lanes: Lanes, key: Key, tokens: number): RateRefusal | undefined {
  const { limits } = key
  let limit: string | undefined
  let retryAfterMs = 0
  const weigh = (name: string, wait: number) => {
    if (wait > retryAfterMs) {
      limit = name
      retryAfterMs = wait
    }
  }
  if (limits.concurrency !== null && lanes.open >= limits.concurrency)
    weigh('key.concurrency', limits.concurrency > 0 ? SLOT_RETRY_MS : DAY_MS)
  if (limits.rpm !== null) weigh('key.rpm', Math.min(DAY_MS, waitMs(lanes.rpm, 1, limits.rpm, MINUTE_MS)))
  if (limits.rpd !== null) weigh('key.rpd', Math.min(DAY_MS, waitMs(lanes.rpd, 1, limits.rpd, DAY_MS)))
  if (limits.tpm !== null) {
    if (tokens > limits.tpm)
      return { limit: 'key.tpm', retryAfterMs: DAY_MS, neverFits: true, state: stateOf(lanes, key) }
    weigh('key.tpm', Math.min(DAY_MS, waitMs(lanes.tpm, tokens, limits.tpm, MINUTE_MS)))
  }
  return limit === undefined ? undefined : { limit, retryAfterMs, state: stateOf(lanes, key) }
}

export interface Rates {
  admit(key: Key, likelyTokens: number): Admission | RateRefusal
  /** Counts requests of the last day that an earlier process saw; RPD would otherwise be refilled by a restart. */
  seed(lineage: string, requestsToday: number): void
}

/** Rates of every lineage, in memory. `monotonic` in ms. */
export function createRates(monotonic: () => number): Rates {
  const lineages = new Map<string, Lanes>()
  const lanesOf = (lineage: string): Lanes => {
    let lanes = lineages.get(lineage)
    if (lanes === undefined) {
      lanes = { rpm: drain(), tpm: drain(), rpd: drain(), open: 0 }
      lineages.set(lineage, lanes)
    }
    return lanes
  }

  function release(
    lanes: Lanes,
    tpm: number | null,
    taken: number,
    block: number,
    actual: number | undefined,
  ) {
    lanes.open--
    if (tpm === null || actual === undefined || !Number.isFinite(actual) || actual < 0) return
    const lane = lanes.tpm
    advance(lane, tpm, MINUTE_MS, monotonic())
    // Only what has not drained yet can come back: the drained part already did.
    if (actual < taken) lane.used -= Math.min(taken - actual, Math.max(0, block - lane.drained), lane.used)
    else lane.used += actual - taken
  }

  return {
    seed(lineage, requestsToday) {
      const lane = lanesOf(lineage).rpd
      lane.used += requestsToday
      lane.atMs = monotonic()
    },
    admit(key, likelyTokens) {
      const { limits } = key
      const lanes = lanesOf(key.lineage)
      const tokens = Number.isFinite(likelyTokens) ? Math.max(0, likelyTokens) : 0
      const nowMs = monotonic()
      if (limits.rpm !== null) advance(lanes.rpm, limits.rpm, MINUTE_MS, nowMs)
      if (limits.rpd !== null) advance(lanes.rpd, limits.rpd, DAY_MS, nowMs)
      if (limits.tpm !== null) advance(lanes.tpm, limits.tpm, MINUTE_MS, nowMs)
      const refused = refusal(lanes, key, tokens)
      if (refused !== undefined) return refused
      // A dimension without a limit counts nothing: one that is set later starts empty.
      if (limits.rpm !== null) lanes.rpm.used += 1
      if (limits.rpd !== null) lanes.rpd.used += 1
      if (limits.tpm !== null) lanes.tpm.used += tokens
      lanes.open++
      const block = lanes.tpm.drained + lanes.tpm.used
      let released = false
      return {
        state: stateOf(lanes, key),
        release(actualTokens) {
          if (released) return
          released = true
          release(lanes, limits.tpm, tokens, block, actualTokens)
        },
      }
    },
  }
}

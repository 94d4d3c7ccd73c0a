/** The token buckets of one limited thing (a key's lineage, a project, a model, an end user): requests, tokens, open requests. */
import type { RatePolicy } from '../deps.ts'
import type { RateLimits } from '../terms.ts'

export const MINUTE_MS = 60_000
export const DAY_MS = 86_400_000
/** A free slot depends on other requests, not on time: ask again soon. */
const SLOT_RETRY_MS = 1_000

/**
 * One dimension. What was used drains at limit ÷ period; the limit is not kept here, so that it can be patched, and
 * keys of one lineage can differ, without minting capacity. Times are monotonic ms.
 */
export interface Drain {
  used: number
  /** All that ever drained: where a taken block lies relative to it tells how much of the block is left. */
  drained: number
  atMs: number
}

export interface Lanes {
  readonly rpm: Drain
  readonly tpm: Drain
  readonly rpd: Drain
  open: number
  /** Monotonic ms at which all of it has drained: from then on, and with nothing open, it can be forgotten. */
  emptyAtMs: number
}

const drain = (): Drain => ({ used: 0, drained: 0, atMs: 0 })

export const createLanes = (): Lanes => ({
  rpm: drain(),
  tpm: drain(),
  rpd: drain(),
  open: 0,
  emptyAtMs: 0,
})

function advance(lane: Drain, limit: number, periodMs: number, nowMs: number): void {
  const gone = Math.min(lane.used, (Math.max(0, nowMs - lane.atMs) * limit) / periodMs)
  lane.used -= gone
  lane.drained += gone
  lane.atMs = nowMs
}

/** Float drains leave dust; a whole request must not wait for 1e-9 of one. */
const DUST = 1e-6

/** How long until `amount` more fits below `room`, at `limit` a period. */
function waitMs(lane: Drain, amount: number, room: number, limit: number, periodMs: number): number {
  const over = lane.used + amount - room
  return over <= DUST ? 0 : Math.ceil((over * periodMs) / limit)
}

/** How many requests fit at once: a minute's worth unless `burst` says less. */
const roomOf = (rpm: number, burst: number | null | undefined): number => Math.min(rpm, burst ?? rpm)

/** One limited thing that a request is measured against. */
export interface Meter {
  /** Whose limits: `key`, `project.user`, `model`, … */
  readonly name: string
  readonly limits: RateLimits
  readonly lanes: Lanes
}

/** Lets time pass. Before `worstWait`, `take` and `addPolicies`. */
export function advanceAll({ lanes, limits }: Meter, nowMs: number): void {
  if (limits.rpm !== null) advance(lanes.rpm, limits.rpm, MINUTE_MS, nowMs)
  if (limits.rpd !== null) advance(lanes.rpd, limits.rpd, DAY_MS, nowMs)
  if (limits.tpm !== null) advance(lanes.tpm, limits.tpm, MINUTE_MS, nowMs)
}

/** The dimension that a request must wait for longest; undefined = it fits. */
export interface Wait {
  /** As in `key.rpm`. */
  readonly limit: string
  readonly ms: number
  /** The request is larger than the whole limit. */
  readonly never: boolean
}

/** What keeps this request out, if anything. Changes nothing. */
export function worstWait({ name, limits, lanes }: Meter, tokens: number): Wait | undefined {
  let worst: Wait | undefined
  const weigh = (dimension: string, ms: number, never = false) => {
    if (ms > (worst?.ms ?? 0)) worst = { limit: `${name}.${dimension}`, ms: Math.min(DAY_MS, ms), never }
  }
  const { rpm, tpm, rpd, concurrency, burst } = limits
  if (tpm !== null && tokens > tpm) return { limit: `${name}.tpm`, ms: DAY_MS, never: true }
  if (concurrency !== null && lanes.open >= concurrency)
    weigh('concurrency', concurrency > 0 ? SLOT_RETRY_MS : DAY_MS)
  if (rpm !== null) {
    const ms = waitMs(lanes.rpm, 1, roomOf(rpm, burst), rpm, MINUTE_MS)
    // Which of the two is short: a whole minute's worth would have let it in.
    const short = waitMs(lanes.rpm, 1, rpm, rpm, MINUTE_MS) > 0 ? 'rpm' : 'burst'
    weigh(short, ms)
  }
  if (rpd !== null) weigh('rpd', waitMs(lanes.rpd, 1, rpd, rpd, DAY_MS))
  if (tpm !== null) weigh('tpm', waitMs(lanes.tpm, tokens, tpm, tpm, MINUTE_MS))
  return worst
}

/** What was taken from one meter, to be given back or corrected. */
export interface Taken {
  readonly meter: Meter
  /** Where the block of tokens ends, in all that ever drained or is used; */
  readonly blockEnd: number
  /** and the request, in those of a minute and of a day. */
  readonly minuteEnd: number
  readonly dayEnd: number
}

/** Takes one request, its likely tokens and a slot. A dimension without a limit counts nothing: one that is set later starts empty. */
export function take(meter: Meter, tokens: number, nowMs: number): Taken {
  const { lanes, limits } = meter
  if (limits.rpm !== null) lanes.rpm.used += 1
  if (limits.rpd !== null) lanes.rpd.used += 1
  if (limits.tpm !== null) lanes.tpm.used += tokens
  lanes.open++
  noteEmpty(meter, nowMs)
  const { rpm, tpm, rpd } = lanes
  return {
    meter,
    blockEnd: tpm.drained + tpm.used,
    minuteEnd: rpm.drained + rpm.used,
    dayEnd: rpd.drained + rpd.used,
  }
}

function noteEmpty({ lanes, limits }: Meter, nowMs: number): void {
  const empty = (lane: Drain, limit: number | null, periodMs: number) =>
    limit === null ? 0 : limit > 0 ? (lane.used * periodMs) / limit : Number.POSITIVE_INFINITY
  lanes.emptyAtMs =
    nowMs +
    Math.max(
      empty(lanes.rpm, limits.rpm, MINUTE_MS),
      empty(lanes.tpm, limits.tpm, MINUTE_MS),
      empty(lanes.rpd, limits.rpd, DAY_MS),
    )
}

/** Only what has not drained yet can come back: the drained part already did. */
function restore(lane: Drain, amount: number, end: number): void {
  lane.used -= Math.min(amount, Math.max(0, end - lane.drained), lane.used)
}

/** As if nothing had been taken: the request went no further. */
export function undo({ meter, blockEnd, minuteEnd, dayEnd }: Taken, tokens: number, nowMs: number): void {
  const { lanes, limits } = meter
  lanes.open--
  advanceAll(meter, nowMs)
  if (limits.rpm !== null) restore(lanes.rpm, 1, minuteEnd)
  if (limits.rpd !== null) restore(lanes.rpd, 1, dayEnd)
  if (limits.tpm !== null) restore(lanes.tpm, tokens, blockEnd)
  noteEmpty(meter, nowMs)
}

/** Minutes' worth that a bucket can be behind: one request's count, or its upstream's mistake, must not shut out everybody for days. */
const DEBT_MINUTES = 60

/** Frees the slot and corrects the tokens to what was used; undefined = not known, the estimate stands. */
export function giveBack(
  { meter, blockEnd }: Taken,
  taken: number,
  actual: number | undefined,
  nowMs: number,
) {
  const { lanes, limits } = meter
  lanes.open--
  if (limits.tpm === null || actual === undefined || !Number.isFinite(actual) || actual < 0) return
  const lane = lanes.tpm
  advance(lane, limits.tpm, MINUTE_MS, nowMs)
  if (actual < taken) restore(lane, taken - actual, blockEnd)
  else if (actual > taken) {
    const most = Math.max(lane.used, (1 + DEBT_MINUTES) * limits.tpm)
    lane.used = Math.min(lane.used + actual - taken, most)
  }
  noteEmpty(meter, nowMs)
}

function policy(
  name: string,
  unit: RatePolicy['unit'],
  periodMs: number,
  lane: Drain,
  limit: number,
  room = limit,
): RatePolicy {
  const remaining = Math.max(0, Math.floor(room - lane.used + DUST))
  const perUnitMs = limit > 0 ? periodMs / limit : periodMs
  return {
    name,
    unit,
    limit,
    remaining,
    periodMs,
    resetMs: Math.ceil(Math.max(0, lane.used) * perUnitMs),
    nextMs: Math.ceil(Math.max(0, lane.used + 1 - room) * perUnitMs),
  }
}

/** Adds every limit of this meter as it stands. */
export function addPolicies({ name, limits, lanes }: Meter, list: RatePolicy[]): void {
  const { rpm, tpm, rpd, concurrency, burst } = limits
  if (rpm !== null)
    list.push(policy(`${name}.rpm`, 'requests', MINUTE_MS, lanes.rpm, rpm, roomOf(rpm, burst)))
  if (rpd !== null) list.push(policy(`${name}.rpd`, 'requests', DAY_MS, lanes.rpd, rpd))
  if (tpm !== null) list.push(policy(`${name}.tpm`, 'tokens', MINUTE_MS, lanes.tpm, tpm))
  if (concurrency !== null)
    list.push({
      name: `${name}.concurrency`,
      unit: 'concurrent-requests',
      limit: concurrency,
      remaining: Math.max(0, concurrency - lanes.open),
      periodMs: 0,
      resetMs: 0,
      nextMs: 0,
    })
}

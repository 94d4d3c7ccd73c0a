/** What really happens to an attempt in a simulated world: state of a target at a time, and the outcome of one exchange. Pure. */
import { hashedDie, normal } from './dice.ts'
import type { Request, Spell, World } from './world.ts'

/** A target as it truly is at a moment. */
export interface Truth {
  /** Share of attempts that fail before content, at once. */
  readonly errorRate: number
  /** Share of attempts that never answer. */
  readonly hangRate: number
  readonly breakRate: number
  readonly ttftMs: number
  readonly tokensPerSecond: number
  /** Requests a minute; Infinity = no limit. */
  readonly perMinute: number
}

/** The list price at that time over the one of the morning. */
export function priceFactorAt(world: World, target: number, atMs: number): number {
  let factor = 1
  for (const { fromMs, size } of world.prices[target] ?? []) if (fromMs <= atMs) factor = size
  return factor
}

const isOn = (spell: Spell, atMs: number) => spell.fromMs <= atMs && atMs < spell.toMs

export function truthAt(world: World, target: number, atMs: number): Truth {
  const place = world.places[target]
  if (place === undefined) throw new RangeError(`no target ${target}`)
  const { share, periodMs, phase } = place.drift
  let errorRate = place.errorRate
  let { breakRate, tokensPerSecond } = place
  let hangRate = 0
  let ttftMs = place.ttftMs * (1 + share * Math.sin((2 * Math.PI * atMs) / periodMs + phase))
  let perMinute = Number.POSITIVE_INFINITY
  for (const spell of world.spells[target] ?? []) {
    if (spell.fromMs > atMs) break
    if (!isOn(spell, atMs)) continue
    const { kind, size } = spell
    if (kind === 'hang') hangRate = Math.max(hangRate, size)
    else if (kind === 'limit') perMinute = Math.min(perMinute, size)
    else if (kind === 'slow') {
      ttftMs *= size
      tokensPerSecond /= Math.sqrt(size)
    } else {
      errorRate = Math.max(errorRate, size)
      // what fails often also breaks off more often
      if (kind === 'errors') breakRate = Math.max(breakRate, size / 20)
    }
  }
  return { errorRate, hangRate, breakRate, ttftMs, tokensPerSecond, perMinute }
}

/** How an attempt ended, `totalMs` after it began. `ttftMs` is set when content came. */
export interface Ending {
  readonly kind: 'ok' | 'overloaded' | 'silent' | 'interrupted' | 'rate_limited'
  readonly totalMs: number
  readonly ttftMs: number | undefined
  readonly outputTokens: number
  readonly retryAfterMs: number | undefined
  /** What is billed, pico-USD. */
  readonly costPico: number
}

export interface Circumstances {
  readonly nowMs: number
  readonly attempt: number
  /** Others in flight at this target. */
  readonly inFlight: number
  /** Requests that this target has taken in the running minute. */
  readonly thisMinute: number
  /** The gateway gives up on a silent target after this. */
  readonly patienceMs: number
}

/** A first token's spread around its median: 90% lie within a factor of 1.8. */
const TTFT_SIGMA = 0.35
const MINUTE_MS = 60_000

/** Load lengthens the wait for the first token: twice at capacity. */
export const queueing = (inFlight: number, capacity: number): number => 1 + (inFlight / capacity) ** 2

export function attemptOf(world: World, request: Request, target: number, at: Circumstances): Ending {
  const { nowMs, attempt, patienceMs } = at
  const truth = truthAt(world, target, nowMs)
  const die = (slot: number) => hashedDie(world.seed, request.index, target, attempt, slot)
  const ended = (kind: Ending['kind'], totalMs: number, retryAfterMs?: number): Ending => ({
    kind,
    totalMs,
    ttftMs: undefined,
    outputTokens: 0,
    retryAfterMs,
    costPico: 0,
  })
  if (at.thisMinute >= truth.perMinute)
    return ended('rate_limited', 40 + 60 * die(0), MINUTE_MS - (nowMs % MINUTE_MS))
  const fate = die(1)
  if (fate < truth.hangRate && Number.isFinite(patienceMs)) return ended('silent', patienceMs)
  // nobody else is left to ask: the caller waits until the connection dies
  if (fate < truth.hangRate) return ended('overloaded', 60_000)
  if (fate < truth.hangRate + truth.errorRate) return ended('overloaded', 50 + 550 * die(2))
  const place = world.places[target]
  const ttftMs =
    truth.ttftMs * queueing(at.inFlight, place?.capacity ?? 1) * Math.exp(TTFT_SIGMA * normal(die(3), die(4)))
  if (ttftMs > patienceMs) return ended('silent', patienceMs)
  const isBroken = die(5) < truth.breakRate
  const outputTokens = Math.ceil(request.outputTokens * (isBroken ? die(6) : 1))
  return {
    kind: isBroken ? 'interrupted' : 'ok',
    totalMs: ttftMs + (outputTokens / truth.tokensPerSecond) * 1000,
    ttftMs,
    outputTokens,
    retryAfterMs: undefined,
    costPico: costPico(world, request, target, nowMs, outputTokens),
  }
}

/** What a request costs at a target, sent at that time; pico-USD. */
export function costPico(
  world: World,
  request: Request,
  target: number,
  atMs: number,
  outputTokens = request.outputTokens,
): number {
  const place = world.places[target]
  if (place === undefined) return 0
  const list = request.inputTokens * place.inputPico + outputTokens * place.outputPico
  return list * priceFactorAt(world, target, atMs)
}

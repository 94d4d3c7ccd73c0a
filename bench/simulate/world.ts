/** A seeded day: targets of one model, what befalls them, and the requests of that day. First stage of the simulator, pure. */
import { createDice, normal, poisson } from './dice.ts'

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** A target as it is on a good day. */
export interface Place {
  readonly name: string
  /** Pico-USD per token. */
  readonly inputPico: number
  readonly outputPico: number
  /** Median time to the first token while nothing else is in flight. */
  readonly ttftMs: number
  readonly tokensPerSecond: number
  /** Requests in flight at which the first token takes twice as long. */
  readonly capacity: number
  /** Share of attempts that fail on a good day, before and after the first content. */
  readonly errorRate: number
  readonly breakRate: number
  /** First tokens drift slowly over the day by this share around the median. */
  readonly drift: { readonly share: number; readonly periodMs: number; readonly phase: number }
}

/**
 * What befalls a target for a while. `size` is: outage and hang: share of attempts that fail; errors: the same; slow: factor
 * on the first token; limit: requests a minute.
 */
export interface Spell {
  readonly target: number
  readonly kind: 'outage' | 'hang' | 'errors' | 'slow' | 'limit'
  readonly fromMs: number
  readonly toMs: number
  readonly size: number
}

/** A new list price, as a factor on the one of the morning. It stays until the next. */
export interface PriceChange {
  readonly fromMs: number
  readonly size: number
}

export interface Request {
  readonly index: number
  readonly atMs: number
  readonly inputTokens: number
  /** What a tokenizer would guess before sending. */
  readonly likelyInputTokens: number
  readonly outputTokens: number
  readonly maxOutputTokens: number | undefined
}

export interface World {
  readonly seed: number
  readonly places: readonly Place[]
  /** Of each target, in order of their beginning. */
  readonly spells: readonly (readonly Spell[])[]
  readonly prices: readonly (readonly PriceChange[])[]
  readonly requests: readonly Request[]
  readonly lengthMs: number
}

type Die = () => number
const between = (die: Die, low: number, high: number) => low + (high - low) * die()
/** Even on a logarithmic scale. */
const scaled = (die: Die, low: number, high: number) => low * (high / low) ** die()

function place(index: number, die: Die): Place {
  const inputPico = Math.round(scaled(die, 150_000, 600_000))
  return {
    name: `t${index + 1}`,
    inputPico,
    outputPico: Math.round(inputPico * between(die, 2, 4)),
    ttftMs: scaled(die, 250, 1_600),
    tokensPerSecond: scaled(die, 30, 150),
    capacity: scaled(die, 15, 120),
    errorRate: scaled(die, 0.0005, 0.01),
    breakRate: scaled(die, 0.0002, 0.001),
    drift: {
      share: between(die, 0.05, 0.4),
      periodMs: between(die, 3, 24) * HOUR_MS,
      phase: 2 * Math.PI * die(),
    },
  }
}

/** How often each befalls a target in a day, how long it lasts (minutes) and how bad it is. */
const SPELLS = [
  { kind: 'outage', perDay: 1, minutes: [1, 30], size: [0.97, 1] },
  { kind: 'hang', perDay: 0.4, minutes: [1, 15], size: [0.9, 1] },
  { kind: 'errors', perDay: 2, minutes: [3, 60], size: [0.15, 0.7] },
  { kind: 'slow', perDay: 2, minutes: [3, 90], size: [2.5, 10] },
  { kind: 'limit', perDay: 1.5, minutes: [10, 120], size: [3, 30] },
] as const satisfies readonly {
  kind: Spell['kind']
  perDay: number
  minutes: readonly [number, number]
  size: readonly [number, number]
}[]

function spellsOf(target: number, lengthMs: number, die: Die): Spell[] {
  const spells: Spell[] = []
  for (const { kind, perDay, minutes, size } of SPELLS) {
    const count = poisson((perDay * lengthMs) / DAY_MS, die)
    for (let i = 0; i < count; i++) {
      const fromMs = die() * lengthMs
      const toMs = fromMs + scaled(die, minutes[0], minutes[1]) * 60_000
      spells.push({ target, kind, fromMs, toMs, size: scaled(die, size[0], size[1]) })
    }
  }
  return spells
}

function pricesOf(lengthMs: number, die: Die): PriceChange[] {
  const count = poisson((0.7 * lengthMs) / DAY_MS, die)
  const changes = Array.from({ length: count }, () => ({
    fromMs: die() * lengthMs,
    size: scaled(die, 0.6, 1.6),
  }))
  return changes.sort((a, b) => a.fromMs - b.fromMs)
}

/** A region goes down: most targets together, for a while. All of them, now and then: then nobody can serve. */
function incident(count: number, lengthMs: number, die: Die): Spell[] {
  const fromMs = die() * lengthMs
  const spared = die() < 0.4 ? -1 : Math.floor(die() * count)
  const toMs = fromMs + (spared < 0 ? between(die, 0.5, 2) : between(die, 5, 25)) * 60_000
  return Array.from({ length: count }, (_, target) => target)
    .filter(target => target !== spared)
    .map(target => ({ target, kind: 'outage', fromMs, toMs, size: 1 }))
}

export interface TrafficShape {
  readonly lengthMs: number
  /** Requests a second, averaged over the day. */
  readonly rate: number
  /** Share by which the busy hours stand above the average. */
  readonly swing: number
}

export function requestsOf({ lengthMs, rate, swing }: TrafficShape, die: Die): Request[] {
  const requests: Request[] = []
  for (let atMs = 0; ; ) {
    atMs += (-Math.log(1 - die()) / (rate * (1 + swing))) * 1000
    if (atMs >= lengthMs) return requests
    // thinning: the busiest hour keeps every arrival
    if (die() * (1 + swing) > 1 + swing * Math.sin((2 * Math.PI * atMs) / DAY_MS - 2)) continue
    const inputTokens = Math.round(Math.min(60_000, 1_200 * Math.exp(1.1 * normal(die(), die())))) + 10
    const outputTokens = Math.round(Math.min(4_000, 220 * Math.exp(0.8 * normal(die(), die())))) + 5
    requests.push({
      index: requests.length,
      atMs,
      inputTokens,
      likelyInputTokens: Math.round(inputTokens * between(die, 0.9, 1.1)),
      outputTokens,
      maxOutputTokens: die() < 0.5 ? Math.max(64, outputTokens * 2) : undefined,
    })
  }
}

export interface WorldShape {
  /** Shorter days have proportionally fewer spells. */
  readonly lengthMs: number
}

export function createWorld(seed: number, { lengthMs }: WorldShape = { lengthMs: DAY_MS }): World {
  const die = createDice(seed * 2_654_435_761)
  const count = 4 + Math.floor(die() * 6)
  const places = Array.from({ length: count }, (_, index) => place(index, die))
  const spells = places.map((_, target) => spellsOf(target, lengthMs, die))
  const prices = places.map(() => pricesOf(lengthMs, die))
  for (const spell of incident(count, lengthMs, die)) spells[spell.target]?.push(spell)
  for (const list of spells) list.sort((a, b) => a.fromMs - b.fromMs)
  const requests = requestsOf({ lengthMs, rate: scaled(die, 0.1, 1), swing: 0.7 }, die)
  return { seed, places, spells, prices, requests, lengthMs }
}

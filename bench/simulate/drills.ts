/** Small worlds that ask one question: how soon is a brown-out left, and how often does the favourite change between equals? Pure. */
import { createDice } from './dice.ts'
import { runDay } from './day.ts'
import type { Policy } from './policy.ts'
import { HOUR_MS, type Place, requestsOf, type Spell, type World } from './world.ts'

const MINUTE_MS = 60_000

const plain = (name: string, usdPerMtok: number, ttftMs: number): Place => ({
  name,
  inputPico: usdPerMtok * 1_000_000,
  outputPico: usdPerMtok * 3_000_000,
  ttftMs,
  tokensPerSecond: 80,
  capacity: 1_000,
  errorRate: 0.001,
  breakRate: 0,
  drift: { share: 0, periodMs: HOUR_MS, phase: 0 },
})

function worldOf(
  seed: number,
  places: readonly Place[],
  rate: number,
  lengthMs: number,
  spells: readonly Spell[] = [],
): World {
  return {
    seed,
    places,
    spells: places.map((_, target) => spells.filter(spell => spell.target === target)),
    prices: places.map(() => []),
    requests: requestsOf({ lengthMs, rate, swing: 0 }, createDice(seed)),
    lengthMs,
  }
}

/** First choices of a run: when, and who. */
function choicesOf(world: World, policy: Policy): { atMs: number; target: number }[] {
  const choices: { atMs: number; target: number }[] = []
  runDay(world, policy, (request, target) => choices.push({ atMs: request.atMs, target }))
  return choices
}

export interface Brownout {
  readonly kind: 'errors' | 'slow'
  /** Requests a second. */
  readonly rate: number
}

/** Half of the attempts fail, or first tokens take six times as long, from one moment to the next. */
export const BROWNOUTS: readonly Brownout[] = (['errors', 'slow'] as const).flatMap(kind =>
  [0.5, 2, 10].map(rate => ({ kind, rate })),
)

export interface Leaving {
  readonly brownout: Brownout
  /** First choices that still went there before it was left, and how long that took. Infinity = it never was. */
  readonly requests: number
  readonly ms: number
}

/** It is left where, of so many first choices that follow, no more than a tenth go there: probes do. */
const AHEAD = 50

/** The best of three targets, by price and by speed, browns out after fifteen minutes of good service. */
export function leave(policy: Policy, brownout: Brownout, seed: number): Leaving {
  const fromMs = 15 * MINUTE_MS
  const toMs = fromMs + Math.max(10 * MINUTE_MS, ((4 * AHEAD) / brownout.rate) * 1_000)
  const size = brownout.kind === 'errors' ? 0.5 : 6
  const spell: Spell = { target: 0, kind: brownout.kind, fromMs, toMs, size }
  const places = [plain('best', 1, 400), plain('second', 1.3, 480), plain('third', 1.4, 560)]
  const choices = choicesOf(worldOf(seed, places, brownout.rate, toMs, [spell]), policy)
  const after = choices.filter(({ atMs }) => atMs >= fromMs)
  let requests = 0
  for (let i = 0; i + AHEAD <= after.length; i++) {
    const there = after.slice(i, i + AHEAD).filter(({ target }) => target === 0).length
    if (there <= AHEAD / 10) return { brownout, requests, ms: (after[i]?.atMs ?? fromMs) - fromMs }
    if (after[i]?.target === 0) requests++
  }
  return { brownout, requests: Number.POSITIVE_INFINITY, ms: Number.POSITIVE_INFINITY }
}

/** So many first choices in a row are looked at together; who has more than this share of them is their favourite. */
const WINDOW = 20
const FAVOURITE = 0.8

/** How often in an hour the favourite of two equal targets changes. Traffic shared among both has no favourite. */
export function flips(policy: Policy, seed: number, hours = 4): number {
  const places = [plain('one', 1, 500), plain('other', 1, 500)]
  const choices = choicesOf(worldOf(seed, places, 2, hours * HOUR_MS), policy)
  let favourite: number | undefined
  let count = 0
  for (let i = 0; i + WINDOW <= choices.length; i += WINDOW) {
    const others = choices.slice(i, i + WINDOW).filter(({ target }) => target === 1).length
    const now = others > FAVOURITE * WINDOW ? 1 : WINDOW - others > FAVOURITE * WINDOW ? 0 : undefined
    if (now === undefined) continue
    if (favourite !== undefined && now !== favourite) count++
    favourite = now
  }
  return count / hours
}

/** The simulator's own parts: the same seed is the same day, dice fall alike for all, and peers' rules do what they publish. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashedDie } from '../../bench/simulate/dice.ts'
import { runDay } from '../../bench/simulate/day.ts'
import { flips, leave } from '../../bench/simulate/drills.ts'
import { NAIVE } from '../../bench/simulate/naive.ts'
import { ORACLE } from '../../bench/simulate/oracle.ts'
import { OURS } from '../../bench/simulate/ours.ts'
import { PEERS, uptimePenalty } from '../../bench/simulate/peers.ts'
import { attemptOf, truthAt } from '../../bench/simulate/physics.ts'
import { ATTEMPTS_MAX, type Policy } from '../../bench/simulate/policy.ts'
import { addTo, createSpread, merge, percentileOf } from '../../bench/simulate/spread.ts'
import { createTimetable } from '../../bench/simulate/timetable.ts'
import { createWorld, HOUR_MS, type World } from '../../bench/simulate/world.ts'

const named = (name: string): Policy => {
  const found = [...OURS, ...NAIVE, ...PEERS].find(policy => policy.name === name)
  if (found === undefined) throw new Error(`no policy ${name}`)
  return found
}
const short = (seed: number) => createWorld(seed, { lengthMs: HOUR_MS })

/** Two targets that never fail, at these prices. */
function calm(prices: readonly number[], requests = 4_000): World {
  const world = createWorld(7, { lengthMs: HOUR_MS })
  const places = prices.map((usd, i) => ({
    name: `t${i}`,
    inputPico: usd * 1_000_000,
    outputPico: usd * 1_000_000,
    ttftMs: 100,
    tokensPerSecond: 100,
    capacity: 1e9,
    errorRate: 0,
    breakRate: 0,
    drift: { share: 0, periodMs: HOUR_MS, phase: 0 },
  }))
  const [first] = world.requests
  if (first === undefined) throw new Error('a world without requests')
  const list = Array.from({ length: requests }, (_, index) => ({ ...first, index, atMs: index * 1_000 }))
  return { ...world, places, spells: places.map(() => []), prices: places.map(() => []), requests: list }
}

function firstShare(world: World, policy: Policy, target: number): number {
  let count = 0
  runDay(world, policy, (_, chosen) => {
    if (chosen === target) count++
  })
  return count / world.requests.length
}

describe('worlds', () => {
  test('a seed is a day: twice the same, and another seed another one', () => {
    expect(createWorld(5, { lengthMs: HOUR_MS })).toEqual(short(5))
    expect(short(5)).not.toEqual(short(6))
  })

  test('every policy replays exactly', () => {
    const world = short(3)
    for (const policy of [...OURS, ...NAIVE, ...PEERS, ORACLE])
      expect(runDay(world, policy), policy.name).toEqual(runDay(world, policy))
  })

  test('what befalls a target begins and ends', () => {
    const world = calm([1])
    const spell = { target: 0, kind: 'hang', fromMs: 1_000, toMs: 2_000, size: 1 } as const
    const ill = { ...world, spells: [[spell]] }
    expect([999, 1_000, 1_999, 2_000].map(at => truthAt(ill, 0, at).hangRate)).toEqual([0, 1, 1, 0])
  })

  test('a silent target costs as much patience as the gateway has, a limit names its end', () => {
    const world = calm([1])
    const [request] = world.requests
    if (request === undefined) throw new Error('a world without requests')
    const at = { nowMs: 1_500, attempt: 1, inFlight: 0, thisMinute: 5, patienceMs: 12_000 }
    const spell = { target: 0, fromMs: 0, toMs: 60_000 } as const
    const silent = { ...world, spells: [[{ ...spell, kind: 'hang', size: 1 } as const]] }
    expect(attemptOf(silent, request, 0, at)).toMatchObject({ kind: 'silent', totalMs: 12_000, costPico: 0 })
    const limited = { ...world, spells: [[{ ...spell, kind: 'limit', size: 5 } as const]] }
    expect(attemptOf(limited, request, 0, at)).toMatchObject({ kind: 'rate_limited', retryAfterMs: 58_500 })
    expect(attemptOf(limited, request, 0, { ...at, thisMinute: 4 }).kind).toBe('ok')
  })

  test('dice are even', () => {
    let sum = 0
    for (let i = 0; i < 20_000; i++) sum += hashedDie(9, i, i % 7, 1, 3)
    expect(sum / 20_000).toBeCloseTo(0.5, 1)
  })
})

describe('days', () => {
  test('attempts stay within the limit and failures within the requests, for any seed', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), seed => {
        const world = createWorld(seed, { lengthMs: HOUR_MS / 2 })
        const day = runDay(world, named('balanced'))
        expect(day.ttft.total).toBe(world.requests.length)
        expect(day.attempts).toBeLessThanOrEqual(ATTEMPTS_MAX * world.requests.length)
        expect(day.failures).toBeLessThanOrEqual(day.faults)
      }),
      { numRuns: 5 },
    )
  })
})

describe("peers' rules", () => {
  test('OpenRouter: twice the price is a quarter of the traffic', () => {
    const share = firstShare(calm([1, 2]), named('openrouter-rule'), 0)
    expect(share).toBeGreaterThan(0.77)
    expect(share).toBeLessThan(0.83)
  })

  test('llmgateway: its published penalties, and one request in a hundred explores', () => {
    const shown = [90, 80, 70, 50].map(uptime => Number(uptimePenalty(uptime).toFixed(2)))
    expect(shown).toEqual([0.07, 0.62, 1.73, 5.61])
    const share = firstShare(calm([1, 3]), named('llmgateway-rule'), 1)
    expect(share).toBeGreaterThan(0.001)
    expect(share).toBeLessThan(0.012)
  })

  test('round-robin shares evenly, cheapest-only does not', () => {
    expect(firstShare(calm([1, 2]), named('round-robin'), 1)).toBeCloseTo(0.5, 2)
    expect(firstShare(calm([1, 2]), named('cheapest-only'), 0)).toBe(1)
  })
})

describe('drills can be failed', () => {
  test('a rule that looks at price alone never leaves a slow target', () => {
    expect(leave(named('cheapest-only'), { kind: 'slow', rate: 2 }, 1).requests).toBe(
      Number.POSITIVE_INFINITY,
    )
  })

  test('who follows every trembling average flips all the time', () => {
    expect(flips(named('fastest-only'), 1, 1)).toBeGreaterThan(6)
  })
})

describe('measures', () => {
  test('percentiles are within 1%, and days add up', () => {
    const [one, other] = [createSpread(), createSpread()]
    for (let ms = 1; ms <= 1_000; ms++) addTo(ms % 2 ? one : other, ms)
    merge(one, other)
    expect(one.total).toBe(1_000)
    expect(percentileOf(one, 0.95) / 950).toBeCloseTo(1, 1)
    for (let i = 0; i < 200; i++) addTo(one, Number.POSITIVE_INFINITY)
    expect(percentileOf(one, 0.95)).toBe(Number.POSITIVE_INFINITY)
  })

  test('the timetable runs what is due in order of time, ties as they came', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 60 }), times => {
        const table = createTimetable()
        const ran: [number, number][] = []
        times.forEach((atMs, order) => {
          table.at(atMs, () => ran.push([table.nowMs, order]))
        })
        table.runUntil(100)
        const wanted = times.map((atMs, order) => [atMs, order]).sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))
        expect(ran).toEqual(wanted)
        expect(table.nowMs).toBe(100)
      }),
    )
  })
})

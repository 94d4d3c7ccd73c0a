/** What live traffic teaches about a target: percentiles, forgiveness, the breaker and its single probe, told waits, restarts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { timeoutsFor } from '../../src/attempt/limits.ts'
import { percentile, withSample, type Durations } from '../../src/route/durations.ts'
import { createHealth, foldHealth, type HealthState, type Place } from '../../src/route/health.ts'
import type { Offer } from '../../src/terms.ts'
import type { ChatFacts } from '../../src/wire/openai.ts'

const PLACE: Place = { target: 'alpha/m/c', offer: 'alpha/m', credential: 'c' }
const ok = (ttftMs = 100, stream = true) =>
  ({ kind: 'ok', ttftMs, totalMs: ttftMs + 1000, outputTokens: 50, stream }) as const

describe('percentiles', () => {
  test('are within a fifth of the true ones, whatever the durations', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 5, max: 120_000 }), { minLength: 20, maxLength: 200 }),
        samples => {
          let durations: Durations | undefined
          for (const ms of samples) durations = withSample(durations, ms, 0)
          const sorted = [...samples].sort((a, b) => a - b)
          for (const share of [0.5, 0.95, 0.99]) {
            const exact = sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] as number
            const seen = percentile(durations, share) as number
            expect(seen).toBeGreaterThanOrEqual(exact / 1.21)
            expect(seen).toBeLessThanOrEqual(exact * 1.21)
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  test('memory is bounded, however long and whatever comes', () => {
    let durations: Durations | undefined
    for (let i = 0; i < 10_000; i++) durations = withSample(durations, 10 ** (i % 12), 0)
    expect(durations?.counts.length).toBeLessThanOrEqual(71)
    expect(durations?.weight).toBeLessThan(600)
    expect(Number.isFinite(durations?.p95Ms)).toBe(true)
  })

  test('what was true an hour ago gives way to what is true now', () => {
    let durations: Durations | undefined
    for (let i = 0; i < 100; i++) durations = withSample(durations, 10_000, 0)
    durations = withSample(durations, 100, 3_600_000)
    for (let i = 0; i < 30; i++) durations = withSample(durations, 100, 0)
    expect(durations.p95Ms).toBeLessThan(130)
  })

  test('each sample fades the others and adds one to its bucket; what was before stays as it was', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 1e7, noNaN: true }), fc.integer({ min: -5, max: 9e5 })), {
          maxLength: 600,
        }),
        samples => {
          let durations: Durations | undefined
          for (const [ms, sinceMs] of samples) {
            const past: Durations = durations ?? { counts: [], weight: 0, p95Ms: 0 }
            const kept = past.counts.slice()
            durations = withSample(durations, ms, sinceMs)
            expect(past.counts).toEqual(kept)
            const keep = 0.5 ** (Math.max(0, sinceMs) / 600_000) * (past.weight > 400 ? 0.75 : 1)
            const faded = durations.counts.map((_, i) => (kept[i] ?? 0) * keep)
            const changed = durations.counts.flatMap((count, i) => (count === faded[i] ? [] : [i]))
            expect(changed).toHaveLength(1)
            const at = changed[0] as number
            expect(durations.counts[at]).toBe((faded[at] as number) + 1)
            expect(durations.weight).toBeCloseTo(past.weight * keep + 1, 6)
            expect(durations.p95Ms).toBe(percentile(durations, 0.95))
          }
        },
      ),
      { numRuns: 30 },
    )
  })
})

test('a state has the same members in the same order whatever was seen, and the one before is left as it was', () => {
  const seen = [
    { kind: 'content', ttftMs: 40 },
    { ...ok(), begun: true },
    ok(),
    ok(90, false),
    { kind: 'fault' },
    { kind: 'fault', begun: true },
    { kind: 'late', waitedMs: 700, stream: true, raced: true },
    { kind: 'cool_down', untilMs: 5_000, told: true },
    { kind: 'ok', ttftMs: undefined, totalMs: 0, outputTokens: undefined },
  ] as const
  const names = Object.keys(foldHealth(undefined, seen[0], 1))
  expect(names).toHaveLength(14)
  for (const first of seen)
    for (const second of seen) {
      const before = foldHealth(undefined, first, 1_000)
      const kept = structuredClone(before)
      const after = foldHealth(before, second, 2_000)
      expect(Object.keys(before)).toEqual(names)
      expect(Object.keys(after)).toEqual(names)
      expect(before).toEqual(kept)
    }
})

describe('time limits', () => {
  const timeouts = {
    connectMs: 1,
    firstByteMs: 120_000,
    firstTokenMs: 12_000,
    idleMs: 10_000,
    stallMs: 60_000,
    keepaliveMs: 15_000,
    totalMs: 1_800_000,
  }
  const facts = { stream: true, toolCount: 0 } as ChatFacts
  const offer = { thinksUnseen: false } as Offer
  const slow = (ms: number, stream = true): HealthState => {
    let state: HealthState | undefined
    for (let i = 0; i < 30; i++) state = foldHealth(state, ok(ms, stream), i)
    return state as HealthState
  }

  test('are as configured for a target that is fast or unknown', () => {
    expect(timeoutsFor(timeouts, offer, facts, undefined)).toEqual(timeouts)
    expect(timeoutsFor(timeouts, offer, facts, slow(300))).toEqual(timeouts)
  })

  test('before content are never below twice the target’s own p95', () => {
    const limits = timeoutsFor(timeouts, offer, facts, slow(20_000))
    expect(limits.firstTokenMs).toBeGreaterThanOrEqual(2 * 20_000 * 0.9)
    expect(limits.idleMs).toBe(limits.firstTokenMs)
    // what streams teach says nothing of whole answers
    expect(timeoutsFor(timeouts, offer, { ...facts, stream: false }, slow(90_000)).firstByteMs).toBe(120_000)
    expect(
      timeoutsFor(timeouts, offer, { ...facts, stream: false }, slow(90_000, false)).firstByteMs,
    ).toBeGreaterThan(150_000)
  })

  test('are longer for models that think unseen, before content and after it', () => {
    const limits = timeoutsFor(timeouts, { ...offer, thinksUnseen: true }, facts, undefined)
    expect(limits).toMatchObject({ firstTokenMs: 60_000, idleMs: 50_000, stallMs: 180_000 })
    expect(timeoutsFor(timeouts, offer, { ...facts, toolCount: 1 }, undefined).stallMs).toBe(180_000)
  })
})

describe('the breaker', () => {
  const broken = (nowMs = 0) => {
    const health = createHealth()
    for (let i = 0; i < 3; i++) health.observe(PLACE.target, { kind: 'fault' }, nowMs)
    return health
  }

  test('three faults in a row open it; then one request at a time finds out', () => {
    const health = broken()
    expect(health.usable(PLACE.target, 1_000)).toBe(false)
    expect(health.usable(PLACE.target, 2_000)).toBe(true)
    expect(health.probe(PLACE, 2_000)).toBe(true)
    for (let i = 0; i < 100; i++) expect(health.probe(PLACE, 2_001 + i)).toBe(false)
    expect(health.usable(PLACE.target, 2_500)).toBe(false)
    // with nobody else to ask, another may go along
    expect(health.probe(PLACE, 2_600, true)).toBe(true)
    health.done(PLACE)
    health.observe(PLACE.target, ok(), 2_700)
    expect(health.usable(PLACE.target, 2_700)).toBe(true)
  })

  test('a probe that fails keeps it shut for longer, never for longer than 15 s', () => {
    const health = broken()
    let nowMs = 0
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      const from = nowMs
      while (!health.usable(PLACE.target, nowMs)) nowMs += 100
      waits.push(nowMs - from)
      health.probe(PLACE, nowMs)
      health.observe(PLACE.target, { kind: 'fault' }, nowMs)
      health.done(PLACE)
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 15_000, 15_000, 15_000, 15_000, 15_000])
  })

  test('an outage of an hour costs a bounded number of probes', () => {
    const health = broken()
    let probes = 0
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 50) {
      if (!health.usable(PLACE.target, nowMs) || !health.probe(PLACE, nowMs)) continue
      probes++
      health.observe(PLACE.target, { kind: 'fault' }, nowMs)
      health.done(PLACE)
    }
    expect(probes).toBeLessThanOrEqual(250)
  })

  test('half of the requests failing opens it too, though no three in a row do', () => {
    let state: HealthState | undefined
    for (let i = 0; i < 60 && !state?.outUntilMs; i++)
      state = foldHealth(state, i % 3 === 0 ? ok() : { kind: 'fault' }, i * 10)
    expect(state?.outUntilMs).toBeGreaterThan(0)
    expect(state?.consecutiveFaults).toBeLessThan(3)
  })

  test('a credential that was refused is probed by one request, whatever the target', () => {
    const health = createHealth()
    health.observe('c', { kind: 'cool_down', untilMs: 60_000, told: false }, 0)
    const other: Place = { target: 'alpha/n/c', offer: 'alpha/n', credential: 'c' }
    expect(health.probe(PLACE, 61_000)).toBe(true)
    expect(health.probe(other, 61_001)).toBe(false)
    health.done(PLACE)
    expect(health.probe(other, 61_002)).toBe(true)
  })

  test('a probe that never comes back frees its place', () => {
    const health = broken()
    expect(health.probe(PLACE, 2_000)).toBe(true)
    expect(health.probe(PLACE, 11_000)).toBe(false)
    expect(health.probe(PLACE, 12_100)).toBe(true)
  })
})

describe('T75: what a provider said about waiting', () => {
  const told = (untilMs: number) => ({ kind: 'cool_down', untilMs, told: true }) as const

  test('a later, longer cool-down counts; a shorter one does not take it back', () => {
    const health = createHealth()
    health.observe(PLACE.target, told(5_000), 0)
    health.observe(PLACE.target, told(30_000), 1_000)
    health.observe(PLACE.target, told(3_000), 2_000)
    expect(health.closedUntil(PLACE.target, 2_000)).toBe(30_000)
    expect(health.probe(PLACE, 29_000, true)).toBe(false)
    expect(health.probe(PLACE, 30_000)).toBe(true)
  })

  test('the answer to an older request does not open what asked to be left alone', () => {
    const health = createHealth()
    health.observe(PLACE.target, told(30_000), 0)
    health.observe(PLACE.target, ok(), 1_000)
    expect(health.closedUntil(PLACE.target, 1_001)).toBe(30_000)
    expect(health.usable(PLACE.target, 1_001)).toBe(false)
  })

  test('is kept for an hour at most: nobody can lock a target for ever', () => {
    const health = createHealth()
    health.observe(PLACE.target, told(1e12), 0)
    expect(health.closedUntil(PLACE.target, 1)).toBe(3_600_000)
  })
})

test('failures are forgiven with time: a target that nobody asks does not stay bad', () => {
  const health = createHealth()
  for (let i = 0; i < 2; i++) health.observe(PLACE.target, { kind: 'fault' }, 0)
  const bad = health.state(PLACE.target, 0)?.errorRate ?? 0
  expect(bad).toBeGreaterThan(0.3)
  expect(health.state(PLACE.target, 60_000)?.errorRate).toBeCloseTo(bad / 2)
  expect(health.state(PLACE.target, 600_000)?.errorRate).toBeLessThan(0.01)
})

test('what is known survives a restart, percentiles and waits included; an older program’s entries are read', () => {
  const before = createHealth()
  for (let i = 0; i < 50; i++) before.observe(PLACE.target, ok(100 + i), i)
  before.observe(PLACE.target, { kind: 'cool_down', untilMs: 20_000, told: true }, 100)
  const after = createHealth()
  after.restore(JSON.parse(JSON.stringify([...before.entries()])))
  expect(after.state(PLACE.target)).toEqual(before.state(PLACE.target))
  expect(after.closedUntil(PLACE.target, 1_000)).toBe(20_000)
  const old = { errorRate: 0.1, samples: 3, consecutiveFaults: 0, outUntilMs: 0, closedUntilMs: 0 }
  after.restore([['beta/m/-', old as unknown as HealthState]])
  after.observe('beta/m/-', ok(), 5)
  expect(after.state('beta/m/-')).toMatchObject({ samples: 4, seenAtMs: 5 })
})

test('repeats at the same target: a tenth of its traffic, ten in ten seconds where there is little', () => {
  const repeats = (requests: number) => {
    const health = createHealth()
    for (let i = 0; i < requests; i++) {
      health.probe(PLACE, 0)
      health.done(PLACE)
    }
    let allowed = 0
    while (allowed < 1_000 && health.repeat(PLACE.target, 1)) allowed++
    return allowed
  }
  expect(repeats(1)).toBe(10)
  expect(repeats(100)).toBe(10)
  expect(repeats(1_000)).toBe(100)
})

test('requests in flight are counted, and never below none', () => {
  const health = createHealth()
  health.probe(PLACE, 0)
  health.probe(PLACE, 0)
  expect(health.inFlight(PLACE.target)).toBe(2)
  for (let i = 0; i < 3; i++) health.done(PLACE)
  expect(health.inFlight(PLACE.target)).toBe(0)
})

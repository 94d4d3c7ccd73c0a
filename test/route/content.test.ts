/** Health hears of a stream's first content when it comes: successes that were asked for before a brown-out must not outvote it. */
import { describe, expect, test } from 'vitest'
import { createHealth, foldHealth, type HealthState, type Observation } from '../../src/route/health.ts'

const NOW = 1_000_000
const fold = (...seen: readonly Observation[]): HealthState => {
  let state: HealthState | undefined
  for (const what of seen) state = foldHealth(state, what, NOW)
  if (state === undefined) throw new Error('nothing seen')
  return state
}
const content = { kind: 'content', ttftMs: 400 } as const
const whole = { kind: 'ok', ttftMs: 400, totalMs: 2_400, outputTokens: 200 } as const
const end = { ...whole, begun: true } as const
const fault = { kind: 'fault' } as const

describe('first content', () => {
  test('beginning and end together are one answer', () => {
    const both = fold(content, end)
    const once = fold(whole)
    expect(both).toMatchObject({ samples: 1, ttftMs: 400, tokensPerSecond: 100, errorRate: 0 })
    expect({ ...both, ttft: undefined }).toEqual({ ...once, ttft: undefined })
    expect(both.ttft?.weight).toBe(once.ttft?.weight)
  })

  test('an end says nothing new about failures: answers from before do not outvote what failed since', () => {
    const ill = fold(content, content, fault, fault)
    expect(foldHealth(foldHealth(ill, end, NOW), end, NOW).errorRate).toBe(ill.errorRate)
    expect(foldHealth(ill, content, NOW).errorRate).toBeLessThan(ill.errorRate)
  })

  test('content lets nobody in again, an answer that ended well does', () => {
    const out = fold(fault, fault, fault)
    expect(out.outUntilMs).toBeGreaterThan(NOW)
    expect(foldHealth(out, content, NOW)).toMatchObject({ outUntilMs: out.outUntilMs, consecutiveFaults: 3 })
    expect(foldHealth(out, end, NOW)).toMatchObject({ outUntilMs: 0, consecutiveFaults: 0 })
  })

  test('who begins every stream and finishes none is left alone after three', () => {
    const broken = { kind: 'fault', begun: true } as const
    const state = fold(content, broken, content, broken, content, broken)
    expect(state.outUntilMs).toBeGreaterThan(NOW)
    expect(state.errorRate).toBeGreaterThan(0.4)
    expect(fold(content, broken).errorRate).toBe(fold(fault).errorRate)
  })

  test('who is called off before it answers was at least that late, and no more is learned from it', () => {
    const late = (waitedMs: number, stream = true, raced = true) =>
      ({ kind: 'late', waitedMs, stream, raced }) as const
    const before = fold(content, fault)
    const state = foldHealth(before, late(1_400), NOW)
    expect(state).toMatchObject({
      ttftMs: 600,
      errorRate: before.errorRate,
      samples: 2,
      consecutiveFaults: 1,
    })
    expect(state.ttft?.weight).toBe(2)
    expect(foldHealth(before, late(300), NOW)).toBe(before)
    // a time limit is a multiple of the percentiles: what it ends must not make it longer
    expect(foldHealth(before, late(12_000, true, false), NOW)).toMatchObject({
      ttftMs: expect.closeTo(2_720),
      ttft: before.ttft,
    })
    // of whole answers nothing is known, and how long one was waited for alone would make it look fast
    expect(foldHealth(before, late(9_000, false), NOW)).toBe(before)
    const answered = fold({ ...whole, stream: false })
    expect(foldHealth(answered, late(1_400, false), NOW)).toMatchObject({ wholeMs: 600, samples: 1 })
    expect(fold(fault, fault, fault, late(10)).outUntilMs).toBeGreaterThan(NOW)
  })

  test('a probe is still out while only its beginning is known', () => {
    const health = createHealth()
    const place = { target: 'a', offer: 'o', credential: undefined }
    for (let i = 0; i < 3; i++) health.observe('a', fault, NOW)
    const later = NOW + 60_000
    expect(health.probe(place, later)).toBe(true)
    health.observe('a', content, later)
    expect(health.probe(place, later)).toBe(false)
    health.observe('a', end, later)
    expect(health.probe(place, later)).toBe(true)
  })
})

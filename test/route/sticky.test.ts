/** Sessions and their caches: T76 to T80 of the feature survey by name, and that affinity never outlives health. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSessions, SESSION_MS, sessionOf } from '../../src/route/sticky.ts'
import { targetKey } from '../../src/route/plan.ts'
import type { Key } from '../../src/terms.ts'
import {
  type Desk,
  deskOf,
  diceOf,
  fail,
  firstOf,
  KEY,
  listing,
  marketOf,
  namesOf,
  NOW,
  usage,
} from './goods.ts'

const cheap = listing('cheap', 1)
const dear = listing('dear', 1.3)
const market = marketOf({ m: [cheap, dear] })
const LONG = { likelyInputTokens: 20_000, sessionId: 'chat-1' }
const used = usage(20_000, 100)

/** A session whose cache is warm at `dear`: it answered once while `cheap` was down. */
function warmAtDear(desk: Desk): void {
  fail(desk, cheap)
  const plan = desk.plan(LONG)
  expect(namesOf(plan)).toEqual(['dear'])
  desk.answered(plan, { usage: used })
  desk.nowMs += 60_000
  desk.health.observe(
    targetKey(cheap, undefined),
    { kind: 'ok', ttftMs: 300, totalMs: 900, outputTokens: 9 },
    desk.nowMs,
  )
  for (let i = 0; i < 30; i++)
    desk.health.observe(
      targetKey(cheap, undefined),
      { kind: 'ok', ttftMs: 300, totalMs: 900, outputTokens: 9 },
      desk.nowMs,
    )
}

describe('a warm cache', () => {
  test('keeps its session while it saves more than the others are cheaper', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    expect(namesOf(desk.plan(LONG))).toEqual(['dear', 'cheap'])
    expect(desk.plan(LONG).targets[0]?.why).toContain('its cache is warm')
    // another conversation has nothing there
    expect(firstOf(desk.plan({ ...LONG, sessionId: 'chat-2' }))).toBe('cheap')
  })

  test('lets it go where the difference in price is larger than what the cache saves', () => {
    const desk = deskOf(marketOf({ m: [cheap, listing('dear', 12)] }), 'price')
    warmAtDear(desk)
    // 20,000 tokens at 1.2 instead of 12 are still dearer than at 1
    expect(firstOf(desk.plan(LONG))).toBe('cheap')
  })

  test('counts for nothing where cached input has no price of its own', () => {
    const plain = listing('dear', 1.3, { price: { id: 'p', inputPico: 1_300_000, outputPico: 1_300_000 } })
    const desk = deskOf(marketOf({ m: [cheap, plain] }), 'price')
    warmAtDear(desk)
    expect(firstOf(desk.plan(LONG))).toBe('cheap')
  })

  test('is gone after ten quiet minutes, and where the answers say that nothing was read from it', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    const second = desk.plan(LONG)
    expect(firstOf(second)).toBe('dear')
    desk.answered(second, { usage: usage(20_000, 100, 0) })
    expect(firstOf(desk.plan(LONG))).toBe('cheap')

    const other = deskOf(market, 'price')
    warmAtDear(other)
    other.nowMs += SESSION_MS + 1
    expect(firstOf(other.plan(LONG))).toBe('cheap')
  })

  test('does not bend an order by speed, by the file or by the caller', () => {
    for (const strategy of ['latency', 'throughput', 'priority'] as const) {
      const desk = deskOf(marketOf({ m: [cheap, dear] }), strategy)
      warmAtDear(desk)
      for (let i = 0; i < 40; i++)
        desk.health.observe(
          targetKey(cheap, undefined),
          { kind: 'ok', ttftMs: 50, totalMs: 60, outputTokens: 99 },
          desk.nowMs,
        )
      expect(desk.plan(LONG).targets[0]?.why, strategy).not.toContain('cache')
    }
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    expect(firstOf(desk.plan({ ...LONG, preferences: { order: ['cheap'] } }))).toBe('cheap')
  })

  test('belongs to one lineage: the same session id of another key is another session', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    expect(firstOf(desk.plan(LONG, { ...KEY, lineage: 'k2' } as Key))).toBe('cheap')
  })
})

describe('which session', () => {
  const json = (first: string, second = 'b') => ({
    messages: [
      { role: 'system', content: first },
      { role: 'user', content: second },
      { role: 'assistant', content: String(Math.random()) },
    ],
  })
  const name = (more: object) => sessionOf('k', 'm', { likelyInputTokens: 5_000, ...more })?.name

  test('session_id, else prompt_cache_key, else the beginning of the conversation', () => {
    expect(name({ sessionId: 'a', json: { prompt_cache_key: 'b' } })).toBe('k m =a')
    expect(name({ json: { prompt_cache_key: 'b' } })).toBe('k m =b')
    expect(name({ json: json('a') })).toBe(name({ json: json('a') }))
    expect(name({ json: json('a') })).not.toBe(name({ json: json('a', 'c') }))
    expect(name({ json: json('a') })).not.toBe(name({ json: json('x') }))
    // what is too short for any cache is no session, unless the caller says so
    expect(name({ json: json('a'), likelyInputTokens: 500 })).toBeUndefined()
    expect(name({ sessionId: 'a', likelyInputTokens: 5 })).toBe('k m =a')
  })

  test('other wires have a beginning too, and a huge one costs no more than a long one', () => {
    const anthropic = { system: [{ type: 'text', text: 's' }], messages: [{ role: 'user', content: 'hi' }] }
    expect(name({ json: anthropic })).not.toBe(name({ json: { ...anthropic, system: 't' } }))
    expect(name({ json: { contents: [{ parts: [{ text: 'a' }] }] } })).not.toBe(
      name({ json: { contents: [{ parts: [{ text: 'b' }] }] } }),
    )
    const deep: Record<string, unknown> = {}
    let at = deep
    for (let i = 0; i < 50; i++) {
      const inner = {}
      at.x = inner
      at = inner
    }
    expect(name({ json: { messages: [deep, { content: 'x'.repeat(5_000_000) }] } })).toBeTypeOf('string')
  })

  test('are bounded: the one that was used longest ago goes first', () => {
    const sessions = createSessions(3)
    for (const each of ['a', 'b', 'c']) sessions.keep(each, 't', { input: 9, cacheRead: 0 }, NOW)
    sessions.keep('a', 't', { input: 9, cacheRead: 0 }, NOW)
    sessions.keep('d', 't', { input: 9, cacheRead: 0 }, NOW)
    expect(sessions.size).toBe(3)
    expect(sessions.find('b', NOW)).toBeUndefined()
    expect(sessions.find('a', NOW)).toBeDefined()
  })
})

describe('affinity yields to health', () => {
  test('T76: a session of a dead target goes elsewhere, and its place is not kept', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    fail(desk, dear)
    const plan = desk.plan(LONG)
    expect(namesOf(plan)).toEqual(['cheap'])
    desk.answered(plan, { usage: used })
    // the dead one is back: the session has moved on
    desk.nowMs += 120_000
    expect(firstOf(desk.plan(LONG))).toBe('cheap')
  })

  test('T77: a 429 there does not end the request: the others follow in the same plan', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    expect(namesOf(desk.plan(LONG))).toEqual(['dear', 'cheap'])
    desk.health.observe(
      targetKey(dear, undefined),
      { kind: 'cool_down', untilMs: desk.nowMs + 30_000, told: true },
      desk.nowMs,
    )
    expect(namesOf(desk.plan(LONG))).toEqual(['cheap'])
  })

  test('T78: nobody is pinned to a target that keeps failing without being down', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    for (let i = 0; i < 20; i++)
      desk.health.observe(
        targetKey(dear, undefined),
        i % 3 === 0 ? { kind: 'fault' } : { kind: 'ok', ttftMs: 300, totalMs: 900, outputTokens: 9 },
        desk.nowMs,
      )
    expect(desk.health.usable(targetKey(dear, undefined), desk.nowMs)).toBe(true)
    expect(firstOf(desk.plan(LONG))).toBe('cheap')
  })

  test('T78: a request that fails everywhere forgets its session', () => {
    const desk = deskOf(market, 'price')
    warmAtDear(desk)
    desk.failed(desk.plan(LONG))
    expect(firstOf(desk.plan(LONG))).toBe('cheap')
  })

  test('T79: a target that is taken out of the file is not found by its old sessions', () => {
    const names: Record<string, ReturnType<typeof listing>[]> = { m: [cheap, dear] }
    const before = deskOf({ ...market, resolve: name => marketOf(names).resolve(name) }, 'price')
    warmAtDear(before)
    names.m = [cheap]
    expect(namesOf(before.plan(LONG))).toEqual(['cheap'])
  })

  test('T80: who is out does not move the others under priority', () => {
    const [a, b, c] = [1, 2, 3].map(n => listing(`p${n}`, 4 - n, {}, { priority: n })) as [
      ReturnType<typeof listing>,
      ReturnType<typeof listing>,
      ReturnType<typeof listing>,
    ]
    const desk = deskOf(marketOf({ m: [c, a, b] }), 'priority')
    expect(namesOf(desk.plan())).toEqual(['p1', 'p2', 'p3'])
    fail(desk, a)
    expect(namesOf(desk.plan())).toEqual(['p2', 'p3'])
    expect(namesOf(desk.plan({ preferences: { ignore: ['p2'] } }))).toEqual(['p3'])
    expect(desk.plan().excluded.map(out => out.provider)).toEqual(['p1'])
  })
})

describe('for any history', () => {
  const goods = [1, 1.1, 1.2, 1.3].map((usd, i) => listing(`t${i}`, usd))
  const step = fc.record({
    what: fc.constantFrom('ok', 'ok', 'fault', 'told', 'cool', 'wait'),
    at: fc.nat({ max: 3 }),
    session: fc.constantFrom('x', 'y', undefined),
  })

  test('no plan contains an excluded target, and a session never brings back one that is not well', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.constantFrom('price', 'balanced', 'weighted'),
        (steps, strategy) => {
          const desk = deskOf(marketOf({ m: goods }), strategy as 'price', { random: diceOf(steps.length) })
          for (const { what, at, session } of steps) {
            const key = targetKey(goods[at] as (typeof goods)[number], undefined)
            if (what === 'fault') desk.health.observe(key, { kind: 'fault' }, desk.nowMs)
            if (what === 'told' || what === 'cool')
              desk.health.observe(
                key,
                { kind: 'cool_down', untilMs: desk.nowMs + 20_000, told: what === 'told' },
                desk.nowMs,
              )
            if (what === 'wait') desk.nowMs += 7_000
            const before = goods.filter(good => desk.health.usable(targetKey(good, undefined), desk.nowMs))
            let plan: ReturnType<Desk['plan']>
            try {
              plan = desk.plan({ likelyInputTokens: 9_000, sessionId: session })
            } catch (error) {
              expect((error as { kind: string }).kind).toBe('no_candidate')
              continue
            }
            const inside = new Set(namesOf(plan))
            expect(inside.size).toBe(plan.targets.length)
            for (const out of plan.excluded) expect(inside.has(out.provider)).toBe(false)
            expect(plan.excluded.length + inside.size).toBe(goods.length)
            if (before.length > 0)
              expect([...inside].sort()).toEqual(before.map(good => good.site.name).sort())
            if (what === 'ok' && session !== undefined)
              desk.answered(plan, { usage: usage(9_000, 50, 8_000) })
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

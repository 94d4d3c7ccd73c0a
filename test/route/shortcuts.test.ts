/** The short ways of planning lead where the long ones do: judging a list at once, skipping health when all are well, one candidate alone. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createHealth } from '../../src/route/health.ts'
import type { Listing } from '../../src/route/market.ts'
import { route, targetKey, type Wanted } from '../../src/route/plan.ts'
import type { Capability, Key } from '../../src/terms.ts'
import { diceOf, KEY, listing, marketOf, NOW, wanted } from './goods.ts'

const some = <T>(value: T) => fc.option(fc.constant(value), { nil: undefined })
const capabilities = fc.subarray<Capability>(['tools', 'images', 'json_schema'])

const offers = fc.array(
  fc.record({
    usd: fc.constantFrom(undefined, 0, 1, 2),
    context: fc.constantFrom(undefined, 500, 4_000, 100_000),
    output: fc.constantFrom(undefined, 100, 1_000),
    supports: capabilities,
    region: fc.constantFrom(undefined, 'eu-west-1', 'us'),
    credentials: fc.nat(2),
    type: fc.constantFrom(undefined, undefined, 'chat' as const, 'embedding' as const),
  }),
  { minLength: 1, maxLength: 6 },
)
const keys = fc.record({
  models: fc.constantFrom(null, ['m'], ['m@p0', '*@p2'], ['short'], []),
  providers: fc.constantFrom(null, null, ['p0', 'p1', 'p3']),
  regions: fc.constantFrom(null, null, ['eu'], []),
  budgets: fc.constantFrom([], [{ window: 'day', limitNanoUsd: 1, softNanoUsd: null }]),
})
const requests = fc.record({
  needs: capabilities.map(list => new Set(list)),
  likelyInputTokens: fc.constantFrom(10, 450, 3_000, 50_000),
  longestPromptTokens: some(5),
  maxOutputTokens: fc.constantFrom(undefined, 0, 50, 500, 3_000),
  operation: fc.constantFrom('chat' as const, 'chat' as const, 'embeddings' as const),
})

type OfferOf = typeof offers extends fc.Arbitrary<infer All extends readonly unknown[]> ? All[number] : never

function listingOf(
  { usd, context, output, supports, region, credentials, type }: OfferOf,
  index: number,
): Listing {
  const made = Array.from({ length: credentials }, (_, c) => ({
    id: `c${index}-${c}`,
    name: `c${c}`,
    weight: c + 1,
    headers: [],
  }))
  return listing(
    `p${index}`,
    usd,
    {
      contextTokens: context,
      maxOutputTokens: output,
      supports: new Set(supports),
      ...(type && { type }),
    },
    { credentials: made, ...(region && { region }) },
  )
}

/** What was decided, or what is said; the same dice for everybody. */
function decided(listings: readonly Listing[], asked: Wanted, key: Key, health = createHealth()): unknown {
  try {
    const market = marketOf({ m: listings })
    const plan = route(asked, key, { market, health, nowMs: NOW, random: diceOf(3), strategy: 'balanced' })
    const targets = plan.targets.map(target => [target.key, target.why])
    return { targets, excluded: plan.excluded, leader: plan.trace.leader }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    const { kind, code, message, param } = error
    return { kind, code, message, param }
  }
}

describe('the same decisions', () => {
  test('a list that is judged at once, and one by one', () => {
    fc.assert(
      fc.property(offers, keys, requests, (proto, policy, request) => {
        const listings = proto.map(listingOf)
        const key = { ...KEY, ...policy } as Key
        const atOnce = wanted(request as Partial<Wanted>)
        // wishes are asked of each; empty ones change nothing
        const oneByOne = { ...atOnce, preferences: {} }
        expect(decided(listings, atOnce, key)).toEqual(decided(listings, oneByOne, key))
        // and again, now that the pool is known
        expect(decided(listings, atOnce, key)).toEqual(decided(listings, oneByOne, key))
      }),
      { numRuns: 1_000 },
    )
  })

  test('nobody in trouble, and somebody else in trouble', () => {
    fc.assert(
      fc.property(offers, keys, requests, (proto, policy, request) => {
        const listings = proto.map(listingOf)
        const key = { ...KEY, ...policy } as Key
        const troubled = createHealth()
        troubled.observe('elsewhere', { kind: 'cool_down', untilMs: NOW + 1_000, told: true }, NOW)
        expect([createHealth().calm, troubled.calm]).toEqual([true, false])
        const asked = wanted(request as Partial<Wanted>)
        expect(decided(listings, asked, key)).toEqual(decided(listings, asked, key, troubled))
      }),
      { numRuns: 500 },
    )
  })

  test('a plan that is kept, and one that is made anew, whatever was asked before', () => {
    const step = fc.record({ request: requests, policy: keys, troubled: fc.boolean(), sort: fc.nat(2) })
    fc.assert(
      fc.property(offers, fc.array(step, { minLength: 2, maxLength: 6 }), (proto, steps) => {
        const listings = proto.slice(0, 1).map(listingOf)
        const market = marketOf({ m: listings })
        const health = createHealth()
        for (const { request, policy, troubled, sort } of steps) {
          const key = { ...KEY, ...policy } as Key
          const strategy = (['balanced', 'price', 'latency'] as const)[sort] ?? 'balanced'
          const told = { kind: 'cool_down', untilMs: NOW + 1_000, told: true } as const
          for (const each of listings)
            health.observe(
              targetKey(each, each.site.credentials[0]),
              troubled ? told : { ...told, untilMs: 0, told: false },
              NOW,
            )
          const planned = (preferences: Wanted['preferences']) => {
            const asked = wanted({ ...request, preferences } as Partial<Wanted>)
            try {
              return route(asked, key, { market, health, nowMs: NOW, random: diceOf(3), strategy })
            } catch (error) {
              return String(error)
            }
          }
          // wishes, if only empty ones, go the long way
          expect(planned(undefined)).toEqual(planned({}))
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a key that is changed is judged anew, and so is the same list under another name', () => {
    const listings = [listing('a', 1), listing('b', 2)]
    const names = (key: Key, alias?: string) => {
      const found = { kind: 'found', listings, strategy: undefined, alias } as const
      const market = { resolve: () => found, listings }
      const deps = {
        market,
        health: createHealth(),
        nowMs: NOW,
        random: diceOf(3),
        strategy: 'price',
      } as const
      try {
        return route(wanted(), key, deps).targets.map(({ listing: { site } }) => site.name)
      } catch {
        return []
      }
    }
    const key: Key = { ...KEY, models: ['m@a'] }
    expect(names(key)).toEqual(['a'])
    expect(names({ ...key, models: ['m@b'] })).toEqual(['b'])
    expect(names({ ...key, models: ['smart'] })).toEqual([])
    const aliased: Key = { ...key, models: ['smart'] }
    expect([names(aliased, 'smart'), names(aliased), names(aliased, 'smart')]).toEqual([
      ['a', 'b'],
      [],
      ['a', 'b'],
    ])
    // more keys than are kept
    for (let i = 0; i < 200; i++)
      expect(names({ ...key, id: `k${i}`, models: [`m@${i % 2 ? 'a' : 'b'}`] })).toHaveLength(1)
    expect(names(key)).toEqual(['a'])
  })
})

test('calm says that nobody is out, through everything that can happen to a state', () => {
  const names = ['a', 'b', 'c']
  const step = fc.record({
    name: fc.constantFrom(...names),
    what: fc.oneof(
      fc.constant({ kind: 'ok', ttftMs: 5, totalMs: 9, outputTokens: 3 } as const),
      fc.constant({ kind: 'fault' } as const),
      fc.constant({ kind: 'content', ttftMs: 5 } as const),
      fc
        .record({ in: fc.integer({ min: -500, max: 5_000 }), told: fc.boolean() })
        .map(({ in: waitMs, told }) => ({ kind: 'cool_down', untilMs: NOW + waitMs, told }) as const),
    ),
    laterMs: fc.nat(3_000),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), steps => {
      const health = createHealth()
      let nowMs = NOW
      for (const { name, what, laterMs } of steps) {
        nowMs += laterMs
        health.observe(name, what, nowMs)
        const states = names.map(each => health.state(each))
        expect(health.calm).toBe(states.every(state => (state?.outUntilMs ?? 0) === 0))
        for (const each of names) {
          const until = health.state(each)?.closedUntilMs ?? 0
          expect(health.closedUntil(each, nowMs)).toBe(until > nowMs ? until : 0)
          expect(health.usable(each, nowMs)).toBe((health.state(each)?.outUntilMs ?? 0) <= nowMs)
        }
      }
      const restored = createHealth()
      restored.restore(health.entries())
      expect(restored.calm).toBe(health.calm)
    }),
    { numRuns: 500 },
  )
})

test('one candidate alone: its credentials by their weights, and the reasons that the record gets', () => {
  const one = listingOf(
    {
      usd: 1,
      context: undefined,
      output: undefined,
      supports: [],
      region: undefined,
      credentials: 2,
      type: undefined,
    },
    0,
  )
  const market = marketOf({ m: [one, listing('tiny', 1, { contextTokens: 10 })] })
  const first: string[] = []
  const random = diceOf(11)
  for (let i = 0; i < 300; i++) {
    const plan = route(wanted(), KEY, {
      market,
      health: createHealth(),
      nowMs: NOW,
      random,
      strategy: 'price',
    })
    expect(plan.targets).toHaveLength(2)
    expect(plan.targets[0]?.why).toBe('only candidate; out: tiny (its context is too short)')
    expect(plan.trace.leader).toBe(plan.targets[0]?.key)
    first.push(plan.targets[0]?.key as string)
  }
  // weights 1 and 2: a third and two thirds
  const second = first.filter(key => key === targetKey(one, one.site.credentials[1])).length
  expect(second).toBeGreaterThan(170)
  expect(second).toBeLessThan(230)
})

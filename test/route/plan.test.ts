/** Plans from literals: who is asked first, who is asked at all, and why the others are out. */
import { describe, expect, test } from 'vitest'
import { openai } from '../../providers/openai.ts'
import { createHealth, type Health } from '../../src/route/health.ts'
import type { Listing, Market, Site } from '../../src/route/market.ts'
import { offerKey, route, targetKey, type Wanted } from '../../src/route/plan.ts'
import type { Capability, Key, Offer } from '../../src/terms.ts'

const NOW = 1_000_000
const site = (name: string): Site =>
  ({ name, provider: openai, credentials: [], builtIn: false, quirks: {}, headers: [] }) as unknown as Site

function listing(
  provider: string,
  usd: number | undefined,
  more: Partial<Offer> = {},
  doubtful = false,
): Listing {
  const pico = usd === undefined ? undefined : usd * 1_000_000
  const offer: Offer = {
    provider,
    model: 'm',
    upstream: `${provider}-m`,
    price: pico === undefined ? undefined : { id: provider, inputPico: pico, outputPico: pico },
    contextTokens: 1000,
    maxOutputTokens: undefined,
    supports: new Set<Capability>(['tools']),
    thinksUnseen: false,
    ...more,
  }
  return { offer, site: site(provider), doubtful }
}

const marketOf = (...listings: Listing[]): Market => ({
  resolve: name =>
    name === 'm'
      ? { kind: 'found', listings, strategy: undefined, alias: undefined }
      : { kind: 'unknown', near: [] },
  canonical: () => undefined,
  listings,
  aliases: [],
  sites: [],
})
const KEY = { models: null, providers: null, budgets: [] } as unknown as Key
const wanted = (more: Partial<Wanted> = {}): Wanted => ({
  model: 'm',
  fallbackModels: [],
  preferences: undefined,
  needs: new Set(),
  likelyInputTokens: 100,
  maxOutputTokens: 100,
  ...more,
})

function plan(
  market: Market,
  health: Health,
  more: Partial<Wanted> = {},
  key = KEY,
  strategy: 'balanced' | 'price' | 'latency' = 'balanced',
) {
  let dice = 0
  const random = () => (dice = (dice + 0.37) % 1)
  return route(wanted(more), key, { market, health, nowMs: NOW, random, strategy })
}
const names = (made: ReturnType<typeof plan>) => made.targets.map(target => target.listing.site.name)
const seen = (health: Health, of: Listing, ttftMs: number, perSecond: number, times = 20) => {
  const seconds = 100 / perSecond
  for (let i = 0; i < times; i++)
    health.observe(
      targetKey(of, undefined),
      { kind: 'ok', ttftMs, totalMs: ttftMs + seconds * 1000, outputTokens: 100 },
      NOW,
    )
}

describe('order', () => {
  const cheap = listing('cheap', 1)
  const fast = listing('fast', 3)

  test('price, latency and throughput each put their best first', () => {
    const health = createHealth()
    seen(health, cheap, 900, 20)
    seen(health, fast, 100, 10)
    const market = marketOf(fast, cheap)
    expect(names(plan(market, health, {}, KEY, 'price'))).toEqual(['cheap', 'fast'])
    expect(names(plan(market, health, {}, KEY, 'latency'))).toEqual(['fast', 'cheap'])
    expect(names(plan(market, health, { preferences: { sort: 'throughput' } }))).toEqual(['cheap', 'fast'])
  })

  test('what a fallback’s name says of the order is about itself; what the first one says holds for all', () => {
    const health = createHealth()
    const other = [listing('dear', 5, { model: 'n' }), listing('low', 2, { model: 'n' })] as const
    seen(health, cheap, 900, 20)
    seen(health, fast, 100, 10)
    seen(health, other[0], 100, 10)
    seen(health, other[1], 900, 10)
    const found = (listings: readonly Listing[], strategy?: 'price' | 'latency') =>
      ({ kind: 'found', listings, strategy, alias: undefined }) as const
    const market: Market = {
      ...marketOf(cheap, fast),
      resolve: name => {
        const strategy = name.endsWith(':floor') ? 'price' : name.endsWith(':nitro') ? 'latency' : undefined
        return found(name.startsWith('m') ? [cheap, fast] : other, strategy)
      },
    }
    const asked = (model: string, fallback: string) =>
      names(plan(market, health, { model, fallbackModels: [fallback] }, KEY, 'latency'))
    expect(asked('m', 'n:floor')).toEqual(['fast', 'cheap', 'low', 'dear'])
    expect(asked('m:floor', 'n')).toEqual(['cheap', 'fast', 'low', 'dear'])
    expect(asked('m:floor', 'n:nitro')).toEqual(['cheap', 'fast', 'dear', 'low'])
  })

  test('balanced takes the cheaper of equals, and leaves a bargain that keeps failing', () => {
    const health = createHealth()
    const market = marketOf(fast, cheap)
    expect(names(plan(market, health))).toEqual(['cheap', 'fast'])
    seen(health, cheap, 100, 50)
    seen(health, fast, 100, 50)
    for (let i = 0; i < 2; i++) health.observe(targetKey(cheap, undefined), { kind: 'fault' }, NOW)
    expect(names(plan(market, health))).toEqual(['fast', 'cheap'])
  })

  test('a doubtful list price wins nothing', () => {
    const market = marketOf(listing('odd', 0.01, {}, true), listing('sound', 1), listing('dear', 2))
    expect(names(plan(market, createHealth(), {}, KEY, 'price'))[0]).toBe('sound')
  })

  test('wishes for speed come after what is known to miss them, and leave nobody out', () => {
    const health = createHealth()
    seen(health, cheap, 900, 10)
    seen(health, fast, 100, 80)
    const market = marketOf(cheap, fast)
    expect(
      names(plan(market, health, { preferences: { preferredMaxLatencyMs: 500 } }, KEY, 'price')),
    ).toEqual(['fast', 'cheap'])
    expect(
      names(plan(market, health, { preferences: { preferredMinTokensPerSecond: 40 } }, KEY, 'price')),
    ).toEqual(['fast', 'cheap'])
    expect(
      names(plan(market, createHealth(), { preferences: { preferredMaxLatencyMs: 1 } }, KEY, 'price')),
    ).toEqual(['cheap', 'fast'])
  })
})

describe('who is out, and what the caller is told', () => {
  const told = (make: () => unknown) => {
    try {
      make()
    } catch (error) {
      return error as { kind: string; message: string; retryAfterMs?: number }
    }
    throw new Error('a plan was made')
  }

  test('needs, context, price ceilings, key policy', () => {
    const health = createHealth()
    const market = marketOf(listing('a', 1), listing('b', 2))
    expect(told(() => plan(market, health, { needs: new Set(['images']) })).message).toContain(
      'does not take images',
    )
    expect(told(() => plan(market, health, { likelyInputTokens: 5000 })).kind).toBe('context_length')
    expect(names(plan(market, health, { preferences: { maxPrice: { prompt: 1.5 } } }))).toEqual(['a'])
    expect(told(() => plan(market, health, {}, { ...KEY, models: ['other'] })).kind).toBe('forbidden')
    expect(told(() => plan(market, health, { model: 'nothing' })).kind).toBe('unknown_model')
  })

  test('an unknown price is not for a key with a budget', () => {
    const budgeted = { ...KEY, budgets: [{ window: 'day', limitNanoUsd: 1, softNanoUsd: null }] } as Key
    const health = createHealth()
    expect(told(() => plan(marketOf(listing('a', undefined)), health, {}, budgeted)).kind).toBe(
      'model_unpriced',
    )
    expect(names(plan(marketOf(listing('a', undefined), listing('b', 5)), health, {}, budgeted))).toEqual([
      'b',
    ])
  })

  test('one in trouble is left out while another is there, and tried when it is alone; a told wait is kept', () => {
    const [a, b] = [listing('a', 1), listing('b', 2)]
    const health = createHealth()
    for (let i = 0; i < 3; i++) health.observe(targetKey(a, undefined), { kind: 'fault' }, NOW)
    expect(names(plan(marketOf(a, b), health))).toEqual(['b'])
    expect(names(plan(marketOf(a), health))).toEqual(['a'])
    health.observe(offerKey(a), { kind: 'cool_down', untilMs: NOW + 7000, told: true }, NOW)
    expect(told(() => plan(marketOf(a), health))).toMatchObject({ kind: 'no_candidate', retryAfterMs: 7000 })
  })
})

/** Aliases, rules and shares of the file, from its text to the plan. */
import { describe, expect, test } from 'vitest'
import { createExperience } from '../../src/route/experience.ts'
import { createHealth } from '../../src/route/health.ts'
import { type Plan, route, type Wanted } from '../../src/route/plan.ts'
import type { Key } from '../../src/terms.ts'
import { diceOf, firstOf, KEY, NOW, wanted } from './goods.ts'
import { configFrom, marketFrom } from './world.ts'

const SITE = (name: string, port: number, models: string, more = '') => `  ${name}:
    kind: openai
    base_url: http://127.0.0.1:${port}/v1
    models: { ${models} }
${more}`
const model = (name: string, usd: number) =>
  `${name}: { input_usd_per_mtok: ${usd}, output_usd_per_mtok: ${usd} }`
const FILE = `egress: { allow: ["127.0.0.1:1", "127.0.0.1:2"] }
providers:
${SITE('one', 1, `${model('big', 5)}, ${model('small', 1)}`, '    region: eu-west-1\n    data: { collects: false }\n')}
${SITE('two', 2, `${model('big', 4)}, ${model('tiny', 0.1)}`)}
aliases:
  split: { models: [big, small, tiny], weights: { small: 9, tiny: 1 } }
  ladder: { models: [small, tiny], strategy: priority }
  smart:
    models: [big]
    strategy: price
    provider: { max_price: { prompt: 4.5 } }
    rules:
      - { when: { tools: true }, models: [small] }
      - { when: { metadata: { tier: [free, trial] } }, models: [tiny] }
      - { when: { min_input_tokens: 10000, max_input_tokens: 20000 }, models: [small, tiny], strategy: price }
      - { when: { between: "22:00-06:00", days: [fri] }, models: [tiny] }
      - { when: { keys: [night-key] }, models: [small] }
routing:
  rules:
    - { when: { tags: [batch] }, strategy: price, provider: { ignore: [one] } }
    - { when: { keys: [eu-key] }, provider: { regions: [eu], data_collection: deny } }
`
const market = marketFrom(FILE)
const { routing } = configFrom(FILE)
const random = diceOf(3)

function planned(more: Partial<Wanted>, key: Partial<Key> = {}, nowMs = NOW): Plan {
  return route(wanted(more), { ...KEY, ...key } as Key, {
    market,
    health: createHealth(),
    experience: createExperience(),
    nowMs,
    random,
    strategy: 'balanced',
    ...(routing.rules && { rules: routing.rules }),
  })
}
const models = (plan: Plan) =>
  plan.targets.map(({ listing: { offer } }) => `${offer.model}@${offer.provider}`)
const refused = (make: () => unknown): string => {
  try {
    make()
  } catch (error) {
    return (error as Error).message
  }
  return 'not refused'
}

describe('an alias', () => {
  test('shares its traffic by weights; who has none is asked when nobody else can', () => {
    const counts: Record<string, number> = {}
    for (let i = 0; i < 1_000; i++) {
      const made = models(planned({ model: 'split' }))
      expect(made.slice(2).sort()).toEqual(['big@one', 'big@two'])
      counts[made[0] as string] = (counts[made[0] as string] ?? 0) + 1
    }
    expect(counts['small@one']).toBeGreaterThan(860)
    expect(counts['tiny@two']).toBeGreaterThan(60)
  })

  test('a session stays on its side of the split', () => {
    const sides = new Set<string>()
    for (let session = 0; session < 60; session++) {
      const of = () => models(planned({ model: 'split', sessionId: `s${session}` }))[0] as string
      const first = of()
      sides.add(first)
      for (let i = 0; i < 5; i++) expect(of()).toBe(first)
    }
    expect([...sides].sort()).toEqual(['small@one', 'tiny@two'])
  })

  test('under priority its names come in their order, whatever they cost', () => {
    expect(models(planned({ model: 'ladder' }))).toEqual(['small@one', 'tiny@two'])
    expect(planned({ model: 'ladder' }).targets.map(({ why }) => why)).toEqual([
      'only candidate for small',
      'only candidate for tiny',
    ])
    expect(models(planned({ model: 'ladder:floor' }))).toEqual(['tiny@two', 'small@one'])
  })

  test.each<[string, Partial<Wanted>, Partial<Key>, number, string[]]>([
    ['no rule', {}, {}, NOW, ['big@two']],
    ['tools', { needs: new Set(['tools']) }, {}, NOW, ['small@one']],
    ['metadata of the request', { json: { metadata: { tier: 'trial' } } }, {}, NOW, ['tiny@two']],
    [
      'metadata of the key goes first',
      { json: { metadata: { tier: 'free' } } },
      { metadata: { tier: 'paid' } },
      NOW,
      ['big@two'],
    ],
    ['metadata of another kind', { json: { metadata: { tier: ['free'] } } }, {}, NOW, ['big@two']],
    ['size', { likelyInputTokens: 15_000 }, {}, NOW, ['tiny@two', 'small@one']],
    ['beyond the size', { likelyInputTokens: 20_001 }, {}, NOW, ['big@two']],
    ['Friday night', {}, {}, Date.UTC(2026, 0, 2, 23), ['tiny@two']],
    ['that night goes on', {}, {}, Date.UTC(2026, 0, 3, 5, 59), ['tiny@two']],
    ['and ends', {}, {}, Date.UTC(2026, 0, 3, 6), ['big@two']],
    ['Friday morning belongs to Thursday', {}, {}, Date.UTC(2026, 0, 2, 5), ['big@two']],
    ['a key', {}, { id: 'night-key' }, NOW, ['small@one']],
  ])('its rules: %s', (_, more, key, nowMs, expected) => {
    expect(models(planned({ model: 'smart', ...more }, key, nowMs))).toEqual(expected)
  })

  test('at one provider is the part that is sold there, by the same rules and shares', () => {
    expect(models(planned({ model: 'smart@two' }))).toEqual(['big@two'])
    expect(models(planned({ model: 'split@one' })).sort()).toEqual(['big@one', 'small@one'])
    expect(models(planned({ model: 'ladder@two' }))).toEqual(['tiny@two'])
    const trial = { json: { metadata: { tier: 'trial' } } }
    expect(models(planned({ model: 'smart@two', ...trial }))).toEqual(['tiny@two'])
    // the rule keeps its requests: what it allows is not sold there, and what others allow is not for them
    expect(refused(() => planned({ model: 'smart@one', ...trial }))).toBe(
      "What 'smart@one' stands for in a request like this is not for sale here.",
    )
  })

  test('at one provider may be asked with a key that may use the alias', () => {
    expect(models(planned({ model: 'ladder@two' }, { models: ['ladder'] }))).toEqual(['tiny@two'])
    expect(models(planned({ model: 'two/ladder' }, { models: ['ladder'] }))).toEqual(['tiny@two'])
    expect(refused(() => planned({ model: 'two/ladder' }, { models: ['smart'] }))).toContain('may not use')
    for (const model of ['ladder@two', 'two/ladder', 'ladder'])
      expect(models(planned({ model }, { models: ['ladder@two'] }))).toEqual(['tiny@two'])
    expect(refused(() => planned({ model: 'ladder@one' }, { models: ['ladder@two'] }))).toContain(
      'may not use',
    )
    expect(refused(() => planned({ model: 'ladder@two' }, { models: ['smart'] }))).toContain('may not use')
    expect(refused(() => planned({ model: 'ladder@two' }, { providers: ['one'] }))).toContain('may not use')
  })

  test('its own ceiling holds whatever the caller wishes', () => {
    const wish = { preferences: { maxPrice: { prompt: 100 } } }
    expect(models(planned({ model: 'smart', ...wish }))).toEqual(['big@two'])
    expect(refused(() => planned({ model: 'smart', preferences: { only: ['one'] } }))).toContain('max_price')
  })
})

describe('rules of the file', () => {
  test('by tag of the key or of the request', () => {
    expect(models(planned({ model: 'big' })).length).toBe(2)
    const byKey = planned({ model: 'big' }, { tags: ['batch'] })
    expect([models(byKey), byKey.strategy]).toEqual([['big@two'], 'price'])
    expect(models(planned({ model: 'big', tags: ['batch'] }))).toEqual(['big@two'])
  })

  test('by key: region and data policy, which the caller cannot lift', () => {
    const eu = { id: 'eu-key', lineage: 'eu-key' }
    expect(models(planned({ model: 'big' }, eu))).toEqual(['big@one'])
    const lifted = { preferences: { dataCollection: 'allow', regions: ['eu', 'us'] } } as const
    expect(models(planned({ model: 'big', ...lifted }, eu))).toEqual(['big@one'])
    expect(refused(() => planned({ model: 'big', preferences: { regions: ['us'] } }, eu))).toContain(
      'regions',
    )
  })

  test('the caller’s order of wishes: sort before everything', () => {
    expect(planned({ model: 'big', preferences: { sort: 'latency' } }, { tags: ['batch'] }).strategy).toBe(
      'latency',
    )
    expect(firstOf(planned({ model: 'big:floor' }))).toBe('two')
  })

  test('models[] in their order, each of them once', () => {
    expect(models(planned({ model: 'small', fallbackModels: ['tiny', 'small', 'nothing'] }))).toEqual([
      'small@one',
      'tiny@two',
    ])
  })
})

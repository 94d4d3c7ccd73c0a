/** Model names: the contract's rules as a table over one configured world, and what the market says about everything else. */
import { describe, expect, test } from 'vitest'
import { authorsOf } from '../../providers/catalog/authors.ts'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { quickest } from '../waiting.ts'
import { marketFrom, shortly } from './world.ts'

const FILE = `
providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:9101/v1
    models:
      house-model: { upstream: house-v2, input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, cache_read_usd_per_mtok: 0.1 }
      gpt-5: {}
      free-model: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 }
      mystery:
      kimi-k3: {}
  beta:
    kind: openai
    base_url: http://127.0.0.1:9102/v1
    models: { house-model: {}, "tiny:thinking": {}, "org/own": {} }
  groq: { models: { brand-new: { upstream: vendor/brand-new-2 } } }
egress: { allow: ["127.0.0.1:9101", "127.0.0.1:9102"] }
aliases:
  fast: { models: [house-model, gpt-5], strategy: latency }
  gpt-4o: { models: [gpt-5@openai] }
  gone: { models: [grok-4.3@xai] }
  partly: { models: [grok-4.3@xai, mystery] }
  nitro-like:nitro-x: { models: [mystery] }
  team/best: { models: [house-model] }
`
const ENV = {
  OPENAI_API_KEY: 'sk-1',
  GROQ_API_KEY: 'gsk',
  DEEPSEEK_API_KEY: 'd',
  TOGETHER_API_KEY: 't',
  GEMINI_API_KEY: 'g',
  NVIDIA_API_KEY: 'n',
}
const market = marketFrom(FILE, ENV)

const OSS = 'groq>openai/gpt-oss-120b together>openai/gpt-oss-120b'
const LLAMA = 'groq>llama-3.3-70b-versatile together>meta-llama/Llama-3.3-70B-Instruct-Turbo'

describe('names', () => {
  test.each([
    // 1. aliases win over everything
    ['fast', 'alpha>gpt-5 alpha>house-v2 beta>house-model openai>gpt-5 by latency'],
    ['gpt-4o', 'openai>gpt-5'],
    ['partly', 'alpha>mystery'],
    ['nitro-like:nitro-x', 'alpha>mystery'],
    ['gone', '- no model of the alias gone is for sale here; grok-4.3 is sold by xai: set XAI_API_KEY'],
    // 2. canonical, own, and with author in both spellings
    ['gpt-5', 'alpha>gpt-5 openai>gpt-5'],
    ['openai/gpt-5', 'alpha>gpt-5 openai>gpt-5'],
    ['house-model', 'alpha>house-v2 beta>house-model'],
    ['org/own', 'beta>org/own'],
    ['gpt-oss-120b', OSS],
    ['openai/gpt-oss-120b', OSS],
    ['llama-3.3-70b-instruct', LLAMA],
    ['meta-llama/llama-3.3-70b-instruct', LLAMA],
    ['meta/llama-3.3-70b-instruct', LLAMA],
    ['google/gemini-2.5-pro', 'gemini>gemini-2.5-pro'],
    ['tiny:thinking', 'beta>tiny:thinking'],
    ['free-model', 'alpha>free-model'],
    ['brand-new', 'groq>vendor/brand-new-2'],
    ['text-embedding-3-small', 'openai>text-embedding-3-small'],
    // 3. <model>@<provider>
    ['gpt-5@openai', 'openai>gpt-5'],
    ['gpt-5@alpha', 'alpha>gpt-5'],
    ['openai/gpt-5@alpha', 'alpha>gpt-5'],
    ['house-model@beta', 'beta>house-model'],
    ['gpt-oss-120b@groq', 'groq>openai/gpt-oss-120b'],
    ['openai/gpt-oss-120b@groq', 'groq>openai/gpt-oss-120b'],
    ['deepseek-v4-pro@deepseek', 'deepseek>deepseek-v4-pro'],
    ['house-v2@alpha', 'alpha>house-v2'],
    // an alias there: what it stands for at this provider alone, where no model is called so
    ['fast@alpha', 'alpha>gpt-5 alpha>house-v2 by latency'],
    ['fast@beta', 'beta>house-model by latency'],
    ['fast@beta:floor', 'beta>house-model by price'],
    ['nitro-like:nitro-x@alpha', 'alpha>mystery'],
    ['gpt-4o@openai', 'openai>gpt-4o'],
    ['fast@groq', '- the alias fast has no model at groq, but at alpha, beta, openai'],
    ['gone@alpha', '- no model of the alias gone is for sale here; grok-4.3 is sold by xai: set XAI_API_KEY'],
    ['fast@xai', '- xai is not configured: set XAI_API_KEY'],
    ['fast@alhpa', /^\? fast@alpha( |$)/],
    // and in the other spelling the same
    ['alpha/fast', 'alpha>gpt-5 alpha>house-v2 by latency'],
    ['beta/fast', 'beta>house-model by latency'],
    ['beta/fast:floor', 'beta>house-model by price'],
    ['alpha/nitro-like:nitro-x', 'alpha>mystery'],
    ['alpha/team/best', 'alpha>house-v2'],
    ['team/best@alpha', 'alpha>house-v2'],
    ['groq/fast', '- the alias fast has no model at groq, but at alpha, beta, openai'],
    ['alpha/gone', '- no model of the alias gone is for sale here; grok-4.3 is sold by xai: set XAI_API_KEY'],
    ['xai/fast', '- xai is not configured: set XAI_API_KEY'],
    ['alhpa/fast', /^\? fast@alpha( |$)/],
    ['alpha/fats', /^\? .*\bfast\b/],
    ['openai/gpt-4o', 'openai>gpt-4o'],
    // 4. <provider>/<model>
    ['alpha/gpt-5', 'alpha>gpt-5'],
    ['beta/house-model', 'beta>house-model'],
    ['groq/gpt-oss-120b', 'groq>openai/gpt-oss-120b'],
    ['groq/openai/gpt-oss-120b', 'groq>openai/gpt-oss-120b'],
    ['groq/llama-3.3-70b-versatile', 'groq>llama-3.3-70b-versatile'],
    ['beta/org/own', 'beta>org/own'],
    // 5. an upstream id of the catalogue, also of providers that are not configured
    ['llama-3.3-70b-versatile', LLAMA],
    ['accounts/fireworks/models/gpt-oss-120b', OSS],
    ['openai-gpt-5', 'alpha>gpt-5 openai>gpt-5'],
    ['gpt-5.6', 'openai>gpt-5.6 openai>gpt-5.6-sol'],
    ['gpt-5.6-sol', 'openai>gpt-5.6 openai>gpt-5.6-sol'],
    ['gpt-5.6-sol@openai', 'openai>gpt-5.6 openai>gpt-5.6-sol'],
    ['gpt-5.6@openai', 'openai>gpt-5.6'],
    // suffixes, only when the whole name matched nothing
    ['gpt-5:floor', 'alpha>gpt-5 openai>gpt-5 by price'],
    ['gpt-5:nitro', 'alpha>gpt-5 openai>gpt-5 by latency'],
    ['fast:floor', 'alpha>gpt-5 alpha>house-v2 beta>house-model openai>gpt-5 by price'],
    ['gpt-5@openai:nitro', 'openai>gpt-5 by latency'],
    ['openai/gpt-oss-120b:floor', `${OSS} by price`],
    [
      'gpt-5:free',
      '! ":free" is not supported: there is no free tier here; ":floor" asks for the cheapest target',
    ],
    [
      'openai/gpt-5:online',
      '! ":online" is not supported: web search is not added by a model name; use a model with search of its own',
    ],
    [
      'nothing-known:thinking',
      '! ":thinking" is not supported: ask for reasoning with "reasoning_effort" or "reasoning" instead',
    ],
    // <unknown>@<provider> goes as it is
    ['gpt-99@openai', 'openai>gpt-99'],
    ['vendor/model:free@groq', 'groq>vendor/model:free'],
    ['a@b@groq', 'groq>a@b'],
    // deprecated and trial offers: only under their exact name
    ['gpt-4', 'openai>gpt-4'],
    ['gpt-4@openai', 'openai>gpt-4'],
    ['openai/gpt-4@openai', /^- openai\/gpt-4 is not known to be sold by openai, but by /],
    ['deepseek-v4-flash@deepseek', 'deepseek>deepseek-v4-flash'],
    ['kimi-k3', 'alpha>kimi-k3 together>moonshotai/Kimi-K3'],
    ['moonshotai/kimi-k3@nvidia', 'nvidia>moonshotai/kimi-k3'],
    // known, but not sold here
    ['grok-4.3', /^- grok-4\.3 is sold by xai, .*: set XAI_API_KEY$/],
    ['claude-sonnet-5@anthropic', '- claude-sonnet-5 is sold by anthropic: set ANTHROPIC_API_KEY'],
    ['demo/echo', '- demo/echo answers only while no provider is configured'],
    ['anything@xai', '- xai is not configured: set XAI_API_KEY'],
    [
      'mystery@beta',
      '- mystery is not known to be sold by beta, but by alpha: if it is, add it to providers.beta.models',
    ],
    ['house-model@groq', /^- house-model is not known to be sold by groq, but by alpha, beta: /],
    // unknown
    ['gtp-5', '? gpt-5'],
    ['house-modle', '? house-model'],
    ['openai/gtp-5', '? gpt-5'],
    // a dated snapshot, a beginning, a provider in front, a provider that is none
    ['gpt-5-2031-08-07', /^\? gpt-5( |$)/],
    ['house', '? house-model'],
    ['alpha:house-model', /^\? house-model@alpha( |$)/],
    ['house-model@zzz', '? house-model@alpha house-model@beta house-model'],
    ['gpt-99@opnai', /^\? gpt-99@openai( |$)/],
    ['house-v2', '?'],
    ['nothing-known:floor', '?'],
    ['', '?'],
    ['@', '?'],
    ['/', '?'],
    [':floor', '?'],
    ['@openai', '?'],
    ['x y@openai', '?'],
    ['x\n@openai', '?'],
    ['__proto__', '?'],
    ['constructor', '?'],
    ['house-model:constructor', '? house-model'],
    [`${'x'.repeat(300)}@openai`, '?'],
  ] satisfies [string, string | RegExp][])('%s', (name, expected) => {
    const got = shortly(market, name)
    if (typeof expected === 'string') expect(got).toBe(expected)
    else expect(got).toMatch(expected)
  })

  test("without keys, a known model's message names sellers and the variable to set", () => {
    const empty = marketFrom('')
    expect(shortly(empty, 'gpt-5')).toMatch(/^- gpt-5 is sold by openai, .*azure.*: set OPENAI_API_KEY$/)
    expect(shortly(empty, 'anthropic/claude-sonnet-5')).toMatch(
      /^- .* is sold by anthropic, .*: set ANTHROPIC_API_KEY$/,
    )
    expect(shortly(empty, 'granite-4-h-small')).toBe(
      "- granite-4-h-small is sold by watsonx: not built in yet; describe it under `hosts` if it speaks OpenAI's wire",
    )
  })

  test('what only a provider without a working credential would sell says so, and the cure', () => {
    const shut = marketFrom(
      `
providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:9101/v1
    credentials: [{ name: main, secret: "file:///nope/secret" }]
    models: { house-model: { upstream: house-v2 }, both: {} }
  beta: { kind: openai, base_url: "http://127.0.0.1:9102/v1", models: { both: {}, beta-only: {} } }
  groq:
aliases: { fast: { models: [house-model] } }
egress: { allow: ["127.0.0.1:9101", "127.0.0.1:9102"] }
`,
    )
    const alpha =
      'alpha is configured, but its credential "main" cannot be read or used: `switchgate config check` and the log say why'
    const groq =
      'groq is configured, but it has no credential that works: set GROQ_API_KEY or run `switchgate credential add groq`'
    for (const [name, expected] of [
      ['house-model', `- house-model cannot be called now: ${alpha}`],
      ['house-model@alpha', `- house-model@alpha cannot be called now: ${alpha}`],
      ['alpha/house-model', `- alpha/house-model cannot be called now: ${alpha}`],
      ['house-v2@alpha', `- house-v2@alpha cannot be called now: ${alpha}`],
      ['anything-else@alpha', `- anything-else@alpha cannot be called now: ${alpha}`],
      ['house-model:floor', `- house-model cannot be called now: ${alpha}`],
      ['fast', `- no model of the alias fast is for sale here; house-model cannot be called now: ${alpha}`],
      ['fast@alpha', `- fast@alpha cannot be called now: ${alpha}`],
      ['alpha/fast', `- fast@alpha cannot be called now: ${alpha}`],
      ['openai/gpt-oss-120b', `- openai/gpt-oss-120b cannot be called now: ${groq}`],
      ['gpt-5@groq', /^- gpt-5 is not known to be sold by groq, but by openai, /],
      ['beta-only@alpha', `- beta-only@alpha cannot be called now: ${alpha}`],
      // Who has none is in nobody's way.
      ['both', 'beta>both'],
      ['house-modle', '?'],
    ] as const) {
      const got = shortly(shut, name)
      if (typeof expected === 'string') expect(got, name).toBe(expected)
      else expect(got, name).toMatch(expected)
      expect(got, name).not.toContain('/nope')
    }
    expect(shut.sites.map(site => site.name)).toEqual(['beta'])
    expect(new Set(shut.listings.map(({ site }) => site.name))).toEqual(new Set(['beta']))
  })

  test('a refused name is never proposed as its own cure', () => {
    const two = marketFrom(
      'providers: { alpha: { kind: openai, base_url: "https://a.example/v1", models: { ok: } }, beta: { kind: openai, base_url: "https://b.example/v1", models: { other: } } }',
    )
    expect(shortly(two, 'ok@beta')).toBe(
      '- ok is not known to be sold by beta, but by alpha: if it is, add it to providers.beta.models',
    )
  })

  test('every upstream id that is for sale is found at its own provider, as itself', () => {
    for (const { offer, site } of market.listings) {
      const resolution = market.resolve(`${offer.upstream}@${site.name}`)
      expect(resolution.kind, `${offer.upstream}@${site.name}`).toBe('found')
      if (resolution.kind !== 'found') continue
      expect(resolution.listings.every(listing => listing.site === site)).toBe(true)
    }
  })

  test('every canonical id for sale is found bare and with each author, at the same listings', () => {
    for (const { offer } of market.listings) {
      if (offer.model === 'gpt-4o') continue // shadowed by an alias
      const bare = market.resolve(offer.model)
      if (bare.kind !== 'found') throw new Error(offer.model)
      expect(new Set(bare.listings.map(listing => listing.offer.model))).toEqual(new Set([offer.model]))
      if (loadCatalog().byModel.has(offer.model))
        for (const author of authorsOf(offer.model))
          expect(shortly(market, `${author}/${offer.model}`), author).not.toMatch(/^[?!-]/)
    }
  })

  test('nothing for sale is deprecated or a trial, whatever the name', () => {
    const { offers } = loadCatalog()
    const hidden = new Set(
      offers
        .filter(offer => offer.deprecated || offer.trial)
        .map(offer => `${offer.provider} ${offer.upstream}`),
    )
    expect(hidden.size).toBeGreaterThan(100)
    for (const { offer } of market.listings)
      expect(hidden).not.toContain(`${offer.provider} ${offer.upstream}`)
  })

  test('a hit costs a few look-ups', async () => {
    const names = [
      'gpt-5',
      'openai/gpt-5',
      'gpt-5@openai',
      'groq/gpt-oss-120b',
      'llama-3.3-70b-versatile',
      'fast',
    ]
    for (let i = 0; i < 50_000; i++) market.resolve(names[i % 6] as string)
    // The aim is 1 µs; the bar leaves room for a busy machine and still fails on any scan of the catalogue.
    const tookMs = await quickest(100, async () => {
      const started = performance.now()
      for (let i = 0; i < 20_000; i++) market.resolve(names[i % 6] as string)
      return performance.now() - started
    })
    expect((tookMs / 20_000) * 1000).toBeLessThan(5)
  })
})

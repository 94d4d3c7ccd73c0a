/** What the market is made of: sites with ready credentials, offers with the right price, and the demo when there is nothing else. */
import { describe, expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { demo } from '../../providers/demo.ts'
import { KINDS } from '../../providers/index.ts'
import { createMarket, type Listing, type Market } from '../../src/route/market.ts'
import { configFrom, marketFrom } from './world.ts'

const only = (market: Market, name: string): Listing => {
  const resolution = market.resolve(name)
  if (resolution.kind !== 'found' || resolution.listings.length !== 1)
    throw new Error(`${name}: ${JSON.stringify(resolution)}`)
  return resolution.listings[0] as Listing
}

const LOCAL = 'egress: { allow: ["127.0.0.1:9101"] }\n'
const own = (models: string, more = '') =>
  `${LOCAL}providers: { alpha: { kind: openai, base_url: "http://127.0.0.1:9101/v1/", models: ${models}${more} } }`

describe('sites', () => {
  test.each([
    ['OPENAI_API_KEY', 'openai', 'https://api.openai.com', '/v1', ['authorization', 'Bearer k-1']],
    ['ANTHROPIC_API_KEY', 'anthropic', 'https://api.anthropic.com', '/v1', ['x-api-key', 'k-1']],
    [
      'GEMINI_API_KEY',
      'gemini',
      'https://generativelanguage.googleapis.com',
      '/v1beta',
      ['x-goog-api-key', 'k-1'],
    ],
    ['GROQ_API_KEY', 'groq', 'https://api.groq.com', '/openai/v1', ['authorization', 'Bearer k-1']],
  ])('%s alone makes %s', (variable, name, origin, basePath, headers) => {
    const market = marketFrom('', { [variable]: ' k-1\n' })
    expect(market.sites).toHaveLength(1)
    expect(market.sites[0]).toMatchObject({ name, origin, basePath, builtIn: false })
    expect(market.sites[0]?.credentials).toEqual([
      { id: `${name}:${variable}`, name: variable, weight: 1, headers },
    ])
    expect(market.listings.length).toBeGreaterThan(2)
  })

  test('an own base URL with no credential listed needs none, headers and timeouts are its own', () => {
    const market = marketFrom(own('{ m: }', ', headers: { X-Team: a }, timeouts: { idle_ms: 77 }'), {
      OPENAI_API_KEY: 'x',
    })
    const site = market.sites.find(({ name }) => name === 'alpha')
    expect(site).toMatchObject({ origin: 'http://127.0.0.1:9101', basePath: '/v1', headers: ['x-team', 'a'] })
    expect(site?.credentials).toEqual([{ id: 'none', name: 'none', weight: 1, headers: [] }])
    expect(site?.timeouts).toMatchObject({ idleMs: 77, stallMs: 60000 })
  })

  test('a provider without the credential that it needs sells nothing', () => {
    const market = marketFrom('providers: { groq: }')
    expect(market.sites).toEqual([])
    expect(market.listings).toEqual([])
    expect(market.resolve('openai/gpt-oss-120b@groq').kind).toBe('not_sold')
    expect(market.resolve('anything@groq').kind).toBe('not_sold')
  })

  test('a credential from the vault makes a provider of a kind that nobody configured', () => {
    const market = createMarket({
      config: configFrom(''),
      kinds: KINDS,
      catalog: loadCatalog(),
      credentials: { groq: [{ id: 'c1', name: 'team', weight: 3, secret: 'gsk' }], nobody: [] },
      demo,
    })
    expect(market.sites.map(site => site.name)).toEqual(['groq'])
    expect(market.sites[0]?.credentials[0]).toMatchObject({ id: 'c1', weight: 3 })
  })

  test.each(['', '  ', 'a b', 'a\r\nx-evil: 1', 'ключ', 'x'.repeat(9000)])(
    'a secret that no header can carry is left out and told without being shown: %j',
    secret => {
      const told: string[] = []
      const market = createMarket({
        config: configFrom(''),
        kinds: KINDS,
        catalog: loadCatalog(),
        credentials: {
          groq: [{ id: 'c1', name: 'team', weight: 1, secret }],
          xai: [
            { id: 'c2', name: 'bad', weight: 1, secret },
            { id: 'c3', name: 'good', weight: 1, secret: 'x' },
          ],
        },
        refused: (provider, credential, reason) => told.push(`${provider} ${credential} ${reason}`),
        demo,
      })
      expect(market.sites.map(site => site.credentials.map(credential => credential.id))).toEqual([['c3']])
      expect(told.map(text => text.slice(0, 8))).toEqual(['groq tea', 'xai bad '])
      if (secret.trim() !== '') expect(told.join()).not.toContain(secret)
    },
  )

  test('secrets stand in the credential headers and nowhere else', () => {
    const market = marketFrom('', { OPENAI_API_KEY: 'sk-hunter2' })
    const text = JSON.stringify(market.sites.map(site => ({ ...site, credentials: [] })))
    expect(text + JSON.stringify(market.listings.map(listing => listing.offer))).not.toContain('hunter2')
  })
})

describe('prices', () => {
  test('an own price carries its numbers in its id; 0 is free; no price is unknown', () => {
    const market = marketFrom(
      own(
        '{ m: { input_usd_per_mtok: 0.15, output_usd_per_mtok: 0.6, cache_read_usd_per_mtok: 0.075 }, f: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 }, u: }',
      ),
    )
    expect(only(market, 'm').offer.price).toEqual({
      id: 'alpha/m@config:0.15/0.6,read=0.075',
      isOwn: true,
      inputPico: 150_000,
      outputPico: 600_000,
      cacheReadPico: 75_000,
    })
    expect(only(market, 'f').offer.price).toMatchObject({ inputPico: 0, outputPico: 0 })
    expect(only(market, 'u').offer.price).toBeUndefined()
    expect(only(market, 'nobody-knows@alpha').offer.price).toBeUndefined()
  })

  test('an own model with a canonical name has the catalogue price: of its kind, else of the author, else the dearest sound one', () => {
    const market = marketFrom(
      own('{ gpt-5: { upstream: my-deployment }, deepseek-v4-pro-0813: , gpt-oss-120b: }'),
    )
    expect(only(market, 'gpt-5').offer).toMatchObject({
      upstream: 'my-deployment',
      price: { inputPico: 1_250_000, outputPico: 10_000_000, cacheReadPico: 125_000 },
      contextTokens: 400_000,
      thinksUnseen: true,
    })
    expect(only(market, 'deepseek-v4-pro-0813').offer.price?.id).toMatch(/^deepseek\/deepseek-v4-pro@/)
    const sound = (loadCatalog().byModel.get('gpt-oss-120b') ?? []).filter(o => !o.doubtful && !o.trial)
    const dearest = Math.max(...sound.map(o => o.price.inputPico + o.price.outputPico))
    const { price } = only(market, 'gpt-oss-120b').offer
    expect((price?.inputPico ?? 0) + (price?.outputPico ?? 0)).toBe(dearest)
  })

  test("without an own base URL, a model of the file replaces or joins the catalogue's", () => {
    const market = marketFrom(
      'providers: { openai: { models: { gpt-5: { input_usd_per_mtok: 1, output_usd_per_mtok: 8 }, cheap: { upstream: gpt-5 } } } }',
      { OPENAI_API_KEY: 'x' },
    )
    expect(only(market, 'gpt-5').offer.price?.id).toBe('openai/gpt-5@config:1/8')
    expect(only(market, 'cheap').offer).toMatchObject({ upstream: 'gpt-5', price: { inputPico: 1_250_000 } })
    expect(only(market, 'gpt-5-mini').offer.price?.id).toMatch(/^openai\/gpt-5-mini@\d{4}-\d\d-\d\d$/)
  })

  test('a price far off its peers is marked, and still billed', () => {
    const market = marketFrom('', { WANDB_API_KEY: 'x', DEEPINFRA_API_KEY: 'y', GROQ_API_KEY: 'z' })
    const resolution = market.resolve('gpt-oss-120b')
    if (resolution.kind !== 'found') throw new Error('not found')
    const marked = resolution.listings.map(({ site, doubtful, offer }) => [
      site.name,
      doubtful ?? false,
      offer.price !== undefined,
    ])
    expect(marked.sort()).toEqual([
      ['deepinfra', true, true],
      ['groq', false, true],
      ['wandb', true, true],
    ])
  })
})

describe('demo/echo', () => {
  test('is for sale, free, while no provider is configured', () => {
    const market = marketFrom('')
    expect(market.listings).toHaveLength(1)
    const { offer, site } = only(market, 'demo/echo')
    expect(offer).toMatchObject({
      provider: 'demo',
      model: 'demo/echo',
      price: { inputPico: 0, outputPico: 0 },
    })
    expect(site).toMatchObject({ name: 'demo', builtIn: true })
    expect(site.credentials).toHaveLength(1)
    expect(market.resolve('anything@demo').kind).toBe('unknown')
  })

  test.each([
    ['', { OPENAI_API_KEY: 'x' }],
    ['providers: { groq: }', {}],
  ])('is gone with %j %j', (text, env) => {
    expect(marketFrom(text, env as Record<string, string>).resolve('demo/echo').kind).toBe('not_sold')
  })
})

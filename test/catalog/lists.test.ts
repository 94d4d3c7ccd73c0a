/** What providers list: every form of list, prices only where they are prices, and what of it becomes the catalogue's. */
import { describe, expect, test } from 'vitest'
import { createCatalog, loadCatalog, SHIPPED } from '../../providers/catalog/loader.ts'
import { parseCatalog } from '../../providers/catalog/schema.ts'
import { textOf } from '../../providers/catalog/import.ts'
import { planUpdate } from '../../providers/catalog/update.ts'
import { parseList } from '../../src/catalog/lists.ts'
import { askProviders, type ProviderList, withListed } from '../../src/catalog/refresh.ts'
import { matching } from '../../src/catalog/search.ts'
import type { Site } from '../../src/route/market.ts'
import { testMarket } from '../admin/rig.ts'

const one = (kind: string, entry: object) => parseList({ data: [entry] }, kind)?.[0]

describe('a list', () => {
  test.each([
    ['OpenAI', { object: 'list', data: [{ id: 'gpt-5', object: 'model' }] }, ['gpt-5']],
    ['Anthropic', { data: [{ type: 'model', id: 'claude-x' }], has_more: false }, ['claude-x']],
    ['Gemini', { models: [{ name: 'models/gemini-x', inputTokenLimit: 10 }] }, ['gemini-x']],
    ['Together', [{ id: 'a/b', type: 'chat' }], ['a/b']],
    ['nothing', { data: [] }, []],
  ])('of %s is read', (_, body, ids) => {
    expect(parseList(body, 'x')?.map(model => model.id)).toEqual(ids)
  })

  test.each([[null], ['text'], [{}], [{ data: 'x' }], [{ error: { message: 'no' } }], [7]])(
    'that is none is told from an empty one %#',
    body => {
      expect(parseList(body, 'x')).toBeUndefined()
    },
  )

  test('holds nothing that cannot be a name, each name once, and at most ten thousand', () => {
    const odd = [null, 1, 'a', {}, { id: 7 }, { id: 'a b' }, { id: 'x\u0000' }, { id: 'x'.repeat(257) }]
    expect(parseList({ data: [...odd, { id: 'ok' }, { id: 'ok' }] }, 'x')?.map(m => m.id)).toEqual([
      '7',
      'ok',
    ])
    const many = Array.from({ length: 20_000 }, (_, i) => ({ id: `m${i}` }))
    expect(parseList(many, 'x')).toHaveLength(10_000)
  })

  test.each([
    [
      'openrouter',
      { pricing: { prompt: '0.00000125', completion: '0.00001', input_cache_read: '0.000000125' } },
      { input: 1_250_000, output: 10_000_000, cacheRead: 125_000, cacheWrite: null },
    ],
    [
      'vercel-gateway',
      { pricing: { input: '0.000003', output: '0.000015', input_cache_write: '0.00000375' } },
      { input: 3_000_000, output: 15_000_000, cacheRead: null, cacheWrite: 3_750_000 },
    ],
    [
      'together',
      { pricing: { hourly: 0, input: 0.88, output: 0.88, base: 0 } },
      { input: 880_000, output: 880_000, cacheRead: null, cacheWrite: null },
    ],
    [
      'deepinfra',
      { metadata: { pricing: { input_tokens: 0.04, output_tokens: 0.4, cache_read_tokens: 0.02 } } },
      { input: 40_000, output: 400_000, cacheRead: 20_000, cacheWrite: null },
    ],
    ['groq', { pricing: { prompt: '1', completion: '1' } }, undefined],
    ['openrouter', { pricing: { prompt: '0', completion: '0' } }, undefined],
    ['openrouter', { pricing: { prompt: '-1', completion: '-1' } }, undefined],
    ['openrouter', { pricing: { prompt: '', completion: 'free' } }, undefined],
    ['openrouter', { pricing: { prompt: '1e-6' } }, undefined],
    ['openrouter', { pricing: { prompt: '5', completion: '5' } }, undefined],
    ['together', { pricing: { input: Number.NaN, output: 1 } }, undefined],
    ['deepinfra', { metadata: null }, undefined],
  ])('of %s states prices or none %#', (kind, entry, price) => {
    expect(one(kind, { id: 'm', ...entry })?.price).toEqual(price)
  })

  test('says how long a prompt may be, in each of the words for it', () => {
    const contexts = [
      { context_length: 5 },
      { context_window: 5 },
      { max_model_len: 5 },
      { inputTokenLimit: 5 },
      { meta: { n_ctx_train: 5 } },
      { metadata: { context_length: 5 } },
    ]
    for (const entry of contexts) expect(one('x', { id: 'm', ...entry })?.contextTokens).toBe(5)
    for (const value of [0, -1, 1.5, '5', Number.POSITIVE_INFINITY])
      expect(one('x', { id: 'm', context_length: value })?.contextTokens).toBeUndefined()
  })
})

const listOf = (kind: string, body: object[], more: Partial<ProviderList> = {}): ProviderList => ({
  provider: kind,
  kind,
  isOwn: false,
  models: parseList(body, kind) ?? [],
  unknown: [],
  missing: [],
  error: undefined,
  ...more,
})

describe('listed prices', () => {
  const catalog = loadCatalog()
  const known = 'meta-llama/Llama-3.3-70B-Instruct-Turbo'
  const priced = (id: string, usd: number) => ({ id, pricing: { input: usd, output: usd } })
  const stated = (lists: readonly ProviderList[], today = '2026-12-01') =>
    withListed(SHIPPED, catalog, lists, today)

  test('become the next catalogue: a new model, a new price, their own source and day', () => {
    const next = stated([
      listOf('together', [priced(known, 0.9), priced('meta-llama/Llama-9', 1.5), { id: 'bare' }]),
    ])
    if (next === undefined) throw new Error('nothing')
    expect(parseCatalog(textOf(next)).ok).toBe(true)
    const { added, repriced, refused, removed, file } = planUpdate(SHIPPED, next)
    expect([added.map(c => c.upstream), repriced.map(c => c.upstream)]).toEqual([
      ['meta-llama/Llama-9'],
      [known],
    ])
    expect([refused, removed]).toEqual([[], []])
    const offers = createCatalog(file).byProvider.get('together')
    expect(offers?.find(offer => offer.upstream === known)?.price).toMatchObject({
      id: `together/${known}@2026-12-01`,
      inputPico: 900_000,
    })
    expect(offers?.find(offer => offer.upstream === 'meta-llama/Llama-9')).toMatchObject({
      model: 'meta-llama/Llama-9',
      source: { name: 'the list of together itself', date: '2026-12-01' },
    })
  })

  test('are held against the group like any other: a slip of units is refused', () => {
    const next = stated([listOf('together', [priced(known, 0.0009), priced('new/gpt-oss-120b', 900)])])
    if (next === undefined) throw new Error('nothing')
    const { refused, added, repriced } = planUpdate(SHIPPED, next)
    expect(refused.map(c => c.upstream).sort()).toEqual([known, 'new/gpt-oss-120b'].sort())
    expect([added, repriced]).toEqual([[], []])
  })

  test('change nothing when they are known, at an own address, or when nobody states any', () => {
    const same = catalog.byProvider.get('together')?.find(offer => offer.upstream === known)
    const usd = (same?.price.inputPico ?? 0) / 1e6
    expect(stated([listOf('together', [priced(known, usd)])])).toBeUndefined()
    expect(stated([listOf('together', [priced(known, 0.9)], { isOwn: true })])).toBeUndefined()
    expect(stated([listOf('groq', [{ id: 'new' }]), listOf('openai', [])])).toBeUndefined()
  })
})

describe('asking', () => {
  const { sites } = testMarket()
  const ask = (fetch: typeof globalThis.fetch, of: readonly Site[] = sites) =>
    askProviders(of, {
      fetch,
      catalog: loadCatalog(),
      kindOf: name => name,
      isOwn: () => false,
      ownOf: name => (name === 'groq' ? ['mine'] : []),
      scrub: text => text.replaceAll('upstream-canary', '[secret]'),
    })

  test('sends each provider its own credential, and tells what is new and what is missing', async () => {
    const seen: [string, string | null, string | null][] = []
    const lists = await ask(async (input, init) => {
      const headers = new Headers(init?.headers)
      seen.push([String(input), headers.get('authorization'), headers.get('anthropic-version')])
      return Response.json({ data: [{ id: 'gpt-5' }, { id: 'mine' }, { id: 'brand-new' }] })
    })
    expect(seen).toEqual([
      ['https://openai.example/v1/models', 'Bearer upstream-canary', null],
      ['https://anthropic.example/v1/models?limit=1000', 'Bearer upstream-canary', '2023-06-01'],
      ['https://groq.example/v1/models', 'Bearer upstream-canary', null],
    ])
    const unknown = lists.map(list => [list.provider, list.unknown.map(model => model.id)])
    expect(unknown).toEqual([
      ['openai', ['mine', 'brand-new']],
      ['anthropic', ['gpt-5', 'mine', 'brand-new']],
      ['groq', ['gpt-5', 'brand-new']],
    ])
    expect(lists[0]?.missing).toContain('gpt-5-mini')
    expect(lists[0]?.missing).not.toContain('gpt-5')
  })

  test.each([
    ['refuses', async () => new Response('no', { status: 401 }), /status 401/],
    ['answers a page', async () => new Response('<html>'), /no list/],
    ['cannot be reached', () => Promise.reject(new Error('down, upstream-canary')), /^down, \[secret\]$/],
  ])('one that %s is told, and holds up nobody', async (_, fails, message) => {
    const lists = await ask(async (input, init) =>
      String(input).includes('groq') ? fails() : Response.json({ data: [], ...init }),
    )
    expect(lists.map(list => list.error)).toEqual([undefined, undefined, expect.stringMatching(message)])
  })

  test('a server of one’s own serves nothing that would be new', async () => {
    const local = sites.slice(0, 1).map(site => ({ ...site, name: 'ollama' }))
    const [list] = await ask(async () => Response.json({ data: [{ id: 'llama3.2:3b' }] }), local)
    expect([list?.models.length, list?.unknown, list?.error]).toEqual([1, [], undefined])
  })

  test('one whose requests are signed is left out, and a name is asked once', async () => {
    const [openai] = sites
    if (openai === undefined) throw new Error('no site')
    const signed = { ...openai, name: 'bedrock', auth: 'sigv4' } as unknown as Site
    let calls = 0
    const lists = await ask(async () => Response.json({ data: [calls++] }), [openai, { ...openai }, signed])
    expect([calls, lists.map(list => list.error)]).toEqual([1, [undefined, expect.stringMatching(/signed/)]])
  })
})

describe('a search', () => {
  const found = (text: string) => loadCatalog().offers.filter(matching(text))

  test('finds by id, author, provider and capability, several words, whatever the case', () => {
    for (const text of ['', '  ']) expect(found(text)).toEqual(loadCatalog().offers)
    const mini = found('gpt-5-mini')
    expect(mini.length).toBeGreaterThan(3)
    expect(found('GPT-5-Mini')).toEqual(mini)
    expect(found('openai gpt-5-mini')).toEqual(mini)
    expect(found('anthropic vision bedrock').length).toBeGreaterThan(10)
    expect(
      found('anthropic vision bedrock').every(o => o.provider === 'bedrock' && o.supports.has('images')),
    ).toBe(true)
    expect(found('moonshotai kimi-k3').every(o => o.model.startsWith('kimi-k3'))).toBe(true)
    expect(found('embedding voyage').every(o => o.type === 'embedding')).toBe(true)
    expect(found('no-such-model')).toEqual([])
    expect(found('gpt-5 no-such-word')).toEqual([])
  })
})

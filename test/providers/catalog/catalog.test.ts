/** The catalogue: prices against hand-written expectations, and rules that every one of its rows keeps. */
import { readFileSync, statSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { importFacts, textOf } from '../../../providers/catalog/import.ts'
import { loadCatalog } from '../../../providers/catalog/loader.ts'
import { METERED_OFFERS } from '../../../providers/catalog/metered.ts'
import { billFor } from '../../../src/meter.ts'
import { type Price, usdFromNano } from '../../../src/price.ts'

const catalog = loadCatalog()
const offerOf = (provider: string, upstream: string) => {
  const offer = catalog.byProvider.get(provider)?.find(entry => entry.upstream === upstream)
  if (offer === undefined) throw new Error(`${provider}/${upstream} is not in the catalogue`)
  return offer
}

test('CATALOG.md says how much stands in it', () => {
  const page = readFileSync(new URL('../../../CATALOG.md', import.meta.url), 'utf8')
  const hundreds = Math.round(catalog.offers.length / 100) * 100
  const { size } = catalog.byProvider
  expect(page).toContain(`some ${hundreds.toLocaleString('en-US')} offers of ${size} providers`)
})

const paid = ({ inputPico, outputPico, units = {} }: Price): number =>
  inputPico + outputPico + Object.values(units).reduce((sum, pico) => sum + pico, 0)

const MILLION = {
  inputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
}

/** USD for one bill, as printed. */
const billed = (provider: string, upstream: string, usage: Partial<typeof MILLION>) => {
  const bill = billFor({ ...MILLION, ...usage }, offerOf(provider, upstream).price, 'exact')
  if (bill.costNanoUsd === undefined) throw new Error('unpriced')
  return usdFromNano(bill.costNanoUsd)
}

describe('prices', () => {
  // Typed in from the vendors' list prices, USD per million tokens: input, output, cached input.
  test.each([
    ['openai', 'gpt-5', '1.25', '10', '0.125'],
    ['openai', 'gpt-5-mini', '0.25', '2', '0.025'],
    ['openai', 'gpt-4o', '2.5', '10', '1.25'],
    ['openai', 'gpt-4o-mini', '0.15', '0.6', '0.075'],
    ['openai', 'gpt-4.1', '2', '8', '0.5'],
    ['openai', 'o3', '2', '8', '0.5'],
    ['anthropic', 'claude-haiku-4-5', '1', '5', '0.1'],
    ['anthropic', 'claude-sonnet-4-5-20250929', '3', '15', '0.3'],
    ['anthropic', 'claude-opus-4-5', '5', '25', '0.5'],
    ['gemini', 'gemini-2.5-flash-lite', '0.1', '0.4', '0.01'],
    ['groq', 'llama-3.3-70b-versatile', '0.59', '0.79', undefined],
    ['groq', 'openai/gpt-oss-120b', '0.15', '0.6', undefined],
  ])('%s/%s', (provider, upstream, input, output, cached) => {
    const small = 100_000
    const scale = (usd: string) => String(Number((Number(usd) / 10).toFixed(9)))
    expect(billed(provider, upstream, { inputTokens: small })).toBe(scale(input))
    expect(billed(provider, upstream, { outputTokens: small })).toBe(scale(output))
    if (cached !== undefined)
      expect(billed(provider, upstream, { inputTokens: small, cacheReadInputTokens: small })).toBe(
        scale(cached),
      )
  })

  test('a million tokens in and out cost what is listed', () => {
    expect(billed('openai', 'gpt-5', { inputTokens: 1e6, outputTokens: 1e6 })).toBe('11.25')
    expect(billed('anthropic', 'claude-haiku-4-5', { inputTokens: 1e6, outputTokens: 1e6 })).toBe('6')
    expect(billed('openai', 'text-embedding-3-small', { inputTokens: 1e6 })).toBe('0.02')
  })

  test("Anthropic's cache writes: 1.25× for five minutes, 2× for an hour", () => {
    expect(offerOf('anthropic', 'claude-haiku-4-5').price).toMatchObject({
      inputPico: 1_000_000,
      cacheWritePico: 1_250_000,
      cacheWrite1hPico: 2_000_000,
    })
  })

  test("Claude's cache writes keep to the rule in the tier for long prompts too", () => {
    for (const { model, price } of catalog.offers) {
      if (!model.startsWith('claude-') || price.cacheWritePico === undefined) continue
      for (const rates of [price, ...(price.tiers ?? [])]) {
        expect(rates.cacheWritePico, price.id).toBe(Math.round(rates.inputPico * 1.25))
        expect(rates.cacheWrite1hPico, price.id).toBe(rates.inputPico * 2)
      }
    }
  })

  test('Claude on Bedrock costs a tenth more in a region than through the global profile', () => {
    const at = (upstream: string) => offerOf('bedrock', upstream).price.inputPico
    for (const { upstream, model } of catalog.byProvider.get('bedrock') ?? [])
      if (upstream.startsWith('global.anthropic.') && model !== 'claude-sonnet-4')
        expect(at(upstream.replace('global.', '')), upstream).toBe(Math.round(at(upstream) * 1.1))
  })

  test('long prompts have their tier: Gemini 2.5 Pro above 200,000 tokens', () => {
    const { price } = offerOf('gemini', 'gemini-2.5-pro')
    expect(price).toMatchObject({ inputPico: 1_250_000, outputPico: 10_000_000 })
    expect(price.tiers).toMatchObject([
      { overInputTokens: 200_000, inputPico: 2_500_000, outputPico: 15_000_000 },
    ])
    expect(billed('gemini', 'gemini-2.5-pro', { inputTokens: 1e6, outputTokens: 1e6 })).toBe('17.5')
  })

  test('thinking that costs more than output keeps its own rate', () => {
    expect(offerOf('alibaba', 'qwen-plus').price).toMatchObject({
      outputPico: 1_200_000,
      reasoningPico: 4_000_000,
    })
  })
})

describe('every row', () => {
  test('counts', () => {
    expect(catalog.offers).toHaveLength(1552 + METERED_OFFERS.length)
    expect(catalog.byProvider.size).toBe(47)
    expect(catalog.byModel.size).toBeGreaterThan(400)
    expect(catalog.offers.filter(offer => offer.type === 'embedding')).toHaveLength(93)
    expect(catalog.offers.filter(offer => offer.doubtful)).toHaveLength(42)
    expect(catalog.offers.filter(offer => offer.disputed)).toHaveLength(74)
    expect(catalog.date).toBe('2026-11-21')
    expect(catalog.offers.filter(offer => offer.trial).every(offer => offer.provider === 'nvidia')).toBe(true)
  })

  test('is an integer price with an id that says who, what and when', () => {
    const ids = new Set<string>()
    for (const { provider, upstream, price, source } of catalog.offers) {
      expect(price.id).toBe(`${provider}/${upstream}@${source.date}`)
      expect(source.date).toMatch(/^2026-\d\d-\d\d$/)
      ids.add(price.id)
      for (const rates of [price, ...(price.tiers ?? [])]) {
        const { inputPico, outputPico, cacheReadPico = 0, cacheWritePico = 0, cacheWrite1hPico = 0 } = rates
        for (const pico of [inputPico, outputPico, cacheReadPico, cacheWritePico, cacheWrite1hPico])
          expect(Number.isSafeInteger(pico) && pico >= 0 && pico <= 1_000_000_000, price.id).toBe(true)
        expect(cacheReadPico <= inputPico, price.id).toBe(true)
      }
    }
    expect(ids.size).toBe(catalog.offers.length)
  })

  test('nothing but trial endpoints is free', () => {
    for (const offer of catalog.offers)
      if (!offer.trial && offer.type !== 'moderation')
        expect(paid(offer.price), offer.price.id).toBeGreaterThan(0)
  })

  test('OpenAI, Gemini, Grok and new Claude models think unseen, open weights do not', () => {
    expect(offerOf('openai', 'gpt-5').thinksUnseen).toBe(true)
    expect(offerOf('openai', 'o3').thinksUnseen).toBe(true)
    expect(offerOf('openai', 'gpt-4o').thinksUnseen).toBe(false)
    expect(offerOf('groq', 'openai/gpt-oss-120b').thinksUnseen).toBe(false)
    expect(offerOf('gemini', 'gemini-2.5-pro').thinksUnseen).toBe(true)
    expect(offerOf('anthropic', 'claude-haiku-4-5').thinksUnseen).toBe(false)
    expect(offerOf('anthropic', 'claude-sonnet-5').thinksUnseen).toBe(true)
    expect(offerOf('deepseek', 'deepseek-flash').thinksUnseen).toBe(false)
  })

  test('authors as OpenRouter and Vercel write them', () => {
    for (const name of [
      'openai/gpt-5',
      'openai/gpt-oss-120b',
      'anthropic/claude-sonnet-5',
      'google/gemini-2.5-pro',
      'google/gemma-4-31b-it',
      'meta-llama/llama-3.3-70b-instruct',
      'meta/llama-3.3-70b-instruct',
      'deepseek/deepseek-v3.2',
      'qwen/qwen3-32b',
      'alibaba/qwen3-32b',
      'moonshotai/kimi-k3',
      'z-ai/glm-5.2',
      'zai/glm-5.2',
      'mistralai/mistral-large-2512',
      'mistral/mistral-large-2512',
      'x-ai/grok-4.3',
      'xai/grok-4.3',
      'minimax/minimax-m3',
      'cohere/command-a-03-2025',
    ])
      expect(catalog.byAuthor.get(name), name).toBe(name.slice(name.indexOf('/') + 1))
  })
})

describe('the data file', () => {
  const file = new URL('../../../providers/catalog/offers.json', import.meta.url)

  test('is small enough to ship in a Worker', () => {
    expect(statSync(file).size).toBeLessThan(350_000)
  })

  test('is what import.ts writes: reading it and writing it again changes nothing', () => {
    const text = readFileSync(file, 'utf8')
    expect(textOf(JSON.parse(text))).toBe(text)
  })

  const header = { compiled_on: '2026-11-21' }
  const fact = {
    provider: 'google',
    model: 'in.anthropic.claude-x-20260101',
    canonical_id: 'in.anthropic.claude-x-20260101',
    type: 'chat',
    input_usd_per_mtok: 0.1 + 0.2,
    output_usd_per_mtok: 1,
    cache_read_usd_per_mtok: 0,
    cache_write_usd_per_mtok: 0,
    context_tokens: null,
    max_output_tokens: 10,
    supports: ['tools', 'vision', 'video'],
    source: 'pi-ai 1.5.2 (2026-11)',
  }

  test('an imported fact: noise cleaned, slips of the sources undone, names ours', () => {
    const { offers } = importFacts({ header, offers: [fact] })
    expect(offers).toEqual({
      gemini: [[fact.model, 'claude-x', 300_000, 1_000_000, null, null, 0, 10, 'ti', 2]],
    })
  })

  test.each([
    [{ ...fact, input_usd_per_mtok: -1 }],
    [{ ...fact, input_usd_per_mtok: Number.NaN }],
    [{ ...fact, output_usd_per_mtok: 15_000_000 }],
    [{ ...fact, source: 'hearsay' }],
    [{ ...fact, type: 'video' }],
  ])('a fact that cannot be is refused %#', bad => {
    expect(() => importFacts({ header, offers: [bad] })).toThrow()
    expect(() => importFacts({ header, offers: [fact, fact] })).toThrow('listed twice')
  })
})

/**
 * Our bills beside those of an independent calculator with its own data (@pydantic/genai-prices): for every offer that both know,
 * the same usage costs the same, or the difference stands in the table below with its reason. A new difference fails, and so does
 * an entry of the table that no longer differs.
 */
import { calcPrice } from '@pydantic/genai-prices'
import { describe, expect, test } from 'vitest'
import { type CatalogOffer, loadCatalog } from '../../../providers/catalog/loader.ts'
import { billFor } from '../../../src/meter.ts'
import { billsTokens } from '../../../src/price.ts'
import type { Usage } from '../../../src/terms.ts'

/** Our kinds as the calculator calls them. Vertex sells Gemini and Claude at Google's list. */
const THEIR_NAMES: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  gemini: 'google',
  vertex: 'google',
  bedrock: 'aws',
  azure: 'azure',
  groq: 'groq',
  together: 'together',
  fireworks: 'fireworks',
  deepseek: 'deepseek',
  mistral: 'mistral',
  xai: 'x-ai',
  cohere: 'cohere',
  perplexity: 'perplexity',
  moonshot: 'moonshotai',
  cerebras: 'cerebras',
  novita: 'novita',
  ovhcloud: 'ovhcloud',
  zai: 'zai',
  openrouter: 'openrouter',
}

/** A Monday at 02:00 UTC: DeepSeek's peak hours, whose price is the one we list. */
const AT = new Date('2026-11-23T02:00:00Z')

type Case = readonly [input: number, read: number, written: number, writtenHour: number, output: number]
const CASES: Readonly<Record<string, Case>> = {
  plain: [1_000, 0, 0, 0, 100],
  cached: [10_000, 8_000, 0, 0, 100],
  written: [10_000, 0, 8_000, 0, 10],
  'written for an hour': [10_000, 0, 8_000, 8_000, 10],
  long: [250_000, 0, 0, 0, 1_000],
  'long, cached and written': [500_000, 300_000, 100_000, 0, 1_000],
}

function usageOf([inputTokens, read, written, writtenHour, outputTokens]: Case): Usage {
  return {
    inputTokens,
    cacheReadInputTokens: read,
    cacheCreationInputTokens: written,
    cacheCreation1hInputTokens: writtenHour,
    outputTokens,
    reasoningOutputTokens: 0,
  }
}

/** Nano-USD by their arithmetic and data; undefined = they do not know the model, or have no price for hour-long writes. */
function theirBill(offer: CatalogOffer, counts: Case): number | undefined {
  const [input, read, written, writtenHour, output] = counts
  const result = calcPrice(
    {
      input_tokens: input,
      cache_read_tokens: read,
      cache_write_tokens: written,
      ...(writtenHour > 0 && { cache_write_1h_tokens: writtenHour }),
      output_tokens: output,
    },
    offer.upstream,
    { providerId: THEIR_NAMES[offer.provider] ?? '', timestamp: AT },
  )
  if (result === null) return undefined
  // They bill such writes as five-minute ones where they know no better; Anthropic's rule is the same at every seller.
  if (writtenHour > 0 && result.model_price.cache_write_1h_mtok === undefined) return undefined
  return Math.round(result.total_price * 1e9)
}

/** Offers that differ, the reason, and how many there are. The first pattern that fits counts. */
const EXPLAINED: readonly (readonly [RegExp, number, string])[] = [
  [
    /^openrouter\//,
    105,
    'a moving floor over its sellers; each answer states its real cost, which is billed',
  ],
  [
    /^perplexity\/sonar/,
    3,
    'a fee for each request as well; each answer states its real cost, which is billed',
  ],
  [
    /^vertex\/claude-(opus-4-[78]|sonnet-4-6)@/,
    3,
    'one source has a tier above 200,000 tokens: the dearer is billed',
  ],
  [/^azure\/claude-opus-4-[68]$/, 2, 'one source has a tier above 200,000 tokens: the dearer is billed'],
  [
    /^azure\/claude-sonnet-4-5$/,
    1,
    'Azure states no tier for long prompts; they take it over from Anthropic',
  ],
  [
    /^azure\/deepseek-|^azure\/phi-/,
    6,
    'rows of theirs that are other weights, another seller or undated; ours are of 30 September 2026 and later',
  ],
  [
    /^azure\/(gpt-5|gpt-5-codex|gpt-5-mini|gpt-5-nano|gpt-5\.2|o4-mini)$/,
    6,
    'Azure lists cached reads rounded to a cent per million; one of the two has the exact tenth',
  ],
  [/^azure\/gpt-5\.6-sol$/, 1, 'theirs is of September, ours of November 2026: the newer one counts'],
  [
    /^azure\/kimi-/,
    2,
    'they state a price for cached reads and our source none: what is unknown is billed as input',
  ],
  [/^openai\/gpt-image-1\.5/, 2, 'theirs is the output price of text; these models write pictures'],
  [/^bedrock\/amazon\.titan-embed-text-v2/, 1, 'they take it for version 1'],
  [
    /^deepseek\/deepseek-v4-flash/,
    2,
    'a retired name, billed as deepseek-flash since September; theirs is the old price',
  ],
  [/^fireworks\/.*gpt-oss-120b$/, 1, 'cached reads at 0.015 or 0.014: two sources'],
  [
    /^mistral\/(codestral|mistral-large|mistral-small)-latest$/,
    3,
    'a name that moves with the newest model; theirs stands for an earlier one',
  ],
  [
    /^mistral\/(devstral-2512|mistral-medium-)/,
    4,
    'they state a price for cached reads and our source none: what is unknown is billed as input',
  ],
  [/^mistral\/mistral-embed$/, 1, 'they bill output, which embeddings have none of'],
  [
    /^novita\//,
    3,
    'two sources a week apart (theirs of 23, ours of 30 September 2026) disagree; the newer one counts',
  ],
  [
    /^together\/meta-llama\//,
    2,
    'two sources a week apart (theirs of 23, ours of 30 September 2026) disagree; the newer one counts',
  ],
  [/^zai\/glm-5\.3-flash$/, 1, 'theirs is of September, ours of November 2026: the newer one counts'],
]

/** Prices by the picture or the second alone say nothing of tokens, so there is nothing to compare. */
const known = loadCatalog().offers.filter(
  offer => THEIR_NAMES[offer.provider] !== undefined && billsTokens(offer.price),
)

describe('for the same usage', () => {
  let compared = 0
  const differing = new Map<string, string[]>()
  for (const offer of known) {
    const faults: string[] = []
    let isKnown = false
    for (const [name, counts] of Object.entries(CASES)) {
      const theirs = theirBill(offer, counts)
      if (theirs === undefined) continue
      isKnown = true
      const ours = billFor(usageOf(counts), offer.price, 'exact').costNanoUsd ?? Number.NaN
      // Theirs is a sum of floating-point numbers.
      if (!(Math.abs(ours - theirs) <= 1)) faults.push(`${name}: ours ${ours}, theirs ${theirs} nano-USD`)
    }
    if (isKnown) compared++
    if (faults.length > 0) differing.set(`${offer.provider}/${offer.upstream}`, faults)
  }

  test('both know some five hundred offers', () => {
    expect(compared).toBe(533)
  })

  test('every difference has a reason', () => {
    const unexplained = [...differing].filter(([id]) => !EXPLAINED.some(([pattern]) => pattern.test(id)))
    expect(Object.fromEntries(unexplained)).toEqual({})
  })

  test.each(EXPLAINED)('%s: %d offers differ: %s', (pattern, count) => {
    const ids = [...differing.keys()].filter(id => EXPLAINED.find(([each]) => each.test(id))?.[0] === pattern)
    expect(ids).toHaveLength(count)
  })
})

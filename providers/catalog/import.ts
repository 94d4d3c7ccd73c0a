/**
 * Turns collected model facts into the catalogue's own data file (offers.json). Pure; not part of a request.
 * To refresh: `node test/providers/catalog/regenerate.ts facts.json`, then look at the diff: one offer is one line.
 * The input is `{ header: { compiled_on }, offers: [{ provider, model, canonical_id, input_usd_per_mtok, … }] }`, prices in USD per million tokens.
 */
import { z } from 'zod'
import { picoFromUsdPerMtok } from '../../src/price.ts'

const usd = z.number().min(0).max(10_000)
const Fact = z.object({
  provider: z.string(),
  model: z.string(),
  canonical_id: z.string(),
  type: z.enum(['chat', 'embedding']),
  input_usd_per_mtok: usd,
  output_usd_per_mtok: usd,
  cache_read_usd_per_mtok: usd.nullish(),
  cache_write_usd_per_mtok: usd.nullish(),
  reasoning_usd_per_mtok: usd.nullish(),
  price_tiers: z
    .array(
      z.object({
        above_input_tokens: z.int().positive(),
        input: usd,
        output: usd,
        cache_read: usd.nullish(),
        cache_write: usd.nullish(),
      }),
    )
    .optional(),
  context_tokens: z.int().positive().nullish(),
  max_output_tokens: z.int().positive().nullish(),
  supports: z.array(z.string()),
  source: z.string(),
  first_party: z.boolean().optional(),
  deprecated: z.boolean().optional(),
  free_trial_endpoint: z.boolean().optional(),
  price_outlier: z.string().optional(),
  conflict: z.record(z.string(), z.unknown()).optional(),
  variant: z.string().optional(),
  embedding_dimensions: z.int().positive().optional(),
})
export type Fact = z.infer<typeof Fact>

const Facts = z.object({
  header: z.object({ compiled_on: z.iso.date() }),
  offers: z.array(Fact),
})

/** Sources by the name that the facts use; the date is the newest day on which one of them stated the fact. */
const SOURCES: Readonly<Record<string, { name: string; date: string }>> = {
  'models.dev snapshot 2026-09-30': { name: 'models.dev (MIT)', date: '2026-09-30' },
  'models.dev snapshot 2026-09-30 + pi-ai 1.5.2 (2026-11)': {
    name: 'models.dev (MIT), still the same in @earendil-works/pi-ai 1.5.2 (MIT)',
    date: '2026-11-10',
  },
  'pi-ai 1.5.2 (2026-11)': { name: '@earendil-works/pi-ai 1.5.2 (MIT)', date: '2026-11-10' },
  'litellm 2026-07-24': { name: 'LiteLLM model_prices_and_context_window.json (MIT)', date: '2026-07-24' },
  'genai-prices 0.1.8 (2026-09)': { name: '@pydantic/genai-prices 0.1.8 (MIT)', date: '2026-09-23' },
  'pi-catalog 18.2.11 (2026-09-23): retired names are still accepted and billed as deepseek-flash': {
    name: '@oh-my-pi/pi-catalog 18.2.11 (MIT): retired names, still accepted and billed as deepseek-flash',
    date: '2026-09-23',
  },
}

/** One letter a capability or mark, so that a row stays one short line. The loader reads the same table. */
export const MARKS = {
  tools: 't',
  json_schema: 'j',
  vision: 'i',
  reasoning: 'r',
  audio: 'a',
  pdf: 'p',
  embedding: 'E',
  firstParty: 'F',
  deprecated: 'D',
  doubtful: 'X',
  disputed: 'C',
  trial: 'T',
} as const

/** Provider names of the sources that differ from our kinds. */
const RENAMED: Readonly<Record<string, string>> = { google: 'gemini' }

export const COLUMNS = [
  'upstream',
  'model (empty = upstream)',
  'input pico-USD/token',
  'output',
  'cache read',
  'cache write',
  'context tokens',
  'max output tokens',
  'marks',
  'source',
  'more',
] as const

/** Undefined and null columns are written as 0 where 0 is impossible, and as null where it is a price. */
export type Row = [
  string,
  string,
  number,
  number,
  number | null,
  number | null,
  number,
  number,
  string,
  number,
  More?,
]

export interface More {
  /** [over input tokens, input, output, cache read, cache write], pico-USD per token. */
  readonly tiers?: readonly (readonly (number | null)[])[]
  readonly reasoning?: number
  readonly variant?: string
  readonly dimensions?: number
}

export interface CatalogFile {
  /** The day on which it was put together, `YYYY-MM-DD`: of two catalogues the newer one counts. */
  readonly date: string
  readonly sources: readonly { readonly name: string; readonly date: string }[]
  readonly marks: Readonly<Record<string, string>>
  readonly columns: readonly string[]
  readonly offers: Readonly<Record<string, readonly Row[]>>
}

const pico = (value: number | null | undefined) =>
  value === null || value === undefined ? null : picoFromUsdPerMtok(value)

/** Free or dearer-than-input cached reads are slips of the sources: such reads are billed as input. */
const picoOfRead = (value: number | null | undefined, input: number) =>
  value === 0 || (value ?? 0) > input ? (input === 0 ? 0 : null) : pico(value)

/** A free cache write means that storing is free: the tokens themselves still cost what input costs. */
const picoOfWrite = (value: number | null | undefined) => (value === 0 ? null : pico(value))

/** Regional profiles of Bedrock are the same weights: `in.anthropic.claude-haiku-4-5-20251001` → `claude-haiku-4-5`. */
const canonical = (id: string) => {
  const match = /^(?:in|us|eu|apac|jp|global)\.[a-z]+\.(.+)$/.exec(id)
  return match?.[1] === undefined ? id : match[1].replace(/-20\d{6}$/, '')
}

function marksOf(fact: Fact): string {
  const { embedding, firstParty, deprecated, doubtful, disputed, trial, ...capabilities } = MARKS
  let marks = ''
  for (const [name, letter] of Object.entries(capabilities)) if (fact.supports.includes(name)) marks += letter
  if (fact.type === 'embedding') marks += embedding
  if (fact.first_party) marks += firstParty
  if (fact.deprecated) marks += deprecated
  if (fact.price_outlier) marks += doubtful
  if (fact.conflict) marks += disputed
  if (fact.free_trial_endpoint) marks += trial
  return marks
}

/**
 * Sources state cache writes for the first tier only, but they keep their proportion to input in every tier: 1.25 times for
 * Claude (platform.claude.com, prompt caching), and for OpenAI since GPT-5.6 (genai-prices 0.1.8 has the tiers written out).
 */
function picoOfTierWrite(fact: Fact, tier: { input: number; cache_write?: number | null | undefined }) {
  const { cache_write_usd_per_mtok: write, input_usd_per_mtok: input } = fact
  if (tier.cache_write !== undefined || !write || input === 0) return picoOfWrite(tier.cache_write)
  return picoFromUsdPerMtok((tier.input * write) / input)
}

function moreOf(fact: Fact): More | undefined {
  const more: More = {
    ...(fact.price_tiers && {
      tiers: fact.price_tiers
        .toSorted((a, b) => a.above_input_tokens - b.above_input_tokens)
        .map(tier => [
          tier.above_input_tokens,
          pico(tier.input),
          pico(tier.output),
          picoOfRead(tier.cache_read, tier.input),
          picoOfTierWrite(fact, tier),
        ]),
    }),
    ...(typeof fact.reasoning_usd_per_mtok === 'number' && {
      reasoning: picoFromUsdPerMtok(fact.reasoning_usd_per_mtok),
    }),
    ...(fact.variant && { variant: fact.variant }),
    ...(fact.embedding_dimensions && { dimensions: fact.embedding_dimensions }),
  }
  return Object.keys(more).length === 0 ? undefined : more
}

/** Above 200,000 tokens Claude Sonnet 4.5 costs twice the input and 1.5 times the output price (platform.claude.com, "Long context pricing"). */
const SONNET_LONG = [{ above_input_tokens: 200_000, input: 6, output: 22.5, cache_read: 0.6 }]

/** Facts that a source leaves out and others state, by `provider/model`. */
const COMPLETED: Readonly<Record<string, Pick<Fact, 'price_tiers'>>> = {
  'anthropic/claude-sonnet-4-5': { price_tiers: SONNET_LONG },
  'anthropic/claude-sonnet-4-5-20250929': { price_tiers: SONNET_LONG },
  'vertex/claude-sonnet-4-5@20250929': { price_tiers: SONNET_LONG },
}

const REGIONAL = 1.1

/**
 * Sources give some of Bedrock's in-region Claude ids the price of the global profile; since Claude Sonnet 4.5 they cost 10% more
 * (platform.claude.com, pricing, "Cloud platform pricing"; genai-prices 0.1.8 and the ids that were priced one by one agree).
 */
function withRegionalPrice(fact: Fact, facts: ReadonlyMap<string, Fact>): Fact {
  if (fact.provider !== 'bedrock' || !fact.model.startsWith('anthropic.')) return fact
  const global = facts.get(`bedrock/global.${fact.model}`)
  if (global?.input_usd_per_mtok !== fact.input_usd_per_mtok) return fact
  const more = <Usd extends number | null | undefined>(usd: Usd) => (usd ? usd * REGIONAL : usd)
  return {
    ...fact,
    input_usd_per_mtok: more(fact.input_usd_per_mtok),
    output_usd_per_mtok: more(fact.output_usd_per_mtok),
    cache_read_usd_per_mtok: more(fact.cache_read_usd_per_mtok),
    cache_write_usd_per_mtok: more(fact.cache_write_usd_per_mtok),
    ...(fact.price_tiers && {
      price_tiers: fact.price_tiers.map(tier => ({
        above_input_tokens: tier.above_input_tokens,
        input: more(tier.input),
        output: more(tier.output),
        cache_read: more(tier.cache_read),
        cache_write: more(tier.cache_write),
      })),
    }),
    conflict: { ...fact.conflict, regional: 'priced by rule' },
  }
}

/** Facts → the catalogue's data. Throws with the offer's place for anything malformed, unknown sources and doubles. */
export function importFacts(input: unknown): CatalogFile {
  const facts = Facts.parse(input)
  const sourceNames = Object.keys(SOURCES)
  const offers: Record<string, Row[]> = {}
  const seen = new Set<string>()
  const byId = new Map(facts.offers.map(fact => [`${fact.provider}/${fact.model}`, fact]))
  for (const given of facts.offers) {
    const fact = { ...withRegionalPrice(given, byId), ...COMPLETED[`${given.provider}/${given.model}`] }
    const provider = RENAMED[fact.provider] ?? fact.provider
    const source = sourceNames.indexOf(fact.source)
    if (source < 0)
      throw new Error(`${provider}/${fact.model}: unknown source "${fact.source}", add it to SOURCES`)
    const id = `${provider}/${fact.model}`
    if (seen.has(id)) throw new Error(`${id} is listed twice`)
    seen.add(id)
    const model = canonical(fact.canonical_id)
    const row: Row = [
      fact.model,
      model === fact.model ? '' : model,
      picoFromUsdPerMtok(fact.input_usd_per_mtok),
      picoFromUsdPerMtok(fact.output_usd_per_mtok),
      picoOfRead(fact.cache_read_usd_per_mtok, fact.input_usd_per_mtok),
      picoOfWrite(fact.cache_write_usd_per_mtok),
      fact.context_tokens ?? 0,
      fact.max_output_tokens ?? 0,
      marksOf(fact),
      source,
    ]
    const more = moreOf(fact)
    if (more) row.push(more)
    offers[provider] ??= []
    offers[provider].push(row)
  }
  const sorted = Object.fromEntries(
    Object.entries(offers)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([provider, rows]) => [provider, rows.toSorted((a, b) => (a[0] < b[0] ? -1 : 1))]),
  )
  return {
    date: facts.header.compiled_on,
    sources: Object.values(SOURCES),
    marks: MARKS,
    columns: COLUMNS,
    offers: sorted,
  }
}

/** The file's text: one offer a line, so that a price change is a one-line diff. */
export function textOf(file: CatalogFile): string {
  const providers = Object.entries(file.offers).map(
    ([provider, rows]) =>
      `${JSON.stringify(provider)}: [\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]`,
  )
  return [
    '{',
    `"date": ${JSON.stringify(file.date)},`,
    `"sources": [\n${file.sources.map(source => JSON.stringify(source)).join(',\n')}\n],`,
    `"marks": ${JSON.stringify(file.marks)},`,
    `"columns": ${JSON.stringify(file.columns)},`,
    `"offers": {\n${providers.join(',\n')}\n}`,
    '}\n',
  ].join('\n')
}

/** A provider's own list of models (`GET …/models`) → ids, limits and, where the host states them, prices. Pure; behind `models --refresh` and local servers. */
import { picoFromUsdPerMtok } from '../price.ts'

type Json = Record<string, unknown>

/** Pico-USD per token; null = what input costs. */
export interface ListedPrice {
  readonly input: number
  readonly output: number
  readonly cacheRead: number | null
  readonly cacheWrite: number | null
}

export interface ListedModel {
  readonly id: string
  readonly contextTokens: number | undefined
  readonly maxOutputTokens: number | undefined
  /** Undefined = the list says nothing, or nothing that can be a price. */
  readonly price: ListedPrice | undefined
  /** Letters of the catalogue's marks, where the list says what the model takes. */
  readonly marks: string | undefined
}

const MODELS_MAX = 10_000
const ID = /^[^\s\p{Cc}]{1,256}$/u
const PICO_MAX = 1_000_000_000

const isJson = (value: unknown): value is Json =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
const child = (value: unknown, name: string): Json => {
  const member = isJson(value) ? value[name] : undefined
  return isJson(member) ? member : {}
}
const textsOf = (value: unknown): readonly string[] =>
  Array.isArray(value) ? value.filter(entry => typeof entry === 'string') : []

/** USD, as a number or as text → pico-USD per token; undefined = not an amount. */
function picoOf(value: unknown, scale: number): number | undefined {
  const usd = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
  if (typeof usd !== 'number' || !Number.isFinite(usd) || usd < 0) return undefined
  const pico = picoFromUsdPerMtok(usd * scale)
  return pico <= PICO_MAX ? pico : undefined
}

function priceFrom(facts: readonly unknown[], scale: number): ListedPrice | undefined {
  const [input, output, read, write] = facts.map(value => picoOf(value, scale))
  // A list that says 0 means "free for now" or "not by the token": neither is a price to bill by.
  if (input === undefined || output === undefined || input + output === 0) return undefined
  // As everywhere in the catalogue: a read is cheaper than input or counts as input, a free write as input.
  const cacheRead = read !== undefined && read > 0 && read <= input ? read : null
  return { input, output, cacheRead, cacheWrite: write !== undefined && write > 0 ? write : null }
}

const PER_TOKEN = 1_000_000
const PER_MTOK = 1

/**
 * Hosts whose list states prices, by kind. USD per token as text: OpenRouter (openrouter.ai/docs, "List models") and the
 * Vercel AI Gateway (vercel.com/docs/ai-gateway, "Models"). USD per million tokens: Together (docs.together.ai, "List models",
 * `pricing.input`), Perplexity (recorded, with its unit beside it) and DeepInfra (`metadata.pricing.input_tokens` of api.deepinfra.com/v1/openai/models).
 */
const PRICES: Readonly<Record<string, (entry: Json) => ListedPrice | undefined>> = {
  openrouter: entry => {
    const { prompt, completion, input_cache_read, input_cache_write } = child(entry, 'pricing')
    return priceFrom([prompt, completion, input_cache_read, input_cache_write], PER_TOKEN)
  },
  'vercel-gateway': entry => {
    const { input, output, input_cache_read, input_cache_write } = child(entry, 'pricing')
    return priceFrom([input, output, input_cache_read, input_cache_write], PER_TOKEN)
  },
  together: entry => {
    const { input, output } = child(entry, 'pricing')
    return priceFrom([input, output], PER_MTOK)
  },
  perplexity: entry => {
    const { input, output, cache_read, cache_write, unit } = child(entry, 'pricing')
    return unit === 'usd_per_1m_tokens'
      ? priceFrom([input, output, cache_read, cache_write], PER_MTOK)
      : undefined
  },
  deepinfra: entry => {
    const pricing = child(child(entry, 'metadata'), 'pricing')
    return priceFrom([pricing.input_tokens, pricing.output_tokens, pricing.cache_read_tokens], PER_MTOK)
  },
}

/** OpenRouter's words for what a model takes, as the catalogue's marks. */
function marksFrom(entry: Json): string | undefined {
  if (!Array.isArray(entry.supported_parameters)) return undefined
  const parameters = textsOf(entry.supported_parameters)
  const inputs = textsOf(child(entry, 'architecture').input_modalities)
  const marks: readonly (readonly [boolean, string])[] = [
    [parameters.includes('tools'), 't'],
    [parameters.includes('structured_outputs'), 'j'],
    [inputs.includes('image'), 'i'],
    [parameters.includes('reasoning'), 'r'],
    [inputs.includes('audio'), 'a'],
    [inputs.includes('file'), 'p'],
  ]
  return marks.map(([has, mark]) => (has ? mark : '')).join('')
}

/** The first of these that is a whole number of tokens. */
function tokensFrom(...values: readonly unknown[]): number | undefined {
  for (const value of values)
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0 && value <= 1_000_000_000)
      return value
  return undefined
}

function modelFrom(entry: Json, kind: string): ListedModel | undefined {
  // Gemini's ids are resource names.
  const id = String(entry.id ?? entry.name ?? '').replace(/^models\//, '')
  if (!ID.test(id)) return undefined
  const meta = child(entry, 'meta')
  return {
    id,
    contextTokens: tokensFrom(
      entry.context_length,
      entry.context_window,
      entry.max_model_len,
      entry.max_context_length,
      entry.inputTokenLimit,
      entry.max_input_tokens,
      child(entry, 'metadata').context_length,
      meta.n_ctx,
      meta.n_ctx_train,
    ),
    maxOutputTokens: tokensFrom(
      entry.max_completion_tokens,
      entry.max_output_tokens,
      entry.max_tokens,
      entry.outputTokenLimit,
      child(entry, 'top_provider').max_completion_tokens,
      child(entry, 'metadata').max_tokens,
    ),
    price: PRICES[kind]?.(entry),
    marks: marksFrom(entry),
  }
}

/** The list's models, each once; undefined = this is no list (`data`, `models`, or a bare array as Together sends). */
export function parseList(body: unknown, kind: string): readonly ListedModel[] | undefined {
  const list = Array.isArray(body) ? body : isJson(body) ? (body.data ?? body.models) : undefined
  if (!Array.isArray(list)) return undefined
  const found = new Map<string, ListedModel>()
  for (const entry of list.slice(0, MODELS_MAX)) {
    const model = isJson(entry) ? modelFrom(entry, kind) : undefined
    if (model !== undefined && !found.has(model.id)) found.set(model.id, model)
  }
  return [...found.values()]
}

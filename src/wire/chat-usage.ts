/** Usage and finish reason out of OpenAI-shaped answers, whole or chunk, with the departures of the compatible hosts. */
import { nanoFromUsd } from '../price.ts'
import type { Usage } from '../terms.ts'
import { isObject } from './extensions.ts'

type Fields = Readonly<Record<string, unknown>>

/** The part of a host's quirks that changes what its numbers mean. */
export interface ChatUsageOptions {
  /** completion_tokens leaves reasoning out (xAI). Decided by the total when there is one. */
  readonly reasoningOutsideCompletion?: boolean
}

const NANO_PER_USD_TICKS = 10

/** A token count; undefined = not said. */
const count = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined

const NO_FIELDS: Fields = {}
const fields = (value: unknown): Fields => (isObject(value) ? value : NO_FIELDS)

function usd(value: unknown): number | undefined {
  if (typeof value !== 'number' || !(value >= 0) || value > 1_000_000) return undefined
  return nanoFromUsd(value)
}

/**
 * What the provider says that it cost, in nano-USD. OpenRouter `cost` (USD; with an own upstream key its fee plus that
 * key's bill), Perplexity `cost.total_cost` (USD), xAI `cost_in_usd_ticks` (10⁻¹⁰ USD; Azure's Grok sends 0 for "not said").
 */
function reportedCost(usage: Fields): number | undefined {
  if (isObject(usage.cost)) return usd(usage.cost.total_cost)
  const fee = usd(usage.cost)
  if (fee !== undefined) {
    if (usage.is_byok !== true) return fee
    const upstream = usd(fields(usage.cost_details).upstream_inference_cost)
    return upstream === undefined ? undefined : fee + upstream
  }
  const ticks = count(usage.cost_in_usd_ticks)
  return ticks === undefined || ticks === 0 ? undefined : Math.round(ticks / NANO_PER_USD_TICKS)
}

/**
 * An OpenAI `usage` object → Usage, or undefined when it does not state the prompt and the completion.
 * Parts never exceed their whole: Azure's Grok reports more cached tokens than prompt tokens.
 */
export function usageFromChat(usage: unknown, options: ChatUsageOptions = {}): Usage | undefined {
  if (!isObject(usage)) return undefined
  const input = count(usage.prompt_tokens)
  const total = count(usage.total_tokens)
  if (input === undefined) return undefined
  const completion =
    count(usage.completion_tokens) ?? (total === undefined ? undefined : count(total - input))
  if (completion === undefined) return undefined
  // Writer misspells the first one.
  const inputParts = fields(usage.prompt_tokens_details ?? usage.prompt_token_details)
  const outputParts = fields(usage.completion_tokens_details)
  const reasoning = count(outputParts.reasoning_tokens) ?? count(usage.reasoning_tokens) ?? 0
  const sum = input + completion
  const outside = total === sum + reasoning || (total !== sum && options.reasoningOutsideCompletion === true)
  const output = reasoning > 0 && outside ? completion + reasoning : completion
  const cached = Math.min(
    input,
    // DeepSeek, Hugging Face's routed hosts, Mistral.
    count(inputParts.cached_tokens) ??
      count(usage.prompt_cache_hit_tokens) ??
      count(usage.cached_tokens) ??
      count(usage.num_cached_tokens) ??
      0,
  )
  const written = count(inputParts.cache_write_tokens) ?? count(inputParts.cache_creation_tokens) ?? 0
  const cost = reportedCost(usage)
  const heard = count(inputParts.audio_tokens) ?? 0
  const spoken = count(outputParts.audio_tokens) ?? 0
  const read: { -readonly [K in keyof Usage]: Usage[K] } = {
    inputTokens: input,
    cacheReadInputTokens: cached,
    cacheCreationInputTokens: Math.min(input - cached, written),
    outputTokens: output,
    reasoningOutputTokens: Math.min(output, reasoning),
  }
  if (heard > 0) read.audioInputTokens = Math.min(input, heard)
  if (spoken > 0) read.audioOutputTokens = Math.min(output, spoken)
  if (cost !== undefined) read.reportedCostNanoUsd = cost
  return read
}

/** Embeddings write nothing: a total alone is what was read (recorded: Voyage states `total_tokens` only). */
const inputAlone = (usage: Fields): Fields => ({
  ...usage,
  prompt_tokens: usage.prompt_tokens ?? usage.total_tokens,
  completion_tokens: usage.completion_tokens ?? 0,
})

/** Usage wherever an answer or a chunk carries it: `usage`, Groq's `x_groq.usage`, Moonshot's `choices[0].usage`. */
export function usageOfAnswer(answer: unknown, options: ChatUsageOptions = {}): Usage | undefined {
  if (!isObject(answer)) return undefined
  if (Array.isArray(answer.data)) return usageFromChat(inputAlone(fields(answer.usage)), options)
  const choice: unknown = Array.isArray(answer.choices) ? answer.choices[0] : undefined
  return (
    usageFromChat(answer.usage, options) ??
    usageFromChat(fields(answer.x_groq).usage, options) ??
    usageFromChat(fields(choice).usage, options)
  )
}

/** Finish reason of the first choice that has one, lower case; '' and "null" mean none (Snowflake sends ''). */
export function finishReasonOf(answer: unknown): string | undefined {
  if (!isObject(answer) || !Array.isArray(answer.choices)) return undefined
  for (const choice of answer.choices) {
    const reason = fields(choice).finish_reason
    if (typeof reason !== 'string' || reason === '' || reason === 'null') continue
    return reason.toLowerCase()
  }
  return undefined
}

/** Anthropic's counts and stop reasons → OpenAI's, and what is metered. Shared by the whole and the streamed way. */
import type { CompletionUsage } from 'openai/resources/completions'
import type { Usage } from '../../src/terms.ts'
import type { Json } from '../provider.ts'
import type { WireUsage } from './wire.ts'

/** More than any request can have: such a count is a fault, and money must not be made of it. */
const COUNT_MAX = 1e10

const whole = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value <= COUNT_MAX ? Math.trunc(value) : 0

/**
 * Counts as metered: `input_tokens` leaves both cache counts out, `output_tokens` has thinking in it.
 * Iterations: with compaction the top level leaves the compaction out, so the executor's own iterations are added up;
 * after a server-side fallback the top level is the answer that was served. An advisor's tokens are another model's
 * and in no total. Undefined when nothing was said.
 */
export function usageOf(wire: WireUsage | null | undefined): Usage | undefined {
  if (wire === null || wire === undefined) return undefined
  if (typeof wire.input_tokens !== 'number' && typeof wire.output_tokens !== 'number') return undefined
  const all = wire.iterations ?? []
  const own = all.some(one => one.type === 'fallback_message')
    ? []
    : all.filter(one => one.type === 'message' || one.type === 'compaction')
  const sum = (name: 'input_tokens' | 'output_tokens'): number =>
    own.length > 0 ? own.reduce((total, one) => total + whole(one[name]), 0) : whole(wire[name])
  const read = whole(wire.cache_read_input_tokens)
  const hour = whole(wire.cache_creation?.ephemeral_1h_input_tokens)
  const byAge = hour + whole(wire.cache_creation?.ephemeral_5m_input_tokens)
  const written = Math.max(whole(wire.cache_creation_input_tokens), byAge)
  const output = sum('output_tokens')
  const searches = whole(wire.server_tool_use?.web_search_requests)
  return {
    inputTokens: sum('input_tokens') + read + written,
    cacheReadInputTokens: read,
    cacheCreationInputTokens: written,
    ...(hour > 0 ? { cacheCreation1hInputTokens: hour } : {}),
    outputTokens: output,
    reasoningOutputTokens: Math.min(output, whole(wire.output_tokens_details?.thinking_tokens)),
    ...(searches > 0 ? { toolCalls: [{ kind: 'web_search', count: searches }] } : {}),
  }
}

/** Metered counts → OpenAI's `usage`. */
export function chatUsage(usage: Usage): Json {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadInputTokens,
      cache_write_tokens: usage.cacheCreationInputTokens,
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoningOutputTokens },
  } satisfies CompletionUsage
}

/** What message_start says of usage: its count of output is a placeholder, told before a word was written. */
export const atStart = (usage: WireUsage | null | undefined): WireUsage | null | undefined =>
  usage && { ...usage, output_tokens: 0 }

/** `usage` of message_delta over that of message_start: counts are cumulative, so what is said replaces what was said. */
export function mergeUsage(
  before: WireUsage | undefined,
  now: WireUsage | null | undefined,
): WireUsage | undefined {
  if (now === null || now === undefined) return before
  const said = Object.fromEntries(
    Object.entries(now).filter(([, value]) => value !== null && value !== undefined),
  )
  return { ...before, ...said } as WireUsage
}

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

/**
 * `stop_reason` → `finish_reason`. `calls`: how many tool calls the caller was given; a forced JSON tool and server
 * tools are none, so that nobody waits for a result that cannot come. Hosts that send no reason are read by what they sent.
 */
export function finishReasonOf(stopReason: string | null | undefined, calls: number): FinishReason {
  if (stopReason === 'refusal') return 'content_filter'
  if (stopReason === 'max_tokens' || stopReason === 'model_context_window_exceeded') return 'length'
  if (stopReason === 'tool_use' || stopReason === null || stopReason === undefined) {
    return calls > 0 ? 'tool_calls' : 'stop'
  }
  return 'stop'
}

/** What `message.refusal` says when the model refused; Anthropic's own explanation if it gave one. */
export function refusalOf(
  stopReason: string | null | undefined,
  details:
    | { category?: string | null | undefined; explanation?: string | null | undefined }
    | null
    | undefined,
): string | null {
  if (stopReason !== 'refusal') return null
  if (details?.explanation) return details.explanation
  return details?.category
    ? `The model refused to answer (${details.category}).`
    : 'The model refused to answer.'
}

/** Converse's counts and stop reasons → OpenAI's, and what is metered. Shared by the whole and the streamed way. */
import type { CompletionUsage } from 'openai/resources/completions'
import type { Usage } from '../../src/terms.ts'
import type { Json } from '../provider.ts'
import type { WireUsage } from './wire.ts'

/** More than any request can have: such a count is a fault, and money must not be made of it. */
const COUNT_MAX = 1e10

const whole = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value <= COUNT_MAX ? Math.trunc(value) : 0

/** Counts as metered: `inputTokens` leaves both cache counts out. Thinking is in `outputTokens`, its share is not told. Undefined when nothing was said. */
export function usageOf(wire: WireUsage | null | undefined): Usage | undefined {
  if (wire === null || wire === undefined) return undefined
  if (typeof wire.inputTokens !== 'number' && typeof wire.outputTokens !== 'number') return undefined
  const read = whole(wire.cacheReadInputTokens)
  const byAge = wire.cacheDetails ?? []
  const sum = (entries: typeof byAge) => entries.reduce((total, one) => total + whole(one.inputTokens), 0)
  const hour = sum(byAge.filter(one => one.ttl === '1h'))
  const written = Math.max(whole(wire.cacheWriteInputTokens), sum(byAge))
  return {
    inputTokens: whole(wire.inputTokens) + read + written,
    cacheReadInputTokens: read,
    cacheCreationInputTokens: written,
    ...(hour > 0 ? { cacheCreation1hInputTokens: hour } : {}),
    outputTokens: whole(wire.outputTokens),
    reasoningOutputTokens: 0,
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

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

/**
 * `stopReason` → `finish_reason`; 'broken' = the model's output could not be read. `calls`: tool calls that the caller was
 * given; server tools and a forced JSON tool are none. Some models end a turn with calls by `end_turn`.
 */
export function finishReasonOf(
  stopReason: string | null | undefined,
  calls: number,
): FinishReason | 'broken' {
  switch (stopReason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length'
    case 'content_filtered':
    case 'guardrail_intervened':
      return 'content_filter'
    case 'malformed_model_output':
    case 'malformed_tool_use':
      return 'broken'
    default:
      return calls > 0 ? 'tool_calls' : 'stop'
  }
}

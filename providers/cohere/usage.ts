/** Cohere's counts and finish reasons → OpenAI's, and what is metered. Shared by the whole and the streamed way. */
import type { CompletionUsage } from 'openai/resources/completions'
import type { Usage } from '../../src/terms.ts'
import type { Json } from '../provider.ts'
import type { WireUsage } from './wire.ts'

/** More than any request can have: such a count is a fault, and money must not be made of it. */
const COUNT_MAX = 1e10

export const whole = (value: unknown): number =>
  typeof value === 'number' && value > 0 && value <= COUNT_MAX ? Math.trunc(value) : 0

/**
 * `tokens` is what the model read and wrote, `billed_units` what is paid for: Cohere's own templates are in the first and
 * not in the second (recorded: 505 read, 10 billed). `cached_tokens` is a part of `tokens`; no price is lower for it.
 * Undefined when nothing was said.
 */
export function usageOf(wire: WireUsage): Usage | undefined {
  if (wire === null || wire === undefined) return undefined
  const { tokens, billed_units: billed } = wire
  const counts = tokens ?? billed
  if (typeof counts?.input_tokens !== 'number' && typeof counts?.output_tokens !== 'number') return undefined
  const input = whole(counts.input_tokens)
  const output = whole(counts.output_tokens)
  return {
    inputTokens: input,
    cacheReadInputTokens: Math.min(input, whole(wire.cached_tokens)),
    cacheCreationInputTokens: 0,
    outputTokens: output,
    reasoningOutputTokens: Math.min(output, whole(tokens?.reasoning_tokens)),
    ...(typeof billed?.input_tokens === 'number' && { billedInputTokens: whole(billed.input_tokens) }),
    ...(typeof billed?.output_tokens === 'number' && { billedOutputTokens: whole(billed.output_tokens) }),
  }
}

/** Metered counts → OpenAI's `usage`. */
export function chatUsage(usage: Usage): Json {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningOutputTokens },
  } satisfies CompletionUsage
}

const FINISH: Readonly<Record<string, string>> = {
  COMPLETE: 'stop',
  STOP_SEQUENCE: 'stop',
  MAX_TOKENS: 'length',
  ERROR_LIMIT: 'length',
  TOOL_CALL: 'tool_calls',
  ERROR_TOXIC: 'content_filter',
}

/** `finish_reason` in OpenAI's words; what is unknown is read by what was sent. */
export function finishReasonOf(reason: string | null | undefined, calls: number): string {
  return FINISH[reason ?? ''] ?? (calls > 0 ? 'tool_calls' : 'stop')
}

/** The answer broke off on Cohere's side. */
export const isBroken = (reason: string | null | undefined): boolean =>
  reason === 'ERROR' || reason === 'TIMEOUT'

/** Usage and stop reasons of chat answers, as the Messages wire has them. */
import type { Usage } from '../../terms.ts'
import { isObject } from '../extensions.ts'

type Json = Record<string, unknown>

/** UTF-16 units of an answer per token, where a host does not count. */
export const CHARS_PER_TOKEN = 4

/** Chat's counts include the cache, Anthropic's leave it out. Parts never exceed their whole: no count is negative. */
export function messagesUsage(usage: Usage): Json {
  const { inputTokens, cacheReadInputTokens: read, cacheCreationInputTokens: written } = usage
  return {
    input_tokens: Math.max(0, inputTokens - read - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: read,
    output_tokens: usage.outputTokens,
    ...(usage.reasoningOutputTokens > 0 && {
      output_tokens_details: { thinking_tokens: usage.reasoningOutputTokens },
    }),
  }
}

export interface Stop {
  readonly stop_reason: string
  readonly stop_sequence: string | null
}

/**
 * `finish_reason` → `stop_reason`, alike in streams and whole answers. Some hosts say `stop` beside tool calls and
 * some `tool_calls` without any; what was called decides, since a client acts on it. vLLM and SGLang tell which stop
 * sequence was met (`stop_reason`, `matched_stop`).
 */
export function stopOf(reason: string | undefined, calls: number, choice: Json, request: Json): Stop {
  const met = choice.stop_reason ?? choice.matched_stop
  const sequences: unknown = request.stop_sequences
  if (reason === 'length') return { stop_reason: 'max_tokens', stop_sequence: null }
  if (reason === 'content_filter') return { stop_reason: 'refusal', stop_sequence: null }
  if (calls > 0) return { stop_reason: 'tool_use', stop_sequence: null }
  if (typeof met === 'string' && Array.isArray(sequences) && sequences.includes(met))
    return { stop_reason: 'stop_sequence', stop_sequence: met }
  return { stop_reason: 'end_turn', stop_sequence: null }
}

/** Text and thoughts of a message or a delta; Mistral sends parts: `{type: text}`, `{type: thinking, thinking: […]}`. */
export function saidIn(part: Json): { text: string; thought: string } {
  const { content, refusal, tool_plan: plan } = part
  let text = typeof content === 'string' ? content : ''
  // what Cohere's models say before their calls
  if (typeof plan === 'string') text += plan
  let thought = ''
  if (Array.isArray(content)) {
    for (const each of content.filter(isObject)) {
      if (typeof each.text === 'string') text += each.text
      if (Array.isArray(each.thinking))
        for (const inner of each.thinking.filter(isObject))
          if (typeof inner.text === 'string') thought += inner.text
    }
  }
  if (typeof refusal === 'string') text += refusal
  for (const name of ['reasoning_content', 'reasoning']) {
    const value = part[name]
    if (thought === '' && typeof value === 'string') thought = value
  }
  if (thought === '')
    for (const detail of detailsOf(part)) {
      const words = detail.text ?? detail.summary
      if (typeof words === 'string') thought += words
    }
  return { text, thought }
}

/** `reasoning_details` of a message or a delta. */
export function detailsOf(part: Json): Json[] {
  return Array.isArray(part.reasoning_details) ? part.reasoning_details.filter(isObject) : []
}

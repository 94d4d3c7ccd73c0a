/**
 * What each wire's answers look like, whole and streamed, as their documents have it: closed objects, so that a member that
 * no client expects is a fault too. OpenAI: openai-openapi `CreateChatCompletionResponse`, `Response`,
 * `ResponseStreamEvent`; Anthropic: docs "Messages", "Streaming Messages"; Google: ai.google.dev/api/generate-content.
 */
import { z } from 'zod'

const count = z.number().int().nonnegative()
const id = z.string().min(1)
const finish = z.enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'])

const chatUsage = z.strictObject({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  // ours: contract section 2
  cost: z.number().optional(),
  prompt_tokens_details: z
    .strictObject({
      cached_tokens: count.optional(),
      audio_tokens: count.optional(),
      cache_write_tokens: count.optional(),
    })
    .optional(),
  completion_tokens_details: z
    .strictObject({ reasoning_tokens: count.optional(), audio_tokens: count.optional() })
    .optional(),
})
const detail = z.strictObject({
  type: z.string(),
  text: z.string().optional(),
  signature: z.string().optional(),
  data: z.string().optional(),
  format: z.string(),
  index: count,
  id: z.string().optional(),
})
const thoughts = {
  reasoning: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  reasoning_details: z.array(detail).optional(),
}
const extra = {
  extra_content: z.strictObject({ google: z.strictObject({ thought_signature: z.string() }) }).optional(),
}
const its = z.strictObject({ name: id, arguments: z.string() })

export const chatCompletion = z.strictObject({
  id,
  object: z.literal('chat.completion'),
  created: count,
  model: id,
  choices: z
    .array(
      z.strictObject({
        index: count,
        message: z.strictObject({
          role: z.literal('assistant'),
          content: z.string().nullable(),
          refusal: z.string().nullable(),
          tool_calls: z
            .array(z.strictObject({ id, type: z.literal('function'), function: its, ...extra }))
            .optional(),
          ...thoughts,
        }),
        logprobs: z.null(),
        finish_reason: finish,
        native_finish_reason: z.string().nullish(),
      }),
    )
    .length(1),
  usage: chatUsage,
  service_tier: z.string().nullish(),
})

export const chatChunk = z.strictObject({
  id,
  object: z.literal('chat.completion.chunk'),
  created: count,
  model: id,
  choices: z.array(
    z.strictObject({
      index: count,
      delta: z.strictObject({
        role: z.literal('assistant').optional(),
        content: z.string().nullish(),
        refusal: z.string().nullish(),
        tool_calls: z
          .array(
            z.strictObject({
              index: count,
              id: id.optional(),
              type: z.literal('function').optional(),
              function: its.partial(),
              ...extra,
            }),
          )
          .optional(),
        ...thoughts,
      }),
      logprobs: z.null().optional(),
      finish_reason: finish.nullable(),
      native_finish_reason: z.string().nullish(),
    }),
  ),
  usage: chatUsage.nullish(),
  service_tier: z.string().nullish(),
})

const block = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), text: z.string(), citations: z.null().optional() }),
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
  z.strictObject({ type: z.literal('tool_use'), id, name: id, input: z.record(z.string(), z.unknown()) }),
])
const stop = z.enum(['end_turn', 'max_tokens', 'stop_sequence', 'tool_use', 'refusal'])
const messageUsage = z.strictObject({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count.optional(),
  cache_read_input_tokens: count.optional(),
  output_tokens_details: z.strictObject({ thinking_tokens: count }).optional(),
  cache_creation: z
    .strictObject({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
    .optional(),
})
export const message = z.strictObject({
  id,
  type: z.literal('message'),
  role: z.literal('assistant'),
  model: id,
  content: z.array(block),
  stop_reason: stop,
  stop_sequence: z.string().nullable(),
  usage: messageUsage,
})
export const messageEvent = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('message_start'),
    message: z.strictObject({ ...message.shape, stop_reason: z.null(), content: z.array(block).length(0) }),
  }),
  z.strictObject({ type: z.literal('content_block_start'), index: count, content_block: block }),
  z.strictObject({
    type: z.literal('content_block_delta'),
    index: count,
    delta: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text_delta'), text: z.string() }),
      z.strictObject({ type: z.literal('thinking_delta'), thinking: z.string() }),
      z.strictObject({ type: z.literal('signature_delta'), signature: z.string() }),
      z.strictObject({ type: z.literal('input_json_delta'), partial_json: z.string() }),
    ]),
  }),
  z.strictObject({ type: z.literal('content_block_stop'), index: count }),
  z.strictObject({
    type: z.literal('message_delta'),
    delta: z.strictObject({ stop_reason: stop, stop_sequence: z.string().nullable() }),
    usage: messageUsage,
  }),
  z.strictObject({ type: z.literal('message_stop') }),
  z.strictObject({ type: z.literal('ping') }),
])

const status = z.enum(['in_progress', 'completed', 'incomplete'])
const outputText = z.strictObject({
  type: z.literal('output_text'),
  text: z.string(),
  annotations: z.array(z.unknown()),
  logprobs: z.array(z.unknown()),
})
const summary = z.strictObject({ type: z.literal('summary_text'), text: z.string() })
const item = z.discriminatedUnion('type', [
  z.strictObject({
    id,
    type: z.literal('message'),
    status,
    role: z.literal('assistant'),
    content: z.array(outputText),
  }),
  z.strictObject({
    id,
    type: z.literal('reasoning'),
    summary: z.array(summary),
    encrypted_content: z.string().optional(),
    status: status.optional(),
  }),
  z.strictObject({
    id,
    type: z.literal('function_call'),
    status,
    call_id: id,
    name: id,
    namespace: id.optional(),
    arguments: z.string(),
  }),
])
/** The object has many settings that are only echoed: those that clients read are held to. */
export const response = z.looseObject({
  id,
  object: z.literal('response'),
  created_at: count,
  status,
  error: z.null(),
  incomplete_details: z.null(),
  model: id,
  output: z.array(item),
  parallel_tool_calls: z.boolean(),
  tools: z.array(z.unknown()),
  tool_choice: z.unknown(),
  store: z.literal(false),
  usage: z
    .strictObject({
      input_tokens: count,
      input_tokens_details: z.strictObject({ cached_tokens: count, cache_write_tokens: count }),
      output_tokens: count,
      output_tokens_details: z.strictObject({ reasoning_tokens: count }),
      total_tokens: count,
    })
    .nullable(),
})
const at = { sequence_number: count, output_index: count }
const within = { ...at, item_id: id }
const event = <T extends string, S extends z.ZodRawShape>(type: T, shape: S) =>
  z.strictObject({ type: z.literal(type), ...shape })
const whole = { sequence_number: count, response }
export const responseEvent = z.discriminatedUnion('type', [
  event('response.created', whole),
  event('response.in_progress', whole),
  event('response.completed', whole),
  event('response.output_item.added', { ...at, item }),
  event('response.output_item.done', { ...at, item }),
  event('response.content_part.added', { ...within, content_index: count, part: outputText }),
  event('response.content_part.done', { ...within, content_index: count, part: outputText }),
  event('response.output_text.delta', {
    ...within,
    content_index: count,
    delta: z.string(),
    logprobs: z.array(z.unknown()),
  }),
  event('response.output_text.done', {
    ...within,
    content_index: count,
    text: z.string(),
    logprobs: z.array(z.unknown()),
  }),
  event('response.reasoning_summary_part.added', { ...within, summary_index: count, part: summary }),
  event('response.reasoning_summary_part.done', { ...within, summary_index: count, part: summary }),
  event('response.reasoning_summary_text.delta', { ...within, summary_index: count, delta: z.string() }),
  event('response.reasoning_summary_text.done', { ...within, summary_index: count, text: z.string() }),
  event('response.function_call_arguments.delta', { ...within, delta: z.string() }),
  event('response.function_call_arguments.done', { ...within, name: id.optional(), arguments: z.string() }),
])

const part = z.strictObject({
  text: z.string().optional(),
  thought: z.boolean().optional(),
  thoughtSignature: z.string().optional(),
  functionCall: z
    .strictObject({ id: id.optional(), name: id, args: z.record(z.string(), z.unknown()).optional() })
    .optional(),
})
export const generated = z.strictObject({
  candidates: z
    .array(
      z.strictObject({
        index: count.optional(),
        content: z.strictObject({ role: z.literal('model'), parts: z.array(part).optional() }).optional(),
        finishReason: z.enum(['STOP', 'MAX_TOKENS', 'SAFETY']).optional(),
      }),
    )
    .optional(),
  usageMetadata: z
    .strictObject({
      promptTokenCount: count,
      candidatesTokenCount: count,
      totalTokenCount: count,
      thoughtsTokenCount: count.optional(),
      cachedContentTokenCount: count.optional(),
    })
    .optional(),
  modelVersion: id,
  responseId: id,
})

/** What is read of Anthropic's answers: loose, since third-party hosts of this wire leave out what they like. */
import { z } from 'zod'

const count = z.number().nullish().catch(undefined)
const text = z.string().nullish().catch(undefined)

const cacheCreation = z
  .looseObject({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
  .nullish()
  .catch(undefined)

const iteration = z.looseObject({ type: text, input_tokens: count, output_tokens: count })

export const usageSchema = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation: cacheCreation,
  server_tool_use: z.looseObject({ web_search_requests: count }).nullish().catch(undefined),
  output_tokens_details: z.looseObject({ thinking_tokens: count }).nullish().catch(undefined),
  iterations: z.array(iteration).nullish().catch(undefined),
})
export type WireUsage = z.infer<typeof usageSchema>
const usage = usageSchema.nullish().catch(undefined)

export const blockSchema = z.looseObject({
  type: z.string(),
  text,
  thinking: text,
  signature: text,
  data: text,
  id: text,
  name: text,
  input: z.unknown().optional(),
  citations: z.array(z.unknown()).nullish().catch(undefined),
})
export type WireBlock = z.infer<typeof blockSchema>

const stopDetails = z.looseObject({ category: text, explanation: text }).nullish().catch(undefined)

/** A whole `message`. */
export const messageSchema = z.looseObject({
  id: text,
  model: text,
  content: z.array(blockSchema),
  stop_reason: text,
  stop_details: stopDetails,
  usage,
})

/** `{"type": "error", "error": {"type", "message"}}`, of a status ≥ 400 or inside a stream. */
export const errorSchema = z.looseObject({
  error: z.looseObject({ type: text, message: text }),
})

/** Any stream event; which members count depends on `type`. */
export const eventSchema = z.looseObject({
  type: text,
  index: z.number().catch(0),
  message: z
    .looseObject({ id: text, model: text, usage, content: z.array(blockSchema).nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
  content_block: blockSchema.nullish().catch(undefined),
  delta: z
    .looseObject({
      type: text,
      text,
      thinking: text,
      signature: text,
      partial_json: text,
      citation: z.unknown().optional(),
      stop_reason: text,
      stop_details: stopDetails,
    })
    .nullish()
    .catch(undefined),
  usage,
})
export type WireEvent = z.infer<typeof eventSchema>

/** A citation that has an address; the other kinds (pages and characters of documents) have no form in chat. */
export const citationSchema = z.looseObject({ url: z.string(), title: text })

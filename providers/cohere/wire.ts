/** What is read of Cohere's v2 answers and events: https://docs.cohere.com/reference/chat, …/embed. Loose: the rest is ignored. */
import { z } from 'zod'

const text = z.string().nullish().catch(undefined)
const count = z.number().nullish().catch(undefined)

const call = z.looseObject({
  id: text,
  function: z.looseObject({ name: text, arguments: text }).nullish().catch(undefined),
})
export type WireCall = z.infer<typeof call>

const part = z.looseObject({ type: text, text, thinking: text })
export type WirePart = z.infer<typeof part>

const citation = z.looseObject({
  start: count,
  end: count,
  type: text,
  content_index: count,
  sources: z
    .array(z.looseObject({ type: text, id: text }))
    .nullish()
    .catch(undefined),
})
export type WireCitation = z.infer<typeof citation>

const usage = z
  .looseObject({
    billed_units: z.looseObject({ input_tokens: count, output_tokens: count }).nullish().catch(undefined),
    tokens: z
      .looseObject({ input_tokens: count, output_tokens: count, reasoning_tokens: count })
      .nullish()
      .catch(undefined),
    cached_tokens: count,
  })
  .nullish()
  .catch(undefined)
export type WireUsage = z.infer<typeof usage>

/** A whole chat answer. */
export const answerSchema = z.looseObject({
  id: text,
  message: z.looseObject({
    // a plain string is documented for the older models
    content: z
      .union([z.array(part), z.string()])
      .nullish()
      .catch(undefined),
    tool_plan: text,
    tool_calls: z.array(call).nullish().catch(undefined),
    citations: z.array(citation).nullish().catch(undefined),
  }),
  finish_reason: text,
  usage,
})

/** Any stream event; which members count depends on `type`. In `message` a call or a citation is one object, not a list. */
export const eventSchema = z.looseObject({
  type: text,
  id: text,
  index: count,
  delta: z
    .looseObject({
      message: z
        .looseObject({
          content: part.nullish().catch(undefined),
          tool_plan: text,
          tool_calls: call.nullish().catch(undefined),
          citations: citation.nullish().catch(undefined),
        })
        .nullish()
        .catch(undefined),
      finish_reason: text,
      error: text,
      usage,
    })
    .nullish()
    .catch(undefined),
})

/** `{"id", "message", "error_type"?}` of a status ≥ 400. */
export const errorSchema = z.looseObject({ message: text, error_type: text })

/** An answer of /v2/embed with `embedding_types: ["float"]`. */
export const embedSchema = z.looseObject({
  id: text,
  embeddings: z.looseObject({ float: z.array(z.array(z.number())) }),
  meta: z
    .looseObject({
      billed_units: z.looseObject({ input_tokens: count, image_tokens: count }).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
})

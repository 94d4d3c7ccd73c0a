/** What is read of Converse's answers and events: loose, since models differ in what they send. docs.aws.amazon.com API_runtime_Converse */
import { z } from 'zod'

const count = z.number().nullish().catch(undefined)
const text = z.string().nullish().catch(undefined)

export const usageSchema = z.looseObject({
  inputTokens: count,
  outputTokens: count,
  cacheReadInputTokens: count,
  cacheWriteInputTokens: count,
  cacheDetails: z
    .array(z.looseObject({ ttl: text, inputTokens: count }))
    .nullish()
    .catch(undefined),
})
export type WireUsage = z.infer<typeof usageSchema>
const usage = usageSchema.nullish().catch(undefined)

const reasoningSchema = z.looseObject({
  reasoningText: z.looseObject({ text, signature: text }).nullish().catch(undefined),
  redactedContent: text,
})

const toolUse = z
  .looseObject({ toolUseId: text, name: text, input: z.unknown().optional(), type: text })
  .nullish()
  .catch(undefined)

export const blockSchema = z.looseObject({
  text,
  toolUse,
  reasoningContent: reasoningSchema.nullish().catch(undefined),
  citationsContent: z
    .looseObject({
      content: z.array(z.looseObject({ text })).nullish().catch(undefined),
    })
    .nullish()
    .catch(undefined),
})
export type WireBlock = z.infer<typeof blockSchema>

export const answerSchema = z.looseObject({
  output: z.looseObject({ message: z.looseObject({ content: z.array(blockSchema).nullish() }) }),
  stopReason: text,
  usage,
})

/** One event of a stream; which members it has follows from its name. */
export const eventSchema = z.looseObject({
  contentBlockIndex: z.number().nullish().catch(undefined),
  start: z.looseObject({ toolUse }).nullish().catch(undefined),
  delta: z
    .looseObject({
      text,
      toolUse: z.looseObject({ input: text }).nullish().catch(undefined),
      reasoningContent: z
        .looseObject({ text, signature: text, redactedContent: text })
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
  stopReason: text,
  usage,
})
export type WireEvent = z.infer<typeof eventSchema>

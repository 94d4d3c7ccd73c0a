/** What is read of Gemini's generateContent answers: loose, because fields go missing on the real wire. Used by decode and stream. */
import { z } from 'zod'

/** A Google SDK type as it looks in JSON: enum members are plain strings. Type-only, so the SDK stays a development dependency. */
export type Plain<T> = T extends string
  ? `${T}`
  : T extends readonly (infer U)[]
    ? Plain<U>[]
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T

// A field of the wrong type reads as absent: one odd field must not cost the caller the whole answer.
const text = z.string().nullish().catch(undefined)
const flag = z.boolean().nullish().catch(undefined)
const number = z.number().nullish().catch(undefined)
const count = z.int().nonnegative().nullish().catch(undefined)

const detail = z.looseObject({ modality: text, tokenCount: count })

/** Counts of an answer or an event. */
export const usageMetadata = z.looseObject({
  promptTokenCount: count,
  candidatesTokenCount: count,
  thoughtsTokenCount: count,
  toolUsePromptTokenCount: count,
  cachedContentTokenCount: count,
  promptTokensDetails: z.array(detail).nullish().catch(undefined),
  cacheTokensDetails: z.array(detail).nullish().catch(undefined),
  candidatesTokensDetails: z.array(detail).nullish().catch(undefined),
})

const part = z.looseObject({
  text,
  thought: flag,
  thoughtSignature: text,
  functionCall: z
    .looseObject({
      id: text,
      name: text,
      args: z.unknown().optional(),
      partialArgs: z.unknown().optional(),
      willContinue: flag,
    })
    .nullish()
    .catch(undefined),
  inlineData: z.looseObject({ mimeType: text, data: text }).nullish().catch(undefined),
  executableCode: z.looseObject({ language: text, code: text }).nullish().catch(undefined),
  codeExecutionResult: z.looseObject({ outcome: text, output: text }).nullish().catch(undefined),
})

/** https://ai.google.dev/api/generate-content#GroundingMetadata: what was searched, found and cited. */
export const groundingMetadata = z.looseObject({
  groundingChunks: z
    .array(
      z.looseObject({
        web: z.looseObject({ uri: text, title: text }).nullish().catch(undefined),
        maps: z.looseObject({}).nullish().catch(undefined),
      }),
    )
    .nullish()
    .catch(undefined),
  webSearchQueries: z.array(z.string()).nullish().catch(undefined),
  groundingSupports: z
    .array(
      z.looseObject({
        segment: z.looseObject({ startIndex: count, endIndex: count }).nullish().catch(undefined),
        groundingChunkIndices: z.array(z.number()).nullish().catch(undefined),
      }),
    )
    .nullish()
    .catch(undefined),
})

const token = z.looseObject({ token: text, logProbability: number })

const candidate = z.looseObject({
  index: count,
  content: z
    .looseObject({ parts: z.array(part.catch({})).nullish().catch(undefined) })
    .nullish()
    .catch(undefined),
  finishReason: text,
  finishMessage: text,
  groundingMetadata: groundingMetadata.nullish().catch(undefined),
  logprobsResult: z
    .looseObject({
      chosenCandidates: z.array(token).nullish().catch(undefined),
      topCandidates: z
        .array(z.looseObject({ candidates: z.array(token).nullish().catch(undefined) }))
        .nullish()
        .catch(undefined),
    })
    .nullish()
    .catch(undefined),
})

const googleError = z.looseObject({
  code: number,
  status: text,
  message: text,
  details: z
    .array(z.looseObject({ reason: text }))
    .nullish()
    .catch(undefined),
})

/** `google.rpc.Status` as it stands under `error` (https://ai.google.dev/gemini-api/docs/troubleshooting). */
export type GoogleError = z.infer<typeof googleError>
export type Candidate = z.infer<typeof candidate>
export type Part = z.infer<typeof part>
export type UsageMetadata = z.infer<typeof usageMetadata>

/** One GenerateContentResponse: a whole answer, or one event of a stream. */
export const answerSchema = z.looseObject({
  candidates: z.array(candidate).nullish(),
  promptFeedback: z.looseObject({ blockReason: text, blockReasonMessage: text }).nullish().catch(undefined),
  usageMetadata: usageMetadata.nullish().catch(undefined),
  modelVersion: text,
  responseId: text,
})
export type Answer = z.infer<typeof answerSchema>

const errorBody = z.looseObject({ error: googleError })

/** Finds the error object of a body: `{error}`, or `[{error}]` as streams without `alt=sse` and the compatibility endpoint send it. */
export function errorOf(body: unknown): GoogleError | undefined {
  const one: unknown = Array.isArray(body) ? body[0] : body
  // Asked of every event, so the usual answer is quick.
  if (typeof one !== 'object' || one === null || !('error' in one)) return undefined
  const read = errorBody.safeParse(one)
  return read.success ? read.data.error : undefined
}

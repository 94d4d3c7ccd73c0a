/**
 * OpenAI embeddings ⇄ Vertex: `:predict` with instances, and `:embedContent` for gemini-embedding-2.
 * Source: cloud.google.com "Text embeddings API" and "Gemini Embedding 2".
 */
import { z } from 'zod'
import { GatewayError } from '../../src/errors.ts'
import { embeddingsAnswer } from '../../src/wire/vectors.ts'
import type { ChatCodec, ChatRequest, DecodeContext, Decoded, Encoded, Json } from '../provider.ts'

const READ = new Set(['model', 'input', 'dimensions', 'encoding_format', 'task_type', 'title'])

const refusal = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** It embeds one content a request, all its parts together. */
const isSingle = (upstream: string): boolean => /^gemini-embedding-2/.test(upstream)

/** The input as texts. Token arrays are OpenAI's own tokens and mean nothing to another model. */
function textsOf(input: unknown): string[] {
  const list: unknown[] = Array.isArray(input) ? input : [input]
  if (list.length === 0) throw refusal('input', 'input must not be empty')
  return list.map((text, i) => {
    if (typeof text === 'string' && text !== '') return text
    const param = Array.isArray(input) ? `input[${i}]` : 'input'
    throw refusal(param, `${param} must be text: Vertex AI takes no token numbers`)
  })
}

function encode(request: ChatRequest): Encoded {
  const { json } = request.body
  const { upstream } = request.offer
  const texts = textsOf(json.input)
  const { dimensions, task_type: taskType, title } = json
  if (dimensions != null && !Number.isSafeInteger(dimensions))
    throw refusal('dimensions', 'dimensions must be a whole number')
  const dropped = Object.keys(json).filter(
    name => json[name] != null && !READ.has(name) && !request.extensions.includes(name),
  )
  const size = dimensions == null ? {} : { outputDimensionality: dimensions }
  const single = isSingle(upstream)
  if (single && texts.length > 1)
    throw refusal('input', `${upstream} embeds one text a request on Vertex AI: send them one by one`)
  const more = { ...(taskType != null && { task_type: taskType }), ...(title != null && { title }) }
  // Cut off in silence an embedding would be of another text.
  const parameters = { autoTruncate: false, ...size }
  const body: Json = single
    ? {
        content: { parts: [{ text: texts[0] }] },
        ...(taskType != null && { taskType }),
        ...(title != null && { title }),
        ...size,
      }
    : { instances: texts.map(content => ({ content, ...more })), parameters }
  return {
    path: `/models/${encodeURIComponent(upstream).replaceAll('%40', '@')}:${single ? 'embedContent' : 'predict'}`,
    body: new TextEncoder().encode(JSON.stringify(body)),
    headers: [],
    dropped,
  }
}

const numbers = z.array(z.number())
const count = z.number().nonnegative().nullish().catch(undefined)
const predicted = z.looseObject({
  predictions: z
    .array(
      z.looseObject({
        embeddings: z.looseObject({
          values: numbers,
          statistics: z.looseObject({ token_count: count }).nullish().catch(undefined),
        }),
      }),
    )
    .min(1),
})
const embedded = z.looseObject({
  embedding: z.looseObject({ values: numbers }),
  usageMetadata: z.looseObject({ promptTokenCount: count }).nullish().catch(undefined),
})

/** Vectors and the number of input tokens, if it was told. */
function read(answer: unknown): { vectors: readonly number[][]; tokens: number | undefined } {
  const many = predicted.safeParse(answer)
  if (many.success) {
    const counts = many.data.predictions.map(({ embeddings }) => embeddings.statistics?.token_count)
    const known = counts.every(tokens => tokens != null)
    return {
      vectors: many.data.predictions.map(({ embeddings }) => embeddings.values),
      tokens: known ? counts.reduce<number>((sum, tokens) => sum + Math.ceil(tokens ?? 0), 0) : undefined,
    }
  }
  const one = embedded.safeParse(answer)
  if (!one.success) throw new GatewayError('malformed', 'the provider sent an answer without embeddings')
  const tokens = one.data.usageMetadata?.promptTokenCount
  return { vectors: [one.data.embedding.values], tokens: tokens == null ? undefined : Math.ceil(tokens) }
}

function decode(answer: unknown, context: DecodeContext): Decoded {
  const { vectors, tokens } = read(answer)
  return embeddingsAnswer(vectors, tokens, { request: context.request, model: context.offer.upstream })
}

/** Vertex's embeddings behind OpenAI's wire. */
export const embeddings: ChatCodec = { encode, decode }

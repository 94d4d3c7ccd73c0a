/** OpenAI's /embeddings ⇄ the Gemini API's batchEmbedContents: https://ai.google.dev/api/embeddings. */
import { z } from 'zod'
import { GatewayError } from '../../src/errors.ts'
import { embeddingsAnswer } from '../../src/wire/vectors.ts'
import type { ChatCodec, ChatRequest, DecodeContext, Decoded, Encoded } from '../provider.ts'
import { refusal } from './params.ts'

/** "At most 100 requests can be in one batch" (400 of the API). */
const TEXTS_MAX = 100
const TAKES = new Set(['model', 'input', 'dimensions', 'encoding_format', 'task_type', 'title'])

const notText = (param: string) => refusal(param, `${param} must be text: Gemini takes no token numbers`)

/** Token arrays are OpenAI's own tokens and mean nothing to another model. */
function textsOf(input: unknown): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input]
  for (const [i, text] of texts.entries())
    if (typeof text !== 'string' || text === '') throw notText(Array.isArray(input) ? `input[${i}]` : 'input')
  if (texts.length > TEXTS_MAX)
    throw refusal('input', `input must have at most ${TEXTS_MAX} texts for Gemini`)
  return texts as readonly string[]
}

function encode({ body, offer, extensions }: ChatRequest): Encoded {
  const { json } = body
  const { dimensions, task_type: taskType, title } = json
  if (dimensions != null && !Number.isSafeInteger(dimensions))
    throw refusal('dimensions', 'dimensions must be a whole number')
  const model = offer.upstream.startsWith('models/') ? offer.upstream : `models/${offer.upstream}`
  const requests = textsOf(json.input).map(text => ({
    model,
    content: { parts: [{ text }] },
    ...(dimensions != null && { outputDimensionality: dimensions }),
    ...(taskType != null && { taskType }),
    ...(title != null && { title }),
  }))
  return {
    path: `/models/${encodeURIComponent(model.slice('models/'.length))}:batchEmbedContents`,
    body: new TextEncoder().encode(JSON.stringify({ requests })),
    headers: [],
    dropped: Object.keys(json).filter(
      name => json[name] != null && !TAKES.has(name) && !extensions.includes(name),
    ),
  }
}

/** Recorded: gemini-embedding-2 counts its tokens, gemini-embedding-001 does not. */
const answerSchema = z.looseObject({
  embeddings: z.array(z.looseObject({ values: z.array(z.number()) })).min(1),
  usageMetadata: z
    .looseObject({ promptTokenCount: z.number().nonnegative().nullish() })
    .nullish()
    .catch(undefined),
})

function decode(answer: unknown, { offer, request }: DecodeContext): Decoded {
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success)
    throw new GatewayError('malformed', 'the provider sent an answer that holds no embeddings')
  const { embeddings, usageMetadata } = parsed.data
  const tokens = usageMetadata?.promptTokenCount ?? undefined
  const counted = tokens === undefined ? undefined : Math.ceil(tokens)
  const vectors = embeddings.map(({ values }) => values)
  return embeddingsAnswer(vectors, counted, { request, model: offer.upstream })
}

/** Texts in, floats out; base64 is made here when the caller asked for it. */
export const embeddings: ChatCodec = { encode, decode }

/**
 * OpenAI's /embeddings ⇄ Bedrock's InvokeModel, in the form of each maker's embedding models: Titan, Nova, Cohere.
 * Sources: docs.aws.amazon.com/bedrock "Amazon Titan Text Embeddings", "Amazon Nova Multimodal Embeddings", "Cohere Embed";
 * recorded answers.
 */
import { z } from 'zod'
import { GatewayError } from '../../src/errors.ts'
import { embeddingsAnswer } from '../../src/wire/vectors.ts'
import type { ChatCodec, ChatRequest, DecodeContext, Decoded, Encoded, Json } from '../provider.ts'
import { pathOf } from './model.ts'

const refuse = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', `${param}: ${message}`, { param })

interface Form {
  /** The whole body, members that are undefined left out. */
  body(texts: readonly string[], asked: Json): Json
  /** Texts in one request. */
  readonly textsMax: number
  /** Members that this form has a word for, beside `input` and `encoding_format`. */
  readonly takes: readonly string[]
}

const TITAN: Form = { textsMax: 1, takes: [], body: ([inputText]) => ({ inputText }) }

const TITAN_V2: Form = {
  textsMax: 1,
  takes: ['dimensions', 'normalize'],
  body: ([inputText], { dimensions, normalize }) => ({ inputText, dimensions, normalize }),
}

const TITAN_IMAGE: Form = {
  textsMax: 1,
  takes: ['dimensions'],
  body: ([inputText], { dimensions }) => ({
    inputText,
    embeddingConfig: dimensions == null ? undefined : { outputEmbeddingLength: dimensions },
  }),
}

/** A text that is too long is refused, not cut: in silence it would be the vector of another text. */
const NOVA: Form = {
  textsMax: 1,
  takes: ['dimensions', 'embedding_purpose'],
  body: ([value], { dimensions, embedding_purpose: purpose }) => ({
    taskType: 'SINGLE_EMBEDDING',
    singleEmbeddingParams: {
      embeddingPurpose: purpose ?? 'GENERIC_INDEX',
      embeddingDimension: dimensions,
      text: { truncationMode: 'NONE', value },
    },
  }),
}

/** `input_type` is mandatory; what OpenAI's wire cannot say is taken to be a text to be found. */
const COHERE: Form = {
  textsMax: 96,
  takes: ['input_type', 'truncate'],
  body: (texts, { input_type: type, truncate }) => ({
    texts,
    input_type: type ?? 'search_document',
    truncate,
  }),
}
const COHERE_V4: Form = {
  ...COHERE,
  takes: [...COHERE.takes, 'dimensions', 'max_tokens'],
  body: (texts, asked) => ({
    ...COHERE.body(texts, asked),
    output_dimension: asked.dimensions,
    max_tokens: asked.max_tokens,
  }),
}

/** First match wins, by upstream id, else by canonical id: an ARN may not say what is behind it. */
const FORMS: readonly (readonly [RegExp, Form])[] = [
  [/titan-embed-image/, TITAN_IMAGE],
  [/titan-embed-text-v2|titan-embed-text$/, TITAN_V2],
  [/titan-embed/, TITAN],
  [/nova-2-multimodal-embeddings/, NOVA],
  [/cohere\.embed-v4|^embed-v?4|^embed$/, COHERE_V4],
  [/(?:cohere\.|^)embed-/, COHERE],
]

function formOf({ upstream, model }: ChatRequest['offer']): Form {
  const of = (id: string) => FORMS.find(([pattern]) => pattern.test(id.toLowerCase()))?.[1]
  const form = of(upstream) ?? of(model)
  if (form !== undefined) return form
  throw refuse(
    'model',
    `${upstream} is no embedding model of Titan, Nova or Cohere, which are what Bedrock has`,
  )
}

/** Token arrays are OpenAI's own tokens and mean nothing to another model. */
function textsOf(input: unknown, textsMax: number): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input]
  for (const [i, text] of texts.entries())
    if (typeof text !== 'string' || text === '')
      throw refuse(
        Array.isArray(input) ? `input[${i}]` : 'input',
        'must be text: Bedrock takes no token numbers',
      )
  if (texts.length > textsMax)
    throw refuse(
      'input',
      `at most ${textsMax} text${textsMax === 1 ? '' : 's'} a request: send them one by one`,
    )
  return texts as readonly string[]
}

function encode(request: ChatRequest): Encoded {
  const { json } = request.body
  const form = formOf(request.offer)
  if (json.dimensions != null && !Number.isSafeInteger(json.dimensions))
    throw refuse('dimensions', 'must be a whole number')
  const body = form.body(textsOf(json.input, form.textsMax), json)
  const known = new Set(['model', 'input', 'encoding_format', ...form.takes])
  const isLost = (name: string) =>
    json[name] != null && !known.has(name) && !request.extensions.includes(name)
  return {
    path: pathOf(request, 'invoke'),
    body: new TextEncoder().encode(JSON.stringify(body, (_, value: unknown) => value ?? undefined)),
    headers: [],
    dropped: Object.keys(json).filter(isLost),
  }
}

const vector = z.array(z.number())
const answerSchema = z.union([
  z.looseObject({ embedding: vector, inputTextTokenCount: z.number().nonnegative().nullish().catch(null) }),
  z.looseObject({ embeddings: z.array(z.looseObject({ embedding: vector })).min(1) }),
  z.looseObject({ id: z.string().nullish(), embeddings: z.array(vector).min(1) }),
  z.looseObject({ id: z.string().nullish(), embeddings: z.looseObject({ float: z.array(vector).min(1) }) }),
])

function vectorsIn(answer: z.infer<typeof answerSchema>): readonly (readonly number[])[] {
  if (!('embeddings' in answer)) return [answer.embedding as readonly number[]]
  const { embeddings } = answer as { embeddings: unknown }
  if (!Array.isArray(embeddings)) return (embeddings as { float: number[][] }).float
  return embeddings.map((one: number[] | { embedding: number[] }) =>
    Array.isArray(one) ? one : one.embedding,
  )
}

/** Only Titan counts in its answer; for all of them Bedrock does in a header. */
function tokensOf(answer: z.infer<typeof answerSchema>, context: DecodeContext): number | undefined {
  if ('inputTextTokenCount' in answer && typeof answer.inputTextTokenCount === 'number')
    return Math.ceil(answer.inputTextTokenCount)
  const said = context.answerHeader?.('x-amzn-bedrock-input-token-count')
  return said !== undefined && /^\d{1,9}$/.test(said) ? Number(said) : undefined
}

function decode(answer: unknown, context: DecodeContext): Decoded {
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success)
    throw new GatewayError('malformed', 'the provider sent an answer that holds no embeddings')
  const { data } = parsed
  return embeddingsAnswer(vectorsIn(data), tokensOf(data, context), {
    request: context.request,
    model: context.offer.upstream,
    ...('id' in data && typeof data.id === 'string' && { answerId: data.id }),
  })
}

/** Embedding models of Titan, Nova and Cohere behind OpenAI's wire. */
export const embeddings: ChatCodec = { encode, decode }

/** OpenAI's /embeddings ⇄ Cohere's /v2/embed: https://docs.cohere.com/reference/embed. */
import { GatewayError } from '../../src/errors.ts'
import { embeddingsAnswer } from '../../src/wire/vectors.ts'
import type { ChatCodec, ChatRequest, DecodeContext, Decoded, Encoded } from '../provider.ts'
import { refuse } from './messages.ts'
import { whole } from './usage.ts'
import { embedSchema } from './wire.ts'

/** "Maximum number of texts per call is 96." */
const TEXTS_MAX = 96
const TAKES = new Set(['model', 'input', 'encoding_format', 'dimensions', 'input_type', 'truncate'])

function encode({ body, offer, extensions }: ChatRequest): Encoded {
  const { json } = body
  const texts: unknown[] =
    typeof json.input === 'string' ? [json.input] : Array.isArray(json.input) ? json.input : []
  if (!texts.every(text => typeof text === 'string'))
    throw refuse('Cohere takes texts, no token ids', 'input')
  if (texts.length > TEXTS_MAX) throw refuse(`Cohere takes at most ${TEXTS_MAX} texts at once`, 'input')
  const upstream = {
    model: offer.upstream,
    texts,
    // mandatory since v3; what OpenAI's wire cannot say is taken to be a text to be found
    input_type: json.input_type ?? 'search_document',
    embedding_types: ['float'],
    output_dimension: json.dimensions ?? undefined,
    truncate: json.truncate ?? undefined,
  }
  const unknown = Object.keys(json).filter(
    name => json[name] !== null && !TAKES.has(name) && !extensions.includes(name),
  )
  return {
    path: '/embed',
    body: new TextEncoder().encode(JSON.stringify(upstream)),
    headers: [],
    dropped: unknown,
  }
}

function decode(answer: unknown, { offer, request }: DecodeContext): Decoded {
  const parsed = embedSchema.safeParse(answer)
  if (!parsed.success)
    throw new GatewayError('malformed', 'the provider sent an answer that holds no embeddings')
  const { id, embeddings, meta } = parsed.data
  const billed = meta?.billed_units
  const tokens = whole(billed?.input_tokens) + whole(billed?.image_tokens)
  const known = typeof billed?.input_tokens === 'number' || typeof billed?.image_tokens === 'number'
  return embeddingsAnswer(embeddings.float, known ? tokens : undefined, {
    request,
    model: offer.upstream,
    ...(id != null && { answerId: id }),
  })
}

/** Texts in, floats out; base64 is made here when the caller asked for it. */
export const embeddings: ChatCodec = { encode, decode }

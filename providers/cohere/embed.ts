/** OpenAI's /embeddings ⇄ Cohere's /v2/embed: https://docs.cohere.com/reference/embed. */
import { GatewayError } from '../../src/errors.ts'
import type { ChatCodec, ChatRequest, DecodeContext, Decoded, Encoded, Json } from '../provider.ts'
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

/** Little-endian 32-bit floats in base64, as OpenAI sends them. */
function base64Of(vector: readonly number[]): string {
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  for (const [i, value] of vector.entries()) view.setFloat32(i * 4, value, true)
  let text = ''
  for (let at = 0; at < view.byteLength; at++) text += String.fromCharCode(view.getUint8(at))
  return btoa(text)
}

function decode(answer: unknown, { offer, request }: DecodeContext): Decoded {
  const parsed = embedSchema.safeParse(answer)
  if (!parsed.success)
    throw new GatewayError('malformed', 'the provider sent an answer that holds no embeddings')
  const { id, embeddings, meta } = parsed.data
  const billed = meta?.billed_units
  const tokens = whole(billed?.input_tokens) + whole(billed?.image_tokens)
  const known = typeof billed?.input_tokens === 'number' || typeof billed?.image_tokens === 'number'
  const body: Json = {
    object: 'list',
    data: embeddings.float.map((vector, index) => ({
      object: 'embedding',
      index,
      embedding: request.encoding_format === 'base64' ? base64Of(vector) : vector,
    })),
    model: offer.upstream,
    ...(known && { usage: { prompt_tokens: tokens, total_tokens: tokens } }),
  }
  const usage = {
    inputTokens: tokens,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    outputTokens: 0,
    reasoningOutputTokens: 0,
  }
  return { body, usage: known ? usage : undefined, finishReason: undefined, answerId: id ?? undefined }
}

/** Texts in, floats out; base64 is made here when the caller asked for it. */
export const embeddings: ChatCodec = { encode, decode }

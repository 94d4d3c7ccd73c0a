/** OpenAI's /audio/speech: text in, sound out, as bytes or (`stream_format: "sse"`) as events. */
import type { Body } from '../body.ts'
import { wrong } from '../extensions.ts'
import type { Inbound } from '../inbound.ts'
import type { ChatFacts } from '../openai.ts'
import { meteredFacts, required, usageOf, utf8Bytes } from './facts.ts'

const CHARS_MAX = 100_000
/** Audio tokens for a character: some 1,250 a minute (OpenAI's price a minute) at 15 characters a second; slow speech at most. */
const TOKENS_PER_CHAR = 1.4
const TOKENS_PER_CHAR_MOST = 8
const TOKENS_LEAST = 1_024

/** Throws `invalid_request` with `param`. Billed by the character where the price says so, which the request alone decides. */
function readSpeech(body: Body): ChatFacts {
  const { json } = body
  const input = required(json, 'input', '"The train to Oslo is late."')
  const { instructions, stream_format: format } = json
  if (instructions != null && typeof instructions !== 'string')
    throw wrong('instructions', 'must be a string.')
  if (format != null && format !== 'audio' && format !== 'sse')
    throw wrong('stream_format', 'must be "audio" or "sse".')
  const chars = [...input].length
  if (chars > CHARS_MAX) throw wrong('input', `must have at most ${CHARS_MAX} characters.`)
  const units = { kind: 'character', count: chars }
  const texts = instructions ? [input, instructions] : [input]
  const read = meteredFacts(body, texts, {
    outputTokens: TOKENS_LEAST + chars * TOKENS_PER_CHAR_MOST,
    units,
    likely: usageOf(Math.ceil(utf8Bytes(texts.join()) / 4), Math.ceil(chars * TOKENS_PER_CHAR), units),
    certain: true,
  })
  return { ...read, stream: true, raw: format === 'sse' ? undefined : 'sound' }
}

export const speech: Inbound = { read: readSpeech, native: provider => provider.speech }

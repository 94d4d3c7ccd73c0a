/** OpenAI's /moderations: texts and pictures in, categories out; free at OpenAI. */
import type { Body } from '../body.ts'
import { isObject, wrong } from '../extensions.ts'
import type { Inbound } from '../inbound.ts'
import type { ChatFacts, Media } from '../openai.ts'
import { meteredFacts, usageOf, utf8Bytes } from './facts.ts'

/** What OpenAI takes when no model is named (API reference, "Create moderation"). */
const DEFAULT_MODEL = 'omni-moderation-latest'
const INPUTS_MAX = 1_024

/** Throws `invalid_request` with `param`. */
function readModeration(body: Body): ChatFacts {
  const { json } = body
  const inputs: readonly unknown[] = Array.isArray(json.input) ? json.input : [json.input]
  if (json.input == null || inputs.length === 0 || inputs.length > INPUTS_MAX)
    throw wrong('input', `is required: a text, or an array of 1 to ${INPUTS_MAX} texts or parts.`)
  const media: Media[] = []
  const texts = inputs.map((one, i) => {
    if (typeof one === 'string') return one
    if (isObject(one) && one.type === 'text' && typeof one.text === 'string') return one.text
    if (!isObject(one) || one.type !== 'image_url')
      throw wrong(`input[${i}]`, 'must be a text, or a part of type text or image_url.')
    media.push({ kind: 'image', bytes: undefined })
    return ''
  })
  const units = { kind: 'moderation', count: inputs.length }
  const bytes = texts.reduce((sum, text) => sum + utf8Bytes(text), 0)
  const read = meteredFacts(body, texts, {
    outputTokens: 0,
    units,
    likely: usageOf(Math.ceil(bytes / 4), 0, units),
    certain: true,
  })
  return { ...read, model: read.model ?? DEFAULT_MODEL, media, stream: false }
}

export const moderations: Inbound = { read: readModeration, native: provider => provider.moderations }

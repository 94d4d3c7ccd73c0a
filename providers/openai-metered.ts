/** OpenAI's operations beside chat, and those of the hosts that took them over: requests are spliced, answers pass untouched. */
import { GatewayError } from '../src/errors.ts'
import type { Units, Usage } from '../src/terms.ts'
import { isObject } from '../src/wire/extensions.ts'
import { usageOf } from '../src/wire/metered/facts.ts'
import { imageUnits, searchUnits } from '../src/wire/metered/units.ts'
import { splice } from '../src/wire/splice.ts'
import type { DecodeContext, Encoded, Json, NativeCodec, NativeRequest, NativeSign } from './provider.ts'

const count = (...values: unknown[]): number | undefined =>
  values.find(
    (value): value is number => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0,
  )

/**
 * `usage` of an image, transcript or rerank answer. Tokens (`input_tokens` at OpenAI, `prompt_tokens` or `total_tokens`
 * at Jina and Voyage), or `{type: "duration", seconds}` of whisper. Undefined = not stated.
 */
function statedUsage(usage: unknown, units: Units | undefined): Usage | undefined {
  if (!isObject(usage)) return units && usageOf(0, 0, units)
  if (typeof usage.seconds === 'number' && usage.seconds >= 0)
    return usageOf(0, 0, { kind: 'second', count: Math.ceil(usage.seconds) })
  const input = count(usage.input_tokens, usage.prompt_tokens, usage.total_tokens)
  if (input === undefined) return units && usageOf(0, 0, units)
  const details = isObject(usage.input_tokens_details) ? usage.input_tokens_details : {}
  const cached = Math.min(input, count(details.cached_tokens) ?? 0)
  const output = count(usage.output_tokens, usage.completion_tokens) ?? 0
  // transcriptions call it `input_token_details` (OpenAI API reference, "Create transcription")
  const heard = isObject(usage.input_token_details) ? (count(usage.input_token_details.audio_tokens) ?? 0) : 0
  return {
    ...usageOf(input, output, units),
    cacheReadInputTokens: cached,
    ...(heard > 0 && { audioInputTokens: Math.min(input, heard) }),
  }
}

/** The model's name, and what the host calls by another name; in a form the bytes of one value, without quotes. */
function encodeAt(path: string, { body, offer, extensions, quirks }: NativeRequest): Encoded {
  const named = body.json.model === offer.upstream
  if (body.type !== undefined) {
    const place = body.members.find(({ key }) => key === 'model')
    // a part that is not there cannot be rewritten; the default of the key named the model
    if (place === undefined)
      throw new GatewayError('invalid_request', 'model: is required as a part of the form.', {
        param: 'model',
      })
    const inner = named ? [] : [{ start: place.valueStart, end: place.valueEnd, text: offer.upstream }]
    return { path, body: splice(body, { inner }), headers: [], dropped: [], accept: '*/*' }
  }
  const set: Record<string, string> = named ? {} : { model: JSON.stringify(offer.upstream) }
  const remove = quirks.keepsExtensions ? [] : extensions
  return {
    path,
    body: splice(body, { set, remove, rename: quirks.renames ?? {} }),
    headers: [],
    dropped: [],
    accept: '*/*',
  }
}

/** One event is content, or the last of its kind: `image_generation.completed`, `speech.audio.done`, `transcript.text.done`. */
const CONTENT = /\.(delta|partial_image|segment)$/
const LAST = /\.(completed|done)$/

interface Kind {
  readonly path: string
  /** Is this an answer at all? */
  isAnswer(answer: Json): boolean
  /** Units that a whole answer (or the last event) shows, for prices by the unit. */
  unitsOf?(answer: Json, request: Json): Units | undefined
}

function parsed(data: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(data)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function codecOf({ path, isAnswer, unitsOf }: Kind): NativeCodec {
  return {
    encode: request => encodeAt(path, request),
    read(answer, context) {
      if (!isObject(answer) || !isAnswer(answer))
        throw new GatewayError('malformed', 'the provider sent something else')
      const units = unitsOf?.(answer, context?.request ?? {})
      const usage = statedUsage(answer.usage, units)
      const id = typeof answer.id === 'string' ? answer.id : undefined
      return { usage, finishReason: 'stop', answerId: id, textBytes: 0 }
    },
    tap: context => tapOf(unitsOf, context),
  }
}

/** Several pictures end one by one, each with its own usage: these are different pictures, so they are added up. */
function tapOf(unitsOf: Kind['unitsOf'], context: DecodeContext | undefined) {
  let total: Usage | undefined
  return {
    event(data: string): NativeSign {
      if (data.trim() === '[DONE]') return { done: true }
      const event = parsed(data)
      if (event === undefined) return {}
      if (event.type === 'error' || event.error != null)
        return { failure: { kind: 'overloaded', message: 'the provider reported an error' } }
      const type = typeof event.type === 'string' ? event.type : ''
      if (CONTENT.test(type)) return { content: true }
      if (!LAST.test(type)) return {}
      const one = statedUsage(event.usage, unitsOf?.({ ...event, data: [event] }, context?.request ?? {}))
      total = one && added(total, one)
      return { content: true, usage: total, finishReason: 'stop' }
    },
    cut: () => '',
    missing: () => '',
  }
}

function added(before: Usage | undefined, one: Usage): Usage {
  if (before === undefined) return one
  const units = one.units && { ...one.units, count: one.units.count + (before.units?.count ?? 0) }
  const sum = usageOf(before.inputTokens + one.inputTokens, before.outputTokens + one.outputTokens, units)
  const heard = (before.audioInputTokens ?? 0) + (one.audioInputTokens ?? 0)
  return {
    ...sum,
    cacheReadInputTokens: before.cacheReadInputTokens + one.cacheReadInputTokens,
    ...(heard > 0 && { audioInputTokens: heard }),
  }
}

const lengthOf = (list: unknown): number => (Array.isArray(list) ? list.length : 0)

/** Pictures are counted in the answer: a filter may have left some out. */
export const images = codecOf({
  path: '/images/generations',
  isAnswer: answer => Array.isArray(answer.data),
  unitsOf: (answer, request) => imageUnits(request, lengthOf(answer.data), answer),
})

/** Its bytes are sound; only `stream_format: "sse"` has events with usage. */
export const speech = codecOf({ path: '/audio/speech', isAnswer: () => false })

export const transcriptions = codecOf({
  path: '/audio/transcriptions',
  isAnswer: answer => typeof answer.text === 'string',
  // verbose_json of older hosts says how long the sound was, and no usage
  unitsOf: ({ duration }) =>
    typeof duration === 'number' && duration >= 0
      ? { kind: 'second', count: Math.ceil(duration) }
      : undefined,
})

/** Vectors come as a list in `data` too: these have scores. */
const areScores = (list: unknown): boolean =>
  Array.isArray(list) && list.every(one => isObject(one) && typeof one.relevance_score === 'number')

/** Jina answers with `results`, Voyage with `data`. */
export const rerank = codecOf({
  path: '/rerank',
  isAnswer: answer => Array.isArray(answer.results) || areScores(answer.data),
  unitsOf: searchUnits,
})

export const moderations = codecOf({
  path: '/moderations',
  isAnswer: answer => Array.isArray(answer.results),
})

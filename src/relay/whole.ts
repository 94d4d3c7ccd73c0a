/** Reads a whole answer: its usage, its finish reason, and whether it is an answer at all. Bytes stay as they came unless a codec translates. */
import type { ChatCodec, DecodeContext, Json, NativeCodec } from '../../providers/provider.ts'
import { classify, type HeaderMap, headerOf, upstreamError } from '../attempt/classify.ts'
import type { Bytes } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import type { Usage } from '../terms.ts'
import { Familiar } from '../wire/familiar.ts'
import { parseAnswer } from '../wire/raw-json.ts'
import { utf8Length } from './reader.ts'

export interface WholeAnswer {
  /** Body for the caller, in the caller's wire. */
  readonly bytes: Uint8Array
  readonly usage: Usage | undefined
  readonly finishReason: string | undefined
  readonly answerId: string | undefined
  readonly textBytes: number
}

interface Reading {
  readonly codec: ChatCodec
  readonly native: NativeCodec | undefined
  readonly answerAs: ((completion: Json) => Json) | undefined
  readonly provider: Parameters<typeof classify>[0]
  readonly providerName: string
  readonly context: DecodeContext
  readonly usageOf: (answer: Record<string, unknown>) => Usage | undefined
  readonly scrub: (text: string) => string
  readonly stream: boolean
}

const BYTE_ORDER_MARK = 0xfeff

type Loose = Record<string, unknown>
const isObject = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** `headers` = of the answer, for codecs of hosts that count there. */
export function readWhole(
  bytes: Uint8Array,
  r: Reading,
  port: Bytes,
  headers: HeaderMap = {},
): WholeAnswer | GatewayError {
  const familiar = familiarTo(r)
  const known = familiar && readKnown(familiar, bytes, r, port)
  if (known) return known
  const text = port.text(bytes)
  const source = text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text
  let json: unknown
  try {
    json = r.native || r.codec.decode ? JSON.parse(source) : parseAnswer(source)
  } catch {
    return upstreamError('malformed', r.providerName, { scrub: r.scrub })
  }
  const mended = !r.native && isObject(json) && r.codec.repair?.(r.context)?.whole(json) === true
  const fault = errorInside(json, r)
  if (fault) return fault
  // A stream was asked for and one JSON body came: no caller's SSE parser could read it.
  if (r.stream) return upstreamError('malformed', r.providerName, { scrub: r.scrub })
  if (r.native) return untouched(r.native, json, bytes, r)
  if (!r.codec.decode) {
    const answer = json as Loose
    const shown = r.answerAs?.(answer)
    const usage = r.usageOf(answer)
    const isCounted = usage !== undefined && usage.outputTokens > 0
    const read: WholeAnswer = {
      bytes: shown ? port.of(JSON.stringify(shown)) : (mended && written(answer, port)) || bytes,
      usage,
      finishReason: finishOfAnswer(answer),
      answerId: idOf(shown ?? answer),
      textBytes: isCounted ? 0 : textOf(answer),
    }
    if (isCounted) familiar?.learn(bytes, answer)
    return read
  }
  try {
    const answerHeader = (name: string) => headerOf(headers, name)
    const decoded = r.codec.decode(json, { ...r.context, answerHeader, source })
    const shown = r.answerAs?.(decoded.body)
    return {
      bytes: port.of(JSON.stringify(shown ?? decoded.body)),
      usage: decoded.usage,
      finishReason: decoded.finishReason,
      answerId: shown ? idOf(shown) : decoded.answerId,
      textBytes: textOf(decoded.body),
    }
  } catch (error) {
    return unreadable(error, r)
  }
}

/** By offer: one model of one provider, whose answers are built alike. */
const FAMILIAR = new WeakMap<object, Familiar>()

/** Undefined = more is asked of such answers than their usage, their id and how they ended. */
function familiarTo({ codec, native, answerAs, stream, context }: Reading): Familiar | undefined {
  if (native || codec.decode || codec.isAnswer || answerAs || stream || codec.repair?.(context))
    return undefined
  const known = FAMILIAR.get(context.offer)
  if (known) return known
  const made = new Familiar()
  FAMILIAR.set(context.offer, made)
  return made
}

/** What makes an answer of an object is a part of the frame that was learned. Undefined = it has to be parsed. */
function readKnown(familiar: Familiar, bytes: Uint8Array, r: Reading, port: Bytes): WholeAnswer | undefined {
  const answer = familiar.read(bytes, port.text)
  const usage = answer && r.usageOf(answer)
  // without usage its text is counted
  if (!usage || usage.outputTokens === 0) return undefined
  return { bytes, usage, finishReason: finishOfAnswer(answer), answerId: idOf(answer), textBytes: 0 }
}

/** Undefined = nested so deep that it cannot be written again. */
function written(answer: Loose, port: Bytes): Uint8Array | undefined {
  try {
    return port.of(JSON.stringify(answer))
  } catch {
    return undefined
  }
}

function untouched(native: NativeCodec, json: unknown, bytes: Uint8Array, r: Reading) {
  try {
    return { bytes, ...native.read(json, r.context) }
  } catch (error) {
    return unreadable(error, r)
  }
}

/** A codec that stumbles has met a malformed answer, unless it says what it met. */
function unreadable(error: unknown, r: Reading): GatewayError {
  if (!(error instanceof GatewayError))
    return upstreamError('malformed', r.providerName, { scrub: r.scrub, cause: error })
  const facts = {
    body: { error: { message: error.message } },
    status: error.status,
    scrub: r.scrub,
    cause: error,
    found: error.message,
  }
  return upstreamError(error.kind, r.providerName, facts)
}

/** An error object inside a 200, or something that is no completion. */
function errorInside(json: unknown, r: Reading): GatewayError | undefined {
  const inner = Array.isArray(json) ? json[0] : json
  if (!isObject(inner)) return upstreamError('malformed', r.providerName, { scrub: r.scrub })
  const isAnswer =
    r.native || r.codec.decode
      ? inner.error == null && inner.type !== 'error'
      : (r.codec.isAnswer?.(inner) ?? (Array.isArray(inner.choices) && inner.choices.length > 0))
  const failed = inner.error !== undefined && inner.error !== null
  if (isAnswer && !failed) return undefined
  const named = failed || r.provider.classify?.(200, inner) !== undefined
  const kind = named ? classify(r.provider, 200, inner) : 'malformed'
  return upstreamError(kind, r.providerName, { body: inner, status: 400, scrub: r.scrub })
}

function finishOfAnswer(answer: Loose): string | undefined {
  const choice = Array.isArray(answer.choices) ? answer.choices[0] : undefined
  return isObject(choice) && typeof choice.finish_reason === 'string' ? choice.finish_reason : undefined
}

/** The id that the caller sees. Gemini's wire calls it `responseId`. */
const idOf = ({ id, responseId }: Loose): string | undefined =>
  typeof id === 'string' ? id : typeof responseId === 'string' ? responseId : undefined

/** Bytes of text that the model wrote: asked for when usage is missing and has to be estimated. */
function textOf(answer: Loose): number {
  if (!Array.isArray(answer.choices)) return 0
  let length = 0
  for (const choice of answer.choices) {
    if (isObject(choice) && typeof choice.text === 'string') length += utf8Length(choice.text)
    const message = isObject(choice) ? (choice.message ?? choice.delta) : undefined
    if (!isObject(message)) continue
    for (const name of ['content', 'reasoning_content', 'tool_calls', 'function_call', 'refusal']) {
      const value = message[name]
      if (typeof value === 'string') length += utf8Length(value)
      else if (value) length += utf8Length(JSON.stringify(value))
    }
  }
  return length
}

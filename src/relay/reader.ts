/** What the relay knows about a running stream, whichever way its bytes are read; and the small readings of chat chunks. */
import type { Bytes } from '../deps.ts'
import type { Failure } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { Usage } from '../terms.ts'

/** Facts gathered so far. Mutated by a reader, read by the exchange. */
export interface StreamState {
  /** Something that a person or a program would act on has arrived: from here on the target is committed. */
  content: boolean
  finishReason: string | undefined
  /** Of several choices, those that have not said how they ended; 0 where one was asked for. */
  unfinished: number
  usage: Usage | undefined
  answerId: string | undefined
  /** The provider said that it is done (its own terminator). */
  done: boolean
  /** Its terminator as it wrote it, where that is not as everybody does. */
  terminator: string | undefined
  failure: { kind: Failure; message: string; body?: unknown } | undefined
  /** The event that broke the stream stated the usage: nothing more will be billed. */
  usageIsFinal: boolean
  /** Upper bound of the text bytes that have come so far; a token is at least one of them. */
  textBytes: number
  /** Events that carried text; most hosts send a token or more in each. */
  contentEvents: number
}

/** What a stream has said of itself so far. */
export type Said = Pick<StreamState, 'usage' | 'finishReason'>

export interface StreamReader {
  readonly state: StreamState
  /** Takes the bytes of one read; gives back what may go to the caller, whole events only. */
  push(chunk: Uint8Array): Uint8Array | undefined
  /** The connection ended. */
  end(): Uint8Array | undefined
}

export interface ReaderOptions {
  readonly bytes: Bytes
  /** False: the usage-only event is taken out on the way back. */
  readonly wantsUsage: boolean
  /** Nano-USD of this usage, to be shown as `usage.cost`, after what was seen; undefined = not asked for or not known. */
  readonly costOf: ((usage: Usage, seen: StreamState) => number | undefined) | undefined
  readonly eventBytesMax: number
  /** For comments that pass to the caller; absent = nothing is struck out. */
  readonly scrub?: (text: string) => string
}

export function newState(): StreamState {
  return {
    content: false,
    finishReason: undefined,
    unfinished: 0,
    usage: undefined,
    answerId: undefined,
    done: false,
    terminator: undefined,
    failure: undefined,
    usageIsFinal: false,
    textBytes: 0,
    contentEvents: 0,
  }
}

type Loose = Record<string, unknown>
const isObject = (value: unknown): value is Loose => typeof value === 'object' && value !== null
const filled = (value: unknown): boolean =>
  typeof value === 'string' || Array.isArray(value) ? value.length > 0 : isObject(value)

const CONTENT_FIELDS: ReadonlySet<string> = new Set([
  'content',
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'tool_plan',
  'tool_calls',
  'function_call',
  'refusal',
  'audio',
  'images',
])

/** Does this chunk carry something that commits the target? An empty-string content does not; a finish reason does. */
export function hasContent(chunk: Loose): boolean {
  if (!Array.isArray(chunk.choices)) return false
  for (const choice of chunk.choices) {
    if (!isObject(choice)) continue
    if (typeof choice.finish_reason === 'string' && choice.finish_reason !== '') return true
    const delta = choice.delta
    if (isObject(delta))
      for (const name in delta) if (CONTENT_FIELDS.has(name) && filled(delta[name])) return true
    if (filled(choice.text)) return true
  }
  return false
}

/** First non-empty finish reason of a chunk. */
export function finishOf(chunk: Loose): string | undefined {
  if (!Array.isArray(chunk.choices)) return undefined
  for (const choice of chunk.choices) {
    if (isObject(choice) && typeof choice.finish_reason === 'string' && choice.finish_reason !== '') {
      return choice.finish_reason
    }
  }
  return undefined
}

/** Bytes of text in a chunk's deltas, counted as JSON characters: enough for estimates and bounds. */
export function textLength(chunk: Loose): number {
  if (!Array.isArray(chunk.choices)) return 0
  let length = 0
  for (const choice of chunk.choices) {
    if (isObject(choice) && typeof choice.text === 'string') length += utf8Length(choice.text)
    const delta = isObject(choice) ? choice.delta : undefined
    if (!isObject(delta)) continue
    for (const name in delta) {
      if (!CONTENT_FIELDS.has(name)) continue
      const value = delta[name]
      // reasoning comes under several names at once: it is counted once
      if (name.startsWith('reasoning') && name !== 'reasoning_content' && filled(delta.reasoning_content))
        continue
      if (name === 'reasoning_details' && filled(delta.reasoning)) continue
      if (typeof value === 'string') length += utf8Length(value)
      else if (name === 'tool_calls' && Array.isArray(value)) length += callsLength(value)
      else if (filled(value)) length += utf8Length(JSON.stringify(value))
    }
  }
  return length
}

/** A call begins with its name; what models write around that are a few tokens, and this many bytes at most. */
const CALL_BYTES = 32

/** What the model wrote of its calls: mostly a piece of one's arguments, in a frame that it did not write. */
function callsLength(calls: readonly unknown[]): number {
  let length = 0
  for (const call of calls) {
    const said = isObject(call) ? (call.function ?? call.custom) : undefined
    if (!isObject(said)) return utf8Length(JSON.stringify(calls))
    if (filled(said.name)) length += CALL_BYTES + utf8Length(String(said.name))
    for (const text of [said.arguments, said.input])
      if (typeof text === 'string') length += utf8Length(text)
      else if (filled(text)) length += utf8Length(JSON.stringify(text))
  }
  return length
}

/** UTF-8 bytes of a string without encoding it. */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit > 0x7f) length += unit > 0x7ff ? (unit >= 0xd800 && unit <= 0xdfff ? 1 : 2) : 1
  }
  return length
}

/**
 * Puts `"cost":<decimal USD>` first in the `usage` object of a JSON text, of `usageMetadata` in Gemini's, in the place of
 * what the provider says there, unless that is the same amount (`statedNanoUsd`). Undefined = nobody knows: none is said.
 */
export function withCost(
  text: string,
  costNanoUsd: number | undefined,
  depth = 1,
  statedNanoUsd?: number,
): string {
  const plain = memberEnd(text, 0, '"usage"', depth)
  const usage = text.slice(plain < text.length ? plain : memberEnd(text, 0, '"usageMetadata"', depth))
  const [brace] = /^\s*:\s*\{/.exec(usage) ?? []
  if (brace === undefined) return text
  const start = text.length - usage.length + brace.length
  const others = withoutCost(usage)
  if (others !== usage && costNanoUsd !== undefined && costNanoUsd === statedNanoUsd) return text
  const rest = others.slice(brace.length)
  if (costNanoUsd === undefined) return text.slice(0, start) + rest
  const cost = `"cost":${usdFromNano(costNanoUsd)}`
  return `${text.slice(0, start)}${cost}${/^\s*\}/.test(rest) ? '' : ','}${rest}`
}

/** A text that begins before an object, without that object's `cost`, however often it stands there. */
function withoutCost(text: string): string {
  const name = '"cost"'
  const after = memberEnd(text, text.indexOf('{'), name, 1)
  if (after >= text.length) return text
  const before = text.slice(0, after - name.length)
  const behind = text.slice(valueEnd(text, after))
  const [comma] = /^\s*,\s*/.exec(behind) ?? []
  return withoutCost(
    comma === undefined ? before.replace(/,\s*$/, '') + behind : before + behind.slice(comma.length),
  )
}

/** Offset after the value that stands behind a member's name. */
function valueEnd(text: string, from: number): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      at++
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
    } else if (char === '{' || char === '[') depth++
    else if (depth === 0 && (char === ',' || char === '}')) return at
    else if (char === '}' || char === ']') depth--
  }
  return text.length
}

/**
 * Offset after the name of the object's member that stands so deep; the text's length = there is none.
 * Groq has another `usage` inside `x_groq`, before the one that counts.
 */
function memberEnd(text: string, from: number, name: string, wanted: number): number {
  let depth = 0
  for (let at = text.indexOf('{', from); at >= 0 && at < text.length; at++) {
    const char = text[at]
    if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      if (--depth === 0) return text.length
    } else if (char === '"') {
      const open = at++
      while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
      if (depth !== wanted || text.slice(open, at + 1) !== name) continue
      if (/^\s*:/.test(text.slice(at + 1, at + 64))) return at + 1
    }
  }
  return text.length
}

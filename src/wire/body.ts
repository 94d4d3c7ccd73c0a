/** A JSON request body: its bytes, its parsed value, and where its top-level members lie, so that edits are splices. */
import { GatewayError } from '../errors.ts'

/** Offsets into the body's bytes. `start` is the opening quote of the key, `valueEnd` is exclusive. */
export interface Member {
  readonly key: string
  readonly start: number
  readonly valueStart: number
  readonly valueEnd: number
}

export interface Body {
  readonly bytes: Uint8Array
  readonly json: Readonly<Record<string, unknown>>
  readonly members: readonly Member[]
  /** Content type of the bytes when they are no JSON: a form, whose parts are the members. */
  readonly type?: string | undefined
}

/** `depthMax` counts the body itself as 1. */
export interface BodyDepth {
  readonly depthMax: number
}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const UNDERSCORE = 0x5f

const MEMBERS_MAX = 1_024
/** A short string is found sooner by looking than by calling the native search. */
const LOOK_BYTES = 24
/** `"__proto__"` with every character written as \uXXXX. */
const PROTO_BYTES_MAX = 56
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__'])

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** `param` names the place; what is wrong with the whole is at `body`. */
function invalid(message: string, param = 'body'): GatewayError {
  return new GatewayError('invalid_request', message, { param })
}

function notJson(bytes: Uint8Array, at: number, what: string): GatewayError {
  let line = 1
  let lineStart = 0
  for (let i = bytes.indexOf(0x0a); i !== -1 && i < at; i = bytes.indexOf(0x0a, i + 1)) {
    line++
    lineStart = i + 1
  }
  const place = `line ${line}, column ${Math.min(at, bytes.length) - lineStart + 1}`
  return invalid(`The request body is not valid JSON: ${what} at ${place}.`)
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from
  for (;;) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
    at++
  }
}

/** Offset after the closing quote of the string that opens at `open`. Linear: each backslash is looked at once more at most. */
function skipString(bytes: Uint8Array, open: number): number {
  let at = open + 1
  const lookEnd = Math.min(bytes.length, at + LOOK_BYTES)
  while (at < lookEnd) {
    const byte = bytes[at]
    if (byte === QUOTE) return at + 1
    at += byte === BACKSLASH ? 2 : 1
  }
  for (let from = at; ; ) {
    const quote = bytes.indexOf(QUOTE, from)
    if (quote === -1) throw notJson(bytes, open, 'a string without its closing quote')
    let before = quote - 1
    while (before >= at && bytes[before] === BACKSLASH) before--
    if ((quote - before) % 2 === 1) return quote + 1
    from = quote + 1
  }
}

/** `__proto__` as a key below the top level: harmless to JSON.parse, a trap for whatever copies the object later. */
function isProtoKey(bytes: Uint8Array, open: number, end: number): boolean {
  const first = bytes[open + 1]
  if ((first !== UNDERSCORE && first !== BACKSLASH) || end - open > PROTO_BYTES_MAX) return false
  if (bytes[skipSpace(bytes, end)] !== COLON) return false
  return decodeKey(bytes, open, end) === '__proto__'
}

function decodeKey(bytes: Uint8Array, open: number, end: number): string {
  try {
    return String(JSON.parse(decoder.decode(bytes.subarray(open, end))))
  } catch {
    throw notJson(bytes, open, 'a member name with a wrong escape')
  }
}

/** Offset after the value that starts at `at`; `depth` is the depth of what contains it. */
function skipValue(bytes: Uint8Array, at: number, depth: number, depthMax: number): number {
  const first = bytes[at]
  if (first === QUOTE) return skipString(bytes, at)
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return skipScalar(bytes, at)
  let inside = depth
  for (let i = at; i < bytes.length; ) {
    const byte = bytes[i]
    if (byte === QUOTE) {
      const end = skipString(bytes, i)
      if (isProtoKey(bytes, i, end)) throw invalid('The name "__proto__" is not allowed.', '__proto__')
      i = end
      continue
    }
    i++
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++inside > depthMax) {
        throw invalid(`The request body is nested deeper than ${depthMax} levels. Flatten it.`)
      }
    } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --inside === depth) return i
  }
  throw notJson(bytes, bytes.length, 'the end before everything was closed')
}

/** Numbers, true, false, null: where they end. JSON.parse judges what they are. */
function skipScalar(bytes: Uint8Array, from: number): number {
  let at = from
  for (; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) break
  }
  if (at === from) throw notJson(bytes, from, 'a missing value')
  return at
}

interface Span {
  /** Four numbers a member: key start, key end, value start, value end. */
  readonly offsets: readonly number[]
  /** Offset after the closing brace. */
  readonly end: number
}

/** The members of the object that opens at `open`. Correct for valid JSON; invalid JSON may pass and is left to JSON.parse. */
function scanObject(bytes: Uint8Array, open: number, depth: number, depthMax: number): Span {
  const offsets: number[] = []
  let at = skipSpace(bytes, open + 1)
  if (bytes[at] === CLOSE_BRACE) return { offsets, end: at + 1 }
  for (;;) {
    if (bytes[at] !== QUOTE) throw notJson(bytes, at, 'no member name in double quotes')
    const keyEnd = skipString(bytes, at)
    const colon = skipSpace(bytes, keyEnd)
    if (bytes[colon] !== COLON) throw notJson(bytes, colon, 'no colon after a member name')
    const valueStart = skipSpace(bytes, colon + 1)
    const valueEnd = skipValue(bytes, valueStart, depth, depthMax)
    if (offsets.length === MEMBERS_MAX * 4)
      throw invalid(`An object in the request body has more than ${MEMBERS_MAX} members.`)
    offsets.push(at, keyEnd, valueStart, valueEnd)
    at = skipSpace(bytes, valueEnd)
    if (bytes[at] === CLOSE_BRACE) return { offsets, end: at + 1 }
    if (bytes[at] !== COMMA) throw notJson(bytes, at, 'no comma or closing brace after a value')
    at = skipSpace(bytes, at + 1)
  }
}

function parseJson(bytes: Uint8Array, text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch (error) {
    // V8's message quotes the body, which may hold a secret: only its position is taken.
    const position = error instanceof SyntaxError ? /position (\d+)/.exec(error.message)?.[1] : undefined
    if (position !== undefined)
      throw notJson(bytes, encoder.encode(text.slice(0, Number(position))).length, 'an unexpected character')
    const at = strangeWord(bytes)
    throw at < 0
      ? notJson(bytes, bytes.length, 'an unexpected end')
      : notJson(bytes, at, 'a value that is neither a number nor text in double quotes')
  }
}

/** A number, true, false or null, whole: RFC 8259, sections 3 and 6. */
const SCALAR = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/

/** Where the first word stands that JSON does not know, as in NaN or True: V8 names no position for those. -1 = there is none. */
function strangeWord(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number
    if (byte === QUOTE) at = skipString(bytes, at)
    else if (byte <= 0x20 || byte === COMMA || byte === COLON || isBracket(byte)) at++
    else {
      const end = skipScalar(bytes, at)
      if (!SCALAR.test(decoder.decode(bytes.subarray(at, end)))) return at
      at = end
    }
  }
  return -1
}

const isBracket = (byte: number): boolean =>
  byte === OPEN_BRACE || byte === CLOSE_BRACE || byte === OPEN_BRACKET || byte === CLOSE_BRACKET

/** Keys in the order of the members. JSON.parse has decoded them already, unless integer-like keys upset its order. */
function keysOf(bytes: Uint8Array, json: object, offsets: readonly number[]): string[] {
  const parsed = Object.keys(json)
  let plain = parsed.length * 4 === offsets.length
  for (let i = 0; plain && i < offsets.length; i += 4) {
    const first = bytes[(offsets[i] as number) + 1] as number
    plain = first !== BACKSLASH && (first < 0x30 || first > 0x39)
  }
  if (plain) return parsed
  const keys: string[] = []
  for (let i = 0; i < offsets.length; i += 4) {
    keys.push(decodeKey(bytes, offsets[i] as number, offsets[i + 1] as number))
  }
  return keys
}

/**
 * Bytes and their UTF-8 text → Body, in one pass before JSON.parse so that depth is bounded first.
 * Throws GatewayError('invalid_request'): not an object, not JSON, too deep, a name given twice, `__proto__` and its like.
 * Every repeated top-level name is refused: parsers differ in which one counts, and what we check must be what the upstream reads.
 */
export function parseBody(bytes: Uint8Array, text: string, limits: BodyDepth): Body {
  const open = skipSpace(bytes, 0)
  if (open >= bytes.length) throw invalid('The request body is empty. Send a JSON object.')
  if (bytes[open] === 0xef) throw invalid('The request body starts with a byte order mark. Send plain UTF-8.')
  if (bytes[open] !== OPEN_BRACE) throw invalid('The request body must be a JSON object, as in {"model": …}.')
  const { offsets, end } = scanObject(bytes, open, 1, limits.depthMax)
  const rest = skipSpace(bytes, end)
  if (rest < bytes.length) throw notJson(bytes, rest, 'more text after the end of the object')
  const json = parseJson(bytes, text)
  const keys = keysOf(bytes, json, offsets)
  const members: Member[] = []
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i] as string
    if (FORBIDDEN_KEYS.has(key)) throw invalid(`The name "${key}" is not allowed.`, key)
    members.push({
      key,
      start: offsets[i * 4] as number,
      valueStart: offsets[i * 4 + 2] as number,
      valueEnd: offsets[i * 4 + 3] as number,
    })
  }
  if (Object.keys(json).length !== keys.length) {
    const twice = keys.find((key, i) => keys.indexOf(key) !== i) ?? ''
    throw invalid(`"${twice}" is given twice. Send it once.`, twice)
  }
  return { bytes, json, members }
}

/** Members of an object that lies inside a parsed body, opening at `open`. */
export function membersAt(bytes: Uint8Array, open: number): Member[] {
  const { offsets } = scanObject(bytes, open, 0, Number.POSITIVE_INFINITY)
  const members: Member[] = []
  for (let i = 0; i < offsets.length; i += 4) {
    const start = offsets[i] as number
    const key = decodeKey(bytes, start, offsets[i + 1] as number)
    members.push({ key, start, valueStart: offsets[i + 2] as number, valueEnd: offsets[i + 3] as number })
  }
  return members
}

/** Start offsets of the elements of an array that lies inside a parsed body, opening at `open`. */
export function elementsAt(bytes: Uint8Array, open: number): number[] {
  const starts: number[] = []
  let at = skipSpace(bytes, open + 1)
  while (at < bytes.length && bytes[at] !== CLOSE_BRACKET) {
    starts.push(at)
    at = skipSpace(bytes, skipValue(bytes, at, 0, Number.POSITIVE_INFINITY))
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
  }
  return starts
}

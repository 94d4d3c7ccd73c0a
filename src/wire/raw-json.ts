/** JSON text with pieces that are already text: tool arguments go upstream exactly as the model once wrote them. Used by adapters. */

type Json = Record<string, unknown>

/** JSON text that is written as it stands; whoever makes one has seen it parse. */
export class RawJson {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** `JSON.stringify` that knows RawJson. Members that are undefined are left out. */
export function writeJson(value: unknown): string {
  if (value instanceof RawJson) return value.text
  if (isRawJson(value)) return JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members: string[] = []
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) members.push(`${JSON.stringify(key)}:${writeJson(member)}`)
    }
    return `{${members.join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

const EMPTY = new RawJson('{}')

/**
 * `function.arguments` → `tool_use.input`, which has to be an object. Nothing said → `{}`; an object stays text, so
 * that key order and numbers like 1.0 or 2^60 survive; an object encoded twice is unwrapped once; anything else,
 * also what does not parse, becomes `{"arguments": …}`: the model sees what it wrote, and nothing crashes.
 */
export function rawArguments(text: unknown): RawJson {
  if (text === undefined || text === null) return EMPTY
  if (typeof text !== 'string') return isObject(text) ? new RawJson(JSON.stringify(text)) : wrapped(text)
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === 'null') return EMPTY
  const value = parsed(trimmed)
  if (isObject(value)) return new RawJson(trimmed)
  if (typeof value === 'string' && isObject(parsed(value))) return new RawJson(value)
  return value === undefined ? wrapped(text) : new RawJson(`{"arguments":${trimmed}}`)
}

function wrapped(value: unknown): RawJson {
  return new RawJson(JSON.stringify({ arguments: value }))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A JSON object: not null, not an array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** ES2025: numbers that JSON.stringify writes with the digits that they were read with. */
const { rawJSON, isRawJSON } = JSON as unknown as {
  rawJSON(text: string): unknown
  isRawJSON(value: unknown): boolean
}
export const isRawJson = (value: unknown): boolean => isRawJSON(value)

type Reviver = (this: unknown, key: string, value: unknown) => unknown
type Place = { readonly source?: string }

const keepsDigits = (is: (source: string, value: number) => boolean): Reviver => {
  const revive = (_: string, value: unknown, place?: Place) =>
    typeof value === 'number' && place?.source !== undefined && is(place.source, value)
      ? rawJSON(place.source)
      : value
  return revive as Reviver
}

/** For JSON.parse: numbers keep the digits that the model wrote: 1.0 and 2^60 would come out otherwise. */
export const exactNumbers = keepsDigits((source, value) => String(value) !== source)
/** Only what a number of JavaScript cannot hold: whoever looks at the others finds numbers. */
export const exactIntegers = keepsDigits(
  (source, value) => !Number.isSafeInteger(value) && /^-?\d+$/.test(source),
)

/** Some hosts send the arguments of a call as an object, and not as its text. */
const OBJECT_ARGUMENTS = /"arguments"\s*:\s*\{/

/** An answer in the chat wire, or an event of one: such arguments keep their long numbers. Throws as JSON.parse does. */
export const parseAnswer = (text: string): unknown =>
  OBJECT_ARGUMENTS.test(text) ? JSON.parse(text, exactIntegers) : JSON.parse(text)

/** Room between the tokens of a JSON text; strings are matched so as to be passed over. */
const ROOM = /("(?:[^"\\]|\\.)*")|\s+/g

/** What is nested deeper cannot be written again by everyone who may have to. */
const DEPTH_MAX = 1_000

/** A value inside a JSON text that has parsed: read where it stands, and never written anew. Throws RangeError beyond all depth. */
export class RawValue {
  readonly #text: string
  readonly #at: number
  #parts: ReadonlyMap<string | number, RawValue> | undefined

  constructor(text: string, at = 0) {
    this.#text = text
    this.#at = roomEnd(text, at)
  }

  /** A member of an object by its name (of repeated ones the last, as JSON.parse has it) or an element of an array. */
  at(place: string | number): RawValue | undefined {
    this.#parts ??= partsOf(this.#text, this.#at)
    return this.#parts.get(place)
  }

  /** As it was written, but for the room between its tokens. */
  get text(): string {
    return this.#text.slice(this.#at, valueEnd(this.#text, this.#at)).replace(ROOM, '$1')
  }
}

/** Members by name, elements by number; a scalar has none. */
function partsOf(text: string, open: number): ReadonlyMap<string | number, RawValue> {
  const parts = new Map<string | number, RawValue>()
  const isObject = text[open] === '{'
  if (!isObject && text[open] !== '[') return parts
  const close = isObject ? '}' : ']'
  let at = roomEnd(text, open + 1)
  for (let i = 0; at < text.length && text[at] !== close; i++) {
    let key: string | number = i
    if (isObject) {
      const end = stringEnd(text, at)
      key = JSON.parse(text.slice(at, end)) as string
      at = roomEnd(text, roomEnd(text, end) + 1)
    }
    parts.set(key, new RawValue(text, at))
    at = roomEnd(text, valueEnd(text, at))
    if (text[at] === ',') at = roomEnd(text, at + 1)
  }
  return parts
}

function roomEnd(text: string, from: number): number {
  let at = from
  while (at < text.length && text.charCodeAt(at) <= 0x20) at++
  return at
}

/** Offset after the closing quote of the string that opens at `open`. */
function stringEnd(text: string, open: number): number {
  let at = open + 1
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

/** Offset after the value that begins at `start`. */
function valueEnd(text: string, start: number): number {
  if (text[start] === '"') return stringEnd(text, start)
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (char === '"') at = stringEnd(text, at) - 1
    else if (char === '{' || char === '[') {
      if (++depth > DEPTH_MAX) throw new RangeError('nested too deeply')
    } else if (char === '}' || char === ']') {
      if (depth <= 1) return depth === 0 ? at : at + 1
      depth--
    } else if (depth === 0 && (char === ',' || text.charCodeAt(at) <= 0x20)) return at
  }
  return text.length
}

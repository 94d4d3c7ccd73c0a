/**
 * The frame of a whole answer: what stays the same in the next one that is built as it was. Made once, of an answer that has
 * parsed; wire/familiar.ts reads others by it.
 */
import { isObject } from './raw-json.ts'
import { viewOf } from './same-bytes.ts'

type Json = Record<string, unknown>

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** Strings that are a part of the frame: what is read of an answer beside its id and its usage. */
const FRAME_NAMES: ReadonlySet<string> = new Set([
  'object',
  'model',
  'role',
  'type',
  'finish_reason',
  'responseId',
  'service_tier',
])

const GAPS_MAX = 64
const DEPTH_MAX = 16

/** A value that may be another in the next answer. */
export interface Gap {
  /** Where it stands in the frame, which holds nothing of it. */
  readonly at: number
  readonly kind: 'id' | 'text' | 'number'
  /** Set for the counts of `usage`: where the number goes. */
  readonly place: Json | undefined
  readonly name: string
}

export interface Frame {
  readonly bytes: DataView
  readonly gaps: readonly Gap[]
  /** The parsed answer that the frame is of, without its texts. */
  readonly answer: Json
}

/** Bytes as characters, one each. */
export const asciiOf = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, to))

/** What is gathered while the frame is made. */
interface Making {
  readonly source: Uint8Array
  readonly kept: Uint8Array
  length: number
  readonly gaps: Gap[]
}

/** `answer` = what the bytes were parsed to, given away: its strings are emptied. Undefined = not to be learned. */
export function frameOf(bytes: Uint8Array, answer: Json): Frame | undefined {
  const making: Making = { source: bytes, kept: new Uint8Array(bytes.length), length: 0, gaps: [] }
  const start = roomEnd(making, 0)
  const end = bytes[start] === OPEN_BRACE ? keepObject(making, start, answer, 1, false) : -1
  if (end < 0 || roomEnd(making, end) !== bytes.length || making.gaps.length > GAPS_MAX) return undefined
  // a copy, without what was said and without the bytes that stay free
  return { bytes: viewOf(making.kept.slice(0, making.length)), gaps: making.gaps, answer }
}

function keep(making: Making, from: number, to: number): number {
  for (let at = from; at < to; at++) making.kept[making.length++] = making.source[at] as number
  return to
}

/** Behind the room between tokens, which belongs to the frame. */
function roomEnd(making: Making, from: number): number {
  let at = from
  while (at < making.source.length && (making.source[at] as number) <= SPACE) at++
  return keep(making, from, at)
}

function endOfString({ source }: Making, open: number): number {
  let at = open + 1
  while (at < source.length && source[at] !== QUOTE) at += source[at] === BACKSLASH ? 2 : 1
  return at + 1
}

/** Keeps the object that opens there, and says where it ends; -1 = not to be learned. */
function keepObject(making: Making, open: number, value: Json, depth: number, isUsage: boolean): number {
  if (depth > DEPTH_MAX) return -1
  const { source } = making
  let members = 0
  let at = roomEnd(making, keep(making, open, open + 1))
  while (source[at] === QUOTE) {
    const end = endOfString(making, at)
    const name = asciiOf(source, at + 1, end - 1)
    // an escape or what is not ASCII: such a name is none of those that are read
    if (!Object.hasOwn(value, name)) return -1
    members++
    at = roomEnd(making, keep(making, at, end))
    at = roomEnd(making, keep(making, at, at + 1))
    at = keepValue(making, at, value, name, depth, isUsage || name === 'usage')
    if (at < 0) return -1
    at = roomEnd(making, at)
    if (source[at] === COMMA) at = roomEnd(making, keep(making, at, at + 1))
  }
  // a name that is given twice would be read twice
  if (source[at] !== CLOSE_BRACE || members !== Object.keys(value).length) return -1
  return keep(making, at, at + 1)
}

function keepArray(
  making: Making,
  open: number,
  list: readonly unknown[],
  depth: number,
  isUsage: boolean,
): number {
  const { source } = making
  const holder = list as unknown as Json
  let at = roomEnd(making, keep(making, open, open + 1))
  for (let i = 0; i < list.length; i++) {
    at = keepValue(making, at, holder, String(i), depth, isUsage)
    if (at < 0) return -1
    at = roomEnd(making, at)
    if (source[at] === COMMA) at = roomEnd(making, keep(making, at, at + 1))
  }
  return source[at] === CLOSE_BRACKET ? keep(making, at, at + 1) : -1
}

function keepValue(
  making: Making,
  at: number,
  holder: Json,
  name: string,
  depth: number,
  isUsage: boolean,
): number {
  const { source, gaps } = making
  const value = holder[name]
  // of a name that is given twice, the value may be the other one's
  if (!opensAs(source[at], value)) return -1
  if (isObject(value)) return keepObject(making, at, value, depth + 1, isUsage)
  if (Array.isArray(value)) return depth < DEPTH_MAX ? keepArray(making, at, value, depth + 1, isUsage) : -1
  if (typeof value === 'string') {
    const end = endOfString(making, at)
    if (FRAME_NAMES.has(name)) return keep(making, at, end)
    keep(making, at, at + 1)
    gaps.push({
      at: making.length,
      kind: name === 'id' && depth === 1 ? 'id' : 'text',
      place: undefined,
      name,
    })
    holder[name] = ''
    return keep(making, end - 1, end)
  }
  let end = at
  while (end < source.length && !isEndOfScalar(source[end] as number)) end++
  if (typeof value !== 'number') return keep(making, at, end)
  gaps.push({ at: making.length, kind: 'number', place: isUsage ? holder : undefined, name })
  return end
}

function opensAs(byte: number | undefined, value: unknown): boolean {
  if (typeof value === 'string') return byte === QUOTE
  if (Array.isArray(value)) return byte === OPEN_BRACKET
  if (isObject(value)) return byte === OPEN_BRACE
  return byte !== QUOTE && byte !== OPEN_BRACKET && byte !== OPEN_BRACE
}

const isEndOfScalar = (byte: number): boolean =>
  byte <= SPACE || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET

/**
 * Knows a whole answer that is built as an earlier one was: the same members in the same order, with other texts, ids and
 * counts in them. Its frame was parsed once, so that only what differs is read. Asked by relay/whole.ts before it parses.
 */
import { asciiOf, type Frame, frameOf, type Gap } from './answer-frame.ts'
import { Learning } from './learning.ts'
import { sameBytes, viewOf } from './same-bytes.ts'

type Json = Record<string, unknown>

const SPACE = 0x20
const QUOTE = 0x22
const ZERO = 0x30
const BACKSLASH = 0x5c
const DELETE = 0x7f

/** Larger answers are parsed: their text is most of the work, and JSON.parse reads that as fast. */
const BYTES_MAX = 2_048
/** So many digits are a number that is exact. */
const DIGITS_MAX = 15

/** The answers of one offer. */
export class Familiar {
  private frame: Frame | undefined
  private readonly learning = new Learning()

  /** The answer, its texts empty; valid until the next call. Undefined = it has to be parsed. `textOf` = bytes to text. */
  read(bytes: Uint8Array, textOf: (bytes: Uint8Array) => string): Json | undefined {
    const { frame } = this
    const isKnown = frame !== undefined && bytes.length <= BYTES_MAX && fill(frame, bytes, textOf)
    this.learning.saw(isKnown)
    return isKnown ? frame.answer : undefined
  }

  /** `answer` = what strange bytes were parsed to, given away. */
  learn(bytes: Uint8Array, answer: Json): void {
    if (this.learning.isDue()) this.frame = bytes.length > BYTES_MAX ? undefined : frameOf(bytes, answer)
  }
}

/** Do the bytes fit the frame? Then its answer has their id and their usage. */
function fill(
  { bytes: frame, gaps, answer }: Frame,
  bytes: Uint8Array,
  textOf: (bytes: Uint8Array) => string,
): boolean {
  const view = viewOf(bytes)
  let at = 0
  let from = 0
  for (let i = 0; i < gaps.length; i++) {
    const gap = gaps[i] as Gap
    if (!sameBytes(frame, from, gap.at, view, at)) return false
    at += gap.at - from
    from = gap.at
    const end = endOf(gap.kind, bytes, view, at)
    if (end < 0) return false
    if (gap.kind === 'id') answer.id = textOf(bytes.subarray(at, end))
    if (gap.kind === 'number') {
      const number = numberOf(bytes, at, end)
      if (number === undefined) return false
      if (gap.place !== undefined) gap.place[gap.name] = number
    }
    at = end
  }
  return bytes.length - at === frame.byteLength - from && sameBytes(frame, from, frame.byteLength, view, at)
}

/** Behind what stands in a gap; -1 = nothing of its kind. */
function endOf(kind: Gap['kind'], bytes: Uint8Array, view: DataView, at: number): number {
  if (kind === 'number') return numberEnd(bytes, at)
  return kind === 'id' ? idEnd(bytes, at) : stringEnd(bytes, view, at)
}

const HIGH_BITS = 0x80808080

/** Of four bytes: the highest bit is set in the first that is a control character, a quote or a backslash, and in none before it. */
function marksOf(word: number): number {
  const quote = word ^ 0x22222222
  const slash = word ^ 0x5c5c5c5c
  return ((word - 0x20202020) & ~word) | ((quote - 0x01010101) & ~quote) | ((slash - 0x01010101) & ~slash)
}

/** Where the closing quote stands of a string that begins at `from`, behind its own; -1 = it is no JSON. */
export function stringEnd(bytes: Uint8Array, view: DataView, from: number): number {
  const words = bytes.length - 8
  for (let at = from; at < bytes.length; ) {
    // byte by byte takes twice as long, which most of such an answer is
    while (
      at <= words &&
      ((marksOf(view.getInt32(at, true)) | marksOf(view.getInt32(at + 4, true))) & HIGH_BITS) === 0
    )
      at += 8
    while (at < bytes.length && !isMark(bytes[at] as number)) at++
    if (bytes[at] !== BACKSLASH) return bytes[at] === QUOTE ? at : -1
    at = escapeEnd(bytes, at)
    if (at < 0) return -1
  }
  return -1
}

const isMark = (byte: number): boolean => byte < SPACE || byte === QUOTE || byte === BACKSLASH

/** Of an id: without escapes and in ASCII, so that its bytes are its text. */
function idEnd(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at
    if (isMark(byte) || byte >= DELETE) return -1
  }
  return -1
}

const ESCAPED: ReadonlySet<number> = new Set(new TextEncoder().encode('"\\/bfnrt'))

/** Behind the escape that begins at `at`; -1 = there is no such escape. */
function escapeEnd(bytes: Uint8Array, at: number): number {
  const kind = bytes[at + 1] as number
  if (ESCAPED.has(kind)) return at + 2
  if (kind !== 0x75) return -1
  return /^[\da-fA-F]{4}$/.test(asciiOf(bytes, at + 2, at + 6)) ? at + 6 : -1
}

const isOfNumber = (byte: number | undefined): boolean =>
  byte !== undefined &&
  ((byte >= ZERO && byte < ZERO + 10) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e ||
    (byte | SPACE) === 0x65)

function numberEnd(bytes: Uint8Array, from: number): number {
  let at = from
  while (isOfNumber(bytes[at])) at++
  return at > from ? at : -1
}

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** Undefined = no JSON number. */
function numberOf(bytes: Uint8Array, from: number, end: number): number | undefined {
  const isLong = end - from > DIGITS_MAX
  let value = 0
  for (let at = from; at < end && !isLong; at++) {
    const digit = (bytes[at] as number) - ZERO
    if (digit < 0 || digit > 9 || (digit === 0 && at === from && end - from > 1))
      return sparseNumber(bytes, from, end)
    value = value * 10 + digit
  }
  return isLong ? sparseNumber(bytes, from, end) : value
}

/** What is not just digits. */
function sparseNumber(bytes: Uint8Array, from: number, end: number): number | undefined {
  const text = end - from > 64 ? '' : asciiOf(bytes, from, end)
  return NUMBER.test(text) ? Number(text) : undefined
}

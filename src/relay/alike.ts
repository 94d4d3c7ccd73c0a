/**
 * Knows an event that differs from earlier ones in one string alone: what such an event says beside its text was looked at
 * once, when two of them were parsed. Part of the passthrough, which searches the bytes of every other event.
 */
import { BACKSLASH, BRACE, LF, QUOTE } from './ascii.ts'
import { dataOf, isError, parse } from './event.ts'
import { finishOf, type StreamState, textLength } from './reader.ts'

/** Control characters are escaped in a JSON string. */
const SPACE = 32
/** Events that may be parsed in order to learn; a host that pads each of them is not learned. */
const TRIES_MAX = 4
/** From thoughts to text, or from text to a call, the frame changes. */
const STRANGERS_MAX = 8
const DATA = 'data:'

/** Where the quote stands that ends what begins at `from`; -1 = a line ends before it. */
function quoteFrom(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) at++
    else if (byte < SPACE) return -1
  }
  return -1
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Bytes that are compared four at a time: byte by byte takes longer than all else that is done with such an event. */
class Part {
  readonly length: number
  private readonly words: Int32Array
  /** The last four bytes, whatever the words have seen of them. */
  private readonly last: number

  /** At least four bytes; they are copied. */
  constructor(bytes: Uint8Array) {
    const view = viewOf(bytes)
    this.length = bytes.length
    this.words = Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(i * 4, true))
    this.last = view.getInt32(bytes.length - 4, true)
  }

  standsAt(view: DataView, at: number): boolean {
    const { words, length } = this
    if (at + length > view.byteLength || view.getInt32(at + length - 4, true) !== this.last) return false
    for (let i = 0; i < words.length; i++) if (view.getInt32(at + i * 4, true) !== words[i]) return false
    return true
  }
}

export class Alike {
  /** Through the quote behind which the events differ. */
  private before: Part | undefined
  /** From the quote where they are the same again, through the blank line. */
  private after: Part | undefined
  private sample: Uint8Array | undefined
  /** What of such an event is not text. */
  private frameBytes = 0
  private tries = 0
  private strangers = 0
  private readonly text: (bytes: Uint8Array) => string
  private readonly saysUsage: (chunk: Record<string, unknown>) => boolean

  constructor(text: (bytes: Uint8Array) => string, saysUsage: (chunk: Record<string, unknown>) => boolean) {
    this.text = text
    this.saysUsage = saysUsage
  }

  /** Behind the events at the block's beginning that are like those that were learned. They are counted in `state`. */
  through(block: Uint8Array, state: StreamState): number {
    if (this.after === undefined) this.study(block)
    if (this.after === undefined) return this.unlike()
    const view = viewOf(block)
    let from = 0
    for (let end = this.endOf(block, view, 0); end > 0; end = this.endOf(block, view, end)) {
      // with its escapes: an upper bound
      state.textBytes += Math.max(1, end - from - this.frameBytes)
      state.contentEvents++
      from = end
    }
    if (from === 0) return this.unlike()
    this.strangers = 0
    return from
  }

  private unlike(): 0 {
    this.strangers++
    if (this.strangers > STRANGERS_MAX && this.after !== undefined) this.forget()
    return 0
  }

  /** Something else is being said. */
  private forget(): void {
    this.before = this.after = this.sample = undefined
    this.tries = this.strangers = 0
  }

  /** Learns from the events at the block's beginning. */
  private study(block: Uint8Array): void {
    for (let start = 0; start < block.length && this.tries < TRIES_MAX && this.after === undefined; ) {
      const lf = block.indexOf(LF, start)
      if (block[lf + 1] !== LF) return
      this.learn(block.subarray(start, lf + 2))
      start = lf + 2
    }
  }

  /** Behind the event that starts there, if it is like them; else -1. */
  private endOf(block: Uint8Array, view: DataView, start: number): number {
    const { before, after } = this
    if (before === undefined || after === undefined || !before.standsAt(view, start)) return -1
    const quote = quoteFrom(block, start + before.length)
    return quote >= 0 && after.standsAt(view, quote) ? quote + after.length : -1
  }

  /** Two events that say nothing but text, and differ in one string, are what is learned. */
  private learn(event: Uint8Array): void {
    this.tries++
    const text = this.text(event)
    if (!text.startsWith(DATA) || event[event.length - 3] !== BRACE) return
    const chunk = parse(dataOf(text) ?? '')
    if (!chunk || isError(chunk) || finishOf(chunk) !== undefined || this.saysUsage(chunk)) return
    const said = textLength(chunk)
    if (said === 0) return
    const { sample } = this
    this.sample = event.slice()
    if (sample) this.compare(sample, event, said)
  }

  /** `said` = bytes of text in the other. */
  private compare(one: Uint8Array, other: Uint8Array, said: number): void {
    let open = 0
    while (open < one.length && one[open] === other[open]) open++
    while (open > 0 && (one[open - 1] !== QUOTE || one[open - 2] === BACKSLASH)) open--
    const close = quoteFrom(one, open)
    const otherClose = quoteFrom(other, open)
    if (open < DATA.length || close < 0 || otherClose < 0) return
    const after = new Part(one.subarray(close))
    if (other.length - otherClose !== after.length || !after.standsAt(viewOf(other), otherClose)) return
    this.before = new Part(one.subarray(0, open))
    this.after = after
    // a call's arguments are text with what stands around them
    this.frameBytes = other.length - Math.max(said, otherClose - open)
  }
}

/**
 * Knows an event that differs from an earlier one in nothing but what the model says: what else such an event says was looked
 * at once, when the earlier one was parsed. Part of the passthrough, which parses or searches every other event.
 */
import { BACKSLASH, COLON, QUOTE, SPACE } from './ascii.ts'
import { sameBytes, viewOf } from '../wire/same-bytes.ts'
import type { StreamState } from './reader.ts'

const names = (...all: string[]) => all.map(name => new TextEncoder().encode(name))
/** Members whose strings say nothing but what the model wrote, whatever stands in them and wherever they stand. */
const TEXTS = names('content', 'reasoning_content', 'reasoning', 'arguments', 'text', 'refusal', 'tool_plan')
/** OpenAI's and Mistral's padding; see `PADS` in needles.ts. */
const PADDINGS = names('obfuscation', 'p')
/** What is longer is hardly a word or two in its frame; a stream may keep one of them. */
const SAMPLE_BYTES_MAX = 8_192

/** A string in the sample that may be another in an event like it: from behind its quote to before the next. */
interface Hole {
  readonly open: number
  readonly close: number
  readonly isText: boolean
}

/** Where the quote stands that ends what begins at `from`; -1 = a line ends before it: control characters are escaped in JSON. */
function quoteFrom(bytes: Uint8Array, from: number): number {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte > BACKSLASH) continue
    if (byte === QUOTE) return at
    if (byte === BACKSLASH) at++
    else if (byte < SPACE) return -1
  }
  return -1
}

function isOneOf(all: readonly Uint8Array[], bytes: Uint8Array, from: number, to: number): boolean {
  for (const name of all) {
    if (name.length !== to - from) continue
    let i = 0
    while (i < name.length && name[i] === bytes[from + i]) i++
    if (i === name.length) return true
  }
  return false
}

/** The strings of an event, one line of JSON, that may differ from event to event. */
function holesIn(event: Uint8Array): Hole[] {
  const holes: Hole[] = []
  for (let at = 0; at < event.length; at++) {
    if (event[at] !== QUOTE) continue
    const end = quoteFrom(event, at + 1)
    if (end < 0) break
    const from = at + 1
    at = end
    if (event[end + 1] !== COLON) continue
    const value = event[end + 2] === SPACE ? end + 3 : end + 2
    if (event[value] !== QUOTE) continue
    const isText = isOneOf(TEXTS, event, from, end)
    const close = isText || isOneOf(PADDINGS, event, from, end) ? quoteFrom(event, value + 1) : -1
    if (close < 0) continue
    holes.push({ open: value + 1, close, isText })
    at = close
  }
  return holes
}

export class Alike {
  private sample: DataView | undefined
  private holes: readonly Hole[] = []
  /** Bytes of text in each of them that stand outside of the holes: around a call's arguments. */
  private around = 0
  /** Bytes of text in the event that was compared last. */
  private said = 0

  /** The event says text and nothing that matters besides: no end, no error, no usage. `said` = bytes of its text. */
  learn(event: Uint8Array, said: number): void {
    if (event.length > SAMPLE_BYTES_MAX) return
    const holes = holesIn(event)
    let inside = 0
    for (const { open, close, isText } of holes) if (isText) inside += close - open
    if (inside === 0) return
    // a copy: a view would keep the whole read in memory
    this.sample = viewOf(new Uint8Array(event))
    this.holes = holes
    this.around = Math.max(0, said - inside)
  }

  /** Behind the events from there on that are like the one that was learned. They are counted in `state`. */
  through(block: Uint8Array, from: number, state: StreamState): number {
    if (this.sample === undefined || from === block.length) return from
    const view = viewOf(block)
    let at = from
    for (let end = this.endOf(block, view, from); end > 0; end = this.endOf(block, view, at)) {
      // with its escapes: an upper bound
      state.textBytes += Math.max(1, this.said)
      state.contentEvents++
      at = end
    }
    return at
  }

  /** Behind the event that starts there, if it is like the sample; else -1. */
  private endOf(block: Uint8Array, view: DataView, start: number): number {
    const { holes } = this
    const sample = this.sample as DataView
    let at = start
    let from = 0
    let said = this.around
    for (let i = 0; i < holes.length; i++) {
      const { open, close, isText } = holes[i] as Hole
      if (!sameBytes(sample, from, open, view, at)) return -1
      at += open - from
      const quote = quoteFrom(block, at)
      if (quote < 0) return -1
      if (isText) said += quote - at
      at = quote
      from = close
    }
    const length = sample.byteLength
    if (!sameBytes(sample, from, length, view, at)) return -1
    this.said = said
    return at + length - from
  }
}

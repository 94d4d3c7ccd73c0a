/** How much of an event is text: the width of the frame around it is learned, so that most events need not be parsed. Part of the passthrough. */
import type { Bytes } from '../deps.ts'
import { BACKSLASH } from './ascii.ts'
import { dataOf, parse } from './event.ts'
import { PADS, ROLE } from './needles.ts'
import { textLength } from './reader.ts'

export class Frame {
  /** Bytes of an event that are not text, learned from the first content events. */
  private overhead = Number.POSITIVE_INFINITY
  /** So wide is every frame, not only a first one. */
  private measured = false
  private readonly bytes: Bytes

  constructor(bytes: Bytes) {
    this.bytes = bytes
  }

  /** Upper bound of the text's bytes in the event at these places, 1 where there is none. */
  textIn(block: Uint8Array, start: number, end: number): number {
    // a first event often has the role as well: with so wide a frame, what comes after would count for next to nothing
    if (this.measured && end - start > this.overhead) return end - start - this.overhead
    return Math.max(1, this.measure(block.subarray(start, end)))
  }

  /** Bytes of text in an event. Learns the width of the frame around it, unless that is never the same: some hosts pad. */
  measure(event: Uint8Array, chunk = parse(dataOf(this.bytes.text(event)) ?? '')): number {
    const said = chunk ? textLength(chunk) : 0
    // escapes are no part of the frame
    if (said === 0 || event.indexOf(BACKSLASH) >= 0 || PADS.some(pad => this.bytes.find(event, pad) >= 0))
      return said
    this.measured = this.overhead < Number.POSITIVE_INFINITY || this.bytes.find(event, ROLE) < 0
    this.overhead = Math.min(this.overhead, event.length - said)
    return said
  }
}

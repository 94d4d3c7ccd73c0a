/**
 * Reads a stream that is in the caller's own wire, which is not chat: bytes pass untouched, whole events at a time, while
 * a tap listens. What stands from the provider's terminator on is kept back until the settlement is durable.
 */
import type { NativeSign, NativeTap } from '../../providers/provider.ts'
import type { Usage } from '../terms.ts'
import { CR, LF } from './ascii.ts'
import { withoutSecrets } from './comments.ts'
import { type Edit, edited } from './edits.ts'
import { dataOf } from './event.ts'
import { endsInCr, inLf } from './line-ends.ts'
import { newState, type ReaderOptions, type StreamReader, withCost } from './reader.ts'

export interface NativeReader extends StreamReader {
  /** What the caller still gets once everything is settled; `cutShort` = the budget ended the stream. */
  ending(cutShort: boolean, usage: Usage | undefined): string
}

export function createNative(tap: NativeTap, options: ReaderOptions): NativeReader {
  return new Native(tap, options)
}

class Native implements NativeReader {
  readonly state = newState()
  private readonly tap: NativeTap
  private readonly o: ReaderOptions
  /** Bytes after the last whole event, in pieces: joined only when a line end arrives. */
  private rest: Uint8Array[] = []
  private restBytes = 0
  /** Events that wait for content to commit them. */
  private held: Uint8Array[] = []
  private tail: Uint8Array | undefined
  /** The ending of a wire without a terminator: it waits for the connection's end. */
  private readonly closing: Uint8Array[] = []

  constructor(tap: NativeTap, options: ReaderOptions) {
    this.tap = tap
    this.o = options
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.state.done || this.state.failure) return undefined
    this.rest.push(chunk)
    this.restBytes += chunk.length
    if (chunk.indexOf(LF) < 0) return this.wait(chunk)
    const block = this.rest.length === 1 ? chunk : this.o.bytes.concat(this.rest)
    const { out, read } = this.take(block)
    this.rest = read < block.length ? [block.subarray(read)] : []
    this.restBytes = block.length - read
    this.guard()
    return out
  }

  end(): Uint8Array | undefined {
    if (this.rest.length === 0 || this.state.done || this.state.failure) return undefined
    // A last event without its blank line is still an event, if all of it is there.
    const block = this.o.bytes.concat([...this.rest, new Uint8Array([LF, LF])])
    this.rest = []
    return this.take(block).out
  }

  ending(cutShort: boolean, usage: Usage | undefined): string {
    if (cutShort) return this.tap.cut(usage)
    if (this.closing.length > 0) return this.o.bytes.text(this.o.bytes.concat(this.closing))
    return this.tail ? this.o.bytes.text(this.tail) : this.tap.missing()
  }

  /** No line has ended, unless lines end in a bare CR here. */
  private wait(chunk: Uint8Array): Uint8Array | undefined {
    const block = chunk.indexOf(CR) < 0 ? undefined : this.o.bytes.concat(this.rest)
    if (!block || !endsInCr(block)) return this.guard()
    this.rest = []
    this.restBytes = 0
    return inLf(this)(block)
  }

  private guard(): undefined {
    if (this.restBytes > this.o.eventBytesMax && !this.state.failure)
      this.state.failure = { kind: 'oversized', message: 'an event was too large' }
    return undefined
  }

  /** Every whole event of the block, up to the one that fails or ends the stream. */
  private take(block: Uint8Array): { out: Uint8Array | undefined; read: number } {
    const edits: Edit[] = []
    let start = 0
    let stop = 0
    for (;;) {
      const end = eventEnd(block, start)
      if (end < 0) break
      const came = this.o.bytes.text(block.subarray(start, end))
      const text = withoutSecrets(came, this.o.scrub)
      const data = dataOf(text)
      const sign = data === undefined ? {} : this.tap.event(data, nameOf(text), end - start)
      this.note(sign)
      if (sign.failure) return { out: this.release(block.subarray(0, stop), edits), read: block.length }
      const shown = data === undefined || !sign.usage ? text : this.priced(text, sign.usage)
      if (sign.done) {
        this.state.done = true
        // what may stand behind the terminator is no part of the answer
        this.tail = shown === came ? block.subarray(start, end) : this.o.bytes.of(shown)
        return { out: this.release(block.subarray(0, stop), edits), read: block.length }
      }
      if (sign.closing || this.closing.length > 0)
        this.closing.push(shown === came ? block.subarray(start, end) : this.o.bytes.of(shown))
      else {
        if (shown !== came) edits.push({ start, end, bytes: this.o.bytes.of(shown) })
        stop = end
      }
      start = end
    }
    return { out: this.release(block.subarray(0, stop), edits), read: start }
  }

  private priced(text: string, usage: Usage): string {
    const { costOf } = this.o
    if (costOf === undefined) return text
    return withCost(text, costOf(usage, this.state), this.tap.usageDepth, usage.reportedCostNanoUsd)
  }

  private note(sign: NativeSign): void {
    const { state } = this
    if (sign.failure) {
      const { kind, message } = sign.failure
      state.failure = { kind: state.content && kind !== 'content_filter' ? 'interrupted' : kind, message }
      return
    }
    if (sign.usage) state.usage = sign.usage
    if (sign.content) state.content = true
    if (sign.textBytes) {
      state.textBytes += sign.textBytes
      state.contentEvents++
    }
    state.finishReason ??= sign.finishReason
    state.answerId ??= sign.answerId
  }

  /** Bytes for the caller, with the cost written in where it was asked for; before content they wait. */
  private release(bytes: Uint8Array, edits: readonly Edit[]): Uint8Array | undefined {
    const parts = this.held
    if (bytes.length > 0) parts.push(edits.length > 0 ? edited(bytes, edits, this.o.bytes) : bytes)
    if (!this.state.content || parts.length === 0) return undefined
    this.held = []
    return parts.length === 1 ? parts[0] : this.o.bytes.concat(parts)
  }
}

/** Offset after the blank line that ends the event at `start`; -1 = it is not all there. */
function eventEnd(block: Uint8Array, start: number): number {
  for (let at = block.indexOf(LF, start); at >= 0; at = block.indexOf(LF, at + 1)) {
    if (block[at + 1] === LF) return at + 2
    if (block[at + 1] === CR && block[at + 2] === LF) return at + 3
  }
  return -1
}

/** The `event:` name of an event's text. */
function nameOf(text: string): string | undefined {
  return /^event: ?([^\r\n]*)/m.exec(text)?.[1]
}

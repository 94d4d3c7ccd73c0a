/**
 * Reads a stream that is already in the caller's wire: bytes pass untouched, whole events at a time.
 * Before the first content every event is parsed (failing over is still possible). After it those that differ from a parsed
 * one in the model's words alone are only compared, and of the others some are parsed and many are searched.
 */
import type { Bytes } from '../deps.ts'
import { Alike } from './alike.ts'
import { BRACE, CR, LF } from './ascii.ts'
import { withoutSecrets } from './comments.ts'
import { joined } from './edits.ts'
import { dataOf, isError, isOneLine, isUsageOnly, namedError, parse } from './event.ts'
import { endsInCr, inLf } from './line-ends.ts'
import { CRLF_CRLF, DATA, LF_LF } from './needles.ts'
import { finishOf, hasContent, newState, type StreamReader, textLength } from './reader.ts'
import { NOTHING, type PassOptions, Search } from './search.ts'

const HELD_BYTES_MAX = 65_536
/** So many events in a row that are like none before, each parsed: no two of this stream are alike, and it is searched instead. */
const STRANGERS_MAX = 8

export function createPassthrough(options: PassOptions): StreamReader {
  return new Passthrough(options)
}

class Passthrough implements StreamReader {
  readonly state = newState()
  private readonly o: PassOptions
  /** Bytes after the last event boundary, in pieces: joined only when a line end arrives. */
  private rest: Uint8Array[] = []
  private restBytes = 0
  /** Events held back until content commits them. */
  private held: Uint8Array[] = []
  private heldBytes = 0
  private readonly alike = new Alike()
  private readonly search: Search
  private strangers = 0

  constructor(options: PassOptions) {
    this.o = options
    this.state.unfinished = options.choices > 1 ? options.choices : 0
    this.search = new Search(options, this.state)
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.state.done) return undefined
    let block = chunk
    if (this.rest.length > 0) {
      this.rest.push(chunk)
      this.restBytes += chunk.length
      if (chunk.indexOf(LF) < 0) return this.wait(chunk)
      block = this.o.bytes.concat(this.rest)
    }
    const cut = this.boundary(block)
    if (cut < block.length || this.rest.length > 0)
      this.rest = cut < block.length ? [block.subarray(cut)] : []
    this.restBytes = block.length - cut
    if (cut === 0) return this.wait(chunk)
    this.checkRest()
    if (this.state.failure) return undefined
    const whole = cut === block.length ? block : block.subarray(0, cut)
    return this.state.content ? this.flow(whole) : this.peek(whole)
  }

  end(): Uint8Array | undefined {
    // A last event without its blank line is still an event; clients of ours get the blank line.
    if (this.rest.length === 0 || this.state.done || this.state.failure) return undefined
    const block = this.o.bytes.concat([...this.rest, LF_LF])
    this.rest = []
    return this.state.content ? this.flow(block) : this.peek(block)
  }

  /** No event has ended, unless lines end in a bare CR here. */
  private wait(chunk: Uint8Array): Uint8Array | undefined {
    const block = chunk.indexOf(CR) < 0 ? undefined : this.o.bytes.concat(this.rest)
    if (!block || !endsInCr(block)) return this.checkRest()
    this.rest = []
    return inLf(this)(block)
  }

  private checkRest(): undefined {
    if (this.restBytes > this.o.eventBytesMax)
      this.state.failure = { kind: 'oversized', message: 'an event was too large' }
    return undefined
  }

  /** Offset after the last complete event, 0 = none is complete. */
  private boundary(block: Uint8Array): number {
    const { length } = block
    if (length >= 2 && block[length - 1] === LF && block[length - 2] === LF) return length
    const lf = this.o.bytes.findLast(block, LF_LF)
    const crlf = this.o.bytes.findLast(block, CRLF_CRLF)
    if (crlf > lf) this.search.separator = CRLF_CRLF
    return Math.max(lf < 0 ? 0 : lf + 2, crlf < 0 ? 0 : crlf + 4)
  }

  private peek(block: Uint8Array): Uint8Array | undefined {
    let committedAt = -1
    let end = 0
    for (let start = 0; start < block.length && committedAt < 0; start = end) {
      end = this.search.eventEnd(block, start)
      const event = block.subarray(start, end)
      const text = this.o.bytes.text(event)
      const data = dataOf(text)
      if (data === undefined) this.keep(event, text)
      if (data === '[DONE]') this.state.done = true
      if (this.state.done) break
      const chunk = data === undefined ? undefined : (namedError(text) ?? parse(data))
      if (!chunk) continue
      const usage = this.o.usageOf(chunk)
      this.state.usage = usage ?? this.state.usage
      if (isError(chunk)) {
        this.state.failure = { kind: 'overloaded', message: 'error event', body: chunk }
        break
      }
      if (typeof chunk.id === 'string' && chunk.id !== '') this.state.answerId ??= chunk.id
      if (hasContent(chunk)) {
        this.state.content = true
        committedAt = start
        if (!usage && isOneLine(text) && finishOf(chunk) === undefined)
          this.alike.learn(event, textLength(chunk))
      }
      // Azure's first chunk and role chunks wait; a usage-only event before content is not for a caller who did not ask
      else if (this.o.wantsUsage || !isUsageOnly(chunk)) this.keep(event, text)
    }
    if (committedAt < 0) return undefined
    const flowing = this.flow(block.subarray(committedAt))
    const out = flowing ? [...this.held, flowing] : this.held
    this.held = []
    return joined(block, out, this.o.bytes)
  }

  /** Held back until content commits them; a host that sends comments for minutes must not fill our memory. */
  private keep(event: Uint8Array, text: string): void {
    this.heldBytes += event.length
    const shown = withoutSecrets(text, this.o.scrub)
    if (this.heldBytes <= HELD_BYTES_MAX) this.held.push(shown === text ? event : this.o.bytes.of(shown))
  }

  private flow(block: Uint8Array): Uint8Array | undefined {
    let at = this.pass(block, 0)
    if (at === block.length) return block
    const parts: Uint8Array[] = []
    let from = 0
    let isOdd: boolean | undefined
    while (at < block.length) {
      const isStrange = this.strangers >= STRANGERS_MAX
      if (isStrange) isOdd ??= this.search.isOdd(block)
      const chunk = isStrange && !isOdd ? undefined : plainChunk(block, at, this.o.bytes)
      if (chunk && isError(chunk)) {
        this.search.broke(chunk)
        return at === 0 ? undefined : joined(block, [...parts, block.subarray(from, at)], this.o.bytes)
      }
      const end = chunk ? block.indexOf(LF, at) + 2 : block.length
      const event = block.subarray(at, end)
      const shown = chunk ? this.told(event, chunk) : (this.search.through(event) ?? NOTHING)
      if (shown) {
        parts.push(block.subarray(from, at), shown)
        from = end
      }
      at = this.pass(block, end)
    }
    parts.push(block.subarray(from))
    const out = joined(block, parts, this.o.bytes)
    return out.length === 0 ? undefined : out
  }

  /** Behind the events from there on that are known. */
  private pass(block: Uint8Array, from: number): number {
    const to = this.alike.through(block, from, this.state)
    if (to > from) this.strangers = 0
    return to
  }

  /** Takes in what an event says that is like none before. What goes out in its place, none = itself. */
  private told(event: Uint8Array, chunk: Record<string, unknown>): Uint8Array | undefined {
    const { state } = this
    this.strangers++
    const said = textLength(chunk)
    state.textBytes += Math.max(1, said)
    state.contentEvents++
    const reason = this.search.finish(chunk)
    state.finishReason ??= reason
    const { usage } = state
    const shown = this.search.used(chunk, event)
    if (reason === undefined && state.usage === usage) this.alike.learn(event, said)
    return shown
  }
}

/** The chunk of an event that is one plain line; undefined = it has to be looked at more closely. */
function plainChunk(block: Uint8Array, at: number, bytes: Bytes): Record<string, unknown> | undefined {
  const lf = block.indexOf(LF, at)
  if (lf < 0 || block[lf + 1] !== LF || block[lf - 1] !== BRACE) return undefined
  for (let i = 0; i < DATA.length; i++) if (block[at + i] !== DATA[i]) return undefined
  const text = bytes.text(block.subarray(at + DATA.length, lf))
  // a bare CR ends a line too
  return text.includes('\r') ? undefined : parse(text)
}

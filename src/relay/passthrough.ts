/**
 * Reads a stream that is already in the caller's wire: bytes pass untouched, whole events at a time.
 * Before the first content every event is parsed (failing over is still possible); after it the tap only searches the
 * bytes for what matters. A quote inside a JSON string is escaped, so the raw bytes `"usage":` cannot come from text.
 */
import type { Usage } from '../terms.ts'
import { Alike } from './alike.ts'
import { BRACE, COLON, CR, LF } from './ascii.ts'
import { withoutSecrets } from './comments.ts'
import { type Edit, edited } from './edits.ts'
import { dataOf, eventStart, hasCost, isBroken, isError, isUsageOnly, namedError, parse } from './event.ts'
import { Frame } from './frame.ts'
import { endsInCr, inLf } from './line-ends.ts'
import { CRLF_CRLF, DONE, ERROR, EVENT, FINISH, LF_LF, USAGE } from './needles.ts'
import { finishOf, hasContent, newState, type ReaderOptions, type StreamReader, withCost } from './reader.ts'

const HELD_BYTES_MAX = 65_536

interface Options extends ReaderOptions {
  /** Reads usage out of a parsed chunk, wherever this host puts it. */
  readonly usageOf: (chunk: Record<string, unknown>) => Usage | undefined
  /** So many answers were asked for (`n`, times the prompts). */
  readonly choices: number
}

export function createPassthrough(options: Options): StreamReader {
  return new Passthrough(options)
}

class Passthrough implements StreamReader {
  readonly state = newState()
  private readonly o: Options
  /** Bytes after the last event boundary, in pieces: joined only when a line end arrives. */
  private rest: Uint8Array[] = []
  private restBytes = 0
  /** Events held back until content commits them. */
  private held: Uint8Array[] = []
  private heldBytes = 0
  private separator: Uint8Array = LF_LF
  private readonly frame: Frame
  private readonly alike: Alike
  /** Choices that have ended, where there are several. */
  private readonly ended = new Set<unknown>()

  constructor(options: Options) {
    this.o = options
    this.frame = new Frame(options.bytes)
    this.alike = new Alike(options.bytes.text, chunk => options.usageOf(chunk) !== undefined)
    this.state.unfinished = options.choices > 1 ? options.choices : 0
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
    if (crlf > lf) this.separator = CRLF_CRLF
    return Math.max(lf < 0 ? 0 : lf + 2, crlf < 0 ? 0 : crlf + 4)
  }

  private peek(block: Uint8Array): Uint8Array | undefined {
    let committedAt = -1
    let end = 0
    for (let start = 0; start < block.length && committedAt < 0; start = end) {
      end = this.eventEnd(block, start)
      const event = block.subarray(start, end)
      const text = this.o.bytes.text(event)
      const data = dataOf(text)
      if (data === undefined) this.keep(event, text)
      if (data === '[DONE]') this.state.done = true
      if (this.state.done) break
      const chunk = data === undefined ? undefined : (namedError(text) ?? parse(data))
      if (!chunk) continue
      this.state.usage = this.o.usageOf(chunk) ?? this.state.usage
      if (isError(chunk)) {
        this.state.failure = { kind: 'overloaded', message: 'error event', body: chunk }
        break
      }
      if (typeof chunk.id === 'string' && chunk.id !== '') this.state.answerId ??= chunk.id
      if (hasContent(chunk)) {
        this.state.content = true
        committedAt = start
      }
      // Azure's first chunk and role chunks wait; a usage-only event before content is not for a caller who did not ask
      else if (this.o.wantsUsage || !isUsageOnly(chunk)) this.keep(event, text)
    }
    if (committedAt < 0) return undefined
    const flowing = this.flow(block.subarray(committedAt))
    const out = flowing ? [...this.held, flowing] : this.held
    this.held = []
    return out.length === 1 ? out[0] : this.o.bytes.concat(out)
  }

  /** Held back until content commits them; a host that sends comments for minutes must not fill our memory. */
  private keep(event: Uint8Array, text: string): void {
    this.heldBytes += event.length
    const shown = withoutSecrets(text, this.o.scrub)
    if (this.heldBytes <= HELD_BYTES_MAX) this.held.push(shown === text ? event : this.o.bytes.of(shown))
  }

  private flow(block: Uint8Array): Uint8Array | undefined {
    const like = this.alike.through(block, this.state)
    if (like === block.length) return block
    if (like === 0) return this.searched(block)
    const before = block.subarray(0, like)
    const rest = this.searched(block.subarray(like))
    return rest ? this.o.bytes.concat([before, rest]) : before
  }

  private searched(block: Uint8Array): Uint8Array | undefined {
    const { finishReason, unfinished } = this.state
    if (finishReason === undefined || unfinished > 0) this.state.finishReason ??= this.finishIn(block)
    // cut before it is counted: the words of an error are no output that anybody pays for
    const body = this.cleaned(this.cutError(this.cutDone(block)))
    return body.length === 0 ? undefined : this.usageIn(body)
  }

  /** What stands before an error event, if there is one; it ends the answer. */
  private cutError(block: Uint8Array): Uint8Array {
    const member = this.o.bytes.find(block, ERROR)
    const said = member < 0 ? undefined : this.chunkAt(block, member)
    let chunk = said && isError(said) ? said : undefined
    let at = member
    for (let from = 0; chunk === undefined; from = at + 1) {
      at = this.o.bytes.find(block, EVENT, from)
      if (at < 0) return block
      chunk = namedError(this.eventAt(block, at))
    }
    const stated = this.o.usageOf(chunk)
    this.state.usage = stated ?? this.state.usage
    this.state.usageIsFinal = stated !== undefined
    this.state.failure = { kind: 'interrupted', message: 'error event', body: chunk }
    const [start] = this.boundsAt(block, at)
    return block.subarray(0, start)
  }

  /** First finish reason of the block; some hosts send an empty one on every event. */
  private finishIn(block: Uint8Array): string | undefined {
    let first: string | undefined
    for (const mark of FINISH) {
      let at = this.o.bytes.find(block, mark)
      while (at >= 0) {
        const chunk = this.chunkAt(block, at) ?? {}
        const reason = finishOf(chunk)
        first ??= reason
        if (reason !== undefined && this.state.unfinished === 0) return reason
        if (reason !== undefined) this.finished(chunk)
        at = this.o.bytes.find(block, mark, at + mark.length)
      }
    }
    return first
  }

  /** One of several choices has ended. */
  private finished(chunk: Record<string, unknown>): void {
    for (const { index, finish_reason } of chunk.choices as Record<string, unknown>[])
      if (finish_reason) this.ended.add(index)
    this.state.unfinished = Math.max(0, this.o.choices - this.ended.size)
  }

  /** Reads the last usage of the block; takes the usage-only event out, or adds the cost, as the caller asked. */
  private usageIn(body: Uint8Array): Uint8Array | undefined {
    const { bytes, wantsUsage, costOf } = this.o
    const at = Math.max(bytes.findLast(body, USAGE[0]), bytes.findLast(body, USAGE[1]))
    if (at < 0) return body
    const [start, end] = this.boundsAt(body, at)
    const text = bytes.text(body.subarray(start, end))
    const chunk = parse(dataOf(text) ?? '')
    if (!chunk) return body
    const usage = this.o.usageOf(chunk)
    if (usage) this.state.usage = usage
    if (!wantsUsage && isUsageOnly(chunk))
      return end - start === body.length ? undefined : edited(body, [{ start, end, bytes: undefined }], bytes)
    const cost = wantsUsage && usage && costOf ? costOf(usage) : undefined
    if (cost === undefined || hasCost(chunk)) return body
    return edited(body, [{ start, end, bytes: bytes.of(withCost(text, cost)) }], bytes)
  }

  /** `[DONE]` is kept back: it goes out after the settlement. What comes behind it is not part of the answer. */
  private cutDone(block: Uint8Array): Uint8Array {
    let at = 0
    for (;;) {
      at = this.o.bytes.find(block, DONE, at)
      if (at < 0) return block
      const [start, end] = this.boundsAt(block, at)
      if (dataOf(this.o.bytes.text(block.subarray(start, end))) === '[DONE]') {
        this.state.done = true
        return block.subarray(0, start)
      }
      at += DONE.length
    }
  }

  /**
   * Counts events and text; an event cut short inside (it does not end in `}`) is dropped, or strict clients would die of
   * it. Comments are looked at: one stands at an event's beginning, or the event has more lines than one.
   */
  private cleaned(block: Uint8Array): Uint8Array {
    const { bytes, scrub } = this.o
    let edits: Edit[] | undefined
    let start = 0
    let text = 0
    let events = 0
    while (start < block.length) {
      const lf = block.indexOf(LF, start)
      const isOneLine = block[lf + 1] === LF
      const found = isOneLine ? lf : bytes.find(block, this.separator, start)
      const end = isOneLine ? lf + 2 : found < 0 ? block.length : found + this.separator.length
      text += this.frame.textIn(block, start, end)
      events++
      const isWhole = block[found - 1] === BRACE
      if (!isWhole || lf < found || block[start] === COLON) {
        const said = bytes.text(block.subarray(start, end))
        const shown = !isWhole && isBroken(said) ? '' : withoutSecrets(said, scrub)
        if (shown !== said) {
          edits ??= []
          edits.push({ start, end, bytes: shown === '' ? undefined : bytes.of(shown) })
        }
      }
      start = end
    }
    this.state.textBytes += text
    this.state.contentEvents += events
    return edits ? edited(block, edits, bytes) : block
  }

  private chunkAt(block: Uint8Array, at: number): Record<string, unknown> | undefined {
    return parse(dataOf(this.eventAt(block, at)) ?? '')
  }

  private eventAt(block: Uint8Array, at: number): string {
    const [start, end] = this.boundsAt(block, at)
    return this.o.bytes.text(block.subarray(start, end))
  }

  private eventEnd(block: Uint8Array, at: number): number {
    const found = this.o.bytes.find(block, this.separator, at)
    return found < 0 ? block.length : found + this.separator.length
  }

  private boundsAt(block: Uint8Array, at: number): [number, number] {
    return [eventStart(block, at), this.eventEnd(block, at)]
  }
}

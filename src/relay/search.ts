/**
 * Reads events by searching their bytes for what matters, and what one that was found says. Part of the passthrough. A quote
 * inside a JSON string is escaped, so the raw bytes `"usage":` cannot come from text.
 */
import type { Usage } from '../terms.ts'
import { BRACE, COLON, LF } from './ascii.ts'
import { withoutSecrets } from './comments.ts'
import { type Edit, edited } from './edits.ts'
import { dataOf, eventStart, hasCost, isBroken, isError, isUsageOnly, namedError, parse } from './event.ts'
import { Frame } from './frame.ts'
import { DONE, ERROR, ESCAPED, EVENT, FINISH, LF_LF, ODD, USAGE } from './needles.ts'
import { finishOf, type ReaderOptions, type StreamState, withCost } from './reader.ts'

export interface PassOptions extends ReaderOptions {
  /** Reads usage out of a parsed chunk, wherever this host puts it. */
  readonly usageOf: (chunk: Record<string, unknown>) => Usage | undefined
  /** So many answers were asked for (`n`, times the prompts). */
  readonly choices: number
}

/** That event alone, with CRLF or without the space: it goes out as it came. */
const ODD_DONE = /^data: ?\[DONE\]\r\n\r\n$|^data:\[DONE\]\n\n$/

const TWO = 0x32
const SEVEN = 0x37

/** Stands where an event is taken out. */
export const NOTHING = new Uint8Array(0)

export class Search {
  /** What stands between events here. */
  separator: Uint8Array = LF_LF
  private readonly o: PassOptions
  private readonly state: StreamState
  private readonly frame: Frame
  /** Choices that have ended, where there are several. */
  private ended: Set<unknown> | undefined

  constructor(options: PassOptions, state: StreamState) {
    this.o = options
    this.state = state
    this.frame = new Frame(options.bytes)
  }

  /** What of the block may go to the caller. What it says is in the state. */
  through(block: Uint8Array): Uint8Array | undefined {
    // cut before it is read: what follows an end is no answer, and the words of an error nobody pays for
    const answer = this.cutError(this.cutDone(block))
    if (answer.length === 0) return undefined
    const { finishReason, unfinished } = this.state
    if (finishReason === undefined || unfinished > 0) this.state.finishReason ??= this.finishIn(answer)
    const body = this.cleaned(answer)
    return body.length === 0 ? undefined : this.usageIn(body)
  }

  /** Is it written as nobody writes JSON? Then its events have to be parsed. */
  isOdd(block: Uint8Array): boolean {
    const { find } = this.o.bytes
    if (ODD.some(mark => find(block, mark) >= 0)) return true
    for (let at = find(block, ESCAPED); at >= 0; at = find(block, ESCAPED, at + 1)) {
      const digit = block[at + ESCAPED.length] ?? 0
      if (digit >= TWO && digit <= SEVEN) return true
    }
    return false
  }

  /** How the chunk says that its choice has ended; notes which of several did. */
  finish(chunk: Record<string, unknown>): string | undefined {
    const reason = finishOf(chunk)
    if (reason !== undefined && this.state.unfinished > 0) this.finished(chunk)
    return reason
  }

  /** The chunk is an error that ends the answer. */
  broke(chunk: Record<string, unknown>): void {
    const stated = this.o.usageOf(chunk)
    this.state.usage = stated ?? this.state.usage
    this.state.usageIsFinal = stated !== undefined
    this.state.failure = { kind: 'interrupted', message: 'error event', body: chunk }
  }

  /** Notes the usage of an event's chunk. What goes out in the event's place, none = itself. */
  used(chunk: Record<string, unknown>, event: Uint8Array): Uint8Array | undefined {
    const { bytes, wantsUsage, costOf } = this.o
    const usage = this.o.usageOf(chunk)
    if (usage) this.state.usage = usage
    if (!wantsUsage && isUsageOnly(chunk)) return NOTHING
    if (!wantsUsage || !costOf) return undefined
    const cost = usage && costOf(usage, this.state)
    if (cost === undefined && !hasCost(chunk)) return undefined
    return bytes.of(withCost(bytes.text(event), cost, 1, usage?.reportedCostNanoUsd))
  }

  /** Where the event ends that the offset is in. */
  eventEnd(block: Uint8Array, at: number): number {
    const found = this.o.bytes.find(block, this.separator, at)
    return found < 0 ? block.length : found + this.separator.length
  }

  /** What stands before an error event, if there is one; it ends the answer. */
  private cutError(block: Uint8Array): Uint8Array {
    const says = (at: number) => this.chunkAt(block, at)
    const found =
      this.firstAt(block, ERROR, at => errorOf(says(at))) ??
      this.firstAt(block, EVENT, at => namedError(this.eventAt(block, at))) ??
      (this.isOdd(block) ? this.firstError(block) : undefined)
    if (found === undefined) return block
    this.broke(found.chunk)
    const [start] = this.boundsAt(block, found.at)
    return block.subarray(0, start)
  }

  /** The first place of the mark where there is one. */
  private firstAt(
    block: Uint8Array,
    mark: Uint8Array,
    chunkAt: (at: number) => Record<string, unknown> | undefined,
  ): { readonly at: number; readonly chunk: Record<string, unknown> } | undefined {
    for (let at = this.o.bytes.find(block, mark); at >= 0; at = this.o.bytes.find(block, mark, at + 1)) {
      const chunk = chunkAt(at)
      if (chunk) return { at, chunk }
    }
    return undefined
  }

  /** The same, where names cannot be searched for. */
  private firstError(block: Uint8Array) {
    for (let at = 0; at < block.length; at = this.eventEnd(block, at)) {
      const chunk = errorOf(this.chunkAt(block, at))
      if (chunk) return { at, chunk }
    }
    return undefined
  }

  /** First finish reason of the block; some hosts send an empty one on every event. */
  private finishIn(block: Uint8Array): string | undefined {
    let first: string | undefined
    for (const mark of FINISH) {
      let at = this.o.bytes.find(block, mark)
      while (at >= 0) {
        const isOne = this.state.unfinished === 0
        const reason = this.finish(this.chunkAt(block, at) ?? {})
        first ??= reason
        if (reason !== undefined && isOne) return reason
        at = this.o.bytes.find(block, mark, at + mark.length)
      }
    }
    return first
  }

  /** One of several choices has ended. */
  private finished(chunk: Record<string, unknown>): void {
    this.ended ??= new Set()
    for (const choice of chunk.choices as (Record<string, unknown> | null)[])
      if (choice?.finish_reason) this.ended.add(choice.index)
    this.state.unfinished = Math.max(0, this.o.choices - this.ended.size)
  }

  /** Reads each usage of the block; takes usage-only events out, or adds the cost, as the caller asked. */
  private usageIn(body: Uint8Array): Uint8Array | undefined {
    const { bytes } = this.o
    let edits: Edit[] | undefined
    for (let at = this.usageFrom(body, 0); at >= 0; ) {
      const [start, end] = this.boundsAt(body, at)
      const event = body.subarray(start, end)
      const chunk = parse(dataOf(bytes.text(event)) ?? '')
      const shown = chunk && this.used(chunk, event)
      if (shown) {
        edits ??= []
        edits.push({ start, end, bytes: shown })
      }
      at = this.usageFrom(body, end)
    }
    if (edits === undefined) return body
    const out = edited(body, edits, bytes)
    return out.length === 0 ? undefined : out
  }

  private usageFrom(body: Uint8Array, from: number): number {
    const [tight = -1, wide = -1] = USAGE.map(mark => this.o.bytes.find(body, mark, from))
    return tight < 0 || wide < 0 ? Math.max(tight, wide) : Math.min(tight, wide)
  }

  /** `[DONE]` is kept back: it goes out after the settlement. What comes behind it is not part of the answer. */
  private cutDone(block: Uint8Array): Uint8Array {
    let at = 0
    for (;;) {
      at = this.o.bytes.find(block, DONE, at)
      if (at < 0) return block
      const [start, end] = this.boundsAt(block, at)
      const text = this.o.bytes.text(block.subarray(start, end))
      if (dataOf(text) === '[DONE]') {
        this.state.done = true
        if (ODD_DONE.test(text)) this.state.terminator = text
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
      const isOneLine = lf >= 0 && block[lf + 1] === LF
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

  private boundsAt(block: Uint8Array, at: number): [number, number] {
    return [eventStart(block, at), this.eventEnd(block, at)]
  }
}

const errorOf = (chunk: Record<string, unknown> | undefined): Record<string, unknown> | undefined =>
  chunk && isError(chunk) ? chunk : undefined

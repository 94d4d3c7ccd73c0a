/** In front of a stream's reader, for hosts with known faults: events pass a repair, and those it leaves alone stay byte for byte. */
import type { Repair } from '../../providers/provider.ts'
import type { Bytes } from '../deps.ts'
import { parseAnswer } from '../wire/raw-json.ts'
import { CR, LF } from './ascii.ts'
import { dataOf, parse } from './event.ts'
import { endsInCr, inLf } from './line-ends.ts'
import type { StreamReader } from './reader.ts'

export function createRepaired(
  reader: StreamReader,
  repair: Repair,
  options: { readonly bytes: Bytes; readonly eventBytesMax: number },
): StreamReader {
  return new Repaired(reader, repair, options.bytes, options.eventBytesMax)
}

class Repaired implements StreamReader {
  readonly state: StreamReader['state']
  private readonly reader: StreamReader
  private readonly repair: Repair
  private readonly bytes: Bytes
  private readonly eventBytesMax: number
  /** Bytes after the last whole event, in pieces. */
  private rest: Uint8Array[] = []
  private restBytes = 0
  private over = false

  constructor(reader: StreamReader, repair: Repair, bytes: Bytes, eventBytesMax: number) {
    this.state = reader.state
    this.reader = reader
    this.repair = repair
    this.bytes = bytes
    this.eventBytesMax = eventBytesMax
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    if (this.state.done || this.state.failure) return undefined
    this.rest.push(chunk)
    this.restBytes += chunk.length
    if (chunk.indexOf(LF) < 0) return this.wait(chunk)
    const block = this.rest.length === 1 ? chunk : this.bytes.concat(this.rest)
    const out: Uint8Array[] = []
    let start = 0
    for (let end = eventEnd(block, 0); end >= 0; end = eventEnd(block, start)) {
      this.event(block.subarray(start, end), out)
      start = end
    }
    this.rest = start < block.length ? [block.subarray(start)] : []
    this.restBytes = block.length - start
    this.guard()
    return out.length === 0 ? undefined : this.reader.push(this.bytes.concat(out))
  }

  end(): Uint8Array | undefined {
    const out: Uint8Array[] = []
    // a last event without its blank line is still an event
    if (this.rest.length > 0) this.event(this.bytes.concat([...this.rest, new Uint8Array([LF, LF])]), out)
    this.rest = []
    this.finish(out, false)
    const parts: Uint8Array[] = []
    const take = (bytes: Uint8Array | undefined) => void (bytes && parts.push(bytes))
    if (out.length > 0) take(this.reader.push(this.bytes.concat(out)))
    take(this.reader.end())
    return parts.length === 0 ? undefined : this.bytes.concat(parts)
  }

  /** No line has ended, unless lines end in a bare CR here. */
  private wait(chunk: Uint8Array): Uint8Array | undefined {
    const block = chunk.indexOf(CR) < 0 ? undefined : this.bytes.concat(this.rest)
    if (!block || !endsInCr(block)) return this.guard()
    this.rest = []
    this.restBytes = 0
    return inLf(this)(block)
  }

  private guard(): undefined {
    if (this.restBytes > this.eventBytesMax && !this.state.failure)
      this.state.failure = { kind: 'oversized', message: 'an event was too large' }
    return undefined
  }

  private event(event: Uint8Array, out: Uint8Array[]): void {
    const data = dataOf(this.bytes.text(event))
    if (data === '[DONE]') this.finish(out, true)
    const chunk = data === undefined ? undefined : parse(data, parseAnswer)
    out.push((chunk && this.mended(chunk)) ?? event)
  }

  /** Undefined = the event goes on as it came: nothing is wrong, or it is nested so deep that it cannot be written again. */
  private mended(chunk: Record<string, unknown>): Uint8Array | undefined {
    try {
      const chunks = this.repair.chunk(chunk)
      return chunks && this.written(chunks)
    } catch {
      return undefined
    }
  }

  /** What the repair still owes goes before the end, once. */
  private finish(out: Uint8Array[], complete: boolean): void {
    if (this.over) return
    this.over = true
    const owed = this.repair.end(complete)
    if (owed.length > 0) out.push(this.written(owed))
  }

  private written(chunks: readonly object[]): Uint8Array {
    return this.bytes.of(chunks.map(chunk => `data: ${JSON.stringify(chunk)}\n\n`).join(''))
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

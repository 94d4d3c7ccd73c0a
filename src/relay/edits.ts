/** What the relay changes in bytes that pass: events that go, and events that go out in other words. */
import type { Bytes } from '../deps.ts'

/** From `start` to before `end`; `bytes` stand there instead, undefined = nothing does. */
export interface Edit {
  readonly start: number
  readonly end: number
  readonly bytes: Uint8Array | undefined
}

/** The block with these edits, which stand in their order. */
export function edited(block: Uint8Array, edits: readonly Edit[], port: Bytes): Uint8Array {
  const parts: Uint8Array[] = []
  let from = 0
  for (const { start, end, bytes } of edits) {
    parts.push(block.subarray(from, start))
    if (bytes) parts.push(bytes)
    from = end
  }
  parts.push(block.subarray(from))
  return joined(block, parts, port)
}

/** These parts as one. Where they stand one behind the other in the block already, as most do, nothing is copied. */
export function joined(block: Uint8Array, parts: readonly Uint8Array[], port: Bytes): Uint8Array {
  let from = -1
  let to = -1
  for (const part of parts) {
    if (part.length === 0) continue
    const at = part.byteOffset - block.byteOffset
    if (from < 0) from = to = at
    if (part.buffer !== block.buffer || at !== to || at < 0) return port.concat(parts)
    to = at + part.length
  }
  return to <= block.length ? block.subarray(Math.max(from, 0), Math.max(to, 0)) : port.concat(parts)
}

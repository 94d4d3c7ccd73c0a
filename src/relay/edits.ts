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
  return port.concat(parts)
}

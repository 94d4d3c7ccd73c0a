/** A chunk of an HTTP/1.1 body in the bytes of one read, for the reader of answers. RFC 9112, section 7.1. */
import type { Buffer } from 'node:buffer'

const CR = 13
const LF = 10
/** 13 hexadecimal digits are the last that a double holds exactly. */
export const SIZE_DIGITS_MAX = 13

/** The digit that a byte is; -1 = none. */
export const HEX = new Int8Array(256).fill(-1)
for (const digit of '0123456789abcdefABCDEF') HEX[digit.charCodeAt(0)] = Number.parseInt(digit, 16)

/** Behind the content of the chunk that `wholeChunk` found last. */
export let contentEnd = 0

/** Where the content of the chunk at `at` begins, if all of it has come and its framing is the plainest; else -1. */
export function wholeChunk(bytes: Buffer, at: number): number {
  let size = 0
  let i = at
  for (; i < bytes.length; i++) {
    const digit = HEX[bytes[i] as number] as number
    if (digit < 0) break
    size = size * 16 + digit
  }
  const begin = i + 2
  const end = begin + size
  if (size === 0 || i - at > SIZE_DIGITS_MAX || end + 2 > bytes.length) return -1
  if (bytes[i] !== CR || bytes[i + 1] !== LF || bytes[end] !== CR || bytes[end + 1] !== LF) return -1
  contentEnd = end
  return begin
}

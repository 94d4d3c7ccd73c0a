/** The Bytes port in plain JavaScript, for runtimes without Buffer. Same results as `runtime/node/bytes.ts`. */
import type { Bytes } from '../deps.ts'

// A byte order mark is data here: Buffer keeps it, so this does too.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const strict = new TextDecoder('utf-8', { fatal: true })
const encoder = new TextEncoder()

function matchesAt(hay: Uint8Array, needle: Uint8Array, at: number): boolean {
  for (let i = 1; i < needle.length; i++) if (hay[at + i] !== needle[i]) return false
  return true
}

/** `Bytes` for any runtime; an empty needle is found where the search starts. */
export const portableBytes: Bytes = {
  find(hay, needle, from = 0) {
    const first = needle[0]
    if (first === undefined) return Math.min(from, hay.length)
    const end = hay.length - needle.length
    for (let at = hay.indexOf(first, from); at >= 0 && at <= end; at = hay.indexOf(first, at + 1))
      if (matchesAt(hay, needle, at)) return at
    return -1
  },
  findLast(hay, needle) {
    const first = needle[0]
    if (first === undefined) return hay.length
    const end = hay.length - needle.length
    if (end < 0) return -1
    for (let at = hay.lastIndexOf(first, end); at >= 0; at = at === 0 ? -1 : hay.lastIndexOf(first, at - 1))
      if (matchesAt(hay, needle, at)) return at
    return -1
  },
  concat(parts) {
    let length = 0
    for (const part of parts) length += part.length
    const whole = new Uint8Array(length)
    let at = 0
    for (const part of parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  },
  isUtf8(bytes) {
    try {
      strict.decode(bytes)
      return true
    } catch {
      return false
    }
  },
  text: bytes => decoder.decode(bytes),
  of: text => encoder.encode(text),
}

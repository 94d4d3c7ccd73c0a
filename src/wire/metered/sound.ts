/** How long an uploaded sound lasts, without decoding it: exact for PCM in WAV, else between bounds by its size. */

/** The thinnest speech that codecs make (Opus and AMR at 5 kbit/s): no sound of this size lasts longer. */
const BYTES_PER_SECOND_LEAST = 625
/** Speech as people send it, 32 kbit/s: for what must be guessed. */
const BYTES_PER_SECOND_LIKELY = 4_000
const CHUNKS_MAX = 64
const PCM = new Set([1, 3])

export interface Duration {
  /** Seconds; never too low. */
  readonly bound: number
  readonly likely: number
}

const isAscii = (bytes: Uint8Array, at: number, text: string): boolean =>
  [...text].every((char, i) => bytes[at + i] === char.charCodeAt(0))

/** Seconds of a RIFF/WAVE file with PCM in it, by sample rate and block size; undefined = something else. */
function wavSeconds(bytes: Uint8Array): number | undefined {
  if (bytes.length < 44 || !isAscii(bytes, 0, 'RIFF') || !isAscii(bytes, 8, 'WAVE')) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let bytesPerSecond = 0
  for (let at = 12, i = 0; at + 8 <= bytes.length && i < CHUNKS_MAX; i++) {
    const size = view.getUint32(at + 4, true)
    if (isAscii(bytes, at, 'fmt ') && at + 24 <= bytes.length) {
      if (!PCM.has(view.getUint16(at + 8, true))) return undefined
      bytesPerSecond = view.getUint32(at + 12, true) * view.getUint16(at + 20, true)
    }
    // a size that says less than there is may not be believed
    if (isAscii(bytes, at, 'data'))
      return bytesPerSecond > 0 ? (bytes.length - at - 8) / bytesPerSecond : undefined
    at += 8 + size + (size % 2)
  }
  return undefined
}

export function durationOf(bytes: Uint8Array): Duration {
  const exact = wavSeconds(bytes)
  const bound = bytes.length / BYTES_PER_SECOND_LEAST
  if (exact !== undefined && exact <= bound) return { bound: Math.ceil(exact), likely: Math.ceil(exact) }
  return { bound: Math.ceil(bound), likely: Math.ceil(bytes.length / BYTES_PER_SECOND_LIKELY) }
}

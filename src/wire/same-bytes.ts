/** Compares bytes with a sample's, many at a time. For events and answers that are known by an earlier one. */

const WORD = 8

/** For reading several bytes at once. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/**
 * Do the sample's bytes `from` to `to` stand at `at`? Eight at a time, as doubles: byte by byte takes longer than all else
 * that is done with such bytes. Equal doubles are equal bytes but for 0 and -0, and a sample, which is JSON, has no byte 0;
 * what is NaN is not equal.
 */
export function sameBytes(sample: DataView, from: number, to: number, view: DataView, at: number): boolean {
  if (at + to - from > view.byteLength) return false
  const last = to - WORD
  // shorter than a word is what stands between two strings, if anything
  if (last < from) {
    for (let i = from, j = at; i < to; i++, j++) if (sample.getUint8(i) !== view.getUint8(j)) return false
    return true
  }
  for (let i = from, j = at; i < last; i += WORD, j += WORD)
    if (sample.getFloat64(i, true) !== view.getFloat64(j, true)) return false
  // the last one overlaps
  return sample.getFloat64(last, true) === view.getFloat64(at + last - from, true)
}

/** The tokens of a byte-level vocabulary by their bytes: a hash table in typed arrays, 5 MB for 200,000 tokens. Used by the tokenizer. */

/** Vocabularies that are not at hand: Mistral's since Nemo (131,072 tokens), and Gemma 3's, which Gemini's counts are (o200k_base.md). */
export type Elsewhere = 'tekken' | 'gemma'

export interface Vocabulary {
  /** Bytes of the longest token. */
  readonly longest: number
  /** By rank: into how many tokens another vocabulary cuts this one; where that is not known, a token for each byte. */
  costs(vocabulary: Elsewhere): Uint8Array
  /** Rank of the token that has exactly these bytes; -1 = there is none. */
  rank(bytes: Uint8Array, from: number, to: number): number
}

/** Where a byte of the costs has each, four bits wide; the largest says that it is as many as there are bytes, or fewer. */
const SHIFTS: Readonly<Record<Elsewhere, number>> = { tekken: 0, gemma: 4 }
const COST_MAX = 15

/** Slots for each token: probes stay short. */
const ROOM = 2

/**
 * Reads `data`: how many tokens there are (4 bytes, little-endian), the length of each (a byte) in order of rank, then
 * their bytes; after them, if at all, a byte of costs for each. Throws when that does not add up.
 */
export function readVocabulary(data: Uint8Array): Vocabulary {
  const size = data.length < 4 ? 0 : new DataView(data.buffer, data.byteOffset).getUint32(0, true)
  const starts = new Uint32Array(size + 1)
  let at = 4 + size
  let longest = 0
  for (let rank = 0; rank < size; rank++) {
    starts[rank] = at
    const length = data[4 + rank] ?? 0
    at += length
    if (length > longest) longest = length
  }
  starts[size] = at
  const costs = data.subarray(at)
  if (size === 0 || at > data.length || (costs.length > 0 && costs.length !== size))
    throw new Error('The data of the tokenizer are damaged.')

  const mask = 2 ** Math.ceil(Math.log2(size * ROOM)) - 1
  const slots = new Int32Array(mask + 1).fill(-1)
  for (let rank = 0; rank < size; rank++) {
    let slot = hashOf(data, starts[rank] ?? 0, starts[rank + 1] ?? 0) & mask
    while (slots[slot] !== -1) slot = (slot + 1) & mask
    slots[slot] = rank
  }

  function rank(bytes: Uint8Array, from: number, to: number): number {
    const length = to - from
    if (length > longest) return -1
    let slot = hashOf(bytes, from, to) & mask
    for (;;) {
      const found = slots[slot] ?? -1
      if (found === -1) return -1
      const start = starts[found] ?? 0
      if ((starts[found + 1] ?? 0) - start === length) {
        let same = 0
        while (same < length && data[start + same] === bytes[from + same]) same++
        if (same === length) return found
      }
      slot = (slot + 1) & mask
    }
  }

  const made = new Map<Elsewhere, Uint8Array>()
  function costsIn(vocabulary: Elsewhere): Uint8Array {
    let found = made.get(vocabulary)
    if (found === undefined) {
      found = new Uint8Array(size)
      for (let of = 0; of < size; of++) {
        const cost = ((costs[of] ?? 0xff) >> SHIFTS[vocabulary]) & COST_MAX
        found[of] = cost < COST_MAX ? cost : (data[4 + of] ?? 0)
      }
      made.set(vocabulary, found)
    }
    return found
  }
  return { longest, rank, costs: costsIn }
}

/** FNV-1a, with its high bits folded into the low ones that pick the slot. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ (bytes[at] ?? 0), 0x01000193)
  return (hash ^ (hash >>> 15)) >>> 0
}

/**
 * Byte-pair merging of one piece: the pair of the lowest rank first, the leftmost of equals, until none is left. With a
 * heap, so that a megabyte of one letter takes a second and not a day. Used by the tokenizer.
 */
import type { Vocabulary } from './vocabulary.ts'

/** Heap keys are rank · 2³² + offset: ordered as the merges are, and exact in a double. */
const OFFSETS = 2 ** 32
/** Pieces up to this many bytes share their arrays. */
const SHARED_BYTES = 1_024

interface Room {
  /** Offset of the next part; of the one before. */
  readonly next: Int32Array
  readonly before: Int32Array
  /** Rank of a part joined with the next; -1 = they do not join. */
  readonly joined: Int32Array
  readonly heap: Float64Array
}

/** Every byte is pushed once, and every merge pushes two pairs. */
const roomFor = (bytes: number): Room => ({
  next: new Int32Array(bytes + 1),
  before: new Int32Array(bytes + 1),
  joined: new Int32Array(bytes + 1),
  heap: new Float64Array(3 * bytes),
})
const shared = roomFor(SHARED_BYTES)

/** Splits `bytes[from, to)` into tokens and tells the end of each, in order, if it is asked to. Returns how many there are. */
export function merge(
  bytes: Uint8Array,
  from: number,
  to: number,
  vocabulary: Vocabulary,
  tell?: (start: number, end: number) => void,
): number {
  const length = to - from
  const room = length <= SHARED_BYTES ? shared : roomFor(length)
  const { next, before, joined, heap } = room
  for (let at = 0; at <= length; at++) {
    next[at] = at + 1
    before[at] = at - 1
  }

  /** Looks a part and the next up together, and pushes them if they join. */
  function weigh(at: number, size: number): number {
    const second = next[at] ?? length
    const rank = second < length ? vocabulary.rank(bytes, from + at, from + (next[second] ?? 0)) : -1
    joined[at] = rank
    return rank < 0 ? size : push(heap, size, rank * OFFSETS + at)
  }

  let size = 0
  for (let at = 0; at < length; at++) size = weigh(at, size)
  let parts = length
  while (size > 0) {
    const key = heap[0] ?? 0
    size = dropFirst(heap, size)
    const at = key % OFFSETS
    // a pair that has changed since it was pushed is in the heap again as what it has become
    if (joined[at] !== (key - at) / OFFSETS) continue
    const gone = next[at] ?? length
    const after = next[gone] ?? length
    joined[gone] = -1
    next[at] = after
    before[after] = at
    parts--
    size = weigh(at, size)
    const previous = before[at] ?? -1
    if (previous >= 0) size = weigh(previous, size)
  }
  if (tell)
    for (let at = 0; at < length; at = next[at] ?? length) tell(from + at, from + (next[at] ?? length))
  return parts
}

function push(heap: Float64Array, size: number, key: number): number {
  let at = size
  while (at > 0) {
    const parent = (at - 1) >> 1
    const above = heap[parent] ?? 0
    if (above <= key) break
    heap[at] = above
    at = parent
  }
  heap[at] = key
  return size + 1
}

function dropFirst(heap: Float64Array, size: number): number {
  const last = size - 1
  const key = heap[last] ?? 0
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= last) break
    if (child + 1 < last && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++
    const below = heap[child] ?? 0
    if (below >= key) break
    heap[at] = below
    at = child
  }
  heap[at] = key
  return last
}

/** The simulator's clock: what is due, in order of time, in a binary heap. Equal times keep the order they were given in. */

export interface Timetable {
  /** Simulated ms since the beginning. */
  readonly nowMs: number
  at(atMs: number, run: () => void): void
  /** Runs everything due until then; the clock stands at `untilMs` afterwards. */
  runUntil(untilMs: number): void
}

interface Entry {
  readonly atMs: number
  readonly order: number
  readonly run: () => void
}

const isBefore = (a: Entry, b: Entry) => (a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs)

export function createTimetable(): Timetable {
  const heap: Entry[] = []
  let nowMs = 0
  let order = 0
  const push = (entry: Entry) => {
    let at = heap.push(entry) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || !isBefore(entry, parent)) break
      heap[at] = parent
      at = above
    }
    heap[at] = entry
  }
  const sink = (entry: Entry) => {
    let at = 0
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]]
      if (left === undefined) break
      const isRight = right !== undefined && isBefore(right, left)
      const child = isRight ? right : left
      if (!isBefore(child, entry)) break
      heap[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    heap[at] = entry
  }
  const pop = (): Entry | undefined => {
    const top = heap[0]
    const last = heap.pop()
    if (last !== undefined && heap.length > 0) sink(last)
    return top
  }
  return {
    get nowMs() {
      return nowMs
    },
    at(atMs, run) {
      push({ atMs, order: order++, run })
    },
    runUntil(untilMs) {
      for (let next = heap[0]; next !== undefined && next.atMs <= untilMs; next = heap[0]) {
        pop()
        nowMs = next.atMs
        next.run()
      }
      if (Number.isFinite(untilMs)) nowMs = untilMs
    },
  }
}

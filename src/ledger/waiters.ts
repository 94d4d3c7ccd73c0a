/** Requests that wait for money of their lineage, held by others or about to be granted. Used by the ledger's `freed`. */

export interface Waiters {
  /** Resolves at the next `wake` of this lineage, or after `withinMs`. */
  wait(lineage: string, withinMs: number): Promise<void>
  wake(lineage: string): void
  /** A limit was changed: everybody looks again. */
  wakeAll(): void
}

export function createWaiters(): Waiters {
  const byLineage = new Map<string, Set<() => void>>()
  const wake = (lineage: string) => {
    const waiting = byLineage.get(lineage)
    if (waiting !== undefined) for (const done of [...waiting]) done()
  }
  return {
    wait(lineage, withinMs) {
      return new Promise(resolve => {
        const waiting = byLineage.get(lineage) ?? new Set()
        byLineage.set(lineage, waiting)
        const done = () => {
          clearTimeout(timer)
          waiting.delete(done)
          if (waiting.size === 0) byLineage.delete(lineage)
          resolve()
        }
        const timer = setTimeout(done, Math.max(0, withinMs))
        waiting.add(done)
      })
    },
    wake,
    wakeAll() {
      for (const lineage of [...byLineage.keys()]) wake(lineage)
    },
  }
}

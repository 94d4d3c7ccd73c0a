/** Requests that wait for held money of their lineage to come back. Used by the ledger's `freed`. */

export interface Waiters {
  /** Resolves at the next `wake` of this lineage, or after `withinMs`. */
  wait(lineage: string, withinMs: number): Promise<void>
  wake(lineage: string): void
}

export function createWaiters(): Waiters {
  const byLineage = new Map<string, Set<() => void>>()
  return {
    wait(lineage, withinMs) {
      return new Promise(resolve => {
        const waiting = byLineage.get(lineage) ?? new Set()
        byLineage.set(lineage, waiting)
        const done = () => {
          clearTimeout(timer)
          waiting.delete(done)
          if (waiting.size === 0 && byLineage.get(lineage) === waiting) byLineage.delete(lineage)
          resolve()
        }
        const timer = setTimeout(done, Math.max(0, withinMs))
        waiting.add(done)
      })
    },
    wake(lineage) {
      const waiting = byLineage.get(lineage)
      if (waiting !== undefined) for (const done of [...waiting]) done()
    },
  }
}

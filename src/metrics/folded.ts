/** The store as it was, and what is folded into it counted: the one place where every row of the ledger goes by. */
import type { Store } from '../store/store.ts'
import type { AttemptRow } from '../terms.ts'

export type Folded = (rows: readonly AttemptRow[], tookMs: number) => void

/** `store` with `folded` told of every batch that it took, and of none that it refused. */
export function withCounts(store: Store, monotonic: () => number, folded: Folded): Store {
  return {
    ...store,
    fold(rows, buckets, detail) {
      const sinceMs = monotonic()
      const tell = () => folded(rows, monotonic() - sinceMs)
      const done = store.fold(rows, buckets, detail)
      if (done === undefined) return tell()
      return done.then(tell)
    },
  }
}

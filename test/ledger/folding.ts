/** A folder whose store can be watched, stopped and broken, for the tests of fold.ts. Time is played. */
import { vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createFolder, type Folder, type Settled } from '../../src/ledger/fold.ts'
import { settlement } from '../../src/ledger/journal.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { keyOf, rowOf } from './parts.ts'

export const key = keyOf()
export const BUCKETS = [{ window: 'total', bucketStartMs: 0 }] as const

/** A folder over a store in memory; `broken` is thrown by its writes, `poison` alone is refused. */
export function rig(options: { isChecked?: boolean; poison?: string; monotonic?: () => number } = {}) {
  const store = createMemoryStore()
  const state = { broken: undefined as unknown, gate: undefined as Promise<void> | undefined }
  const batches: { atMs: number; ids: string[]; details: (string | undefined)[] }[] = []
  const calls: string[] = []
  const folded: string[] = []
  const log: [string, string, LogFields | undefined][] = []
  let emptied = 0
  const startMs = Date.now()
  const watched: Store = {
    ...store,
    async commit(ops) {
      calls.push(`commit ${ops.map(op => ('name' in op ? op.name : op.op)).join(' ')}`)
      await state.gate
      if (state.broken !== undefined) throw state.broken
      await store.commit(ops)
    },
    async ping() {
      calls.push('ping')
      if (state.broken !== undefined) throw state.broken
    },
    async fold(rows, bucketsOf, detailOf) {
      const ids = rows.map(row => row.id)
      calls.push('fold')
      batches.push({ atMs: Date.now() - startMs, ids, details: rows.map(row => detailOf?.(row)) })
      await state.gate
      if (state.broken !== undefined) throw state.broken
      if (options.poison && ids.includes(options.poison)) throw new Error('no such row')
      await store.fold(rows, bucketsOf)
    },
  }
  const folder = createFolder({
    store: watched,
    log: (level, event, fields) => void log.push([level, event, fields]),
    onEmpty: () => void emptied++,
    onFolded: part => void folded.push(...part.map(({ row }) => row.id)),
    monotonic: options.monotonic ?? (() => Date.now()),
    isChecked: options.isChecked ?? false,
  })
  return { store, state, folder, batches, calls, folded, log, emptied: () => emptied }
}

export const one = (n: number, changes = {}): Settled =>
  settlement(rowOf({ attemptId: `r${n}.1`, key }, { costNanoUsd: 10, ...changes }), BUCKETS)
export const addTo = (folder: Folder, count: number, from = 0) => {
  for (let n = from; n < from + count; n++) folder.add(one(n))
}
export const spent = async (store: Store) => (await store.buckets(0))[0]?.spentNanoUsd ?? 0
export const later = (ms: number) => vi.advanceTimersByTimeAsync(ms)

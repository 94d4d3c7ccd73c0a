/** Runs the ledger's contract over real SQLite with real journal files, and over memory. */
import { join } from 'node:path'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { describeLedger } from '../contract/ledger.ts'
import { createFolderFor, createTestLog } from './parts.ts'

describeLedger('memory', () => {
  const store = createMemoryStore()
  const lines: string[] = []
  return {
    store: () => store,
    journal: () => createMemoryJournal(lines),
    clean() {},
  }
})

describeLedger('SQLite and journal files', () => {
  const cleanups: (() => void)[] = []
  const folder = createFolderFor(cleanups)
  const stores: Store[] = []
  return {
    store() {
      const store = openSqlite(join(folder, 'switchgate.db'))
      stores.push(store)
      return store
    },
    journal: () => openJournal(join(folder, 'journal'), createTestLog()),
    async clean() {
      for (const store of stores) await store.close()
      for (const cleanup of cleanups) cleanup()
    },
  }
})

/** Runs the contract of shared ledgers over real SQLite, each process with a connection and a journal of its own, and over memory. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { describeShared, describeSlices } from '../contract/shared.ts'
import { createFolderFor, createTestLog } from './parts.ts'

const cleanups: (() => void)[] = []
const opened: Store[] = []
afterAll(async () => {
  for (const store of opened) await store.close()
  for (const cleanup of cleanups) cleanup()
})

describeSlices('memory', createMemoryStore)
describeSlices('SQLite', () => {
  const store = openSqlite(join(createFolderFor(cleanups), 'switchgate.db'))
  opened.push(store)
  return store
})

describeShared('memory', () => {
  const store = createMemoryStore()
  const lines = new Map<string, string[]>()
  return {
    store: () => store,
    journal(holder) {
      const mine = lines.get(holder) ?? []
      lines.set(holder, mine)
      return createMemoryJournal(mine)
    },
    clean() {},
  }
})

describeShared('SQLite and journal files', () => {
  const folder = createFolderFor(cleanups)
  const stores: Store[] = []
  return {
    store() {
      const store = openSqlite(join(folder, 'switchgate.db'))
      stores.push(store)
      return store
    },
    journal: holder => openJournal(join(folder, `journal-${holder}`), createTestLog()),
    async clean() {
      for (const store of stores) await store.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
})

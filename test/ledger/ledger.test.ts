/** Runs the ledger's contract over real SQLite with real journal files, and over memory. */
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { describeLedger } from '../contract/ledger.ts'
import { createFolderFor, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'

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

it('without a journal durable means: in the store', async () => {
  const store = createMemoryStore()
  let down = false
  const ledger = createLedger({
    store: {
      ...store,
      async fold(rows, buckets) {
        if (down) throw new Error('no database')
        await store.fold(rows, buckets)
      },
    },
    journal: undefined,
    clock: createTestClock(),
    log: createTestLog(),
  })
  await ledger.recover()
  const hold = held(ledger.hold(keyOf(), 'a.1', 0))
  ledger.settle(hold, rowOf(hold))
  await ledger.durable()
  expect((await store.request('a'))?.attempts).toHaveLength(1)
  down = true
  const next = held(ledger.hold(keyOf(), 'b.1', 0))
  ledger.settle(next, rowOf(next))
  await expect(ledger.durable()).rejects.toMatchObject({ kind: 'storage_unavailable' })
  down = false
  await ledger.close()
  expect((await store.request('b'))?.attempts).toHaveLength(1)
})

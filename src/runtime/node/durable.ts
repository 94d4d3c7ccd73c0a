/** The database and the journal of a data folder, and what they survive: the death of the process, or a power cut too. */
import { closeSync, existsSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Log } from '../../deps.ts'
import type { Journal } from '../../ledger/journal.ts'
import type { Store } from '../../store/store.ts'
import type { DataFolder } from './folder.ts'
import { openJournal } from './journal.ts'
import { openSqlite } from './sqlite.ts'

/** Everything waits with a statement, so others may hold it up for a moment only; the ledger tries again. */
const BUSY_MS = 100
const syncData = promisify(fdatasync)

/**
 * Brings everything that was committed to a database in WAL mode onto the disk, off the main thread. With `synchronous =
 * NORMAL` SQLite itself syncs the log before a checkpoint and the database after it, so that what a power cut may take is
 * in the log alone (sqlite.org/pragma.html#pragma_synchronous, sqlite.org/wal.html).
 */
export async function syncWal(databasePath: string): Promise<void> {
  const path = `${databasePath}-wal`
  if (!existsSync(path)) return
  const fd = openSync(path, 'r+')
  try {
    await syncData(fd)
  } finally {
    closeSync(fd)
  }
}

export interface Durable {
  readonly store: Store
  readonly journal: Journal
  /** From now on promises are kept through a power cut, or only through `kill -9`. */
  promise(durability: 'process' | 'power'): void
}

/** Opens both. Until `promise` is called they survive a power cut: what a start folds must not be forgotten by one. */
export function openDurable(folder: DataFolder, log: Log): Durable {
  let power = true
  const path = folder.file('switchgate.db')
  const store = openSqlite(path, BUSY_MS)
  const journal = openJournal(folder.file('journal'), log, {
    power: () => power,
    syncStore: () => syncWal(path),
  })
  return {
    store: {
      ...store,
      // a key that was revoked stays revoked
      async commit(ops) {
        await store.commit(ops)
        if (power) await syncWal(path)
      },
    },
    journal,
    promise(durability) {
      power = durability === 'power'
    },
  }
}

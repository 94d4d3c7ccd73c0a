/** The audit log on Node: who makes a change, its key, and the file of checkpoints in the data folder. Used by open.ts. */
import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { Change } from '../../audit/changes.ts'
import { type AuditLog, type CheckpointFile, createAuditLog } from '../../audit/log.ts'
import { changedPaths } from '../../audit/paths.ts'
import type { Config } from '../../config/schema.ts'
import type { Log } from '../../deps.ts'
import type { Store } from '../../store/store.ts'
import type { Keyring } from '../../vault/keyring.ts'
import { createAuthorScope } from '../author.ts'
import { nodeClock } from './clock.ts'
import { createAuditHmac } from './digest.ts'
import { syncWal } from './durable.ts'
import type { DataFolder } from './folder.ts'

/** Does the work later; a process that has nothing else to do ends before. */
function later(ms: number, work: () => void): void {
  setTimeout(work, ms).unref()
}

/** At some 150 bytes a line these are the last hundred thousand. */
const READ_BYTES_MAX = 16 * 1024 * 1024

/** `audit.checkpoints`: 0600, only ever appended to. `syncStore` brings the database onto the disk first, so that a power cut cannot leave a checkpoint ahead of it. */
export function createCheckpointFile(path: string, syncStore: () => Promise<void>): CheckpointFile {
  return {
    async read() {
      if (!existsSync(path)) return ''
      const file = await open(path, 'r')
      try {
        const { size } = await file.stat()
        const start = Math.max(0, size - READ_BYTES_MAX)
        const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
        const text = buffer.toString('latin1', 0, bytesRead)
        return start === 0 ? text : text.slice(text.indexOf('\n') + 1)
      } finally {
        // a start that fails gives the folder away: nothing in it may still be open then
        await file.close()
      }
    },
    async append(line) {
      await syncStore()
      const file = await open(path, 'a+', 0o600)
      try {
        const { size } = await file.stat()
        const last = size === 0 ? '\n' : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString()
        // A line that a crash has cut is ended, or this one would be a part of it.
        await file.appendFile(last === '\n' ? line : `\n${line}`)
        await file.datasync()
      } finally {
        await file.close()
      }
    },
  }
}

/** The log over the folder's database; its key is there once the vault is open. */
export function openAudit(input: {
  folder: DataFolder
  store: Store
  keyring: () => Keyring
  log: Log
}): AuditLog {
  const { folder, store, keyring, log } = input
  const checkpoints = createCheckpointFile(folder.file('audit.checkpoints'), () =>
    syncWal(folder.file('switchgate.db')),
  )
  const scope = createAuthorScope()
  return createAuditLog({
    store,
    hmac: createAuditHmac(keyring),
    clock: nodeClock,
    scope,
    log,
    checkpoints,
    later,
  })
}

const SCHEMA = 'audit_schema'

/** Looks at the log as a start finds it, and notes that the tables are another version's now. */
export async function beginAudit(audit: AuditLog, store: Store): Promise<void> {
  await audit.begin()
  const [before, after] = [await store.setting(SCHEMA), String(store.schemaVersion)]
  if (before === after) return
  const detail = { ...(before !== undefined && { before: { version: before } }), after: { version: after } }
  const also = [{ op: 'put_setting', name: SCHEMA, value: after }] as const
  await audit.record({ action: 'schema.migrate', target: 'database', detail }, also)
  // at once: a first start that fails further on would leave a log without a checkpoint, which the next one must warn of
  await audit.settle()
}

/** A row for something that happens whether or not it can be written down. Never rejects. */
export async function noteThat(audit: AuditLog, log: Log, change: Change): Promise<void> {
  await audit.record(change).catch((error: unknown) => {
    const message = error instanceof Error ? error.message : 'unknown'
    log('warn', 'audit.not_written', { action: change.action, message })
  })
}

/** A row for another configuration, unless it is the same. Rejects when it cannot be written. */
export async function recordReload(audit: AuditLog, before: Config, after: Config): Promise<void> {
  const changed = changedPaths(before, after)
  if (changed.length > 0)
    await audit.record({ action: 'config.reload', target: 'config', detail: { changed } })
}

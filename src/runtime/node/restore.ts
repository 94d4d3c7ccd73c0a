/** A backup put in place as the database of a data folder: proved first, beside what is there, which is set aside and never deleted. Used by `switchgate restore`. */
import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { createAuditLog } from '../../audit/log.ts'
import type { Store } from '../../store/store.ts'
import { refuseNewer } from '../../store/version.ts'
import { expectedFingerprint, type Keyring, openKeyring } from '../../vault/keyring.ts'
import { createAuthorScope } from '../author.ts'
import { nodeClock } from './clock.ts'
import { createAuditHmac, nodeRandomBytes } from './digest.ts'
import { type DataFolder, openDataFolder, readMasterKey } from './folder.ts'
import { type Env, SettingsError } from './settings.ts'
import { openSqlite } from './sqlite.ts'

const DATABASE = 'switchgate.db'
const INCOMING = 'switchgate.db.restoring'
/** What belongs to a database and to no other: its log, the rows that are not in it yet, the audit log's checkpoints. */
const BELONGINGS = [DATABASE, `${DATABASE}-wal`, `${DATABASE}-shm`, 'journal', 'audit.checkpoints']

/** A key that the folder's database had stopped and the backup has not: it works again. */
export interface Revived {
  readonly id: string
  readonly name: string
  /** What it was before. */
  readonly status: string
}

export interface Restored {
  readonly folder: string
  /** Of the backup, before the tables were brought up to date. */
  readonly schemaVersion: number
  readonly keys: Readonly<Record<'active' | 'suspended' | 'revoked', number>>
  readonly projects: number
  readonly credentials: number
  /** Epoch ms of the newest request in it: what was spent later is not known any more. */
  readonly newestRequestAtMs: number | undefined
  /** Folder with what was there before; undefined = nothing was. */
  readonly setAside: string | undefined
  /** Undefined = there was no database before, or it cannot be read. */
  readonly revived: readonly Revived[] | undefined
}

export interface RestoreInput {
  readonly backup: string
  readonly folder: string
  readonly env: Env
  /** Put it in the place of a database that is there. */
  readonly force: boolean
}

const dropIncoming = (folder: DataFolder): void => {
  for (const end of ['', '-wal', '-shm', '-journal'])
    rmSync(folder.file(`${INCOMING}${end}`), { force: true })
}

function refuseOccupied(folder: DataFolder, force: boolean): void {
  const there = BELONGINGS.filter(name => existsSync(folder.file(name))).filter(
    name => name !== 'journal' || readdirSync(folder.file(name)).length > 0,
  )
  if (there.length === 0 || force) return
  throw new SettingsError(
    `${folder.path} has a database already (${there.join(', ')}): name an empty folder with --data, or give --force, which sets it aside in that folder`,
  )
}

/** Throws naming what is wrong with the file. Returns its schema version. */
function proveWhole(path: string, backup: string): number {
  try {
    const database = new Database(path)
    try {
      const found = database.pragma('integrity_check(1)', { simple: true })
      if (found !== 'ok') throw new SettingsError(`${backup} is damaged: ${String(found).slice(0, 200)}`)
      const table = database.prepare(
        "select 1 from sqlite_schema where type = 'table' and name = 'schema_version'",
      )
      if (table.get() === undefined)
        throw new SettingsError(`${backup} is a SQLite database, but no backup of Switchgate`)
      const version = Number(
        database.prepare('select coalesce(max(version), 0) from schema_version').pluck().get(),
      )
      refuseNewer(version)
      return version
    } finally {
      database.close()
    }
  } catch (error) {
    if (!(error instanceof Database.SqliteError)) throw error
    const why = error.code === 'SQLITE_NOTADB' ? 'it is not a SQLite database' : error.message
    throw new SettingsError(`${backup} cannot be restored: ${why}`)
  }
}

/** Its secrets must open with the key that a start would use. Rejects with MasterKeyMismatch, KeyringLost or SettingsError. */
async function proveKey(store: Store, folder: DataFolder, env: Env): Promise<Keyring | undefined> {
  const expected = await expectedFingerprint(store)
  // nothing was ever sealed in it: the next start makes a keyring
  if (expected === undefined) return undefined
  let masterKey: ReturnType<typeof readMasterKey>
  try {
    masterKey = readMasterKey({ folder, env, expected, mayMake: false })
  } catch (error) {
    throw new SettingsError(error instanceof Error ? error.message : String(error))
  }
  return openKeyring({ store, masterKey: masterKey.key, random: nodeRandomBytes })
}

/** Its audit log says that it was put back, before it is: what came after the backup is not in that log. */
async function noteRestore(
  store: Store,
  keyring: Keyring,
  { backup, schemaVersion }: { readonly backup: string; readonly schemaVersion: number },
): Promise<void> {
  const audit = createAuditLog({
    store,
    hmac: createAuditHmac(() => keyring),
    clock: nodeClock,
    scope: createAuthorScope(),
    log: () => undefined,
  })
  const detail = { from: backup, schema_version: schemaVersion }
  const author = { actor: 'local', address: null } as const
  await audit.as(author, () => audit.record({ action: 'database.restore', target: 'database', detail }))
}

/** Which keys the database in the folder had stopped, by id. Undefined = it cannot be read. */
function stoppedKeys(path: string): Map<string, string> | undefined {
  if (!existsSync(path)) return undefined
  try {
    const database = new Database(path)
    try {
      const rows = database.prepare("select id, status from keys where status <> 'active'").raw().all()
      return new Map(rows as [string, string][])
    } finally {
      database.close()
    }
  } catch {
    return undefined
  }
}

async function countsOf(store: Store, stopped: ReadonlyMap<string, string> | undefined) {
  const all = await store.keys()
  const keys = { active: 0, suspended: 0, revoked: 0 }
  for (const { status } of all) keys[status]++
  const revived = all.flatMap(({ id, name, status }) => {
    const before = stopped?.get(id)
    return status === 'active' && before !== undefined ? [{ id, name, status: before }] : []
  })
  const [newest] = (await store.requests({ limit: 1 })).data
  return {
    keys,
    projects: (await store.projects()).filter(({ id }) => id !== 'organisation').length,
    credentials: (await store.credentials()).length,
    newestRequestAtMs: newest?.attempts[0]?.createdAtMs,
    revived: stopped === undefined ? undefined : revived,
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } catch {
    // folders cannot be synced everywhere
  } finally {
    closeSync(file)
  }
}

/** Moves what belongs to the old database into a folder of its own. */
function setAside(folder: DataFolder): string | undefined {
  const there = BELONGINGS.filter(name => existsSync(folder.file(name)))
  if (there.length === 0) return undefined
  const stamp = new Date().toISOString().replace(/[-:]/g, '').replace(/\..*/, 'Z')
  let path = folder.file(`before-restore-${stamp}`)
  for (let again = 2; existsSync(path); again++) path = folder.file(`before-restore-${stamp}-${again}`)
  mkdirSync(path, { mode: 0o700 })
  for (const name of there) renameSync(folder.file(name), join(path, name))
  return path
}

function refuseUnreadable({ backup, folder }: RestoreInput): void {
  const stat = statSync(backup, { throwIfNoEntry: false })
  if (!stat?.isFile())
    throw new SettingsError(`${backup} is no file: name one that \`switchgate backup\` made`)
  const target = join(folder, DATABASE)
  if (existsSync(target) && realpathSync(target) === realpathSync(backup))
    throw new SettingsError(`${backup} is the database of that folder itself: there is nothing to restore`)
}

/** The backup as it will be used: copied beside, proved, its tables brought up to date. */
async function prepare(folder: DataFolder, input: RestoreInput) {
  const incoming = folder.file(INCOMING)
  copyFileSync(input.backup, incoming)
  chmodSync(incoming, 0o600)
  const schemaVersion = proveWhole(incoming, input.backup)
  const store = openSqlite(incoming)
  try {
    const keyring = await proveKey(store, folder, input.env)
    const found = await countsOf(store, stoppedKeys(folder.file(DATABASE)))
    if (keyring) await noteRestore(store, keyring, { backup: input.backup, schemaVersion })
    return { schemaVersion, ...found }
  } finally {
    // the last connection takes the log into the file
    await store.close()
  }
}

/** Nothing in the folder changes before the backup is proved. Rejects with FolderInUse while a gateway runs there, and with SettingsError, SchemaVersionError or MasterKeyMismatch. */
export async function restore(input: RestoreInput): Promise<Restored> {
  refuseUnreadable(input)
  const folder = openDataFolder(input.folder, () => undefined)
  try {
    dropIncoming(folder)
    refuseOccupied(folder, input.force)
    const found = await prepare(folder, input)
    const incoming = folder.file(INCOMING)
    sync(incoming)
    const aside = setAside(folder)
    renameSync(incoming, folder.file(DATABASE))
    sync(folder.path)
    folder.release()
    return { folder: folder.path, setAside: aside, ...found }
  } catch (error) {
    dropIncoming(folder)
    folder.withdraw()
    throw error
  }
}

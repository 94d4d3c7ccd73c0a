/** The data folder: private, locked for one gateway at a time, and home of the master key on a first start. */
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import type { Log } from '../../deps.ts'
import { parseMasterKey } from '../../vault/master.ts'
import { toBase64Url } from '../../vault/seal.ts'
import type { Secret } from '../../vault/secret.ts'
import { nodeRandomBytes } from './digest.ts'
import { findKey } from './key-file.ts'
import { hasModes, syncFolder, writeNew } from './private-file.ts'
import { SettingsError } from './settings.ts'

export interface DataFolder {
  /** Absolute. */
  readonly path: string
  /** Absolute path of a file in it. */
  file(name: string): string
  /** Writes a file that only this user may read (0600), flushed to the disk. Throws EEXIST if it is there. */
  writeNew(name: string, text: string): string
  /** Gives the folder free. Also happens when the process dies, however it dies. */
  release(): void
  /** Gives it free as if it had never been opened: what opening it made, and nothing else was put into, is taken away. */
  withdraw(): void
}

/** Another live process holds the folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

/** What an operator can do about a folder that cannot be had, by the system's code. */
const FOLDER_CURES: Readonly<Record<string, string>> = {
  ENOTDIR: 'a part of the path is a file',
  EACCES: 'this user may not write there',
  EPERM: 'this user may not write there',
  EROFS: 'that disk is read-only',
  ENOSPC: 'the disk is full',
  ENOENT: 'it cannot be made there',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
  SQLITE_CANTOPEN: 'this user may not write there',
  SQLITE_READONLY: 'this user may not write there',
}

/** The fault of a folder that cannot be used: exit 78, naming the variable and the cure. */
function unusable(path: string, error: unknown): Error {
  if (error instanceof SettingsError || error instanceof FolderInUse) return error
  const code = (error as { code?: unknown } | null)?.code
  const words = error instanceof Error ? error.message : String(error)
  const why = (typeof code === 'string' ? FOLDER_CURES[code] : undefined) ?? words
  return new SettingsError(
    `SWITCHGATE_DATA: ${path} cannot be used as the data folder: ${why}. Set it to a folder that this user may write to.`,
  )
}

/** Parent by parent: `recursive` never returns where a file system refuses to make folders at all, as /proc does (Node 24). Returns those that were missing, inner ones last. */
function makeFolders(path: string): readonly string[] {
  const missing: string[] = []
  for (let at = path; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at))
    missing.push(at)
  for (const folder of missing.reverse()) {
    try {
      mkdirSync(folder, { mode: 0o700 })
    } catch (error) {
      // Another start may have been quicker.
      if ((error as { code?: unknown }).code !== 'EEXIST') throw error
    }
  }
  return missing
}

function makePrivate(path: string, log: Log): void {
  const stat = statSync(path)
  if (!stat.isDirectory())
    throw new SettingsError(
      `SWITCHGATE_DATA: ${path} is a file. Set it to a folder that this user may write to.`,
    )
  if (!hasModes || (stat.mode & 0o077) === 0) return
  try {
    chmodSync(path, 0o700)
    log('info', 'data_folder_made_private', { path })
  } catch {
    log('warn', 'data_folder_open_to_others', { path, cure: `chmod 700 ${path}` })
  }
}

function readPid(path: string): string {
  try {
    const text = readFileSync(path, 'utf8').trim()
    return /^\d+$/.test(text) ? `process ${text}` : 'another process'
  } catch {
    return 'another process'
  }
}

/** An exclusive SQLite transaction on an empty file: the one lock in reach that the system itself drops with the process. */
function lock(path: string): Database.Database {
  const file = join(path, 'lock')
  // SQLite would create it with the process's umask; what it makes beside it takes over its mode. One that is there is
  // not opened: to close a file is to lose the process's locks on it (fcntl(2)).
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'EEXIST') throw error
    if (hasModes) chmodSync(file, 0o600)
  }
  const before = statSync(file, { throwIfNoEntry: false })?.ino
  const held = new Database(file, { timeout: 0 })
  try {
    held.exec('BEGIN EXCLUSIVE')
    // a lock on a file that its last holder has withdrawn keeps nobody out
    if (statSync(file, { throwIfNoEntry: false })?.ino !== before) throw new FolderInUse(`${path} is in use.`)
    return held
  } catch (error) {
    held.close()
    if ((error as { code?: unknown }).code !== 'SQLITE_BUSY') throw error
    const owner = readPid(join(path, 'lock.pid'))
    throw new FolderInUse(
      `${path} is in use by ${owner}. One gateway at a time: stop that one, or set SWITCHGATE_DATA to another folder.`,
    )
  }
}

interface Claim {
  readonly held: Database.Database
  /** Folders that were not there, inner ones last; was the lock's file? */
  readonly made: { readonly folders: readonly string[]; readonly lock: boolean }
}

/** Makes the folder and takes its lock; `pidFile` says who has it. */
function claim(path: string, pidFile: string, log: Log): Claim {
  let held: Database.Database | undefined
  try {
    const folders = makeFolders(path)
    makePrivate(path, log)
    const made = { folders, lock: !existsSync(join(path, 'lock')) }
    held = lock(path)
    writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
    return { held, made }
  } catch (error) {
    held?.close()
    throw unusable(path, error)
  }
}

/** Makes the folder if needed (0700) and takes its lock. Throws FolderInUse when another gateway has it, and SettingsError when it cannot be used. */
export function openDataFolder(given: string, log: Log): DataFolder {
  const path = resolve(given)
  const pidFile = join(path, 'lock.pid')
  const { held, made } = claim(path, pidFile, log)
  const release = () => {
    if (!held.open) return
    rmSync(pidFile, { force: true })
    held.close()
  }
  return {
    path,
    file: name => join(path, name),
    writeNew(name, text) {
      const file = join(path, name)
      writeNew(file, text)
      syncFolder(path)
      return file
    },
    release,
    withdraw() {
      if (!held.open) return
      rmSync(pidFile, { force: true })
      // while it is locked: whoever opens it now finds it in use, and afterwards makes another
      if (made.lock) rmSync(join(path, 'lock'))
      release()
      for (const folder of made.folders.toReversed()) {
        try {
          rmdirSync(folder)
        } catch {
          // somebody has put something there
          return
        }
      }
    },
  }
}

export interface MasterKeyOptions {
  readonly folder: DataFolder
  readonly env: Readonly<Record<string, string | undefined>>
  /** Fingerprint of the master key that the database was sealed with; undefined = nothing is sealed yet. */
  readonly expected: string | undefined
  /** False with Postgres: each node would make a key of its own. */
  readonly mayMake: boolean
}

export interface MasterKey {
  readonly key: Secret
  readonly source: 'file' | 'environment' | 'folder'
  /** Where it was read from, if that is a file. */
  readonly path: string | undefined
  /** True on the first start that made it. */
  readonly made: boolean
}

/**
 * The master key: SWITCHGATE_MASTER_KEY_FILE, else SWITCHGATE_MASTER_KEY, else `master.key` in the data folder, which is made
 * when nothing was ever sealed. Never makes one over existing ciphertext. Of what a rotation has left beside a file, the key
 * that the database expects. Throws with a message that names the cure.
 */
export function readMasterKey({ folder, env, expected, mayMake }: MasterKeyOptions): MasterKey {
  const given = env.SWITCHGATE_MASTER_KEY_FILE
  if (given) {
    const path = resolve(given)
    return { key: findKey(path, 'SWITCHGATE_MASTER_KEY_FILE', expected), source: 'file', path, made: false }
  }
  const text = env.SWITCHGATE_MASTER_KEY
  if (text)
    return {
      key: parseMasterKey(text, 'SWITCHGATE_MASTER_KEY'),
      source: 'environment',
      path: undefined,
      made: false,
    }
  const path = folder.file('master.key')
  let made = false
  if (statSync(path, { throwIfNoEntry: false }) === undefined) {
    if (expected !== undefined)
      throw new Error(
        `the database expects master key ${expected}, but ${path} is missing: put it back from your backup, or set SWITCHGATE_MASTER_KEY_FILE or SWITCHGATE_MASTER_KEY`,
      )
    if (!mayMake)
      throw new Error(
        'SWITCHGATE_MASTER_KEY_FILE or SWITCHGATE_MASTER_KEY must be set with Postgres, the same on every node',
      )
    const bytes = nodeRandomBytes(32)
    folder.writeNew('master.key', `${toBase64Url(bytes)}\n`)
    bytes.fill(0)
    made = true
  }
  return { key: findKey(path, 'master key', expected), source: 'folder', path, made }
}

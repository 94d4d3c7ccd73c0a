/** The data folder: private, locked for one gateway at a time, and home of the master key on a first start. */
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import Database from 'better-sqlite3'
import type { Log } from '../../deps.ts'
import { parseMasterKey } from '../../vault/master.ts'
import { toBase64Url } from '../../vault/seal.ts'
import type { Secret } from '../../vault/secret.ts'
import { nodeRandomBytes } from './digest.ts'

export interface DataFolder {
  /** Absolute. */
  readonly path: string
  /** Absolute path of a file in it. */
  file(name: string): string
  /** Writes a file that only this user may read (0600), flushed to the disk. Throws EEXIST if it is there. */
  writeNew(name: string, text: string): string
  /** Gives the folder free. Also happens when the process dies, however it dies. */
  release(): void
}

/** Another live process holds the folder. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
}

const hasModes = process.platform !== 'win32'

function makePrivate(path: string, log: Log): void {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const stat = statSync(path)
  if (!stat.isDirectory()) throw new Error(`SWITCHGATE_DATA: ${path} is not a folder`)
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
  const held = new Database(join(path, 'lock'), { timeout: 0 })
  try {
    held.exec('BEGIN EXCLUSIVE')
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

function writeNew(path: string, text: string): void {
  const file = openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function syncFolder(path: string): void {
  if (!hasModes) return
  const folder = openSync(path, constants.O_RDONLY)
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

/** Makes the folder if needed (0700) and takes its lock. Throws FolderInUse when another gateway has it. */
export function openDataFolder(given: string, log: Log): DataFolder {
  const path = resolve(given)
  makePrivate(path, log)
  const held = lock(path)
  const pidFile = join(path, 'lock.pid')
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 })
  return {
    path,
    file: name => join(path, name),
    writeNew(name, text) {
      const file = join(path, name)
      writeNew(file, text)
      syncFolder(path)
      return file
    },
    release() {
      if (!held.open) return
      rmSync(pidFile, { force: true })
      held.close()
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

/** Reads a key file that nobody else may read. Throws with the cure. */
function readKeyFile(path: string, source: string): Secret {
  let text: string
  let file: number
  try {
    // Non-blocking: a named pipe in place of a file must not hang the start.
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
  } catch {
    throw new Error(`${source}: ${path} does not exist or may not be read`)
  }
  try {
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size > 4096) throw new Error(`${source}: ${path} is not a key file`)
    if (hasModes && (stat.mode & 0o077) !== 0)
      throw new Error(
        `${source}: ${path} can be read by others; cure: chmod 600 ${path} (Kubernetes: defaultMode 0400)`,
      )
    text = readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
  if (text === '')
    throw new Error(
      `${source}: ${path} is empty, left by an interrupted first start: delete it and start again`,
    )
  return parseMasterKey(text, `${source}: ${path}`)
}

/**
 * The master key: SWITCHGATE_MASTER_KEY_FILE, else SWITCHGATE_MASTER_KEY, else `master.key` in the data folder, which is made
 * when nothing was ever sealed. Never makes one over existing ciphertext. Throws with a message that names the cure.
 */
export function readMasterKey({ folder, env, expected, mayMake }: MasterKeyOptions): MasterKey {
  const given = env.SWITCHGATE_MASTER_KEY_FILE
  if (given) {
    const path = resolve(given)
    return { key: readKeyFile(path, 'SWITCHGATE_MASTER_KEY_FILE'), source: 'file', path, made: false }
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
  return { key: readKeyFile(path, 'master key'), source: 'folder', path, made }
}

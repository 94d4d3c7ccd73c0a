/**
 * The file of the master key: read at a start, replaced by a rotation. A rotation writes `<file>.new`, then rewraps the
 * keyring in the database, then moves the file to its place: whatever moment it is killed at, one of the files opens the
 * database. The key from before stays as `<file>.old-<fingerprint>`, since older backups open with nothing else.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { parseMasterKey } from '../../vault/master.ts'
import { toBase64Url } from '../../vault/seal.ts'
import type { Secret } from '../../vault/secret.ts'
import { hasModes, syncFolder, writeNew } from './private-file.ts'

/** First 8 hex of SHA-256, as the database notes it. */
export const fingerprintOf = (key: Secret): string =>
  createHash('sha256')
    .update(key.reveal() ?? '')
    .digest('hex')
    .slice(0, 8)

/** Reads a key file that nobody else may read. Throws with the cure. */
export function readKeyFile(path: string, source: string): Secret {
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

const isThere = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** The key in a file if it is the one with this fingerprint. */
function keyIf(path: string, expected: string): Secret | undefined {
  if (!isThere(path)) return undefined
  try {
    const key = readKeyFile(path, 'master key')
    return fingerprintOf(key) === expected ? key : undefined
  } catch {
    // Half a file that a kill has left: the other one is whole.
    return undefined
  }
}

/**
 * The key that the database expects (`undefined` = any): of the file, else of what a killed rotation has left beside it,
 * else of the time before a rotation, for a restored backup. The file's own key when none fits: its reader tells the two fingerprints.
 */
export function findKey(path: string, source: string, expected: string | undefined): Secret {
  const own = readKeyFile(path, source)
  if (expected === undefined || fingerprintOf(own) === expected) return own
  const next = keyIf(newPath(path), expected)
  if (next !== undefined) finishReplacing(path)
  return next ?? keyIf(oldPath(path, expected), expected) ?? own
}

const newPath = (path: string): string => `${path}.new`
const oldPath = (path: string, print: string): string => `${path}.old-${print}`

/** First step of a rotation: the next key and a copy of the one that is there lie beside it. Throws the system's error. */
export function stageKey(path: string, next: Secret): { readonly oldPath: string } {
  const present = readKeyFile(path, 'master key')
  const old = oldPath(path, fingerprintOf(present))
  const text = (key: Secret) => `${toBase64Url(key.reveal() ?? new Uint8Array())}\n`
  // a copy that a kill has left may be half of one
  if (keyIf(old, fingerprintOf(present)) === undefined) {
    rmSync(old, { force: true })
    writeNew(old, text(present))
  }
  present.drop()
  rmSync(newPath(path), { force: true })
  writeNew(newPath(path), text(next))
  syncFolder(dirname(path))
  return { oldPath: old }
}

/** Last step: the staged key takes the file's place. Does nothing when it has. */
export function finishReplacing(path: string): void {
  if (!isThere(newPath(path))) return
  renameSync(newPath(path), path)
  syncFolder(dirname(path))
}

/** A rotation that did not come to be: what it had laid beside the file goes. */
export function unstageKey(path: string, old: string): void {
  rmSync(newPath(path), { force: true })
  rmSync(old, { force: true })
}

/** `vault rotate-master-key`: another master key wraps the keyring; the secrets below it and the hashes of keys stay as they are. */
import { GatewayError } from '../../errors.ts'
import { expectedFingerprint } from '../../vault/keyring.ts'
import { MASTER_KEY_CURE, parseMasterKey } from '../../vault/master.ts'
import { Secret } from '../../vault/secret.ts'
import type { OpenVault } from '../../vault/vault.ts'
import type { Store } from '../../store/store.ts'
import { nodeRandomBytes } from './digest.ts'
import type { MasterKey } from './folder.ts'
import { finishReplacing, fingerprintOf, stageKey, unstageKey } from './key-file.ts'

/** What a rotation has done. Fingerprints, and where the keys lie; null = where the operator keeps them. */
export interface Rotated {
  readonly from: string
  readonly to: string
  readonly path: string | null
  readonly oldPath: string | null
}

export interface RotateOptions {
  readonly vault: OpenVault
  readonly store: Pick<Store, 'setting'>
  readonly masterKey: MasterKey
  /** Base64 of the new one; undefined = one is made. */
  readonly given: string | undefined
  /** For tests: told after each step. */
  readonly reached?: (step: 'staged' | 'rewrapped' | 'replaced') => void
}

const wrong = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param: 'key' })

function nextKey({ given, masterKey }: RotateOptions): Secret {
  if (given === undefined) {
    if (masterKey.path !== undefined) return new Secret(nodeRandomBytes(32), 'master key')
    throw wrong(
      `the master key is in SWITCHGATE_MASTER_KEY, where no new one can be put: ${MASTER_KEY_CURE}, and give it with --new-key-file or --new-key-env`,
    )
  }
  try {
    return parseMasterKey(given, 'the new master key')
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : 'the new master key cannot be read')
  }
}

/** The file to be replaced; undefined = the operator keeps the key, and has put the new one into place or will. */
const fileOf = ({ source, path }: MasterKey, given: string | undefined): string | undefined =>
  source === 'folder' || given === undefined ? path : undefined

/**
 * Replaces the master key, whatever moment it is killed at: the key from before opens the database, or the new one does.
 * A key of the data folder is replaced there, and so is one of SWITCHGATE_MASTER_KEY_FILE when the new one is made here; a
 * key that the operator gives instead of another one of theirs is theirs to put into place. Rejects with `invalid_request`.
 */
export async function rotateMasterKey(options: RotateOptions): Promise<Rotated> {
  const { vault, store, masterKey, given, reached } = options
  const next = nextKey(options)
  const [from, to] = [vault.masterKeyFingerprint, fingerprintOf(next)]
  if (from === to) throw wrong('the new master key is the one that is in use: give another one')
  const path = fileOf(masterKey, given)
  if (path === undefined) {
    await vault.rewrap(next)
    return { from, to, path: null, oldPath: null }
  }
  const { oldPath } = staged(path, next)
  reached?.('staged')
  try {
    await vault.rewrap(next)
  } catch (error) {
    // only where the database surely has the old one: else a start finds out which it is
    if ((await expectedFingerprint(store).catch(() => undefined)) === from) unstageKey(path, oldPath)
    throw error
  }
  reached?.('rewrapped')
  finishReplacing(path)
  reached?.('replaced')
  return { from, to, path, oldPath }
}

function staged(path: string, next: Secret): { readonly oldPath: string } {
  try {
    return stageKey(path, next)
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown'
    throw wrong(`the new master key cannot be written beside ${path} (${why}): give one with --new-key-file`)
  }
}

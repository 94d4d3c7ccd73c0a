/** Provider credentials at rest: envelope encryption, and references to secrets kept elsewhere. */
import type { Clock, Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { randomBase62 } from '../keys/format.ts'
import type { Store, StoredCredential } from '../store/store.ts'
import { dropKeyring, type Keyring, openKeyring } from './keyring.ts'
import { parseRef, type ReadRef } from './ref.ts'
import { BrokenSeal, fingerprintOf, importKey, openText, sealText, versionOf } from './seal.ts'
import type { Secret } from './secret.ts'

export interface CredentialDraft {
  readonly provider: string
  readonly name: string
  readonly weight?: number
  /** Exactly one of the two. */
  readonly secret?: string
  /** `env://NAME`, `file:///path`. */
  readonly ref?: string
}

export interface Vault {
  /** First 8 hex of SHA-256 of the master key. */
  readonly masterKeyFingerprint: string
  readonly sealed: boolean
  add(draft: CredentialDraft): Promise<StoredCredential>
  list(): Promise<readonly StoredCredential[]>
  /** A new secret for the same credential; the old one is gone. */
  replace(id: string, secret: string): Promise<StoredCredential | undefined>
  remove(id: string): Promise<boolean>
  /** The secret in clear, for building the market only. Throws GatewayError('sealed'). */
  open(credential: StoredCredential): Promise<string>
  /** Called after any change of credentials: the market is rebuilt. */
  onChange(listener: () => void): void
  /** Forgets the master key and everything derived from it, until restart. */
  seal(): void
}

export interface VaultOptions {
  readonly store: Pick<Store, 'setting' | 'commit' | 'credentials' | 'keys'>
  readonly masterKey: Secret
  readonly clock: Clock
  readonly random: (count: number) => Uint8Array
  readonly readRef: ReadRef
  readonly log: Log
  /** Told of every secret that was opened, so that log sinks can strike it out. */
  readonly onOpen?: (secret: string) => void
}

/** The vault with the keys that others need while it is open. */
export interface OpenVault extends Vault {
  /** Peppers and the session key. Throws GatewayError('sealed') after `seal`. */
  keyring(): Keyring
}

const SECRET_CHARS_MAX = 65_536
const identityOf = ({ id, provider, name }: StoredCredential): readonly string[] => [
  'credential',
  id,
  provider,
  name,
  'secret',
]

const wrong = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** A pasted secret without the line end that came with it. Throws when nothing sensible is left. */
function cleanSecret(text: string): string {
  const secret = text.trim()
  if (secret === '') throw wrong('secret', 'The secret is empty.')
  if (secret.length > SECRET_CHARS_MAX)
    throw wrong('secret', `The secret is longer than ${SECRET_CHARS_MAX} characters.`)
  if (secret.includes('\0')) throw wrong('secret', 'The secret contains a NUL character.')
  return secret
}

function checkDraft(draft: CredentialDraft, existing: readonly StoredCredential[]): void {
  if ((draft.secret === undefined) === (draft.ref === undefined))
    throw wrong('secret', 'Give exactly one of secret and ref (env://NAME, file:///path).')
  for (const member of ['provider', 'name'] as const)
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(draft[member]))
      throw wrong(member, `${member} must be 1 to 64 letters, digits, dots, dashes or underscores.`)
  const weight = draft.weight ?? 1
  if (!Number.isFinite(weight) || weight <= 0 || weight > 1_000_000)
    throw wrong('weight', 'weight must be a number above 0.')
  if (existing.some(each => each.provider === draft.provider && each.name === draft.name))
    throw new GatewayError(
      'invalid_request',
      `Provider ${draft.provider} already has a credential named ${draft.name}.`,
      {
        param: 'name',
        code: 'conflict',
        status: 409,
      },
    )
  const ref = draft.ref === undefined ? undefined : parseRef(draft.ref)
  if (ref !== undefined && 'why' in ref) throw wrong('ref', `ref: ${ref.why}.`)
}

/**
 * Opens the vault of this database, making its keyring on the very first start. Rejects with MasterKeyMismatch or KeyringLost
 * (the program exits 78). The master key stays with the caller's Secret until `seal`, which drops it.
 */
export async function createVault(options: VaultOptions): Promise<OpenVault> {
  const { store, random, log } = options
  const bytes = options.masterKey.reveal() ?? new Uint8Array()
  const masterKeyFingerprint = await fingerprintOf(bytes, 8)
  let open: Keyring | undefined = await openKeyring(options)
  const imported = new Map<number, Promise<CryptoKey>>()
  const listeners: (() => void)[] = []

  const keyring = (): Keyring => {
    if (open === undefined)
      throw new GatewayError('sealed', 'The vault is sealed. Restart the gateway to open it.')
    return open
  }
  const rootKey = (version: number): Promise<CryptoKey> | undefined => {
    const bytes = keyring().roots.get(version)?.reveal()
    if (bytes === undefined) return undefined
    const key = imported.get(version) ?? importKey(bytes)
    imported.set(version, key)
    return key
  }
  const sealSecret = async (credential: StoredCredential, secret: string): Promise<StoredCredential> => {
    const version = Math.max(...keyring().roots.keys())
    const key = await rootKey(version)
    if (key === undefined)
      throw new GatewayError('sealed', 'The vault is sealed. Restart the gateway to open it.')
    const [sealed, fingerprint] = await Promise.all([
      sealText(key, version, identityOf(credential), secret, random),
      fingerprintOf(secret, 6),
    ])
    return { ...credential, sealed, ref: null, fingerprint }
  }
  const save = async (credential: StoredCredential, event: string): Promise<StoredCredential> => {
    await store.commit([{ op: 'put_credential', credential }])
    log('info', event, { credential: credential.id, provider: credential.provider, name: credential.name })
    for (const listener of listeners) listener()
    return credential
  }
  const find = async (id: string): Promise<StoredCredential | undefined> =>
    (await store.credentials()).find(each => each.id === id)

  const openSealed = async (credential: StoredCredential, blob: string): Promise<string> => {
    const key = await rootKey(versionOf(blob) ?? 0)
    if (key === undefined)
      throw new BrokenSeal(`credential ${credential.id} was sealed with a key that is gone`)
    return openText(key, identityOf(credential), blob)
  }
  const readRef = async (text: string): Promise<string> => {
    const ref = parseRef(text)
    if ('why' in ref) throw wrong('ref', `ref: ${ref.why}.`)
    const secret = (await options.readRef(ref)).trim()
    if (secret === '') throw wrong('ref', `${text} is empty.`)
    return secret
  }

  return {
    masterKeyFingerprint,
    get sealed() {
      return open === undefined
    },
    keyring,
    list: () => store.credentials(),
    onChange: listener => void listeners.push(listener),

    async add(draft) {
      keyring()
      checkDraft(draft, await store.credentials())
      const credential: StoredCredential = {
        id: `cred_${randomBase62(12, random)}`,
        provider: draft.provider,
        name: draft.name,
        weight: draft.weight ?? 1,
        sealed: null,
        ref: draft.ref ?? null,
        fingerprint: null,
        status: 'active',
        createdAtMs: options.clock.now(),
        lastOkAtMs: null,
        lastFailedAtMs: null,
      }
      const secret = draft.secret
      return save(
        secret === undefined ? credential : await sealSecret(credential, cleanSecret(secret)),
        'credential_added',
      )
    },

    async replace(id, secret) {
      keyring()
      const credential = await find(id)
      if (credential === undefined) return undefined
      return save(await sealSecret(credential, cleanSecret(secret)), 'credential_replaced')
    },

    async remove(id) {
      const credential = await find(id)
      if (credential === undefined) return false
      await store.commit([{ op: 'delete_credential', id }])
      log('info', 'credential_removed', {
        credential: id,
        provider: credential.provider,
        name: credential.name,
      })
      for (const listener of listeners) listener()
      return true
    },

    async open(credential) {
      keyring()
      const secret =
        credential.sealed !== null
          ? await openSealed(credential, credential.sealed)
          : await readRef(credential.ref ?? '')
      options.onOpen?.(secret)
      return secret
    },

    seal() {
      if (open === undefined) return
      dropKeyring(open)
      open = undefined
      imported.clear()
      options.masterKey.drop()
      log('warn', 'vault_sealed')
    },
  }
}

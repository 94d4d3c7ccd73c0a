/** Provider credentials at rest: envelope encryption, and references to secrets kept elsewhere. */
import type { Clock, Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { randomBase62 } from '../keys/format.ts'
import { createTurns } from '../keys/turns.ts'
import type { SecretVersion, Store, StoredCredential } from '../store/store.ts'
import { type CredentialDraft, checkDraft, cleanSecret, wrong } from './draft.ts'
import { dropKeyring, type Keyring, openKeyring, rewrapKeyring } from './keyring.ts'
import { parseRef, type ReadRef } from './ref.ts'
import { BrokenSeal, fingerprintOf, importKey, openText, sealText, versionOf } from './seal.ts'
import type { Secret } from './secret.ts'
import {
  nextVersion,
  type OtherStage,
  promoted,
  retired,
  type Sealed,
  withCurrent,
  withoutEnded,
  withPending,
} from './versions.ts'

export type { CredentialDraft } from './draft.ts'

/** How a new secret comes in. */
export interface Replacement {
  readonly stage?: 'current' | 'pending'
  readonly graceMs?: number
}

export interface Vault {
  /** First 8 hex of SHA-256 of the master key. */
  readonly masterKeyFingerprint: string
  readonly sealed: boolean
  /** Rejects (`invalid_request`, `param`) a secret that no header can carry and a reference that cannot be read now. */
  add(draft: CredentialDraft): Promise<StoredCredential>
  list(): Promise<readonly StoredCredential[]>
  /** A new secret for the same credential: in place of the current one (default), which stands in for `graceMs` more (default 0), or pending. */
  replace(id: string, secret: string, as?: Replacement): Promise<StoredCredential | undefined>
  /** The pending secret becomes the current one. Throws 409 when nothing is pending. */
  promote(id: string, graceMs: number): Promise<StoredCredential | undefined>
  /** Forgets the previous or the pending secret. Throws 409 when there is none. */
  retire(id: string, stage: OtherStage): Promise<StoredCredential | undefined>
  /** Forgets previous secrets whose time is over. */
  forgetEnded(): Promise<void>
  remove(id: string): Promise<boolean>
  /**
   * The secret in clear (the current one unless another is named), for building the market or testing it. Rejects with GatewayError `sealed`, with BrokenSeal, or
   * with GatewayError `invalid_request` naming the reference that cannot be read and the cure.
   */
  open(credential: StoredCredential, other?: SecretVersion): Promise<string>
  /** Called after any change of credentials, with the credential's id: the market is rebuilt. Changing it ends when the listeners have. */
  onChange(listener: (id: string) => unknown): void
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
  /** Another master key from now on, durable when it resolves. Rejects with GatewayError `sealed`, or what storage says: then the old one holds. */
  rewrap(next: Secret): Promise<void>
  /** Peppers and the session key. Throws GatewayError('sealed') after `seal`. */
  keyring(): Keyring
}

/** The first secret has no number, as all had none once. */
const identityOf = ({ id, provider, name }: StoredCredential, version: number): readonly string[] => [
  'credential',
  id,
  provider,
  name,
  'secret',
  ...(version === 1 ? [] : [String(version)]),
]

const isSealed = (): GatewayError =>
  new GatewayError('sealed', 'The vault is sealed. Restart the gateway to open it.')

class Safe implements OpenVault {
  masterKeyFingerprint: string
  #masterKey: Secret
  readonly #options: VaultOptions
  readonly #imported = new Map<number, Promise<CryptoKey>>()
  readonly #inTurn = createTurns()
  readonly #listeners: ((id: string) => unknown)[] = []
  #keyring: Keyring | undefined

  constructor(options: VaultOptions, keyring: Keyring, masterKeyFingerprint: string) {
    this.#options = options
    this.#masterKey = options.masterKey
    this.#keyring = keyring
    this.masterKeyFingerprint = masterKeyFingerprint
  }

  get sealed(): boolean {
    return this.#keyring === undefined
  }

  keyring(): Keyring {
    if (this.#keyring === undefined) throw isSealed()
    return this.#keyring
  }

  list(): Promise<readonly StoredCredential[]> {
    return this.#options.store.credentials()
  }

  onChange(listener: (id: string) => unknown): void {
    this.#listeners.push(listener)
  }

  async add(draft: CredentialDraft): Promise<StoredCredential> {
    this.keyring()
    checkDraft(draft, await this.list())
    const credential: StoredCredential = {
      id: `cred_${randomBase62(12, this.#options.random)}`,
      provider: draft.provider,
      name: draft.name,
      weight: draft.weight ?? 1,
      sealed: null,
      ref: draft.ref ?? null,
      fingerprint: null,
      status: 'active',
      createdAtMs: this.#options.clock.now(),
      lastOkAtMs: null,
      lastFailedAtMs: null,
      version: 1,
      others: [],
    }
    // Read once now, so that who adds it hears at once what is wrong; its value is asked for again at each opening.
    if (draft.ref !== undefined) await this.#readRef(draft.ref)
    const whole =
      draft.secret === undefined
        ? credential
        : { ...credential, ...(await this.#sealed(credential, 1, draft.secret)) }
    await this.#save(whole, 'credential_added')
    return whole
  }

  replace(id: string, secret: string, as: Replacement = {}): Promise<StoredCredential | undefined> {
    const { stage = 'current', graceMs = 0 } = as
    return this.#change(id, 'credential_replaced', async (credential, nowMs) => {
      const next = await this.#sealed(credential, nextVersion(credential), secret)
      return stage === 'pending'
        ? withPending(credential, next, nowMs)
        : withCurrent(credential, next, nowMs, graceMs)
    })
  }

  promote(id: string, graceMs: number): Promise<StoredCredential | undefined> {
    return this.#change(id, 'credential_promoted', (credential, nowMs) =>
      promoted(credential, nowMs, graceMs),
    )
  }

  retire(id: string, stage: OtherStage): Promise<StoredCredential | undefined> {
    return this.#change(id, 'credential_secret_retired', credential => retired(credential, stage))
  }

  async forgetEnded(): Promise<void> {
    const nowMs = this.#options.clock.now()
    for (const credential of await this.list())
      if (withoutEnded(credential, nowMs) !== credential)
        await this.#change(credential.id, 'credential_secret_ended', withoutEnded)
  }

  /** One change at a time: of two at once none is lost. */
  #change(
    id: string,
    event: string,
    change: (credential: StoredCredential, nowMs: number) => StoredCredential | Promise<StoredCredential>,
  ): Promise<StoredCredential | undefined> {
    return this.#inTurn(async () => {
      this.keyring()
      const credential = (await this.list()).find(each => each.id === id)
      if (credential === undefined) return undefined
      const changed = await change(credential, this.#options.clock.now())
      await this.#save(changed, event)
      return changed
    })
  }

  async remove(id: string): Promise<boolean> {
    const credential = (await this.list()).find(each => each.id === id)
    if (credential === undefined) return false
    await this.#options.store.commit([{ op: 'delete_credential', id }])
    await this.#tell(credential, 'credential_removed')
    return true
  }

  async open(credential: StoredCredential, other?: SecretVersion): Promise<string> {
    this.keyring()
    const { sealed, version } = other ?? credential
    const secret =
      sealed === null
        ? await this.#readRef(credential.ref ?? '')
        : await this.#openSealed(credential, sealed, version)
    this.#options.onOpen?.(secret)
    return secret
  }

  seal(): void {
    if (this.#keyring === undefined) return
    dropKeyring(this.#keyring)
    this.#keyring = undefined
    this.#imported.clear()
    this.#masterKey.drop()
    this.#options.log('warn', 'vault_sealed')
  }

  rewrap(next: Secret): Promise<void> {
    return this.#inTurn(async () => {
      this.keyring()
      const { store, random, log } = this.#options
      await rewrapKeyring({ store, random, masterKey: this.#masterKey }, next)
      const [old, from] = [this.#masterKey, this.masterKeyFingerprint]
      this.#masterKey = next
      this.masterKeyFingerprint = await fingerprintOf(next.reveal() ?? new Uint8Array(), 8)
      old.drop()
      // sealed while it was written: the new key is no more wanted than the old one
      if (this.sealed) next.drop()
      log('warn', 'master_key_rotated', { from, to: this.masterKeyFingerprint })
    })
  }

  /** Undefined = the keyring has no such version. */
  #rootKey(version: number): Promise<CryptoKey> | undefined {
    const bytes = this.keyring().roots.get(version)?.reveal()
    if (bytes === undefined) return undefined
    const key = this.#imported.get(version) ?? importKey(bytes)
    this.#imported.set(version, key)
    return key
  }

  async #sealed(credential: StoredCredential, version: number, given: string): Promise<Sealed> {
    const secret = cleanSecret(given, 'secret', 'The secret')
    const root = Math.max(...this.keyring().roots.keys())
    const key = await this.#rootKey(root)
    if (key === undefined) throw isSealed()
    const [sealed, fingerprint] = await Promise.all([
      sealText(key, root, identityOf(credential, version), secret, this.#options.random),
      fingerprintOf(secret, 6),
    ])
    return { version, sealed, fingerprint }
  }

  async #openSealed(credential: StoredCredential, blob: string, version: number): Promise<string> {
    const key = await this.#rootKey(versionOf(blob) ?? 0)
    if (key === undefined)
      throw new BrokenSeal(`credential ${credential.id} was sealed with a key that is gone`)
    return openText(key, identityOf(credential, version), blob)
  }

  async #readRef(text: string): Promise<string> {
    const ref = parseRef(text)
    if ('why' in ref) throw wrong('ref', `ref: ${ref.why}.`)
    const read = this.#options.readRef(ref).catch((error: unknown) => {
      throw wrong('ref', error instanceof Error ? error.message : `${text} cannot be read`)
    })
    return cleanSecret(await read, 'ref', text)
  }

  async #save(credential: StoredCredential, event: string): Promise<void> {
    await this.#options.store.commit([{ op: 'put_credential', credential }])
    await this.#tell(credential, event)
  }

  /** Ends when the change is in force. */
  async #tell({ id, provider, name }: StoredCredential, event: string): Promise<void> {
    this.#options.log('info', event, { credential: id, provider, name })
    for (const listener of this.#listeners) await listener(id)
  }
}

/**
 * Opens the vault of this database, making its keyring on the very first start. Rejects with MasterKeyMismatch or KeyringLost
 * (the program exits 78). The master key stays with the caller's Secret until `seal`, which drops it.
 */
export async function createVault(options: VaultOptions): Promise<OpenVault> {
  const keyring = await openKeyring(options)
  return new Safe(options, keyring, await fingerprintOf(options.masterKey.reveal() ?? new Uint8Array(), 8))
}

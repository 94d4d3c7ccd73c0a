/** Provider credentials at rest: envelope encryption, and references to secrets kept elsewhere. */
import { cleanedSecret } from '../authorize/headers.ts'
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
  /** Rejects (`invalid_request`, `param`) a secret that no header can carry and a reference that cannot be read now. */
  add(draft: CredentialDraft): Promise<StoredCredential>
  list(): Promise<readonly StoredCredential[]>
  /** A new secret for the same credential; the old one is gone. */
  replace(id: string, secret: string): Promise<StoredCredential | undefined>
  remove(id: string): Promise<boolean>
  /**
   * The secret in clear, for building the market or testing it. Rejects with GatewayError `sealed`, with BrokenSeal, or
   * with GatewayError `invalid_request` naming the reference that cannot be read and the cure.
   */
  open(credential: StoredCredential): Promise<string>
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
  /** Peppers and the session key. Throws GatewayError('sealed') after `seal`. */
  keyring(): Keyring
}

const identityOf = ({ id, provider, name }: StoredCredential): readonly string[] => [
  'credential',
  id,
  provider,
  name,
  'secret',
]

const wrong = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** A secret without the line end that it was pasted or kept with. Throws, naming `what` and the cure, when no header can carry it. */
function cleanSecret(text: string, param: 'secret' | 'ref', what: string): string {
  const cleaned = cleanedSecret(text)
  if ('secret' in cleaned) return cleaned.secret
  throw wrong(
    param,
    `${what} cannot be sent to a provider: ${cleaned.why}. It must be one line, the secret alone.`,
  )
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

const isSealed = (): GatewayError =>
  new GatewayError('sealed', 'The vault is sealed. Restart the gateway to open it.')

class Safe implements OpenVault {
  readonly masterKeyFingerprint: string
  readonly #options: VaultOptions
  readonly #imported = new Map<number, Promise<CryptoKey>>()
  readonly #listeners: ((id: string) => unknown)[] = []
  #keyring: Keyring | undefined

  constructor(options: VaultOptions, keyring: Keyring, masterKeyFingerprint: string) {
    this.#options = options
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
    const whole = draft.secret === undefined ? credential : await this.#withSecret(credential, draft.secret)
    await this.#save(whole, 'credential_added')
    return whole
  }

  async replace(id: string, secret: string): Promise<StoredCredential | undefined> {
    this.keyring()
    const credential = (await this.list()).find(each => each.id === id)
    if (credential === undefined) return undefined
    const changed = await this.#withSecret(credential, secret)
    await this.#save(changed, 'credential_replaced')
    return changed
  }

  async remove(id: string): Promise<boolean> {
    const credential = (await this.list()).find(each => each.id === id)
    if (credential === undefined) return false
    await this.#options.store.commit([{ op: 'delete_credential', id }])
    await this.#tell(credential, 'credential_removed')
    return true
  }

  async open(credential: StoredCredential): Promise<string> {
    this.keyring()
    const secret =
      credential.sealed === null
        ? await this.#readRef(credential.ref ?? '')
        : await this.#openSealed(credential, credential.sealed)
    this.#options.onOpen?.(secret)
    return secret
  }

  seal(): void {
    if (this.#keyring === undefined) return
    dropKeyring(this.#keyring)
    this.#keyring = undefined
    this.#imported.clear()
    this.#options.masterKey.drop()
    this.#options.log('warn', 'vault_sealed')
  }

  /** Undefined = the keyring has no such version. */
  #rootKey(version: number): Promise<CryptoKey> | undefined {
    const bytes = this.keyring().roots.get(version)?.reveal()
    if (bytes === undefined) return undefined
    const key = this.#imported.get(version) ?? importKey(bytes)
    this.#imported.set(version, key)
    return key
  }

  async #withSecret(credential: StoredCredential, given: string): Promise<StoredCredential> {
    const secret = cleanSecret(given, 'secret', 'The secret')
    const version = Math.max(...this.keyring().roots.keys())
    const key = await this.#rootKey(version)
    if (key === undefined) throw isSealed()
    const [sealed, fingerprint] = await Promise.all([
      sealText(key, version, identityOf(credential), secret, this.#options.random),
      fingerprintOf(secret, 6),
    ])
    return { ...credential, sealed, ref: null, fingerprint }
  }

  async #openSealed(credential: StoredCredential, blob: string): Promise<string> {
    const key = await this.#rootKey(versionOf(blob) ?? 0)
    if (key === undefined)
      throw new BrokenSeal(`credential ${credential.id} was sealed with a key that is gone`)
    return openText(key, identityOf(credential), blob)
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

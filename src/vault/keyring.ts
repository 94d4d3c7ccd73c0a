/** The keyring: random keys that the master key wraps. Replacing the master key rewraps this one blob and nothing else. */
import type { Store } from '../store/store.ts'
import { BrokenSeal, fingerprintOf, fromBase64, importKey, openText, sealText, toBase64Url } from './seal.ts'
import { Secret } from './secret.ts'

/** Keys derived from nothing: made once, kept only inside the sealed blob and in memory. */
export interface Keyring {
  /** Versions of the key that seals secrets; the highest seals, all open. */
  readonly roots: ReadonlyMap<number, Secret>
  /** Versions of the pepper of platform keys; the highest is for new keys. */
  readonly peppers: ReadonlyMap<number, Secret>
  /** For HMACs of admin tokens and dashboard sessions. */
  readonly session: Secret
}

/** The master key at hand is not the one that sealed the database: exit 78, the message names both fingerprints. */
export class MasterKeyMismatch extends Error {
  override readonly name = 'MasterKeyMismatch'
  readonly found: string
  readonly expected: string

  constructor(found: string, expected: string) {
    super(`master key ${found} does not match the database (expects ${expected})`)
    this.found = found
    this.expected = expected
  }
}

/** The database holds sealed secrets or hashed keys but no keyring, or one that was tampered with: exit 78. */
export class KeyringLost extends Error {
  override readonly name = 'KeyringLost'
}

const SETTING = 'keyring'
const IDENTITY = ['setting', SETTING]
const KEY_BYTES = 32

interface Content {
  readonly roots: Readonly<Record<string, string>>
  readonly peppers: Readonly<Record<string, string>>
  readonly session: string
}

const isTable = (value: unknown): value is Record<string, string> =>
  typeof value === 'object' && value !== null && Object.values(value).every(each => typeof each === 'string')

function parseContent(text: string): Keyring | undefined {
  const content = JSON.parse(text) as Partial<Content>
  const secrets = (table: Readonly<Record<string, string>>, label: string): Map<number, Secret> =>
    new Map(
      Object.entries(table).map(([version, key]) => [
        Number(version),
        new Secret(fromBase64(key) ?? new Uint8Array(), `${label} ${version}`),
      ]),
    )
  if (!isTable(content.roots) || !isTable(content.peppers) || typeof content.session !== 'string')
    return undefined
  return {
    roots: secrets(content.roots, 'root'),
    peppers: secrets(content.peppers, 'pepper'),
    session: new Secret(fromBase64(content.session) ?? new Uint8Array(), 'session'),
  }
}

export interface KeyringOptions {
  readonly store: Pick<Store, 'setting' | 'commit' | 'credentials' | 'keys'>
  readonly masterKey: Secret
  readonly random: (count: number) => Uint8Array
}

/** Stored as `<fingerprint of the master key>:<blob>`. */
function split(stored: string): readonly [string, string] {
  const colon = stored.indexOf(':')
  return [stored.slice(0, colon), stored.slice(colon + 1)]
}

/** Fingerprint of the master key that the database expects; undefined = it has no keyring yet. */
export async function expectedFingerprint(store: Pick<Store, 'setting'>): Promise<string | undefined> {
  const stored = await store.setting(SETTING)
  return stored === undefined ? undefined : split(stored)[0]
}

async function makeKeyring(
  { store, random }: KeyringOptions,
  master: CryptoKey,
  print: string,
): Promise<void> {
  const sealed = (await store.credentials()).some(credential => credential.sealed !== null)
  if (sealed || (await store.keys()).length > 0)
    throw new KeyringLost(
      'the database holds keys or sealed credentials but its keyring is missing: restore the setting "keyring" from a backup',
    )
  const fresh = (): string => toBase64Url(random(KEY_BYTES))
  const content: Content = { roots: { 1: fresh() }, peppers: { 1: fresh() }, session: fresh() }
  const blob = await sealText(master, 1, IDENTITY, JSON.stringify(content), random)
  // Of two first starts one wins; both read the winner's afterwards.
  await store.commit([{ op: 'put_setting_once', name: SETTING, value: `${print}:${blob}` }])
}

/** Opens the database's keyring, or makes it when there is nothing yet that it could be needed for. Rejects with MasterKeyMismatch or KeyringLost. */
export async function openKeyring(options: KeyringOptions): Promise<Keyring> {
  const bytes = options.masterKey.reveal()
  if (bytes === undefined || bytes.length !== KEY_BYTES) throw new Error('the master key must be 32 bytes')
  const [print, master] = await Promise.all([fingerprintOf(bytes, 8), importKey(bytes)])
  if ((await options.store.setting(SETTING)) === undefined) await makeKeyring(options, master, print)
  const [expected, blob] = split((await options.store.setting(SETTING)) ?? '')
  if (expected !== print) throw new MasterKeyMismatch(print, expected)
  try {
    const keyring = parseContent(await openText(master, IDENTITY, blob))
    if (keyring !== undefined) return keyring
  } catch (error) {
    if (!(error instanceof BrokenSeal)) throw error
  }
  throw new KeyringLost('the setting "keyring" was changed and does not open: restore it from a backup')
}

/**
 * Wraps the stored keyring with another master key, in one write: before it the old one opens it, after it the new one.
 * What is inside stays as it is. Rejects as `openKeyring` does, and with BrokenSeal.
 */
export async function rewrapKeyring(
  { store, masterKey, random }: Pick<KeyringOptions, 'store' | 'masterKey' | 'random'>,
  next: Secret,
): Promise<void> {
  const [old, bytes] = [masterKey.reveal(), next.reveal()]
  if (old === undefined || bytes?.length !== KEY_BYTES) throw new Error('the master key must be 32 bytes')
  const [expected, blob] = split((await store.setting(SETTING)) ?? '')
  const [print, nextPrint] = await Promise.all([fingerprintOf(old, 8), fingerprintOf(bytes, 8)])
  if (expected !== print) throw new MasterKeyMismatch(print, expected)
  const [from, to] = await Promise.all([importKey(old), importKey(bytes)])
  const text = await openText(from, IDENTITY, blob)
  const rewrapped = await sealText(to, 1, IDENTITY, text, random)
  // read again as the next start will: a blob that does not open must not replace one that does
  if ((await openText(to, IDENTITY, rewrapped)) !== text) throw new BrokenSeal('keyring')
  await store.commit([{ op: 'put_setting', name: SETTING, value: `${nextPrint}:${rewrapped}` }])
}

/** Overwrites every key. */
export function dropKeyring(keyring: Keyring): void {
  for (const secret of [...keyring.roots.values(), ...keyring.peppers.values(), keyring.session])
    secret.drop()
}

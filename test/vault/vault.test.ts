/** The vault over a real database: what goes in comes out, and nothing that was moved or changed does. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Store, StoredCredential } from '../../src/store/store.ts'
import { expectedFingerprint, KeyringLost, MasterKeyMismatch } from '../../src/vault/keyring.ts'
import type { Ref } from '../../src/vault/ref.ts'
import { BrokenSeal, fromBase64, toBase64Url } from '../../src/vault/seal.ts'
import { Secret } from '../../src/vault/secret.ts'
import { createVault, type OpenVault, type VaultOptions } from '../../src/vault/vault.ts'
import { bytes, handClock, temporary } from '../keys/parts.ts'
import { logbook } from '../runtime/recorder.ts'

const CANARY = 'sk-CANARY-0123456789abcdefghijklmnopqrstuvwxyz'
let folder: ReturnType<typeof temporary>
let store: Store
let master: Uint8Array
const { lines, log } = logbook()
beforeEach(() => {
  folder = temporary()
  store = openSqlite(join(folder.path, 'switchgate.db'))
  master = bytes(32)
})
afterEach(async () => {
  await store.close()
  folder.clean()
})

const open = (more: Partial<VaultOptions> = {}): Promise<OpenVault> =>
  createVault({
    store,
    masterKey: new Secret(master, 'master key'),
    clock: handClock(),
    random: bytes,
    readRef: () => Promise.reject(new Error('no references here')),
    log,
    ...more,
  })

test('a secret comes back, also after a restart, and shows only a fingerprint', async () => {
  const vault = await open()
  const made = await vault.add({ provider: 'openai', name: 'main', secret: `${CANARY}\n` })
  expect(made).toMatchObject({ provider: 'openai', name: 'main', weight: 1, ref: null, status: 'active' })
  expect(made.fingerprint).toMatch(/^[0-9a-f]{6}$/)
  expect(await vault.open(made)).toBe(CANARY)
  const again = await open()
  const [stored] = await again.list()
  expect(stored && (await again.open(stored))).toBe(CANARY)
})

test('no clear secret is in the folder or the log, in no encoding', async () => {
  const vault = await open()
  await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const clear = [
    CANARY,
    Buffer.from(CANARY).toString('base64'),
    Buffer.from(CANARY).toString('hex'),
    CANARY.slice(3, 16),
  ]
  const masterForms = [
    Buffer.from(master).toString('base64'),
    Buffer.from(master).toString('hex'),
    toBase64Url(master),
  ]
  const pepper = vault.keyring().peppers.get(1)?.reveal() ?? new Uint8Array()
  const pepperForms = [Buffer.from(pepper).toString('base64'), toBase64Url(pepper)]
  const places = readdirSync(folder.path).map(name => readFileSync(join(folder.path, name)))
  expect(places.length).toBeGreaterThan(0)
  for (const place of [...places, Buffer.from(JSON.stringify(lines))])
    for (const form of [...clear, ...masterForms, ...pepperForms]) expect(place.includes(form)).toBe(false)
  for (const place of places) expect(place.includes(Buffer.from(master))).toBe(false)
})

test('every flipped bit, every other record and every other field is refused', async () => {
  const vault = await open()
  const one = await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const two = await vault.add({ provider: 'openai', name: 'spare', secret: 'another-secret' })
  const refused = (credential: StoredCredential) => expect(vault.open(credential)).rejects.toThrow(BrokenSeal)
  const [version = '', key = '', nonce = '', text = ''] = (one.sealed ?? '').split('.')
  for (const [part, build] of [
    [nonce, (changed: string) => `${version}.${key}.${changed}.${text}`],
    [text, (changed: string) => `${version}.${key}.${nonce}.${changed}`],
  ] as const) {
    const raw = fromBase64(part) ?? new Uint8Array()
    for (let bit = 0; bit < raw.length * 8; bit++) {
      const flipped = new Uint8Array(raw)
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      await refused({ ...one, sealed: build(toBase64Url(flipped)) })
    }
  }
  await refused({ ...one, sealed: two.sealed })
  for (const swap of [{ id: two.id }, { provider: 'evil' }, { name: 'spare' }])
    await refused({ ...one, ...swap })
  for (const junk of [
    '',
    'v1',
    'v2.1.a.b',
    `v1.2.${nonce}.${text}`,
    `v1.1.${nonce}.${text}=`,
    `v1.1.${nonce}.${text}A`,
    `v1.1.${nonce}.`,
    CANARY,
  ])
    await refused({ ...one, sealed: junk })
  expect(await vault.open(one)).toBe(CANARY)
})

test('one secret sealed twice makes two blobs', async () => {
  const vault = await open()
  const blobs = new Set<string | null>()
  for (let i = 0; i < 200; i++) {
    const { sealed } = await vault.add({ provider: 'p', name: `n${i}`, secret: CANARY })
    blobs.add(sealed?.split('.')[2] ?? null)
  }
  expect(blobs.size).toBe(200)
})

test('a wrong master key names both fingerprints and changes nothing', async () => {
  const vault = await open()
  await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const keyring = await store.setting('keyring')
  const wrong = createVaultWith(bytes(32))
  const error = await wrong.then(
    () => undefined,
    (caught: unknown) => caught,
  )
  expect(error).toBeInstanceOf(MasterKeyMismatch)
  const { message, found, expected } = error as MasterKeyMismatch
  expect(expected).toBe(vault.masterKeyFingerprint)
  expect(message).toBe(`master key ${found} does not match the database (expects ${expected})`)
  expect(await store.setting('keyring')).toBe(keyring)
  expect(await expectedFingerprint(store)).toBe(vault.masterKeyFingerprint)
  expect(await (await open()).list()).toHaveLength(1)
})

const createVaultWith = (key: Uint8Array): Promise<OpenVault> =>
  open({ masterKey: new Secret(key, 'master key') })

test('a keyring is never made over what an older one has sealed', async () => {
  const vault = await open()
  const credential = await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const bare = openSqlite(join(folder.path, 'restored.db'))
  await bare.commit([{ op: 'put_credential', credential }])
  await expect(open({ store: bare })).rejects.toThrow(KeyringLost)
  expect(await bare.setting('keyring')).toBeUndefined()
  await bare.close()
})

test('a keyring that was tampered with is refused, not replaced', async () => {
  await open()
  const stored = (await store.setting('keyring')) ?? ''
  const changed = `${stored.slice(0, -3)}AAA`
  await store.commit([{ op: 'put_setting', name: 'keyring', value: changed }])
  await expect(open()).rejects.toThrow(KeyringLost)
  expect(await store.setting('keyring')).toBe(changed)
})

test('two first starts at once end with one keyring', async () => {
  const [one, two] = await Promise.all([open(), open()])
  const made = await one?.add({ provider: 'p', name: 'n', secret: CANARY })
  expect(made && (await two?.open(made))).toBe(CANARY)
  expect(one?.keyring().peppers.get(1)?.reveal()).toEqual(two?.keyring().peppers.get(1)?.reveal())
})

test('seal forgets everything until a restart', async () => {
  const masterKey = new Secret(master, 'master key')
  const vault = await open({ masterKey })
  const made = await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const { roots, peppers, session } = vault.keyring()
  const raw = [...roots.values(), ...peppers.values(), session, masterKey].map(secret => secret.reveal())
  vault.seal()
  vault.seal()
  expect(vault.sealed).toBe(true)
  for (const bytes of raw) expect(bytes?.every(byte => byte === 0)).toBe(true)
  await expect(vault.open(made)).rejects.toMatchObject({ kind: 'sealed' })
  await expect(vault.add({ provider: 'a', name: 'b', secret: 'c' })).rejects.toMatchObject({ kind: 'sealed' })
  await expect(vault.replace(made.id, 'c')).rejects.toMatchObject({ kind: 'sealed' })
  expect(() => vault.keyring()).toThrow(/sealed/)
  expect(await vault.list()).toHaveLength(1)
  expect(await (await open()).open(made)).toBe(CANARY)
})

test('replace and remove', async () => {
  const vault = await open()
  let changes = 0
  vault.onChange(() => changes++)
  const made = await vault.add({ provider: 'openai', name: 'main', secret: CANARY })
  const next = await vault.replace(made.id, 'sk-next-secret')
  expect(next).toMatchObject({ id: made.id, name: 'main' })
  expect(next?.fingerprint).not.toBe(made.fingerprint)
  expect(next && (await vault.open(next))).toBe('sk-next-secret')
  expect(await vault.replace('cred_none', 'x')).toBeUndefined()
  expect(await vault.remove(made.id)).toBe(true)
  expect(await vault.remove(made.id)).toBe(false)
  expect(await vault.list()).toEqual([])
  expect(changes).toBe(3)
})

test.each([
  [{ provider: 'p', name: 'n' }, 'secret'],
  [{ provider: 'p', name: 'n', secret: 's', ref: 'env://A' }, 'secret'],
  [{ provider: 'p', name: 'n', secret: ' \n ' }, 'secret'],
  [{ provider: 'p', name: 'n', secret: 'a\0b' }, 'secret'],
  [{ provider: 'p', name: 'n', secret: 'a\nb' }, 'secret'],
  [{ provider: 'p', name: 'n', secret: 'a\rb' }, 'secret'],
  [{ provider: 'p', name: 'n', ref: 'env://NOT_SET' }, 'ref'],
  [{ provider: 'p', name: 'n', secret: 'a'.repeat(70_000) }, 'secret'],
  [{ provider: '', name: 'n', secret: 's' }, 'provider'],
  [{ provider: 'p', name: 'a/b', secret: 's' }, 'name'],
  [{ provider: 'p', name: 'n', secret: 's', weight: 0 }, 'weight'],
  [{ provider: 'p', name: 'n', secret: 's', weight: Number.NaN }, 'weight'],
  [{ provider: 'p', name: 'n', ref: 'vault://x' }, 'ref'],
  [{ provider: 'p', name: 'n', ref: 'env://SWITCHGATE_MASTER_KEY' }, 'ref'],
])('%j is refused, naming %s', async (draft, param) => {
  await expect((await open()).add(draft)).rejects.toMatchObject({ kind: 'invalid_request', param })
  expect(await store.credentials()).toEqual([])
})

test('a second credential of the same name is a conflict', async () => {
  const vault = await open()
  await vault.add({ provider: 'p', name: 'n', secret: 's' })
  await vault.add({ provider: 'q', name: 'n', secret: 's' })
  await expect(vault.add({ provider: 'p', name: 'n', secret: 's' })).rejects.toMatchObject({
    status: 409,
    code: 'conflict',
  })
})

test('a reference is kept as a reference and read at each opening', async () => {
  let value = 'first\n'
  const seen: Ref[] = []
  const opened: string[] = []
  const vault = await open({
    readRef: ref => {
      seen.push(ref)
      return Promise.resolve(value)
    },
    onOpen: secret => opened.push(secret),
  })
  const made = await vault.add({ provider: 'p', name: 'n', ref: 'env://MY_KEY' })
  expect(made).toMatchObject({ ref: 'env://MY_KEY', sealed: null, fingerprint: null })
  expect(await vault.open(made)).toBe('first')
  value = 'second'
  expect(await vault.open(made)).toBe('second')
  value = ' '
  await expect(vault.open(made)).rejects.toThrow(/empty/)
  value = 'two\nlines'
  await expect(vault.open(made)).rejects.toMatchObject({ param: 'ref', message: /env:\/\/MY_KEY.*one line/ })
  expect(seen[0]).toEqual({ scheme: 'env', name: 'MY_KEY' })
  expect(opened).toEqual(['first', 'second'])
})

/** The life of a credential's secrets in the vault: pending, current, previous, gone; over a real database. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Store, StoredCredential } from '../../src/store/store.ts'
import { BrokenSeal } from '../../src/vault/seal.ts'
import { Secret } from '../../src/vault/secret.ts'
import { createVault, type OpenVault } from '../../src/vault/vault.ts'
import { graceOf, otherOf, usable } from '../../src/vault/versions.ts'
import { bytes, type HandClock, handClock, temporary } from '../keys/parts.ts'
import { logbook } from '../runtime/recorder.ts'

const HOUR = 3_600_000
let folder: ReturnType<typeof temporary>
let store: Store
let vault: OpenVault
let clock: HandClock
let made: StoredCredential
beforeEach(async () => {
  folder = temporary()
  store = openSqlite(join(folder.path, 'switchgate.db'))
  clock = handClock()
  vault = await createVault({
    store,
    masterKey: new Secret(bytes(32), 'master key'),
    clock,
    random: bytes,
    readRef: () => Promise.reject(new Error('no references here')),
    log: logbook().log,
  })
  made = await vault.add({ provider: 'p', name: 'main', secret: 'sk-one' })
})
afterEach(async () => {
  await store.close()
  folder.clean()
})

const now = async (): Promise<StoredCredential> => {
  const [credential] = await vault.list()
  if (credential === undefined) throw new Error('it is gone')
  return credential
}
/** Ids, secrets and for whom each stands in, as the market gets them. */
const market = async () =>
  (await usable(await now(), clock.now(), (each, other) => vault.open(each, other))).map(
    ({ id, secret, standsInFor }) => [id, secret, standsInFor],
  )

test('a new secret is current at once, and the old one stands in until its time is over', async () => {
  const changed = await vault.replace(made.id, 'sk-two', { graceMs: HOUR })
  expect(changed).toMatchObject({ version: 2, others: [{ version: 1, stage: 'previous' }] })
  expect(await now()).toEqual(changed)
  expect(await market()).toEqual([
    [`${made.id}.v2`, 'sk-two', undefined],
    [made.id, 'sk-one', `${made.id}.v2`],
  ])
  clock.nowMs += HOUR - 1
  expect(graceOf(await now(), clock.now())?.version).toBe(1)
  clock.nowMs += 1
  expect(await market()).toEqual([[`${made.id}.v2`, 'sk-two', undefined]])
  const told: string[] = []
  vault.onChange(id => told.push(id))
  await vault.forgetEnded()
  expect((await now()).others).toEqual([])
  await vault.forgetEnded()
  expect(told).toEqual([made.id])
})

test('a pending secret is used by nobody until it is promoted', async () => {
  await vault.replace(made.id, 'sk-two', { stage: 'pending' })
  expect(await market()).toEqual([[made.id, 'sk-one', undefined]])
  await vault.replace(made.id, 'sk-three', { stage: 'pending' })
  const waiting = await now()
  expect(waiting.others).toMatchObject([{ version: 3, stage: 'pending', endsAtMs: null }])
  expect(await vault.open(waiting, otherOf(waiting, 'pending'))).toBe('sk-three')
  await vault.promote(made.id, HOUR)
  expect(await market()).toEqual([
    [`${made.id}.v3`, 'sk-three', undefined],
    [made.id, 'sk-one', `${made.id}.v3`],
  ])
  await vault.retire(made.id, 'previous')
  expect(await market()).toEqual([[`${made.id}.v3`, 'sk-three', undefined]])
})

test('what is not there cannot be promoted or retired; without a grace nothing is kept', async () => {
  const conflict = { status: 409, code: 'conflict' }
  await expect(vault.promote(made.id, HOUR)).rejects.toMatchObject(conflict)
  await expect(vault.retire(made.id, 'previous')).rejects.toMatchObject(conflict)
  await expect(vault.retire(made.id, 'pending')).rejects.toMatchObject(conflict)
  expect(await vault.promote('cred_nobody', 0)).toBeUndefined()
  await vault.replace(made.id, 'sk-two')
  expect((await now()).others).toEqual([])
  await vault.replace(made.id, 'sk-three', { stage: 'pending' })
  await vault.promote(made.id, 0)
  expect((await now()).others).toEqual([])
  expect(await market()).toEqual([[`${made.id}.v3`, 'sk-three', undefined]])
})

test('changes at the same moment come one after the other', async () => {
  await Promise.all(
    ['a', 'b', 'c', 'd'].map(letter => vault.replace(made.id, `sk-${letter}`, { graceMs: HOUR })),
  )
  const last = await now()
  expect([last.version, last.others.map(({ version }) => version)]).toEqual([5, [4]])
  expect(await market()).toEqual([
    [`${made.id}.v5`, 'sk-d', undefined],
    [`${made.id}.v4`, 'sk-c', `${made.id}.v5`],
  ])
})

test('a secret opens under its own number only, and what was retired is not in the file', async () => {
  await vault.replace(made.id, 'sk-two', { graceMs: HOUR })
  const both = await now()
  const [previous] = both.others
  if (previous === undefined) throw new Error('no previous')
  for (const moved of [
    { ...both, sealed: previous.sealed },
    { ...both, version: 1 },
    { ...both, version: 3 },
  ])
    await expect(vault.open(moved)).rejects.toThrow(BrokenSeal)
  await expect(vault.open(both, { ...previous, version: 2 })).rejects.toThrow(BrokenSeal)
  await vault.retire(made.id, 'previous')
  await store.close()
  const disk = readdirSync(folder.path)
    .map(name => readFileSync(join(folder.path, name), 'latin1'))
    .join('')
  expect(disk).not.toContain(previous.sealed)
  expect(disk).toContain((both.sealed ?? '').slice(0, 60))
  store = openSqlite(join(folder.path, 'switchgate.db'))
})

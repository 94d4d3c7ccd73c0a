/** The admin token: shown once, kept as a hash, replaced by reset. */
import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createAdminGate } from '../../src/keys/admin.ts'
import { parse } from '../../src/keys/format.ts'
import { type Bench, bench, bytes } from './parts.ts'

let at: Bench
beforeEach(() => {
  at = bench()
})
afterEach(() => at.clean())

const hmac = (text: string): string => createHmac('sha256', 'session').update(text).digest('hex')
const gate = (configured?: string) =>
  createAdminGate({ store: at.store, hmac, randomBytes: bytes, configured })

test('made on the first start only, and stored as a hash only', async () => {
  const first = await gate()
  expect(parse(first.made ?? '')?.env).toBe('admin')
  expect(first.check(first.made ?? '')).toBe(true)
  expect(await at.store.setting('admin_token_hash')).toBe(hmac(first.made ?? ''))
  const second = await gate()
  expect(second.made).toBeUndefined()
  expect(second.check(first.made ?? '')).toBe(true)
  for (const bad of [
    '',
    'x',
    `${first.made}x`,
    (first.made ?? '').slice(0, -1),
    hmac(first.made ?? ''),
    'a'.repeat(1e6),
  ])
    expect(second.check(bad)).toBe(false)
})

test('two first starts at once agree on one token', async () => {
  const [one, two] = await Promise.all([gate(), gate()])
  const made = [one?.made, two?.made].filter(text => text !== undefined)
  expect(made).toHaveLength(1)
  expect(one?.check(made[0] ?? '')).toBe(true)
  expect(two?.check(made[0] ?? '')).toBe(true)
})

test('reset ends the old token', async () => {
  const admin = await gate()
  const next = await admin.reset()
  expect(admin.check(admin.made ?? '')).toBe(false)
  expect(admin.check(next)).toBe(true)
  expect((await gate()).check(next)).toBe(true)
})

test('a configured token is used, not stored, and not reset here', async () => {
  const token = 'correct horse battery staple and more'
  const admin = await gate(token)
  expect(admin.made).toBeUndefined()
  expect(admin.check(token)).toBe(true)
  expect(await at.store.setting('admin_token_hash')).toBeUndefined()
  await expect(admin.reset()).rejects.toMatchObject({ status: 409 })
  await expect(gate('short')).rejects.toThrow(/SWITCHGATE_ADMIN_TOKEN has 5 characters/)
})

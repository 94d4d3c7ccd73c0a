/** Secrets in memory and as text: they do not print, and a wrong one is refused without being repeated. */
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { parseMasterKey } from '../../src/vault/master.ts'
import { parseRef } from '../../src/vault/ref.ts'
import { Secret } from '../../src/vault/secret.ts'
import { bytes } from '../keys/parts.ts'

const CANARY = 'sk-CANARY-0123456789abcdefghijklmnopqrstuvwxyz'

test('references: what is one and what is not', () => {
  expect(parseRef('file:///run/secrets/a b')).toEqual({ scheme: 'file', path: '/run/secrets/a b' })
  for (const bad of [
    '',
    'MY_KEY',
    'env://',
    'env://A B',
    'env://1A',
    'env://A\n',
    'env://database_url',
    'file://etc/passwd',
    'file:/etc/passwd',
    'file:///a\0b',
    'exec://ls',
    'https://x',
  ])
    expect(parseRef(bad), bad).toHaveProperty('why')
})

test('a Secret never prints', () => {
  const secret = new Secret(new TextEncoder().encode(CANARY), 'of a test')
  for (const text of [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect(secret),
    inspect({ deep: { secret } }, { showHidden: true, depth: 9 }),
    JSON.stringify(Object.entries(secret)),
  ])
    expect(text).not.toContain('CANARY')
  expect(inspect(secret)).toContain('of a test')
  expect(inspect(secret, { showHidden: true })).not.toContain('83, 75')
})

test('master keys: 32 random bytes in base64, or an error that names the source and not the text', () => {
  const good = Buffer.from(bytes(32))
  for (const text of [good.toString('base64'), good.toString('base64url'), `${good.toString('base64')}\n`])
    expect(Buffer.from(parseMasterKey(text, 'X').reveal() ?? []).equals(good)).toBe(true)
  const bad = [
    '',
    'CANARYCANARY',
    'CANARY!!',
    Buffer.alloc(32).toString('base64'),
    bytes(31).toString(),
    Buffer.from(bytes(33)).toString('base64'),
    'a'.repeat(64),
  ]
  for (const text of bad) {
    expect(() => parseMasterKey(text, 'SWITCHGATE_MASTER_KEY'), text).toThrow(
      /^SWITCHGATE_MASTER_KEY .*head -c 32/,
    )
    expect(() => parseMasterKey(text, 'SWITCHGATE_MASTER_KEY'), text).not.toThrow(/CANARY/)
  }
})

/** The table of hosts: every row is well formed, and no two rows claim the same key of the environment. */
import { expect, test } from 'vitest'
import { HOSTS } from '../../../providers/hosts.ts'
import { hostFor, KINDS, providerFor } from '../../../providers/index.ts'

test('at least 40 hosts, each with a source', () => {
  const rows = Object.entries(HOSTS)
  expect(rows.length).toBeGreaterThanOrEqual(40)
  for (const [name, row] of rows) {
    expect(name, name).toMatch(/^[a-z0-9][a-z0-9-]*$/)
    // places for an account are filled by the provider's options
    const url = new URL(row.baseUrl.replace(/\{[a-z_]+\}/g, 'x'))
    expect(row.baseUrl.endsWith('/'), name).toBe(false)
    expect([url.search, url.hash, url.username, url.password], name).toEqual(['', '', '', ''])
    const own = url.hostname === '127.0.0.1'
    expect(url.protocol, name).toBe(own ? 'http:' : 'https:')
    expect(row.env.length > 0, `${name} can be found in the environment`).toBe(!own)
    for (const variable of row.env) expect(variable, name).toMatch(/^[A-Z][A-Z0-9_]+$/)
    expect(row.source.length, name).toBeGreaterThan(10)
  }
})

test('an environment variable belongs to one kind', () => {
  const names = [...KINDS.values()].flatMap(({ host }) => host.env)
  expect(new Set(names).size).toBe(names.length)
})

test('kinds: the native wires and every host', () => {
  expect(KINDS.get('anthropic')?.provider.auth).toBe('x-api-key')
  expect(KINDS.get('gemini')?.provider.auth).toBe('x-goog-api-key')
  expect(hostFor('openai')?.env).toEqual(['OPENAI_API_KEY'])
  expect(providerFor('groq')).toMatchObject({ name: 'groq', auth: 'bearer' })
  expect(providerFor('demo')?.auth).toBe('none')
  expect(hostFor('nobody')).toBeUndefined()
  for (const { kind, provider, host } of KINDS.values()) {
    expect(provider.auth, kind).toBe(host.auth)
    expect(provider.chat, kind).toBeDefined()
  }
})

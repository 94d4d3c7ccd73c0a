/** Secrets of a credential under traffic: rotated, refused, promoted, retired; the one before stands in where the new one is refused. */
import type { IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
} from './harness.ts'

type Wire = Record<string, unknown>

let upstream: ScriptedUpstream
let at: TestGateway
let key: string
/** Secrets that the provider takes. */
let good: Set<string>
let id: string

const secretIn = (headers: IncomingMessage['headers']) =>
  (headers.authorization ?? '').replace(/^Bearer /, '')

beforeEach(async () => {
  good = new Set(['sk-one'])
  upstream = await startUpstream((response, { headers, url, body }) => {
    if (!good.has(secretIn(headers)))
      sendJson(response, 401, { error: { message: 'bad key', code: 'invalid_api_key' } })
    else if (url.endsWith('/models')) sendJson(response, 200, { object: 'list', data: [] })
    else if (body.includes('"stream":true')) sse(response).write(role + delta('Hello'))
    else sendJson(response, 200, completion())
  })
  at = await startGateway({
    config: configFor({ alpha: upstream.port }),
    env: { KEY_ELSEWHERE: 'sk-one' },
  })
  key = await at.key()
  id = String((await admin('POST', '/credentials', { provider: 'alpha', secret: 'sk-one' })).id)
})
afterEach(async () => {
  await at.close()
  await upstream.close()
})

async function admin(method: string, path: string, body?: unknown, status?: number): Promise<Wire> {
  const answer = await at.gateway.admin.fetch(
    new Request(`http://localhost/admin/v1${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    }),
    { trusted: true },
  )
  const wire = (await answer.json()) as Wire
  expect(answer.status, JSON.stringify(wire)).toBe(
    status ?? (path === '/credentials' && method === 'POST' ? 201 : 200),
  )
  return wire
}

/** The secrets that chat requests were sent with since the last look. */
function used(): string[] {
  const asked = upstream.seen
    .filter(({ url }) => url.endsWith('/chat/completions'))
    .map(({ headers }) => secretIn(headers))
  upstream.seen.length = 0
  return asked
}

const stages = ({ versions }: Wire) => (versions as Wire[]).map(({ version, stage }) => `${version} ${stage}`)

describe('a rotation', () => {
  test('is tested first: a secret that the provider refuses changes nothing, and says so', async () => {
    const refused = await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-wrong-canary' }, 400)
    expect(refused.error).toMatchObject({ param: 'secret', code: 'credential_refused' })
    expect((refused.error as Wire).message).toMatch(
      /refused this credential.*old secret is kept.*"test": false/,
    )
    expect(JSON.stringify(refused) + at.logs.join()).not.toContain('canary')
    expect((await at.post(key, CHAT)).status).toBe(200)
    expect(used()).toEqual(['sk-one'])
    expect(stages(((await admin('GET', '/credentials')).data as Wire[])[0] as Wire)).toEqual(['1 current'])
  })

  test('is in force when it is answered, and shows stages and fingerprints, never a secret', async () => {
    good.add('sk-two-canary')
    const done = await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two-canary' })
    expect(done).toMatchObject({ id, stage: 'current', version: 2, test: { ok: true } })
    expect(stages(done)).toEqual(['2 current', '1 previous'])
    expect((done.versions as Wire[]).map(({ fingerprint }) => fingerprint)).toEqual([
      done.fingerprint,
      expect.stringMatching(/^[0-9a-f]{6}$/),
    ])
    expect((await at.post(key, CHAT)).status).toBe(200)
    expect(used()).toEqual(['sk-two-canary'])
    expect(JSON.stringify(done) + at.logs.join()).not.toMatch(/canary|v1\./)
  })

  test('of a provider that cannot be asked is made all the same, and says that it was not tested', async () => {
    const port = upstream.port
    upstream.script = response => sendJson(response, 503, { error: { message: 'down' } })
    const done = await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two' })
    expect(done).toMatchObject({ version: 2, test: { ok: false } })
    expect(port).toBe(upstream.port)
  })

  test('with 100 requests under way fails none of them, whichever secret each of them had', async () => {
    good.add('sk-two')
    const before = Array.from({ length: 50 }, () => at.post(key, CHAT))
    const rotated = admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two', test: false })
    const after = Array.from({ length: 50 }, () => at.post(key, CHAT))
    await rotated
    const statuses = await Promise.all([...before, ...after].map(async answer => (await answer).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
    used()
    expect((await at.post(key, CHAT)).status).toBe(200)
    expect(used()).toEqual(['sk-two'])
  })

  test('leaves a stream that runs with the old secret alone', async () => {
    let end = () => {}
    upstream.script = response => {
      sse(response).write(role + delta('Hello'))
      end = () => response.end(delta(' there') + finish() + DONE)
    }
    const answer = await at.post(key, { ...CHAT, stream: true })
    await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two', test: false, grace_seconds: 0 })
    end()
    expect(await answer.text()).toMatch(/ there[\s\S]*\[DONE\]/)
    expect(used()).toEqual(['sk-one'])
  })
})

describe('the secret before', () => {
  beforeEach(() => admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-bad', test: false }))

  test('stands in for one that is refused: one request heals by itself, the next go straight to it', async () => {
    used()
    const answer = await at.post(key, CHAT)
    expect([answer.status, answer.headers.get('x-switchgate-attempts')]).toEqual([200, '2'])
    expect(used()).toEqual(['sk-bad', 'sk-one'])
    for (let i = 0; i < 3; i++) expect((await at.post(key, CHAT)).status).toBe(200)
    expect(used()).toEqual(['sk-one', 'sk-one', 'sk-one'])
    const rows = (await at.rows()).map(({ credential, error }) => [credential, error])
    expect(rows.slice(0, 2)).toEqual([
      [`${id}.v2`, 'bad_credential'],
      [id, null],
    ])
  })

  test('is not asked while the current one is taken, not even where the provider fails or is busy', async () => {
    good.add('sk-bad')
    for (const status of [429, 500, 503]) {
      upstream.script = response => sendJson(response, status, { error: { message: 'no' } })
      await at.post(key, CHAT)
      expect(new Set(used()), String(status)).toEqual(new Set(['sk-bad']))
    }
  })

  test('is asked once, and a request that both are refused for ends', async () => {
    good.clear()
    used()
    expect((await at.post(key, CHAT)).status).toBe(502)
    expect(used()).toEqual(['sk-bad', 'sk-one'])
  })

  test('is asked no more when it is retired', async () => {
    const done = await admin('POST', `/credentials/${id}/retire`, {})
    expect(stages(done)).toEqual(['2 current'])
    used()
    expect((await at.post(key, CHAT)).status).toBe(502)
    expect(used()).toEqual(['sk-bad'])
    const again = await admin('POST', `/credentials/${id}/retire`, {}, 409)
    expect(again.error).toMatchObject({ code: 'conflict' })
  })
})

test('a grace that is over is forgotten by itself', async () => {
  good.add('sk-two')
  const done = await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two', grace_seconds: 1 })
  expect(stages(done)).toEqual(['2 current', '1 previous'])
  await until(async () => (await at.gateway.vault.list())[0]?.others.length === 0)
  await until(() => at.gateway.deps.market().sites[0]?.credentials.length === 1)
  expect(at.gateway.deps.market().sites[0]?.credentials).toMatchObject([{ id: `${id}.v2`, name: 'main' }])
})

test('a pending secret is asked by nobody until it is promoted, and then by all', async () => {
  good.add('sk-two')
  expect((await admin('POST', `/credentials/${id}/promote`, {}, 409)).error).toMatchObject({
    code: 'conflict',
  })
  const waiting = await admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two', stage: 'pending' })
  expect(stages(waiting)).toEqual(['1 current', '2 pending'])
  expect((await at.post(key, CHAT)).status).toBe(200)
  expect(used()).toEqual(['sk-one'])
  const done = await admin('POST', `/credentials/${id}/promote`, { grace_seconds: 0 })
  expect(stages(done)).toEqual(['2 current'])
  good.delete('sk-one')
  expect((await at.post(key, CHAT)).status).toBe(200)
  expect(used()).toEqual(['sk-two'])
})

test('several credentials of a provider share its requests by their weights', async () => {
  good.add('sk-light')
  await admin('POST', '/credentials', {
    provider: 'alpha',
    name: 'light',
    secret: 'sk-light',
    weight: 0.000001,
  })
  used()
  for (let i = 0; i < 30; i++) expect((await at.post(key, CHAT)).status).toBe(200)
  expect(used()).toEqual(Array.from({ length: 30 }, () => 'sk-one'))
  await admin('DELETE', `/credentials/${id}`)
  expect((await at.post(key, CHAT)).status).toBe(200)
  expect(used()).toEqual(['sk-light'])
})

test('a reference has no secrets of its own to turn', async () => {
  const { id: ref } = await admin('POST', '/credentials', {
    provider: 'alpha',
    name: 'ref',
    ref: 'env://KEY_ELSEWHERE',
  })
  for (const [verb, body] of [
    ['rotate', { secret: 'sk-x' }],
    ['promote', {}],
    ['retire', {}],
  ] as const)
    expect((await admin('POST', `/credentials/${ref}/${verb}`, body, 409)).error).toMatchObject({
      code: 'conflict',
    })
})

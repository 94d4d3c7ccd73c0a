/** The Worker's keys, routes and admin plane in real workerd; the table of endpoints is walked on both runtimes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { CHAT, sendJson, startGateway, type TestGateway } from '../gateway/harness.ts'
import {
  ADMIN_TOKEN,
  json,
  MASTER_KEY,
  PROVIDER_SECRET,
  type Served,
  serveUpstream,
} from './worker-gateway.ts'

let served: Served
beforeAll(async () => {
  served = await serveUpstream()
})
afterAll(() => served?.close())

describe('keys', () => {
  test('a bad key is 401 and nothing is sent; a revoked one ends with the next request', async () => {
    const before = served.upstream.seen.length
    const made = await json(served.admin('POST', '/keys', { name: 'short-lived' }))
    expect((await served.get('/v1/key', made.key)).status).toBe(200)
    expect((await served.admin('POST', `/keys/${made.id}/revoke`)).status).toBe(200)
    const revoked = await served.post('/v1/chat/completions', CHAT, made.key)
    expect(revoked.status).toBe(401)
    const wrong = `${served.key.slice(0, -1)}${served.key.endsWith('0') ? '1' : '0'}`
    const bad = await served.post('/v1/chat/completions', CHAT, wrong)
    expect(bad.status).toBe(401)
    expect(await bad.text()).toBe(await revoked.text())
    expect(served.upstream.seen.length).toBe(before)
  })

  test.each([
    [{ budgets: [{ window: 'day', usd: 1 }] }, 'budgets'],
    [{ limits: { rpm: 10 } }, 'limits.rpm'],
    [{ limits: { concurrency: 1 } }, 'limits.concurrency'],
  ])('a key with %j is refused when it is made or changed', async (fields, param) => {
    const made = await served.admin('POST', '/keys', { name: 'limited', ...fields })
    expect(made.status).toBe(400)
    const { error } = await json(made)
    expect(error).toMatchObject({ param })
    expect(error.message).toContain('not supported on Workers yet')
    const { data } = await json(served.admin('GET', '/keys'))
    expect(JSON.stringify(data)).not.toContain('limited')
    const id = served.key.split('_')[2]
    expect((await served.admin('PATCH', `/keys/${id}`, fields)).status).toBe(400)
  })

  test('a key whose budget came from elsewhere is refused, not served without it', async () => {
    const made = await json(served.admin('POST', '/keys', { name: 'imported' }))
    const database = served.database
    const budgets = JSON.stringify([{ window: 'day', limitNanoUsd: 1, softNanoUsd: null }])
    await database.prepare('update keys set budgets = ? where id = ?').bind(budgets, made.id).run()
    const before = served.upstream.seen.length
    const response = await served.post('/v1/chat/completions', CHAT, made.key)
    expect(response.status).toBe(403)
    expect((await json(response)).error).toMatchObject({ code: 'limits_not_supported' })
    expect(served.upstream.seen.length).toBe(before)
  })
})

describe('routes', () => {
  let node: TestGateway
  beforeAll(async () => {
    node = await startGateway()
  })
  afterAll(() => node.close())

  test('unknown routes are 404 naming what exists, wrong methods 405', async () => {
    const unknown = await served.get('/v1/batches')
    expect(unknown.status).toBe(404)
    expect((await json(unknown)).error.message).toContain('/v1/chat/completions')
    const wrong = await served.get('/v1/chat/completions')
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('POST, OPTIONS')
  })

  test.each(ENDPOINTS.map(e => [e.method, e.path] as const))(
    '%s %s answers 401 without a key, in the same bytes on both runtimes',
    async (method, path) => {
      const ask = (origin: string) =>
        fetch(`${origin}${path}`, {
          method,
          ...(method === 'POST' && { body: '{}', headers: { 'content-type': 'application/json' } }),
        })
      const [onNode, onWorker] = [await ask(node.url), await ask(served.url)]
      expect([onNode.status, onWorker.status]).toEqual([401, 401])
      expect(await onWorker.text()).toBe(await onNode.text())
    },
  )

  test('reading routes, health and /openai/v1', async () => {
    for (const path of ['/v1/models', '/v1/key', '/v1/key/spend', '/v1/generation?id=x'])
      expect((await fetch(`${served.url}${path}`)).status, path).toBe(401)
    expect(JSON.stringify(await json(served.get('/openai/v1/models')))).toContain('house-model')
    expect((await served.get('/healthz')).status).toBe(200)
    expect(await json(served.get('/readyz'))).toEqual({ status: 'ready' })
  })
})

describe('admin plane', () => {
  test('nothing without the token; the views know what happened', async () => {
    for (const path of ['/admin/v1/keys', '/admin/v1/requests', '/admin/v1/openapi.json'])
      expect((await fetch(`${served.url}${path}`)).status, path).toBe(401)
    expect((await served.post('/v1/chat/completions', CHAT)).status).toBe(200)
    expect((await json(served.admin('GET', '/spend'))).total).toMatchObject({
      requests: 1,
      cost_nano_usd: '20000',
    })
    expect(JSON.stringify(await json(served.admin('GET', '/requests')))).toContain('alpha')
    expect(JSON.stringify(await json(served.admin('GET', '/targets')))).toContain('house-model')
  })

  test('a stored credential is sealed in D1, sold with the next request, tested, and gone when it is deleted', async () => {
    const body = { provider: 'groq', name: 'main', secret: PROVIDER_SECRET }
    const made = await json(served.admin('POST', '/credentials', body))
    expect(made.id).toMatch(/^cred_/)
    const { results } = await served.database
      .prepare('select * from credentials where id = ?')
      .bind(made.id)
      .all()
    expect(results).toHaveLength(1)
    expect(JSON.stringify(results)).not.toContain(PROVIDER_SECRET)
    expect(JSON.stringify(await json(served.admin('GET', '/targets')))).toContain('groq')
    expect((await served.admin('DELETE', `/credentials/${made.id}`)).status).toBeLessThan(300)
    expect(JSON.stringify(await json(served.admin('GET', '/targets')))).not.toContain('groq')
  })

  test('a credential is tried at its provider, through the guarded way out', async () => {
    const body = { provider: 'alpha', name: 'spare', secret: PROVIDER_SECRET }
    const { id } = await json(served.admin('POST', '/credentials', body))
    served.upstream.script = (response, seen) =>
      seen.headers.authorization === `Bearer ${PROVIDER_SECRET}` && seen.url === '/v1/models'
        ? sendJson(response, 200, { object: 'list', data: [{ id: 'house-model' }] })
        : sendJson(response, 404, {})
    const good = await served.admin('POST', `/credentials/${id}/test`)
    expect(await good.json()).toMatchObject({ ok: true, message: 'accepted; the provider lists 1 models' })
    served.upstream.script = response =>
      sendJson(response, 401, { error: { message: `no ${PROVIDER_SECRET}` } })
    const bad = await served.admin('POST', `/credentials/${id}/test`)
    const told = await bad.text()
    expect(JSON.parse(told)).toMatchObject({ ok: false })
    expect(told).not.toContain(PROVIDER_SECRET)
    expect((await served.admin('DELETE', `/credentials/${id}`)).status).toBeLessThan(300)
  })

  test('sealing is refused, because one isolate cannot seal the others', async () => {
    const response = await served.admin('POST', '/seal')
    expect(response.status).toBe(400)
    expect((await json(response)).error.message).toContain('wrangler secret delete')
    expect((await served.get('/readyz')).status).toBe(200)
  })

  test('the dashboard: login by form, pages behind the cookie', async () => {
    expect((await fetch(served.url, { redirect: 'manual' })).headers.get('location')).toBe(
      `${served.url}/dashboard`,
    )
    const login = await fetch(`${served.url}/dashboard/login`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: served.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token: ADMIN_TOKEN }),
    })
    expect(login.status).toBe(303)
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
    for (const page of [
      '/dashboard',
      '/dashboard/keys',
      '/dashboard/requests',
      '/dashboard/targets',
      '/admin/docs',
    ]) {
      const response = await fetch(`${served.url}${page}`, { headers: { cookie } })
      expect(response.status, page).toBe(200)
      expect(await response.text()).toContain('</html>')
    }
    const outside = await fetch(`${served.url}/dashboard`, { redirect: 'manual' })
    expect(await outside.text()).not.toContain('worker-admin')
  })
})

test('no secret in what the Worker logged', () => {
  const logs = served.logs.join('\n')
  expect(logs).toContain('key_created')
  for (const secret of [served.key, MASTER_KEY, ADMIN_TOKEN, PROVIDER_SECRET])
    expect(logs).not.toContain(secret)
})

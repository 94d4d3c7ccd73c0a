/** Where, from where and when a key may be used, and secrets of credentials that are turned, in real workerd over D1. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DAYS } from '../../src/keys/hours.ts'
import { CHAT, completion, DONE, delta, finish, role, sendJson, sse } from '../gateway/harness.ts'
import { json, type Served, serveUpstream } from './worker-gateway.ts'

const APP = 'https://app.example.com'

let served: Served
beforeAll(async () => {
  served = await serveUpstream()
})
afterAll(() => served?.close())

const made = async (fields: object) =>
  (await json(served.admin('POST', '/keys', { name: 'bound', ...fields }))).key

test('scopes and hours are enforced, also after a change', async () => {
  const key = await made({ scopes: ['models'] })
  const refused = await served.post('/v1/chat/completions', CHAT, key)
  expect([refused.status, (await json(refused)).error.code]).toEqual([403, 'route_not_allowed'])
  expect((await served.get('/v1/models', key)).status).toBe(200)
  expect((await served.get('/v1/key', key)).status).toBe(403)
  // the day after tomorrow, UTC: closed now, whatever the time of day
  const day = DAYS[(new Date(Date.now() + 2 * 86_400_000).getUTCDay() + 6) % 7]
  const hours = { zone: 'UTC', allow: [{ days: [day], from: '08:00', to: '18:00' }] }
  const id = key.split('_')[2]
  await served.admin('PATCH', `/keys/${id}`, { scopes: null, hours })
  const closed = await json(served.post('/v1/chat/completions', CHAT, key))
  expect(closed.error).toMatchObject({
    code: 'hour_not_allowed',
    message: expect.stringMatching(/again from .*T08:00Z/),
  })
  await served.admin('PATCH', `/keys/${id}`, {
    hours: { zone: 'Asia/Tokyo', allow: [{ from: '00:00', to: '24:00' }] },
  })
  expect((await served.post('/v1/chat/completions', CHAT, key)).status).toBe(200)
})

test('pages of an origin that a key names are let in: preflight, whole answer, stream, refusal', async () => {
  const preflight = () =>
    fetch(`${served.url}/v1/chat/completions`, {
      method: 'OPTIONS',
      headers: {
        origin: APP,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,content-type',
      },
    })
  const key = await made({ origin_allow: [APP] })
  const post = (origin: string, body: unknown, text = key) =>
    fetch(`${served.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${text}`, 'content-type': 'application/json', origin },
      body: JSON.stringify(body),
    })
  const allowed = await preflight()
  expect(allowed.status).toBe(204)
  expect(Object.fromEntries(allowed.headers)).toMatchObject({
    'access-control-allow-origin': APP,
    'access-control-allow-methods': 'POST, OPTIONS',
    'access-control-allow-headers': 'authorization,content-type',
    vary: 'Origin',
  })
  served.upstream.script = (response, seen) => {
    if (seen.json().stream === true) sse(response).end(role + delta('Hello') + finish() + DONE)
    else sendJson(response, 200, completion())
  }
  const answers = [
    await post(APP, CHAT),
    await post(APP, { ...CHAT, stream: true }),
    await post(APP, CHAT, 'sgate_wrong'),
    await fetch(`${served.url}/v1/models`, { headers: { authorization: `Bearer ${key}`, origin: APP } }),
  ]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 401, 200])
  for (const answer of answers) {
    expect(answer.headers.get('access-control-allow-origin')).toBe(APP)
    expect(answer.headers.get('access-control-expose-headers')).toContain('x-switchgate-provider')
    await answer.text()
  }
  const evil = await post('https://evil.test', CHAT)
  expect([evil.status, evil.headers.get('access-control-allow-origin')]).toEqual([403, null])
  expect((await json(evil)).error.code).toBe('origin_not_allowed')
  expect((await served.post('/v1/chat/completions', CHAT, key)).status).toBe(200)
})

test('a secret that is turned is in force at once; the one before stands in where the new one is refused', async () => {
  const good = new Set(['sk-one', 'sk-two'])
  const used: string[] = []
  served.upstream.script = (response, { headers, url }) => {
    const secret = (headers.authorization ?? '').replace('Bearer ', '')
    if (url.endsWith('/chat/completions')) used.push(secret)
    if (!good.has(secret)) sendJson(response, 401, { error: { message: 'no' } })
    else sendJson(response, 200, url.endsWith('/models') ? { object: 'list', data: [] } : completion())
  }
  const { id } = await json(served.admin('POST', '/credentials', { provider: 'alpha', secret: 'sk-one' }))
  const ask = async () => (await served.post('/v1/chat/completions', CHAT)).status
  expect(await ask()).toBe(200)
  const wrong = await served.admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-wrong' })
  expect([wrong.status, (await json(wrong)).error.code]).toEqual([400, 'credential_refused'])
  await served.admin('POST', `/credentials/${id}/rotate`, { secret: 'sk-two', stage: 'pending' })
  expect((await served.admin('POST', `/credentials/${id}/promote`, {})).status).toBe(200)
  expect(await ask()).toBe(200)
  good.delete('sk-two')
  expect(await ask()).toBe(200)
  expect(used).toEqual(['sk-one', 'sk-two', 'sk-two', 'sk-one'])
  expect((await served.admin('POST', `/credentials/${id}/retire`, {})).status).toBe(200)
  expect((await served.admin('POST', `/credentials/${id}/retire`, {})).status).toBe(409)
  expect(await ask()).toBeGreaterThanOrEqual(502)
  expect(used.slice(4)).not.toContain('sk-one')
  // nobody from outside replaces the master key, here or elsewhere
  expect((await served.admin('POST', '/vault/rotate-master-key', {})).status).toBe(403)
})

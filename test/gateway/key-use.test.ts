/** Where, from where and when a key may be used: scopes on every route, origins of browser pages, hours. Real sockets. */
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDataPlane } from '../../src/app.ts'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import { DAYS } from '../../src/keys/hours.ts'
import { SCOPE_ROUTES, SCOPES } from '../../src/keys/scopes.ts'
import type { Day, Scope } from '../../src/terms.ts'
import { EXPOSED } from '../../src/wire/cors.ts'
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
} from './harness.ts'
import { heardUntil } from '../waiting.ts'

const APP = 'https://app.example.com'

let upstream: ScriptedUpstream
let at: TestGateway
beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  at = await startGateway({ config: configFor({ alpha: upstream.port }) })
})
afterEach(() => {
  upstream.script = response => sendJson(response, 200, completion())
})
afterAll(async () => {
  await at.close()
  await upstream.close()
})

const bearer = (key: string, more: Record<string, string> = {}) => ({
  authorization: `Bearer ${key}`,
  ...more,
})

interface Route {
  readonly method: string
  readonly path: string
}

/** Everything that the data plane has a handler for, from the tables that it is mounted with. */
function routes(): Route[] {
  const read = createDataPlane(at.gateway.deps)
    .routes.filter(({ method }) => method === 'GET')
    .map(({ method, path }) => ({ method, path: path.replace(':id{.+}', 'house-model') }))
  const posted = ENDPOINTS.map(({ method, path }) => ({
    method,
    path: path.replace('{model}', 'house-model'),
  }))
  return [...posted, ...read]
}

const OPEN_TO_ALL = ['/healthz', '/readyz']

async function ask(key: string, { method, path }: Route, headers: Record<string, string> = {}) {
  const body = method === 'POST' ? JSON.stringify({ ...CHAT, max_tokens: 5 }) : null
  const answer = await fetch(at.url + path, {
    method,
    headers: bearer(key, { 'content-type': 'application/json', ...headers }),
    body,
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

describe('scopes', () => {
  test('every route is under one: a key without any is refused on all of them, in the wire of each', async () => {
    const key = await at.key({ scopes: [] })
    const all = routes()
    expect(all.length).toBeGreaterThan(20)
    const asked = upstream.seen.length
    for (const route of all) {
      const { status, text } = await ask(key, route)
      if (OPEN_TO_ALL.includes(route.path)) expect(status, route.path).toBe(200)
      else {
        expect(status, route.path).toBe(403)
        expect(text.toLowerCase(), route.path).toContain('route_not_allowed')
      }
    }
    expect(upstream.seen.length).toBe(asked)
    const gemini = JSON.parse(
      (await ask(key, { method: 'POST', path: '/v1beta/models/house-model:generateContent' })).text,
    )
    expect(gemini.error).toMatchObject({
      status: 'PERMISSION_DENIED',
      details: [{ reason: 'ROUTE_NOT_ALLOWED' }],
    })
    const claude = JSON.parse((await ask(key, { method: 'POST', path: '/v1/messages' })).text)
    expect(claude).toMatchObject({
      type: 'error',
      error: { type: 'permission_error', code: 'route_not_allowed' },
    })
  })

  test('each opens its own routes and no other', async () => {
    const opened = new Map<Scope, string[]>()
    const all = routes().filter(({ path }) => !OPEN_TO_ALL.includes(path))
    for (const scope of SCOPES) {
      const key = await at.key({ scopes: [scope] })
      const found: string[] = []
      for (const route of all) {
        const { status, text } = await ask(key, route)
        if (!(status === 403 && /route_not_allowed/i.test(text))) found.push(`${route.method} ${route.path}`)
      }
      opened.set(scope, found)
    }
    const lists = [...opened.values()]
    expect(lists.every(list => list.length > 0)).toBe(true)
    // each route once: no two scopes open the same, and none is left out
    expect(lists.flat().sort()).toEqual(all.map(({ method, path }) => `${method} ${path}`).sort())
    expect(Object.keys(SCOPE_ROUTES)).toEqual([...opened.keys()])
    expect(opened.get('messages')).toEqual(['POST /v1/messages', 'POST /v1/messages/count_tokens'])
    expect(opened.get('spend')).toEqual(['GET /v1/key', 'GET /v1/key/spend', 'GET /v1/generation'])
  })

  test('hold for every way in: other carriers, the other prefix, and say what the key may', async () => {
    const key = await at.key({ scopes: ['chat', 'models'] })
    for (const headers of [
      { 'x-api-key': key },
      { 'api-key': key },
      { 'x-goog-api-key': key },
    ] as HeadersInit[])
      expect((await fetch(`${at.url}/v1/key`, { headers })).status).toBe(403)
    const refused = await ask(key, { method: 'POST', path: '/openai/v1/embeddings' })
    expect(refused.status).toBe(403)
    expect(JSON.parse(refused.text).error).toEqual({
      message: 'This key may not call this route (embeddings). Its scopes: chat, models.',
      type: 'permission_error',
      param: null,
      code: 'route_not_allowed',
    })
    expect(refused.headers.get('x-should-retry')).toBe('false')
    expect((await at.post(key, CHAT)).status).toBe(200)
  })

  test('go along with a rotation, and null takes them away', async () => {
    const made = await at.gateway.keys.create({
      scopes: ['models'],
      originAllow: [APP],
      hours: { allow: [] },
    })
    const successor = await at.gateway.keys.rotate(made.key.id, 60)
    expect(successor?.key).toMatchObject({ scopes: ['models'], originAllow: [APP], hours: { allow: [] } })
    const text = successor?.text ?? ''
    await at.gateway.keys.patch(successor?.key.id ?? '', { hours: null })
    expect((await at.post(text, CHAT)).status).toBe(403)
    await at.gateway.keys.patch(successor?.key.id ?? '', { scopes: null })
    expect((await at.post(text, CHAT)).status).toBe(200)
    const shown = await (await fetch(`${at.url}/v1/key`, { headers: bearer(text) })).json()
    expect(shown).toMatchObject({ scopes: null, origin_allow: [APP], hours: null })
  })
})

describe('origins', () => {
  const preflight = (
    origin: string,
    path = '/v1/chat/completions',
    asks = 'authorization, content-type, x-stainless-os',
  ) =>
    fetch(at.url + path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': asks,
      },
    })

  test('are asked only of requests that have one, and only where the key names any', async () => {
    const [bound, free] = [await at.key({ originAllow: [APP, 'https://*.team.example'] }), await at.key()]
    const none = await at.key({ originAllow: [] })
    const post = (key: string, origin?: string) =>
      at.post(key, CHAT, {
        headers: bearer(key, { 'content-type': 'application/json', ...(origin && { origin }) }),
      })
    for (const origin of [undefined, APP, 'https://a.team.example'])
      expect((await post(bound, origin)).status, origin).toBe(200)
    for (const origin of ['https://evil.test', 'http://app.example.com', 'null', `${APP}.evil.test`]) {
      const answer = await post(bound, origin)
      expect(answer.status).toBe(403)
      expect(((await answer.json()) as { error: object }).error).toMatchObject({ code: 'origin_not_allowed' })
    }
    expect((await post(free, 'https://evil.test')).status).toBe(200)
    expect((await post(none, APP)).status).toBe(403)
    expect((await post(none)).status).toBe(200)
  })

  test('a preflight is answered without a key, for origins that some key allows alone', async () => {
    const { key } = await at.gateway.keys.create({ originAllow: ['https://once.example'] })
    const good = await preflight('https://once.example')
    expect(good.status).toBe(204)
    expect(Object.fromEntries(good.headers)).toMatchObject({
      'access-control-allow-origin': 'https://once.example',
      'access-control-allow-methods': 'POST, OPTIONS',
      'access-control-allow-headers': 'authorization, content-type, x-stainless-os',
      'access-control-max-age': '600',
      vary: 'Origin',
    })
    expect(good.headers.get('access-control-allow-credentials')).toBeNull()
    const reading = await preflight('https://once.example', '/v1/models')
    expect(reading.headers.get('access-control-allow-methods')).toBe('GET, HEAD, OPTIONS')
    for (const [origin, path] of [
      ['https://evil.test', '/v1/chat/completions'],
      ['null', '/v1/chat/completions'],
      ['https://once.example', '/v1/nothing'],
      ['https://once.example', '/admin/v1/keys'],
    ] as const) {
      const bad = await preflight(origin, path)
      expect(bad.headers.get('access-control-allow-origin'), origin + path).toBeNull()
    }
    const odd = await preflight('https://once.example', undefined, 'x"(y)')
    expect(odd.headers.get('access-control-allow-headers')).toBeNull()
    await at.gateway.keys.setStatus(key.id, 'revoked')
    expect((await preflight('https://once.example')).headers.get('access-control-allow-origin')).toBeNull()
  })

  test('answers to them can be read by the page: whole, streamed, refused, reading, unknown route', async () => {
    const key = await at.key({ originAllow: [APP] })
    const from = (path: string, init: RequestInit = {}, text = key) =>
      fetch(at.url + path, {
        ...init,
        headers: bearer(text, { origin: APP, 'content-type': 'application/json' }),
      })
    const whole = await from('/v1/chat/completions', { method: 'POST', body: JSON.stringify(CHAT) })
    upstream.script = response => streamed(response)
    const stream = await from('/v1/chat/completions', {
      method: 'POST',
      body: JSON.stringify({ ...CHAT, stream: true }),
    })
    const answers = [
      [200, whole],
      [200, stream],
      [400, await from('/v1/chat/completions', { method: 'POST', body: '{' })],
      [401, await from('/v1/chat/completions', { method: 'POST', body: '{}' }, 'sgate_wrong')],
      [200, await from('/v1/models')],
      [401, await from('/v1/models', {}, 'sgate_wrong')],
      [404, await from('/v1/nothing')],
      [405, await from('/v1/chat/completions')],
    ] as const
    const safelisted = ['cache-control', 'content-type', 'content-length']
    const ofHttp = [
      'date',
      'connection',
      'keep-alive',
      'transfer-encoding',
      'allow',
      'vary',
      'x-accel-buffering',
    ]
    for (const [status, answer] of answers) {
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([status, APP])
      expect(answer.headers.get('vary')).toBe('Origin')
      const exposed = (answer.headers.get('access-control-expose-headers') ?? '').split(', ')
      expect(exposed).toEqual([...EXPOSED])
      for (const name of answer.headers.keys())
        if (!name.startsWith('access-control-'))
          expect([...exposed, ...safelisted, ...ofHttp], `${status} ${name}`).toContain(name)
    }
    expect(await stream.text()).toContain('Hello')
    const other = await fetch(`${at.url}/v1/models`, {
      headers: bearer(key, { origin: 'https://evil.test' }),
    })
    expect([other.status, other.headers.get('access-control-allow-origin')]).toEqual([403, null])
    const plain = await at.post(key, CHAT)
    expect([plain.headers.get('access-control-allow-origin'), plain.headers.get('vary')]).toEqual([
      null,
      null,
    ])
  })
})

function streamed(response: ServerResponse): void {
  sse(response).end(role + delta('Hello') + finish() + DONE)
}

describe('hours', () => {
  /** The day after tomorrow and its midnight, UTC: closed now, whatever the time of day. */
  function later(): { day: Day; atMs: number } {
    const atMs = Math.floor(Date.now() / 86_400_000 + 2) * 86_400_000
    return { day: DAYS[(new Date(atMs).getUTCDay() + 6) % 7] as Day, atMs }
  }

  test('closed ones refuse and name when they open again; open ones and those of all week do not', async () => {
    const { day, atMs } = later()
    const key = await at.key({ hours: { allow: [{ days: [day], from: '07:30', to: '18:00' }] } })
    const answer = await at.post(key, CHAT)
    expect(answer.status).toBe(403)
    const opens = new Date(atMs + 7.5 * 3_600_000).toISOString().slice(0, 16)
    expect(((await answer.json()) as { error: object }).error).toEqual({
      message: `This key may not be used at this hour. It may again from ${opens}Z.`,
      type: 'permission_error',
      param: null,
      code: 'hour_not_allowed',
    })
    expect((await fetch(`${at.url}/v1/models`, { headers: bearer(key) })).status).toBe(403)
    const always = await at.key({ hours: { zone: 'Asia/Tokyo', allow: [{ from: '00:00', to: '24:00' }] } })
    expect((await at.post(always, CHAT)).status).toBe(200)
    const never = await at.post(await at.key({ hours: { allow: [] } }), CHAT)
    expect([never.status, await never.text()]).toEqual([403, expect.stringContaining('it has no hours')])
  })

  test('a stream that runs when they end is not cut', async () => {
    let end = () => {}
    upstream.script = response => {
      sse(response).write(role + delta('Hello'))
      end = () => response.end(delta(' there') + finish() + DONE)
    }
    const { key, text } = await at.gateway.keys.create({ hours: { allow: [{ from: '00:00', to: '24:00' }] } })
    const answer = await at.post(text, { ...CHAT, stream: true })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    let heard = await heardUntil('Hello', reader)
    await at.gateway.keys.patch(key.id, {
      hours: { allow: [{ days: [later().day], from: '00:00', to: '01:00' }] },
    })
    expect((await at.post(text, CHAT)).status).toBe(403)
    end()
    for (;;) {
      const next = await reader?.read()
      if (!next || next.done) break
      heard += next.value
    }
    expect(heard).toContain(' there')
    expect(heard).toContain('[DONE]')
  })
})

test('a key of another environment is refused with 403, and so says it', async () => {
  const answer = await at.post(await at.key({ env: 'test' }), CHAT)
  expect(answer.status).toBe(403)
  expect(((await answer.json()) as { error: object }).error).toMatchObject({
    code: 'environment_not_allowed',
    message: 'This key is for the test environment; this gateway serves live.',
  })
})

/** The Worker in real workerd over a local D1: keys, whole and streamed answers, ledger rows, refusals, departures, the bundle's size. */
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
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
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import {
  ADMIN_TOKEN,
  type Bundle,
  buildBundle,
  MASTER_KEY,
  readinessUnderWrangler,
  SECRETS,
  startWorker,
  type TestWorker,
} from './worker-gateway.ts'

const PROVIDER_SECRET = 'sk-worker-upstream-secret-0123456789'
const SLOW = 60_000

/** As much of our own answers as these tests read. */
interface Answer {
  readonly id: string
  readonly key: string
  readonly cost_nano_usd: string
  readonly data: unknown
  readonly total: { readonly requests: number }
  readonly error: { readonly code: string; readonly message: string }
}
const json = async (response: Response | Promise<Response>) => (await (await response).json()) as Answer

let bundle: Bundle
let upstream: ScriptedUpstream
let worker: TestWorker
let key = ''

const post = (path: string, body: unknown, more: { key?: string; signal?: AbortSignal } = {}) =>
  fetch(`${worker.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${more.key ?? key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: more.signal ?? null,
  })
const get = (path: string, bearer = key) =>
  fetch(`${worker.url}${path}`, { headers: { authorization: `Bearer ${bearer}` } })

/** A streamed request over a socket of our own, once its first content has come: some callers cannot be played with fetch. */
async function rawStream(): Promise<{ socket: Socket; id: string }> {
  const { hostname, port, host } = new URL(worker.url)
  const body = JSON.stringify({ ...CHAT, stream: true })
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${key}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  const socket = connect(Number(port), hostname)
  let text = ''
  socket.on('data', part => {
    text += part
  })
  socket.on('error', () => undefined)
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  await until(() => text.includes('data: '))
  return { socket, id: /^x-request-id: (\S+)/im.exec(text)?.[1] ?? '' }
}
const client = () => new OpenAI({ apiKey: key, baseURL: `${worker.url}/v1`, maxRetries: 0 })

beforeAll(async () => {
  bundle = await buildBundle()
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  worker = await startWorker(bundle, { ...SECRETS, SWITCHGATE_CONFIG: configFor({ alpha: upstream.port }) })
  key = (await json(worker.admin('POST', '/keys', { name: 'worker' }))).key
}, 120_000)

afterAll(async () => {
  await worker?.close()
  await upstream?.close()
  bundle?.remove()
}, SLOW)

describe('requests', () => {
  test('a whole answer for the official client, and its row once it has arrived', async () => {
    upstream.script = response => sendJson(response, 200, completion('Hello from afar.'))
    const before = upstream.seen.length
    const { data, response } = await client()
      .chat.completions.create({ model: 'house-model', messages: [{ role: 'user', content: 'Hi' }] })
      .withResponse()
    expect(data.choices[0]?.message.content).toBe('Hello from afar.')
    expect(response.headers.get('x-switchgate-provider')).toBe('alpha')
    expect(response.headers.get('x-switchgate-cost-usd')).toBe('0.00002')
    expect(upstream.seen.length).toBe(before + 1)
    const seen = upstream.seen.at(-1)
    expect(seen?.json()).toMatchObject({ model: 'house-model' })
    expect(JSON.stringify(seen)).not.toContain('sgate_')

    const id = response.headers.get('x-request-id')
    const generation = await json(get(`/v1/generation?id=${id}`))
    expect(generation).toMatchObject({
      id,
      model: 'house-model',
      provider: 'alpha',
      status: 200,
      stream: false,
      cost_nano_usd: '20000',
      certainty: 'exact',
    })
    // 10 tokens at $1 and 5 at $2 per million
    expect((await json(get('/v1/key/spend'))).total).toMatchObject({ requests: 1, cost_nano_usd: '20000' })
  })

  test('a streamed answer for the official client, event by event, and its row', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    upstream.script = async response => {
      sse(response).write(role + delta('one '))
      await held
      response.write(delta('two '))
      response.end(delta('three') + finish() + usageEvent + DONE)
    }
    const stream = await client().chat.completions.create({
      model: 'house-model',
      messages: [{ role: 'user', content: 'Count' }],
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let tokens: number | undefined
    let id: string | undefined
    for await (const chunk of stream) {
      id = chunk.id
      text += chunk.choices[0]?.delta.content ?? ''
      tokens = chunk.usage?.completion_tokens ?? tokens
      // only after the first words have come through does the upstream say the rest
      if (text === 'one ') release()
    }
    expect(text).toBe('one two three')
    expect(tokens).toBe(3)
    const generation = await json(get(`/v1/generation?id=${id}`))
    expect(generation).toMatchObject({ stream: true, status: 200, finish_reason: 'stop', certainty: 'exact' })
    expect(generation.cost_nano_usd).toBe('16000')
  })

  test('many at once, each with its own row', async () => {
    upstream.script = (response, _, n) =>
      void setTimeout(() => sendJson(response, 200, completion(`answer ${n}`)), 20)
    const before = (await json(get('/v1/key/spend'))).total.requests
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await post('/v1/chat/completions', CHAT)
        await response.text()
        return response.status
      }),
    )
    expect(statuses).toEqual(Array(20).fill(200))
    expect((await json(get('/v1/key/spend'))).total.requests).toBe(before + 20)
  })

  test('a caller who leaves a silent stream closes the upstream, and what came is billed as an estimate', async () => {
    const aborted = upstream.aborted
    upstream.script = response => void sse(response).write(role + delta('and so on '))
    const caller = await rawStream()
    // workerd sees a reset at once and a plain close with the next write; before a deployed Worker stands an edge that sees both
    caller.socket.resetAndDestroy()
    await until(() => upstream.aborted === aborted + 1)
    await until(async () => (await get(`/v1/generation?id=${caller.id}`)).status === 200)
    expect(await json(get(`/v1/generation?id=${caller.id}`))).toMatchObject({ certainty: 'estimated' })
  })

  test('a client that aborts a talking stream closes the upstream', async () => {
    const aborted = upstream.aborted
    upstream.script = async response => {
      sse(response).write(role)
      for (let n = 0; n < 200 && !response.destroyed; n++) {
        response.write(delta(`word ${n} `))
        await sleep(20)
      }
    }
    const stream = await client().chat.completions.create({
      model: 'house-model',
      messages: [{ role: 'user', content: 'Talk' }],
      stream: true,
    })
    let id: string | undefined
    for await (const chunk of stream) {
      id = chunk.id
      if (chunk.choices[0]?.delta.content) stream.controller.abort()
    }
    await until(() => upstream.aborted === aborted + 1)
    expect(id).toBe('chatcmpl-upstream1')
  })

  test('a caller who does not read holds the upstream back', async () => {
    const part = delta('x'.repeat(16_000))
    let written = 0
    let full = false
    upstream.script = async response => {
      sse(response).write(role + delta('first'))
      await sleep(200)
      while (!response.destroyed && !full && written < 64 << 20) {
        written += part.length
        if (!response.write(part))
          full = await Promise.race([
            new Promise<false>(resolve => response.once('drain', () => resolve(false))),
            sleep(2_000).then(() => true),
          ])
      }
    }
    const caller = await rawStream()
    caller.socket.pause()
    await until(() => full, 20_000)
    caller.socket.resetAndDestroy()
    // socket buffers on the way hold some megabytes; without back-pressure all 64 would have gone
    expect(written).toBeLessThan(40 << 20)
  })

  test('a failing upstream is told in the caller’s wire, with a row that costs nothing', async () => {
    upstream.script = response => sendJson(response, 500, { error: { message: 'broken' } })
    const response = await post('/v1/chat/completions', CHAT)
    expect(response.status).toBe(502)
    const id = response.headers.get('x-request-id')
    expect((await json(response)).error).toMatchObject({ code: 'upstream_unavailable' })
    expect(await json(get(`/v1/generation?id=${id}`))).toMatchObject({ status: 502, cost_nano_usd: '0' })
    // the target has to come back to health for the tests after this one
    upstream.script = response => sendJson(response, 200, completion())
    await until(async () => (await post('/v1/chat/completions', CHAT)).status === 200, 20_000)
  })

  test('a redirect is not followed', async () => {
    const before = upstream.seen.length
    upstream.script = (response, seen) => {
      if (seen.url === '/elsewhere') return sendJson(response, 200, completion())
      response.writeHead(307, { location: '/elsewhere' }).end()
    }
    expect((await post('/v1/chat/completions', CHAT)).status).toBe(502)
    expect(upstream.seen.slice(before).map(seen => seen.url)).not.toContain('/elsewhere')
    upstream.script = response => sendJson(response, 200, completion())
    await until(async () => (await post('/v1/chat/completions', CHAT)).status === 200, 20_000)
  })
})

describe('keys', () => {
  test('a bad key is 401 and nothing is sent; a revoked one ends with the next request', async () => {
    const before = upstream.seen.length
    const made = await json(worker.admin('POST', '/keys', { name: 'short-lived' }))
    expect((await get('/v1/key', made.key)).status).toBe(200)
    expect((await worker.admin('POST', `/keys/${made.id}/revoke`)).status).toBe(200)
    const revoked = await post('/v1/chat/completions', CHAT, { key: made.key })
    expect(revoked.status).toBe(401)
    const wrong = `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`
    const bad = await post('/v1/chat/completions', CHAT, { key: wrong })
    expect(bad.status).toBe(401)
    expect(await bad.text()).toBe(await revoked.text())
    expect(upstream.seen.length).toBe(before)
  })

  test.each([
    [{ budgets: [{ window: 'day', usd: 1 }] }, 'budgets'],
    [{ limits: { rpm: 10 } }, 'limits.rpm'],
    [{ limits: { concurrency: 1 } }, 'limits.concurrency'],
  ])('a key with %j is refused when it is made or changed', async (fields, param) => {
    const made = await worker.admin('POST', '/keys', { name: 'limited', ...fields })
    expect(made.status).toBe(400)
    const { error } = await json(made)
    expect(error).toMatchObject({ param })
    expect(error.message).toContain('not supported on Workers yet')
    const { data } = await json(worker.admin('GET', '/keys'))
    expect(JSON.stringify(data)).not.toContain('limited')
    const id = key.split('_')[2]
    expect((await worker.admin('PATCH', `/keys/${id}`, fields)).status).toBe(400)
  })

  test('a key whose budget came from elsewhere is refused, not served without it', async () => {
    const made = await json(worker.admin('POST', '/keys', { name: 'imported' }))
    const database = worker.database
    const budgets = JSON.stringify([{ window: 'day', limitNanoUsd: 1, softNanoUsd: null }])
    await database.prepare('update keys set budgets = ? where id = ?').bind(budgets, made.id).run()
    const before = upstream.seen.length
    const response = await post('/v1/chat/completions', CHAT, { key: made.key })
    expect(response.status).toBe(403)
    expect((await json(response)).error).toMatchObject({ code: 'limits_not_supported' })
    expect(upstream.seen.length).toBe(before)
  })
})

describe('routes', () => {
  let node: TestGateway
  beforeAll(async () => {
    node = await startGateway()
  })
  afterAll(() => node.close())

  test('unknown routes are 404 naming what exists, wrong methods 405', async () => {
    const unknown = await get('/v1/batches')
    expect(unknown.status).toBe(404)
    expect((await json(unknown)).error.message).toContain('/v1/chat/completions')
    const wrong = await get('/v1/chat/completions')
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
      const [onNode, onWorker] = [await ask(node.url), await ask(worker.url)]
      expect([onNode.status, onWorker.status]).toEqual([401, 401])
      expect(await onWorker.text()).toBe(await onNode.text())
    },
  )

  test('reading routes, health and /openai/v1', async () => {
    for (const path of ['/v1/models', '/v1/key', '/v1/key/spend', '/v1/generation?id=x'])
      expect((await fetch(`${worker.url}${path}`)).status, path).toBe(401)
    expect(JSON.stringify(await json(get('/openai/v1/models')))).toContain('house-model')
    expect((await get('/healthz')).status).toBe(200)
    expect(await json(get('/readyz'))).toEqual({ status: 'ready' })
  })
})

describe('admin plane', () => {
  test('nothing without the token; the views know what happened', async () => {
    for (const path of ['/admin/v1/keys', '/admin/v1/requests', '/admin/v1/openapi.json'])
      expect((await fetch(`${worker.url}${path}`)).status, path).toBe(401)
    expect((await json(worker.admin('GET', '/spend'))).total.requests).toBeGreaterThan(0)
    expect(JSON.stringify(await json(worker.admin('GET', '/requests')))).toContain('alpha')
    expect(JSON.stringify(await json(worker.admin('GET', '/targets')))).toContain('house-model')
  })

  test('a stored credential is sealed in D1, sold with the next request, tested, and gone when it is deleted', async () => {
    const body = { provider: 'groq', name: 'main', secret: PROVIDER_SECRET }
    const made = await json(worker.admin('POST', '/credentials', body))
    expect(made.id).toMatch(/^cred_/)
    const { results } = await worker.database
      .prepare('select * from credentials where id = ?')
      .bind(made.id)
      .all()
    expect(results).toHaveLength(1)
    expect(JSON.stringify(results)).not.toContain(PROVIDER_SECRET)
    expect(JSON.stringify(await json(worker.admin('GET', '/targets')))).toContain('groq')
    expect((await worker.admin('DELETE', `/credentials/${made.id}`)).status).toBeLessThan(300)
    expect(JSON.stringify(await json(worker.admin('GET', '/targets')))).not.toContain('groq')
  })

  test('sealing is refused, because one isolate cannot seal the others', async () => {
    const response = await worker.admin('POST', '/seal')
    expect(response.status).toBe(400)
    expect((await json(response)).error.message).toContain('wrangler secret delete')
    expect((await get('/readyz')).status).toBe(200)
  })

  test('the dashboard: login by form, pages behind the cookie', async () => {
    expect((await fetch(worker.url, { redirect: 'manual' })).headers.get('location')).toBe(
      `${worker.url}/dashboard`,
    )
    const login = await fetch(`${worker.url}/dashboard/login`, {
      method: 'POST',
      redirect: 'manual',
      headers: { origin: worker.url, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ token: ADMIN_TOKEN }),
    })
    expect(login.status).toBe(303)
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? ''
    for (const page of ['/dashboard', '/dashboard/keys', '/dashboard/requests', '/dashboard/targets']) {
      const response = await fetch(`${worker.url}${page}`, { headers: { cookie } })
      expect(response.status, page).toBe(200)
      expect(await response.text()).toContain('</html>')
    }
    const outside = await fetch(`${worker.url}/dashboard`, { redirect: 'manual' })
    expect(await outside.text()).not.toContain('worker-admin')
  })
})

test('no secret in what the Worker logged', () => {
  const logs = worker.logs.join('\n')
  expect(logs).toContain('key_created')
  for (const secret of [key, MASTER_KEY, ADMIN_TOKEN, PROVIDER_SECRET]) expect(logs).not.toContain(secret)
})

describe('set-up faults are told, never worked around', () => {
  test.each([
    ['no master key', { SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN }, 'SWITCHGATE_MASTER_KEY'],
    ['no admin token', { SWITCHGATE_MASTER_KEY: MASTER_KEY }, 'SWITCHGATE_ADMIN_TOKEN'],
    ['a short admin token', { ...SECRETS, SWITCHGATE_ADMIN_TOKEN: 'short' }, 'has 5 characters'],
    ['a faulty configuration', { ...SECRETS, SWITCHGATE_CONFIG: 'provders: {}' }, 'SWITCHGATE_CONFIG'],
  ])(
    '%s',
    async (_, secrets, words) => {
      const broken = await startWorker(bundle, secrets)
      try {
        const response = await fetch(`${broken.url}/v1/models`)
        expect(response.status).toBe(503)
        const { error } = await json(response)
        expect(error).toMatchObject({ code: 'not_set_up' })
        expect(error.message).toContain(words)
      } finally {
        await broken.close()
      }
    },
    SLOW,
  )

  test('a database without its migrations', async () => {
    const bare = await startWorker(bundle, SECRETS, false)
    try {
      const response = await fetch(`${bare.url}/readyz`)
      expect(response.status).toBe(503)
      expect((await json(response)).error.message).toContain('wrangler d1 migrations apply')
    } finally {
      await bare.close()
    }
  })
})

test(
  'wrangler runs it from wrangler.toml and applies its migrations',
  async () => {
    expect(await readinessUnderWrangler(bundle)).toEqual([503, 200])
  },
  SLOW,
)

describe('the bundle', () => {
  /** Minified. The catalogue is about 150 KB of it; Workers take 3 MB compressed on the free plan. */
  const BYTES_MAX = 1_400_000
  const GZIP_BYTES_MAX = 380_000

  test('stays within its byte budget', () => {
    const code = readFileSync(join(bundle.folder, 'index.js'))
    expect(code.length).toBeLessThan(BYTES_MAX)
    expect(gzipSync(code).length).toBeLessThan(GZIP_BYTES_MAX)
  })

  test('holds nothing that is only for Node', () => {
    const { sources } = JSON.parse(readFileSync(join(bundle.folder, 'index.js.map'), 'utf8')) as {
      sources: string[]
    }
    const from = (part: string) => sources.filter(path => path.includes(part))
    expect(from('src/runtime/worker/').length).toBeGreaterThan(5)
    for (const name of ['better-sqlite3', 'undici', 'node-server', '/openai/', '@anthropic-ai', '@google'])
      expect(from(`node_modules/${name.replace(/^\//, '')}`), name).toEqual([])
    expect(from('src/runtime/node/').map(path => path.split('/').at(-1))).toEqual(['digest.ts'])
  })
})

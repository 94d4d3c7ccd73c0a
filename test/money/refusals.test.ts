/** What others' gateways let through, or refused for nothing: T57 to T66, each by its name, over real sockets. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import {
  CHAT,
  completion,
  sendJson,
  type ScriptedUpstream,
  startUpstream,
  until,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig
let hook: Server
const told: Record<string, unknown>[] = []

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => {
    const usage = { prompt_tokens: 100, completion_tokens: 950, total_tokens: 1050 }
    sendJson(response, 200, { ...completion('x', usage), model: seen.json().model })
  })
  hook = createServer((request, response) => {
    let text = ''
    request.on('data', part => {
      text += part
    })
    request.on('end', () => {
      told.push({ path: request.url, ...(JSON.parse(text) as object) })
      response.end('ok')
    })
  })
  await new Promise<void>(resolve => hook.listen(0, '127.0.0.1', resolve))
  const at = (hook.address() as AddressInfo).port
  const config = `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${upstream.port}/v1
    models:
      house-model: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192, unit_usd: { image: 0.01, second: 0.001, character: 0.00001, search: 0.001, moderation: 0.001 } }
      free-model: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 }
      mystery-model: {}
egress: { allow: ["127.0.0.1:${upstream.port}", "127.0.0.1:${at}"] }
alerts: { webhook: "http://127.0.0.1:${at}/hook" }
`
  rig = await startMoney({}, '', undefined, config)
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
  hook.closeAllConnections()
  hook.close()
})
beforeEach(() => {
  upstream.seen.length = 0
  told.length = 0
})

const ask = (more: object = {}) => ({ ...CHAT, max_tokens: 1000, ...more })
/** One request is $0.002; what is left after the first is below what the next must hold. */
const once = [{ window: 'day', usd: 0.0025 }]

const at = (path: string, key: string, body: object | FormData, headers: object = {}) =>
  fetch(`${rig.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      ...(body instanceof FormData ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: body instanceof FormData ? body : JSON.stringify(body),
  })

test('T57 nothing passes once the budget is spent, however often it is asked', async () => {
  const { key } = await rig.key({ budgets: once })
  expect((await rig.post(key, ask())).status).toBe(200)
  const codes = await Promise.all(Array.from({ length: 30 }, async () => (await rig.post(key, ask())).status))
  expect(new Set(codes)).toEqual(new Set([429]))
  expect(upstream.seen).toHaveLength(1)
})

test('T58 a key without a budget is never blocked, whatever was spent, by it or by others', async () => {
  const [bare, poor] = [await rig.key({}), await rig.key({ budgets: once })]
  for (let i = 0; i < 2; i++) await rig.post(poor.key, ask())
  for (let i = 0; i < 12; i++) expect((await rig.post(bare.key, ask())).status).toBe(200)
  expect((await rig.admin('GET', `/keys/${bare.id}`)).json).toMatchObject({ budgets: null, spent_usd: 0.024 })
})

/** One body a route: each for the model and the end user `ada`, where its wire has a place for one. */
function bodyFor(path: string, model: string): object | FormData {
  const messages = [{ role: 'user', content: 'Say hello.' }]
  if (path.includes(':'))
    return {
      contents: [{ role: 'user', parts: [{ text: 'Say hello.' }] }],
      generationConfig: { maxOutputTokens: 500 },
    }
  if (path.endsWith('/messages')) return { model, messages, max_tokens: 500, metadata: { user_id: 'ada' } }
  if (path.endsWith('/responses')) return { model, input: 'Say hello.', max_output_tokens: 500, user: 'ada' }
  if (path.endsWith('/chat/completions')) return { model, messages, max_tokens: 500, user: 'ada' }
  if (path.endsWith('/completions')) return { model, prompt: 'Say hello.', max_tokens: 500, user: 'ada' }
  if (path.endsWith('/embeddings')) return { model, input: 'Say hello.', user: 'ada' }
  if (path.endsWith('/images/generations')) return { model, prompt: 'a cat', user: 'ada' }
  if (path.endsWith('/speech')) return { model, input: 'Say hello.', voice: 'alloy' }
  if (path.endsWith('/rerank')) return { model, query: 'q', documents: ['a', 'b'] }
  if (path.endsWith('/moderations')) return { model, input: 'Say hello.' }
  if (path.endsWith('/transcriptions')) {
    const form = new FormData()
    form.set('model', model)
    form.set('file', new File([new Uint8Array(32_000)], 'a.wav', { type: 'audio/wav' }))
    return form
  }
  throw new Error(`no body for ${path}`)
}

const PAID = ENDPOINTS.filter(({ method, operation }) => method === 'POST' && operation !== 'count_tokens')

test('T61 every route that costs money stops at an empty budget of the key, its project and the organisation', async () => {
  await rig.admin('POST', '/projects', { id: 'empty', budgets: [{ window: 'total', usd: 0 }] })
  const [key, project] = [
    await rig.key({ budgets: [{ window: 'day', usd: 0 }] }),
    await rig.key({ project: 'empty' }),
  ]
  expect(PAID.length).toBeGreaterThanOrEqual(10)
  for (const { path } of PAID)
    for (const [who, limit] of [
      [key, 'key.budget.day'],
      [project, 'project.budget.total'],
    ] as const) {
      const answer = await at(
        `${path.replace('{model}', 'house-model')}${path.includes(':stream') ? '?alt=sse' : ''}`,
        who.key,
        bodyFor(path, 'house-model'),
      )
      expect([path, answer.status, answer.headers.get('x-switchgate-limit')]).toEqual([path, 429, limit])
    }
  expect(upstream.seen).toHaveLength(0)
})

test('T59 the budget of an end user holds on every wire that can name one', async () => {
  const wires = PAID.filter(({ path }) =>
    /\/(chat\/completions|completions|messages|responses|embeddings)$/.test(path),
  )
  const { key } = await rig.key({
    budgets: [
      { window: 'day', usd: 0, user: 'ada' },
      { window: 'day', usd: 9, per: 'user' },
    ],
  })
  for (const { path } of wires) {
    const answer = await at(path, key, bodyFor(path, 'house-model'))
    expect([path, answer.status, answer.headers.get('x-switchgate-limit')]).toEqual([
      path,
      429,
      'key.user.budget.day',
    ])
  }
  expect(upstream.seen).toHaveLength(0)
  expect((await rig.post(key, ask({ user: 'bob' }))).status).toBe(200)
})

test('T60 what costs nothing runs on an empty budget of every level', async () => {
  await rig.admin('POST', '/projects', { id: 'poor', budgets: [{ window: 'total', usd: 0 }] })
  const { key } = await rig.key({
    project: 'poor',
    budgets: [
      { window: 'day', usd: 0 },
      { window: 'day', usd: 0, per: 'user' },
    ],
  })
  expect((await rig.post(key, ask())).status).toBe(429)
  expect((await rig.post(key, ask({ model: 'free-model' }))).status).toBe(200)
})

test('T62 a budget that would not be kept is refused by name, in keys, projects and the organisation', async () => {
  for (const [method, path] of [
    ['POST', '/keys'],
    ['POST', '/projects'],
    ['PATCH', '/organisation'],
  ] as const)
    for (const [body, param] of [
      [{ budget: 5 }, 'budget'],
      [{ max_budget: 5 }, 'max_budget'],
      [{ budgets: [{ window: 'day', usd: 1, limit: 2 }] }, 'budgets[0].limit'],
      [{ budgets: [{ window: 'day', amount: 1 }] }, 'budgets[0].usd'],
      [{ budgets: [{ window: 'day@Europe/Berlinn', usd: 1 }] }, 'budgets[0].window'],
      [{ budgets: [{ window: 'total@Europe/Berlin', usd: 1 }] }, 'budgets[0].window'],
      [{ budgets: [{ window: 'day', usd: 1, per: 'team' }] }, 'budgets[0].per'],
      [{ budgets: [{ window: 'day', usd: 1, per: 'user', tag: 'x' }] }, 'budgets[0].per'],
      [
        { budgets: [{ window: 'day', usd: 1, raise: { usd: 1, until: '2099-01-01T00:00:00Z' } }] },
        'budgets[0].raise.usd',
      ],
      [{ budgets: [{ window: 'day', usd: 1, raise: { usd: 2 } }] }, 'budgets[0].raise.until'],
      [
        {
          budgets: [
            { window: 'day', usd: 1, per: 'tag' },
            { window: 'day', usd: 2, per: 'tag' },
          ],
        },
        'budgets',
      ],
    ] as const)
      expect([path, await rig.admin(method, path, body)]).toMatchObject([
        path,
        { status: 400, json: { error: { param } } },
      ])
  expect((await rig.admin('GET', '/organisation')).json.budgets).toBeNull()
})

test('T63 a soft limit is told of when it is passed, not before, once, and it refuses nobody', async () => {
  const { key, id } = await rig.key({ budgets: [{ window: 'month', usd: 15, soft_usd: 0.0045 }] })
  for (let i = 0; i < 2; i++) expect((await rig.post(key, ask())).status).toBe(200)
  expect(told).toEqual([])
  for (let i = 0; i < 3; i++) expect((await rig.post(key, ask())).status).toBe(200)
  await until(() => told.length > 0)
  const about = told.filter(alert => alert.key === id)
  expect(about).toMatchObject([
    {
      path: '/hook',
      event: 'budget.soft_limit',
      limit: 'key.budget.month',
      spent_usd: '0.006',
      soft_usd: '0.0045',
    },
  ])
  expect(about[0]?.text).toContain('key.budget.month')
  expect(rig.logs.filter(line => line.includes('budget.soft_limit') && line.includes(id))).toHaveLength(1)
})

test('T64 a prepaid key has no reset: it runs until it is empty, and again after a top-up', async () => {
  const { key, id } = await rig.key({ budgets: [{ window: 'total', usd: 0.0025 }] })
  expect((await rig.post(key, ask())).status).toBe(200)
  const empty = await rig.post(key, ask())
  expect(empty.status).toBe(429)
  expect(empty.headers.get('retry-after')).toBeNull()
  const topUps = await Promise.all(
    Array.from({ length: 5 }, () => rig.admin('POST', `/keys/${id}/top-up`, { usd: 0.001 })),
  )
  expect(topUps.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200])
  expect((await rig.admin('GET', `/keys/${id}`)).json.budgets).toMatchObject([
    { usd: 0.0075, spent_usd: 0.002, resets_at: null },
  ])
  expect((await rig.post(key, ask())).status).toBe(200)
  for (const usd of [0, -1, 'much', null])
    expect(await rig.admin('POST', `/keys/${id}/top-up`, { usd })).toMatchObject({
      status: 400,
      json: { error: { param: 'usd' } },
    })
})

test('T65 a model without a price is not free: whoever a budget counts is refused it, at any level', async () => {
  await rig.admin('POST', '/projects', { id: 'counted', budgets: [{ window: 'month', usd: 5 }] })
  const counted = await rig.key({ project: 'counted' })
  const own = await rig.key({ budgets: [{ window: 'month', usd: 5, model: 'mystery-model' }] })
  for (const { key } of [counted, own]) {
    const answer = await rig.post(key, ask({ model: 'mystery-model' }))
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: { code: 'model_unpriced', param: 'model' } })
  }
  expect(upstream.seen).toHaveLength(0)
  // a budget for another model counts nothing of this one
  const other = await rig.key({ budgets: [{ window: 'month', usd: 5, model: 'house-model' }] })
  expect((await rig.post(other.key, ask({ model: 'mystery-model' }))).status).toBe(200)
  const row = (await rig.rows()).at(-1)
  expect(row).toMatchObject({ model: 'mystery-model', costNanoUsd: null, priceId: null })
  const { json } = await rig.admin('GET', '/spend?group_by=model')
  const line = (json.data as Record<string, unknown>[]).find(entry => entry.model === 'mystery-model')
  expect(line).toMatchObject({ unpriced_requests: 1, cost_usd: 0 })
})

test('T66 the admin token calls no models, and a model key opens no admin plane', async () => {
  const token = await rig.gateway.adminGate.reset()
  const answer = await rig.post(token, ask())
  expect(answer.status).toBe(401)
  expect(upstream.seen).toHaveLength(0)
  const { key } = await rig.key({})
  const plane = await fetch(`${rig.url}/admin/v1/keys`, { headers: { authorization: `Bearer ${key}` } })
  expect(plane.status).toBe(401)
})

test('a provider that ignores max_tokens and bills three times the bound: shown to the nano-USD, told, and the next request stops', async () => {
  const usage = { prompt_tokens: 100, completion_tokens: 3 * 1000, total_tokens: 3100 }
  const before = upstream.script
  upstream.script = response => sendJson(response, 200, completion('x', usage))
  try {
    const { key, id } = await rig.key({ budgets: [{ window: 'day', usd: 0.0035 }] })
    expect((await rig.post(key, ask())).status).toBe(200)
    const row = (await rig.rows()).at(-1)
    expect(row?.costNanoUsd).toBe(6_100_000)
    expect(row?.overrunNanoUsd).toBe(6_100_000 - (row?.heldNanoUsd ?? 0))
    expect((await rig.admin('GET', `/keys/${id}`)).json.budgets).toMatchObject([
      { spent_usd: 0.0061, remaining_usd: 0 },
    ])
    expect((await rig.post(key, ask())).status).toBe(429)
    await until(() => told.some(alert => alert.event === 'budget.overrun' && alert.key === id))
    expect(told.find(alert => alert.key === id)).toMatchObject({
      target: 'house-model@alpha',
      overrun_usd: String((row?.overrunNanoUsd ?? 0) / 1e9),
    })
  } finally {
    upstream.script = before
  }
})

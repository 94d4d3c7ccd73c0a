/** The OpenAPI document and what really comes: every route of a whole gateway is called, and each body, sent and answered, is held against the document. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN_ROUTES } from '../../src/admin/routes.ts'
import { textOf } from '../../providers/catalog/import.ts'
import { SHIPPED } from '../../providers/catalog/loader.ts'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { faultsOf } from './schema.ts'

type Wire = Record<string, unknown>
interface Operation {
  readonly requestBody?: {
    readonly required: boolean
    readonly content: { readonly 'application/json': { readonly schema: Wire } }
  }
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { readonly schema: Wire }>> }>
  >
}

const root = mkdtempSync(join(tmpdir(), 'switchgate-document-'))
let upstream: ScriptedUpstream
let running: TestGateway
let config: string
let paths: Record<string, Record<string, Operation>>
const called = new Set<string>()

/** Through the data folder's socket, as it were: local-only routes answer too. */
async function ask(method: string, path: string, body?: unknown, accept = 'application/json') {
  const init: RequestInit = { method, headers: { accept, 'content-type': 'application/json' } }
  if (body !== undefined) init.body = JSON.stringify(body)
  const request = new Request(`http://localhost/admin/v1${path}`, init)
  return running.gateway.admin.fetch(request, { trusted: true })
}

/** Calls a route; what is sent and what comes must be what the document says. `route` as in the table. */
async function call(
  route: string,
  values: Readonly<Record<string, string>> = {},
  body?: unknown,
  query = '',
) {
  const [method = '', path = ''] = route.split(' ')
  called.add(route)
  const operation = paths[`/admin/v1${path.replace(/:(\w+)/g, '{$1}')}`]?.[method.toLowerCase()]
  if (operation === undefined) throw new Error(`${route} is not in the document`)
  const schema = operation.requestBody?.content['application/json'].schema
  if (body !== undefined) expect(faultsOf(body, schema ?? {}), `${route} is sent`).toEqual([])
  else expect(operation.requestBody?.required ?? false, `${route} without a body`).toBe(false)
  const answer = await ask(method, path.replace(/:(\w+)/g, (_, name) => values[name] ?? '') + query, body)
  const text = await answer.text()
  const answered = operation.responses[String(answer.status)]?.content['application/json']?.schema
  expect(answered, `${route} answers ${answer.status}: ${text.slice(0, 300)}`).toBeDefined()
  const wire = JSON.parse(text) as Wire
  expect(faultsOf(wire, answered ?? {}), `${route}${query} answers`).toEqual([])
  return wire
}

/** A request that was charged in full and of which nothing is known, as a crash leaves it. */
async function unknownRequest(keyId: string): Promise<string> {
  const { ledger, keys } = running.gateway
  const [key, row] = [keys.get(keyId), (await running.rows())[0]]
  if (key === undefined || row === undefined) throw new Error('nothing was asked yet')
  const requestId = `${row.requestId.slice(0, -4)}zzzz`
  const id = `${requestId}.1`
  const hold = await ledger.hold(key, id, 5_000)
  if (!('attemptId' in hold)) throw new Error('refused')
  const unknown = { certainty: 'unknown', costNanoUsd: 5_000, heldNanoUsd: 5_000, usage: null } as const
  ledger.settle(hold, { ...row, id, requestId, attempt: 1, last: true, ...unknown })
  return requestId
}

const first = (wire: Wire): Wire => (wire.data as Wire[])[0] ?? {}

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  config = configFor({ alpha: upstream.port })
  running = await startGateway({ config, folder: root, env: { SWITCHGATE_DISCOVER_LOCAL: 'false' } })
  ;({ paths } = (await (await ask('GET', '/openapi.json')).json()) as { paths: typeof paths })
})
afterAll(async () => {
  await running.close()
  await upstream.close()
  rmSync(root, { recursive: true, force: true })
})

const KEY = {
  name: 'app',
  project: 'team',
  owner: 'ann',
  models: ['house-model', 'nothing-here'],
  providers: null,
  regions: null,
  scopes: ['chat'],
  limits: { rpm: 600, per_user: { rpm: 60 }, per_model: { 'house-model': { rpd: 1000 } } },
  budgets: [
    { window: 'month', usd: 25, soft_usd: 20 },
    { window: 'day', usd: 1, per: 'user' },
    { window: 'total', usd: 50, raise: { usd: 60, until: '2099-01-31T00:00:00Z' } },
  ],
  ip_allow: ['127.0.0.1', '10.0.0.0/8'],
  origin_allow: ['https://app.example.com'],
  hours: { zone: 'Europe/Berlin', allow: [{ from: '00:00', to: '24:00' }] },
  max_output_tokens: 100,
  default_model: 'house-model',
  priority: 3,
  tags: ['web'],
  metadata: { cost_centre: '42' },
  expires_at: '2099-01-31T23:59:59Z',
}

test('every route answers what the document says, and takes what it says', async () => {
  await call('POST /projects', {}, { id: 'team', budgets: [{ window: 'month', usd: 100 }] })
  const made = await call('POST /keys', {}, KEY)
  const id = String(made.id)
  expect(made.warnings).toEqual([expect.stringContaining('nothing-here')])
  for (const body of [
    { ...CHAT, user: 'u1' },
    { ...CHAT, model: 'nobody' },
  ])
    await (await running.post(String(made.key), body)).arrayBuffer()

  for (const route of ['GET /keys', 'GET /projects', 'GET /organisation', 'GET /requests', 'GET /audit'])
    await call(route)
  await call('GET /keys/:id', { id })
  await call('PATCH /keys/:id', { id }, { owner: null, models: ['house-model'] })
  await call('GET /projects/:id', { id: 'team' })
  await call('PATCH /projects/:id', { id: 'team' }, { budgets: [{ window: 'total', usd: 5 }] })
  await call('PATCH /organisation', {}, { limits: { rpm: 6000 } })
  await call('POST /keys/:id/top-up', { id }, { usd: 0.5 })
  await call('POST /projects/:id/top-up', { id: 'team' }, { usd: 1 })

  for (const group of ['', 'key', 'project', 'model', 'provider', 'day', 'hour', 'user', 'tag'])
    for (const [route, values] of [
      ['GET /spend', {}],
      ['GET /keys/:id/spend', { id }],
    ] as const) {
      const view = await call(route, values, undefined, group === '' ? '' : `?group_by=${group}`)
      if (group !== '') expect(first(view)).toHaveProperty(group)
    }
  await call('GET /spend', {}, undefined, '?group_by=key,project,model,provider,day,hour,user,tag')

  const request = String(first(await call('GET /requests')).id)
  await call('GET /requests/:id', { id: request })
  await call('POST /requests/:id/release', { id: await unknownRequest(id) }, { cost_usd: 0.000001 })
  const check = await call('GET /ledger/check')
  expect(check.ok).toBe(true)
  const targets = await call('GET /targets')
  expect(first(targets).price).toHaveProperty('unit_usd')
  await call('POST /route/explain', {}, CHAT, `?key=${id}`)
  const update = { text: textOf({ ...SHIPPED, date: '2099-01-31' }), dry_run: true }
  await call('POST /catalog', {}, update)
  await call('GET /catalog')
  await call('GET /catalog/offers', {}, undefined, '?limit=500')
  await call('DELETE /catalog')
  await call('POST /models/refresh', {}, {})
  await call('POST /config/diff', {}, { text: `${config}\nretries: { attempts: 2 }\n` })
  await call('POST /config/diff', {}, { text: 'nonsense: 1' })
  await call('GET /audit/verify')
})

test('credentials, rotations, the end of keys and projects, the gateway itself', async () => {
  const secret = (n: number) => `sk-${String(n).repeat(40)}`
  const added = await call('POST /credentials', {}, { provider: 'alpha', secret: secret(1), weight: 0.5 })
  const id = String(added.id)
  await call('GET /credentials')
  await call('POST /credentials/:id/test', { id })
  await call('POST /credentials/:id/rotate', { id }, { secret: secret(2), test: false })
  await call('POST /credentials/:id/rotate', { id }, { secret: secret(3), stage: 'pending', test: false })
  await call('POST /credentials/:id/promote', { id })
  await call('POST /credentials/:id/retire', { id })
  await call('DELETE /credentials/:id', { id })

  const key = String((await call('POST /keys', {}, {})).id)
  await call('POST /keys/:id/suspend', { id: key })
  await call('POST /keys/:id/resume', { id: key })
  const next = await call('POST /keys/:id/rotate', { id: key })
  await call('POST /keys/:id/revoke', { id: String(next.id) })
  await call('POST /projects', {}, { id: 'short' })
  await call('POST /projects/:id/close', { id: 'short' })

  await call('POST /backup', {}, { path: join(root, 'backup.db') })
  await call('POST /vault/rotate-master-key', {}, {})
  await call('POST /admin-token/reset')
  await call('POST /seal')
})

test('no route is left out', () => {
  const all = ADMIN_ROUTES.map(({ method, path }) => `${method} ${path}`)
  expect([...called].sort()).toEqual(all.sort())
})

test.each(['/spend', '/audit'])('CSV of %s is in the document, and comes', async path => {
  const { content } = paths[`/admin/v1${path}`]?.get?.responses['200'] ?? {}
  expect(content).toHaveProperty('text/csv')
  const answer = await ask('GET', path, undefined, 'text/csv')
  expect(answer.headers.get('content-type')).toMatch(/^text\/csv/)
})

test.each([
  ['POST', '/keys', undefined, null],
  ['POST', '/credentials', { provider: 'alpha', secret: 'sk-1234567890', weight: 0 }, 'weight'],
  ['POST', '/route/explain', { model: 'house-model' }, 'messages'],
])('what the document forbids is refused: %s %s %j', async (method, path, body, param) => {
  const operation = paths[`/admin/v1${path}`]?.[method.toLowerCase()]
  const { required, content } = operation?.requestBody ?? {}
  if (body === undefined) expect(required).toBe(true)
  else expect(faultsOf(body, content?.['application/json'].schema ?? {})).not.toEqual([])
  const answer = await ask(method, path, body)
  const { error } = (await answer.json()) as { error: Wire }
  expect([answer.status, error.param]).toEqual([400, param])
  expect(
    faultsOf({ error }, operation?.responses.default?.content['application/json']?.schema ?? {}),
  ).toEqual([])
})

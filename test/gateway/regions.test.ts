/** A key's regions: nothing of its requests leaves them, whatever the request or the file would like; said by explain, kept by rotation. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from './harness.ts'

const TOKEN = `sgate_admin_${'r'.repeat(40)}`
/** Dearest where it is allowed: without the rule the others would be asked first. */
const REGIONS = { near: ['eu-west-1', 4], far: ['us-east-1', 1], euro: ['europa', 1], blank: [undefined, 1] }

const upstreams: Record<string, ScriptedUpstream> = {}
let gateway: TestGateway

beforeAll(async () => {
  for (const name of Object.keys(REGIONS))
    upstreams[name] = await startUpstream(response => sendJson(response, 200, completion(`from ${name}`)))
  const ports = Object.fromEntries(Object.entries(upstreams).map(([name, { port }]) => [name, port]))
  let config = configFor(
    ports,
    'routing: { strategy: price }\naliases: { fast: { models: [house-model] } }\n',
  )
  for (const [name, [region, usd]] of Object.entries(REGIONS)) {
    if (region) config = config.replace(`  ${name}:\n`, `  ${name}:\n    region: ${region}\n`)
    const [before, after] = config.split(`  ${name}:\n`) as [string, string]
    config = `${before}  ${name}:\n${after.replace('input_usd_per_mtok: 1.0', `input_usd_per_mtok: ${usd}`)}`
  }
  config = config.replace(/( {4}models:\n)(?= {6}house-model:.*\negress)/, '$1      blank-model: {}\n')
  gateway = await startGateway({ config, env: { SWITCHGATE_ADMIN_TOKEN: TOKEN } })
})
afterAll(async () => {
  await gateway?.close()
  for (const upstream of Object.values(upstreams)) await upstream.close()
})
beforeEach(() => {
  for (const [name, upstream] of Object.entries(upstreams)) {
    upstream.seen.length = 0
    upstream.script = response => sendJson(response, 200, completion(`from ${name}`))
  }
})

type Wire = Record<string, unknown>
async function admin(method: string, path: string, body?: Wire): Promise<Wire> {
  const answer = await fetch(`${gateway.url}/admin/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  const wire = (await answer.json()) as Wire
  expect([answer.status, wire]).toEqual([expect.toSatisfy(status => status < 300), wire])
  return wire
}
const keyFor = (regions: readonly string[] | null) => admin('POST', '/keys', { name: 'r', regions })
const asked = () => Object.keys(upstreams).filter(name => upstreams[name]?.seen.length)

test('only targets of the regions are asked, by the rule of provider.regions', async () => {
  for (const [regions, names] of [
    [['eu'], ['near']],
    [['eu-west-1'], ['near']],
    [['eu-west'], ['near']],
    [['us', 'asia'], ['far']],
    [null, ['far']],
  ] as const) {
    for (const upstream of Object.values(upstreams)) upstream.seen.length = 0
    const { key } = await keyFor(regions)
    for (let i = 0; i < 3; i++)
      expect((await gateway.post(String(key), { ...CHAT, model: i ? 'fast' : 'house-model' })).status).toBe(
        200,
      )
    if (regions) expect(asked()).toEqual(names)
    else expect(asked()).not.toEqual(['near'])
  }
})

test.each([
  { provider: { order: ['far', 'blank'] } },
  { provider: { regions: ['us', 'eu'] } },
  { provider: { sort: 'latency' }, models: ['blank-model'] },
])('a wish of the request does not widen them: %j', async more => {
  const { key } = await keyFor(['eu'])
  expect((await gateway.post(String(key), { ...CHAT, ...more })).status).toBe(200)
  expect(asked()).toEqual(['near'])
})

test('a failure stays in the region: nobody else is asked', async () => {
  const near = upstreams.near as ScriptedUpstream
  near.script = response => sendJson(response, 500, { error: { message: 'no' } })
  const { key } = await keyFor(['eu'])
  expect((await gateway.post(String(key), CHAT)).status).toBe(502)
  expect(asked()).toEqual(['near'])
  expect(near.seen).toHaveLength(3)
})

test.each([
  [['asia'], 'house-model', /only use providers in asia, and nobody there sells 'house-model'/],
  [['eu'], 'blank-model', /only use providers in eu/],
  [['e'], 'house-model', /only use providers in e,/],
  [[], 'house-model', /in no region at all/],
  [['eu'], 'house-model@far', /providers\.<name>\.region/],
])('%j and %s: refused, and nobody is asked', async (regions, model, message) => {
  const { key } = await keyFor(regions)
  const answer = await gateway.post(String(key), { ...CHAT, model })
  const { error } = (await answer.json()) as { error: Wire }
  expect([answer.status, error.code, error.type, error.param]).toEqual([
    403,
    'region_not_allowed',
    'permission_error',
    'model',
  ])
  expect(error.message).toMatch(message)
  expect(answer.headers.get('x-should-retry')).toBe('false')
  expect(asked()).toEqual([])
})

test('what cannot be called is not listed', async () => {
  const { key } = await keyFor(['eu'])
  const list = async (path: string) => {
    const answer = await fetch(`${gateway.url}/v1${path}`, { headers: { authorization: `Bearer ${key}` } })
    return { status: answer.status, text: await answer.text() }
  }
  expect((await list('/models')).text).not.toContain('blank-model')
  expect((await list('/models/blank-model')).status).toBe(404)
  const { text } = await list('/models/house-model/endpoints')
  expect(text).toContain('near |')
  expect(text).not.toMatch(/far \||euro \||blank \|/)
  expect(JSON.parse((await list('/key')).text)).toMatchObject({ regions: ['eu'] })
})

test('explain says who is out for it', async () => {
  const { id } = await keyFor(['eu'])
  const told = await admin('POST', `/route/explain?key=${id}`, CHAT)
  expect((told.targets as Wire[]).map(target => target.provider)).toEqual(['near'])
  expect((told.excluded as Wire[]).map(({ provider, reason }) => `${provider}: ${reason}`).sort()).toEqual(
    ['blank', 'euro', 'far'].map(name => `${name}: not in the regions of this key`),
  )
  const none = await admin('POST', `/route/explain?key=${(await keyFor(['asia'])).id}`, CHAT)
  expect(none).toMatchObject({ targets: [], refusal: { status: 403, code: 'region_not_allowed' } })
})

test('it is shown, stored, changed, cleared, and kept by rotation', async () => {
  const made = await keyFor(['eu'])
  expect(made.regions).toEqual(['eu'])
  const moved = await admin('PATCH', `/keys/${made.id}`, { regions: ['us'] })
  expect(moved.regions).toEqual(['us'])
  await gateway.post(String(made.key), CHAT)
  expect(asked()).toEqual(['far'])

  const next = await admin('POST', `/keys/${made.id}/rotate`, { grace_seconds: 60 })
  expect(next.regions).toEqual(['us'])
  for (const upstream of Object.values(upstreams)) upstream.seen.length = 0
  await gateway.post(String(next.key), CHAT)
  await gateway.post(String(made.key), CHAT)
  expect(asked()).toEqual(['far'])
  const stored = (await gateway.gateway.deps.store.keys()).filter(key => key.lineage === made.id)
  expect(stored.map(key => key.regions)).toEqual([['us'], ['us']])

  expect((await admin('PATCH', `/keys/${next.id}`, { name: 'other' })).regions).toEqual(['us'])
  expect((await admin('PATCH', `/keys/${next.id}`, { regions: null })).regions).toBeNull()
  expect((await admin('GET', `/keys/${next.id}`)).regions).toBeNull()
})

/** What an admin does to a credential is in force when the answer says so, and a new secret begins with a clean record. */
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type MoneyRig, startMoney } from '../money/rig.ts'
import { CHAT, completion, type ScriptedUpstream, sendJson, startUpstream } from './harness.ts'

const DEAD = new Set<string>()
let alpha: ScriptedUpstream
let gamma: ScriptedUpstream
let rig: MoneyRig
let key: string

beforeEach(async () => {
  DEAD.clear()
  alpha = await startUpstream((response, { headers }) => {
    const secret = (headers.authorization ?? '').replace('Bearer ', '')
    if (DEAD.has(secret)) sendJson(response, 401, { error: { message: 'no', code: 'invalid_api_key' } })
    else sendJson(response, 200, completion())
  })
  gamma = await startUpstream(response => sendJson(response, 200, completion()))
  const place = (name: string, port: number) => `
  ${name}:
    kind: openai
    base_url: http://127.0.0.1:${port}/v1
    models: { house-model: { input_usd_per_mtok: ${name === 'alpha' ? 1 : 5}, output_usd_per_mtok: 2, context_tokens: 128000 } }`
  rig = await startMoney(
    {},
    '',
    undefined,
    `providers:${place('alpha', alpha.port)}${place('gamma', gamma.port)}
egress: { allow: ["127.0.0.1:${alpha.port}", "127.0.0.1:${gamma.port}"] }
routing: { strategy: price }
`,
  )
  key = (await rig.key({})).key
})
afterEach(async () => {
  await rig.close()
  await alpha.close()
  await gamma.close()
})

const add = async (name: string, secret: string, weight = 1) => {
  const { status, json } = await rig.admin('POST', '/credentials', {
    provider: 'alpha',
    name,
    secret,
    weight,
  })
  expect(status).toBe(201)
  return String(json.id)
}
const rotate = async (id: string, secret: string) => {
  const { status } = await rig.admin('POST', `/credentials/${id}/rotate`, { secret })
  expect(status).toBe(200)
}
const ask = (only: string) => rig.post(key, { ...CHAT, provider: { only: [only] } })
const lastSecret = () => alpha.seen.at(-1)?.headers.authorization

it('are in force in the very next request, added, rotated or deleted', async () => {
  for (let round = 0; round < 4; round++) {
    const id = await add(`c${round}`, `sk-first-${round}`)
    expect((await ask('alpha')).status).toBe(200)
    expect(lastSecret()).toBe(`Bearer sk-first-${round}`)
    await rotate(id, `sk-second-${round}`)
    expect((await ask('alpha')).status).toBe(200)
    expect(lastSecret()).toBe(`Bearer sk-second-${round}`)
    await rig.admin('DELETE', `/credentials/${id}`)
    expect((await ask('alpha')).status).toBe(200)
    expect(lastSecret()).toBeUndefined()
  }
})

it('of many changes at once none is lost', async () => {
  await Promise.all(Array.from({ length: 12 }, (_, n) => add(`c${n}`, `sk-${n}`)))
  const { credentials } = rig.gateway.supply.market().sites.find(({ name }) => name === 'alpha') ?? {}
  expect(credentials).toHaveLength(12)
})

it('a dead credential that is rotated is asked again at once, and its neighbour may die', async () => {
  const a = await add('a', 'sk-a', 100)
  await add('b', 'sk-b', 1)
  DEAD.add('sk-a')
  // every one is served, and one of them has met the dead one
  for (let n = 0; !alpha.seen.some(({ headers }) => headers.authorization === 'Bearer sk-a'); n++) {
    expect(n).toBeLessThan(200)
    expect((await ask('alpha')).status).toBe(200)
  }
  await rotate(a, 'sk-a2')
  DEAD.add('sk-b')
  for (let n = 0; n < 5; n++) {
    const answer = await ask('alpha')
    expect(answer.status).toBe(200)
    expect(lastSecret()).toBe('Bearer sk-a2')
  }
})

it('a rotated credential takes the traffic back from another provider', async () => {
  const id = await add('a', 'sk-a')
  DEAD.add('sk-a')
  const order = { ...CHAT, provider: { order: ['alpha', 'gamma'] } }
  expect((await rig.post(key, order)).headers.get('x-switchgate-provider')).toBe('gamma')
  expect((await rig.post(key, order)).headers.get('x-switchgate-attempts')).toBe('1')
  await rotate(id, 'sk-a2')
  expect((await rig.post(key, order)).headers.get('x-switchgate-provider')).toBe('alpha')
})

it('a passed test lets a refused credential in again', async () => {
  const id = await add('a', 'sk-a')
  DEAD.add('sk-a')
  expect((await rig.post(key, CHAT)).headers.get('x-switchgate-provider')).toBe('gamma')
  DEAD.clear()
  expect((await rig.post(key, CHAT)).headers.get('x-switchgate-provider')).toBe('gamma')
  alpha.script = (response, { url }) =>
    sendJson(response, 200, url.endsWith('/models') ? { object: 'list', data: [] } : completion())
  const { json } = await rig.admin('POST', `/credentials/${id}/test`)
  expect(json).toMatchObject({ ok: true })
  expect((await rig.post(key, CHAT)).headers.get('x-switchgate-provider')).toBe('alpha')
})

it('the refusal of a secret that was replaced while it was asked says nothing of the new one', async () => {
  const id = await add('a', 'sk-a')
  const asked = Promise.withResolvers<() => void>()
  alpha.script = response =>
    asked.resolve(() => sendJson(response, 401, { error: { message: 'no', code: 'invalid_api_key' } }))
  const first = ask('alpha')
  const refuse = await asked.promise
  await rotate(id, 'sk-a2')
  alpha.script = response => sendJson(response, 200, completion())
  refuse()
  expect((await first).status).toBe(502)
  expect((await rig.post(key, CHAT)).headers.get('x-switchgate-provider')).toBe('alpha')
})

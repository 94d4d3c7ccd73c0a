/** One target and its ways to end: who stays open after the last word, which credential may not, and how long a caller hears nothing. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from './harness.ts'

const good: Script = response => sendJson(response, 200, completion())
const STREAM = { ...CHAT, stream: true }

let first: ScriptedUpstream
let second: ScriptedUpstream
let gateway: TestGateway | undefined

beforeAll(async () => {
  first = await startUpstream(good)
  second = await startUpstream(good)
})
beforeEach(() => {
  first.seen.length = 0
  second.seen.length = 0
  first.script = good
  second.script = good
})
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})
afterAll(async () => {
  await first?.close()
  await second?.close()
})

async function start(config: string, env: Record<string, string> = {}) {
  gateway = await startGateway({ config, env })
  return { gateway, key: await gateway.key() }
}

test('a stream that said all it has to say is whole, though its connection stays open', async () => {
  const { gateway, key } = await start(configFor({ alpha: first.port }, 'timeouts: { stall_ms: 300 }\n'))
  first.script = response => void sse(response).write(role + delta('fine') + finish() + usageEvent)
  const text = await (await gateway.post(key, STREAM)).text()
  expect(text).toBe(role + delta('fine') + finish() + DONE)
  const [row] = await gateway.rows()
  expect(row).toMatchObject({ error: null, certainty: 'exact', finishReason: 'stop' })
})

test('one that keeps its usage to itself is whole as well, and its bill an estimate', async () => {
  const { gateway, key } = await start(configFor({ alpha: first.port }, 'timeouts: { stall_ms: 300 }\n'))
  first.script = response => void sse(response).write(role + delta('fine') + finish())
  const text = await (await gateway.post(key, STREAM)).text()
  expect(text).toBe(role + delta('fine') + finish() + DONE)
  const [row] = await gateway.rows()
  expect(row).toMatchObject({ error: null, certainty: 'estimated', finishReason: 'stop' })
})

test('a caller’s patience does not begin anew with each target', async () => {
  const config = configFor(
    { alpha: first.port, beta: second.port },
    'timeouts: { keepalive_ms: 400, first_token_ms: 300 }\n',
  ).replace('input_usd_per_mtok: 1.0', 'input_usd_per_mtok: 0.1')
  const { gateway, key } = await start(config)
  first.script = () => undefined
  // as long as it takes until the caller has heard something: 400 ms from its request, not from this target's
  let isHeard = false
  second.script = async response => {
    for (let waited = 0; !isHeard && waited < 300; waited += 10) await sleep(10)
    sse(response).end(role + delta('fine') + finish() + usageEvent + DONE)
  }
  const answer = await gateway.post(key, STREAM)
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    isHeard = true
    text += part.value
  }
  expect(text).toMatch(/^: /)
  expect(text.endsWith(role + delta('fine') + finish() + DONE)).toBe(true)
  expect([first.seen.length, second.seen.length]).toEqual([1, 1])
})

test('a model that one credential may not use is asked for with the other', async () => {
  const config = configFor({ alpha: first.port }).replace(
    '    models:',
    '    credentials: [{ name: one, secret: env://KEY_ONE, weight: 9 }, { name: two, secret: env://KEY_TWO }]\n    models:',
  )
  const { gateway, key } = await start(config, { KEY_ONE: 'credential-one-x', KEY_TWO: 'credential-two-x' })
  first.script = (response, seen, n) =>
    seen.headers.authorization === 'Bearer credential-one-x'
      ? sendJson(response, 404, { error: { message: 'no access', type: 'x', code: 'model_not_found' } })
      : good(response, seen, n)
  for (let i = 0; i < 8; i++) expect((await gateway.post(key, CHAT)).status).toBe(200)
  // and whoever may not is left alone for a while
  expect(first.seen.filter(each => each.headers.authorization === 'Bearer credential-one-x')).toHaveLength(1)
  first.script = response => sendJson(response, 404, { error: { message: 'gone', type: 'x', code: null } })
  const gone = await gateway.post(key, CHAT)
  expect([gone.status, ((await gone.json()) as { error: { code: string } }).error.code]).toEqual([
    404,
    'model_not_found',
  ])
})

test('a kept connection that the provider had closed says nothing of it: asked again at once, every time', async () => {
  const { gateway, key } = await start(configFor({ alpha: first.port }))
  // each second request of a connection meets a closed one
  const used = new WeakSet<object>()
  first.script = (response, seen, n) => {
    const { socket } = response
    if (socket && used.has(socket)) return void socket.resetAndDestroy()
    if (socket) used.add(socket)
    return good(response, seen, n)
  }
  for (let i = 0; i < 40; i++) {
    const answer = await gateway.post(key, CHAT)
    expect([answer.status, answer.headers.get('x-switchgate-attempts')]).toEqual([200, i === 0 ? '1' : '2'])
  }
  const rows = await gateway.rows()
  expect(rows.filter(row => row.error !== null)).toHaveLength(39)
  expect(
    rows.every(row => row.error === null || (row.error === 'unreachable' && row.costNanoUsd === 0)),
  ).toBe(true)
  const states = [...gateway.gateway.deps.health.entries()].map(([, state]) => state)
  expect(states.length).toBeGreaterThan(0)
  for (const state of states)
    expect(state).toMatchObject({ errorRate: 0, consecutiveFaults: 0, outUntilMs: 0 })
})

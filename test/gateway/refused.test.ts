/** Refusals that never end, answers that never begin, and money that is merely held: none of them holds anybody up, and each is told and billed as what it is. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
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
  usageEvent,
} from './harness.ts'

let first: ScriptedUpstream
let second: ScriptedUpstream
let gateway: TestGateway

const fine = (response: ServerResponse) => sendJson(response, 200, completion('fine'))

beforeAll(async () => {
  first = await startUpstream(fine)
  second = await startUpstream(fine)
})
beforeEach(async () => {
  await gateway?.close()
  first.script = second.script = fine
  first.seen.length = second.seen.length = 0
  const config = configFor({ alpha: first.port, beta: second.port }).replace(
    'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0',
    'input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2',
  )
  gateway = await startGateway({ config })
})
afterAll(async () => {
  await gateway?.close()
  await first?.close()
  await second?.close()
})

test.each([
  [500, 'whole'],
  [429, 'stream'],
  [503, 'whole'],
])(
  'a %i whose words never end costs seconds, not the time limits: the next target answers (%s)',
  async (status, form) => {
    let closed = false
    first.script = response => {
      response.on('close', () => {
        closed = true
      })
      response.writeHead(status, { 'content-type': 'application/json', 'content-length': '1000' })
      response.write('{"error":{"message":"wait')
    }
    if (form === 'stream')
      second.script = response => void sse(response).end(role + delta('fine') + finish() + usageEvent + DONE)
    const began = performance.now()
    const answer = await gateway.post(await gateway.key(), { ...CHAT, stream: form === 'stream' })
    expect(answer.status).toBe(200)
    await answer.text()
    expect(answer.headers.get('x-switchgate-provider') ?? 'beta').toBe('beta')
    // 12 and 120 s are what a provider that says nothing at all is given
    expect(performance.now() - began).toBeLessThan(9_000)
    await until(() => closed)
  },
)

test('of a refusal without end a bounded part is read, and the connection is closed', async () => {
  let written = 0
  let closed = false
  const flood = (response: ServerResponse) => {
    response.on('close', () => {
      closed = true
    })
    response.writeHead(500, { 'content-type': 'application/json' })
    const more = () => {
      while (!closed && response.write('x'.repeat(16_384))) written += 16_384
      if (!closed) response.once('drain', more)
    }
    more()
  }
  first.script = flood
  const answer = await gateway.post(await gateway.key(), CHAT)
  expect(answer.status).toBe(200)
  await until(() => closed)
  expect(written).toBeLessThan(16 * 1024 * 1024)
})

test('a provider that read the request and broke off may have worked: the row says that its cost is an estimate', async () => {
  first.script = response => void response.destroy()
  expect((await gateway.post(await gateway.key(), CHAT)).status).toBe(200)
  const [broken] = await gateway.rows()
  expect(broken).toMatchObject({
    provider: 'alpha',
    error: 'unreachable',
    costNanoUsd: 0,
    certainty: 'estimated',
  })
})

test('money that is merely held is waited for, also where a whole wish is more than the budget', async () => {
  const waiting: ServerResponse[] = []
  first.script = second.script = response => void waiting.push(response)
  // 8,192 tokens of output at 0.2 USD per million are more than this; 256 are not
  const key = await gateway.key({
    budgets: [{ window: 'total', limitNanoUsd: 300_000, softNanoUsd: null }],
  } as never)
  const holds = gateway.post(key, CHAT)
  await until(() => waiting.length === 1)
  const waits = gateway.post(key, CHAT)
  await new Promise(resolve => setTimeout(resolve, 100))
  fine(waiting[0] as ServerResponse)
  expect((await holds).status).toBe(200)
  await until(() => waiting.length === 2)
  fine(waiting[1] as ServerResponse)
  expect((await waits).status).toBe(200)
  // and who has waited in vain is told to come again
  const long = gateway.post(key, CHAT)
  await until(() => waiting.length === 3)
  const refused = await gateway.post(key, CHAT)
  expect([refused.status, refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual(
    [429, 'true', '1'],
  )
  fine(waiting[2] as ServerResponse)
  await long
})

test('an answer that came compressed unasked is named, so that somebody can mend it', async () => {
  first.script = second.script = response =>
    void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end('x')
  const answer = await gateway.post(await gateway.key(), CHAT)
  expect(answer.status).toBe(502)
  expect(await answer.text()).toContain('came compressed (gzip), which was not asked for')
})

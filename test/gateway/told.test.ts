/** What the record and the caller are told of answers that came and were no use: too large, silent after content, refused upstream. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  CHAT,
  configFor,
  delta,
  event,
  role,
  type Seen,
  sse,
  sendJson,
  startGateway,
  startUpstream,
} from './harness.ts'
import type { ScriptedUpstream, TestGateway } from './harness.ts'

const LIMITS = `limits: { answer_bytes: 20000, event_bytes: 4000 }
timeouts: { stall_ms: 300, idle_ms: 300 }
retries: { attempts: 3 }
`

let upstream: ScriptedUpstream
let gateway: TestGateway
let act: (response: ServerResponse, seen: Seen) => void
beforeAll(async () => {
  upstream = await startUpstream((response, seen) => act(response, seen))
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }, LIMITS) })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

/** The request's record once it is there. */
async function recordOf(answer: Response, key: string) {
  await gateway.gateway.ledger.fold()
  const record = await fetch(`${gateway.url}/v1/generation?id=${answer.headers.get('x-request-id')}`, {
    headers: { authorization: `Bearer ${key}` },
  })
  return (await record.json()) as {
    status: number
    cost_nano_usd: string
    certainty: string
    attempts: { status: number; error: string | null }[]
  }
}

test('an answer over limits.answer_bytes is asked for once, billed as an estimate, and the limit is named', async () => {
  act = response => sendJson(response, 200, { choices: [{ message: { content: 'x'.repeat(50_000) } }] })
  const key = await gateway.key()
  const before = upstream.seen.length
  const answer = await gateway.post(key, { ...CHAT, max_tokens: 100 })
  expect(answer.status).toBe(502)
  expect(await answer.text()).toContain('limits.answer_bytes')
  expect(upstream.seen.length - before).toBe(1)
  const record = await recordOf(answer, key)
  expect(record.certainty).toBe('estimated')
  // 100 output tokens at 2 USD a million, and the prompt: no more than could have been asked for
  expect(Number(record.cost_nano_usd)).toBeGreaterThanOrEqual(200_000)
  expect(Number(record.cost_nano_usd)).toBeLessThan(300_000)
})

test('an event over limits.event_bytes ends the stream and names the limit', async () => {
  let stream: ServerResponse | undefined
  act = response => {
    stream = response
    sse(response).write(role + delta('one'))
  }
  const answer = await gateway.post(await gateway.key(), { ...CHAT, stream: true })
  expect(answer.status).toBe(200)
  // without its end: what has come whole is not held, and needs no limit
  stream?.write(event({ choices: [{ index: 0, delta: { content: 'y'.repeat(9_000) } }] }).trimEnd())
  const text = await answer.text()
  expect(text).toContain('limits.event_bytes')
  expect(text).not.toContain('[DONE]')
})

test('silence after content is a time-out, not a connection that broke', async () => {
  act = response => void sse(response).write(role + delta('one'))
  const key = await gateway.key()
  const answer = await gateway.post(key, { ...CHAT, stream: true })
  expect(await answer.text()).toContain('upstream_timeout')
  expect((await recordOf(answer, key)).attempts.at(-1)?.error).toBe('silent')
})

test('the last attempt keeps the status of its upstream, the request has the one that the caller saw', async () => {
  act = response => sendJson(response, 529, { error: { message: 'busy' } })
  const key = await gateway.key()
  const answer = await gateway.post(key, CHAT)
  expect(answer.status).toBe(502)
  await answer.text()
  const record = await recordOf(answer, key)
  expect(record.status).toBe(502)
  expect(new Set(record.attempts.map(({ status }) => status))).toEqual(new Set([529]))
})

test('a verb that the Gemini wire does not have is not found, in its own form; other lost paths go by who asks', async () => {
  const lost = await fetch(`${gateway.url}/v1beta/models/m:embedContent`, { method: 'POST', body: '{}' })
  expect(lost.status).toBe(404)
  expect(await lost.json()).toMatchObject({
    error: { code: 404, status: 'NOT_FOUND', message: expect.stringContaining('generateContent') },
  })
  const files = await fetch(`${gateway.url}/v1/files`, { headers: { 'anthropic-version': '2023-06-01' } })
  expect(await files.json()).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
})

const missing = { type: 'missing', loc: ['body', 'messages', 0, 'content'], msg: 'Field required' }
test.each([
  ['FastAPI’s faults', { detail: [missing] }, 'messages.0.content: Field required', 'messages.0.content'],
  [
    'a list of errors',
    { errors: [{ message: 'too many tools' }, 'and more'] },
    'too many tools; and more',
    null,
  ],
  ['a capital Message', { Message: 'Malformed input request' }, 'Malformed input request', null],
  ['a detail that is an object', { detail: { message: 'no such option' } }, 'no such option', null],
  [
    'plain text',
    'top_k must be above 0, key sk-upstream-0123456789',
    'top_k must be above 0, key [secret]',
    null,
  ],
  ['an error page', '<html><title>422</title></html>', 'the provider refused the request', null],
])('a refusal in %s keeps its words', async (_form, body, message, param) => {
  act = response => sendJson(response, 422, body)
  const answer = await gateway.post(await gateway.key(), CHAT)
  expect(answer.status).toBe(422)
  expect(await answer.json()).toMatchObject({ error: { message: `alpha: ${message}`, param } })
})

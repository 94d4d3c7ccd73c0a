/** Usage of which only half is stated: what is missing is counted and marked, what is stated is kept. Real gateway, scripted upstreams. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

const model = (id: string) => `      ${id}: { input_usd_per_mtok: 1, output_usd_per_mtok: 2 }\n`
beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const at = `http://127.0.0.1:${upstream.port}/v1`
  gateway = await startGateway({
    config: `providers:
  oa:
    kind: openai
    base_url: ${at}
    models:
${model('plain')}  an:
    kind: anthropic
    base_url: ${at}
    models:
${model('wise')}egress: { allow: ["127.0.0.1:${upstream.port}"] }\n`,
  })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const WORDS = 'many plain words '.repeat(60)
const PROMPT = [{ role: 'user', content: 'Say a good deal about the sky, please.' }]
const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
const first = { prompt_tokens: 12, completion_tokens: 0, total_tokens: 12 }
const usageOnly = (usage: object) => event({ id: 'c1', choices: [], usage })

const row = async () => {
  const last = (await gateway.rows()).at(-1)
  return { certainty: last?.certainty, input: last?.usage?.inputTokens, output: last?.usage?.outputTokens }
}
const ask = async (body: object, path = '/v1/chat/completions') => {
  const answer = await fetch(`${gateway.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ messages: PROMPT, max_tokens: 900, ...body }),
  })
  expect(answer.status).toBe(200)
  return answer.text()
}

test.each([
  ['nothing but zeros', usageOnly(zero) + DONE, false],
  ['counts in the first event only', DONE, true],
])('a chat stream that states %s', async (_what, tail, early) => {
  const begin = early
    ? event({ id: 'c1', choices: [{ index: 0, delta: { role: 'assistant' } }], usage: first })
    : role
  upstream.script = response => void sse(response).end(begin + delta(WORDS) + finish() + tail)
  await ask({ model: 'plain', stream: true })
  const { certainty, input, output } = await row()
  expect(certainty).toBe('estimated')
  expect(output).toBeGreaterThan(150)
  if (early) expect(input).toBe(12)
  else expect(input).toBeGreaterThan(8)
})

test.each([
  ['zeros', zero],
  ['no count of what was written', first],
])('a whole chat answer that states %s', async (_what, usage) => {
  upstream.script = response => sendJson(response, 200, completion(WORDS, usage))
  await ask({ model: 'plain' })
  const { certainty, output } = await row()
  expect(certainty).toBe('estimated')
  expect(output).toBeGreaterThan(150)
})

const named = (type: string, said: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...said })}\n\n`
const messages = (start: object | undefined, end: object | undefined) =>
  named('message_start', {
    message: { id: 'm1', type: 'message', role: 'assistant', model: 'wise', content: [], usage: start },
  }) +
  named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
  named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: WORDS } }) +
  named('content_block_stop', { index: 0 }) +
  named('message_delta', { delta: { stop_reason: 'end_turn' }, ...(end && { usage: end }) }) +
  named('message_stop', {})

for (const path of ['/v1/chat/completions', '/v1/messages'])
  test.each([
    [
      'a placeholder at the start and nothing at the end',
      { input_tokens: 30, output_tokens: 1 },
      undefined,
      30,
    ],
    ['nothing at the start', undefined, { output_tokens: 190 }, undefined],
  ])(`a stream of Claude on ${path} that states %s`, async (_what, start, end, stated) => {
    upstream.script = response => void sse(response).end(messages(start, end))
    await ask({ model: 'wise', stream: true }, path)
    const { certainty, input, output } = await row()
    expect(certainty).toBe('estimated')
    expect(output).toBeGreaterThan(150)
    if (stated === undefined) expect(input).toBeGreaterThan(8)
    else expect(input).toBe(stated)
  })

test.each(['/v1/chat/completions', '/v1/messages'])(
  'a whole answer of Claude on %s without its count of output',
  async path => {
    const answer = { id: 'm1', type: 'message', role: 'assistant', model: 'wise', stop_reason: 'end_turn' }
    const content = [{ type: 'text', text: WORDS }]
    upstream.script = response => sendJson(response, 200, { ...answer, content, usage: { input_tokens: 30 } })
    await ask({ model: 'wise' }, path)
    const { certainty, input, output } = await row()
    expect([certainty, input]).toEqual(['estimated', 30])
    expect(output).toBeGreaterThan(150)
  },
)

test('an answer without a word in it may well have written nothing', async () => {
  upstream.script = response => sendJson(response, 200, completion('', first))
  await ask({ model: 'plain' })
  expect(await row()).toEqual({ certainty: 'exact', input: 12, output: 0 })
})

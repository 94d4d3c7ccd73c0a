/** Cohere behind the gateway: OpenAI's wire in, Cohere's out, and money by what Cohere bills. */
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { clear, RICH } from './parts.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let client: OpenAI
let keyText: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  gateway = await startGateway({
    config: `providers:
  cohere:
    base_url: "http://127.0.0.1:${upstream.port}/v2"
    credentials: [{ name: main, secret: env://COHERE_TEST }]
    models: { command-a-03-2025: {}, rerank-v3.5: {}, embed-v4.0: {} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
    env: { COHERE_TEST: 'co-secret' },
  })
  keyText = await gateway.key({ budgets: RICH })
  client = new OpenAI({ apiKey: keyText, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => clear(upstream))

const lastRow = async () => (await gateway.rows()).at(-1)
const messages = [{ role: 'user' as const, content: 'Name a red fruit.' }]
const model = 'command-a-03-2025'
const usage = {
  billed_units: { input_tokens: 8, output_tokens: 3 },
  tokens: { input_tokens: 500, output_tokens: 5 },
  cached_tokens: 448,
}

test('a whole answer: tokens are shown, billed units are paid', async () => {
  upstream.script = response =>
    sendJson(response, 200, {
      id: 'c-1',
      message: { role: 'assistant', content: [{ type: 'text', text: 'A cherry.' }] },
      finish_reason: 'COMPLETE',
      usage,
    })
  const made = await client.chat.completions.create({ model, messages })
  expect(made.choices[0]?.message.content).toBe('A cherry.')
  expect(made.usage).toMatchObject({ prompt_tokens: 500, completion_tokens: 5 })
  expect(upstream.seen[0]).toMatchObject({ url: '/v2/chat', method: 'POST' })
  expect(upstream.seen[0]?.headers.authorization).toBe('Bearer co-secret')
  // 2.5 and 10 USD per million
  expect(await lastRow()).toMatchObject({ costNanoUsd: 8 * 2_500 + 3 * 10_000, certainty: 'exact' })
})

test('a stream, with tools, through the SDK', async () => {
  const say = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
  const call = (its: object) => ({ index: 0, delta: { message: { tool_calls: its } } })
  upstream.script = response => {
    sse(response)
    response.write(say('message-start', { id: 'c-2', delta: { message: { role: 'assistant' } } }))
    response.write(say('tool-plan-delta', { delta: { message: { tool_plan: 'Look.' } } }))
    response.write(
      say(
        'tool-call-start',
        call({ id: 'w1', type: 'function', function: { name: 'weather', arguments: '' } }),
      ),
    )
    for (const piece of ['{"city":', ' "Oslo"}'])
      response.write(say('tool-call-delta', call({ function: { arguments: piece } })))
    response.write(say('tool-call-end', { index: 0 }))
    response.write(say('message-end', { delta: { finish_reason: 'TOOL_CALL', usage } }))
    response.end('data: [DONE]\n\n')
  }
  const tools = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }]
  const made = await client.chat.completions.stream({ model, messages, tools }).finalChatCompletion()
  expect(made.choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: { tool_calls: [{ id: 'w1', function: { name: 'weather', arguments: '{"city": "Oslo"}' } }] },
  })
  expect(await lastRow()).toMatchObject({ costNanoUsd: 50_000, certainty: 'exact', stream: true })
})

test('an error of theirs is named', async () => {
  upstream.script = response =>
    sendJson(response, 400, { id: 'e', error_type: 'TOO_MANY_TOKENS', message: 'too many tokens: by 9' })
  await expect(client.chat.completions.create({ model, messages })).rejects.toMatchObject({
    status: 400,
    code: 'context_length_exceeded',
  })
})

test('embeddings, as the SDK asks for them: base64', async () => {
  upstream.script = response =>
    sendJson(response, 200, {
      id: 'e-1',
      embeddings: { float: [[0.5, -1, 2]] },
      meta: { billed_units: { input_tokens: 4 } },
    })
  const made = await client.embeddings.create({ model: 'embed-v4.0', input: 'hi', dimensions: 3 })
  expect(made.data[0]?.embedding).toEqual([0.5, -1, 2])
  expect(upstream.seen[0]).toMatchObject({ url: '/v2/embed' })
  expect(upstream.seen[0]?.json()).toEqual({
    model: 'embed-v4.0',
    texts: ['hi'],
    input_type: 'search_document',
    embedding_types: ['float'],
    output_dimension: 3,
  })
  expect(await lastRow()).toMatchObject({ costNanoUsd: 480, certainty: 'exact' })
})

test('reranking: the search units of the answer are billed, and the hold covers long documents', async () => {
  const body =
    '{"id":"r-1","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":2}}}'
  upstream.script = response => sendJson(response, 200, body)
  const documents = ['a cherry', 'long '.repeat(20_000)]
  const answer = await fetch(`${gateway.url}/v1/rerank`, {
    method: 'POST',
    headers: { authorization: `Bearer ${keyText}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'rerank-v3.5', query: 'red', documents, top_k: 1 }),
  })
  expect(await answer.text()).toBe(body)
  expect(upstream.seen[0]?.url).toBe('/v2/rerank')
  expect(upstream.seen[0]?.json()).toEqual({ model: 'rerank-v3.5', query: 'red', documents, top_n: 1 })
  const row = await lastRow()
  expect(row).toMatchObject({ costNanoUsd: 4_000_000, certainty: 'exact', answerId: 'r-1' })
  expect(row?.heldNanoUsd).toBeGreaterThanOrEqual(4_000_000)
})

/** A stream that states its prompt when it begins frees what was held for more: another has that money while it still runs. Real sockets. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ScriptedUpstream, sse, startUpstream, until } from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

const WORDS = 'The quick brown fox jumps over the lazy dog. '.repeat(400)
/** 18,000 bytes are held at first; 4,000 tokens are billed. */
const REAL = 4_000
const LIMIT = 500
/** nano-USD a token, in and out. */
const [IN, OUT] = [3_000, 15_000]

const named = (type: string, more: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
function begin(response: ServerResponse, input: number, more: object = {}): ServerResponse {
  const usage = { input_tokens: input, output_tokens: 1, ...more }
  const message = { id: 'msg_1', type: 'message', role: 'assistant', content: [], model: 'm', usage }
  const text = { index: 0, content_block: { type: 'text', text: '' } }
  sse(response).write(named('message_start', { message }) + named('content_block_start', text))
  response.write(named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Yes.' } }))
  return response
}
const end = (response: ServerResponse, usage: object) =>
  response.end(
    named('content_block_stop', { index: 0 }) +
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage }) +
      named('message_stop', {}),
  )

let upstream: ScriptedUpstream
let rig: MoneyRig
/** Streams that have begun and not ended. */
const running: ServerResponse[] = []
beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  const prices =
    'input_usd_per_mtok: 3, output_usd_per_mtok: 15, max_output_tokens: 8192, context_tokens: 200000'
  const config = `providers:
  alpha:
    kind: anthropic
    base_url: http://127.0.0.1:${upstream.port}/v1
    models:
      claude-sonnet-4-5: { ${prices}, cache_write_usd_per_mtok: 3.75, cache_read_usd_per_mtok: 0.3 }
      glm-of-the-house: { ${prices} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`
  rig = await startMoney({}, '', undefined, config)
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  running.length = 0
  upstream.seen.length = 0
})

const body = (model: string, more: object = {}) => ({
  model,
  stream: true,
  messages: [{ role: 'user', content: WORDS }],
  ...more,
})
const keyWith = (nanoUsd: number) =>
  rig.key({ budgets: [{ window: 'total', usd: nanoUsd / 1e9 }] }).then(({ key }) => key)
const heldNow = () => rig.gateway.ledger.openMoney().reduce((sum, { nanoUsd }) => sum + nanoUsd, 0)
const post = (key: string, json: object, path = '/v1/chat/completions') =>
  fetch(`${rig.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(json),
  })
const rowsOf = async () => (await rig.rows()).slice(-2)

describe.each([
  ['chat', '/v1/chat/completions'],
  ['messages', '/v1/messages'],
])('in the wire of %s', (_wire, path) => {
  test('with a limit of the caller\u2019s: the prompt is held at what it was stated to be', async () => {
    upstream.script = response => void running.push(begin(response, REAL))
    // by bytes for one of them; by tokens for two and more
    const key = await keyWith(18_500 * IN + LIMIT * OUT)
    const first = await post(key, body('claude-sonnet-4-5', { max_tokens: LIMIT }), path)
    expect(first.status).toBe(200)
    await until(() => heldNow() === REAL * IN + LIMIT * OUT)
    // its bytes do not fit into what is left, its tokens do
    const second = await post(key, body('claude-sonnet-4-5', { max_tokens: LIMIT }), path)
    expect(second.status).toBe(200)
    await until(() => heldNow() === 2 * (REAL * IN + LIMIT * OUT))
    expect(running).toHaveLength(2)
    for (const response of running) end(response, { output_tokens: 40 })
    await Promise.all([first.text(), second.text()])
    await until(() => rig.gateway.ledger.openHolds() === 0)
    for (const row of await rowsOf())
      expect(row).toMatchObject({
        certainty: 'exact',
        costNanoUsd: REAL * IN + 40 * OUT,
        heldNanoUsd: REAL * IN + LIMIT * OUT,
        overrunNanoUsd: 0,
      })
  })
})

test('what was read from a cache is held at its price', async () => {
  const cached = { cache_read_input_tokens: 3_000, cache_creation_input_tokens: 500 }
  upstream.script = response => void running.push(begin(response, 500, cached))
  const key = await keyWith(1_000_000_000)
  const answer = await post(key, body('claude-sonnet-4-5', { max_tokens: LIMIT }))
  const prompt = 500 * IN + 3_000 * 300 + 500 * 3_750
  await until(() => heldNow() === prompt + LIMIT * OUT)
  end(running[0] as ServerResponse, { output_tokens: 40 })
  await answer.text()
  await until(() => rig.gateway.ledger.openHolds() === 0)
  expect((await rowsOf()).at(-1)).toMatchObject({ costNanoUsd: prompt + 40 * OUT, overrunNanoUsd: 0 })
})

test('slice by slice: what the text needs is added to what was stated, and the bill is held', async () => {
  upstream.script = response => void running.push(begin(response, REAL))
  const key = await keyWith(1_000_000_000)
  const answer = await post(key, body('claude-sonnet-4-5'))
  await until(() => heldNow() === REAL * IN + 1_024 * OUT)
  const text = 'many words '.repeat(300)
  const more = { index: 0, delta: { type: 'text_delta', text } }
  running[0]?.write(named('content_block_delta', more))
  // 3,300 bytes and those before them: four slices
  await until(() => heldNow() === REAL * IN + 4 * 1_024 * OUT)
  end(running[0] as ServerResponse, { output_tokens: 660 })
  await answer.text()
  await until(() => rig.gateway.ledger.openHolds() === 0)
  expect((await rowsOf()).at(-1)).toMatchObject({ costNanoUsd: REAL * IN + 660 * OUT, overrunNanoUsd: 0 })
})

test.each([
  ['no model whose first count is known to be the last', 'glm-of-the-house', REAL, {}],
  ['a count that is none', 'claude-sonnet-4-5', 0, {}],
  [
    'a prompt that grows by what a search finds',
    'claude-sonnet-4-5',
    REAL,
    { tools: [{ type: 'web_search_20250305', name: 'web_search' }] },
  ],
])('%s: the hold stays', async (_what, model, stated, more) => {
  upstream.script = response => void running.push(begin(response, stated))
  const key = await keyWith(9_000_000_000)
  const answer = await post(key, body(model, { max_tokens: LIMIT, ...more }), '/v1/messages')
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  // its first words are here, so that what was stated has been read
  await reader.read()
  expect(heldNow()).toBeGreaterThan(18_000 * IN + LIMIT * OUT)
  end(running[0] as ServerResponse, { input_tokens: REAL, output_tokens: 40 })
  while (!(await reader.read()).done);
  await until(() => rig.gateway.ledger.openHolds() === 0)
  expect((await rowsOf()).at(-1)).toMatchObject({ costNanoUsd: REAL * IN + 40 * OUT, overrunNanoUsd: 0 })
})

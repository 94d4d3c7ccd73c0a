/** The official OpenAI SDK asks for embeddings and plain completions: bytes pass, money is exact, kinds do not mix. */
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  DONE,
  event,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
} from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let client: OpenAI
let keyText: string

/** `embedder` is unknown to everybody and serves both; the catalogue knows the kind of the others. */
const config = (port: number) => `providers:
  alpha:
    kind: openai
    base_url: "http://127.0.0.1:${port}/v1"
    models:
      embedder: { upstream: embedder-v2, input_usd_per_mtok: 0.1, output_usd_per_mtok: 5, context_tokens: 100 }
      text-embedding-3-small: { input_usd_per_mtok: 0.02, output_usd_per_mtok: 0 }
      gpt-4o: { input_usd_per_mtok: 2.5, output_usd_per_mtok: 10 }
  claude: { kind: anthropic, base_url: "http://127.0.0.1:${port}/v1", models: { own-claude: { input_usd_per_mtok: 3, output_usd_per_mtok: 15 } } }
egress: { allow: ["127.0.0.1:${port}"] }
timeouts: { first_token_ms: 500, idle_ms: 400, stall_ms: 3000, total_ms: 30000 }
`

const clientFor = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 })

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  gateway = await startGateway({ config: config(upstream.port) })
  keyText = await gateway.key({
    budgets: [{ window: 'day', limitNanoUsd: 1_000_000_000, softNanoUsd: null }],
  })
  client = clientFor(keyText)
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const lastRow = async () => (await gateway.rows()).at(-1)
const post = (path: string, body: object, key = keyText) =>
  fetch(`${gateway.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const errorOf = async (path: string, body: object, key?: string) => {
  const answer = await post(path, body, key)
  return { status: answer.status, ...((await answer.json()) as { error: Record<string, unknown> }) }
}

const vectors = (count: number, usage: object = { prompt_tokens: 8, total_tokens: 8 }) => ({
  object: 'list',
  data: Array.from({ length: count }, (_, index) => ({
    object: 'embedding',
    index,
    embedding: [0.1, -2e-7, 1],
  })),
  model: 'embedder-v2',
  usage,
})

describe('embeddings', () => {
  test('bytes pass both ways but for the name of the model; the row is exact', async () => {
    const body = JSON.stringify(vectors(1)).replace('-2e-7', '-0.00000020')
    upstream.script = response => sendJson(response, 200, body)
    const answer = await post('embeddings', {
      model: 'embedder',
      input: 'Hi',
      dimensions: 3,
      encoding_format: 'float',
    })
    expect(await answer.text()).toBe(body)
    expect(upstream.seen[0]).toMatchObject({
      url: '/v1/embeddings',
      body: '{"model":"embedder-v2","input":"Hi","dimensions":3,"encoding_format":"float"}',
    })
    expect(answer.headers.get('x-switchgate-cost-usd')).toBe('0.0000008')
    expect(answer.headers.get('x-switchgate-max-tokens')).toBeNull()
    expect(await lastRow()).toMatchObject({
      operation: 'embeddings',
      certainty: 'exact',
      costNanoUsd: 800,
      stream: false,
      usage: { inputTokens: 8, outputTokens: 0 },
    })
  })

  test('the SDK asks for base64 by itself and decodes it; nothing here looks inside', async () => {
    const floats = Float32Array.from([0.5, -1, 2])
    const encoded = Buffer.from(floats.buffer).toString('base64')
    upstream.script = (response, seen) => {
      expect(seen.json().encoding_format).toBe('base64')
      sendJson(response, 200, {
        ...vectors(1),
        data: [{ object: 'embedding', index: 0, embedding: encoded }],
      })
    }
    const made = await client.embeddings.create({ model: 'embedder', input: ['one'] })
    expect(made.data[0]?.embedding).toEqual([0.5, -1, 2])
  })

  test.each([
    ['texts', ['one', 'two']],
    ['token ids', [1, 2, 3]],
    ['several lists of token ids', [[1, 2], [3]]],
  ])('%s', async (_, input) => {
    upstream.script = response => sendJson(response, 200, vectors(2))
    expect((await post('embeddings', { model: 'embedder', input })).status).toBe(200)
    expect(upstream.seen[0]?.json().input).toEqual(input)
  })

  test('a context holds for each text alone, not for all of them together', async () => {
    upstream.script = response => sendJson(response, 200, vectors(30))
    const short = Array.from({ length: 30 }, () => 'seven words that fit in by themselves')
    expect((await post('embeddings', { model: 'embedder', input: short })).status).toBe(200)
    const long = await errorOf('embeddings', { model: 'embedder', input: [...short, 'word '.repeat(400)] })
    expect(long).toMatchObject({ status: 400, error: { code: 'context_length_exceeded' } })
  })

  test('what is held is the bound of the input; a batch holds for every text', async () => {
    let heldNanoUsd = 0
    upstream.script = async response => {
      const shown = await fetch(`${gateway.url}/v1/key`, { headers: { authorization: `Bearer ${keyText}` } })
      const key = (await shown.json()) as { budgets: { held_usd: number }[] }
      heldNanoUsd = Math.round((key.budgets[0]?.held_usd ?? 0) * 1e9)
      sendJson(response, 200, vectors(3))
    }
    const input = Array.from({ length: 3 }, () => 'x'.repeat(90))
    expect((await post('embeddings', { model: 'embedder', input })).status).toBe(200)
    // 256 for the request, a token a byte, 8 a text, but at most the context of each; no output at its dear price
    expect(heldNanoUsd).toBe(Math.min(256 + 270 + 24, 300) * 100)
  })

  test('as many texts as a body holds', async () => {
    upstream.script = response => sendJson(response, 200, vectors(1))
    const input = Array.from({ length: 300_000 }, () => 'x')
    expect((await post('embeddings', { model: 'text-embedding-3-small', input })).status).toBe(200)
  })

  test('usage that is not stated is estimated and says so', async () => {
    upstream.script = response => sendJson(response, 200, { object: 'list', data: [], model: 'embedder-v2' })
    expect((await post('embeddings', { model: 'embedder', input: [1, 2, 3, 4] })).status).toBe(200)
    expect(await lastRow()).toMatchObject({
      certainty: 'estimated',
      usage: { inputTokens: 4, outputTokens: 0 },
      costNanoUsd: 400,
    })
  })

  test('an answer without data is no answer', async () => {
    upstream.script = response => sendJson(response, 200, { choices: [] })
    expect(await errorOf('embeddings', { model: 'embedder', input: 'x' })).toMatchObject({ status: 502 })
  })

  test('kinds do not mix, and the refusal says who does', async () => {
    const chat = await errorOf('embeddings', { model: 'gpt-4o', input: 'x' })
    expect(chat).toMatchObject({ status: 400, error: { param: 'model', code: 'invalid_request' } })
    expect(chat.error.message).toMatch(
      /'gpt-4o' is not for embeddings\. Here these are: .*text-embedding-3-small/,
    )
    const messages = [{ role: 'user', content: 'Hi' }]
    const wrong = await errorOf('chat/completions', { model: 'text-embedding-3-small', messages })
    expect(wrong.error.message).toMatch(/is not for chat\. Here these are: .*gpt-4o/)
    const native = await errorOf('embeddings', { model: 'own-claude', input: 'x' })
    expect(native).toMatchObject({ status: 400, error: { param: 'model' } })
    expect(native.error.message).not.toContain('own-claude, ')
    expect(upstream.seen).toHaveLength(0)
  })

  test.each([
    [{}, 'input', /required/],
    [{ input: [] }, 'input', /string/],
    [{ input: [{ text: 'x' }] }, 'input[0]', /string/],
    [{ input: ['a', 1] }, 'input[1]', /string/],
    [{ input: [[1], []] }, 'input[1]', /token ids/],
    [{ input: { a: 1 } }, 'input', /string/],
    [{ input: 'x', stream: true }, 'stream', /whole/],
    [{ input: 'x', api_base: 'http://evil' }, 'api_base', /not accepted/],
  ])('%j is refused at %s', async (more, param, cure) => {
    const refused = await errorOf('embeddings', { model: 'embedder', ...more })
    expect(refused).toMatchObject({ status: 400, error: { type: 'invalid_request_error', param } })
    expect(refused.error.message).toMatch(cure)
    expect(upstream.seen).toHaveLength(0)
  })

  test('a spent budget, a wrong key', async () => {
    const poor = await gateway.key({ budgets: [{ window: 'day', limitNanoUsd: 10, softNanoUsd: null }] })
    expect(await errorOf('embeddings', { model: 'embedder', input: 'x' }, poor)).toMatchObject({
      status: 429,
      error: { code: 'insufficient_quota' },
    })
    expect(await errorOf('embeddings', { model: 'embedder', input: 'x' }, 'sgate_live_x')).toMatchObject({
      status: 401,
    })
  })
})

describe('completions', () => {
  const frame = { id: 'cmpl-1', object: 'text_completion', created: 1, model: 'embedder-v2' }
  const piece = (text: string, finish: string | null = null) =>
    event({ ...frame, choices: [{ index: 0, text, logprobs: null, finish_reason: finish }] })
  const usage = { prompt_tokens: 5, completion_tokens: 4, total_tokens: 9 }
  const whole = {
    ...frame,
    choices: [{ index: 0, text: ' a time', logprobs: null, finish_reason: 'stop' }],
    usage,
  }
  const ask = { model: 'embedder', prompt: 'Once upon', max_tokens: 20 }

  test('whole: bytes pass, the row is exact', async () => {
    const body = JSON.stringify(whole, null, 1)
    upstream.script = response => sendJson(response, 200, body)
    const answer = await post('completions', { ...ask, logit_bias: { '50256': -100 } })
    expect(await answer.text()).toBe(body)
    expect(upstream.seen[0]).toMatchObject({
      url: '/v1/completions',
      body: '{"model":"embedder-v2","prompt":"Once upon","max_tokens":20,"logit_bias":{"50256":-100}}',
    })
    expect(await lastRow()).toMatchObject({
      operation: 'text_completion',
      certainty: 'exact',
      finishReason: 'stop',
      answerId: 'cmpl-1',
      costNanoUsd: 5 * 100 + 4 * 5000,
    })
    expect((await client.completions.create(ask)).choices[0]?.text).toBe(' a time')
  })

  test('streamed: bytes pass, usage is asked for and taken out when nobody wanted it', async () => {
    const text = piece(' a') + piece(' time') + piece('', 'stop')
    upstream.script = response =>
      void sse(response).end(text + event({ ...frame, choices: [], usage }) + DONE)
    const answer = await post('completions', { ...ask, stream: true })
    expect(await answer.text()).toBe(text + DONE)
    expect(upstream.seen[0]?.json()).toMatchObject({ stream_options: { include_usage: true } })
    expect(await lastRow()).toMatchObject({ stream: true, certainty: 'exact', costNanoUsd: 20_500 })

    const stream = await client.completions.create({
      ...ask,
      stream: true,
      stream_options: { include_usage: true },
    })
    let said = ''
    let counted: unknown
    for await (const one of stream) {
      said += one.choices[0]?.text ?? ''
      counted = one.usage ?? counted
    }
    expect(said).toBe(' a time')
    expect(counted).toMatchObject({ ...usage, cost: 0.0000205 })
  })

  test('a stream that breaks ends in an error, one that its caller leaves is closed and metered', async () => {
    upstream.script = response => {
      sse(response).write(piece(' a'), () => setTimeout(() => response.destroy(), 30))
    }
    const text = await (await post('completions', { ...ask, stream: true })).text()
    expect(text).toMatch(/"code":"upstream_unavailable"\}\}\n\n$/)
    expect(text).not.toContain('[DONE]')

    upstream.script = response => void sse(response).write(piece(' a'))
    const before = upstream.aborted
    for await (const _ of await client.completions.create({ ...ask, stream: true })) break
    await until(() => upstream.aborted > before)
    await until(async () => (await lastRow())?.error === 'cancelled')
    expect(await lastRow()).toMatchObject({ certainty: 'estimated' })
  })

  test('a budget cuts a stream in its own form', async () => {
    upstream.script = async response => {
      sse(response)
      for (let i = 0; i < 60 && !response.destroyed; i++) {
        response.write(piece('word '.repeat(40)))
        await new Promise(resolve => setTimeout(resolve, 2))
      }
      if (!response.destroyed) response.end(DONE)
    }
    const poor = await gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: 8_000_000, softNanoUsd: null }],
    })
    const body = { model: 'embedder', prompt: 'Once', stream: true, stream_options: { include_usage: true } }
    const text = await (await post('completions', body, poor)).text()
    const events = text.trim().split('\n\n')
    expect(events.at(-1)).toBe('data: [DONE]')
    expect(JSON.parse(events.at(-3)?.slice(6) ?? '')).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: '', finish_reason: 'length' }],
    })
    expect(JSON.parse(events.at(-2)?.slice(6) ?? '')).toMatchObject({
      choices: [],
      usage: { estimated: true },
    })
    expect(await lastRow()).toMatchObject({ finishReason: 'length', certainty: 'estimated' })
  })

  test('several prompts and answers are all held for', async () => {
    const poor = await gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: 9_000_000, softNanoUsd: null }],
    })
    // 250 tokens at 5,000 nano-USD: one prompt five times fits, two do not
    const body = { model: 'embedder', prompt: ['a', 'b'], n: 2, best_of: 5, max_tokens: 250 }
    expect(await errorOf('completions', body, poor)).toMatchObject({
      status: 429,
      error: { code: 'insufficient_quota' },
    })
    expect(upstream.seen).toHaveLength(0)
  })

  test.each([
    [{ prompt: undefined, messages: [] }, 'prompt', /chat\/completions/],
    [{ prompt: [null] }, 'prompt[0]', /string/],
    [{ max_tokens: -1 }, 'max_tokens', /1 or more/],
    [{ n: 'x' }, 'n', /whole number/],
    [{ stream: 'x' }, 'stream', /true or false/],
    [{ model: 7 }, 'model', /name of a model/],
    [{ model: 'own-claude' }, 'model', /not for \/v1\/completions/],
  ])('%j is refused at %s', async (more, param, cure) => {
    const refused = await errorOf('completions', { ...ask, ...more })
    expect(refused).toMatchObject({ status: 400, error: { type: 'invalid_request_error', param } })
    expect(refused.error.message).toMatch(cure)
    expect(upstream.seen).toHaveLength(0)
  })
})

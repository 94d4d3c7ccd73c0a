/** Walks the table of endpoints: every route authenticates, enforces what the key may, and meters each exchange exactly once. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/http/endpoints.ts'
import type { Endpoint, Operation } from '../../src/terms.ts'
import {
  completion,
  DONE,
  delta,
  finish,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from '../gateway/harness.ts'
import { clear, meteredConfig, RICH, wav } from './parts.ts'

const messages = [{ role: 'user', content: 'Say hello.' }]
const usage = { prompt_tokens: 4, completion_tokens: 2, total_tokens: 6 }

interface Sample {
  readonly model: string
  readonly body: (model: string) => Record<string, unknown> | FormData
  readonly answer: unknown
}

const chat: Sample['answer'] = completion()

/** A request and an answer for each operation; a new row of the table without one fails the walk. */
const SAMPLES: Readonly<Record<Operation, Sample>> = {
  chat: { model: 'priced-chat', body: model => ({ model, messages }), answer: chat },
  text_completion: {
    model: 'priced-chat',
    body: model => ({ model, prompt: 'Say' }),
    answer: { id: 'c', choices: [{ text: 'hi', index: 0, finish_reason: 'stop' }], usage },
  },
  embeddings: {
    model: 'text-embedding-3-small',
    body: model => ({ model, input: 'hi' }),
    answer: {
      object: 'list',
      data: [{ embedding: [1], index: 0 }],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    },
  },
  responses: { model: 'priced-chat', body: model => ({ model, input: 'hi' }), answer: chat },
  messages: { model: 'priced-chat', body: model => ({ model, messages, max_tokens: 50 }), answer: chat },
  generate_content: {
    model: 'priced-chat',
    body: () => ({ contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
    answer: chat,
  },
  count_tokens: {
    model: 'priced-chat',
    body: model => (model === '' ? {} : { model, messages, contents: [{ parts: [{ text: 'hi' }] }] }),
    answer: undefined,
  },
  image_generation: {
    model: 'tiny-image',
    body: model => ({ model, prompt: 'fog' }),
    answer: { created: 1, data: [{ b64_json: 'AA==' }] },
  },
  speech: { model: 'tiny-voice', body: model => ({ model, input: 'hi', voice: 'a' }), answer: 'sound' },
  transcription: {
    model: 'tiny-ear',
    body(model) {
      const form = new FormData()
      form.append('file', new Blob([wav(1) as Uint8Array<ArrayBuffer>]), 'a.wav')
      form.append('model', model)
      return form
    },
    answer: { text: 'beep', usage: { type: 'duration', seconds: 1 } },
  },
  rerank: {
    model: 'tiny-rank',
    body: model => ({ model, query: 'q', documents: ['a'] }),
    answer: { results: [{ index: 0, relevance_score: 1 }] },
  },
  moderation: {
    model: 'omni-moderation-latest',
    body: model => ({ model, input: 'hi' }),
    answer: { results: [{ flagged: false }] },
  },
}

let upstream: ScriptedUpstream
let gateway: TestGateway
let good: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  gateway = await startGateway({ config: meteredConfig([upstream.port]) })
  good = await gateway.key({ budgets: RICH })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => clear(upstream))

function ask({ path, method, operation }: Endpoint, key: string | undefined): Promise<Response> {
  const { model, body } = SAMPLES[operation]
  const said = body(model)
  const isForm = said instanceof FormData
  const query = path.endsWith(':streamGenerateContent') ? '?alt=sse' : ''
  return fetch(gateway.url + path.replace('{model}', model) + query, {
    method,
    headers: {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(!isForm && { 'content-type': 'application/json' }),
    },
    body: isForm ? said : JSON.stringify(said),
  })
}

const isStreamed = ({ path }: Endpoint) => path.endsWith(':streamGenerateContent')

describe.each(ENDPOINTS.map(endpoint => [endpoint.path, endpoint] as const))('%s', (_, endpoint) => {
  const { answer } = SAMPLES[endpoint.operation]
  const reply = () => {
    upstream.script = response => {
      if (isStreamed(endpoint)) sse(response).end(delta('hi') + finish() + usageEvent + DONE)
      else if (typeof answer === 'string') {
        response.writeHead(200, { 'content-type': 'audio/mpeg' })
        response.end(answer)
      } else sendJson(response, 200, answer)
    }
  }

  test('authenticates: nothing is read or sent without a good key', async () => {
    const before = (await gateway.rows()).length
    for (const key of [undefined, `${good.slice(0, -1)}${good.endsWith('0') ? '1' : '0'}`, 'sk-other']) {
      const refused = await ask(endpoint, key)
      expect([refused.status, key]).toEqual([401, key])
      await refused.arrayBuffer()
    }
    expect(upstream.seen).toHaveLength(0)
    expect((await gateway.rows()).length).toBe(before)
  })

  test('enforces: a key that may not use the model is told so', async () => {
    const narrow = await gateway.key({ models: ['gpt-4o-nothing-else'] })
    const refused = await ask(endpoint, narrow)
    expect(refused.status).toBe(403)
    await refused.arrayBuffer()
    expect(upstream.seen).toHaveLength(0)
  })

  test('meters: one row for one exchange', async () => {
    reply()
    const before = (await gateway.rows()).length
    const made = await ask(endpoint, good)
    expect(made.status, await made.text()).toBe(200)
    const rows = (await gateway.rows()).slice(before)
    expect(upstream.seen).toHaveLength(answer === undefined ? 0 : 1)
    expect(rows).toHaveLength(upstream.seen.length)
    for (const row of rows) {
      expect(row).toMatchObject({ operation: endpoint.operation, status: 200, last: true, error: null })
      expect(row.costNanoUsd, 'a price is known').not.toBeNull()
    }
  })

  test.skipIf(answer === undefined)('meters failures: one row for each exchange of a request', async () => {
    upstream.script = response => sendJson(response, 400, { error: { message: 'no', code: 'bad' } })
    const before = (await gateway.rows()).length
    const made = await ask(endpoint, good)
    expect(made.status).toBe(400)
    await made.arrayBuffer()
    const rows = (await gateway.rows()).slice(before)
    expect(rows.map(row => [row.error, row.costNanoUsd])).toEqual([['refused', 0]])
    expect(upstream.seen).toHaveLength(1)
  })
})

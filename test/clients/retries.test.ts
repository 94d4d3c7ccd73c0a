/** What clients do with an error: a final one is asked for once, a short wait is waited for. Their retries are left as they come. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText } from 'ai'
import OpenAI, { type APIError } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { recordingFetch } from './callers.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let poor: string

/** Providers that fail each in a way of their own, so that one's trouble is not another's. */
const NAMES = ['fine', 'refusing', 'broken', 'locked', 'missing'] as const
const FAILING: Readonly<Record<string, readonly [number, object]>> = {
  refusing: [400, { error: { message: 'temperature: too hot', type: 'invalid_request_error', code: 'bad' } }],
  broken: [500, { error: { message: 'oops' } }],
  locked: [401, { error: { message: 'bad key', code: 'invalid_api_key' } }],
  missing: [404, { error: { message: 'no such model', code: 'model_not_found' } }],
}

beforeAll(async () => {
  upstream = await startUpstream((response, seen) => {
    const name = seen.url.split('/')[1] ?? ''
    const [status, body] = FAILING[name] ?? [200, completion()]
    sendJson(response, status, body)
  })
  const config = configFor(Object.fromEntries(NAMES.map(name => [name, upstream.port])))
  // The same port for all, told apart by the path.
  const apart = NAMES.reduce((text, name) => text.replace('/v1\n', `/${name}/V1\n`), config)
  gateway = await startGateway({ config: apart.replaceAll('/V1\n', '/v1\n') })
  key = await gateway.key()
  poor = await gateway.key({ budgets: [{ window: 'total', limitNanoUsd: 1, softNanoUsd: null }] })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

interface Final {
  readonly what: string
  readonly model: string
  readonly status: number
  readonly code: string
  /** Which key asks; absent = a good one. */
  readonly by?: () => string
  readonly messages?: []
  readonly upstreamCalls: number
}

const stranger = () => `${key.slice(0, -1)}${key.endsWith('x') ? 'y' : 'x'}`
const FINAL: readonly Final[] = [
  {
    what: 'a wrong body',
    model: 'house-model@fine',
    messages: [],
    status: 400,
    code: 'invalid_request',
    upstreamCalls: 0,
  },
  {
    what: 'an upstream that refuses',
    model: 'house-model@refusing',
    status: 400,
    code: 'bad',
    upstreamCalls: 1,
  },
  {
    what: 'an unknown key',
    model: 'house-model@fine',
    by: stranger,
    status: 401,
    code: 'invalid_api_key',
    upstreamCalls: 0,
  },
  {
    what: 'an unknown model',
    model: 'no-such-model',
    status: 404,
    code: 'model_not_found',
    upstreamCalls: 0,
  },
  {
    what: 'a model gone upstream',
    model: 'house-model@missing',
    status: 404,
    code: 'model_not_found',
    upstreamCalls: 1,
  },
  {
    what: 'an empty budget',
    model: 'house-model@fine',
    by: () => poor,
    status: 429,
    code: 'insufficient_quota',
    upstreamCalls: 0,
  },
  {
    what: 'a credential refused upstream',
    model: 'house-model@locked',
    status: 502,
    code: 'upstream_credential',
    upstreamCalls: 1,
  },
  // The gateway has tried again itself, as often as retries.attempts says.
  {
    what: 'a broken upstream',
    model: 'house-model@broken',
    status: 502,
    code: 'upstream_unavailable',
    upstreamCalls: 3,
  },
]

describe.each([{ stream: false }, { stream: true }])('openai SDK, stream: $stream', ({ stream }) => {
  it.each(FINAL)('asks once about $what: $status $code', async final => {
    const { fetch, exchanges } = recordingFetch()
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: final.by?.() ?? key, fetch })
    expect(client.maxRetries).toBeGreaterThan(0)
    const ask = { ...CHAT, model: final.model, stream, ...(final.messages && { messages: final.messages }) }
    const error = await client.chat.completions
      .create(ask as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming)
      .then(
        () => undefined,
        (failed: unknown) => failed as APIError,
      )
    expect(error).toBeInstanceOf(OpenAI.APIError)
    expect([error?.status, error?.code]).toEqual([final.status, final.code])
    const seen = await exchanges()
    expect(seen.map(exchange => exchange.status)).toEqual([final.status])
    expect(seen[0]?.headers['x-should-retry']).toBe('false')
    expect(upstream.seen.length).toBe(final.upstreamCalls)
  })
})

it('openai SDK: waits as a rate limit says, and asks again', async () => {
  // One at once, and one comes back every four seconds.
  const limited = await gateway.key({ limits: { rpm: 15, burst: 1 } })
  const { fetch, exchanges } = recordingFetch()
  const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: limited, fetch })
  await (await gateway.post(limited, { ...CHAT, model: 'house-model@fine' })).arrayBuffer()
  upstream.seen.length = 0
  const startedAtMs = Date.now()
  const ask = {
    ...CHAT,
    model: 'house-model@fine',
  } as unknown as OpenAI.ChatCompletionCreateParamsNonStreaming
  const answer = await client.chat.completions.create(ask)
  expect(answer.choices[0]?.message.content).toBe('Hello there.')
  const seen = await exchanges()
  expect(seen.map(exchange => exchange.status)).toEqual([429, 200])
  expect(seen[0]?.headers).toMatchObject({
    'x-should-retry': 'true',
    'x-switchgate-limit': 'key.burst',
  })
  const toldMs = Number(seen[0]?.headers['retry-after']) * 1_000
  expect([1_000, 2_000, 3_000, 4_000]).toContain(toldMs)
  expect(Date.now() - startedAtMs).toBeGreaterThanOrEqual(toldMs - 100)
  expect(upstream.seen.length).toBe(1)
})

// The AI SDK goes by the status alone: what it takes for passing trouble (429, 5xx) it asks for again.
describe('AI SDK', () => {
  const asks = FINAL.filter(final => final.status < 429 && final.messages === undefined)
  it.each(asks)('asks once about $what: $status', async final => {
    const { fetch, exchanges } = recordingFetch()
    const apiKey = final.by?.() ?? key
    const provider = createOpenAICompatible({
      name: 'switchgate',
      baseURL: `${gateway.url}/v1`,
      apiKey,
      fetch,
    })
    await expect(
      generateText({ model: provider.chatModel(final.model), prompt: 'Say hello.' }),
    ).rejects.toMatchObject({ statusCode: final.status })
    expect((await exchanges()).length).toBe(1)
    expect(upstream.seen.length).toBe(final.upstreamCalls)
  })
})

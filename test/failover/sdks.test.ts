/** Final answers tell SDKs not to ask again: each official client makes exactly one call, and the gateway its own number of attempts. */
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { GoogleGenerativeAI } from '@google/generative-ai'
import { APICallError, generateText, type LanguageModel, RetryError, streamText } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import OpenAI from 'openai'
import {
  CHAT,
  configFor,
  type Script,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let door: ScriptedUpstream
let gateway: TestGateway
let key: string

const refuse =
  (status: number, headers = {}): Script =>
  response =>
    sendJson(response, status, { error: { message: 'no', type: 'x', code: null } }, headers)

/** Counts what a client sends: it stands before the gateway and passes everything on. */
async function startDoor(): Promise<ScriptedUpstream> {
  return startUpstream(async (response, seen) => {
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = seen.headers
    const answer = await fetch(`${gateway.url}${seen.url}`, {
      method: seen.method,
      headers: headers as Record<string, string>,
      body: seen.body,
    })
    const text = await answer.text()
    response.writeHead(answer.status, Object.fromEntries(answer.headers))
    response.end(text)
  })
}

beforeAll(async () => {
  upstream = await startUpstream(refuse(500))
  const names = Array.from({ length: 50 }, (_, i) => `p${i}`)
  // providers of their own, so that the trouble of one test is not another's
  gateway = await startGateway({
    config: configFor(Object.fromEntries(names.map(name => [name, upstream.port]))),
  })
  key = await gateway.key()
  door = await startDoor()
})
afterAll(async () => {
  await door?.close()
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
  door.seen.length = 0
})

/** The AI SDK, with the status where the others have it. */
async function aiSdk(model: LanguageModel, stream: boolean, more = {}): Promise<unknown> {
  const ask = { model, prompt: 'Say hello.', ...more }
  try {
    if (!stream) return await generateText(ask)
    const { fullStream } = streamText({ ...ask, onError: () => undefined })
    for await (const part of fullStream) if (part.type === 'error') throw part.error
    return undefined
  } catch (error) {
    const last = RetryError.isInstance(error) ? error.lastError : error
    throw APICallError.isInstance(last) ? { status: last.statusCode } : error
  }
}
const openaiModel = (model: string) =>
  createOpenAI({ baseURL: `http://127.0.0.1:${door.port}/v1`, apiKey: key }).chat(model)
const anthropicModel = (model: string) =>
  createAnthropic({ baseURL: `http://127.0.0.1:${door.port}/v1`, apiKey: key })(model)

/** As each client comes, with its own retries on; the AI SDK alone needs to be told, see below. */
const CLIENTS: Readonly<Record<string, (model: string, stream: boolean) => Promise<unknown>>> = {
  openai: (model, stream) =>
    new OpenAI({ baseURL: `http://127.0.0.1:${door.port}/v1`, apiKey: key }).chat.completions.create({
      ...CHAT,
      model,
      stream,
    } as never),
  anthropic: (model, stream) =>
    new Anthropic({ baseURL: `http://127.0.0.1:${door.port}`, apiKey: key }).messages.create({
      model,
      max_tokens: 16,
      messages: [{ role: 'user', content: 'Say hello.' }],
      stream,
    }),
  'google genai': (model, stream) => {
    const { models } = new GoogleGenAI({
      apiKey: key,
      vertexai: false,
      httpOptions: { baseUrl: `http://127.0.0.1:${door.port}` },
    })
    const ask = { model, contents: 'Say hello.' }
    return stream ? models.generateContentStream(ask) : models.generateContent(ask)
  },
  'google generative-ai': (model, stream) => {
    const baseUrl = `http://127.0.0.1:${door.port}`
    const ask = new GoogleGenerativeAI(key).getGenerativeModel({ model }, { baseUrl })
    return stream ? ask.generateContentStream('Say hello.') : ask.generateContent('Say hello.')
  },
  'AI SDK, openai, maxRetries: 0': (model, stream) => aiSdk(openaiModel(model), stream, { maxRetries: 0 }),
  'AI SDK, anthropic, maxRetries: 0': (model, stream) =>
    aiSdk(anthropicModel(model), stream, { maxRetries: 0 }),
}

const FINAL: [string, Script, number, number][] = [
  ['everybody fails', refuse(500), 502, 3],
  ['a credential is refused', refuse(401), 502, 1],
  ['the request is refused', refuse(400), 400, 1],
  ['a long rate limit', refuse(429, { 'retry-after': '600' }), 429, 1],
]

let next = 0
describe.each(Object.keys(CLIENTS))('%s', name => {
  test.each(FINAL.flatMap(final => [false, true].map(stream => [...final, stream] as const)))(
    '%s: one call',
    async (_what, script, status, attempts, stream) => {
      upstream.script = script
      const ask = CLIENTS[name] as (typeof CLIENTS)[string]
      await expect(ask(`house-model@p${next++}`, stream)).rejects.toMatchObject({ status })
      expect(door.seen).toHaveLength(1)
      expect(upstream.seen).toHaveLength(attempts)
    },
  )
})

describe('the AI SDK as it comes', () => {
  test('what is the caller’s own mistake is asked once', async () => {
    upstream.script = refuse(400)
    await expect(aiSdk(openaiModel(`house-model@p${next++}`), false)).rejects.toMatchObject({ status: 400 })
    expect(door.seen).toHaveLength(1)
  })

  // It looks at the status alone (408, 409, 429, 500 and above: @ai-sdk/provider, APICallError), never at x-should-retry.
  // When this fails because it has learned to, README.md has a sentence less.
  test('it asks again about 5xx whatever it is told: two retries of its own', async () => {
    upstream.script = refuse(401)
    await expect(aiSdk(openaiModel(`house-model@p${next++}`), false)).rejects.toMatchObject({ status: 502 })
    expect(door.seen).toHaveLength(3)
  }, 60_000)
})

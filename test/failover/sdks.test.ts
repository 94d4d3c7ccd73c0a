/** Final answers tell SDKs not to ask again: each official client makes exactly one call, and the gateway its own number of attempts. */
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
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
  const names = Array.from({ length: 24 }, (_, i) => `p${i}`)
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

/** As each client comes, with its own retries on. */
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

/** Google's client through a real gateway to Gemini: every recorded answer arrives byte for byte, and its counts are in the ledger. */
import { GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import {
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { independent } from './reading.ts'
import { errorIn, type Recording, recordings, seedOf } from './recordings.ts'

const SECRET = 'AIza-canary-77c0ffee'
const recorded = recordings.filter(one => one.wire === 'gemini')
const good = recorded.filter(one => errorIn(one) === undefined)
const bad = recorded.filter(one => errorIn(one) !== undefined)

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let playing: Recording

const configOf = (port: number) => `providers:
  google:
    kind: gemini
    base_url: http://127.0.0.1:${port}/v1beta
    credentials: [{ name: main, secret: env://GOOGLE_SECRET }]
    models: { replayed: { upstream: gemini-3-flash, input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 1000000, max_output_tokens: 64000 } }
egress: { allow: ["127.0.0.1:${port}"] }
limits: { event_bytes: 33554432 }
discover_env: false
`

beforeAll(async () => {
  upstream = await startUpstream(response => {
    if (!playing.stream || playing.status !== 200) return sendJson(response, playing.status, playing.body)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    // cut anywhere, the same way each time; large bodies in larger pieces
    const bytes = Buffer.from(playing.body)
    const most = 61 + Math.floor(bytes.length / 2_000)
    let seed = seedOf(playing.id) | 1
    for (let at = 0; at < bytes.length; ) {
      seed = Math.imul(seed, 48_271) >>> 1
      const size = 1 + (seed % most)
      response.write(bytes.subarray(at, at + size))
      at += size
    }
    response.end()
  })
  gateway = await startGateway({ config: configOf(upstream.port), env: { GOOGLE_SECRET: SECRET } })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

const bodyOf = (one: Recording): string =>
  JSON.stringify({ contents: [{ role: 'user', parts: [{ text: 'x' }] }], ...one.request, model: undefined })

const ask = (one: Recording) =>
  fetch(
    `${gateway.url}/v1beta/models/replayed:${one.stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    {
      method: 'POST',
      headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
      body: bodyOf(one),
    },
  )

/** Everything that the client says of an answer. */
async function read(one: Recording, over = fetch): Promise<Json[]> {
  const before = globalThis.fetch
  const { models } = new GoogleGenAI({
    apiKey: key,
    vertexai: false,
    httpOptions: { baseUrl: gateway.url, retryOptions: { attempts: 1 } },
  })
  globalThis.fetch = over
  try {
    if (!one.stream) return [plain(await models.generateContent({ model: 'replayed', contents: 'x' }))]
    const chunks: Json[] = []
    for await (const chunk of await models.generateContentStream({ model: 'replayed', contents: 'x' }))
      chunks.push(plain(chunk))
    return chunks
  } finally {
    globalThis.fetch = before
  }
}

const plain = (value: unknown): Json =>
  JSON.parse(JSON.stringify(value, (k, v) => (k === 'sdkHttpResponse' ? undefined : v))) as Json

describe.skipIf(recorded.length === 0)('recorded answers of Gemini, natively', () => {
  const calls: { one: Recording; id: string }[] = []

  test.each(good.map(one => [one.id, one.scenario, one] as const))('%s %s', async (_, __, one) => {
    playing = one
    upstream.seen.length = 0
    const answer = await ask(one)
    expect(await answer.text()).toBe(one.body)
    expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
    calls.push({ one, id: answer.headers.get('x-request-id') ?? '' })
    expect(upstream.seen.length, 'upstream exchanges').toBe(1)
    expect(upstream.seen[0]?.headers['x-goog-api-key']).toBe(SECRET)
    expect(upstream.seen[0]?.body).toBe(bodyOf(one))

    const type = one.stream ? 'text/event-stream' : 'application/json'
    const direct = await read(one, async () => new Response(one.body, { headers: { 'content-type': type } }))
    expect(await read(one)).toEqual(direct)
  })

  test('the ledger has the usage of each, exactly', async () => {
    const rows = new Map((await gateway.rows()).map(row => [row.requestId, row]))
    expect(calls.length).toBe(good.length)
    expect(calls.length).toBeGreaterThan(100)
    for (const { one, id } of calls) {
      const row = rows.get(id)
      const { tokens } = await independent(one)
      const label = `${one.id} ${one.scenario}`
      expect(row, label).toMatchObject({ operation: 'generate_content', status: 200, stream: one.stream })
      const had = row?.usage && [
        row.usage.inputTokens,
        row.usage.cacheReadInputTokens,
        row.usage.outputTokens,
      ]
      if (tokens === undefined) expect(row?.certainty, label).toBe('estimated')
      else expect(had, label).toEqual([tokens.input, tokens.cached, tokens.output])
    }
  })

  test.each(bad.map(one => [one.id, one.scenario, one] as const))('%s %s: the error', async (_, __, one) => {
    playing = one
    const text = await (await ask(one)).text()
    const last =
      one.stream && text.startsWith('data:') ? (text.trim().split('\n').at(-1)?.slice(6) ?? '') : text
    expect(JSON.parse(last)).toMatchObject({
      error: { code: expect.any(Number), details: [{ domain: 'switchgate' }] },
    })
    expect(text).not.toContain(SECRET)
  })
})

test.runIf(recorded.length === 0)('the recordings are not here', () => {
  process.stdout.write('skipped: no recorded answers of Gemini; set SWITCHGATE_FIXTURES\n')
  expect(recorded).toEqual([])
})

/** Anthropic's client through a real gateway to Claude: every recorded answer arrives byte for byte, every request as it was sent. */
import Anthropic from '@anthropic-ai/sdk'
import type { MessageCreateParamsNonStreaming } from '@anthropic-ai/sdk/resources/messages'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import type { AttemptRow } from '../../src/terms.ts'
import {
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { certaintyOf } from './checks.ts'
import { recordingFetch } from './callers.ts'
import { independent } from './reading.ts'
import { errorIn, type Recording, recordings, seedOf } from './recordings.ts'

const SECRET = 'sk-ant-canary-19c2e77b'
const recorded = recordings.filter(one => one.wire === 'anthropic' && one.kind === 'anthropic')
const good = recorded.filter(one => errorIn(one) === undefined)
const bad = recorded.filter(one => errorIn(one) !== undefined)

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let playing: Recording

const configOf = (port: number) => `providers:
  claude:
    kind: anthropic
    base_url: http://127.0.0.1:${port}/v1
    credentials: [{ name: main, secret: env://CLAUDE_SECRET }]
    models: { replayed: { upstream: claude-sonnet-4-5, input_usd_per_mtok: 3, output_usd_per_mtok: 15, cache_read_usd_per_mtok: 0.3, cache_write_usd_per_mtok: 3.75, context_tokens: 1000000, max_output_tokens: 128000 } }
egress: { allow: ["127.0.0.1:${port}"] }
limits: { event_bytes: 8388608 }
discover_env: false
`

beforeAll(async () => {
  upstream = await startUpstream(response => {
    if (!playing.stream || playing.status !== 200) return sendJson(response, playing.status, playing.body)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    // cut anywhere, the same way each time
    const bytes = Buffer.from(playing.body)
    let seed = seedOf(playing.id) | 1
    for (let at = 0; at < bytes.length; ) {
      seed = Math.imul(seed, 48_271) >>> 1
      const size = 1 + (seed % 61)
      response.write(bytes.subarray(at, at + size))
      at += size
    }
    response.end()
  })
  gateway = await startGateway({ config: configOf(upstream.port), env: { CLAUDE_SECRET: SECRET } })
  key = await gateway.key({
    budgets: [{ window: 'total', limitNanoUsd: 9_000_000_000_000, softNanoUsd: null }],
  })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})

/** What was sent for the recording, else the least that can be sent. */
function bodyOf(one: Recording): MessageCreateParamsNonStreaming {
  const { stream: _, ...request } = one.request ?? {}
  const least = { max_tokens: 1024, messages: [{ role: 'user', content: 'x' }] }
  return { ...least, ...request, model: 'replayed' } as unknown as MessageCreateParamsNonStreaming
}

const client = (over: typeof fetch, baseURL = gateway.url, apiKey = key) =>
  new Anthropic({ apiKey, baseURL, fetch: over, maxRetries: 0, timeout: 100_000 })

/** Answers with the recorded bytes, and nothing in between. */
const recordedFetch = (one: Recording): typeof fetch => {
  const headers = { 'content-type': one.stream ? 'text/event-stream' : 'application/json' }
  return async () => new Response(one.body, { headers })
}

/** What the client makes of a recorded answer, wherever it gets it from. */
async function assembled(one: Recording, over: typeof fetch): Promise<unknown> {
  const { messages } = client(over)
  if (!one.stream) return messages.create(bodyOf(one))
  return messages.stream(bodyOf(one)).finalMessage()
}

const statedBy = async (one: Recording) => {
  const { tokens } = await independent(one)
  return (
    tokens && { input: tokens.input, cached: tokens.cached, written: tokens.written, output: tokens.output }
  )
}

describe.skipIf(recorded.length === 0)('recorded answers of Claude, natively', () => {
  const rows = new Map<string, AttemptRow>()
  const calls: { one: Recording; id: string }[] = []

  test.each(good.map(one => [one.id, one.scenario, one] as const))('%s %s', async (_, __, one) => {
    playing = one
    upstream.seen.length = 0
    const { fetch: over, exchanges } = recordingFetch()
    const [mine, direct] = [await assembled(one, over), await assembled(one, recordedFetch(one))]
    expect(plain(mine)).toEqual(plain(direct))
    const [exchange, more] = await exchanges()
    expect(more).toBeUndefined()
    expect(exchange?.body).toBe(one.body)
    expect(exchange?.headers['x-switchgate-provider']).toBe('claude')
    expect(exchange?.headers['x-switchgate-dropped']).toBeUndefined()
    expect(JSON.stringify(exchange)).not.toContain(SECRET)
    calls.push({ one, id: exchange?.headers['x-request-id'] ?? '' })

    expect(upstream.seen.length, 'upstream exchanges').toBe(1)
    const [sent] = upstream.seen
    expect(sent?.url).toBe('/v1/messages')
    expect(sent?.headers['x-api-key']).toBe(SECRET)
    // the client's own, whatever it is today
    expect(sent?.headers['anthropic-version']).toMatch(/^20\d{2}-\d{2}-\d{2}$/)
    const written = JSON.stringify(one.stream ? { ...bodyOf(one), stream: true } : bodyOf(one))
    expect(sent?.body).toBe(written.replace('"model":"replayed"', '"model":"claude-sonnet-4-5"'))
  })

  test('the ledger has the usage of each, exactly', async () => {
    for (const row of await gateway.rows()) rows.set(row.requestId, row)
    expect(calls.length).toBe(good.length)
    expect(calls.length).toBeGreaterThan(200)
    for (const { one, id } of calls) {
      const row = rows.get(id)
      const want = await statedBy(one)
      const label = `${one.id} ${one.scenario}`
      expect(row, label).toMatchObject({
        operation: 'messages',
        status: 200,
        stream: one.stream,
        error: null,
      })
      if (want === undefined) {
        expect(row?.certainty, label).toBe('estimated')
        continue
      }
      const { usage } = row ?? {}
      const had = usage && {
        input: usage.inputTokens,
        cached: usage.cacheReadInputTokens,
        written: usage.cacheCreationInputTokens,
        output: usage.outputTokens,
      }
      expect(had, label).toEqual(want)
      expect(row?.certainty, label).toBe(certaintyOf(one))
    }
  })

  test.each(bad.map(one => [one.id, one.scenario, one] as const))('%s %s: the error', async (_, __, one) => {
    playing = one
    const failed = await assembled(one, fetch).then(
      () => undefined,
      (error: unknown) => error as { status?: number; error?: { type?: string; error?: Json } },
    )
    expect(failed, 'an error reaches the client').toBeDefined()
    expect(failed?.error?.error).toMatchObject({ type: expect.stringMatching(/_error$/) })
    expect(JSON.stringify(failed?.error)).not.toContain(SECRET)
  })
})

/** The SDK hides an answer's request id in a symbol-like member. */
const plain = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (k, v) => (k === '_request_id' ? undefined : v)))

test.runIf(recorded.length === 0)('the recordings are not here', () => {
  process.stdout.write('skipped: no recorded answers of Claude; set SWITCHGATE_FIXTURES\n')
  expect(recorded).toEqual([])
})

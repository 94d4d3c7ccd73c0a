/** Bedrock through a whole gateway: requests signed on their way out, answers in binary frames, both wires in, failures as they come. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { chunkFrame, eventFrame, exceptionFrame } from '../wire/frames.ts'
import { type ScriptedUpstream, startGateway, startUpstream, type TestGateway, until } from './harness.ts'

const NOVA = 'amazon.nova-pro-v1:0'
const CLAUDE = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0'

const NOVA_FRAMES = [
  eventFrame('messageStart', { role: 'assistant', p: 'abc' }),
  eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hel' } }),
  eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'lo.' } }),
  eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
  eventFrame('messageStop', { stopReason: 'end_turn' }),
  eventFrame('metadata', {
    usage: { inputTokens: 10, outputTokens: 3, totalTokens: 13 },
    metrics: { latencyMs: 1 },
  }),
]
const CLAUDE_EVENTS = [
  {
    type: 'message_start',
    message: {
      id: 'msg_bdrk_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
      stop_reason: null,
      usage: { input_tokens: 10, output_tokens: 1 },
    },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hé ' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'llo' } },
  { type: 'content_block_stop', index: 0 },
  {
    type: 'message_delta',
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 4 },
  },
  { type: 'message_stop', 'amazon-bedrock-invocationMetrics': { inputTokenCount: 10, outputTokenCount: 4 } },
]
const CLAUDE_FRAMES = CLAUDE_EVENTS.map(chunkFrame)

describe('Bedrock through the gateway', () => {
  let upstream: ScriptedUpstream
  let gate: TestGateway
  let key: string
  let openai: OpenAI
  let anthropic: Anthropic
  /** Pieces in which a stream's bytes are written. */
  let pieces: readonly Uint8Array[]

  beforeAll(async () => {
    upstream = await startUpstream(() => undefined)
    gate = await startGateway({
      config: `providers:
  aws:
    kind: bedrock
    base_url: http://127.0.0.1:${upstream.port}
    options: { region: us-east-1 }
    credentials: [{ name: main, secret: "aws://default" }]
    models:
      nova: { upstream: "${NOVA}", input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0 }
      claude: { upstream: "${CLAUDE}", input_usd_per_mtok: 3.0, output_usd_per_mtok: 15.0 }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
retries: { attempts: 1 }
`,
      env: { AWS_ACCESS_KEY_ID: 'AKIAGATEWAYGATEWAY00', AWS_SECRET_ACCESS_KEY: 'gateway-test-secret-key' },
    })
    key = await gate.key()
    openai = new OpenAI({ apiKey: key, baseURL: `${gate.url}/v1`, maxRetries: 0 })
    anthropic = new Anthropic({ apiKey: key, baseURL: gate.url, maxRetries: 0 })
  })
  afterAll(async () => {
    await gate.close()
    await upstream.close()
  })
  beforeEach(() => {
    upstream.seen.length = 0
    pieces = NOVA_FRAMES
    upstream.script = async response => {
      response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
      for (const piece of pieces) {
        response.write(piece)
        await new Promise(resolve => setImmediate(resolve))
      }
      response.end()
    }
  })
  const messages = [{ role: 'user' as const, content: 'Hi' }]
  const cut = (frames: readonly Uint8Array[], bytes: number) => {
    const all = Buffer.concat(frames)
    return Array.from({ length: Math.ceil(all.length / bytes) }, (_, i) =>
      all.subarray(i * bytes, (i + 1) * bytes),
    )
  }

  test.each([0, 1, 7])('chat in, ConverseStream out, in pieces of %i bytes', async bytes => {
    if (bytes > 0) pieces = cut(NOVA_FRAMES, bytes)
    const stream = await openai.chat.completions.create({
      model: 'nova',
      messages,
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let usage: unknown
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? ''
      usage = chunk.usage ?? usage
    }
    expect(text).toBe('Hello.')
    expect(usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 3 })
    const [seen] = upstream.seen
    expect(seen?.url).toBe('/model/amazon.nova-pro-v1%3A0/converse-stream')
    expect(seen?.headers.accept).toBe('application/vnd.amazon.eventstream')
    expect(seen?.headers.authorization).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIAGATEWAYGATEWAY00\/\d{8}\/us-east-1\/bedrock\/aws4_request, SignedHeaders=host;x-amz-date, Signature=[0-9a-f]{64}$/,
    )
  })

  test('Messages in, Claude’s own events out: as they are, apart from the framing', async () => {
    pieces = cut(CLAUDE_FRAMES, 11)
    const response = await fetch(`${gate.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({
        model: 'claude',
        max_tokens: 50,
        messages,
        stream: true,
        metadata: { user_id: 'u' },
      }),
    })
    const want = CLAUDE_EVENTS.map(event => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    expect(await response.text()).toBe(want.join(''))
    const [seen] = upstream.seen
    expect(seen?.url).toBe(`/model/${encodeURIComponent(CLAUDE)}/invoke-with-response-stream`)
    expect(seen?.json()).toEqual({
      max_tokens: 50,
      messages,
      metadata: { user_id: 'u' },
      anthropic_version: 'bedrock-2023-05-31',
    })
  })

  test('Anthropic’s SDK: betas that Bedrock knows go into the body, others are named', async () => {
    pieces = CLAUDE_FRAMES
    const stream = anthropic.beta.messages.stream({
      model: 'claude',
      max_tokens: 50,
      messages,
      betas: ['context-1m-2025-08-07', 'files-api-2025-04-14'],
    })
    expect(await stream.finalText()).toBe('Hé llo')
    expect((await stream.finalMessage()).usage.output_tokens).toBe(4)
    expect(upstream.seen[0]?.json().anthropic_beta).toEqual(['context-1m-2025-08-07'])
    expect(upstream.seen[0]?.headers['anthropic-beta']).toBeUndefined()
    expect(stream.response?.headers.get('x-switchgate-dropped')).toContain('anthropic_beta')
  })

  test('chat in, Claude’s events out as chunks', async () => {
    pieces = CLAUDE_FRAMES
    const stream = await openai.chat.completions.create({ model: 'claude', messages, stream: true })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    expect(text).toBe('Hé llo')
    const row = (await gate.rows()).at(-1)
    expect(row).toMatchObject({ usage: { inputTokens: 10, outputTokens: 4 }, certainty: 'exact' })
    expect(row?.costNanoUsd).toBe(10 * 3_000 + 4 * 15_000)
  })

  test('whole answers of both', async () => {
    upstream.script = (response, seen) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const nova = {
        output: { message: { role: 'assistant', content: [{ text: 'Nova.' }] } },
        stopReason: 'end_turn',
        usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
      }
      const claude = {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'c',
        content: [{ type: 'text', text: 'Claude.' }],
        stop_reason: 'end_turn',
        usage: { input_tokens: 1, output_tokens: 1 },
      }
      response.end(JSON.stringify(seen.url.includes('nova') ? nova : claude))
    }
    const answer = await openai.chat.completions.create({ model: 'nova', messages })
    expect(answer.choices[0]?.message.content).toBe('Nova.')
    const message = await anthropic.messages.create({ model: 'claude', max_tokens: 9, messages })
    expect(message.content).toEqual([{ type: 'text', text: 'Claude.' }])
    const viaConverse = await anthropic.messages.create({ model: 'nova', max_tokens: 9, messages })
    expect(viaConverse.content).toEqual([{ type: 'text', text: 'Nova.' }])
    expect(upstream.seen.map(({ url }) => url.split('/').at(-1))).toEqual(['converse', 'invoke', 'converse'])
  })

  test('an exception before content is the failure it names', async () => {
    for (const [name, status] of [
      ['throttlingException', 429],
      ['modelStreamErrorException', 502],
    ] as const) {
      pieces = [NOVA_FRAMES[0] as Uint8Array, exceptionFrame(name, 'account 123 is busy')]
      const response = await gate.post(key, { model: 'nova', messages, stream: true })
      const text = await response.text()
      expect(`${response.status} ${text}`).toMatch(new RegExp(`^${status} `))
      expect(text).not.toContain('account 123')
    }
  })

  test.each([
    ['an exception', exceptionFrame('modelTimeoutException', 'x')],
    [
      'a broken frame',
      Uint8Array.from([...(NOVA_FRAMES[2] as Uint8Array)].map((byte, i) => (i === 40 ? byte ^ 1 : byte))),
    ],
    ['the end of the connection', (NOVA_FRAMES[2] as Uint8Array).subarray(0, 30)],
  ])('%s after content ends the stream with an error and no [DONE]', async (_, last) => {
    pieces = [NOVA_FRAMES[0] as Uint8Array, NOVA_FRAMES[1] as Uint8Array, last]
    const response = await gate.post(key, { model: 'nova', messages, stream: true })
    const text = await response.text()
    expect(response.status).toBe(200)
    expect(text).toContain('"content":"Hel"')
    expect(text).toContain('"error"')
    expect(text).not.toContain('[DONE]')
  })

  test('a 403 is our credential’s fault, a wrong id is a missing model', async () => {
    upstream.script = response => {
      response.writeHead(403, { 'content-type': 'application/json' })
      response.end('{"message":"The security token included in the request is invalid."}')
    }
    const refused = await gate.post(key, { model: 'nova', messages })
    expect(refused.status).toBe(502)
    expect(await refused.text()).toContain('upstream_credential')
  })

  test('no secret stands in the log', async () => {
    await until(() => gate.logs.length > 0)
    expect(gate.logs.join('\n')).not.toContain('gateway-test-secret-key')
  })
})

/** Vertex AI and Azure through a whole gateway: real sockets, tokens from a local endpoint, each model in its own wire. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { exportPKCS8, generateKeyPair } from 'jose'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  completion,
  delta,
  DONE,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  usageEvent,
} from './harness.ts'

const GEMINI = {
  candidates: [{ content: { role: 'model', parts: [{ text: 'Hello.' }] }, finishReason: 'STOP' }],
  usageMetadata: {
    promptTokenCount: 10,
    candidatesTokenCount: 5,
    totalTokenCount: 15,
    trafficType: 'ON_DEMAND',
  },
  modelVersion: 'gemini-2.5-flash',
  responseId: 'r1',
}
const CLAUDE = {
  id: 'msg_vrtx_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5-20250929',
  content: [{ type: 'text', text: 'Hello.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 },
}
const claudeEvent = (type: string, more: object) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`
const CLAUDE_STREAM = [
  claudeEvent('message_start', { message: { ...CLAUDE, content: [], stop_reason: null } }),
  claudeEvent('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
  claudeEvent('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello.' } }),
  claudeEvent('content_block_stop', { index: 0 }),
  claudeEvent('message_delta', {
    delta: { stop_reason: 'end_turn', stop_sequence: null },
    usage: { output_tokens: 5 },
  }),
  claudeEvent('message_stop', {}),
].join('')
const MESSAGES = [{ role: 'user' as const, content: 'Say hello.' }]

describe('vertex', () => {
  let upstream: ScriptedUpstream
  let gateway: TestGateway
  let key: string
  let tokens = 0

  beforeAll(async () => {
    upstream = await startUpstream((response, seen) => {
      if (seen.url === '/token') {
        tokens++
        return sendJson(response, 200, { access_token: `ya29.secret-${tokens}`, expires_in: 3599 })
      }
      if (seen.url.includes(':streamRawPredict')) return void sse(response).end(CLAUDE_STREAM)
      if (seen.url.includes(':rawPredict')) return sendJson(response, 200, CLAUDE)
      if (seen.url.includes(':streamGenerateContent')) return void sse(response).end(event(GEMINI))
      if (seen.url.includes(':generateContent')) return sendJson(response, 200, GEMINI)
      if (seen.url.includes(':predict'))
        return sendJson(response, 200, {
          predictions: [
            { embeddings: { values: [0.5, -0.25], statistics: { truncated: false, token_count: 3 } } },
            { embeddings: { values: [1, 0], statistics: { truncated: false, token_count: 4 } } },
          ],
        })
      if (seen.url.includes('/endpoints/openapi/'))
        return sendJson(response, 429, [
          { error: { code: 429, message: 'slow', status: 'RESOURCE_EXHAUSTED' } },
        ])
      if (seen.url === '/v1beta1/publishers/google/models?pageSize=50') {
        const isGood = seen.headers['x-goog-api-key'] === 'AIza-good'
        const bad = { error: { code: 400, message: 'API key not valid.', status: 'INVALID_ARGUMENT' } }
        return sendJson(response, isGood ? 200 : 400, isGood ? { publisherModels: [{}, {}] } : bad)
      }
      return sendJson(response, 404, {})
    })
    const { privateKey } = await generateKeyPair('RS256', { extractable: true })
    gateway = await startGateway({ config: 'egress: { allow: [] }' })
    const file = join(gateway.folder, 'robot.json')
    writeFileSync(
      file,
      JSON.stringify(
        {
          type: 'service_account',
          client_email: 'robot@p.iam.gserviceaccount.com',
          private_key: await exportPKCS8(privateKey),
          private_key_id: 'k',
          token_uri: `http://127.0.0.1:${upstream.port}/token`,
        },
        null,
        2,
      ),
    )
    writeFileSync(
      join(gateway.folder, 'switchgate.yaml'),
      `providers:
  vertex:
    base_url: http://127.0.0.1:${upstream.port}/v1
    options: { project: my-project, location: europe-west4 }
    credentials: [{ name: robot, secret: "file://${file}" }]
    models:
      gemini-2.5-flash: {}
      claude-sonnet-4-5: { upstream: claude-sonnet-4-5@20250929 }
      gpt-oss-120b: { upstream: openai/gpt-oss-120b-maas }
      text-embedding-005: {}
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
    )
    await gateway.gateway.supply.reload()
    key = await gateway.key()
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })
  beforeEach(() => {
    upstream.seen.length = 0
  })

  const within = '/projects/my-project/locations/europe-west4'
  const asked = () => upstream.seen.filter(({ url }) => url !== '/token')

  test('Gemini by generateContent, with a token that is fetched once', async () => {
    for (const stream of [false, true, false]) {
      const answer = await gateway.post(key, { model: 'gemini-2.5-flash', messages: MESSAGES, stream })
      expect(answer.status).toBe(200)
      expect(await answer.text()).toContain('Hello.')
    }
    expect(asked().map(({ url }) => url)).toEqual([
      `/v1beta1${within}/publishers/google/models/gemini-2.5-flash:generateContent`,
      `/v1beta1${within}/publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse`,
      `/v1beta1${within}/publishers/google/models/gemini-2.5-flash:generateContent`,
    ])
    expect(new Set(asked().map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer ya29.secret-1']),
    )
    expect(tokens).toBe(1)
    expect(gateway.logs.join('\n')).not.toMatch(/ya29\.secret|PRIVATE KEY/)
  })

  test("Claude for Anthropic's own client: its bytes, but for model and version", async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
    const request = {
      model: 'claude-sonnet-4-5',
      max_tokens: 64,
      messages: [
        {
          role: 'user' as const,
          content: [
            { type: 'text' as const, text: 'Say hello.', cache_control: { type: 'ephemeral' as const } },
          ],
        },
      ],
    }
    const whole = await client.messages.create(request, {
      headers: { 'anthropic-beta': 'context-1m-2025-08-07,claude-code-20250219' },
    })
    expect(whole.content).toEqual([{ type: 'text', text: 'Hello.' }])
    const final = await client.messages.stream(request).finalMessage()
    expect(final.content).toEqual([{ type: 'text', text: 'Hello.' }])
    const [first, second] = asked()
    expect(first?.url).toBe(`/v1${within}/publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict`)
    expect(second?.url).toBe(
      `/v1${within}/publishers/anthropic/models/claude-sonnet-4-5@20250929:streamRawPredict`,
    )
    const { model: _, ...sent } = request
    expect(first?.json()).toEqual({ ...sent, anthropic_version: 'vertex-2023-10-16' })
    expect(second?.json()).toEqual({ ...sent, stream: true, anthropic_version: 'vertex-2023-10-16' })
    expect(first?.headers['anthropic-beta']).toBe('context-1m-2025-08-07')
    expect(first?.headers['anthropic-version']).toBeUndefined()
    expect(first?.headers['x-api-key']).toBeUndefined()
  })

  test('Claude through the chat wire', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const answer = await client.chat.completions.create({ model: 'claude-sonnet-4-5', messages: MESSAGES })
    expect(answer.choices[0]?.message.content).toBe('Hello.')
    expect(answer.usage).toMatchObject({ prompt_tokens: 10, completion_tokens: 5 })
    expect(asked()[0]?.json()).not.toHaveProperty('model')
  })

  test('tokens of Claude are counted here, and nobody is asked', async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
    const counted = await client.messages.countTokens({ model: 'claude-sonnet-4-5', messages: MESSAGES })
    expect(counted.input_tokens).toBeGreaterThan(0)
    expect(upstream.seen).toEqual([])
  })

  test('an image by its address is refused before anything is sent', async () => {
    const image = { type: 'image', source: { type: 'url', url: 'https://example.com/cat.png' } }
    const answer = await fetch(`${gateway.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'claude-sonnet-4-5',
        max_tokens: 64,
        messages: [{ role: 'user', content: [image] }],
      }),
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', message: expect.stringContaining('base64 only') },
    })
    expect(upstream.seen).toEqual([])
  })

  test('open models by the compatible endpoint, whose errors come in an array', async () => {
    const answer = await gateway.post(key, { model: 'gpt-oss-120b', messages: MESSAGES })
    expect(answer.status).toBe(429)
    expect(asked()[0]?.url).toBe(`/v1${within}/endpoints/openapi/chat/completions`)
    expect(asked()[0]?.json()).toMatchObject({ model: 'openai/gpt-oss-120b-maas' })
  })

  test('embeddings, as numbers and as the SDK asks for them', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const input = ['one', 'two']
    const answer = await client.embeddings.create({ model: 'text-embedding-005', input, dimensions: 2 })
    expect(answer.data.map(({ embedding }) => [...embedding])).toEqual([
      [0.5, -0.25],
      [1, 0],
    ])
    expect(answer.usage).toEqual({ prompt_tokens: 7, total_tokens: 7 })
    const plain = { model: 'text-embedding-005', input, encoding_format: 'float' as const }
    expect((await client.embeddings.create(plain)).data[0]?.embedding).toEqual([0.5, -0.25])
    expect(asked()[0]?.url).toBe(`/v1beta1${within}/publishers/google/models/text-embedding-005:predict`)
    expect(asked()[0]?.json()).toEqual({
      instances: [{ content: 'one' }, { content: 'two' }],
      parameters: { autoTruncate: false, outputDimensionality: 2 },
    })
  })

  test("Gemini for Google's own wire: every byte", async () => {
    const body = '{ "contents": [{"role":"user","parts":[{"text":"Say hello."}]}], "labels": {"team": "a"} }'
    const answer = await fetch(`${gateway.url}/v1beta/models/gemini-2.5-flash:generateContent`, {
      method: 'POST',
      headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
      body,
    })
    expect(await answer.json()).toEqual(GEMINI)
    expect(asked()[0]?.url).toBe(
      `/v1beta1${within}/publishers/google/models/gemini-2.5-flash:generateContent`,
    )
    expect(asked()[0]?.body).toBe(body)
    expect(asked()[0]?.headers['x-goog-api-key']).toBeUndefined()
  })

  test('an operator who tests a credential learns what is wrong with it', async () => {
    const { deps, vault } = gateway.gateway
    expect(vault.sealed).toBe(false)
    const ask = async (secret: string) => {
      const { testCredential } = await import('../../src/runtime/node/credential-test.ts')
      return testCredential('vertex', secret, deps.market(), deps.send, deps.scrub)
    }
    expect(await ask('AIza-good')).toEqual({ ok: true, message: 'accepted; the provider lists 2 models' })
    const refused = { ok: false, message: 'the provider refused this credential', asked: true }
    expect(await ask('AIza-bad')).toEqual(refused)
    expect(asked().map(({ url }) => url)).toEqual(
      Array(2).fill('/v1beta1/publishers/google/models?pageSize=50'),
    )
    expect(await ask('{"type":"service_account"}')).toEqual({
      ok: false,
      message: expect.stringContaining('"client_email"'),
    })
  })

  test('one row for each exchange, priced by the catalogue', async () => {
    const rows = await gateway.rows()
    expect(new Set(rows.map(row => row.provider))).toEqual(new Set(['vertex']))
    const claude = rows.filter(row => row.model === 'claude-sonnet-4-5' && row.status === 200)
    expect(claude.length).toBe(3)
    expect(claude.every(row => row.costNanoUsd === 10 * 3_000 + 5 * 15_000)).toBe(true)
    expect(claude.every(row => row.certainty === 'exact')).toBe(true)
  })
})

const FILTERS = {
  hate: { filtered: false, severity: 'safe' },
  violence: { filtered: false, severity: 'safe' },
}
const PROMPT_FILTER = event({
  choices: [],
  created: 0,
  id: '',
  model: '',
  object: '',
  prompt_filter_results: [{ prompt_index: 0, content_filter_results: FILTERS }],
})
/** Of the asynchronous filter: about text that came before, without a delta. */
const LATE_FILTER = event({
  id: '',
  object: '',
  created: 0,
  model: '',
  choices: [
    {
      index: 0,
      finish_reason: null,
      content_filter_results: FILTERS,
      content_filter_offsets: { check_offset: 44, start_offset: 44, end_offset: 198 },
    },
  ],
})
const FILTERED = {
  error: {
    message: 'The response was filtered due to the prompt triggering the content management policy.',
    type: null,
    param: 'prompt',
    code: 'content_filter',
    status: 400,
    innererror: { code: 'ResponsibleAIPolicyViolation', content_filter_result: FILTERS },
  },
}

describe('azure', () => {
  let upstream: ScriptedUpstream
  let gateway: TestGateway
  let key: string

  beforeAll(async () => {
    upstream = await startUpstream(() => {})
    const at = `http://127.0.0.1:${upstream.port}`
    gateway = await startGateway({
      env: {
        A_KEY: '0123456789abcdef',
        AN_APP: JSON.stringify({ tenant_id: 't-1', client_id: 'c-1', client_secret: 'app~secret' }),
        AZURE_AUTHORITY_HOST: at,
      },
      config: `providers:
  modern:
    kind: azure
    base_url: ${at}/openai/v1
    credentials: [{ name: main, secret: env://A_KEY }]
    models:
      gpt-5: { upstream: prod-blue }
      claude-haiku-4-5: { upstream: my-claude }
      text-embedding-3-small: {}
      gpt-image-1: {}
      gpt-5-codex: { upstream: my-codex }
  classic:
    kind: azure
    base_url: ${at}
    options: { api_version: 2024-10-21 }
    credentials: [{ name: main, secret: env://AN_APP }]
    models:
      gpt-4o: { upstream: prod-green }
      text-embedding-3-large: {}
      dall-e-3: {}
      tts-1: { unit_usd: { character: 0.000015 } }
      whisper-1: { unit_usd: { second: 0.0001 } }
  single:
    kind: azure
    base_url: ${at}/openai/deployments/prod-red/
    options: { deployment: prod-red, api_version: 2025-01-01-preview }
    credentials: [{ name: main, secret: env://A_KEY }]
    models: { o3-mini: {} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
    })
    key = await gateway.key()
  })
  afterAll(async () => {
    await gateway.close()
    await upstream.close()
  })
  beforeEach(() => {
    upstream.seen.length = 0
    upstream.script = (response, seen) => {
      if (seen.url.includes('/oauth2/')) {
        sendJson(response, 200, { access_token: 'entra-token', expires_in: 3599, token_type: 'Bearer' })
      } else if (seen.url.includes('/messages')) sendJson(response, 200, CLAUDE)
      else if (seen.url.includes('/embeddings')) {
        const data = [{ object: 'embedding', index: 0, embedding: [0.5] }]
        sendJson(response, 200, {
          object: 'list',
          data,
          model: 'm',
          usage: { prompt_tokens: 2, total_tokens: 2 },
        })
      } else sendJson(response, 200, completion())
    }
  })

  test('the v1 form: the deployment is the model, and its parameters are those of the model', async () => {
    const answer = await gateway.post(key, { model: 'gpt-5', messages: MESSAGES, max_tokens: 50 })
    expect(answer.status).toBe(200)
    const [seen] = upstream.seen
    expect(seen?.url).toBe('/openai/v1/chat/completions')
    expect(seen?.headers['api-key']).toBe('0123456789abcdef')
    expect(seen?.headers.authorization).toBeUndefined()
    expect(seen?.json()).toEqual({ model: 'prod-blue', messages: MESSAGES, max_completion_tokens: 50 })
  })

  test('the classic form: the deployment is in the path, with a token of Entra', async () => {
    const answer = await gateway.post(key, { model: 'gpt-4o', messages: MESSAGES, max_tokens: 50 })
    expect(answer.status).toBe(200)
    const [token, seen] = upstream.seen
    expect(token?.url).toBe('/t-1/oauth2/v2.0/token')
    expect(new URLSearchParams(token?.body).get('client_secret')).toBe('app~secret')
    expect(seen?.url).toBe('/openai/deployments/prod-green/chat/completions?api-version=2024-10-21')
    expect(seen?.headers.authorization).toBe('Bearer entra-token')
    expect(seen?.json()).toMatchObject({ max_tokens: 50 })
    expect(gateway.logs.join('\n')).not.toMatch(/entra-token|app~secret|0123456789abcdef/)
  })

  test('a refused identity moves on to the next target, and is never shown', async () => {
    const fresh = await startGateway({
      env: {
        A_KEY: '0123456789abcdef',
        AN_APP: '{"tenant_id":"t-2","client_id":"c-2","client_secret":"other~secret"}',
        AZURE_AUTHORITY_HOST: `http://127.0.0.1:${upstream.port}`,
      },
      config: `providers:
  first:
    kind: azure
    base_url: http://127.0.0.1:${upstream.port}
    credentials: [{ name: app, secret: env://AN_APP }]
    models: { gpt-4o: {} }
  second:
    kind: azure
    base_url: http://127.0.0.1:${upstream.port}
    credentials: [{ name: key, secret: env://A_KEY }]
    models: { gpt-4o: {}, only-here: {} }
  third:
    kind: azure
    base_url: http://127.0.0.1:${upstream.port}
    credentials: [{ name: app, secret: env://AN_APP }]
    models: { alone: {} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
    })
    upstream.script = (response, seen) =>
      seen.url.includes('/oauth2/')
        ? sendJson(response, 401, { error: 'invalid_client', error_description: 'other~secret is wrong' })
        : sendJson(response, 200, completion())
    const own = await fresh.key()
    const order = { order: ['first', 'second'] }
    const answer = await fresh.post(own, { model: 'gpt-4o', messages: MESSAGES, provider: order })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-switchgate-provider')).toBe('second')
    const alone = await fresh.post(own, { model: 'alone', messages: MESSAGES })
    expect(alone.status).toBe(502)
    const text = await alone.text()
    expect(JSON.parse(text).error.code).toBe('upstream_credential')
    expect(text + fresh.logs.join('\n')).not.toContain('other~secret')
    expect(fresh.logs.join('\n')).toContain('invalid_client')
    const rows = await fresh.rows()
    const unsigned = rows.filter(row => row.error === 'bad_credential')
    expect(unsigned).toHaveLength(2)
    // nothing was sent, so nothing is guessed
    for (const row of unsigned) expect(row).toMatchObject({ costNanoUsd: 0, certainty: 'exact' })
    await fresh.close()
  })

  test('one deployment for all models of a provider, whatever part of its address was pasted', async () => {
    expect((await gateway.post(key, { model: 'o3-mini', messages: MESSAGES })).status).toBe(200)
    expect(upstream.seen[0]?.url).toBe(
      '/openai/deployments/prod-red/chat/completions?api-version=2025-01-01-preview',
    )
  })

  test('embeddings in both forms', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    await client.embeddings.create({ model: 'text-embedding-3-small', input: 'x', encoding_format: 'float' })
    await client.embeddings.create({ model: 'text-embedding-3-large', input: 'x', encoding_format: 'float' })
    const urls = upstream.seen.map(({ url }) => url).filter(url => !url.includes('/oauth2/'))
    expect(urls).toEqual([
      '/openai/v1/embeddings',
      '/openai/deployments/text-embedding-3-large/embeddings?api-version=2024-10-21',
    ])
  })

  test('pictures, speech and transcripts: at the v1 form and at the deployment', async () => {
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    upstream.script = (response, seen) => {
      if (seen.url.includes('/oauth2/'))
        sendJson(response, 200, { access_token: 'entra-token', expires_in: 3599, token_type: 'Bearer' })
      else if (seen.url.includes('/images/'))
        sendJson(response, 200, { created: 1, data: [{ b64_json: 'eA==' }] })
      else if (seen.url.includes('/speech'))
        response.writeHead(200, { 'content-type': 'audio/mpeg' }).end('ID3')
      else sendJson(response, 200, { text: 'Hi', usage: { type: 'duration', seconds: 2 } })
    }
    const file = new File([new Uint8Array(400)], 'a.wav', { type: 'audio/wav' })
    await client.images.generate({ model: 'gpt-image-1', prompt: 'a cat' })
    await client.images.generate({ model: 'dall-e-3', prompt: 'a cat' })
    await client.audio.speech.create({ model: 'tts-1', input: 'Hi', voice: 'alloy' })
    await client.audio.transcriptions.create({ model: 'whisper-1', file })
    const urls = upstream.seen.map(({ url }) => url).filter(url => !url.includes('/oauth2/'))
    const classic = (model: string, path: string) =>
      `/openai/deployments/${model}/${path}?api-version=2024-10-21`
    expect(urls).toEqual([
      '/openai/v1/images/generations',
      classic('dall-e-3', 'images/generations'),
      classic('tts-1', 'audio/speech'),
      classic('whisper-1', 'audio/transcriptions'),
    ])
  })

  test('a model that answers at /responses alone is reached from chat', async () => {
    const part = { type: 'output_text', text: 'Hello.', annotations: [] }
    upstream.script = response =>
      sendJson(response, 200, {
        id: 'resp_1',
        object: 'response',
        status: 'completed',
        output: [{ type: 'message', id: 'm', role: 'assistant', status: 'completed', content: [part] }],
        usage: { input_tokens: 5, output_tokens: 2, total_tokens: 7 },
      })
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const said = await client.chat.completions.create({ model: 'gpt-5-codex', messages: MESSAGES })
    expect(said.choices[0]?.message.content).toBe('Hello.')
    expect(upstream.seen[0]?.url).toBe('/openai/v1/responses')
    expect(upstream.seen[0]?.json()).toMatchObject({ model: 'my-codex', input: MESSAGES, store: false })
  })

  test('Claude in Foundry by its own wire', async () => {
    const client = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
    await client.messages.create({ model: 'claude-haiku-4-5', max_tokens: 5, messages: MESSAGES })
    expect(upstream.seen[0]?.url).toBe('/anthropic/v1/messages')
    expect(upstream.seen[0]?.headers['api-key']).toBe('0123456789abcdef')
    expect(upstream.seen[0]?.json()).toMatchObject({ model: 'my-claude' })
  })

  const STREAM = [
    PROMPT_FILTER,
    role,
    delta('Hello '),
    delta('there.'),
    LATE_FILTER,
    finish(),
    usageEvent,
    LATE_FILTER,
    DONE,
  ]

  test('filter chunks reach a chat client as they are, and its SDK reads past them', async () => {
    upstream.script = response => void sse(response).end(STREAM.join(''))
    const client = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const stream = client.chat.completions.stream({
      model: 'gpt-5',
      messages: MESSAGES,
      stream_options: { include_usage: true },
    })
    let filters = 0
    stream.on('chunk', chunk => {
      if (
        'prompt_filter_results' in chunk ||
        chunk.choices.some(choice => 'content_filter_offsets' in choice)
      )
        filters++
    })
    const final = await stream.finalChatCompletion()
    expect(final.choices[0]?.message.content).toBe('Hello there.')
    expect(final.choices[0]?.finish_reason).toBe('stop')
    expect(await stream.totalUsage()).toMatchObject({ prompt_tokens: 10, completion_tokens: 3 })
    expect(filters).toBe(3)
  })

  test('filter chunks are nothing in the other wires', async () => {
    upstream.script = response => void sse(response).end(STREAM.join(''))
    const claude = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
    const message = await claude.messages
      .stream({ model: 'gpt-5', max_tokens: 50, messages: MESSAGES })
      .finalMessage()
    expect(message.content).toEqual([expect.objectContaining({ type: 'text', text: 'Hello there.' })])
    expect(message.stop_reason).toBe('end_turn')
    const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
    const response = await openai.responses.stream({ model: 'gpt-5', input: 'Say hello.' }).finalResponse()
    expect(response.output_text).toBe('Hello there.')
  })

  test('what comes before the first word is no content: the next target may still be asked', async () => {
    const config = gateway.gateway.deps.config()
    expect(config.retries.attempts).toBeGreaterThan(1)
    upstream.script = (response, seen, n) => {
      if (seen.url.includes('/oauth2/'))
        return sendJson(response, 200, { access_token: 'e', expires_in: 3599 })
      if (n > 1) return void sse(response).end(STREAM.join(''))
      sse(response).write(PROMPT_FILTER + role)
      setTimeout(() => response.destroy(), 30)
    }
    const answer = await gateway.post(key, {
      models: ['gpt-5', 'gpt-4o'],
      model: 'gpt-5',
      messages: MESSAGES,
      stream: true,
    })
    const text = await answer.text()
    expect(text).toContain('there.')
    expect(text.match(/"prompt_filter_results"/g)).toHaveLength(1)
    expect(answer.headers.get('x-switchgate-attempts')).toBe('2')
  })

  test('a filtered prompt is the answer, and no other target is asked', async () => {
    upstream.script = response => sendJson(response, 400, FILTERED)
    const answer = await gateway.post(key, {
      model: 'gpt-5',
      models: ['gpt-5', 'gpt-4o'],
      messages: MESSAGES,
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: { code: 'content_filter' } })
    expect(upstream.seen).toHaveLength(1)
  })

  test('a limit says when to come back, also where the milliseconds beside it are zero', async () => {
    const busy = { error: { code: 'RateLimitReached', message: 'Your requests have exceeded rate limit.' } }
    const headers = { 'retry-after': '7', 'retry-after-ms': '0' }
    upstream.script = response => sendJson(response, 429, busy, headers)
    const answer = await fetch(`${gateway.url}/v1/embeddings`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'text-embedding-3-small', input: 'x' }),
    })
    expect(answer.status).toBe(429)
    expect(answer.headers.get('retry-after')).toBe('7')
  })

  test('a filtered answer passes with its reason', async () => {
    const choice = {
      index: 0,
      finish_reason: 'content_filter',
      message: { role: 'assistant' },
      content_filter_results: FILTERS,
    }
    upstream.script = response => sendJson(response, 200, { ...completion(), choices: [choice] })
    const answer = await gateway.post(key, { model: 'gpt-5', messages: MESSAGES })
    expect(await answer.json()).toMatchObject({ choices: [choice] })
  })
})

/** Tools that run at the provider, on the Responses wire: they go to hosts that speak it, as they came, and their calls are billed. */
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { hostedCalls } from '../../src/hosted.ts'
import { billFor } from '../../src/meter.ts'
import {
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from './harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let rich: string

const PRICE = 'input_usd_per_mtok: 1, output_usd_per_mtok: 2'
beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  gateway = await startGateway({
    config: `hosts:
  speaker-host: { base_url: "http://127.0.0.1:${upstream.port}/v1", auth: none, quirks: { speaks_responses: true } }
providers:
  plain: { kind: openai, base_url: "http://127.0.0.1:${upstream.port}/chat/v1", models: { both: { ${PRICE} }, chatty: { ${PRICE} } }, priority: 9 }
  speaker: { kind: speaker-host, models: { both: { ${PRICE} } } }
  claude: { kind: anthropic, base_url: "http://127.0.0.1:${upstream.port}/v1", models: { claude-sonnet-4-5: {} } }
  gpt: { kind: openai, base_url: "http://127.0.0.1:${upstream.port}/v1", models: { gpt-5: {} } }
  gemini: { kind: gemini, base_url: "http://127.0.0.1:${upstream.port}/v1beta", models: { gemini-2.5-flash: {}, gemini-3-flash-preview: {} } }
aliases: { either: { models: [chatty, both] } }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
  })
  key = await gateway.key()
  rich = await gateway.key({
    budgets: [{ window: 'day', limitNanoUsd: 1_000_000_000_000, softNanoUsd: null }],
  })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const ask = (body: object, as = key) =>
  fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'both', input: 'Hi', ...body }),
  })

const searched = (id: string, action: object) => ({
  type: 'web_search_call',
  id,
  status: 'completed',
  action,
})
const OUTPUT = [
  searched('ws_1', { type: 'search', query: 'x' }),
  searched('ws_2', { type: 'open_page', url: 'https://example.com' }),
  { type: 'file_search_call', id: 'fs_1', status: 'completed', queries: ['x'], results: null },
  searched('ws_3', { type: 'search', query: 'y' }),
  {
    type: 'message',
    id: 'msg_1',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text: 'Found.', annotations: [], logprobs: [] }],
  },
]
const RESPONSE = {
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status: 'completed',
  model: 'both',
  output: OUTPUT,
  usage: {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 10,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 110,
  },
}
const CALLS = [
  { kind: 'web_search', count: 2 },
  { kind: 'file_search', count: 1 },
]
const HOSTED = [
  { type: 'file_search', vector_store_ids: ['vs_1'] },
  { type: 'code_interpreter', container: { type: 'auto' } },
  { type: 'image_generation' },
  { type: 'mcp', server_label: 'docs', server_url: 'https://example.com/mcp', require_approval: 'never' },
  { type: 'web_search' },
] as const

const SEARCHING = { tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }] }
const MESSAGES = [{ role: 'user', content: 'Hi' }]
const BODIES = {
  '/v1/messages': { max_tokens: 16, messages: MESSAGES },
  '/v1/responses': { max_output_tokens: 16, input: 'Hi' },
  '/v1/chat/completions': { max_tokens: 16, messages: MESSAGES },
}
const ANSWER = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content: [{ type: 'text', text: 'Found.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5, server_tool_use: { web_search_requests: 2 } },
}

const lastRow = async () => (await gateway.rows()).at(-1)

describe('at a host of the wire', () => {
  test('each goes there alone, byte for byte, and the answer comes as it is', async () => {
    upstream.script = response => sendJson(response, 200, RESPONSE)
    for (const tool of HOSTED.slice(0, -1)) {
      upstream.seen.length = 0
      const body = { tools: [tool], tool_choice: { type: tool.type }, include: ['file_search_call.results'] }
      const answer = await ask(body)
      expect(await answer.json()).toEqual(RESPONSE)
      expect(answer.headers.get('x-switchgate-provider')).toBe('speaker')
      expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
      expect(upstream.seen.map(({ url }) => url)).toEqual(['/v1/responses'])
      expect(upstream.seen[0]?.body).toBe(JSON.stringify({ model: 'both', input: 'Hi', ...body }))
    }
  })

  test('its calls are counted; without their price the bill is an estimate', async () => {
    upstream.script = response => sendJson(response, 200, RESPONSE)
    await ask({ tools: HOSTED })
    expect(await lastRow()).toMatchObject({
      provider: 'speaker',
      certainty: 'estimated',
      costNanoUsd: 100 * 1_000 + 10 * 2_000,
      usage: { inputTokens: 100, outputTokens: 10, toolCalls: CALLS },
    })
  })

  test('streamed, through the SDK, with the items of earlier calls sent back', async () => {
    upstream.script = response => {
      sse(response)
      const say = (type: string, more: object) =>
        response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`)
      say('response.created', {
        sequence_number: 0,
        response: { ...RESPONSE, status: 'in_progress', output: [] },
      })
      for (const [output_index, item] of OUTPUT.entries()) {
        say('response.output_item.added', {
          sequence_number: 1,
          output_index,
          item: { ...item, content: [] },
        })
        say('response.output_item.done', { sequence_number: 2, output_index, item })
      }
      say('response.completed', { sequence_number: 3, response: RESPONSE })
      response.end()
    }
    const client = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
    const input = [
      { role: 'user' as const, content: 'Hi' },
      ...(OUTPUT.slice(0, 3) as unknown as OpenAI.Responses.ResponseInputItem[]),
      { role: 'user' as const, content: 'And now?' },
    ]
    const stream = client.responses.stream({
      model: 'both',
      input,
      tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }],
    })
    const types: string[] = []
    for await (const event of stream) types.push(event.type)
    expect(types.at(-1)).toBe('response.completed')
    expect(upstream.seen[0]?.json().input).toEqual(input)
    expect(await lastRow()).toMatchObject({ stream: true, usage: { toolCalls: CALLS } })
  })

  test('what was sent is held for, though chat has no words for it', async () => {
    upstream.script = response => sendJson(response, 200, RESPONSE)
    const queries = ['word '.repeat(20_000)]
    const item = { type: 'file_search_call', id: 'fs_1', status: 'completed', queries, results: null }
    await ask(
      {
        input: [{ role: 'user', content: 'Hi' }, item],
        tools: HOSTED.slice(0, 1),
        max_output_tokens: 16,
      },
      rich,
    )
    expect((await lastRow())?.heldNanoUsd).toBeGreaterThan(20_000 * 1_000)
  })
})

describe('elsewhere', () => {
  test('a model that no host of the wire sells: refused by name, and nothing is sent', async () => {
    for (const [body, param] of [
      [{ tools: [{ type: 'code_interpreter', container: { type: 'auto' } }] }, 'tools[0].type'],
      [{ input: [{ role: 'user', content: 'Hi' }, OUTPUT[2]] }, 'input[1].type'],
      [{ input: [OUTPUT[2]] }, 'input[0].type'],
    ] as const) {
      const answer = await ask({ model: 'chatty', ...body })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { param, type: 'invalid_request_error' } })
    }
    expect(upstream.seen).toEqual([])
  })

  test('of several models the one whose host can do it is asked', async () => {
    upstream.script = response => sendJson(response, 200, RESPONSE)
    const answer = await ask({ model: 'either', tools: [HOSTED[0]] })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-switchgate-provider')).toBe('speaker')
  })

  test('a search can be done without: it is left out and reported', async () => {
    upstream.script = response =>
      sendJson(response, 200, {
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'chatty',
        choices: [{ index: 0, message: { role: 'assistant', content: 'Hi.' }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
      })
    const answer = await ask({ model: 'chatty', tools: [{ type: 'web_search' }] })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-switchgate-dropped')).toContain('tools')
  })

  test('what would have to be stored stays refused, hosted tools or not', async () => {
    for (const [name, value] of [
      ['background', true],
      ['previous_response_id', 'resp_1'],
      ['conversation', 'conv_1'],
    ] as const) {
      const answer = await ask({ tools: HOSTED, [name]: value })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { param: name } })
    }
    expect(upstream.seen).toEqual([])
  })
})

test('the catalogue knows what a search costs at OpenAI and at Anthropic', () => {
  const offer = (provider: string, model: string) =>
    loadCatalog()
      .byModel.get(model)
      ?.find(each => each.provider === provider)
  const usage = (toolCalls: { kind: string; count: number }[]) => ({
    inputTokens: 0,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    outputTokens: 0,
    reasoningOutputTokens: 0,
    toolCalls,
  })
  const gpt = offer('openai', 'gpt-5')?.price
  expect(billFor(usage(CALLS), gpt, 'exact')).toMatchObject({ costNanoUsd: 22_500_000, certainty: 'exact' })
  const code = [{ kind: 'code_interpreter', count: 1 }]
  expect(billFor(usage(code), gpt, 'exact')).toMatchObject({ costNanoUsd: 0, certainty: 'estimated' })
  const claude = offer('anthropic', 'claude-sonnet-4-5')?.price
  expect(billFor(usage(CALLS.slice(0, 1)), claude, 'exact')).toMatchObject({ costNanoUsd: 20_000_000 })
})

describe('what a tool at the provider may cost is held', () => {
  const most = (body: object) => hostedCalls({ asked: undefined, json: body as never })

  test('the calls that the request allows, else what is usual', () => {
    expect(most({ tools: [{ type: 'web_search_20250305', name: 'web_search', max_uses: 3 }] })).toEqual([
      { kind: 'web_search', count: 3 },
    ])
    expect(most({ tools: [{ type: 'web_search' }, { type: 'file_search' }], max_tool_calls: 2 })).toEqual([
      { kind: 'web_search', count: 2 },
      { kind: 'file_search', count: 2 },
    ])
    expect(most({ tools: [{ type: 'web_search_preview' }] })).toEqual([{ kind: 'web_search', count: 16 }])
    const google = [
      { kind: 'grounded_prompt', count: 1 },
      { kind: 'web_search', count: 16 },
    ]
    expect(most({ tools: [{ googleSearch: {} }] })).toEqual(google)
    expect(most({ tools: [{ google_search: {} }, { google_maps: {} }] })).toEqual([
      ...google,
      { kind: 'google_maps', count: 1 },
    ])
    expect(most({ web_search_options: {} })).toEqual(google)
  })

  test('tools of the caller’s own cost nothing there', () => {
    expect(most({})).toEqual([])
    expect(most({ tools: [{ type: 'function', function: { name: 'web_search' } }] })).toEqual([])
    expect(most({ tools: [{ name: 'web_search', input_schema: {} }, { functionDeclarations: [] }] })).toEqual(
      [],
    )
    expect(most({ tools: [null, 1, { type: 7 }], max_tool_calls: 'many' })).toEqual([])
  })

  test.each([
    ['/v1/messages', 'claude-sonnet-4-5@claude', SEARCHING, 3 * 10_000_000],
    ['/v1/responses', 'gpt-5@gpt', { tools: [{ type: 'web_search' }], max_tool_calls: 4 }, 4 * 10_000_000],
    ['/v1/chat/completions', 'gemini-2.5-flash@gemini', { web_search_options: {} }, 35_000_000],
    ['/v1/chat/completions', 'gemini-3-flash-preview@gemini', { web_search_options: {} }, 16 * 14_000_000],
  ])('%s of %s: the fee is held with the tokens', async (path, model, asking, feeNanoUsd) => {
    const held = async (more: object) => {
      upstream.script = response =>
        sendJson(response, 400, { error: { message: 'no', status: 'INVALID_ARGUMENT' } })
      await fetch(`${gateway.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${rich}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model, ...BODIES[path as keyof typeof BODIES], ...more }),
      })
      const row = await lastRow()
      expect(row?.model).toBe(model.split('@')[0])
      return row?.heldNanoUsd ?? 0
    }
    expect((await held(asking)) - (await held({}))).toBeGreaterThanOrEqual(feeNanoUsd)
  })

  test('a budget that cannot pay for the searches refuses them, and nothing is sent', async () => {
    const poor = await gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: 2_000_000_000, softNanoUsd: null }],
    })
    upstream.seen.length = 0
    const ask = (uses: number) =>
      fetch(`${gateway.url}/v1/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${poor}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          ...BODIES['/v1/messages'],
          model: 'claude-sonnet-4-5@claude',
          tools: [{ ...SEARCHING.tools[0], max_uses: uses }],
        }),
      })
    upstream.script = response => sendJson(response, 200, { ...ANSWER, usage: { ...ANSWER.usage } })
    expect((await ask(500)).status).toBe(429)
    expect(upstream.seen).toEqual([])
    expect((await ask(5)).status).toBe(200)
    expect(await lastRow()).toMatchObject({
      certainty: 'exact',
      usage: { toolCalls: [{ kind: 'web_search', count: 2 }] },
    })
  })

  test('what Google searched is billed, in its own wire too', async () => {
    const grounding = {
      webSearchQueries: ['', 'a', 'b', 'a'],
      groundingChunks: [{ web: { uri: 'https://x.y' } }],
    }
    const counts = { promptTokenCount: 9, candidatesTokenCount: 5, totalTokenCount: 14 }
    const said = (model: string) => ({
      candidates: [
        {
          content: { role: 'model', parts: [{ text: 'Hi.' }] },
          finishReason: 'STOP',
          groundingMetadata: grounding,
        },
      ],
      usageMetadata: counts,
      modelVersion: model,
    })
    for (const [model, fee] of [
      ['gemini-2.5-flash', 35_000_000],
      ['gemini-3-flash-preview', 28_000_000],
    ] as const)
      for (const method of ['generateContent', 'streamGenerateContent?alt=sse']) {
        const event = `data: ${JSON.stringify(said(model))}\r\n\r\n`
        upstream.script = response => {
          if (method === 'generateContent') sendJson(response, 200, said(model))
          else sse(response).end(event)
        }
        const answer = await fetch(`${gateway.url}/v1beta/models/${model}@gemini:${method}`, {
          method: 'POST',
          headers: { 'x-goog-api-key': key, 'content-type': 'application/json' },
          body: JSON.stringify({ contents: [{ parts: [{ text: 'Hi' }] }], tools: [{ googleSearch: {} }] }),
        })
        await answer.text()
        const row = await lastRow()
        expect(row).toMatchObject({ model, certainty: 'exact' })
        expect(row?.costNanoUsd).toBeGreaterThanOrEqual(fee)
        expect(row?.costNanoUsd).toBeLessThan(fee + 100_000)
      }
  })
})

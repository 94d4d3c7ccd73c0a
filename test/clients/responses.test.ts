/** The official OpenAI SDK speaks the Responses wire to a real gateway, over scripted upstreams of three kinds. */
import { createOpenAI } from '@ai-sdk/openai'
import { jsonSchema, stepCountIs, streamText, tool } from 'ai'
import OpenAI from 'openai'
import type { ResponseInputItem, ResponseStreamEvent } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let client: OpenAI
let keyText: string

/** One upstream plays all three: the path says which wire the gateway speaks. */
const config = (port: number) => `providers:
  alpha: { kind: openai, base_url: "http://127.0.0.1:${port}/v1", models: { house-model: { input_usd_per_mtok: 1, output_usd_per_mtok: 2, cache_read_usd_per_mtok: 0.1, context_tokens: 128000, max_output_tokens: 8192 } } }
  claude: { kind: anthropic, base_url: "http://127.0.0.1:${port}/v1", models: { claude-sonnet-4-5: { input_usd_per_mtok: 3, output_usd_per_mtok: 15 } } }
  google: { kind: gemini, base_url: "http://127.0.0.1:${port}/v1beta", models: { gemini-3-pro-preview: { input_usd_per_mtok: 2, output_usd_per_mtok: 12 } } }
egress: { allow: ["127.0.0.1:${port}"] }
timeouts: { first_token_ms: 500, idle_ms: 400, stall_ms: 3000, keepalive_ms: 200, total_ms: 4000 }
`

const clientFor = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 })

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  gateway = await startGateway({ config: config(upstream.port) })
  keyText = await gateway.key()
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
const sent = () => upstream.seen.at(-1)?.json() ?? {}

const post = (body: object, key = keyText) =>
  fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

/** Events without the comments that fill a silence. */
const blocksOf = (text: string) =>
  text
    .trim()
    .split('\n\n')
    .filter(block => !block.startsWith(':'))

async function eventsOf(stream: AsyncIterable<ResponseStreamEvent>): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = []
  for await (const one of stream) events.push(one)
  return events
}

describe('a whole response', () => {
  test('text, usage, an exact row, and an id that finds it again', async () => {
    upstream.script = response => sendJson(response, 200, completion('Good day.'))
    const { data: made, response } = await client.responses
      .create({
        model: 'house-model',
        instructions: 'Be kind.',
        input: 'Say hello.',
        max_output_tokens: 50,
        metadata: { tags: 'greeting' },
      })
      .withResponse()
    expect(made.output_text).toBe('Good day.')
    expect(made).toMatchObject({
      object: 'response',
      status: 'completed',
      model: 'house-model',
      instructions: 'Be kind.',
      max_output_tokens: 50,
      previous_response_id: null,
      store: false,
      usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
    })
    expect(made.usage).not.toHaveProperty('cost')
    expect(response.headers.get('x-switchgate-cost-usd')).toBe('0.00002')
    expect(sent()).toEqual({
      model: 'house-model',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Say hello.' },
      ],
      max_completion_tokens: 50,
    })
    const row = await lastRow()
    expect(row).toMatchObject({
      operation: 'responses',
      stream: false,
      certainty: 'exact',
      costNanoUsd: 20_000,
      answerId: made.id,
      tags: ['greeting'],
    })
    const found = await fetch(`${gateway.url}/v1/generation?id=${made.id}`, {
      headers: { authorization: `Bearer ${keyText}` },
    })
    expect(found.status).toBe(200)
  })

  test('structured output is parsed by the SDK', async () => {
    upstream.script = response => sendJson(response, 200, completion('{"city":"Rome"}'))
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const made = await client.responses.parse({
      model: 'house-model',
      input: 'A city.',
      text: { format: { type: 'json_schema', name: 'place', schema, strict: true } },
    })
    expect(made.output_parsed).toEqual({ city: 'Rome' })
    expect(sent().response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'place', schema, strict: true },
    })
  })

  test('cut by its limit it is incomplete, and the cost is shown when asked for', async () => {
    const cut = completion('Once upon')
    const choices = [{ ...cut.choices[0], finish_reason: 'length' }]
    upstream.script = response => sendJson(response, 200, { ...cut, choices })
    const body = { model: 'house-model', input: 'A story.', usage: { include: true } }
    const made = await client.responses.create(body as OpenAI.Responses.ResponseCreateParamsNonStreaming)
    expect(made).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { cost: 0.00002 },
      output: [{ type: 'message', status: 'incomplete' }],
    })
  })
})

describe('a streamed response', () => {
  test('the SDK sums up what was sent; the row is exact', async () => {
    upstream.script = response => {
      sse(response).end(role + delta('Hel') + delta('lo.') + finish() + usageEvent + DONE)
    }
    const stream = client.responses.stream({ model: 'house-model', input: 'Say hello.' })
    const types: string[] = []
    stream.on('event', one => types.push(one.type))
    const final = await stream.finalResponse()
    expect(final).toMatchObject({ output_text: 'Hello.', status: 'completed', usage: { total_tokens: 13 } })
    expect(types).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ])
    expect(sent()).toMatchObject({ stream: true, stream_options: { include_usage: true } })
    expect(await lastRow()).toMatchObject({
      stream: true,
      certainty: 'exact',
      costNanoUsd: 16_000,
      answerId: final.id,
    })
  })

  test('there is no [DONE], and each event names its type', async () => {
    upstream.script = response => void sse(response).end(role + delta('x') + finish() + usageEvent + DONE)
    const text = await (await post({ model: 'house-model', input: 'x', stream: true })).text()
    expect(text).not.toContain('[DONE]')
    for (const block of blocksOf(text)) {
      const [name = '', data = ''] = block.split('\n')
      expect(name).toBe(`event: ${JSON.parse(data.slice(6)).type}`)
    }
    expect(text).toMatch(/event: response\.completed\ndata: .*\n\n$/)
  })

  test('a stream that breaks ends in an error event with its number, for this SDK and for others', async () => {
    upstream.script = response => {
      sse(response).write(role + delta('Hel'), () => setTimeout(() => response.destroy(), 30))
    }
    const text = await (await post({ model: 'house-model', input: 'x', stream: true })).text()
    const blocks = blocksOf(text)
    expect(JSON.parse(blocks.at(-1)?.split('\n')[1]?.slice(6) ?? '')).toMatchObject({
      type: 'error',
      sequence_number: blocks.length - 1,
      code: 'upstream_unavailable',
    })
    expect(text).not.toMatch(/response\.(completed|incomplete)/)

    const stream = await client.responses.create({ model: 'house-model', input: 'x', stream: true })
    await expect(eventsOf(stream)).rejects.toThrow(/broke off/)
    expect(await lastRow()).toMatchObject({ error: 'interrupted', certainty: 'estimated', status: 200 })

    const openai = createOpenAI({ apiKey: keyText, baseURL: `${gateway.url}/v1` })
    const errors: unknown[] = []
    const told = streamText({
      model: openai.responses('house-model'),
      prompt: 'x',
      maxRetries: 0,
      onError: ({ error }) => void errors.push(error),
    })
    await told.consumeStream()
    expect(errors).toHaveLength(1)
  })

  test('silence before the first word is filled with comments; then the error comes as an event', async () => {
    upstream.script = () => {}
    const text = await (await post({ model: 'house-model', input: 'x', stream: true })).text()
    expect(text).toMatch(/^: waiting\n\n/)
    expect(text.trim().split('\n\n').at(-1)).toMatch(
      /^event: error\ndata: \{"type":"error","sequence_number":0,/,
    )
  })

  test('a caller who leaves closes the upstream and is metered', async () => {
    upstream.script = response => void sse(response).write(role + delta('Hello'))
    const before = upstream.aborted
    const stream = await client.responses.create({ model: 'house-model', input: 'x', stream: true })
    for await (const one of stream) if (one.type === 'response.output_text.delta') break
    await until(() => upstream.aborted > before)
    await until(async () => (await lastRow())?.error === 'cancelled')
    expect(await lastRow()).toMatchObject({ certainty: 'estimated', operation: 'responses' })
  })

  test('a failing provider is left for another before the first word', async () => {
    upstream.script = (response, _, n) =>
      n === 1
        ? sendJson(response, 503, { error: { message: 'busy' } })
        : void sse(response).end(role + delta('Hi') + finish() + usageEvent + DONE)
    const stream = client.responses.stream({ model: 'house-model', input: 'x' })
    expect((await stream.finalResponse()).output_text).toBe('Hi')
    expect(upstream.seen).toHaveLength(2)
  })
})

const WEATHER = {
  type: 'function' as const,
  name: 'weather',
  description: 'The weather of a city.',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  strict: false,
}

describe('function calling over several turns', () => {
  const call = (index: number, id: string, city: string) =>
    event({
      id: 'c',
      object: 'chat.completion.chunk',
      created: 1,
      model: 'house-model',
      choices: [
        {
          index: 0,
          delta: {
            tool_calls: [
              {
                index,
                id,
                type: 'function',
                function: { name: 'weather', arguments: JSON.stringify({ city }) },
              },
            ],
          },
          finish_reason: null,
        },
      ],
    })

  test('the output goes back in as it came, parallel calls and all', async () => {
    upstream.script = (response, seen) => {
      const messages = seen.json().messages as { role: string }[]
      const results = messages.filter(message => message.role === 'tool').length
      if (results === 0)
        sse(response).end(
          call(0, 'call_a', 'Rome') + call(1, 'call_b', 'Oslo') + finish('tool_calls') + usageEvent + DONE,
        )
      else if (results === 2)
        sse(response).end(
          delta('Once more.') + call(0, 'call_c', 'Bern') + finish('tool_calls') + usageEvent + DONE,
        )
      else sse(response).end(delta('All sunny.') + finish() + usageEvent + DONE)
    }
    const input: ResponseInputItem[] = [{ role: 'user', content: 'Weather?' }]
    let text = ''
    for (let turn = 0; turn < 3; turn++) {
      const stream = client.responses.stream({ model: 'house-model', input, tools: [WEATHER] })
      const final = await stream.finalResponse()
      text = final.output_text
      for (const item of final.output) {
        input.push(item as ResponseInputItem)
      }
      for (const item of final.output) {
        if (item.type !== 'function_call') continue
        const { city } = JSON.parse(item.arguments) as { city: string }
        input.push({ type: 'function_call_output', call_id: item.call_id, output: `sunny in ${city}` })
      }
    }
    expect(text).toBe('All sunny.')
    expect(upstream.seen).toHaveLength(3)
    expect(sent().messages).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          { id: 'call_a', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } },
          { id: 'call_b', type: 'function', function: { name: 'weather', arguments: '{"city":"Oslo"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_a', content: 'sunny in Rome' },
      { role: 'tool', tool_call_id: 'call_b', content: 'sunny in Oslo' },
      {
        role: 'assistant',
        content: 'Once more.',
        tool_calls: [
          { id: 'call_c', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_c', content: 'sunny in Bern' },
    ])
  })
})

describe('Claude behind it', () => {
  const claude = (...events: object[]) =>
    events.map(one => `event: ${(one as { type: string }).type}\ndata: ${JSON.stringify(one)}\n\n`).join('')
  const start = claude({
    type: 'message_start',
    message: {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
      usage: { input_tokens: 20, output_tokens: 1 },
    },
  })
  const block = (index: number, content: object, ...deltas: object[]) =>
    claude(
      { type: 'content_block_start', index, content_block: content },
      ...deltas.map(one => ({ type: 'content_block_delta', index, delta: one })),
      { type: 'content_block_stop', index },
    )
  const stop = (reason: string) =>
    claude(
      {
        type: 'message_delta',
        delta: { stop_reason: reason, stop_sequence: null },
        usage: { output_tokens: 30 },
      },
      { type: 'message_stop' },
    )

  test('signed thoughts come out as a reasoning item and go back in untouched', async () => {
    upstream.script = (response, _, n) => {
      const first =
        block(
          0,
          { type: 'thinking', thinking: '' },
          { type: 'thinking_delta', thinking: 'I should ' },
          { type: 'thinking_delta', thinking: 'look.' },
          { type: 'signature_delta', signature: 'EqQBCgIYAg==' },
        ) +
        block(
          1,
          { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} },
          { type: 'input_json_delta', partial_json: '{"city": "Ro' },
          { type: 'input_json_delta', partial_json: 'me"}' },
        )
      const second = block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Sunny.' })
      sse(response).end(n === 1 ? start + first + stop('tool_use') : start + second + stop('end_turn'))
    }
    const ask = {
      model: 'claude-sonnet-4-5',
      tools: [WEATHER],
      reasoning: { effort: 'low' as const },
      max_output_tokens: 8000,
    }
    const first = await client.responses.stream({ ...ask, input: 'Weather in Rome?' }).finalResponse()
    expect(first.output).toMatchObject([
      { type: 'reasoning', summary: [{ type: 'summary_text', text: 'I should look.' }] },
      { type: 'function_call', call_id: 'toolu_1', arguments: '{"city": "Rome"}' },
    ])
    const input = [
      { role: 'user', content: 'Weather in Rome?' },
      ...first.output,
      { type: 'function_call_output', call_id: 'toolu_1', output: 'sunny' },
    ] as ResponseInputItem[]
    const second = await client.responses.stream({ ...ask, input }).finalResponse()
    expect(second.output_text).toBe('Sunny.')
    expect(upstream.seen[0]?.url).toBe('/v1/messages')
    const turns = sent().messages as { role: string; content: unknown }[]
    expect(turns[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'I should look.', signature: 'EqQBCgIYAg==' },
        { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Rome' } },
      ],
    })
    expect(await lastRow()).toMatchObject({
      provider: 'claude',
      certainty: 'exact',
      costNanoUsd: 20 * 3000 + 30 * 15_000,
    })
  })

  test('a whole answer, with its usage', async () => {
    upstream.script = response =>
      sendJson(response, 200, {
        id: 'msg_2',
        type: 'message',
        role: 'assistant',
        model: 'claude-sonnet-4-5',
        content: [{ type: 'text', text: 'Hello.' }],
        stop_reason: 'max_tokens',
        stop_sequence: null,
        usage: {
          input_tokens: 5,
          cache_read_input_tokens: 4,
          cache_creation_input_tokens: 3,
          output_tokens: 2,
        },
      })
    const made = await client.responses.create({
      model: 'claude-sonnet-4-5',
      input: 'Hi',
      max_output_tokens: 20,
    })
    expect(made).toMatchObject({
      status: 'incomplete',
      output_text: 'Hello.',
      usage: {
        input_tokens: 12,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 3 },
        output_tokens: 2,
        total_tokens: 14,
      },
    })
  })
})

describe('the Vercel AI SDK', () => {
  const claude = (...events: { type: string }[]) =>
    events.map(one => `event: ${one.type}\ndata: ${JSON.stringify(one)}\n\n`).join('')

  test('runs its tool loop over signed thoughts, stateless', async () => {
    const message = {
      id: 'msg_1',
      role: 'assistant',
      content: [],
      usage: { input_tokens: 9, output_tokens: 1 },
    }
    const block = (index: number, content: object, ...deltas: object[]) =>
      claude(
        { type: 'content_block_start', index, content_block: content } as { type: string },
        ...deltas.map(one => ({ type: 'content_block_delta', index, delta: one })),
        { type: 'content_block_stop', index } as { type: string },
      )
    const end = (reason: string) =>
      claude(
        { type: 'message_delta', delta: { stop_reason: reason }, usage: { output_tokens: 9 } } as {
          type: string
        },
        { type: 'message_stop' },
      )
    upstream.script = (response, _, n) => {
      const thinks = block(
        0,
        { type: 'thinking', thinking: '' },
        { type: 'thinking_delta', thinking: 'Hm.' },
        { type: 'signature_delta', signature: 'U0lH' },
      )
      const calls = block(
        1,
        { type: 'tool_use', id: 'toolu_9', name: 'weather', input: {} },
        { type: 'input_json_delta', partial_json: '{"city":"Rome"}' },
      )
      const says = block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Sunny.' })
      const start = claude({ type: 'message_start', message } as { type: string })
      sse(response).end(n === 1 ? start + thinks + calls + end('tool_use') : start + says + end('end_turn'))
    }
    const openai = createOpenAI({ apiKey: keyText, baseURL: `${gateway.url}/v1` })
    const errors: unknown[] = []
    const told = streamText({
      model: openai.responses('claude-sonnet-4-5'),
      prompt: 'Weather in Rome?',
      maxRetries: 0,
      stopWhen: stepCountIs(3),
      providerOptions: { openai: { store: false, reasoningEffort: 'low', forceReasoning: true } },
      tools: {
        weather: tool({
          inputSchema: jsonSchema<{ city: string }>(WEATHER.parameters as object),
          execute: async ({ city }) => `sunny in ${city}`,
        }),
      },
      onError: ({ error }) => void errors.push(error),
    })
    expect(await told.text).toBe('Sunny.')
    expect(errors).toEqual([])
    expect((await told.steps)[0]?.reasoningText).toBe('Hm.')
    const turns = sent().messages as { role: string; content: unknown }[]
    expect(turns[1]?.content).toEqual([
      { type: 'thinking', thinking: 'Hm.', signature: 'U0lH' },
      { type: 'tool_use', id: 'toolu_9', name: 'weather', input: { city: 'Rome' } },
    ])
    expect(JSON.stringify(turns[2])).toContain('sunny in Rome')
  })
})

describe('Gemini behind it', () => {
  const part = (parts: object[], more: object = {}) =>
    `data: ${JSON.stringify({ candidates: [{ index: 0, content: { role: 'model', parts }, ...more }], usageMetadata: { promptTokenCount: 8, candidatesTokenCount: 4, totalTokenCount: 12 }, modelVersion: 'gemini-3-pro-preview', responseId: 'r1' })}\n\n`

  test("a call's signature survives a client that knows only the items", async () => {
    upstream.script = (response, _, n) => {
      const call = {
        functionCall: { name: 'weather', args: { city: 'Rome' } },
        thoughtSignature: 'c2lnbmF0dXJl',
      }
      sse(response).end(
        n === 1
          ? part([call], { finishReason: 'STOP' })
          : part([{ text: 'Sunny.' }], { finishReason: 'STOP' }),
      )
    }
    const ask = { model: 'gemini-3-pro-preview', tools: [WEATHER] }
    const first = await client.responses.stream({ ...ask, input: 'Weather in Rome?' }).finalResponse()
    const call = first.output.find(item => item.type === 'function_call')
    expect(call).toMatchObject({ name: 'weather', arguments: '{"city":"Rome"}' })
    const input = [
      { role: 'user', content: 'Weather in Rome?' },
      ...first.output,
      { type: 'function_call_output', call_id: call?.call_id, output: 'sunny' },
    ] as ResponseInputItem[]
    const second = await client.responses.stream({ ...ask, input }).finalResponse()
    expect(second.output_text).toBe('Sunny.')
    expect(upstream.seen.at(-1)?.body).toContain('"thoughtSignature":"c2lnbmF0dXJl"')
    expect(await lastRow()).toMatchObject({ provider: 'google', costNanoUsd: 8 * 2000 + 4 * 12_000 })
  })
})

describe('refusals in the OpenAI form', () => {
  const refused = async (body: object, apiKey = keyText) => {
    const answer = await post(body, apiKey)
    return {
      status: answer.status,
      headers: answer.headers,
      body: (await answer.json()) as { error: object },
    }
  }

  test.each([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ background: true }, 'background'],
    [{ conversation: { id: 'c' } }, 'conversation'],
    [{ tools: [{ type: 'file_search' }] }, 'tools[0].type'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].type'],
  ])('%j', async (more, param) => {
    const { status, body } = await refused({ model: 'house-model', input: 'Hi', ...more })
    expect(status).toBe(400)
    expect(body.error).toMatchObject({ type: 'invalid_request_error', param, code: 'invalid_request' })
    expect(Object.keys(body.error).sort()).toEqual(['code', 'message', 'param', 'type'])
    expect(upstream.seen).toHaveLength(0)
  })

  test('no key, an unknown model, a key that may not, a budget that is spent', async () => {
    const ask = { model: 'house-model', input: 'Hi' }
    expect(await refused(ask, 'sgate_live_wrong')).toMatchObject({
      status: 401,
      body: { error: { code: 'invalid_api_key' } },
    })
    expect(await refused({ ...ask, model: 'house-modle' })).toMatchObject({
      status: 404,
      body: { error: { code: 'model_not_found', param: 'model' } },
    })
    const other = await gateway.key({ models: ['claude-sonnet-4-5'] })
    expect(await refused(ask, other)).toMatchObject({ status: 403 })
    const poor = await gateway.key({ budgets: [{ window: 'day', limitNanoUsd: 10, softNanoUsd: null }] })
    const spent = await refused({ ...ask, max_output_tokens: 400 }, poor)
    expect(spent).toMatchObject({
      status: 429,
      body: { error: { code: 'insufficient_quota', type: 'insufficient_quota' } },
    })
    expect(spent.headers.get('x-should-retry')).toBe('false')
    expect(upstream.seen).toHaveLength(0)
  })

  test('a budget cuts a stream as a limit does', async () => {
    upstream.script = async response => {
      sse(response).write(role)
      for (let i = 0; i < 400 && !response.destroyed; i++) {
        response.write(delta('word '.repeat(40)))
        await new Promise(resolve => setTimeout(resolve, 2))
      }
      if (!response.destroyed) response.end(finish() + usageEvent + DONE)
    }
    const poor = await gateway.key({
      budgets: [{ window: 'day', limitNanoUsd: 3_500_000, softNanoUsd: null }],
    })
    const final = await clientFor(poor)
      .responses.stream({ model: 'house-model', input: 'A long one.' })
      .finalResponse()
    expect(final).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      usage: { estimated: true },
    })
    expect(await lastRow()).toMatchObject({ finishReason: 'length', certainty: 'estimated' })
  })

  test('stored responses have no route; the answer names what exists', async () => {
    const answer = await fetch(`${gateway.url}/v1/responses/resp_1`, {
      headers: { authorization: `Bearer ${keyText}` },
    })
    expect(answer.status).toBe(404)
    expect(await answer.text()).toContain('POST /v1/responses')
  })

  test('upstream refusals keep their status', async () => {
    const error = {
      message: 'bad temperature',
      type: 'invalid_request_error',
      param: 'temperature',
      code: 'x',
    }
    upstream.script = response => sendJson(response, 400, { error })
    await expect(
      client.responses.create({ model: 'house-model', input: 'Hi', stream: true }),
    ).rejects.toMatchObject({
      status: 400,
      param: 'temperature',
    })
  })
})

/** Callers of the Responses wire at a host that speaks it: bytes pass both ways, money is exact, what is ours stays here. */
import OpenAI from 'openai'
import type { ResponseStreamEvent } from 'openai/resources/responses/responses'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { responses } from '../../providers/openai-responses.ts'
import { usageOf } from '../../providers/openai-responses-read.ts'
import type { Json } from '../../providers/provider.ts'
import { sealKept } from '../../src/wire/responses/reasoning.ts'
import {
  completion,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

let host: ScriptedUpstream
let plain: ScriptedUpstream
let gateway: TestGateway
let key: string
/** A key without a budget: nothing is added to its requests. */
let free: string

const PRICE = 'input_usd_per_mtok: 1, output_usd_per_mtok: 2, cache_read_usd_per_mtok: 0.1'
const LIMITS = 'context_tokens: 128000, max_output_tokens: 8192'

const configOf = (native: number, chat: number) => `hosts:
  speaker: { base_url: "http://127.0.0.1:${native}/v1", auth: none, quirks: { speaks_responses: true } }
  router: { base_url: "http://127.0.0.1:${native}/v1", auth: none, quirks: { speaks_responses: true, keeps_extensions: true, states_cost: true } }
providers:
  speaker: { models: { house: { upstream: house-2, ${PRICE}, ${LIMITS} }, shared: { ${PRICE}, ${LIMITS} } } }
  ${['a', 'b', 'c', 'd', 'e'].map(name => `failing-${name}: { kind: speaker, models: { shared: { ${PRICE}, ${LIMITS} } } }`).join('\n  ')}
  router: { models: { routed: { ${PRICE}, ${LIMITS} } } }
  moved: { kind: openai, base_url: "http://127.0.0.1:${chat}/v1", models: { elsewhere: { ${PRICE}, ${LIMITS} }, shared: { ${PRICE}, ${LIMITS} } } }
egress: { allow: ["127.0.0.1:${native}", "127.0.0.1:${chat}"] }
timeouts: { first_token_ms: 5000, idle_ms: 5000, stall_ms: 3000, total_ms: 30000 }
discover_env: false
`

beforeAll(async () => {
  host = await startUpstream(response => sendJson(response, 500, {}))
  plain = await startUpstream(response => sendJson(response, 200, completion()))
  gateway = await startGateway({ config: configOf(host.port, plain.port) })
  free = await gateway.key()
  key = await gateway.key({
    budgets: [{ window: 'day', limitNanoUsd: 1_000_000_000_000, softNanoUsd: null }],
  })
})
afterAll(async () => {
  await gateway?.close()
  await host?.close()
  await plain?.close()
})
beforeEach(() => {
  host.seen.length = 0
  plain.seen.length = 0
})

const post = (body: unknown, as = key) =>
  fetch(`${gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
const client = (as = key) => new OpenAI({ apiKey: as, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
const lastRow = async () => (await gateway.rows()).at(-1)

const USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 20,
  output_tokens_details: { reasoning_tokens: 8 },
  total_tokens: 120,
}
const USED = { inputTokens: 100, cacheReadInputTokens: 40, outputTokens: 20, reasoningOutputTokens: 8 }
/** 60 × 1 + 40 × 0.1 + 20 × 2 USD per million tokens. */
const COST = 104_000

const REASONING = { id: 'rs_1', type: 'reasoning', summary: [], encrypted_content: 'gAAAAA==' }
const message = (text: string, status = 'completed') => ({
  id: 'msg_1',
  type: 'message',
  status,
  role: 'assistant',
  content: [{ type: 'output_text', annotations: [], logprobs: [], text }],
})
const call = (args: string, status = 'completed') => ({
  id: 'fc_1',
  type: 'function_call',
  status,
  call_id: 'call_1',
  name: 'weather',
  arguments: args,
})
const responseWith = (output: readonly unknown[], more: Json = {}) => ({
  id: 'resp_upstream',
  object: 'response',
  created_at: 1,
  status: 'completed',
  error: null,
  incomplete_details: null,
  model: 'house-2',
  output,
  usage: USAGE,
  metadata: {},
  house_extra: { kept: 1e2 },
  ...more,
})

const eventOf = (type: string, fields: Json) =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`
const numbered = (events: readonly (readonly [string, Json])[]) =>
  events.map(([type, fields], n) => eventOf(type, { sequence_number: n, ...fields }))

const place = { item_id: 'msg_1', output_index: 1, content_index: 0 }
const head = responseWith([], { status: 'in_progress', usage: null })
const BEGIN = [
  ['response.created', { response: head }],
  ['response.in_progress', { response: head }],
  ['response.output_item.added', { output_index: 0, item: { ...REASONING, encrypted_content: '' } }],
  ['response.output_item.done', { output_index: 0, item: REASONING }],
  ['response.output_item.added', { output_index: 1, item: { ...message('', 'in_progress'), content: [] } }],
  ['response.content_part.added', { ...place, part: { type: 'output_text', text: '', annotations: [] } }],
] as const
const SAID = [
  ['response.output_text.delta', { ...place, delta: 'Grüß ', obfuscation: 'x9' }],
  ['response.output_text.delta', { ...place, delta: 'Gott' }],
] as const
const END = [
  ['response.output_text.done', { ...place, text: 'Grüß Gott' }],
  ['response.output_item.done', { output_index: 1, item: message('Grüß Gott') }],
  ['response.completed', { response: responseWith([REASONING, message('Grüß Gott')]) }],
] as const
const STREAM = numbered([...BEGIN, ...SAID, ...END])

const streaming = (events: readonly string[]) => {
  host.script = response => void sse(response).end(events.join(''))
}

const ASK = { model: 'house', input: 'Say hello.' }

describe('whole answers', () => {
  test('bytes pass both ways but for the name of the model; the row is exact', async () => {
    const body = JSON.stringify(responseWith([REASONING, message('Hello.')])).replace('100', '1e2')
    host.script = response => sendJson(response, 200, body)
    const answer = await post(
      '{ "model":"house", "input":[{"role":"user","content":"Hi"}] , "store":true,"include":["reasoning.encrypted_content"], "house_setting": 1e3 }',
      free,
    )
    expect(await answer.text()).toBe(body)
    expect(host.seen[0]).toMatchObject({
      url: '/v1/responses',
      body: '{ "model":"house-2", "input":[{"role":"user","content":"Hi"}] , "store":true,"include":["reasoning.encrypted_content"], "house_setting": 1e3 }',
    })
    expect(answer.headers.get('x-switchgate-cost-usd')).toBe('0.000104')
    expect(await lastRow()).toMatchObject({
      operation: 'responses',
      certainty: 'exact',
      costNanoUsd: COST,
      finishReason: 'stop',
      answerId: 'resp_upstream',
      usage: USED,
    })
  })

  test('the cost is shown where it is asked for; our extensions stay here', async () => {
    host.script = response => sendJson(response, 200, responseWith([message('Hi')]))
    const answer = await post(
      {
        ...ASK,
        usage: { include: true },
        provider: { only: ['speaker'] },
        models: ['shared'],
        session_id: 's',
        metadata: { team: 'a' },
        user: 'u',
      },
      free,
    )
    expect(((await answer.json()) as { usage: Json }).usage).toEqual({ cost: 0.000104, ...USAGE })
    expect(host.seen[0]?.json()).toEqual({ model: 'house-2', input: 'Say hello.' })
    expect(answer.headers.get('x-switchgate-dropped')).toBeNull()
  })

  test('a host that states its own cost is billed by it, and its own figure stands', async () => {
    const usage = { ...USAGE, cost: 0.5, is_byok: false }
    host.script = response => sendJson(response, 200, responseWith([message('Hi')], { usage }))
    const answer = await post({ model: 'routed', input: 'Hi', usage: { include: true }, models: ['shared'] })
    const text = await answer.text()
    expect(text.match(/"cost":/g)).toEqual(['"cost":'])
    expect((JSON.parse(text) as { usage: Json }).usage.cost).toBe(0.5)
    expect(host.seen[0]?.json()).toMatchObject({ models: ['shared'], usage: { include: true } })
    expect((await lastRow())?.costNanoUsd).toBe(500_000_000)
  })

  test.each([
    [[call('{}')], {}, 'tool_calls'],
    [[{ type: 'custom_tool_call', id: 'ctc_1', call_id: 'c', name: 'n', input: 'x' }], {}, 'tool_calls'],
    [
      [message('Hi')],
      { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } },
      'length',
    ],
    [[], { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }, 'content_filter'],
  ])('how it ended: %j %j', async (output, more, reason) => {
    host.script = response => sendJson(response, 200, responseWith(output, more))
    expect((await post(ASK)).status).toBe(200)
    expect((await lastRow())?.finishReason).toBe(reason)
  })

  test.each([
    [{ status: 'failed', error: { code: 'server_error', message: 'We broke.' } }, 502],
    [{ status: 'failed', error: { code: 'rate_limit_exceeded', message: 'Slow down.' } }, 429],
    [{ status: 'queued' }, 502],
    [{ output: undefined }, 502],
  ])('no answer: %j', async (more, status) => {
    host.script = response => sendJson(response, 200, responseWith([], more))
    expect((await post(ASK)).status).toBe(status)
  })

  test('an error of the host keeps its status, code and place', async () => {
    const error = {
      message: 'Too small.',
      type: 'invalid_request_error',
      param: 'max_output_tokens',
      code: 'integer_below_min_value',
    }
    host.script = response => sendJson(response, 400, { error })
    const answer = await post({ ...ASK, max_output_tokens: 1 })
    expect(answer.status).toBe(400)
    expect((await answer.json()) as Json).toMatchObject({
      error: { ...error, message: 'speaker: Too small.' },
    })
  })
})

describe('what is taken out of a request', () => {
  const sent = async (more: Json) => {
    host.script = response => sendJson(response, 200, responseWith([message('Hi')]))
    const answer = await post({ ...ASK, ...more })
    expect(answer.status).toBe(200)
    return { body: host.seen[0]?.json() ?? {}, dropped: answer.headers.get('x-switchgate-dropped') }
  }

  test("thoughts that another wire's model had here; the host's own go back to it", async () => {
    const ours = { id: 'rs_9', type: 'reasoning', summary: [], encrypted_content: sealKept({ text: 'hm' }) }
    const user = { role: 'user', content: 'Hi, "]}' }
    const { body } = await sent({
      input: [
        user,
        ours,
        call('{}'),
        ours,
        REASONING,
        { type: 'function_call_output', call_id: 'call_1', output: 'ok' },
      ],
    })
    expect(body.input).toEqual([
      user,
      call('{}'),
      REASONING,
      { type: 'function_call_output', call_id: 'call_1', output: 'ok' },
    ])
  })

  test("OpenRouter's ways to ask for reasoning", async () => {
    const reasoning = { max_tokens: 500, summary: 'auto' }
    expect(await sent({ reasoning })).toMatchObject({
      body: { reasoning: { summary: 'auto' } },
      dropped: 'reasoning.max_tokens',
    })
    host.seen.length = 0
    expect((await sent({ reasoning: { enabled: true } })).body.reasoning).toEqual({ effort: 'medium' })
    host.seen.length = 0
    expect((await sent({ reasoning: { effort: 'low', summary: 'auto' } })).body.reasoning).toEqual({
      effort: 'low',
      summary: 'auto',
    })
  })

  test("chat's include_usage, which the wire does not know", async () => {
    expect((await sent({ stream_options: { include_usage: true } })).body).not.toHaveProperty(
      'stream_options',
    )
    host.seen.length = 0
    const both = { include_usage: true, include_obfuscation: false }
    expect((await sent({ stream_options: both })).body.stream_options).toEqual({ include_obfuscation: false })
  })

  test('a limit of the key goes upstream by its name in this wire', async () => {
    const small = await gateway.key({ maxOutputTokens: 77 })
    host.script = response => sendJson(response, 200, responseWith([message('Hi')]))
    const answer = await post({ ...ASK, max_output_tokens: 500 }, small)
    expect(host.seen[0]?.json().max_output_tokens).toBe(77)
    expect(answer.headers.get('x-switchgate-max-tokens')).toBe('77')
  })

  test('what would have to be stored is refused before anything is sent', async () => {
    const answer = await post({ ...ASK, previous_response_id: 'resp_1' })
    expect(answer.status).toBe(400)
    expect((await answer.json()) as Json).toMatchObject({ error: { param: 'previous_response_id' } })
    expect(host.seen.length).toBe(0)
  })
})

describe('streams', () => {
  test('every event passes as it came, however the bytes are cut', async () => {
    const all = Buffer.from(STREAM.join(''))
    for (const size of [1, 13, 97, all.length]) {
      host.script = async response => {
        sse(response)
        for (let at = 0; at < all.length; at += size) {
          response.write(all.subarray(at, at + size))
          if (at % 7 === 0) await new Promise(resolve => setImmediate(resolve))
        }
        response.end()
      }
      expect(await (await post({ ...ASK, stream: true })).text()).toBe(all.toString())
      expect(await lastRow()).toMatchObject({
        certainty: 'exact',
        usage: USED,
        costNanoUsd: COST,
        finishReason: 'stop',
      })
    }
  })

  test('the SDK assembles it', async () => {
    streaming(STREAM)
    const final = await client()
      .responses.stream({ ...ASK, store: false })
      .finalResponse()
    expect(final.output_text).toBe('Grüß Gott')
    expect(final.output[0]).toEqual(REASONING)
  })

  test('the cost stands in the last event for those who ask, and nothing else moves', async () => {
    streaming(STREAM)
    const text = await (await post({ ...ASK, stream: true, usage: { include: true } })).text()
    expect(text).toBe(STREAM.join('').replaceAll('"usage":{"input', '"usage":{"cost":0.000104,"input'))
  })

  test('what a host sends behind its last event is no part of the answer, however it is cut', async () => {
    for (const glued of [true, false]) {
      host.script = async response => {
        sse(response)
        if (glued) return void response.end(`${STREAM.join('')}data: [DONE]\n\n`)
        response.write(`${STREAM.join('')}data: [DO`)
        await new Promise(resolve => setTimeout(resolve, 5))
        response.end('NE]\n\n')
      }
      expect(await (await post({ ...ASK, stream: true })).text()).toBe(STREAM.join(''))
    }
  })

  test.each([
    ['a', 'an error event', eventOf('error', { code: 'server_error', message: 'Busy.', param: null })],
    [
      'b',
      'a failed response',
      eventOf('response.failed', {
        response: responseWith([], { status: 'failed', error: { code: 'server_error', message: 'Busy.' } }),
      }),
    ],
    [
      'c',
      'no money there',
      eventOf('error', {
        error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'Pay.' },
      }),
    ],
    ['d', 'an event that is no JSON', 'event: response.output_text.delta\ndata: {"delta":\n\n'],
    ['e', 'an end', ''],
  ])('%s: %s before content: the next target answers, here through chat', async (name, _, bad) => {
    streaming([...numbered(BEGIN.slice(0, 3)), bad])
    plain.script = response =>
      void sse(response).end(
        `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', choices: [{ index: 0, delta: { content: 'Saved.' }, finish_reason: 'stop' }] })}\n\ndata: [DONE]\n\n`,
      )
    const stream = { model: 'shared', input: 'Hi', provider: { order: [`failing-${name}`, 'moved'] } }
    const final = await client().responses.stream(stream).finalResponse()
    expect(final.output_text).toBe('Saved.')
    expect([host.seen.length, plain.seen.length]).toEqual([1, 1])
    expect(plain.seen[0]?.url).toBe('/v1/chat/completions')
  })

  test.each([
    ['the connection', undefined],
    ['an error event', eventOf('error', { code: 'server_error', message: 'Busy.' })],
  ])('%s breaks after content: the last event says so', async (_, bad) => {
    host.script = response => {
      sse(response).write([...numbered([...BEGIN, ...SAID]), bad ?? ''].join(''))
      if (bad === undefined) setTimeout(() => response.destroy(), 20)
      else response.end()
    }
    const text = await (await post({ ...ASK, stream: true })).text()
    expect(text.startsWith(numbered([...BEGIN, ...SAID]).join(''))).toBe(true)
    expect(text.slice(text.lastIndexOf('event: '))).toMatch(/^event: error\ndata: \{"type":"error"/)
    expect(text).not.toContain('response.completed')
    expect(await lastRow()).toMatchObject({ error: 'interrupted' })
  })
})

describe('money that runs out', () => {
  /** Enough for a first slice of a stream, and not for another. */
  const broke = () =>
    gateway.key({ budgets: [{ window: 'total', limitNanoUsd: 3_500_000, softNanoUsd: null }] })

  /** A tap that has heard these events, asked to end the stream. */
  const cutAfter = (events: readonly (readonly [string, Json])[]): ResponseStreamEvent[] => {
    const tap = responses.tap()
    for (const [n, [type, fields]] of events.entries())
      tap.event(JSON.stringify({ type, sequence_number: n, ...fields }), type, 0)
    const text = tap.cut({
      inputTokens: 10,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
      outputTokens: 5,
      reasoningOutputTokens: 0,
    })
    return [...text.matchAll(/^data: (.*)$/gm)].map(
      ([, data]) => JSON.parse(data ?? '') as ResponseStreamEvent,
    )
  }

  test('the stream is ended as the model would at its limit, with all that it said', () => {
    const events = cutAfter([...BEGIN, ...SAID])
    expect(events.map(event => event.type)).toEqual([
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.incomplete',
    ])
    expect(events.map(event => event.sequence_number)).toEqual([8, 9, 10, 11])
    expect(events.at(-1)).toMatchObject({
      response: {
        id: 'resp_upstream',
        status: 'incomplete',
        incomplete_details: { reason: 'max_output_tokens' },
        output: [REASONING, message('Grüß Gott', 'incomplete')],
        usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15, estimated: true },
      },
    })
  })

  test('calls and thoughts that are open are closed with what there is of them', () => {
    const thought = { item_id: 'rs_1', output_index: 0, summary_index: 0 }
    const events = cutAfter([
      ['response.created', { response: head }],
      [
        'response.output_item.added',
        { output_index: 0, item: { id: 'rs_1', type: 'reasoning', summary: [] } },
      ],
      ['response.reasoning_summary_text.delta', { ...thought, delta: 'Let me ' }],
      ['response.reasoning_summary_text.delta', { ...thought, delta: 'see' }],
      ['response.output_item.added', { output_index: 1, item: call('', 'in_progress') }],
      ['response.function_call_arguments.delta', { item_id: 'fc_1', output_index: 1, delta: '{"ci' }],
    ])
    expect(events.map(event => event.type)).toEqual([
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.function_call_arguments.done',
      'response.output_item.done',
      'response.incomplete',
    ])
    expect(events.at(-1)).toMatchObject({
      response: {
        output: [
          { id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: 'Let me see' }] },
          call('{"ci', 'incomplete'),
        ],
      },
    })
  })

  test('through the gateway: the SDK holds an incomplete response', async () => {
    host.script = async response => {
      sse(response).write(numbered([...BEGIN]).join(''))
      for (let n = 0; n < 400 && !response.destroyed; n++) {
        response.write(
          eventOf('response.output_text.delta', {
            ...place,
            sequence_number: 6 + n,
            delta: 'word '.repeat(40),
          }),
        )
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    const final = await client(await broke())
      .responses.stream(ASK)
      .finalResponse()
    expect(final.status).toBe('incomplete')
    expect(final.output_text).toMatch(/^(word )+$/)
    expect(await lastRow()).toMatchObject({ finishReason: 'length', certainty: 'estimated' })
  })
})

describe('who gets it', () => {
  test("a built-in host at an address of the file's own is asked in chat, as before", async () => {
    plain.script = response => sendJson(response, 200, completion('Hello there.'))
    const answer = (await (await post({ model: 'elsewhere', input: 'Hi' })).json()) as Json
    expect(plain.seen[0]?.url).toBe('/v1/chat/completions')
    expect(answer).toMatchObject({ object: 'response', status: 'completed' })
  })

  test.each([
    [{ input_tokens: 3 }, undefined],
    [{ output_tokens: 3 }, undefined],
    [null, undefined],
    ['x', undefined],
    [
      { input_tokens: 3, output_tokens: 4 },
      { inputTokens: 3, outputTokens: 4 },
    ],
    [{ input_tokens: 3, output_tokens: 4, cost_in_usd_ticks: 35_150 }, { reportedCostNanoUsd: 3_515 }],
  ])('usage of %j', (usage, want) => {
    if (want === undefined) expect(usageOf(usage)).toBeUndefined()
    else expect(usageOf(usage)).toMatchObject(want)
  })
})

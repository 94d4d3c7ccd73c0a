/** Anthropic's client through a real gateway to hosts of OpenAI's wire and to Gemini, and what it is told when things go wrong. */
import type Anthropic from '@anthropic-ai/sdk'
import { APIError } from '@anthropic-ai/sdk'
import type { MessageCreateParamsNonStreaming, MessageParam } from '@anthropic-ai/sdk/resources/messages'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import {
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type Seen,
  sendJson,
  sleep,
  sse,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { recordingFetch } from './callers.ts'
import { ASK, callChunk, chunkOf, refusal, startRig, WEATHER, type MessagesRig } from './messages-rig.ts'

/** The second message of a request that reached a host. */
const secondOf = (seen: Seen | undefined) => (seen?.json().messages as Json[] | undefined)?.[1]

let rig: MessagesRig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

describe('a host of OpenAI’s wire', () => {
  test('a whole answer: text, stop reason, usage, headers, one exact row', async () => {
    rig.openai.script = response =>
      sendJson(
        response,
        200,
        completion('Hi!', {
          prompt_tokens: 20,
          completion_tokens: 5,
          total_tokens: 25,
          prompt_tokens_details: { cached_tokens: 8 },
        }),
      )
    const { fetch: over, exchanges } = recordingFetch()
    const message = await rig.client(undefined, over).messages.create({
      ...ASK,
      system: 'Be kind.',
      stop_sequences: ['END'],
      temperature: 0.5,
      top_k: 3,
    } as unknown as typeof ASK)
    expect(message).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'house',
      content: [{ type: 'text', text: 'Hi!' }],
      stop_reason: 'end_turn',
      stop_sequence: null,
      usage: {
        input_tokens: 12,
        cache_read_input_tokens: 8,
        cache_creation_input_tokens: 0,
        output_tokens: 5,
      },
    })
    expect(message.id).toMatch(/^msg_/)
    expect(rig.openai.seen[0]?.url).toBe('/v1/chat/completions')
    expect(rig.openai.seen[0]?.json()).toEqual({
      model: 'house',
      max_tokens: 500,
      temperature: 0.5,
      stop: ['END'],
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Say hello.' },
      ],
    })
    const [exchange] = await exchanges()
    expect(exchange?.headers).toMatchObject({
      'x-switchgate-provider': 'alpha',
      'x-switchgate-dropped': 'top_k',
      // 12 µ$ read, 8 cached at a tenth, 5 written at two
      'x-switchgate-cost-usd': '0.0000228',
    })
    expect(await rig.lastRow()).toMatchObject({
      operation: 'messages',
      certainty: 'exact',
      costNanoUsd: 22_800,
      answerId: message.id,
      usage: { inputTokens: 20, cacheReadInputTokens: 8, outputTokens: 5 },
    })
  })

  test('a stream: events in their order, an estimate first and the truth at the end', async () => {
    rig.openai.script = response =>
      void sse(response).end(role + delta('Hello') + delta(' there.') + finish() + usageEvent + DONE)
    const { fetch: over, exchanges } = recordingFetch()
    const message = await rig.client(undefined, over).messages.stream(ASK).finalMessage()
    expect(message.content).toEqual([{ type: 'text', text: 'Hello there.' }])
    expect(message.usage).toMatchObject({ input_tokens: 10, output_tokens: 3 })
    const [exchange] = await exchanges()
    const lines = (exchange?.body ?? '')
      .trim()
      .split('\n\n')
      .map(one => one.split('\n'))
    for (const [name, data] of lines)
      expect(`event: ${(JSON.parse(data?.slice(6) ?? '') as Json).type}`).toBe(name)
    expect(lines.map(([name]) => name?.slice(7))).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
    const start = JSON.parse(lines[0]?.[1]?.slice(6) ?? '') as {
      message: { usage: { input_tokens: number } }
    }
    expect(start.message.usage.input_tokens).toBeGreaterThan(3)
    expect(rig.openai.seen[0]?.json().stream_options).toEqual({ include_usage: true })
    expect(await rig.lastRow()).toMatchObject({
      stream: true,
      certainty: 'exact',
      usage: { inputTokens: 10, outputTokens: 3 },
    })
  })

  test('tools: a loop of two turns, arguments as they were written', async () => {
    const call = {
      id: 'call_1',
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"Zürich","big":1152921504606846976}' },
    }
    rig.openai.script = (response, _, n) =>
      sendJson(
        response,
        200,
        n % 2 === 1
          ? {
              ...completion(''),
              choices: [
                {
                  index: 0,
                  message: { role: 'assistant', content: null, tool_calls: [call] },
                  finish_reason: 'tool_calls',
                },
              ],
            }
          : completion('Sunny.'),
      )
    rig.openai.seen.length = 0
    const first = await rig.post({
      ...ASK,
      tools: [WEATHER],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    })
    const text = await first.text()
    expect(text).toContain('"input":{"city":"Zürich","big":1152921504606846976}')
    const message = JSON.parse(text) as Anthropic.Message
    expect(message).toMatchObject({
      stop_reason: 'tool_use',
      content: [{ type: 'tool_use', id: 'call_1', name: 'weather' }],
    })
    expect(rig.openai.seen[0]?.json()).toMatchObject({
      tool_choice: 'required',
      parallel_tool_calls: false,
      tools: [{ type: 'function', function: { name: 'weather', parameters: WEATHER.input_schema } }],
    })
    // the history's text is spliced: the client would have rounded the number
    const history = text.slice(text.indexOf('"content":') + 10, text.indexOf(',"stop_reason"'))
    const messages = `[{"role":"user","content":"Weather?"},{"role":"assistant","content":${history}},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"22 degrees","is_error":true},{"type":"text","text":"And?"}]}]`
    const second = await rig.post(`{"model":"house","max_tokens":50,"messages":${messages}}`)
    expect(second.status).toBe(200)
    expect(rig.openai.seen[1]?.json().messages).toEqual([
      { role: 'user', content: 'Weather?' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'call_1', content: 'Error: 22 degrees' },
      { role: 'user', content: 'And?' },
    ])
  })

  test('calls of one delta without index and id stay two', async () => {
    const called = (name: string, args: string) => ({ type: 'function', function: { name, arguments: args } })
    rig.openai.script = response =>
      void sse(response).end(
        role +
          chunkOf({ tool_calls: [called('weather', '{"city":"Rome"}'), called('time', '{"zone":"UTC"}')] }) +
          chunkOf({}, 'tool_calls') +
          DONE,
      )
    const tools = [WEATHER, { ...WEATHER, name: 'time' }]
    const { content } = await rig
      .client()
      .messages.stream({ ...ASK, tools })
      .finalMessage()
    expect(content).toMatchObject([
      { type: 'tool_use', name: 'weather', input: { city: 'Rome' } },
      { type: 'tool_use', name: 'time', input: { zone: 'UTC' } },
    ])
    expect(new Set(content.map(block => (block as { id?: string }).id)).size).toBe(2)
  })

  test('parallel calls whose deltas interleave become one block after the other', async () => {
    const pieces = [
      role,
      delta('Looking.'),
      callChunk(0, 'call_a', 'weather', ''),
      callChunk(1, 'call_b', 'weather', ''),
      callChunk(0, undefined, undefined, '{"city":'),
      callChunk(1, '', undefined, '{"city":"Oslo"'),
      callChunk(0, undefined, undefined, '"Rome"}'),
      callChunk(1, undefined, undefined, '}'),
      callChunk(2, 'call_c', 'now', ''),
      finish('tool_calls'),
      usageEvent,
      DONE,
    ]
    rig.openai.script = async response => {
      sse(response)
      for (const piece of pieces) {
        response.write(piece)
        await sleep(2)
      }
      response.end()
    }
    const message = await rig
      .client()
      .messages.stream({ ...ASK, tools: [WEATHER] })
      .finalMessage()
    expect(message.stop_reason).toBe('tool_use')
    expect(message.content).toEqual([
      { type: 'text', text: 'Looking.' },
      { type: 'tool_use', id: 'call_a', name: 'weather', input: { city: 'Rome' } },
      { type: 'tool_use', id: 'call_b', name: 'weather', input: { city: 'Oslo' } },
      { type: 'tool_use', id: 'call_c', name: 'now', input: {} },
    ])
  })

  test('thinking is shown, and goes back only where it is wanted', async () => {
    rig.openai.script = response =>
      void sse(response).end(
        role +
          chunkOf({ reasoning_content: 'Hm, ' }) +
          chunkOf({ reasoning_content: 'yes.' }) +
          delta('42') +
          finish() +
          usageEvent +
          DONE,
      )
    const message = await rig
      .client()
      .messages.stream({ ...ASK, thinking: { type: 'enabled', budget_tokens: 3000 }, max_tokens: 8000 })
      .finalMessage()
    expect(message.content).toEqual([
      { type: 'thinking', thinking: 'Hm, yes.', signature: '' },
      { type: 'text', text: '42' },
    ])
    expect(rig.openai.seen[0]?.json()).toMatchObject({ reasoning_effort: 'medium' })
    rig.openai.script = response => sendJson(response, 200, completion())
    const messages: MessageParam[] = [
      ...ASK.messages,
      { role: 'assistant', content: message.content },
      { role: 'user', content: 'Sure?' },
    ]
    await rig.client().messages.create({ ...ASK, messages })
    await rig.client().messages.create({ ...ASK, model: 'deep', messages })
    const said = { role: 'assistant', content: '42' }
    expect(secondOf(rig.openai.seen[1])).toEqual(said)
    expect(secondOf(rig.openai.seen[2])).toEqual({
      ...said,
      reasoning_content: 'Hm, yes.',
    })
  })

  test('images, documents and cache marks', async () => {
    rig.openai.script = response => sendJson(response, 200, completion())
    const data = Buffer.from('png').toString('base64')
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data } } as const
    const { fetch: over, exchanges } = recordingFetch()
    await rig.client(undefined, over).messages.create({
      ...ASK,
      system: [
        { type: 'text', text: 'One.', cache_control: { type: 'ephemeral' } },
        { type: 'text', text: 'Two.' },
      ],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'See' },
            image,
            {
              type: 'document',
              title: 'a.txt',
              source: { type: 'text', media_type: 'text/plain', data: 'inside' },
            },
          ],
        },
        { role: 'assistant', content: [{ type: 'tool_use', id: 't1', name: 'look', input: {} }] },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't1', content: [{ type: 'text', text: 'shot' }, image] },
          ],
        },
      ],
    })
    const url = { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }
    expect(rig.openai.seen[0]?.json().messages).toEqual([
      { role: 'system', content: 'One.\n\nTwo.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'See' },
          url,
          { type: 'text', text: 'a.txt' },
          { type: 'text', text: 'inside' },
        ],
      },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 't1', type: 'function', function: { name: 'look', arguments: '{}' } }],
      },
      { role: 'tool', tool_call_id: 't1', content: 'shot' },
      { role: 'user', content: [url] },
    ])
    expect((await exchanges())[0]?.headers['x-switchgate-dropped']).toBe('cache_control')
  })

  test('what only Claude can do is refused by name, and nothing is sent', async () => {
    const tool = { type: 'web_search_20250305', name: 'web_search' } as const
    const error = await refusal(rig.client().messages.create({ ...ASK, tools: [tool] }))
    expect(error?.status).toBe(400)
    expect(error?.error).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error', param: 'tools[0]' },
    })
    expect(rig.openai.seen).toHaveLength(0)
  })

  test('a stream that breaks ends in event: error', async () => {
    rig.openai.script = response => {
      sse(response).write(role + delta('Hel'))
      setTimeout(() => response.destroy(), 30)
    }
    const answer = await rig.post({ ...ASK, stream: true })
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(text).toMatch(
      /event: error\ndata: \{"type":"error","error":\{"type":"api_error","message":"[^\n]*"code":"upstream_unavailable"[^\n]*\n\n$/,
    )
    expect(text).not.toContain('message_stop')
    const error = await refusal(rig.client().messages.stream(ASK).finalMessage())
    expect(error).toBeInstanceOf(APIError)
    expect(await rig.lastRow()).toMatchObject({ error: 'interrupted', certainty: 'estimated' })
  })

  test('silence is filled with pings', async () => {
    rig.openai.script = async response => {
      sse(response).write(role)
      await sleep(500)
      response.end(delta('Late.') + finish() + usageEvent + DONE)
    }
    const { fetch: over, exchanges } = recordingFetch()
    const message = await rig.client(undefined, over).messages.stream(ASK).finalMessage()
    expect(message.content).toEqual([{ type: 'text', text: 'Late.' }])
    expect((await exchanges())[0]?.body).toMatch(/^event: ping\ndata: \{"type":"ping"\}\n\n/)
  })

  test('a caller who leaves frees the upstream at once', async () => {
    rig.openai.script = response => void sse(response).write(role + delta('Once'))
    const before = rig.openai.aborted
    const stream = rig.client().messages.stream(ASK)
    await new Promise<void>(resolve => stream.once('text', () => resolve()))
    stream.abort()
    await refusal(stream.finalMessage())
    await until(() => rig.openai.aborted > before)
    await until(async () => (await rig.lastRow())?.error === 'cancelled')
  })

  test('usage.cost where it is asked for', async () => {
    rig.openai.script = response => void sse(response).end(role + delta('Hi') + finish() + usageEvent + DONE)
    const text = await (await rig.post({ ...ASK, stream: true, usage: { include: true } })).text()
    expect(text).toContain(
      '"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3,"cost":0.000016}',
    )
    rig.openai.script = response => sendJson(response, 200, completion())
    expect(await (await rig.post({ ...ASK, usage: { include: true } })).json()).toMatchObject({
      usage: { cost: 0.00002 },
    })
    expect(rig.openai.seen.every(({ body }) => !body.includes('"include"'))).toBe(true)
  })
})

describe('Gemini', () => {
  test('a tool call with its thought signature, there and back again', async () => {
    const parts = [
      { text: 'Let me see.', thought: true },
      { functionCall: { name: 'weather', args: { city: 'Rome' } }, thoughtSignature: 'c2lnbmVk' },
    ]
    const answer = {
      candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP', index: 0 }],
      usageMetadata: {
        promptTokenCount: 30,
        candidatesTokenCount: 6,
        thoughtsTokenCount: 4,
        totalTokenCount: 40,
      },
    }
    rig.gemini.script = (response, seen) =>
      seen.url.includes('alt=sse') ? void sse(response).end(event(answer)) : sendJson(response, 200, answer)
    const ask = {
      ...ASK,
      model: 'flash',
      tools: [WEATHER],
      thinking: { type: 'enabled', budget_tokens: 2000 },
      max_tokens: 4000,
    } satisfies MessageCreateParamsNonStreaming
    for (const message of [
      await rig.client().messages.create(ask),
      await rig.client().messages.stream(ask).finalMessage(),
    ]) {
      expect(message.stop_reason).toBe('tool_use')
      expect(message.usage).toMatchObject({ input_tokens: 30, output_tokens: 10 })
      const call = message.content.find(block => block.type === 'tool_use')
      expect(call).toMatchObject({ name: 'weather', input: { city: 'Rome' } })
      expect(message.content.find(block => block.type === 'thinking')).toMatchObject({
        thinking: 'Let me see.',
      })
      rig.gemini.seen.length = 0
      await rig.client().messages.create({
        ...ask,
        messages: [
          ...ASK.messages,
          { role: 'assistant', content: message.content },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: 'warm' }] },
        ],
      })
      const sent = JSON.stringify(rig.gemini.seen[0]?.json().contents)
      expect(sent).toContain('"thoughtSignature":"c2lnbmVk"')
      expect(sent).toMatch(/"functionResponse":\{[^}]*"name":"weather"/)
    }
    expect(await rig.lastRow()).toMatchObject({
      provider: 'google',
      certainty: 'exact',
      usage: { inputTokens: 30, outputTokens: 10 },
    })
  })
})

describe('in Anthropic’s form', () => {
  test('401, 403, 404, 400, 429, 405', async () => {
    const told = async (status: number, type: string, promise: Promise<unknown>) => {
      const error = await refusal(promise)
      expect(error?.status).toBe(status)
      expect(error?.error).toMatchObject({ type: 'error', error: { type, message: expect.any(String) } })
      return error?.error?.error
    }
    await told(401, 'authentication_error', rig.client('sgate_live_wrong').messages.create(ASK))
    const none = await rig.gateway.key({ models: ['other'] })
    await told(403, 'permission_error', rig.client(none).messages.create(ASK))
    const unknown = await told(
      404,
      'not_found_error',
      rig.client().messages.create({ ...ASK, model: 'hous' }),
    )
    expect(unknown?.code).toBe('model_not_found')
    const { max_tokens: _, ...without } = ASK
    const missing = await told(
      400,
      'invalid_request_error',
      rig.client().messages.create(without as typeof ASK),
    )
    expect(missing?.param).toBe('max_tokens')
    const poor = await rig.gateway.key({ budgets: [{ window: 'day', limitNanoUsd: 10, softNanoUsd: null }] })
    const broke = await told(429, 'rate_limit_error', rig.client(poor).messages.create(ASK))
    expect(broke?.code).toBe('insufficient_quota')
    const slow = await rig.gateway.key({ limits: { rpm: 1, tpm: null, rpd: null, concurrency: null } })
    rig.openai.script = response => sendJson(response, 200, completion())
    await rig.client(slow).messages.create(ASK)
    await told(429, 'rate_limit_error', rig.client(slow).messages.create(ASK))
    const wrong = await fetch(`${rig.gateway.url}/v1/messages`)
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
    expect(await wrong.json()).toMatchObject({ type: 'error' })
  })
})

describe('count_tokens', () => {
  test('an estimate that says so; nobody is asked and nothing is billed', async () => {
    const rows = (await rig.gateway.rows()).length
    const counted = (await rig.client().messages.countTokens({
      model: 'sonnet',
      messages: ASK.messages,
      tools: [WEATHER],
    })) as unknown as Json
    expect(counted).toEqual({
      input_tokens: expect.any(Number),
      estimated: true,
      margin: expect.closeTo(0.3 + 260 / Number(counted.input_tokens), 1),
    })
    expect(counted.input_tokens).toBeGreaterThan(440)
    const plain = (await rig.client().messages.countTokens({
      model: 'house',
      messages: ASK.messages,
      tools: [WEATHER],
    })) as unknown as Json
    expect(plain.input_tokens).toBeLessThan(200)
    expect([rig.openai.seen.length, rig.claude.seen.length, (await rig.gateway.rows()).length]).toEqual([
      0,
      0,
      rows,
    ])
    const error = await refusal(
      rig.client().messages.countTokens({ model: 'nobody', messages: ASK.messages }),
    )
    expect(error?.status).toBe(404)
    const strangers = await refusal(rig.client('sgate_live_wrong').messages.countTokens(ASK))
    expect(strangers?.status).toBe(401)
  })
})

/** What golden folders cannot show of the decoders: agreement of both ways, round trips, hostile answers, real SDKs. */
import fc from 'fast-check'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { anthropic } from '../../../providers/anthropic/index.ts'
import type { Json } from '../../../providers/provider.ts'
import { GatewayError } from '../../../src/errors.ts'
import { contextOf, play, requestOf, sseOf } from '../../contract/provider.ts'

const request = requestOf(anthropic, {
  model: 'claude-sonnet-4-5',
  stream: true,
  messages: [{ role: 'user', content: 'x' }],
})
const sse = (events: readonly unknown[]): Uint8Array =>
  new TextEncoder().encode(events.map(event => `data: ${JSON.stringify(event)}\n\n`).join(''))

const BLOCKS = [
  { type: 'thinking', thinking: 'First this.', signature: 'sigA' },
  { type: 'thinking', thinking: '', signature: 'sigB' },
  { type: 'redacted_thinking', data: 'blob' },
  { type: 'text', text: 'Looking it up.' },
  { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Rome', days: [1, 2] } },
  { type: 'tool_use', id: 'toolu_2', name: 'noop', input: {} },
]
const USAGE = { input_tokens: 10, cache_read_input_tokens: 5, output_tokens: 20 }

/** The blocks as a stream, each string in pieces of three. */
function streamOf(blocks: readonly Json[]): unknown[] {
  const events: unknown[] = [{ type: 'message_start', message: { id: 'msg_1', model: 'm', usage: USAGE } }]
  const pieces = (text: string): string[] => text.match(/.{1,3}/gs) ?? []
  for (const [index, block] of blocks.entries()) {
    const delta = (of: Json): unknown => ({ type: 'content_block_delta', index, delta: of })
    const empty = {
      ...block,
      ...(block.type === 'tool_use' ? { input: {} } : {}),
      text: '',
      thinking: '',
      signature: '',
    }
    events.push({ type: 'content_block_start', index, content_block: empty })
    if (block.type === 'text')
      events.push(...pieces(block.text as string).map(text => delta({ type: 'text_delta', text })))
    if (block.type === 'thinking') {
      events.push(
        ...pieces(block.thinking as string).map(thinking => delta({ type: 'thinking_delta', thinking })),
      )
      events.push(delta({ type: 'signature_delta', signature: block.signature }))
    }
    if (block.type === 'tool_use') {
      const json = JSON.stringify(block.input)
      events.push(...pieces(json).map(partial_json => delta({ type: 'input_json_delta', partial_json })))
    }
    events.push({ type: 'content_block_stop', index })
  }
  events.push(
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: USAGE },
    { type: 'message_stop' },
  )
  return events
}

function whole(blocks: readonly Json[]): Json {
  const answer = { id: 'msg_1', model: 'm', content: blocks, stop_reason: 'tool_use', usage: USAGE }
  const made = anthropic.chat?.decode?.(answer, contextOf(request))
  return ((made?.body.choices as Json[] | undefined)?.[0]?.message ?? {}) as Json
}

/** Our stream through the official OpenAI client, with a server that is only a fetch. */
async function throughSdk(events: readonly unknown[]): Promise<OpenAI.ChatCompletion> {
  const body = sseOf(play(anthropic, contextOf(request), [sse(events)]))
  const client = new OpenAI({
    apiKey: 'none',
    baseURL: 'http://127.0.0.1:9/v1',
    maxRetries: 0,
    fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
  })
  const stream = client.chat.completions.stream({
    model: 'm',
    messages: [{ role: 'user', content: 'x' }],
    stream_options: { include_usage: true },
  })
  return await stream.finalChatCompletion()
}

describe('whole and streamed answers', () => {
  it('are the same to the official client', async () => {
    const { choices, usage, id } = await throughSdk(streamOf(BLOCKS))
    const message = whole(BLOCKS)
    expect(id).toBe('msg_1')
    expect(choices[0]?.finish_reason).toBe('tool_calls')
    expect(choices[0]?.message.content).toBe(message.content)
    const calls = choices[0]?.message.tool_calls?.map(call => ({
      id: call.id,
      type: call.type,
      function: call.type === 'function' && { name: call.function.name, arguments: call.function.arguments },
    }))
    expect(calls).toEqual(message.tool_calls)
    expect(usage).toMatchObject({ prompt_tokens: 15, completion_tokens: 20, total_tokens: 35 })
  })

  it('give back the very thinking blocks, kept whole or piece by piece', () => {
    const thinking = BLOCKS.slice(0, 3)
    const played = play(anthropic, contextOf(request), [sse(streamOf(BLOCKS))])
    const pieces = played.chunks.flatMap(chunk =>
      (chunk.choices as { delta: { reasoning_details?: Json[] } }[]).flatMap(
        one => one.delta.reasoning_details ?? [],
      ),
    )
    for (const details of [whole(BLOCKS).reasoning_details, pieces]) {
      const history = [
        { role: 'user', content: 'x' },
        { role: 'assistant', content: 'y', reasoning_details: details },
        { role: 'user', content: 'z' },
      ]
      const made = anthropic.chat?.encode(
        requestOf(anthropic, { model: 'claude-sonnet-4-5', messages: history }),
      )
      const body = JSON.parse(new TextDecoder().decode(made?.body)) as { messages: { content: Json[] }[] }
      expect(body.messages[1]?.content.slice(0, 3)).toEqual(thinking)
    }
  })
})

describe('hostile answers', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('', null, 7, {}))
  const type = fc.constantFrom(
    ...(
      'message_start content_block_start content_block_delta content_block_stop message_delta message_stop ping ' +
      'error x'
    ).split(' '),
  )
  const block = fc.record(
    {
      type: fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use', 'x'),
      text,
      thinking: text,
      signature: text,
      id: text,
      name: text,
      input: fc.jsonValue(),
      citations: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  const count = fc.oneof(fc.integer(), fc.constantFrom(null, 'x', 1e300, -5, 1.5))
  const usage = fc.oneof(
    fc.record(
      {
        input_tokens: count,
        output_tokens: count,
        cache_read_input_tokens: count,
        cache_creation_input_tokens: count,
        cache_creation: fc.jsonValue(),
        iterations: fc.jsonValue(),
        output_tokens_details: fc.jsonValue(),
      },
      { requiredKeys: [] },
    ),
    fc.jsonValue(),
  )
  const delta = fc.record(
    {
      type: fc.constantFrom(
        'text_delta',
        'thinking_delta',
        'signature_delta',
        'input_json_delta',
        'citations_delta',
        'x',
      ),
      text,
      thinking: text,
      signature: text,
      partial_json: text,
      citation: fc.jsonValue(),
      stop_reason: fc.constantFrom('end_turn', 'tool_use', 'refusal', 'x', null, 5),
      stop_details: fc.jsonValue(),
    },
    { requiredKeys: [] },
  )
  const event = fc.oneof(
    {
      weight: 9,
      arbitrary: fc.record(
        {
          type,
          index: fc.integer({ min: 0, max: 2 }),
          content_block: block,
          delta,
          usage,
          message: fc.record({ usage, content: fc.array(block) }),
          error: fc.jsonValue(),
        },
        { requiredKeys: ['type'] },
      ),
    },
    { weight: 1, arbitrary: fc.jsonValue() },
  )

  it('streams never throw, and never show usage that cannot be', () => {
    let done = 0
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), events => {
        const played = play(anthropic, contextOf(request), [sse(events)])
        if (played.end === 'done') done++
        for (const one of played.usages) {
          for (const counted of Object.values(one))
            expect(Number.isSafeInteger(counted) && counted >= 0).toBe(true)
          expect(one.cacheReadInputTokens + one.cacheCreationInputTokens).toBeLessThanOrEqual(one.inputTokens)
          expect(one.reasoningOutputTokens).toBeLessThanOrEqual(one.outputTokens)
        }
      }),
      { numRuns: 500 },
    )
    expect(done).toBeGreaterThan(0)
  })

  it('whole ones decode or are named as a failure', () => {
    const answer = fc.oneof(
      fc.record(
        {
          content: fc.array(block),
          stop_reason: text,
          stop_details: fc.jsonValue(),
          usage,
          id: text,
          model: text,
        },
        { requiredKeys: ['content'] },
      ),
      fc.jsonValue(),
    )
    fc.assert(
      fc.property(answer, one => {
        try {
          anthropic.chat?.decode?.(one, contextOf(request))
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('nested beyond all measure are malformed, whole and streamed', () => {
    const depth = 200_000
    const input = `${'['.repeat(depth)}${']'.repeat(depth)}`
    const body = `{"content":[{"type":"tool_use","id":"t","name":"n","input":${input}}]}`
    let answer: unknown
    try {
      answer = JSON.parse(body)
    } catch {
      return // this engine does not even read it
    }
    expect(() => anthropic.chat?.decode?.(answer, contextOf(request))).toThrow(GatewayError)
    const start = `data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":${input}}}\n\n`
    expect(play(anthropic, contextOf(request), [new TextEncoder().encode(start)]).end).toMatchObject({
      kind: 'malformed',
    })
  })

  it('put no words of an upstream error into a stream', () => {
    const secret = 'sk-ant-api03-secret'
    for (const error of [
      { type: 'overloaded_error', message: secret },
      { type: secret, message: 'x' },
      secret,
    ]) {
      const { end } = play(anthropic, contextOf(request), [sse([{ type: 'error', error }])])
      expect(end).toMatchObject({ kind: 'overloaded' })
      expect(JSON.stringify(end)).not.toContain(secret)
    }
  })

  it('errors with names from Object.prototype are unknown', () => {
    for (const type of ['constructor', 'toString', '__proto__']) {
      expect(anthropic.classify?.(500, { error: { type } })).toBeUndefined()
    }
    for (const body of [undefined, null, '', 'text', 5, [], {}, { error: null }, { error: 'x' }]) {
      expect(anthropic.classify?.(500, body)).toBeUndefined()
    }
  })
})

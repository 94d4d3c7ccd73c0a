/** Chat answers as Anthropic messages: whole and streamed come to the same, and the official client reads both. */
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../providers/provider.ts'
import type { RenderContext } from '../../../src/wire/inbound.ts'
import { toMessage } from '../../../src/wire/messages/answer.ts'
import { isForeignThinking, thoughtsOf } from '../../../src/wire/messages/reasoning.ts'
import { createMessageWriter } from '../../../src/wire/messages/stream.ts'

const contextOf = (request: Json = {}): RenderContext => {
  let n = 0
  return { model: 'm', created: 1, newId: prefix => `${prefix}${++n}`, request, likelyInputTokens: 11 }
}

const usage = {
  prompt_tokens: 30,
  completion_tokens: 6,
  total_tokens: 36,
  prompt_tokens_details: { cached_tokens: 10 },
}
const call = (id: string, name: string, text: string) => ({
  id,
  type: 'function',
  function: { name, arguments: text },
})

const whole = (message: Json, reason = 'stop', more: Json = {}, request: Json = {}) =>
  JSON.parse(
    JSON.stringify(
      toMessage(
        { id: 'c', choices: [{ index: 0, message, finish_reason: reason, ...more }], usage },
        contextOf(request),
      ),
    ),
  ) as Json & { content: Json[] }

const chunk = (delta: Json, reason: string | null = null): Json => ({
  id: 'c',
  choices: [{ index: 0, delta, finish_reason: reason }],
})

interface Event {
  readonly name: string
  readonly data: Json & { index?: number; delta?: Json; content_block?: Json }
}

function eventsOf(text: string): Event[] {
  return text
    .split('\n\n')
    .filter(Boolean)
    .map(one => {
      const [, name = '', data = ''] = /^event: (.*)\ndata: (.*)$/.exec(one) ?? []
      return { name, data: JSON.parse(data) as Event['data'] }
    })
}

function written(chunks: readonly Json[], request: Json = {}): string {
  const writer = createMessageWriter(contextOf(request))
  return chunks.map(one => writer.chunk(one, undefined)).join('') + writer.end()
}

/** What the official client makes of it; it throws on wrong indices and orders. */
async function assembled(text: string): Promise<Json & { content: Json[] }> {
  const lines = eventsOf(text).map(({ data }) => `${JSON.stringify(data)}\n`)
  const stream = MessageStream.fromReadableStream(new Blob(lines).stream())
  return JSON.parse(JSON.stringify(await stream.finalMessage())) as Json & { content: Json[] }
}

/** The rules of the wire: one block open at a time, indices rising, every event named by its type, one end. */
function checkOrder(text: string): void {
  const events = eventsOf(text)
  let open: number | undefined
  let next = 0
  for (const { name, data } of events) {
    expect(data.type).toBe(name)
    if (name === 'content_block_start') {
      expect(open).toBeUndefined()
      expect(data.index).toBe(next++)
      open = data.index
      if (data.content_block?.type === 'tool_use') {
        expect(data.content_block.input).toEqual({})
        expect([data.content_block.id, data.content_block.name]).not.toContain('')
      }
    }
    if (name === 'content_block_delta') expect(data.index).toBe(open)
    if (name === 'content_block_stop') {
      expect(data.index).toBe(open)
      open = undefined
    }
  }
  expect(events[0]?.name).toBe('message_start')
  expect(events.slice(-2).map(({ name }) => name)).toEqual(['message_delta', 'message_stop'])
  expect(events.filter(({ name }) => name === 'message_delta')).toHaveLength(1)
}

describe('stop reasons, alike whole and streamed', () => {
  test.each([
    ['stop', {}, 'end_turn'],
    ['length', {}, 'max_tokens'],
    ['content_filter', {}, 'refusal'],
    ['tool_calls', { tool_calls: [call('a', 't', '{}')] }, 'tool_use'],
    // hosts that say `stop` beside calls, and `tool_calls` without any
    ['stop', { tool_calls: [call('a', 't', '{}')] }, 'tool_use'],
    ['tool_calls', {}, 'end_turn'],
    ['STOP', {}, 'end_turn'],
  ])('%s %o: %s', async (reason, more, want) => {
    expect(whole({ content: 'x', ...more }, reason)).toMatchObject({ stop_reason: want, stop_sequence: null })
    const text = written([chunk({ content: 'x', ...more }), chunk({}, reason)])
    expect(await assembled(text)).toMatchObject({ stop_reason: want, stop_sequence: null })
  })

  test('a stop sequence that the host names', async () => {
    const request = { stop_sequences: ['END'] }
    const want = { stop_reason: 'stop_sequence', stop_sequence: 'END' }
    expect(whole({ content: 'x' }, 'stop', { stop_reason: 'END' }, request)).toMatchObject(want)
    const last = { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop', matched_stop: 'END' }] }
    expect(await assembled(written([chunk({ content: 'x' }), last], request))).toMatchObject(want)
  })
})

describe('usage', () => {
  test('the cache is left out of input_tokens; nothing is negative', async () => {
    const want = {
      input_tokens: 20,
      cache_read_input_tokens: 10,
      cache_creation_input_tokens: 0,
      output_tokens: 6,
    }
    expect(whole({ content: 'x' }).usage).toEqual(want)
    const end = [chunk({}, 'stop'), { id: 'c', choices: [], usage }, { id: 'c', choices: [], usage: null }]
    expect((await assembled(written([chunk({ content: 'x' }), ...end]))).usage).toMatchObject(want)
    const odd = { prompt_tokens: 7, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 161 } }
    const text = written([chunk({ content: 'x' }, 'stop'), { id: 'c', choices: [], usage: odd }])
    expect((await assembled(text)).usage).toMatchObject({ input_tokens: 0, cache_read_input_tokens: 7 })
  })

  test('a host that does not count gets an estimate, and it says so', () => {
    const events = eventsOf(written([chunk({ content: 'twelve chars' }, 'stop')]))
    expect(events.at(-2)?.data.usage).toEqual({ input_tokens: 11, output_tokens: 3, estimated: true })
    const answer = toMessage(
      { choices: [{ message: { content: 'twelve chars' }, finish_reason: 'stop' }] },
      contextOf(),
    )
    expect(answer.usage).toEqual({ input_tokens: 11, output_tokens: 3, estimated: true })
  })
})

describe('tool calls', () => {
  test('whole: an object stays one, everything else is wrapped', () => {
    const input = (text: unknown) => whole({ tool_calls: [call('a', 't', text as string)] }).content[0]?.input
    expect(input('{"a":1}')).toEqual({ a: 1 })
    expect(input('')).toEqual({})
    expect(input('null')).toEqual({})
    expect(input('"{\\"a\\":1}"')).toEqual({ a: 1 })
    expect(input('[1]')).toEqual({ arguments: [1] })
    expect(input('1.0')).toEqual({ arguments: 1 })
    expect(input('{"a":')).toEqual({ arguments: '{"a":' })
  })

  test('whole: digits stay as they were written', () => {
    const message = toMessage(
      { choices: [{ message: { tool_calls: [call('a', 't', '{"a":1.0,"b":[1152921504606846976]}')] } }] },
      contextOf(),
    )
    expect(JSON.stringify(message)).toContain('"input":{"a":1.0,"b":[1152921504606846976]}')
  })

  const piece = (index: number | undefined, id: string, name: string, text: string) =>
    chunk({
      tool_calls: [
        {
          ...(index === undefined ? {} : { index }),
          id,
          function: { ...(name && { name }), arguments: text },
        },
      ],
    })

  test.each([
    [
      'one after the other',
      [piece(0, 'a', 'x', '{"p":'), piece(0, '', '', '1}'), piece(1, 'b', 'y', '{"q":2}')],
    ],
    [
      'interleaved',
      [
        piece(0, 'a', 'x', ''),
        piece(1, 'b', 'y', '{"q"'),
        piece(0, '', '', '{"p":1}'),
        piece(1, '', '', ':2}'),
      ],
    ],
    ['the name late', [piece(0, 'a', '', ''), piece(1, 'b', 'y', '{"q":2}'), piece(0, '', 'x', '{"p":1}')]],
    [
      'without index',
      [
        piece(undefined, 'a', 'x', '{"p":'),
        piece(undefined, '', '', '1}'),
        piece(undefined, 'b', 'y', '{"q":2}'),
      ],
    ],
    ['counted from 1', [piece(1, 'a', 'x', '{"p":1}'), piece(2, 'b', 'y', '{"q":2}')]],
    [
      'at once',
      [
        chunk({
          tool_calls: [
            { index: 0, ...call('a', 'x', '{"p":1}') },
            { index: 1, ...call('b', 'y', '{"q":2}') },
          ],
        }),
      ],
    ],
  ])('streamed %s', async (_, pieces) => {
    const text = written([chunk({ content: 'So:' }), ...pieces, chunk({}, 'tool_calls')])
    checkOrder(text)
    expect((await assembled(text)).content).toEqual([
      { type: 'text', text: 'So:' },
      { type: 'tool_use', id: 'a', name: 'x', input: { p: 1 } },
      { type: 'tool_use', id: 'b', name: 'y', input: { q: 2 } },
    ])
  })

  test('a delta of the open call leaves at once', () => {
    const writer = createMessageWriter(contextOf())
    writer.chunk(piece(0, 'a', 'x', ''), undefined)
    expect(eventsOf(writer.chunk(piece(0, '', '', '{"p'), undefined))).toEqual([
      {
        name: 'content_block_delta',
        data: {
          type: 'content_block_delta',
          index: 0,
          delta: { type: 'input_json_delta', partial_json: '{"p' },
        },
      },
    ])
  })

  test('ids are never empty, text after a call waits for it, a call without a name is none', async () => {
    const text = written([
      piece(0, '', 'x', '{"p":'),
      chunk({ content: 'Then.' }),
      piece(0, '', '', '1}'),
      piece(1, 'z', '', ''),
      chunk({}, 'tool_calls'),
    ])
    checkOrder(text)
    expect((await assembled(text)).content).toEqual([
      { type: 'tool_use', id: expect.stringMatching(/^toolu_/), name: 'x', input: { p: 1 } },
      { type: 'text', text: 'Then.' },
    ])
  })
})

describe('reasoning', () => {
  const deltas = [
    chunk({
      reasoning: 'a',
      reasoning_content: 'a',
      reasoning_details: [{ type: 'reasoning.text', text: 'a', format: 'google-gemini-v1', index: 0 }],
    }),
    chunk({
      reasoning_details: [
        { type: 'reasoning.text', text: '', signature: 'c2ln', format: 'google-gemini-v1', index: 0 },
      ],
    }),
    chunk({ content: 'b' }),
    chunk({
      reasoning_details: [
        { type: 'reasoning.encrypted', data: 'ZW5j', format: 'google-gemini-v1', index: 1 },
      ],
    }),
    chunk({ content: 'c' }, 'stop'),
  ]

  test('another provider’s signatures come back as they were', async () => {
    const text = written(deltas)
    checkOrder(text)
    const { content } = await assembled(text)
    expect(content.map(block => block.type)).toEqual(['thinking', 'text', 'redacted_thinking'])
    expect(content[1]).toEqual({ type: 'text', text: 'bc' })
    expect(content.filter(isForeignThinking)).toHaveLength(2)
    const thoughts = thoughtsOf(content)
    expect(thoughts.text).toBe('a')
    expect(thoughts.details).toEqual([
      { type: 'reasoning.text', text: 'a', signature: 'c2ln', format: 'google-gemini-v1', index: 0 },
      { type: 'reasoning.encrypted', data: 'ZW5j', format: 'google-gemini-v1', index: 1 },
    ])
  })

  test('Claude’s own signatures stay bare, so that Claude can read them', async () => {
    const details = [
      { type: 'reasoning.text', text: 'a', signature: 'EqQB', format: 'anthropic-claude-v1', index: 0 },
    ]
    const want = { type: 'thinking', thinking: 'a', signature: 'EqQB' }
    expect(whole({ reasoning: 'a', content: 'b', reasoning_details: details }).content[0]).toEqual(want)
    const text = written([
      chunk({ reasoning: 'a', reasoning_details: details }),
      chunk({ content: 'b' }, 'stop'),
    ])
    expect((await assembled(text)).content[0]).toEqual(want)
    expect(isForeignThinking(want)).toBe(false)
  })

  test('a tool call’s extra content rides along', () => {
    const extra = { google: { thought_signature: 'c2ln' } }
    const { content } = whole(
      { tool_calls: [{ ...call('a', 't', '{}'), extra_content: extra }] },
      'tool_calls',
    )
    expect(thoughtsOf(content).extras.get('a')).toEqual(extra)
  })

  test('what a client broke is lost without a fault', () => {
    for (const data of ['switchgate.v1.', 'switchgate.v1.%%%', 'switchgate.v1.bnVsbA=='])
      expect(thoughtsOf([{ type: 'thinking', thinking: 'x', signature: data }]).text).toBe('x')
  })

  test('Mistral’s parts', async () => {
    const content = [
      { type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] },
      { type: 'text', text: 'so' },
    ]
    const want = [
      { type: 'thinking', thinking: 'hm', signature: '' },
      { type: 'text', text: 'so' },
    ]
    expect(whole({ content }).content).toEqual(want)
    expect((await assembled(written([chunk({ content }, 'stop')]))).content).toEqual(want)
  })
})

test('a second answer that a host streams beside the first does not run into it', async () => {
  const second = (delta: Json, reason: string | null = null): Json => ({
    id: 'c',
    choices: [{ index: 1, delta, finish_reason: reason }],
  })
  const text = written([
    chunk({ role: 'assistant', content: 'Su' }),
    second({ role: 'assistant', content: 'No' }),
    chunk({ content: 're' }),
    second({ content: 'pe' }, 'length'),
    chunk({}, 'stop'),
  ])
  expect(eventsOf(text).flatMap(({ data }) => data.delta?.text ?? [])).toEqual(['Su', 're'])
  expect(eventsOf(text).find(({ name }) => name === 'message_delta')?.data.delta).toMatchObject({
    stop_reason: 'end_turn',
  })
})

/** Chat chunks as Responses events: the golden order, what hosts do wrong, and the same answer whole and streamed. */
import { expect, describe, test } from 'vitest'
import type { RenderContext } from '../../../src/wire/inbound.ts'
import { openKept } from '../../../src/wire/responses/reasoning.ts'
import { ResponseWriter, responseOf } from '../../../src/wire/responses/writer.ts'
import { GatewayError } from '../../../src/errors.ts'

type Json = Record<string, unknown>

function contextOf(request: Json = {}): RenderContext {
  let n = 0
  return {
    model: 'asked',
    created: 1_700_000_000,
    newId: prefix => `${prefix}${++n}`,
    request,
    likelyInputTokens: 1,
  }
}

interface Sent {
  readonly name: string
  readonly data: Json
}

function parse(text: string): Sent[] {
  return text
    .split('\n\n')
    .filter(block => block !== '')
    .map(block => {
      const [first = '', second = ''] = block.split('\n')
      return { name: first.slice('event: '.length), data: JSON.parse(second.slice('data: '.length)) as Json }
    })
}

const chunkOf = (delta: Json, finish: string | null = null, more: Json = {}): Json => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'real-model',
  choices: [{ index: 0, delta, finish_reason: finish, ...more }],
})
const usage = {
  prompt_tokens: 10,
  completion_tokens: 7,
  total_tokens: 17,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 2 },
}
const usageChunk = { id: 'chatcmpl-1', model: 'real-model', choices: [], usage }

function streamed(chunks: readonly Json[], request: Json = {}, cost?: number): Sent[] {
  const writer = new ResponseWriter(contextOf(request))
  const text =
    chunks.map(chunk => writer.chunk(chunk, chunk.usage ? cost : undefined)).join('') + writer.end()
  return parse(text)
}
const short = (events: readonly Sent[]) => events.map(({ name }) => name.replace('response.', ''))
const last = (events: readonly Sent[]) => events.at(-1)?.data.response as Json & { output: Json[] }

/** What must hold for every stream, whatever came in. */
function sound(events: readonly Sent[]): void {
  expect(events.map(({ data }) => data.sequence_number)).toEqual(events.map((_, i) => i))
  for (const { name, data } of events) expect(data.type).toBe(name)
  const added = events.filter(({ name }) => name === 'response.output_item.added').map(({ data }) => data)
  const done = events.filter(({ name }) => name === 'response.output_item.done').map(({ data }) => data)
  expect(added.map(one => one.output_index)).toEqual(added.map((_, i) => i))
  const { output } = last(events)
  expect(output).toHaveLength(added.length)
  expect(done).toHaveLength(added.length)
  for (const one of added) {
    const index = one.output_index as number
    const end = done.filter(other => other.output_index === index)
    expect(end).toHaveLength(1)
    expect(end[0]?.item).toEqual(output[index])
    expect((one.item as Json).id).toBe(output[index]?.id)
    const inside = events.filter(({ data }) => data.output_index === index && data.item_id !== undefined)
    for (const { data } of inside) expect(data.item_id).toBe(output[index]?.id)
  }
  const ids = events.filter(({ data }) => data.response).map(({ data }) => (data.response as Json).id)
  expect(new Set(ids).size).toBe(1)
}

describe('the order of events', () => {
  test('reasoning, text and a call, each announced and done before the next', () => {
    const events = streamed([
      chunkOf({ role: 'assistant', content: '' }),
      chunkOf({ reasoning: 'I ', reasoning_content: 'I ' }),
      chunkOf({ reasoning: 'think', reasoning_content: 'think' }),
      chunkOf({ content: 'Hel' }),
      chunkOf({ content: 'lo' }),
      chunkOf({
        tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'f', arguments: '' } }],
      }),
      chunkOf({ tool_calls: [{ index: 0, function: { arguments: '{"a"' } }] }),
      chunkOf({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
      chunkOf({}, 'tool_calls'),
      usageChunk,
    ])
    sound(events)
    expect(short(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'reasoning_summary_part.added',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.delta',
      'reasoning_summary_text.done',
      'reasoning_summary_part.done',
      'output_item.done',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'output_item.added',
      'function_call_arguments.delta',
      'function_call_arguments.delta',
      'function_call_arguments.done',
      'output_item.done',
      'completed',
    ])
    expect(last(events)).toMatchObject({
      status: 'completed',
      model: 'real-model',
      incomplete_details: null,
      output: [
        { type: 'reasoning', summary: [{ type: 'summary_text', text: 'I think' }] },
        { type: 'message', status: 'completed', content: [{ type: 'output_text', text: 'Hello' }] },
        { type: 'function_call', status: 'completed', call_id: 'call_a', name: 'f', arguments: '{"a":1}' },
      ],
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 0 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 17,
      },
    })
  })

  test('a delta is told in the same step as it came, and announcements are empty', () => {
    const writer = new ResponseWriter(contextOf())
    const first = parse(writer.chunk(chunkOf({ content: 'A' }), undefined))
    expect(first.at(-1)).toMatchObject({
      name: 'response.output_text.delta',
      data: { delta: 'A', logprobs: [] },
    })
    const part = first.find(({ name }) => name === 'response.content_part.added')?.data.part
    expect(part).toEqual({ type: 'output_text', text: '', annotations: [], logprobs: [] })
    expect(first[0]?.data.response).toMatchObject({ status: 'in_progress', output: [], usage: null })
    expect(short(parse(writer.chunk(chunkOf({ content: 'B' }), undefined)))).toEqual(['output_text.delta'])
  })

  test('text, refusal and citations share a message; log probabilities go along', () => {
    const annotation = {
      type: 'url_citation',
      url_citation: { url: 'https://e.org', title: 'E', start_index: 0, end_index: 2 },
    }
    const token = { token: 'Hi', logprob: -0.1, bytes: [72, 105], top_logprobs: [] }
    const events = streamed([
      chunkOf({ content: 'Hi' }, null, { logprobs: { content: [token] } }),
      chunkOf({ annotations: [annotation] }),
      chunkOf({ refusal: 'No.' }),
      chunkOf({}, 'stop'),
    ])
    sound(events)
    expect(last(events).output).toMatchObject([
      {
        type: 'message',
        content: [
          {
            type: 'output_text',
            text: 'Hi',
            logprobs: [token],
            annotations: [
              { type: 'url_citation', url: 'https://e.org', title: 'E', start_index: 0, end_index: 2 },
            ],
          },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
    ])
    expect(short(events)).toContain('refusal.done')
    expect(short(events)).toContain('output_text.annotation.added')
  })

  test.each([
    ['length', 'incomplete', { reason: 'max_output_tokens' }],
    ['content_filter', 'incomplete', { reason: 'content_filter' }],
    ['stop', 'completed', null],
    ['STOP', 'completed', null],
  ])('finish reason %s', (finish, status, details) => {
    const events = streamed([chunkOf({ content: 'x' }), chunkOf({}, finish)])
    sound(events)
    expect(events.at(-1)?.name).toBe(`response.${status}`)
    expect(last(events)).toMatchObject({ status, incomplete_details: details, output: [{ status }] })
  })

  test('nothing at all is still a whole response', () => {
    const events = streamed([])
    sound(events)
    expect(last(events)).toMatchObject({ status: 'completed', output: [], model: 'asked', usage: null })
  })

  test('the cost stands in the usage when it was asked for', () => {
    const events = streamed([chunkOf({ content: 'x' }, 'stop'), usageChunk], {}, 150)
    expect(last(events).usage).toMatchObject({ cost: 0.00000015, input_tokens: 10 })
  })

  test('a broken stream ends in a numbered error event and nothing after it', () => {
    const writer = new ResponseWriter(contextOf())
    const before = parse(writer.chunk(chunkOf({ content: 'x' }), undefined))
    const after = parse(writer.error(new GatewayError('interrupted', 'alpha: broke off')))
    expect(after).toEqual([
      {
        name: 'error',
        data: {
          type: 'error',
          sequence_number: before.length,
          code: 'upstream_unavailable',
          message: 'alpha: broke off',
          param: null,
        },
      },
    ])
    expect(writer.end()).toBe('')
  })
})

describe('calls as hosts send them', () => {
  const call = (entry: Json) => chunkOf({ tool_calls: [entry] })
  const callsOf = (events: readonly Sent[]) =>
    last(events).output.map(({ call_id: id, name, arguments: given }) => [id, name, given])

  test('interleaved parallel calls are kept apart', () => {
    const events = streamed([
      call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x"' } }),
      call({ index: 1, id: 'b', function: { name: 'g', arguments: '{"y"' } }),
      call({ index: 0, function: { arguments: ':1}' } }),
      call({ index: 1, function: { arguments: ':2}' } }),
      chunkOf({}, 'tool_calls'),
    ])
    sound(events)
    expect(callsOf(events)).toEqual([
      ['a', 'f', '{"x":1}'],
      ['b', 'g', '{"y":2}'],
    ])
  })

  test('a finished call is done as soon as the next one begins', () => {
    const writer = new ResponseWriter(contextOf())
    writer.chunk(call({ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }), undefined)
    const next = parse(
      writer.chunk(call({ index: 1, id: 'b', function: { name: 'g', arguments: '' } }), undefined),
    )
    expect(short(next)).toEqual(['function_call_arguments.done', 'output_item.done', 'output_item.added'])
  })

  test.each<[string, Json[], unknown[]]>([
    [
      'every index is 0',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{}' } },
        { index: 0, id: 'b', function: { name: 'g', arguments: '{}' } },
      ],
      [
        ['a', 'f', '{}'],
        ['b', 'g', '{}'],
      ],
    ],
    [
      'no index at all',
      [
        { id: 'a', function: { name: 'f', arguments: '{' } },
        { function: { arguments: '}' } },
        { id: 'b', function: { name: 'g', arguments: '{}' } },
      ],
      [
        ['a', 'f', '{}'],
        ['b', 'g', '{}'],
      ],
    ],
    [
      'id and name repeated, then empty',
      [
        { index: 0, id: 'a', function: { name: 'f', arguments: '{' } },
        { index: 0, id: 'a', function: { name: 'f', arguments: '' } },
        { index: 0, id: '', function: { name: '', arguments: '}' } },
      ],
      [['a', 'f', '{}']],
    ],
    [
      'the name comes after the first arguments',
      [
        { index: 0, id: 'a', function: { arguments: '{' } },
        { index: 0, function: { name: 'f', arguments: '}' } },
      ],
      [['a', 'f', '{}']],
    ],
    [
      'an index from 1, arguments as an object',
      [{ index: 1, id: 'a', function: { name: 'f', arguments: { x: 1 } } }],
      [['a', 'f', '{"x":1}']],
    ],
  ])('%s', (_, entries, expected) => {
    const events = streamed([...entries.map(call), chunkOf({}, 'tool_calls')])
    sound(events)
    expect(callsOf(events)).toEqual(expected)
  })

  test('a call without an id gets one', () => {
    const events = streamed([call({ index: 0, function: { name: 'f', arguments: '{}' } })])
    sound(events)
    expect(last(events).output[0]?.call_id).toMatch(/^call_/)
  })

  test('a call that the limit cuts is incomplete', () => {
    const events = streamed([
      call({ index: 0, id: 'a', function: { name: 'f', arguments: '{"x' } }),
      chunkOf({}, 'length'),
    ])
    sound(events)
    expect(last(events).output).toMatchObject([{ status: 'incomplete', arguments: '{"x' }])
  })

  test('custom calls have events of their own', () => {
    const events = streamed([
      call({ index: 0, id: 'a', type: 'custom', custom: { name: 'apply', input: '*** ' } }),
      call({ index: 0, custom: { input: 'End' } }),
      chunkOf({}, 'tool_calls'),
    ])
    sound(events)
    expect(short(events)).toContain('custom_tool_call_input.done')
    expect(last(events).output).toMatchObject([
      { type: 'custom_tool_call', call_id: 'a', name: 'apply', input: '*** End' },
    ])
  })
})

describe('thoughts', () => {
  const format = 'anthropic-claude-v1'
  const kept = (item: Json | undefined) => openKept(item?.encrypted_content)

  test('pieces of a signed block become one; what the model needs back is in encrypted_content', () => {
    const think = (more: Json) => ({
      reasoning_details: [{ type: 'reasoning.text', index: 0, format, ...more }],
    })
    const events = streamed([
      chunkOf({ reasoning: 'a', reasoning_content: 'a', ...think({ text: 'a' }) }),
      chunkOf({ reasoning: 'b', reasoning_content: 'b', ...think({ text: 'b' }) }),
      chunkOf(think({ signature: 'SIG' })),
      chunkOf({ content: 'Done.' }, 'stop'),
    ])
    sound(events)
    const [item] = last(events).output
    expect(item?.summary).toEqual([{ type: 'summary_text', text: 'ab' }])
    expect(kept(item)).toEqual({
      details: [{ type: 'reasoning.text', index: 0, format, text: 'ab', signature: 'SIG' }],
    })
  })

  test('an empty block with a signature survives, as does a redacted one', () => {
    const details = [
      { type: 'reasoning.text', text: '', signature: 'SIG', index: 0, format },
      { type: 'reasoning.encrypted', data: 'XYZ', index: 1, format },
    ]
    const events = streamed([chunkOf({ reasoning_details: details }), chunkOf({ content: 'x' }, 'stop')])
    sound(events)
    const [item] = last(events).output
    expect(item?.summary).toEqual([])
    expect(kept(item)).toEqual({ details })
  })

  test('a signature in the middle of the text does not cut the message', () => {
    const detail = { type: 'reasoning.encrypted', data: 'c2ln', format: 'google-gemini-v1' }
    const events = streamed([
      chunkOf({ content: 'Hel' }),
      chunkOf({ content: 'lo', reasoning_details: [detail] }),
      chunkOf({}, 'stop'),
    ])
    sound(events)
    expect(last(events).output).toMatchObject([
      { type: 'message', content: [{ text: 'Hello' }] },
      { type: 'reasoning' },
    ])
    expect(kept(last(events).output[1])).toEqual({ details: [detail] })
  })

  test("a call's own signature goes before it", () => {
    const extra = { google: { thought_signature: 'c2ln' } }
    const entry = { index: 0, id: 'a', function: { name: 'f', arguments: '{}' }, extra_content: extra }
    const events = streamed([chunkOf({ tool_calls: [entry] }, 'tool_calls')])
    sound(events)
    expect(last(events).output).toMatchObject([
      { type: 'reasoning', summary: [] },
      { type: 'function_call', call_id: 'a' },
    ])
    expect(kept(last(events).output[0])).toEqual({ calls: { a: extra } })
  })

  test('unsigned text goes back as text; a host with another name for it wants none', () => {
    const plain = streamed([chunkOf({ reasoning_content: 'hm' }), chunkOf({ content: 'x' }, 'stop')])
    expect(kept(last(plain).output[0])).toEqual({ text: 'hm' })
    const other = streamed([chunkOf({ reasoning: 'hm' }), chunkOf({ content: 'x' }, 'stop')])
    expect(last(other).output[0]).toMatchObject({ summary: [{ type: 'summary_text', text: 'hm' }] })
    expect(kept(last(other).output[0]), 'marked as made here, with nothing inside').toEqual({})
  })

  test("Mistral's parts", () => {
    const events = streamed([
      chunkOf({ content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] }),
      chunkOf({ content: [{ type: 'text', text: 'Hi' }] }, 'stop'),
    ])
    sound(events)
    expect(last(events).output).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'hm' }] },
      { content: [{ text: 'Hi' }] },
    ])
  })
})

describe('a whole answer', () => {
  const completion = {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'real-model',
    service_tier: 'flex',
    choices: [
      {
        index: 0,
        message: {
          role: 'assistant',
          content: 'Hello',
          refusal: null,
          reasoning_content: 'hm',
          tool_calls: [
            { id: 'a', type: 'function', function: { name: 'f', arguments: '{"x":1}' } },
            { type: 'function', function: { name: 'g', arguments: '{}' } },
          ],
        },
        logprobs: null,
        finish_reason: 'tool_calls',
      },
    ],
    usage,
  }

  test('is what the stream would have come to', () => {
    const request = { tools: [{ type: 'function', name: 'f' }], temperature: 0.3, metadata: { a: 'b' } }
    const whole = responseOf(completion, contextOf(request))
    expect(whole).toMatchObject({
      object: 'response',
      created_at: 1_700_000_000,
      status: 'completed',
      store: false,
      service_tier: 'flex',
      temperature: 0.3,
      metadata: { a: 'b' },
      tools: [{ type: 'function', name: 'f', parameters: null, strict: null }],
      output: [
        { type: 'reasoning', summary: [{ text: 'hm' }] },
        { type: 'message', content: [{ type: 'output_text', text: 'Hello', annotations: [], logprobs: [] }] },
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x":1}' },
        { type: 'function_call', name: 'g', arguments: '{}' },
      ],
      usage: { input_tokens: 10, total_tokens: 17 },
    })
  })

  test('every member that the schema requires is there', () => {
    const required =
      'id object created_at status error incomplete_details instructions model output parallel_tool_calls metadata tool_choice tools temperature top_p usage text reasoning truncation store background previous_response_id'
    for (const name of required.split(' ')) expect(responseOf(completion, contextOf())).toHaveProperty(name)
  })

  test.each([
    [{}],
    [{ choices: 7 }],
    [{ choices: [null] }],
    [{ choices: [{ message: 'x' }] }],
    [{ choices: [{ message: { content: 7, tool_calls: [7] } }] }],
  ])('nonsense is an empty answer, never a crash: %j', nonsense => {
    expect(responseOf(nonsense, contextOf())).toMatchObject({ status: 'completed', output: [] })
  })
})

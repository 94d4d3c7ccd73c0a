/** Tool calls through translation: T45–T51, T32, F01, F02, F21, F22. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answers,
  block,
  callsOf,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  finishes,
  type Json,
  type Rig,
  read,
  sentBy,
  startRig,
  streams,
  TOOLS,
  USAGE,
  usageChunk,
  whole,
} from './rig.ts'
import { heardUntil } from '../waiting.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

const piece = (more: Json): Json => ({ tool_calls: [more] })
const ask = { stream: true, tools: TOOLS }
const begun = (index: number | undefined, id: string | undefined, name: string, args: string) =>
  piece({
    ...(index === undefined ? {} : { index }),
    ...(id === undefined ? {} : { id }),
    type: 'function',
    function: { name, arguments: args },
  })

async function callsThrough(provider: string, ...events: readonly string[]) {
  rig.plays(streams(...events, usageChunk(USAGE), DONE))
  const { events: got } = await read(await rig.chat(provider, ask))
  return { calls: callsOf(got), finishes: finishes(got), events: got.map(event => JSON.stringify(event)) }
}

test('T45 F02 pieces without an index belong to the call before them', async () => {
  const { calls } = await callsThrough(
    'ollama',
    chunk(begun(undefined, 'call_1', 'add', '{"a":')),
    chunk(piece({ function: { arguments: '1}' } })),
    chunk(begun(undefined, 'call_2', 'sub', '{}')),
    chunk({}, 'tool_calls'),
  )
  expect(calls).toEqual([
    { id: 'call_1', name: 'add', arguments: '{"a":1}' },
    { id: 'call_2', name: 'sub', arguments: '{}' },
  ])
})

test('T46 F02 two calls that both say index 0 are not merged', async () => {
  for (const ids of [
    ['call_1', 'call_2'],
    ['', ''],
  ]) {
    const { calls } = await callsThrough(
      'ollama',
      chunk(begun(0, ids[0], 'add', '{"a":1}')),
      chunk(begun(0, ids[1], 'sub', '{}')),
      chunk({}, 'tool_calls'),
    )
    expect(calls.map(call => [call.name, call.arguments])).toEqual([
      ['add', '{"a":1}'],
      ['sub', '{}'],
    ])
    expect(new Set(calls.map(call => call.id)).size).toBe(2)
  }
})

test('F02 indexes counted from 1 come out from 0', async () => {
  const { calls } = await callsThrough(
    'alibaba',
    chunk(begun(1, 'call_1', 'add', '{"a"')),
    chunk(piece({ index: 1, function: { arguments: ':1}' } })),
    chunk(begun(2, 'call_2', 'sub', '{}')),
    chunk({}, 'tool_calls'),
  )
  expect(calls.map(call => call.arguments)).toEqual(['{"a":1}', '{}'])
})

test('T47 an id that comes in the first delta only passes as it is, byte for byte', async () => {
  const events = [
    chunk(begun(0, 'call_1', 'add', '')),
    chunk(piece({ index: 0, function: { arguments: '{"a":1}' } })),
    chunk({}, 'tool_calls'),
  ]
  for (const provider of ['chat', 'alibaba']) {
    rig.plays(streams(...events, DONE))
    expect((await read(await rig.chat(provider, ask))).text, provider).toBe(events.join('') + DONE)
  }
})

test('T51 an empty id on later pieces does not overwrite the real one, and no id at all is made up once', async () => {
  const { calls } = await callsThrough(
    'alibaba',
    chunk(begun(0, 'call_1', 'add', '')),
    chunk(piece({ index: 0, id: '', type: 'function', function: { name: '', arguments: '{"a":1}' } })),
    chunk(piece({ index: 0, id: null, function: { name: null, arguments: null } })),
    chunk({}, 'tool_calls'),
  )
  expect(calls).toEqual([{ id: 'call_1', name: 'add', arguments: '{"a":1}' }])
  const bare = await callsThrough('ollama', chunk(begun(0, '', 'add', '{}')), chunk({}, 'tool_calls'))
  expect(bare.calls[0]?.id).toMatch(/^call_.+/)
})

test('T51 F22 arguments that are absent or an object become a string, whole and streamed', async () => {
  const { calls } = await callsThrough(
    'ollama',
    chunk(piece({ index: 0, id: 'a', function: { name: 'sub' } })),
    chunk(piece({ index: 1, id: 'b', function: { name: 'add', arguments: { a: 1 } } })),
    chunk({}, 'tool_calls'),
  )
  expect(calls.map(call => call.arguments)).toEqual(['', '{"a":1}'])
  rig.plays(
    answers(whole({ tool_calls: [{ function: { name: 'add', arguments: { a: 1 } } }] }, 'tool_calls')),
  )
  const body = (await (await rig.chat('ollama', { tools: TOOLS })).json()) as { choices: { message: Json }[] }
  expect(body.choices[0]?.message.tool_calls).toEqual([
    {
      id: expect.stringMatching(/^call_/),
      type: 'function',
      function: { name: 'add', arguments: '{"a":1}' },
    },
  ])
})

test('a whole call in the chunk that ends the answer is parted from the finish (Mistral)', async () => {
  const {
    calls,
    finishes: ends,
    events,
  } = await callsThrough('mistral', chunk(begun(0, 'AbCdEfGh1', 'add', '{"a":1}'), 'tool_calls'))
  expect(calls).toHaveLength(1)
  expect(ends).toEqual(['tool_calls'])
  expect(events.some(event => event.includes('tool_calls":[') && event.includes('"finish_reason":"'))).toBe(
    false,
  )
})

test('F01 T48 parallel calls whose pieces interleave each arrive in a block of their own on the Messages wire', async () => {
  rig.plays(
    streams(
      chunk(begun(0, 'call_1', 'add', '{"a"')),
      chunk(begun(1, 'call_2', 'sub', '{')),
      chunk(piece({ index: 0, function: { arguments: ':1}' } })),
      chunk(piece({ index: 1, function: { arguments: '}' } })),
      chunk({}, 'tool_calls'),
      usageChunk(USAGE),
      DONE,
    ),
  )
  const client = new Anthropic({ baseURL: rig.gateway.url, apiKey: rig.key })
  const message = await client.messages
    .stream({ model: 'm@chat', max_tokens: 500, messages: [{ role: 'user', content: 'Hi' }] })
    .finalMessage()
  expect(message.content).toMatchObject([
    { type: 'tool_use', id: 'call_1', name: 'add', input: { a: 1 } },
    { type: 'tool_use', id: 'call_2', name: 'sub', input: {} },
  ])
  expect(message.stop_reason).toBe('tool_use')
})

test("T49 Anthropic's argument deltas come out with the index of their call, not of their block", async () => {
  rig.plays(
    streams(
      ...claudeEvents(
        claudeStart(),
        ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Both.' }),
        ...block(
          1,
          { type: 'tool_use', id: 'toolu_1', name: 'add', input: {} },
          { type: 'input_json_delta', partial_json: '{"a":1}' },
        ),
        ...block(
          2,
          { type: 'tool_use', id: 'toolu_2', name: 'sub', input: {} },
          { type: 'input_json_delta', partial_json: '{}' },
        ),
        ...claudeEnd('tool_use'),
      ),
    ),
  )
  const { events } = await read(await rig.chat('claude', ask))
  expect(callsOf(events)).toEqual([
    { id: 'toolu_1', name: 'add', arguments: '{"a":1}' },
    { id: 'toolu_2', name: 'sub', arguments: '{}' },
  ])
})

test('T50 a delta of arguments leaves when it comes, through repair and translation too', async () => {
  for (const [provider, path] of [
    ['ollama', 'chat'],
    ['chat', 'messages'],
    ['ollama', 'messages'],
  ] as const) {
    let release: () => void = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    rig.plays(async response => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(chunk(begun(0, 'call_1', 'add', '{"a":')))
      await held
      response.end(
        chunk(piece({ index: 0, function: { arguments: '1}' } })) +
          chunk({}, 'tool_calls') +
          usageChunk(USAGE) +
          DONE,
      )
    })
    const answer =
      path === 'chat' ? await rig.chat(provider, ask) : await rig.messages(provider, { stream: true })
    const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
    // the upstream says nothing more until the first piece is here: a buffer would wait for ever
    let seen = await heardUntil('{\\"a\\":', reader)
    release()
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) seen += part.value
    expect(seen).toContain('1}')
  }
})

const history = (id: string): Json[] => [
  { role: 'user', content: 'Add.' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id, type: 'function', function: { name: 'add', arguments: '{"b": 1, "a":2}' } }],
  },
  { role: 'tool', tool_call_id: id, content: '3' },
]

test('F21 ids that a host refuses are mapped alike in call and result, and always to the same id', async () => {
  const ids = [
    'toolu_bdrk_01AbCdEfGhIjKlMnOpQrStUvWxYz',
    'call_1',
    'tool_add_0123456789012345678901234567890123456789',
  ]
  for (const [provider, form] of [
    ['mistral', /^[a-zA-Z0-9]{9}$/],
    ['chat', /^.{1,40}$/],
  ] as const) {
    const mapped: string[] = []
    for (const id of [...ids, ...ids]) {
      rig.plays(answers(whole({ content: 'Done.' })))
      expect((await rig.chat(provider, { messages: history(id), tools: TOOLS })).status).toBe(200)
      const [, call, result] = sentBy(rig).messages as [Json, { tool_calls: Json[] }, Json]
      expect(String(call.tool_calls[0]?.id)).toMatch(form)
      expect(result.tool_call_id).toBe(call.tool_calls[0]?.id)
      mapped.push(String(result.tool_call_id))
    }
    expect(mapped.slice(3)).toEqual(mapped.slice(0, 3))
    expect(new Set(mapped).size).toBe(3)
  }
})

test("F21 an id of the host's own form is left alone", async () => {
  rig.plays(answers(whole({ content: 'Done.' })))
  await rig.chat('mistral', { messages: history('AbCdEfGh1') })
  expect(rig.seen[0]?.body).toContain('"id":"AbCdEfGh1"')
})

test('T32 arguments keep their bytes on the way in, even where ids are mapped', async () => {
  for (const provider of ['chat', 'mistral', 'groq']) {
    rig.plays(answers(whole({ content: 'Done.' })))
    await rig.chat(provider, { messages: history('call_far_too_odd_for_mistral') })
    expect(rig.seen[0]?.body, provider).toContain(String.raw`"arguments":"{\"b\": 1, \"a\":2}"`)
  }
})

test('F22 the SDK reads what a host said in pieces that no SDK could', async () => {
  rig.plays(
    streams(
      chunk({ role: 'assistant', content: '' }),
      chunk(piece({ id: '', function: { name: 'add', arguments: '{"a":' } })),
      chunk(piece({ id: '', function: { name: '', arguments: '1}' } })),
      chunk({}, 'stop'),
      DONE,
    ),
  )
  const client = new OpenAI({ baseURL: `${rig.gateway.url}/v1`, apiKey: rig.key })
  const completion = await client.chat.completions
    .stream({ model: 'm@ollama', messages: [{ role: 'user', content: 'Hi' }], tools: TOOLS as never })
    .finalChatCompletion()
  expect(completion.choices[0]).toMatchObject({
    finish_reason: 'tool_calls',
    message: { tool_calls: [{ function: { name: 'add', arguments: '{"a":1}' } }] },
  })
})

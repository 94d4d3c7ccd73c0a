/** OpenAI's first words for tools (`functions`, `function_call`) between wires, and answers that put their text where nobody looks. */
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import {
  answers,
  block,
  CAST,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  deltas,
  finishes,
  read,
  type Rig,
  sentBy,
  startRig,
  streams,
  USAGE,
  usageChunk,
  whole,
} from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig({ ...CAST, cohere: ['cohere', 'command-a-03-2025'] })
})
afterAll(() => rig?.close())

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const functions = [
  { name: 'weather', description: 'Tells it.', parameters },
  { name: 'time', parameters: { type: 'object', properties: {} } },
]
/** Two turns, and an answer of ours as the SDKs hand it back. */
const history = [
  { role: 'user', content: 'Bern, then Basel?' },
  { role: 'assistant', content: null, function_call: { name: 'weather', arguments: '{"city":"Bern"}' } },
  { role: 'function', name: 'weather', content: '7' },
  { role: 'assistant', content: 'Next.', function_call: { name: 'weather', arguments: '{"city":"Basel"}' } },
  { role: 'function', name: 'weather', content: '9' },
  { role: 'assistant', content: '7 and 9.', function_call: null },
  { role: 'user', content: 'And now?' },
]

const claudeMessage = (content: readonly Json[], stop = 'tool_use'): Json => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-5',
  content,
  stop_reason: stop,
  usage: { input_tokens: 100, output_tokens: 20 },
})
const use = (id: string, city: string, name = 'weather'): Json => ({
  type: 'tool_use',
  id,
  name,
  input: { city },
})
const geminiAnswer = (...calls: readonly Json[]): Json => ({
  candidates: [
    {
      content: { role: 'model', parts: calls.map(functionCall => ({ functionCall })) },
      finishReason: 'STOP',
    },
  ],
  usageMetadata: { promptTokenCount: 100, candidatesTokenCount: 20, totalTokenCount: 120 },
})

type Answer = { choices: { message: Json; finish_reason: unknown }[]; error?: Json }
const asked = async (provider: string, more: Json): Promise<Answer> =>
  (await (await rig.chat(provider, more)).json()) as Answer

describe('to Claude', () => {
  test('functions are tools, one call at a time, and the call comes back as function_call', async () => {
    rig.plays(answers(claudeMessage([{ type: 'text', text: 'Let me see.' }, use('toolu_1', 'Bern')])))
    const response = await rig.chat('claude', { functions, function_call: 'auto' })
    expect(response.headers.get('x-switchgate-dropped')).toBeNull()
    const { choices } = (await response.json()) as Answer
    expect(choices[0]?.finish_reason).toBe('function_call')
    expect(choices[0]?.message).toMatchObject({
      content: 'Let me see.',
      function_call: { name: 'weather', arguments: '{"city":"Bern"}' },
    })
    expect(choices[0]?.message).not.toHaveProperty('tool_calls')
    const sent = sentBy(rig)
    expect(sent.tools).toMatchObject([
      { name: 'weather', description: 'Tells it.', input_schema: parameters },
      { name: 'time' },
    ])
    expect(sent.tool_choice).toEqual({ type: 'auto', disable_parallel_tool_use: true })
    expect(sent).not.toHaveProperty('functions')
    expect(sent).not.toHaveProperty('function_call')
  })

  test.each([
    [{ name: 'time' }, { type: 'tool', name: 'time', disable_parallel_tool_use: true }],
    ['none', { type: 'none' }],
  ])('function_call %j', async (choice, expected) => {
    rig.plays(answers(claudeMessage([{ type: 'text', text: 'Well.' }], 'end_turn')))
    const { choices } = await asked('claude', { functions, function_call: choice })
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Well.' } })
    expect(sentBy(rig).tool_choice).toEqual(expected)
  })

  test('calls and results of the history find each other', async () => {
    rig.plays(answers(claudeMessage([{ type: 'text', text: 'Well.' }], 'end_turn')))
    await asked('claude', { functions, messages: history })
    const [, first, second, third, fourth, last] = sentBy(rig).messages as { role: string; content: Json[] }[]
    const idOf = (turn: { content: Json[] } | undefined) =>
      turn?.content.find(({ id }) => id !== undefined)?.id
    expect(first?.content).toMatchObject([{ type: 'tool_use', name: 'weather', input: { city: 'Bern' } }])
    expect(second?.content).toMatchObject([{ type: 'tool_result', tool_use_id: idOf(first), content: '7' }])
    expect(third?.content).toMatchObject([
      { type: 'text', text: 'Next.' },
      { type: 'tool_use', input: { city: 'Basel' } },
    ])
    expect(fourth?.content).toMatchObject([{ type: 'tool_result', tool_use_id: idOf(third), content: '9' }])
    expect(idOf(first)).not.toBe(idOf(third))
    expect(last?.content).toMatchObject([{ type: 'text', text: '7 and 9.' }])
  })

  test('a second call, which the old words have no place for, is not lost', async () => {
    rig.plays(answers(claudeMessage([use('toolu_1', 'Bern'), use('toolu_2', 'Basel')])))
    const { choices } = await asked('claude', { functions })
    expect(choices[0]?.message).toMatchObject({
      function_call: { name: 'weather', arguments: '{"city":"Bern"}' },
      tool_calls: [{ id: 'toolu_2', function: { name: 'weather', arguments: '{"city":"Basel"}' } }],
    })
    // and goes in again as it came out
    rig.plays(answers(claudeMessage([{ type: 'text', text: 'Well.' }], 'end_turn')))
    const messages = [
      { role: 'user', content: 'Both?' },
      choices[0]?.message,
      { role: 'function', name: 'weather', content: '7' },
      { role: 'tool', tool_call_id: 'toolu_2', content: '9' },
    ]
    expect((await asked('claude', { functions, messages })).error).toBeUndefined()
    const sent = sentBy(rig).messages as { content: Json[] }[]
    expect(sent[1]?.content.map(({ input }) => input)).toEqual([{ city: 'Bern' }, { city: 'Basel' }])
    expect(sent[2]?.content.map(({ content }) => content)).toEqual(['7', '9'])
  })

  test('in a stream, by OpenAI’s own client', async () => {
    const json = (partial_json: string) => ({ type: 'input_json_delta', partial_json })
    rig.plays(
      streams(
        ...claudeEvents(
          claudeStart(),
          ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Let me see.' }),
          ...block(
            1,
            { type: 'tool_use', id: 'toolu_1', name: 'weather', input: {} },
            json('{"city":'),
            json('"Bern"}'),
          ),
          ...claudeEnd('tool_use'),
        ),
      ),
    )
    const client = new OpenAI({ apiKey: rig.key, baseURL: `${rig.gateway.url}/v1`, maxRetries: 0 })
    const stream = client.chat.completions.stream({
      model: 'm@claude',
      messages: [{ role: 'user', content: 'Bern?' }],
      functions,
      stream: true,
    })
    const { choices } = await stream.finalChatCompletion()
    expect(choices[0]).toMatchObject({
      finish_reason: 'function_call',
      message: { content: 'Let me see.', function_call: { name: 'weather', arguments: '{"city":"Bern"}' } },
    })
  })

  test('faults are told in the caller’s words', async () => {
    const orphan = [
      { role: 'user', content: 'Hi.' },
      { role: 'function', name: 'weather', content: '7' },
    ]
    for (const [more, param, message] of [
      [{ functions, messages: orphan }, 'messages[1].name', /must name a function_call/],
      [
        { functions, messages: [orphan[0], { role: 'function', content: '7' }] },
        'messages[1].name',
        /must name/,
      ],
      [{ functions, function_call: 7 }, 'function_call', /must be "auto", "none" or/],
      [{ functions: [functions[0], { parameters }] }, 'functions[1].name', /name of the function/],
    ] as const) {
      rig.plays(answers(claudeMessage([{ type: 'text', text: 'Well.' }], 'end_turn')))
      const response = await rig.chat('claude', more as Json)
      const { error = {} } = (await response.json()) as { error?: Json }
      expect([response.status, error.param], JSON.stringify(more)).toEqual([400, param])
      expect(String(error.message)).toMatch(message)
      expect(rig.seen).toEqual([])
    }
  })

  test('who sends tools gets tool_calls, whatever else he sends', async () => {
    rig.plays(answers(claudeMessage([use('toolu_1', 'Bern')])))
    const tools = [{ type: 'function', function: functions[0] }]
    const { choices } = await asked('claude', { tools, messages: history })
    expect(choices[0]).toMatchObject({
      finish_reason: 'tool_calls',
      message: { tool_calls: [{ id: 'toolu_1' }] },
    })
    expect(choices[0]?.message).not.toHaveProperty('function_call')
  })
})

test('to Gemini and back', async () => {
  rig.plays(answers(geminiAnswer({ name: 'weather', args: { city: 'Bern' } })))
  const response = await rig.chat('gemini', {
    functions,
    function_call: { name: 'weather' },
    messages: history,
  })
  expect(response.headers.get('x-switchgate-dropped')).toBeNull()
  const { choices } = (await response.json()) as Answer
  expect(choices[0]).toMatchObject({
    finish_reason: 'function_call',
    message: { function_call: { name: 'weather', arguments: '{"city":"Bern"}' } },
  })
  const sent = sentBy(rig)
  expect(sent.tools).toMatchObject([{ functionDeclarations: [{ name: 'weather' }, { name: 'time' }] }])
  expect(sent.toolConfig).toMatchObject({
    functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] },
  })
  expect(JSON.stringify(sent.contents)).toMatch(
    /functionCall.*Bern.*functionResponse.*7.*Basel.*functionResponse.*9/,
  )
})

test('to Gemini in a stream', async () => {
  const event = (body: Json) => `data: ${JSON.stringify(body)}\n\n`
  rig.plays(streams(event(geminiAnswer({ name: 'weather', args: { city: 'Bern' } }))))
  const { events, text } = await read(await rig.chat('gemini', { functions, stream: true }))
  const calls = deltas(events).flatMap(delta => (delta.function_call ? [delta.function_call as Json] : []))
  expect(calls.find(({ name }) => name)?.name).toBe('weather')
  expect(calls.map(call => call.arguments ?? '').join('')).toBe('{"city":"Bern"}')
  expect(finishes(events)).toEqual(['function_call'])
  expect(text).not.toContain('tool_calls')
})

test('to Cohere', async () => {
  rig.plays(
    answers({
      id: 'c1',
      finish_reason: 'TOOL_CALL',
      message: {
        role: 'assistant',
        tool_calls: [
          { id: 'weather_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Bern"}' } },
        ],
      },
      usage: { tokens: { input_tokens: 100, output_tokens: 20 } },
    }),
  )
  const response = await rig.chat('cohere', { functions, messages: history })
  const { choices } = (await response.json()) as Answer
  expect(choices[0]).toMatchObject({
    finish_reason: 'function_call',
    message: { function_call: { name: 'weather', arguments: '{"city":"Bern"}' } },
  })
  expect(response.headers.get('x-switchgate-dropped')).toBeNull()
})

test('a host of chat’s own wire gets the caller’s bytes, and he its own', async () => {
  const answer = whole({ function_call: { name: 'weather', arguments: '{"city":"Bern"}' } }, 'function_call')
  rig.plays(answers(answer))
  const response = await rig.chat('chat', { functions, function_call: 'auto', messages: history })
  expect(await response.json()).toEqual(answer)
  expect(sentBy(rig)).toMatchObject({ functions, function_call: 'auto', messages: history })
})

describe('answers of a chat host on other wires', () => {
  const tools = [{ name: 'weather', input_schema: parameters }]
  const called = { function_call: { name: 'weather', arguments: '{"city":"Bern"}' } }
  const ask = (path: string, more: Json) => rig.post(path, { model: 'm@chat', ...more })
  const inResponses = (more: Json = {}) => ask('/v1/responses', { input: 'Bern?', ...more })
  const gemini = (verb: string) =>
    rig.post(`/v1beta/models/m@chat:${verb}`, { contents: [{ role: 'user', parts: [{ text: 'Bern?' }] }] })
  const bare = (choice: Json): Json => ({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, finish_reason: 'stop', ...choice }],
    usage: USAGE,
  })

  test('a whole function_call is a call in each', async () => {
    rig.plays(answers(whole(called, 'function_call')))
    expect(await (await rig.messages('chat', { tools })).json()).toMatchObject({
      stop_reason: 'tool_use',
      content: [
        { type: 'tool_use', id: expect.stringMatching(/./), name: 'weather', input: { city: 'Bern' } },
      ],
    })
    expect(await (await inResponses()).json()).toMatchObject({
      status: 'completed',
      output: [{ type: 'function_call', call_id: expect.stringMatching(/./), name: 'weather' }],
    })
    expect(await (await gemini('generateContent')).json()).toMatchObject({
      candidates: [{ content: { parts: [{ functionCall: { name: 'weather', args: { city: 'Bern' } } }] } }],
    })
  })

  test('a streamed one too, in pieces', async () => {
    rig.plays(
      streams(
        chunk({ role: 'assistant', content: null, function_call: { name: 'weather', arguments: '' } }),
        chunk({ function_call: { arguments: '{"city":' } }),
        chunk({ function_call: { arguments: '"Bern"}' } }),
        chunk({}, 'function_call'),
        usageChunk(USAGE),
        DONE,
      ),
    )
    const messages = await (await rig.messages('chat', { tools, stream: true })).text()
    expect(messages).toMatch(/"type":"tool_use","id":"[^"]+","name":"weather"/)
    expect(messages.match(/event: content_block_start/g)?.length).toBe(1)
    expect(messages).toContain('"stop_reason":"tool_use"')
    expect(messages).toContain(JSON.stringify('"Bern"}'))
    const responses = await (await inResponses({ stream: true })).text()
    expect(responses).toContain(`"arguments":${JSON.stringify('{"city":"Bern"}')}`)
    expect(responses).toContain('response.completed')
    const google = await (await gemini('streamGenerateContent?alt=sse')).text()
    expect(google).toMatch(/"functionCall":\{("id":"[^"]+",)?"name":"weather","args":\{"city":"Bern"\}\}/)
  })

  test.each([
    ['text', { text: 'Seven degrees.' }],
    ['delta', { delta: { role: 'assistant', content: 'Seven degrees.' } }],
    ['text, and an empty message', { message: null, text: 'Seven degrees.' }],
  ])('a choice with %s in place of message is heard', async (_, choice) => {
    rig.plays(answers(bare(choice)))
    expect(await (await rig.messages('chat')).json()).toMatchObject({
      content: [{ type: 'text', text: 'Seven degrees.' }],
    })
    expect(JSON.stringify(await (await inResponses()).json())).toContain('Seven degrees.')
    expect(JSON.stringify(await (await gemini('generateContent')).json())).toContain('Seven degrees.')
  })

  test.each([
    ['text', (text: string, finish: string | null) => ({ text, finish_reason: finish })],
    [
      'message',
      (content: string, finish: string | null) => ({ message: { content }, finish_reason: finish }),
    ],
  ])('a chunk with %s in place of delta too', async (_, choice) => {
    const event = (text: string, finish: string | null) =>
      `data: ${JSON.stringify({ ...bare({}), object: 'chat.completion.chunk', usage: null, choices: [{ index: 0, ...choice(text, finish) }] })}\n\n`
    rig.plays(streams(event('Seven ', null), event('degrees.', 'stop'), usageChunk(USAGE), DONE))
    const messages = await (await rig.messages('chat', { stream: true })).text()
    expect(messages).toMatch(/Seven .*degrees\./s)
    expect(messages).toContain('message_stop')
    expect(await (await inResponses({ stream: true })).text()).toContain('Seven degrees.')
  })

  test('what is not counted is estimated from all of it', async () => {
    const { usage: _, ...uncounted } = bare({ delta: { content: 'seven degrees '.repeat(40) } })
    rig.plays(answers(uncounted))
    await (await rig.chat('chat')).text()
    const row = (await rig.gateway.rows()).at(-1)
    expect(row).toMatchObject({ certainty: 'estimated' })
    expect(row?.usage?.outputTokens).toBeGreaterThan(40)
  })
})

/** Requests through translation: T55, T56, T92–T94, T96, F14, F24, F27–F29, and the quirks of a host's row. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { answers, claudeStart, type Json, type Rig, read, startRig, streams, TOOLS, whole } from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

const claudeSays = (words = 'Done.') =>
  answers({
    ...(claudeStart().message as Json),
    content: [{ type: 'text', text: words }],
    stop_reason: 'end_turn',
  })
const chatSays = (content = 'Done.') => answers(whole({ content }))
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PDF = 'data:application/pdf;base64,JVBERi0xLjQKJSVFT0Y='
const sent = (): Json => rig.seen[0]?.json() ?? {}

test('T55 a picture in a tool result is not lost: to Claude, and from the Messages wire to a chat host', async () => {
  const result = [
    { type: 'text', text: 'Here.' },
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
  ]
  const messages = [
    { role: 'user', content: 'Draw.' },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'draw', input: {} }] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: result }] },
  ]
  for (const [provider, says] of [
    ['claude', claudeSays()],
    ['chat', chatSays()],
  ] as const) {
    rig.plays(says)
    expect((await rig.messages(provider, { messages })).status).toBe(200)
    expect(rig.seen[0]?.body, provider).toContain(PNG)
  }
})

test('T55 a PDF stays a PDF', async () => {
  const messages = [
    { role: 'user', content: [{ type: 'file', file: { filename: 'a.pdf', file_data: PDF } }] },
  ]
  rig.plays(claudeSays())
  await rig.chat('claude', { messages })
  expect(JSON.stringify(sent())).toContain('"media_type":"application/pdf"')
  rig.plays(chatSays())
  await rig.chat('chat', { messages })
  expect(sent().messages).toEqual(messages)
})

const FORMAT = {
  type: 'json_schema',
  json_schema: {
    name: 'sum',
    strict: true,
    schema: { type: 'object', properties: { zeta: { type: 'number' }, alpha: { type: 'number' } } },
  },
}

test('T56 json_schema and tools go together', async () => {
  for (const [provider, says] of [
    ['chat', chatSays('{}')],
    ['claude', claudeSays('{}')],
  ] as const) {
    rig.plays(says)
    const answer = await rig.chat(provider, { response_format: FORMAT, tools: TOOLS })
    expect(answer.status, provider).toBe(200)
    expect((sent().tools as Json[]).length, provider).toBeGreaterThanOrEqual(2)
    expect(rig.seen[0]?.body, provider).toContain('zeta')
  }
})

test('T56 a schema is told in words to a host of json_object alone, and that is reported or refused', async () => {
  const system = { role: 'system', content: 'Be brief.' }
  const user = { role: 'user', content: 'Add.' }
  for (const messages of [
    [user],
    [system, user],
    [{ ...system, content: [{ type: 'text', text: 'Be brief.' }] }, user],
  ]) {
    rig.plays(chatSays('{}'))
    const answer = await rig.chat('deepseek', { messages, response_format: FORMAT })
    expect(answer.headers.get('x-switchgate-dropped')).toContain('response_format')
    const body = sent()
    expect(body.response_format).toEqual({ type: 'json_object' })
    const told = body.messages as Json[]
    expect(told.filter(message => message.role === 'system')).toHaveLength(1)
    // the schema in the order of its author
    expect(JSON.stringify(told[0])).toMatch(/JSON.*zeta.*alpha/)
    expect(told.at(-1)).toEqual(user)
  }
  rig.plays(chatSays('{}'))
  const refused = await rig.chat('deepseek', {
    response_format: FORMAT,
    provider: { require_parameters: true },
  })
  expect([refused.status, rig.seen.length]).toEqual([400, 0])
  expect(((await refused.json()) as { error: Json }).error.param).toBe('response_format')
})

test("T92 F28 a caller's beta flags reach Claude and nobody else", async () => {
  const flags = { 'anthropic-beta': 'context-1m-2025-08-07,interleaved-thinking-2025-05-14' }
  rig.plays(claudeSays())
  await rig.messages('claude', {}, flags)
  expect(rig.seen[0]?.headers['anthropic-beta']).toBe(flags['anthropic-beta'])
  rig.plays(chatSays())
  await rig.messages('chat', {}, flags)
  expect(rig.seen[0]?.headers).not.toHaveProperty('anthropic-beta')
})

test('T93 T94 count_tokens answers for every target, says that it is an estimate, and grows with the prompt', async () => {
  const count = async (provider: string, words: string) => {
    const answer = await rig.post('/v1/messages/count_tokens', {
      model: `m@${provider}`,
      messages: [{ role: 'user', content: words }],
    })
    expect(answer.status).toBe(200)
    return (await answer.json()) as { input_tokens: number }
  }
  rig.plays(response => void response.writeHead(599).end())
  for (const provider of ['chat', 'claude', 'gemini']) {
    const small = await count(provider, 'Hello there.')
    const large = await count(provider, 'The quick brown fox jumps over the lazy dog. '.repeat(2000))
    expect(small).toMatchObject({ estimated: true })
    // 10 tokens a sentence
    expect(large.input_tokens / 20_000).toBeGreaterThan(0.75)
    expect(large.input_tokens / 20_000).toBeLessThan(1.25)
  }
})

test('T96 no silent cap: without a limit Claude is asked for all that the model can write, and a cut is told as a cut', async () => {
  rig.plays(
    answers({
      ...(claudeStart().message as Json),
      content: [{ type: 'text', text: 'Cut' }],
      stop_reason: 'max_tokens',
    }),
  )
  const body = (await (await rig.chat('claude')).json()) as { choices: Json[] }
  expect(sent().max_tokens).toBe(64_000)
  expect(body.choices[0]?.finish_reason).toBe('length')
})

test('F14 nulls and empty arrays that a host refuses are left out, and nothing else changes', async () => {
  const messages = [
    { role: 'user', content: 'Hi' },
    {
      role: 'assistant',
      content: 'Yes.',
      refusal: null,
      annotations: [],
      audio: null,
      function_call: null,
      tool_calls: [],
    },
    { role: 'user', content: 'More.' },
  ]
  const body = { messages, tools: [], tool_choice: 'auto', stop: null, temperature: 0.5 }
  for (const provider of ['groq', 'mistral']) {
    rig.plays(chatSays())
    const answer = await rig.chat(provider, body)
    expect(sent().messages, provider).toEqual([
      messages[0],
      { role: 'assistant', content: 'Yes.' },
      messages[2],
    ])
    expect(Object.keys(sent()).sort(), provider).toEqual(['messages', 'model', 'temperature'])
    expect(answer.headers.get('x-switchgate-dropped'), provider).toBeNull()
  }
  rig.plays(chatSays())
  await rig.chat('chat', body)
  expect(sent()).toEqual({ ...body, model: 'gpt-4.1-mini' })
})

test('F14 content: null becomes an empty string for templates that fail on it', async () => {
  const call = { id: 'c', type: 'function', function: { name: 'add', arguments: '{}' } }
  rig.plays(chatSays())
  await rig.chat('ollama', {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: 'c', content: '3' },
    ],
  })
  expect((sent().messages as Json[])[1]).toEqual({ role: 'assistant', content: '', tool_calls: [call] })
})

test('F24 tools, reasoning and fields that nobody has heard of reach every host', async () => {
  const more = { tools: TOOLS, seed: 7, top_k: 5, brand_new_field: { deep: [1, { b: 2 }] } }
  for (const provider of ['chat', 'groq', 'deepseek', 'moonshot', 'perplexity', 'alibaba']) {
    rig.plays(chatSays())
    await rig.chat(provider, more)
    expect(sent(), provider).toMatchObject(more)
  }
})

test('F27 the gateway fetches no picture, whoever asks', async () => {
  const url = `http://127.0.0.1:${rig.upstream.port}/secret.png`
  const messages = [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }]
  for (const [provider, says] of [
    ['chat', chatSays()],
    ['claude', claudeSays()],
    ['ollama', chatSays()],
  ] as const) {
    rig.plays(says)
    const answer = await rig.chat(provider, { messages })
    expect(
      rig.seen.every(({ url: path }) => !path.includes('secret.png')),
      provider,
    ).toBe(true)
    if (provider !== 'ollama') continue
    // a host that takes data only: named, with the cure, and nothing sent
    const { error } = (await answer.json()) as { error: Json }
    expect([answer.status, rig.seen.length, error.param]).toEqual([
      400,
      0,
      'messages[0].content[0].image_url.url',
    ])
    expect(error.message).toContain('data:')
  }
})

test('F29 unknown fields of the Messages wire go to Claude as they are; what would change the bill is refused, never stripped', async () => {
  const more = {
    thread: { id: 't_1', mode: 'continue' },
    context_management: { edits: [] },
    brand_new: [{ a: 1 }],
  }
  rig.plays(claudeSays())
  expect((await rig.messages('claude', more)).status).toBe(200)
  expect(sent()).toMatchObject(more)
  rig.plays(chatSays())
  const { thread, ...rest } = more
  const elsewhere = await rig.messages('chat', rest)
  expect(elsewhere.headers.get('x-switchgate-dropped')).toBe('context_management,brand_new')
  // a thread that is left out would be a question without its history
  const threaded = await rig.messages('chat', { thread })
  expect([threaded.status, await threaded.text()]).toEqual([400, expect.stringContaining('thread')])
  const refused = await rig.messages('claude', { fallbacks: [{ model: 'claude-haiku-4-5' }] })
  expect([refused.status, await refused.text()]).toEqual([400, expect.stringContaining('fallbacks')])
})

test('a host that chooses its tools itself is not sent tool_choice, and that is said', async () => {
  rig.plays(chatSays())
  const answer = await rig.chat('zai', { tools: TOOLS, tool_choice: 'required' })
  expect(sent()).not.toHaveProperty('tool_choice')
  expect(answer.headers.get('x-switchgate-dropped')).toContain('tool_choice')
  rig.plays(chatSays())
  await rig.chat('zai', { tools: TOOLS, tool_choice: 'auto' })
  expect(sent().tool_choice).toBe('auto')
})

test('strict is taken out of tools where it is refused, and that is said', async () => {
  const [tool] = TOOLS
  const strict = { type: 'function', function: { ...tool?.function, strict: true } }
  rig.plays(chatSays())
  const answer = await rig.chat('mistral', { tools: [strict, TOOLS[1]] })
  expect(sent().tools).toEqual(TOOLS)
  expect(answer.headers.get('x-switchgate-dropped')).toContain('strict')
})

test('a reset header of a limit that is used up closes the target for that long', async () => {
  rig.plays(response => {
    response.writeHead(429, {
      'content-type': 'application/json',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '7s',
      'x-ratelimit-remaining-tokens': '900',
      'x-ratelimit-reset-tokens': '50s',
    })
    response.end('{"error":{"message":"slow down","type":"rate_limit_error"}}')
  })
  const answer = await rig.chat('alibaba')
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '7'])
  const before = rig.seen.length
  const again = await rig.chat('alibaba')
  expect(again.status).toBeGreaterThanOrEqual(429)
  expect(rig.seen.length).toBe(before)
})

test('T45 an untouched host gets the bytes of its stream through, every one', async () => {
  const odd = 'data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi","odd":[1, 2 ]}}] }\n\n'
  const end = 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
  for (const provider of ['chat', 'groq', 'mistral', 'ollama']) {
    rig.plays(streams(odd, end))
    expect((await read(await rig.chat(provider, { stream: true }))).text, provider).toBe(odd + end)
  }
})

/** How answers end, and errors inside them: T52–T54, T56, F04, F05, F09, F18–F20, F23. */
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
  joined,
  type Json,
  lastRow,
  type Rig,
  read,
  startRig,
  streams,
  TOOLS,
  USAGE,
  usageChunk,
  whole,
} from './rig.ts'

let rig: Rig
// a provider for each failure: what it does to a target's health is no other test's business
beforeAll(async () => {
  const frail = ['cut1', 'cut2', 'cut3', 'in200', 'in200b', 'first', 'late', 'tls', 'zerr', 'zlate'] as const
  const kinds = frail.map(name => [name, [name.startsWith('z') ? 'zai' : 'openai', 'model']] as const)
  const { CAST } = await import('./rig.ts')
  rig = await startRig({
    ...CAST,
    frailclaude: ['anthropic', 'claude-sonnet-4-5'],
    ...Object.fromEntries(kinds),
  })
})
afterAll(() => rig?.close())

const call = {
  tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'add', arguments: '{}' } }],
}
const gemini = (...chunks: readonly Json[]) => chunks.map(one => `data: ${JSON.stringify(one)}\r\n\r\n`)
const geminiUsage = { promptTokenCount: 100, candidatesTokenCount: 20, totalTokenCount: 120 }

test('T52 text and a tool call in one turn end as a tool turn on every wire', async () => {
  const events = [
    chunk({ content: 'Adding.' }),
    chunk(call),
    chunk({}, 'tool_calls'),
    usageChunk(USAGE),
    DONE,
  ]
  rig.plays(streams(...events))
  const messages = await read(await rig.messages('chat', { stream: true }))
  expect(messages.events.find(event => event.type === 'message_delta')?.delta).toMatchObject({
    stop_reason: 'tool_use',
  })
  rig.plays(
    streams(
      ...claudeEvents(
        claudeStart(),
        ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Adding.' }),
        ...block(1, { type: 'tool_use', id: 'toolu_1', name: 'add', input: {} }),
        ...claudeEnd('tool_use'),
      ),
    ),
  )
  const chat = await read(await rig.chat('claude', { stream: true, tools: TOOLS }))
  expect(finishes(chat.events)).toEqual(['tool_calls'])
  expect(callsOf(chat.events)[0]?.arguments).toBe('{}')
})

test('T53 F19 a host that never says why it stopped gets its reason, by whether it called', async () => {
  rig.plays(streams(chunk(call, undefined), usageChunk(USAGE), DONE))
  expect(finishes((await read(await rig.chat('snowflake', { stream: true }))).events)).toEqual(['tool_calls'])
  rig.plays(streams(chunk({ content: 'Hi' }, undefined), usageChunk(USAGE), DONE))
  expect(finishes((await read(await rig.chat('snowflake', { stream: true }))).events)).toEqual(['stop'])
  rig.plays(answers(whole({ content: 'Hi' }, '')))
  const body = (await (await rig.chat('snowflake')).json()) as { choices: Json[] }
  expect(body.choices[0]?.finish_reason).toBe('stop')
})

test('F19 reasons in upper case, in own words and said twice come out as OpenAI has them, once', async () => {
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'STOP'), chunk({}, 'stop'), DONE))
  expect(finishes((await read(await rig.chat('zai', { stream: true }))).events)).toEqual(['stop'])
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'model_length'), DONE))
  const { events } = await read(await rig.chat('mistral', { stream: true }))
  expect(finishes(events)).toEqual(['length'])
  expect(JSON.stringify(events)).toContain('"native_finish_reason":"model_length"')
  expect((await lastRow(rig)).finishReason).toBe('length')
})

test('F23 T54 a content filter is the same in streams, in whole answers and on the Messages wire', async () => {
  rig.plays(streams(chunk({ content: 'I' }), chunk({}, 'sensitive'), usageChunk(USAGE), DONE))
  const streamed = await read(await rig.chat('zai', { stream: true }))
  rig.plays(answers(whole({ content: 'I' }, 'sensitive')))
  const answer = (await (await rig.chat('zai')).json()) as { choices: Json[] }
  expect([finishes(streamed.events)[0], answer.choices[0]?.finish_reason]).toEqual([
    'content_filter',
    'content_filter',
  ])
  rig.plays(streams(chunk({ content: 'I' }), chunk({}, 'content_filter'), usageChunk(USAGE), DONE))
  const messages = await read(await rig.messages('chat', { stream: true }))
  rig.plays(answers(whole({ content: 'I' }, 'content_filter')))
  const body = (await (await rig.messages('chat')).json()) as Json
  const told = messages.events.find(event => event.type === 'message_delta')?.delta as Json
  expect([told.stop_reason, body.stop_reason]).toEqual(['refusal', 'refusal'])
})

test('F04 Gemini says STOP after a function call: tool_calls, whole and streamed', async () => {
  const parts = [{ functionCall: { name: 'add', args: { a: 1 } } }]
  const answer = {
    candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }],
    usageMetadata: geminiUsage,
  }
  rig.plays(streams(...gemini(answer)))
  expect(finishes((await read(await rig.chat('gemini', { stream: true, tools: TOOLS }))).events)).toEqual([
    'tool_calls',
  ])
  // the call in one chunk, the reason in the next
  rig.plays(
    streams(
      ...gemini(
        { candidates: [{ content: { role: 'model', parts } }] },
        {
          candidates: [{ content: { parts: [{ text: '' }] }, finishReason: 'STOP' }],
          usageMetadata: geminiUsage,
        },
      ),
    ),
  )
  expect(finishes((await read(await rig.chat('gemini', { stream: true, tools: TOOLS }))).events)).toEqual([
    'tool_calls',
  ])
  rig.plays(answers(answer))
  const body = (await (await rig.chat('gemini', { tools: TOOLS })).json()) as { choices: Json[] }
  expect(body.choices[0]?.finish_reason).toBe('tool_calls')
})

test('F05 T54 a blocked prompt and a candidate without content neither crash nor pass for an empty stop', async () => {
  const blocked = {
    promptFeedback: { blockReason: 'SAFETY' },
    usageMetadata: { promptTokenCount: 10, totalTokenCount: 10 },
  }
  for (const stream of [false, true]) {
    rig.plays(stream ? streams(...gemini(blocked)) : answers(blocked))
    const answer = await read(await rig.chat('gemini', { stream }))
    expect(answer.text, String(stream)).toContain('content_filter')
  }
  rig.plays(
    streams(
      ...gemini(
        { candidates: [{}] },
        { candidates: [{ content: {} }] },
        { candidates: [{ finishReason: 'SAFETY' }], usageMetadata: geminiUsage },
      ),
    ),
  )
  expect(finishes((await read(await rig.chat('gemini', { stream: true }))).events)).toEqual([
    'content_filter',
  ])
})

test('F09 a stream cut off after content ends with an error and without [DONE], on every wire', async () => {
  rig.plays(streams(chunk({ content: 'Hel' })))
  const chat = await read(await rig.chat('cut1', { stream: true }))
  expect(chat.text).toContain('"error"')
  expect(chat.text).not.toContain('[DONE]')
  rig.plays(streams(chunk({ content: 'Hel' })))
  const messages = await read(await rig.messages('cut2', { stream: true }))
  expect(messages.events.at(-1)?.type).toBe('error')
  expect(messages.text).not.toContain('message_stop')
  // a host of which [DONE] is the only proper end: no end is made up for it
  rig.plays(streams(chunk({ content: 'Hel' }, undefined)))
  const unfinished = await read(await rig.chat('snowflake', { stream: true }))
  expect(finishes(unfinished.events)).toEqual([])
  expect(unfinished.text).not.toContain('[DONE]')
  const [start] = claudeEvents(claudeStart())
  rig.plays(
    streams(
      start ?? '',
      ...claudeEvents(...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hel' })),
    ),
  )
  const claude = await read(await rig.chat('frailclaude', { stream: true }))
  expect(claude.text).toContain('"error"')
  expect(claude.text).not.toContain('[DONE]')
})

test('F18 T56 an error inside a 200 is an error: whole, as the first event, and after content', async () => {
  const error = { error: { message: 'Provider returned error', code: 429 } }
  rig.plays(answers({ ...error, choices: [] }))
  const first = await rig.chat('in200')
  expect(first.status).toBe(429)
  expect(rig.seen.length).toBeGreaterThanOrEqual(1)
  rig.plays(streams(`data: ${JSON.stringify({ error: { message: 'busy', code: 503 } })}\n\n`))
  expect((await rig.chat('first', { stream: true })).status).toBe(502)
  rig.plays(streams(chunk({ content: 'Hel' }), `event: error\ndata: ${JSON.stringify(error)}\n\n`))
  const late = await read(await rig.chat('late', { stream: true }))
  expect(late.status).toBe(200)
  expect(late.text).not.toContain('[DONE]')
  expect(late.events.at(-1)).toHaveProperty('error')
})

test('T56 a connection that breaks tells the caller in its own wire, not with a raw "terminated"', async () => {
  rig.plays(response => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(chunk({ content: 'Hel' }))
    setTimeout(() => response.destroy(), 20)
  })
  const { events, status } = await read(await rig.chat('tls', { stream: true }))
  expect(status).toBe(200)
  expect(events.at(-1)?.error).toMatchObject({ code: 'upstream_unavailable', type: 'api_error' })
})

test('F19 a host that ends its answer with "network_error" has failed', async () => {
  rig.plays(streams(chunk({}, 'network_error'), DONE))
  expect((await rig.chat('zerr', { stream: true })).status).toBe(502)
  rig.plays(streams(chunk({ content: 'Hel' }), chunk({}, 'network_error'), DONE))
  const late = await read(await rig.chat('zlate', { stream: true }))
  expect(late.text).not.toContain('[DONE]')
  expect(late.events.at(-1)).toHaveProperty('error')
  rig.plays(answers(whole({ content: 'Hel' }, 'network_error')))
  expect((await rig.chat('zlate')).status).toBe(502)
})

test('T54 data: without a space, CR LF line ends and a missing [DONE] are read (Perplexity)', async () => {
  const crlf = (text: string) => text.replaceAll('\n', '\r\n').replaceAll('data: ', 'data:')
  rig.plays(
    streams(': ping\r\n\r\n', crlf(chunk({ content: 'Hi' })), crlf(chunk({}, 'stop', { usage: USAGE }))),
  )
  const { events, text } = await read(await rig.chat('perplexity', { stream: true }))
  expect(joined(events, 'content')).toBe('Hi')
  expect(text.endsWith(DONE)).toBe(true)
})

test('F20 deltas that repeat all of the text are cut to what is new; those that go on are not', async () => {
  const grown = ['Hello', 'Hello there', 'Hello there, my friend', 'Hello there, my friend. Bye.']
  rig.plays(streams(...grown.map(content => chunk({ content })), chunk({}, 'stop'), DONE))
  expect(joined((await read(await rig.chat('minimax', { stream: true }))).events, 'content')).toBe(
    grown.at(-1),
  )
  const pieces = ['ha', 'ha', 'haha', ' said', ' the', ' clown', ' the clown']
  rig.plays(streams(...pieces.map(content => chunk({ content })), chunk({}, 'stop'), DONE))
  expect(joined((await read(await rig.chat('minimax', { stream: true }))).events, 'content')).toBe(
    pieces.join(''),
  )
})

test('an answer nested half a million deep neither crashes the gateway nor is lost', async () => {
  const deep = `${'['.repeat(400_000)}${']'.repeat(400_000)}`
  const event = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi","reasoning":"Two.","deep":${deep}},"finish_reason":null}]}\n\n`
  rig.plays(streams(event, chunk({}, 'stop'), DONE))
  const stream = await rig.chat('groq', { stream: true })
  expect((await stream.text()).length).toBeGreaterThan(800_000)
  rig.plays(
    answers(
      `{"id":"c","choices":[{"index":0,"finish_reason":"stop","message":{"content":"Hi","reasoning":"Two.","deep":${deep}}}]}`,
    ),
  )
  const answer = await rig.chat('groq')
  expect([answer.status, (await answer.text()).length > 800_000]).toEqual([200, true])
})

/** Reasoning through translation: T36–T44, T95, F03, F15, F16, and the fields it comes under. */
import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answers,
  block,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  deltas,
  joined,
  type Json,
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
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

const SIGNATURE = 'EqQBCkYIBBgCKkDsig+/natureAB=='
const thought = (text: string): readonly Json[] => [
  ...(text === '' ? [] : [{ type: 'thinking_delta', thinking: text }]),
  { type: 'signature_delta', signature: SIGNATURE },
]
const thinking = (text: string) =>
  claudeEvents(
    claudeStart(),
    ...block(0, { type: 'thinking', thinking: '', signature: '' }, ...thought(text)),
    ...block(
      1,
      { type: 'tool_use', id: 'toolu_1', name: 'add', input: {} },
      { type: 'input_json_delta', partial_json: '{}' },
    ),
    ...claudeEnd('tool_use'),
  )
const thinkingOn = { thinking: { type: 'enabled', budget_tokens: 1024 }, max_tokens: 4000 }
const effort = { reasoning: { max_tokens: 1024 }, max_tokens: 4000, tools: TOOLS }

/** What a chat client keeps of a stream and sends back: the details as they came. */
const detailsOf = (events: readonly Json[]) =>
  deltas(events).flatMap(delta => (delta.reasoning_details ?? []) as Json[])

test('T36 F15 a thinking block of a signature alone survives, out and back in', async () => {
  rig.plays(streams(...thinking('')))
  const { events } = await read(await rig.chat('claude', { ...effort, stream: true }))
  const details = detailsOf(events)
  expect(details).toEqual([expect.objectContaining({ type: 'reasoning.text', signature: SIGNATURE })])
  rig.plays(
    answers({
      ...(claudeStart().message as Json),
      content: [{ type: 'text', text: 'Done.' }],
      stop_reason: 'end_turn',
    }),
  )
  await rig.chat('claude', { ...effort, messages: turn({ reasoning_details: details }) })
  const sent = rig.seen[0]?.json().messages as { content: Json[] }[]
  expect(sent[1]?.content[0]).toEqual({ type: 'thinking', thinking: '', signature: SIGNATURE })
})

const turn = (more: Json): Json[] => [
  { role: 'user', content: 'Add.' },
  {
    role: 'assistant',
    content: null,
    tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'add', arguments: '{}' } }],
    ...more,
  },
  { role: 'tool', tool_call_id: 'toolu_1', content: '3' },
]

test('T37 empty text with a signature passes on the Messages wire byte for byte', async () => {
  const events = thinking('')
  rig.plays(streams(...events))
  const { text } = await read(await rig.messages('claude', { stream: true, ...thinkingOn }))
  expect(text).toBe(events.join(''))
})

test('T38 thinking from a host of the chat wire reaches the Messages wire, and goes back where it is wanted', async () => {
  rig.plays(
    streams(
      chunk({ reasoning_content: 'Two and ' }),
      chunk({ reasoning_content: 'one.' }),
      chunk({ content: '3' }),
      chunk({}, 'stop'),
      usageChunk(USAGE),
      DONE,
    ),
  )
  const client = new Anthropic({ baseURL: rig.gateway.url, apiKey: rig.key })
  const message = await client.messages
    .stream({ model: 'm@deepseek', max_tokens: 500, messages: [{ role: 'user', content: 'Hi' }] })
    .finalMessage()
  expect(message.content.map(part => part.type)).toEqual(['thinking', 'text'])
  rig.plays(answers(whole({ content: 'Done.' })))
  await rig.messages('deepseek', {
    messages: [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: message.content },
      { role: 'user', content: 'More.' },
    ],
  })
  expect(rig.seen[0]?.json().messages).toMatchObject([
    {},
    { reasoning_content: 'Two and one.', content: '3' },
    {},
  ])
})

test("T39 a signature that comes in a block's last delta is there for the chat caller, streamed and whole", async () => {
  rig.plays(streams(...thinking('Two and one.')))
  const { events } = await read(await rig.chat('claude', { ...effort, stream: true }))
  expect(detailsOf(events).at(-1)).toMatchObject({ signature: SIGNATURE })
  expect([joined(events, 'reasoning'), joined(events, 'reasoning_content')]).toEqual([
    'Two and one.',
    'Two and one.',
  ])
  rig.plays(
    answers({
      ...(claudeStart().message as Json),
      content: [
        { type: 'thinking', thinking: 'Two and one.', signature: SIGNATURE },
        { type: 'text', text: '3' },
      ],
      stop_reason: 'end_turn',
    }),
  )
  const body = (await (await rig.chat('claude', effort)).json()) as { choices: { message: Json }[] }
  expect(body.choices[0]?.message).toMatchObject({
    content: '3',
    reasoning: 'Two and one.',
    reasoning_content: 'Two and one.',
    reasoning_details: [{ type: 'reasoning.text', text: 'Two and one.', signature: SIGNATURE }],
  })
})

test("T40 T41 F03 Gemini's thought signature goes out with its call and back to it unchanged", async () => {
  const signature = 'CpcBAdHtim9+/sig=='
  const parts = [{ functionCall: { name: 'add', args: {} }, thoughtSignature: signature }]
  rig.plays(answers({ candidates: [{ content: { role: 'model', parts }, finishReason: 'STOP' }] }))
  const body = (await (await rig.chat('gemini', { tools: TOOLS })).json()) as {
    choices: { message: { tool_calls: Json[] } }[]
  }
  const [call] = body.choices[0]?.message.tool_calls ?? []
  expect(call?.extra_content).toEqual({ google: { thought_signature: signature } })
  rig.plays(
    answers({
      candidates: [{ content: { role: 'model', parts: [{ text: 'Done.' }] }, finishReason: 'STOP' }],
    }),
  )
  await rig.chat('gemini', {
    tools: TOOLS,
    messages: [
      { role: 'user', content: 'Add.' },
      { role: 'assistant', content: null, tool_calls: [call] },
      { role: 'tool', tool_call_id: call?.id, content: '3' },
    ],
  })
  const sent = rig.seen[0]?.json().contents as { parts: Json[] }[]
  expect(sent[1]?.parts[0]?.thoughtSignature).toBe(signature)
})

test('T42 twenty turns of a tool loop keep each thinking block before its tool_use', async () => {
  const messages: Json[] = [{ role: 'user', content: 'Add.' }]
  for (let i = 0; i < 20; i++) {
    const [, assistant, result] = turn({
      reasoning_details: [
        {
          type: 'reasoning.text',
          text: `Step ${i}.`,
          signature: `${SIGNATURE}${i}`,
          format: 'anthropic-claude-v1',
          index: 0,
        },
      ],
    })
    messages.push(
      { ...assistant, tool_calls: renamed(assistant, i) },
      { ...result, tool_call_id: `toolu_${i}` },
    )
  }
  rig.plays(
    answers({
      ...(claudeStart().message as Json),
      content: [{ type: 'text', text: 'Done.' }],
      stop_reason: 'end_turn',
    }),
  )
  await rig.chat('claude', { ...effort, messages })
  const sent = rig.seen[0]?.json().messages as { role: string; content: Json[] }[]
  const assistants = sent.filter(message => message.role === 'assistant')
  expect(assistants).toHaveLength(20)
  for (const [i, message] of assistants.entries()) {
    expect(message.content.map(part => part.type)).toEqual(['thinking', 'tool_use'])
    expect(message.content[0]).toMatchObject({ thinking: `Step ${i}.`, signature: `${SIGNATURE}${i}` })
  }
})

const renamed = (assistant: Json = {}, i: number) =>
  (assistant.tool_calls as Json[]).map(call => ({ ...call, id: `toolu_${i}` }))

test('T43 F16 reasoning sealed by one provider is not sent to another: it would be refused', async () => {
  const details = [
    { type: 'reasoning.text', text: 'Two.', signature: SIGNATURE, format: 'anthropic-claude-v1', index: 0 },
  ]
  for (const provider of ['groq', 'mistral', 'ollama']) {
    rig.plays(answers(whole({ content: 'Done.' })))
    const answer = await rig.chat(provider, { messages: turn({ reasoning_details: details }) })
    expect(rig.seen[0]?.body, provider).not.toContain(SIGNATURE)
    expect(answer.headers.get('x-switchgate-dropped'), provider).toContain('reasoning_details')
  }
  rig.plays(
    answers({
      candidates: [{ content: { role: 'model', parts: [{ text: 'Done.' }] }, finishReason: 'STOP' }],
    }),
  )
  const answer = await rig.chat('gemini', { messages: turn({ reasoning_details: details }), tools: TOOLS })
  expect(answer.status).toBe(200)
  expect(rig.seen[0]?.body).not.toContain(SIGNATURE)
})

test('T44 reasoning_content goes back to DeepSeek over several turns, byte for byte', async () => {
  rig.plays(answers(whole({ content: 'Done.' })))
  await rig.chat('deepseek', { messages: turn({ reasoning_content: 'Two and  one.\n' }) })
  expect(rig.seen[0]?.body).toContain(String.raw`"reasoning_content":"Two and  one.\n"`)
})

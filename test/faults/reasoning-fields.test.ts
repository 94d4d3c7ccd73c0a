/** The fields that reasoning comes under at each host: T95, and what goes back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answers,
  chunk,
  DONE,
  joined,
  type Json,
  type Rig,
  read,
  sentBy,
  startRig,
  streams,
  USAGE,
  usageChunk,
  whole,
} from './rig.ts'

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
})
afterAll(() => rig?.close())

test('T95 the shape of thinking is one, whichever host thought', async () => {
  const thinks: readonly (readonly [string, Json])[] = [
    ['deepseek', { reasoning_content: 'Two.', content: '3' }],
    ['groq', { reasoning: 'Two.', content: '3' }],
    ['ollama', { reasoning: 'Two.', content: '3' }],
    ['perplexity', { content: '<think>\nTwo.</think>\n\n3' }],
    ['minimax', { content: '<think>\nTwo.</think>\n\n3' }],
    ['snowflake', { reasoning_details: [{ type: 'reasoning.text', text: 'Two.' }], content: '3' }],
    [
      'mistral',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Two.' }] },
          { type: 'text', text: '3' },
        ],
      },
    ],
  ]
  for (const [provider, message] of thinks) {
    rig.plays(answers(whole(message)))
    const body = (await (await rig.chat(provider)).json()) as { choices: { message: Json }[] }
    expect(body.choices[0]?.message, provider).toMatchObject({ reasoning_content: 'Two.', content: '3' })
    rig.plays(
      streams(...inPieces(message).map(delta => chunk(delta)), chunk({}, 'stop'), usageChunk(USAGE), DONE),
    )
    const { events } = await read(await rig.chat(provider, { stream: true }))
    expect([joined(events, 'reasoning_content'), joined(events, 'content')], provider).toEqual(['Two.', '3'])
  }
})

/** Text a character at a time, so that every tag is cut everywhere. */
function inPieces(message: Json): readonly Json[] {
  const { content, ...rest } = message
  const first = Object.keys(rest).length > 0 ? [rest] : []
  return [
    ...first,
    ...(typeof content === 'string' ? [...content].map(one => ({ content: one })) : [{ content }]),
  ]
}

test("T95 what came out under our name goes back under the host's own", async () => {
  const back: readonly (readonly [string, Json])[] = [
    ['groq', { reasoning: 'Two.' }],
    ['minimax', { content: '<think>\nTwo.\n</think>\n\n3' }],
    [
      'mistral',
      {
        content: [
          { type: 'thinking', thinking: [{ type: 'text', text: 'Two.' }] },
          { type: 'text', text: '3' },
        ],
      },
    ],
  ]
  for (const [provider, expected] of back) {
    rig.plays(answers(whole({ content: 'Done.' })))
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: '3', reasoning_content: 'Two.' },
      { role: 'user', content: 'More.' },
    ]
    await rig.chat(provider, { messages })
    const [, sent] = sentBy(rig).messages as Json[]
    expect(sent, provider).toMatchObject(expected)
    expect(sent, provider).not.toHaveProperty('reasoning_content')
  }
})

test('an answer that speaks of <think> later on, and one that is cut inside it, lose no text', async () => {
  const said = 'Write <think> like this: </think>.'
  rig.plays(streams(...[...said].map(content => chunk({ content })), chunk({}, 'stop'), DONE))
  expect(joined((await read(await rig.chat('perplexity', { stream: true }))).events, 'content')).toBe(said)
  rig.plays(streams(...[...'<think>Two </thi'].map(content => chunk({ content })), chunk({}, 'length'), DONE))
  const { events } = await read(await rig.chat('perplexity', { stream: true }))
  expect(joined(events, 'reasoning_content')).toBe('Two </thi')
})

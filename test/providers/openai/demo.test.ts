/** The built-in demo model: honest about itself, and well formed whole and streamed. */
import { expect, test } from 'vitest'
import { DEMO_MODEL, demoAnswer, demoChunks } from '../../../providers/demo.ts'
import { finishReasonOf, usageFromChat } from '../../../src/wire/openai.ts'

const newId = (prefix: string) => `${prefix}1`
const request = {
  model: DEMO_MODEL,
  messages: [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'first' },
    { role: 'assistant', content: 'no' },
    { role: 'user', content: [{ type: 'text', text: 'Hello there' }, { type: 'image_url' }] },
  ],
}

type Chunk = {
  choices: { delta: { content?: string }; finish_reason: string | null }[]
  usage?: unknown
  id: string
}
const chunksOf = (r: object) => demoChunks(r as Record<string, unknown>, 7, newId) as unknown as Chunk[]
const textOf = (answer: Record<string, unknown>) =>
  (answer as unknown as { choices: [{ message: { content: string } }] }).choices[0].message.content

test('it says that it is a demo, echoes, and names the way on', () => {
  const answer = demoAnswer(request, 7, newId)
  expect(textOf(answer)).toMatch(
    /demo, not a model.*You said: Hello there.*OPENAI_API_KEY.*switchgate\.yaml/s,
  )
  expect(answer).toMatchObject({ id: 'chatcmpl-1', object: 'chat.completion', created: 7, model: DEMO_MODEL })
  const usage = usageFromChat(answer.usage)
  expect(usage?.inputTokens).toBe(6)
  expect(usage?.outputTokens).toBe(textOf(answer).split(/\s+/).length)
})

test('the stream holds the same text, one finish reason, and the usage last', () => {
  const chunks = chunksOf(request)
  const text = chunks.map(c => c.choices[0]?.delta.content ?? '').join('')
  const answer = demoAnswer(request, 7, newId)
  expect(text).toBe(textOf(answer))
  expect(chunks.map(finishReasonOf).filter(r => r !== undefined)).toEqual(['stop'])
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: answer.usage })
  expect(new Set(chunks.map(c => c.id)).size).toBe(1)
})

test('an output limit ends it with length, where the usage says', () => {
  const answer = demoAnswer({ ...request, max_tokens: 4 }, 7, newId)
  expect(finishReasonOf(answer)).toBe('length')
  expect(usageFromChat(answer.usage)?.outputTokens).toBe(4)
  expect(finishReasonOf(demoAnswer({ ...request, max_completion_tokens: 4000 }, 7, newId))).toBe('stop')
})

test('odd requests get an answer too', () => {
  for (const messages of [
    undefined,
    [],
    [null],
    [{ role: 'user' }],
    [{ role: 'user', content: [null, {}] }],
  ]) {
    expect(textOf(demoAnswer({ messages }, 7, newId))).toContain('nothing that I can echo')
  }
  const long = demoAnswer(
    { messages: [{ role: 'user', content: `${'x'.repeat(499)}🙂${'y'.repeat(900)}` }] },
    7,
    newId,
  )
  expect(textOf(long).isWellFormed()).toBe(true)
  expect(textOf(long).length).toBeLessThan(900)
})

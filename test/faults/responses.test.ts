/** The Responses wire over chat hosts: F17, T43. */
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answers,
  chunk,
  DONE,
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

const said = [
  chunk({ role: 'assistant', content: '' }),
  chunk({ reasoning: 'Two and one.' }),
  chunk({ content: 'Adding.' }),
  chunk({
    tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a"' } }],
  }),
  chunk({ tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }),
  chunk({}, 'tool_calls'),
  usageChunk(USAGE),
  DONE,
]

test('F17 every item is added, done and in the final response under one id; calls have a call_id; numbers rise by one', async () => {
  rig.plays(streams(...said))
  const { events } = await read(
    await rig.post('/v1/responses', { model: 'm@groq', input: 'Add.', stream: true }),
  )
  expect(events.map(event => event.sequence_number)).toEqual(events.map((_, i) => i))
  const ids = (type: string) =>
    events.filter(event => event.type === type).map(event => (event.item as Json).id)
  const last = events.at(-1) as { type: string; response: { output: Json[]; usage: Json } }
  expect(last.type).toBe('response.completed')
  expect(last.response.output.map(item => item.type)).toEqual(['reasoning', 'message', 'function_call'])
  expect(ids('response.output_item.added')).toEqual(last.response.output.map(item => item.id))
  expect(ids('response.output_item.done')).toEqual(last.response.output.map(item => item.id))
  expect(last.response.output.at(-1)).toMatchObject({
    call_id: 'call_1',
    name: 'add',
    arguments: '{"a":1}',
    status: 'completed',
  })
  expect(last.response.usage).toMatchObject({ input_tokens: 100, output_tokens: 20, total_tokens: 120 })
})

test('F17 the SDK puts a stream together to what the whole answer says', async () => {
  const client = new OpenAI({ baseURL: `${rig.gateway.url}/v1`, apiKey: rig.key })
  rig.plays(streams(...said))
  const streamed = await client.responses.stream({ model: 'm@chat', input: 'Add.' }).finalResponse()
  const call = { id: 'call_1', type: 'function', function: { name: 'add', arguments: '{"a":1}' } }
  rig.plays(answers(whole({ content: 'Adding.', tool_calls: [call] }, 'tool_calls')))
  const answer = await client.responses.create({ model: 'm@chat', input: 'Add.' })
  const plain = (output: readonly object[]) =>
    output.filter(item => (item as Json).type !== 'reasoning').map(item => ({ ...item, id: undefined }))
  expect(plain(streamed.output)).toMatchObject(plain(answer.output).map(({ id: _, ...item }) => item))
})

test('T43 reasoning sealed elsewhere is not sent to a host that cannot read it', async () => {
  rig.plays(answers(whole({ content: 'Done.' })))
  const answer = await rig.post('/v1/responses', {
    model: 'm@groq',
    input: [
      { role: 'user', content: 'Add.' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAAABsealed' },
      { type: 'function_call', call_id: 'call_1', name: 'add', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_1', output: '3' },
    ],
  })
  expect(answer.status).toBe(200)
  expect(JSON.stringify(sentBy(rig))).not.toContain('gAAAAABsealed')
})

/** What hosts with OpenAI's wire would refuse does not reach them; those that read it get it whole. */
import { expect, test } from 'vitest'
import type { Quirks } from '../../../providers/provider.ts'
import type { Offer } from '../../../src/terms.ts'
import { parseBody } from '../../../src/wire/body.ts'
import { fit as fitTo } from '../../../src/wire/responses/fit.ts'
import { sealKept } from '../../../src/wire/responses/reasoning.ts'
import { toChat } from '../../../src/wire/responses/request.ts'

const OFFER: Offer = {
  provider: 'alpha',
  model: 'm',
  upstream: 'm',
  price: undefined,
  contextTokens: undefined,
  maxOutputTokens: undefined,
  supports: new Set(),
  thinksUnseen: false,
}
const chatOf = (input: unknown) => {
  const text = JSON.stringify({ model: 'm', input })
  return toChat(parseBody(new TextEncoder().encode(text), text, { depthMax: 64 }))
}
const fitted = (input: unknown, quirks: Quirks = {}) => fitTo(chatOf(input), OFFER, quirks)

const details = [{ type: 'reasoning.text', text: 'hm', signature: 'S', index: 0 }]
const extra = { google: { thought_signature: 'c2ln' } }
const TALK = [
  { role: 'user', content: 'Hi' },
  {
    type: 'reasoning',
    summary: [],
    encrypted_content: sealKept({ details, text: 'hm', calls: { a: extra } }),
  },
  { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
  { type: 'function_call_output', call_id: 'a', output: 'x' },
]
const CALL = { id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }

test('signatures of other providers stay here, and that is said', () => {
  const { body, dropped } = fitted(TALK)
  expect(body.json.messages).toEqual([
    { role: 'user', content: 'Hi' },
    { role: 'assistant', content: null, tool_calls: [CALL] },
    { role: 'tool', tool_call_id: 'a', content: 'x' },
  ])
  expect(dropped).toEqual(['encrypted_content'])
  expect(new TextDecoder().decode(body.bytes)).not.toContain('reasoning')
})

test('plain reasoning goes to hosts that want it back, everything to those that read it', () => {
  expect((fitted(TALK, { replaysReasoning: true }).body.json.messages as object[])[1]).toEqual({
    role: 'assistant',
    content: null,
    tool_calls: [CALL],
    reasoning_content: 'hm',
  })
  const whole = fitted(TALK, { keepsExtensions: true })
  expect((whole.body.json.messages as object[])[1]).toMatchObject({ reasoning_details: details })
  expect(whole.dropped).toEqual([])
})

test('pictures among tool results are shown by the user after all of them', () => {
  const picture = { type: 'input_image', image_url: 'data:image/png;base64,AAAA' }
  const { body } = fitted([
    { role: 'user', content: 'Look' },
    { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
    { type: 'function_call', call_id: 'b', name: 'f', arguments: '{}' },
    { type: 'function_call_output', call_id: 'a', output: [{ type: 'input_text', text: 'one' }, picture] },
    { type: 'function_call_output', call_id: 'b', output: [picture] },
    { role: 'user', content: 'And?' },
  ])
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
  expect((body.json.messages as object[]).slice(2)).toEqual([
    { role: 'tool', tool_call_id: 'a', content: 'one' },
    { role: 'tool', tool_call_id: 'b', content: 'The result is shown below.' },
    { role: 'user', content: [image, image] },
    { role: 'user', content: 'And?' },
  ])
})

test('what the assistant said in two items is one string; marked parts stay parts', () => {
  const said = (text: string) => ({ role: 'assistant', content: [{ type: 'output_text', text }] })
  const { body } = fitted([{ role: 'user', content: 'Hi' }, said('One. '), said('Two.')])
  expect((body.json.messages as object[])[1]).toEqual({ role: 'assistant', content: 'One. Two.' })
  const marked = { type: 'input_text', text: 'Rules', cache_control: { type: 'ephemeral' } }
  const { body: kept } = fitted([
    { role: 'system', content: [marked] },
    { role: 'user', content: 'Hi' },
  ])
  expect((kept.json.messages as object[])[0]).toEqual({
    role: 'system',
    content: [{ ...marked, type: 'text' }],
  })
})

test('a body with nothing to change is the same body', () => {
  const chat = chatOf('Hi')
  expect(fitTo(chat, OFFER, {}).body).toBe(chat)
})

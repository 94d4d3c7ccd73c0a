/** What is heard of a stream in Gemini's own wire while its bytes pass. */
import { expect, test } from 'vitest'
import { gemini } from '../../../providers/gemini/index.ts'
import type { NativeTap } from '../../../providers/provider.ts'

const tap = (): NativeTap => {
  const made = gemini.gemini?.tap()
  if (!made) throw new Error('no native wire')
  return made
}
const event = (...parts: object[]) => JSON.stringify({ candidates: [{ content: { parts }, index: 0 }] })
const heard = (data: string) => tap().event(data, undefined, data.length)

test('text counts by its bytes, media by their price, signatures not at all', () => {
  expect(heard(event({ text: 'é' })).textBytes).toBe(2)
  expect(heard(event({ text: '', thoughtSignature: 'C'.repeat(9_000) })).textBytes).toBe(0)
  const picture = { inlineData: { mimeType: 'image/png', data: 'A'.repeat(400_000) } }
  expect(heard(event(picture))).toMatchObject({ content: true, textBytes: 2_000 })
  const second = { inlineData: { mimeType: 'audio/L16;rate=24000', data: 'A'.repeat(64_000) } }
  expect(heard(event(second)).textBytes).toBe(128)
  const call = { functionCall: { name: 'a', args: { b: 'c' } } }
  expect(heard(event(call)).textBytes).toBe(JSON.stringify(call).length)
})

test('the ending closes only when every candidate has ended', () => {
  const two = tap()
  const part = (index: number, finishReason?: string) =>
    JSON.stringify({ candidates: [{ content: { parts: [{ text: 'x' }] }, index, finishReason }] })
  const signs = [part(0), part(1), part(0, 'STOP'), part(1, 'MAX_TOKENS')].map(data =>
    two.event(data, undefined, data.length),
  )
  expect(signs.map(sign => sign.closing)).toEqual([false, false, false, true])
  expect(signs.map(sign => sign.finishReason)).toEqual([undefined, undefined, 'stop', 'length'])
})

test('a stream that the budget ends is ended as the model would at its limit', () => {
  const cut = tap()
  const data = JSON.stringify({ ...JSON.parse(event({ text: 'Hi' })), modelVersion: 'g', responseId: 'r' })
  cut.event(data, undefined, data.length)
  const usage = {
    inputTokens: 9,
    outputTokens: 3,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    reasoningOutputTokens: 0,
  }
  expect(JSON.parse(cut.cut(usage).slice(6))).toEqual({
    candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'MAX_TOKENS', index: 0 }],
    usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12, estimated: true },
    modelVersion: 'g',
    responseId: 'r',
  })
})

test('what is no event of Google’s is a failure, or nothing', () => {
  expect(heard('{"candidates":[').failure?.kind).toBe('malformed')
  expect(heard('{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"m"}}').failure).toEqual({
    kind: 'rate_limited',
    message: 'm',
  })
  for (const odd of ['[]', 'null', '7', '{"candidates":7}', '{"candidates":[null,{"content":7}]}', ''])
    expect(heard(odd).failure, odd).toBeUndefined()
})

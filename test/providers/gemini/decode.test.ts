/** What golden folders cannot show of the Gemini decoders: hostile upstreams, and a real client's view of the chunks. */
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import OpenAI from 'openai'
import { ContentFilterFinishReasonError } from 'openai/error'
import { describe, expect, it } from 'vitest'
import { gemini } from '../../../providers/gemini/index.ts'
import type { Json } from '../../../providers/provider.ts'
import { GatewayError } from '../../../src/errors.ts'
import { contextOf, play, requestOf, sseOf } from '../../contract/provider.ts'

const request = requestOf(gemini, { model: 'gemini-2.5-flash', messages: [{ role: 'user', content: 'hi' }] })
const sse = (...events: unknown[]): Uint8Array =>
  new TextEncoder().encode(
    events.map(e => `data: ${typeof e === 'string' ? e : JSON.stringify(e)}\n\n`).join(''),
  )
const say = (text: string, finishReason?: string): Json => ({
  candidates: [{ content: { parts: [{ text }] }, ...(finishReason === undefined ? {} : { finishReason }) }],
})
const called = { candidates: [{ content: { parts: [{ functionCall: { name: 'f', args: {} } }] } }] }

describe('endings', () => {
  const endOf = (...events: unknown[]): unknown => play(gemini, contextOf(request), [sse(...events)]).end
  const finishOf = (...events: unknown[]): unknown => {
    const { chunks } = play(gemini, contextOf(request), [sse(...events)])
    const choices = chunks.flatMap(chunk => chunk.choices as { finish_reason: string | null }[])
    return choices.findLast(choice => choice.finish_reason !== null)?.finish_reason
  }

  it('wait for the connection, so that a call after the finish reason still counts', () => {
    expect(finishOf(say('a', 'STOP'), called)).toBe('tool_calls')
    expect(finishOf(called, say('', 'STOP'))).toBe('tool_calls')
    expect(finishOf(called, say('', 'MAX_TOKENS'))).toBe('length')
  })

  it.each([
    ['STOP', 'stop'],
    ['OTHER', 'stop'],
    ['FINISH_REASON_UNSPECIFIED', 'stop'],
    ['A_REASON_OF_NEXT_YEAR', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['RECITATION', 'content_filter'],
    ['IMAGE_SAFETY', 'content_filter'],
    ['TOO_MANY_TOOL_CALLS', 'stop'],
  ])('%s is %s after content', (reason, want) => {
    expect(finishOf(say('a'), say('', reason))).toBe(want)
  })

  it('are open without a finish reason, torn or not', () => {
    expect(endOf(say('a'))).toBe('open')
    expect(endOf()).toBe('open')
    expect(endOf(say('a'), '{"candidates":[{"fin')).toBe('open')
  })

  it('are a fault when something follows an event that is no JSON', () => {
    expect(endOf(say('a'), '<html>', say('b', 'STOP'))).toMatchObject({ kind: 'malformed' })
    expect(endOf(say('a'), '{"candidates":5}')).toMatchObject({ kind: 'malformed' })
  })

  it('name the error of the stream, alone or in an array', () => {
    expect(endOf({ error: { code: 429, status: 'RESOURCE_EXHAUSTED', message: 'slow' } })).toEqual({
      kind: 'rate_limited',
      message: 'slow',
    })
    expect(endOf([{ error: { code: 500 } }])).toMatchObject({ kind: 'overloaded' })
    expect(endOf({ error: { code: 400, message: 'no' } })).toMatchObject({ kind: 'refused' })
    expect(endOf({ error: { code: 400, details: [{ reason: 'API_KEY_INVALID' }] } })).toMatchObject({
      kind: 'bad_credential',
    })
  })

  it('refuse arguments in pieces, which would be lost', () => {
    const piece = { functionCall: { name: 'f', partialArgs: [{ jsonPath: '$.a', stringValue: 'x' }] } }
    expect(endOf({ candidates: [{ content: { parts: [piece] } }] })).toMatchObject({ kind: 'malformed' })
  })
})

describe('a hostile upstream', () => {
  const names = [
    'candidates',
    'content',
    'parts',
    'text',
    'thought',
    'thoughtSignature',
    'functionCall',
    'name',
    'args',
    'id',
    'finishReason',
    'index',
    'usageMetadata',
    'promptTokenCount',
    'candidatesTokenCount',
    'cachedContentTokenCount',
    'error',
    'promptFeedback',
    'blockReason',
    'groundingMetadata',
    'groundingChunks',
    'groundingSupports',
    'inlineData',
    'logprobsResult',
    'chosenCandidates',
    '__proto__',
  ]
  const anything = fc.letrec(tie => ({
    value: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom<unknown>(
        null,
        true,
        -1,
        1.5,
        1e300,
        7,
        '',
        'x',
        'STOP',
        'SAFETY',
        'MALFORMED_FUNCTION_CALL',
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
    ),
  })).value
  // Half of the shapes are nearly right, so that the inner guards are reached too.
  const part = fc.dictionary(
    fc.constantFrom('text', 'thought', 'thoughtSignature', 'functionCall', 'inlineData'),
    anything,
  )
  const nearly = fc.record({
    candidates: fc.array(
      fc.record({
        content: fc.record({ parts: fc.array(part, { maxLength: 3 }) }),
        finishReason: anything,
        logprobsResult: anything,
        groundingMetadata: anything,
      }),
    ),
    usageMetadata: anything,
  })
  const event = fc.oneof(anything, nearly)

  it('cannot make the decoders throw anything but a named failure', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 4 }), events => {
        const { chunks, usages } = play(gemini, contextOf(request), [sse(...events)])
        for (const chunk of chunks) expect(Array.isArray(chunk.choices)).toBe(true)
        for (const usage of usages) {
          for (const count of Object.values(usage))
            expect(Number.isSafeInteger(count) && count >= 0).toBe(true)
        }
        for (const answer of events) {
          try {
            const made = gemini.chat?.decode?.(answer, contextOf(request))
            expect(((made?.body.choices ?? []) as unknown[]).length).toBeGreaterThan(0)
          } catch (error) {
            if (!(error instanceof GatewayError)) throw error
          }
          gemini.classify?.(400, answer)
        }
      }),
      { numRuns: 400 },
    )
  })
})

describe('the openai SDK', () => {
  const root = new URL('../../fixtures/gemini/', import.meta.url)
  const streams = readdirSync(root).filter(name => {
    const files = readdirSync(new URL(`${name}/`, root))
    return files.includes('4-client.sse') && read(name, '4-client.sse').includes('[DONE]')
  })
  function read(name: string, file: string): string {
    return readFileSync(new URL(`${name}/${file}`, root), 'utf8')
  }

  it.each(streams)('assembles %s', async name => {
    const client = JSON.parse(read(name, '1-client.json'))
    const asked = requestOf(gemini, client)
    const played = play(gemini, contextOf(asked), [
      new TextEncoder().encode(read(name, '3-upstream-response.sse')),
    ])
    const openai = new OpenAI({
      apiKey: 'test',
      fetch: async () => new Response(sseOf(played), { headers: { 'content-type': 'text/event-stream' } }),
    })
    const stream = openai.chat.completions.stream({ model: client.model, messages: client.messages })
    const completion = await stream.finalChatCompletion().catch((error: unknown) => {
      // The SDK's helper raises on filtered answers by itself.
      if (error instanceof ContentFilterFinishReasonError) return undefined
      throw error
    })
    if (completion === undefined) return
    const deltas = played.chunks.flatMap(chunk => chunk.choices as { index: number; delta: Json }[])
    const content = deltas
      .filter(c => c.index === 0)
      .map(c => c.delta.content ?? '')
      .join('')
    expect(completion.choices[0]?.message.content ?? '').toBe(content)
    const calls = completion.choices.flatMap(choice => choice.message.tool_calls ?? [])
    expect(calls.length).toBe(deltas.flatMap(c => (c.delta.tool_calls as unknown[]) ?? []).length)
    for (const call of calls) if (call.type === 'function') JSON.parse(call.function.arguments)
    expect(completion.usage?.total_tokens).toBeGreaterThan(0)
  })
})

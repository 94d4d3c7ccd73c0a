/** Google's clients through a real gateway to Gemini: bytes pass, and what is changed on the way. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import { signatureOf } from '../../src/wire/gemini/signatures.ts'
import { sendJson, sleep, sse, until } from '../gateway/harness.ts'
import { answered, eventsIn, type GeminiRig, refused, said, startGeminiRig } from './gemini-rig.ts'

let rig: GeminiRig
beforeAll(async () => {
  rig = await startGeminiRig()
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

const CALL = { functionCall: { id: 'fc_1', name: 'now', args: { zone: 'UTC' } }, thoughtSignature: 'CiQB' }

describe('the request', () => {
  test('bytes pass but for our own fields and the limit of a key', async () => {
    rig.gemini.script = response => sendJson(response, 200, answered({ text: 'Hi' }))
    const small = await rig.gateway.key({ maxOutputTokens: 20 })
    const body = (config: string) =>
      `{ "session_id":"s1", "contents":[{"parts":[{"text":"1.0 \\u00e9"}]}],\n "safety_settings": [],"model":"models/flash"${config}}`
    const bare = `{ "contents":[{"parts":[{"text":"1.0 \\u00e9"}]}],\n "safety_settings": []`
    for (const [config, sent] of [
      ['', ',"generationConfig":{"maxOutputTokens":20}}'],
      [', "generationConfig": {}', ', "generationConfig": {"maxOutputTokens":20}}'],
      [', "generation_config": {"topK":1}', ', "generation_config": {"maxOutputTokens":20,"topK":1}}'],
      [
        ', "generationConfig": {"max_output_tokens": 999 }',
        ', "generationConfig": {"max_output_tokens": 20 }}',
      ],
    ] as const) {
      const answer = await rig.ask('flash:generateContent', body(config), { 'x-goog-api-key': small })
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-switchgate-max-tokens')).toBe('20')
      expect(rig.gemini.seen.at(-1)?.body).toBe(`${bare}${sent}`)
    }
    expect(rig.gemini.seen[0]?.url).toBe('/v1beta/models/gemini-3-flash:generateContent')
    expect(rig.gemini.seen[0]?.headers['x-goog-api-key']).toBeUndefined()
  })

  test('what another model signed is taken out, Gemini’s own signatures stay', async () => {
    rig.gemini.script = response => sendJson(response, 200, answered({ text: 'Hi' }))
    const foreign = signatureOf([
      { type: 'reasoning.text', text: 'Hm.', signature: 'EqQB', format: 'anthropic-claude-v1' },
    ])
    const talk = (signature: string, skip: string, none: string) =>
      `{"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"${none}"},{"functionCall":{"name":"now","args":{"n":1.0}},"thoughtSignature": "${skip}"},{"functionCall":{"name":"now"},"thoughtSignature":"${signature}"}]},{"role":"user","parts":[{"functionResponse":{"name":"now","response":{}}}]}],"generationConfig":{"maxOutputTokens":64}}`
    await rig.ask('flash:generateContent', talk('CiQB', foreign, foreign))
    expect(rig.gemini.seen[0]?.body).toBe(talk('CiQB', 'skip_thought_signature_validator', ''))
  })
})

describe('the answer', () => {
  test('whole: every byte, usage as Google counts it', async () => {
    const text = JSON.stringify(answered({ text: 'Hm.', thought: true }, CALL), null, 2)
    rig.gemini.script = response => sendJson(response, 200, text)
    const answer = await rig.ask('flash:generateContent', { contents: [{ parts: [{ text: 'Hi' }] }] })
    expect(await answer.text()).toBe(text)
    expect(answer.headers.get('x-switchgate-provider')).toBe('google')
    expect(await rig.lastRow()).toMatchObject({
      operation: 'generate_content',
      upstreamModel: 'gemini-3-flash',
      finishReason: 'tool_calls',
      answerId: 'resp-up',
      certainty: 'exact',
      usage: { inputTokens: 20, cacheReadInputTokens: 8, outputTokens: 12, reasoningOutputTokens: 7 },
    })
  })

  test('a stream: every byte, in events as they come', async () => {
    const events = [said({ text: 'Hm.', thought: true }), said({ text: 'Hello' }), said({ text: ' you.' })]
    const last = said({ text: '', thoughtSignature: 'CiQB' }, { finishReason: 'STOP' })
    rig.gemini.script = async response => {
      sse(response)
      for (const event of events) {
        response.write(event)
        await sleep(30)
      }
      response.end(last)
    }
    const answer = await rig.ask('flash:streamGenerateContent?alt=sse', {
      contents: [{ parts: [{ text: 'Hi' }] }],
    })
    const pieces: string[] = []
    for await (const piece of answer.body ?? []) pieces.push(new TextDecoder().decode(piece as Uint8Array))
    expect(pieces.join('')).toBe(events.join('') + last)
    expect(pieces.length).toBeGreaterThan(2)
    expect(rig.gemini.seen[0]?.url).toBe('/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse')
    expect(await rig.lastRow()).toMatchObject({
      stream: true,
      certainty: 'exact',
      finishReason: 'stop',
      usage: { inputTokens: 12, outputTokens: 4 },
    })
  })

  test('@google/genai: a chat with a call, signatures and all', async () => {
    const turns = [
      said({ text: 'Let me see.' }) + said(CALL, { finishReason: 'STOP' }),
      said({ text: 'Noon.' }, { finishReason: 'STOP' }),
    ]
    rig.gemini.script = (response, _, n) => void sse(response).end(turns[n - 1])
    const chat = rig.google().chats.create({ model: 'flash' })
    for await (const _ of await chat.sendMessageStream({ message: 'Time?' }));
    const result = { functionResponse: { id: 'fc_1', name: 'now', response: { output: '12:00' } } }
    let text = ''
    for await (const chunk of await chat.sendMessageStream({ message: [result] })) text += chunk.text
    expect(text).toBe('Noon.')
    expect(((rig.gemini.seen[1]?.json().contents ?? []) as Json[]).slice(1)).toEqual([
      { parts: [{ text: 'Let me see.' }], role: 'model' },
      { parts: [CALL], role: 'model' },
      { role: 'user', parts: [result] },
    ])
  })

  test('@google/generative-ai: whole answers and streams', async () => {
    rig.gemini.script = (response, seen) =>
      seen.url.includes('stream')
        ? void sse(response).end(said({ text: 'Hello' }) + said({ text: ' you.' }, { finishReason: 'STOP' }))
        : sendJson(response, 200, answered({ text: 'Hi!' }))
    expect((await rig.older('flash').generateContent('Hi')).response.text()).toBe('Hi!')
    const { stream } = await rig.older('flash').generateContentStream('Hi')
    const texts: string[] = []
    for await (const chunk of stream) texts.push(chunk.text())
    expect(texts).toEqual(['Hello', ' you.'])
  })

  test('a blocked prompt is an answer, whole and streamed', async () => {
    const blocked = {
      promptFeedback: { blockReason: 'PROHIBITED_CONTENT' },
      usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
    }
    rig.gemini.script = (response, seen) =>
      seen.url.includes('stream')
        ? void sse(response).end(`data: ${JSON.stringify(blocked)}\r\n\r\n`)
        : sendJson(response, 200, blocked)
    const whole = await rig.google().models.generateContent({ model: 'flash', contents: 'Hi' })
    expect(whole.promptFeedback?.blockReason).toBe('PROHIBITED_CONTENT')
    const chunks: unknown[] = []
    for await (const chunk of await rig
      .google()
      .models.generateContentStream({ model: 'flash', contents: 'Hi' }))
      chunks.push(chunk.promptFeedback?.blockReason)
    expect(chunks).toEqual(['PROHIBITED_CONTENT'])
    expect(await rig.lastRow()).toMatchObject({ finishReason: 'content_filter', usage: { inputTokens: 9 } })
  })
})

describe('when it breaks', () => {
  const STREAM = { contents: [{ parts: [{ text: 'Hi' }] }] }

  test('an error of Google’s: the status, a scrubbed message, this wire’s shape', async () => {
    rig.gemini.script = response =>
      sendJson(response, 400, { error: { code: 400, message: 'Bad thing.', status: 'INVALID_ARGUMENT' } })
    const failure = await refused(rig.google().models.generateContent({ model: 'flash', contents: 'Hi' }))
    expect(failure).toMatchObject({ status: 400 })
    expect(failure?.message).toContain('Bad thing.')
  })

  test('a stream without an ending is an error', async () => {
    rig.gemini.script = response => void sse(response).end(said({ text: 'Hello' }))
    const answer = await rig.ask('flash:streamGenerateContent?alt=sse', STREAM)
    expect(eventsIn(await answer.text()).map(event => Object.keys(event)[0])).toEqual(['candidates', 'error'])
    expect(await rig.lastRow()).toMatchObject({ error: 'interrupted' })
  })

  test('an error inside a stream, after content', async () => {
    rig.gemini.script = response =>
      void sse(response).end(
        `${said({ text: 'Hello' })}data: {"error":{"code":503,"message":"Overloaded.","status":"UNAVAILABLE"}}\r\n\r\n`,
      )
    const answer = await rig.ask('flash:streamGenerateContent?alt=sse', STREAM)
    expect(eventsIn(await answer.text()).at(-1)).toMatchObject({ error: { status: 'UNAVAILABLE' } })
  })

  test('a caller who leaves is left', async () => {
    const before = rig.gemini.aborted
    rig.gemini.script = response => void sse(response).write(said({ text: 'Hello' }))
    const leaving = new AbortController()
    const stream = await rig.google().models.generateContentStream({
      model: 'flash',
      contents: 'Hi',
      config: { abortSignal: leaving.signal },
    })
    await refused(
      (async () => {
        for await (const _ of stream) leaving.abort()
      })(),
    )
    await until(() => rig.gemini.aborted > before)
  })

  test('the last event waits until the connection has ended and the bill is settled', async () => {
    const last = said({ text: ' you.' }, { finishReason: 'STOP' })
    let finish = () => {}
    rig.gemini.script = response => {
      sse(response).write(said({ text: 'Hello' }) + last)
      finish = () => void response.end()
    }
    const rows = (await rig.gateway.rows()).length
    const answer = await rig.ask('flash:streamGenerateContent?alt=sse', STREAM)
    let text = ''
    const reading = (async () => {
      for await (const piece of answer.body ?? []) text += new TextDecoder().decode(piece as Uint8Array)
    })()
    await until(() => text !== '')
    await sleep(50)
    expect(text).toBe(said({ text: 'Hello' }))
    expect((await rig.gateway.rows()).length).toBe(rows)
    finish()
    await reading
    expect(text).toBe(said({ text: 'Hello' }) + last)
    expect((await rig.gateway.rows()).length).toBe(rows + 1)
  })
})

/** Google's clients through a real gateway to hosts of OpenAI's wire: what is asked, what they are told, and when things go wrong. */
import { FunctionCallingConfigMode, ThinkingLevel, Type } from '@google/genai'
import { SchemaType } from '@google/generative-ai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import {
  completion,
  DONE,
  delta,
  finish,
  role,
  sendJson,
  sleep,
  sse,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { PNG } from './bodies.ts'
import { eventsIn, type GeminiRig, messagesOf, refused, said, startGeminiRig } from './gemini-rig.ts'
import { callChunk, chunkOf } from './messages-rig.ts'

let rig: GeminiRig
beforeAll(async () => {
  rig = await startGeminiRig()
})
afterAll(() => rig?.close())
beforeEach(() => rig.forget())

const WEATHER = {
  name: 'weather',
  description: 'Tells the weather.',
  parameters: { type: Type.OBJECT, properties: { city: { type: Type.STRING } }, required: ['city'] },
}
const WEATHER_TOOL = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'Tells the weather.',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}

describe('@google/genai', () => {
  test('generateContent: settings there, text, usage and one exact row back', async () => {
    rig.openai.script = response =>
      sendJson(
        response,
        200,
        completion('Hi!', {
          prompt_tokens: 20,
          completion_tokens: 12,
          total_tokens: 32,
          prompt_tokens_details: { cached_tokens: 8 },
          completion_tokens_details: { reasoning_tokens: 7 },
        } as object),
      )
    const answer = await rig.google().models.generateContent({
      model: 'house',
      contents: 'Say hello.',
      config: {
        systemInstruction: 'Be kind.',
        temperature: 0.5,
        topP: 0.9,
        topK: 3,
        maxOutputTokens: 500,
        stopSequences: ['END'],
        seed: 7,
        presencePenalty: 0.1,
        safetySettings: [],
      },
    })
    expect(answer.text).toBe('Hi!')
    expect(answer.usageMetadata).toEqual({
      promptTokenCount: 20,
      candidatesTokenCount: 5,
      thoughtsTokenCount: 7,
      cachedContentTokenCount: 8,
      totalTokenCount: 32,
    })
    expect(answer.candidates?.[0]).toMatchObject({ finishReason: 'STOP', index: 0 })
    expect(answer.modelVersion).toBe('house')
    expect(rig.openai.seen[0]?.url).toBe('/v1/chat/completions')
    expect(rig.openai.seen[0]?.json()).toEqual({
      model: 'house',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'Say hello.' },
      ],
      temperature: 0.5,
      top_p: 0.9,
      max_tokens: 500,
      stop: ['END'],
      seed: 7,
      presence_penalty: 0.1,
    })
    expect(answer.sdkHttpResponse?.headers).toMatchObject({
      'x-switchgate-provider': 'alpha',
      'x-switchgate-dropped': 'safetySettings,generationConfig.topK',
    })
    expect(await rig.lastRow()).toMatchObject({
      operation: 'generate_content',
      requestedModel: 'house',
      certainty: 'exact',
      answerId: answer.responseId,
      usage: { inputTokens: 20, cacheReadInputTokens: 8, outputTokens: 12, reasoningOutputTokens: 7 },
    })
  })

  test('generateContentStream: deltas as they come, the ending and the counts in the last event', async () => {
    rig.openai.script = response =>
      void sse(response).end(role + delta('Hello') + delta(' there.') + finish('length') + usageEvent + DONE)
    const pieces: unknown[] = []
    const stream = await rig.google().models.generateContentStream({ model: 'house', contents: 'Hi' })
    for await (const chunk of stream)
      pieces.push([chunk.text, chunk.candidates?.[0]?.finishReason, chunk.usageMetadata?.totalTokenCount])
    expect(pieces).toEqual([
      ['Hello', undefined, undefined],
      [' there.', undefined, undefined],
      ['', 'MAX_TOKENS', 13],
    ])
    expect(rig.openai.seen[0]?.json()).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    })
    expect(await rig.lastRow()).toMatchObject({ stream: true, certainty: 'exact', finishReason: 'length' })
  })

  test('a chat with parallel calls over several turns: ids, arguments and results as they were written', async () => {
    const turns = [
      role +
        callChunk(0, 'call_a', 'weather', '{"city":"Zür') +
        callChunk(1, 'call_b', 'weather', '{"city":"Bern",') +
        callChunk(0, undefined, undefined, 'ich","big":1152921504606846976}') +
        callChunk(1, undefined, undefined, '"n":1.0}') +
        finish('tool_calls') +
        usageEvent +
        DONE,
      role + delta('Both are fine.') + finish() + usageEvent + DONE,
      role + delta('You are welcome.') + finish() + usageEvent + DONE,
    ]
    rig.openai.script = (response, _, n) => void sse(response).end(turns[n - 1])
    const chat = rig.google().chats.create({
      model: 'house',
      config: {
        tools: [{ functionDeclarations: [WEATHER] }],
        toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } },
      },
    })
    const calls: unknown[] = []
    for await (const chunk of await chat.sendMessageStream({ message: 'Weather?' }))
      calls.push(...(chunk.functionCalls ?? []))
    expect(calls).toEqual([
      { id: 'call_a', name: 'weather', args: { city: 'Zürich', big: 2 ** 60 } },
      { id: 'call_b', name: 'weather', args: { city: 'Bern', n: 1 } },
    ])
    expect(rig.openai.seen[0]?.json()).toMatchObject({ tools: [WEATHER_TOOL], tool_choice: 'required' })
    const results = [
      { functionResponse: { id: 'call_b', name: 'weather', response: { output: 'rain' } } },
      { functionResponse: { id: 'call_a', name: 'weather', response: { degrees: 21 } } },
    ]
    for await (const _ of await chat.sendMessageStream({ message: results }));
    expect(messagesOf(rig.openai.seen[1])).toEqual([
      { role: 'user', content: 'Weather?' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [
          {
            id: 'call_a',
            type: 'function',
            // the client itself holds numbers as doubles
            function: { name: 'weather', arguments: '{"city":"Zürich","big":1152921504606847000}' },
          },
          {
            id: 'call_b',
            type: 'function',
            function: { name: 'weather', arguments: '{"city":"Bern","n":1}' },
          },
        ],
      },
      { role: 'tool', tool_call_id: 'call_b', content: 'rain' },
      { role: 'tool', tool_call_id: 'call_a', content: '{"degrees":21}' },
    ])
    for await (const _ of await chat.sendMessageStream({ message: 'Thanks.' }));
    expect(messagesOf(rig.openai.seen[2]).slice(4)).toEqual([
      { role: 'assistant', content: 'Both are fine.' },
      { role: 'user', content: 'Thanks.' },
    ])
  })

  test('thinking is asked for, and shown only to those who asked', async () => {
    const thinks = role + chunkOf({ reasoning_content: 'Hm.' }) + delta('Yes.') + finish() + usageEvent + DONE
    rig.openai.script = response => void sse(response).end(thinks)
    const texts = async (includeThoughts: boolean) => {
      const stream = await rig.google().models.generateContentStream({
        model: 'house',
        contents: 'Is it?',
        config: { thinkingConfig: { includeThoughts, thinkingLevel: ThinkingLevel.LOW } },
      })
      const parts: unknown[] = []
      for await (const chunk of stream) parts.push(...(chunk.candidates?.[0]?.content?.parts ?? []))
      return parts
    }
    expect(await texts(true)).toEqual([{ text: 'Hm.', thought: true }, { text: 'Yes.' }, { text: '' }])
    expect(await texts(false)).toEqual([{ text: 'Yes.' }, { text: '' }])
  })

  test('pictures, a JSON answer by schema, and a choice among functions', async () => {
    rig.openai.script = response => sendJson(response, 200, completion('{"city":"Bern"}'))
    await rig.google().models.generateContent({
      model: 'house',
      contents: [
        { role: 'user', parts: [{ text: 'Where?' }, { inlineData: { mimeType: 'image/png', data: PNG } }] },
      ],
      config: {
        responseMimeType: 'application/json',
        responseSchema: {
          type: Type.OBJECT,
          properties: { city: { type: Type.STRING, nullable: true }, n: { type: Type.ARRAY, minItems: '1' } },
        },
        tools: [{ functionDeclarations: [WEATHER, { name: 'other' }] }],
        toolConfig: {
          functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ['weather'] },
        },
      },
    })
    expect(rig.openai.seen[0]?.json()).toEqual({
      model: 'house',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Where?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
          ],
        },
      ],
      // the key has a budget and the caller set no limit
      max_tokens: 16_384,
      tools: [WEATHER_TOOL],
      tool_choice: 'required',
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'answer',
          schema: {
            type: 'object',
            properties: { city: { type: ['string', 'null'] }, n: { type: 'array', minItems: 1 } },
          },
        },
      },
    })
  })

  test('countTokens: an estimate that says so, and no row', async () => {
    const before = (await rig.gateway.rows()).length
    const count = await rig.google().models.countTokens({ model: 'house', contents: 'How many tokens?' })
    expect(count.totalTokens).toBeGreaterThan(3)
    expect(count.totalTokens).toBeLessThan(20)
    const answer = await rig.ask('house:countTokens', {
      generateContentRequest: { model: 'models/house', contents: { parts: { text: 'How many tokens?' } } },
    })
    expect(await answer.json()).toEqual({ totalTokens: count.totalTokens, estimated: true, margin: 0.3 })
    expect(rig.openai.seen).toEqual([])
    expect((await rig.gateway.rows()).length).toBe(before)
  })

  test('errors are the client’s own, with a status and a reason', async () => {
    const unknown = await refused(rig.google().models.generateContent({ model: 'nonesuch', contents: 'Hi' }))
    expect(unknown).toMatchObject({ name: 'ApiError', status: 404 })
    expect(JSON.parse(unknown?.message ?? '')).toMatchObject({
      error: {
        code: 404,
        status: 'NOT_FOUND',
        details: [{ reason: 'MODEL_NOT_FOUND', domain: 'switchgate' }],
      },
    })
    const stranger = await refused(
      rig.google('sgate_live_wrong').models.generateContent({ model: 'house', contents: 'Hi' }),
    )
    expect(stranger).toMatchObject({ name: 'ApiError', status: 401 })
    rig.openai.script = response => sendJson(response, 429, { error: { message: 'slow down' } })
    const limited = await refused(rig.google().models.generateContent({ model: 'house', contents: 'Hi' }))
    expect(limited).toMatchObject({ status: 429 })
    expect(limited?.message).toContain('RESOURCE_EXHAUSTED')
  })

  test('a stream that breaks off is an error, not an end', async () => {
    rig.openai.script = async response => {
      sse(response).write(role + delta('Hel'))
      await sleep(50)
      response.destroy()
    }
    const texts: unknown[] = []
    const stream = await rig.google().models.generateContentStream({ model: 'house', contents: 'Hi' })
    const failure = await refused(
      (async () => {
        for await (const chunk of stream) texts.push(chunk.text)
      })(),
    )
    expect(texts).toEqual(['Hel'])
    expect(failure).toMatchObject({ name: 'ApiError', status: 502 })
  })

  test('a caller who leaves is left: upstream too', async () => {
    const before = rig.openai.aborted
    rig.openai.script = response => void sse(response).write(role + delta('Hel'))
    const leaving = new AbortController()
    const stream = await rig.google().models.generateContentStream({
      model: 'house',
      contents: 'Hi',
      config: { abortSignal: leaving.signal },
    })
    await refused(
      (async () => {
        for await (const _ of stream) leaving.abort()
      })(),
    )
    await until(() => rig.openai.aborted > before)
    expect(await rig.lastRow()).toMatchObject({ error: 'cancelled' })
  })
})

describe('@google/generative-ai', () => {
  test('generateContent, and a stream with long silences', async () => {
    rig.openai.script = response => sendJson(response, 200, completion('Hi!'))
    const { response } = await rig.older('house', { systemInstruction: 'Be kind.' }).generateContent('Hello?')
    expect(response.text()).toBe('Hi!')
    expect(messagesOf(rig.openai.seen[0])[0]).toEqual({ role: 'system', content: 'Be kind.' })
    rig.openai.script = async slow => {
      sse(slow).write(role)
      // longer than keepalive_ms: a sign of life goes out, and this client knows no comments
      await sleep(400)
      slow.end(delta('Hello') + delta(' there.') + finish() + usageEvent + DONE)
    }
    const streamed = await rig.older('house').generateContentStream('Hello?')
    const texts: string[] = []
    for await (const chunk of streamed.stream) texts.push(chunk.text())
    expect(texts.join('')).toBe('Hello there.')
    expect(texts[0]).toBe('')
    expect((await streamed.response).text()).toContain('there.')
    expect((await streamed.response).usageMetadata?.totalTokenCount).toBe(13)
  })

  test.each([
    ['a host of OpenAI’s wire', 'house', () => rig.openai, role + delta('Hel')],
    ['Gemini itself', 'flash', () => rig.gemini, said({ text: 'Hel' })],
  ])('a stream that breaks off is an error, not an end: %s', async (_, model, upstream, begun) => {
    upstream().script = async response => {
      sse(response).write(begun)
      await sleep(50)
      response.destroy()
    }
    const streamed = await rig.older(model).generateContentStream('Hi')
    const gathered = refused(streamed.response)
    const heard: unknown[] = []
    const failure = await refused(
      (async () => {
        for await (const chunk of streamed.stream) heard.push(chunk)
      })(),
    )
    expect(failure?.message).toContain('Failed to parse stream')
    expect((await gathered)?.message).toContain('Failed to parse stream')
    // what it was is in the event before
    expect(heard).toMatchObject([{ candidates: [{}] }, { error: { code: 502, status: 'UNAVAILABLE' } }])
  })

  test('a chat with calls, streamed: each call whole', async () => {
    const turns = [
      role +
        delta('Let me look.') +
        callChunk(0, 'call_a', 'weather', '{"city":"Bern"}') +
        callChunk(1, 'call_b', 'weather', '{"city":"Rome"}') +
        finish('tool_calls') +
        usageEvent +
        DONE,
      role + delta('Fine.') + finish() + usageEvent + DONE,
    ]
    rig.openai.script = (response, _, n) => void sse(response).end(turns[n - 1])
    const chat = rig
      .older('house', {
        tools: [
          {
            functionDeclarations: [
              {
                ...WEATHER,
                parameters: { type: SchemaType.OBJECT, properties: { city: { type: SchemaType.STRING } } },
              },
            ],
          },
        ],
      })
      .startChat()
    const first = await (await chat.sendMessageStream('Weather?')).response
    expect(first.functionCalls()?.map(call => call.args)).toEqual([{ city: 'Bern' }, { city: 'Rome' }])
    const result = (city: string) => ({
      functionResponse: { name: 'weather', response: { output: `${city}: sun` } },
    })
    await (await chat.sendMessageStream([result('Bern'), result('Rome')])).response
    expect(messagesOf(rig.openai.seen[1]).slice(1)).toEqual([
      {
        role: 'assistant',
        content: 'Let me look.',
        tool_calls: [
          expect.objectContaining({
            id: 'call_a',
            function: { name: 'weather', arguments: '{"city":"Bern"}' },
          }),
          expect.objectContaining({
            id: 'call_b',
            function: { name: 'weather', arguments: '{"city":"Rome"}' },
          }),
        ],
      },
      { role: 'tool', tool_call_id: 'call_a', content: 'Bern: sun' },
      { role: 'tool', tool_call_id: 'call_b', content: 'Rome: sun' },
    ])
  })

  test('countTokens', async () => {
    expect((await rig.older('house').countTokens('How many?')).totalTokens).toBeGreaterThan(2)
  })
})

describe('the wire itself', () => {
  const ASK = { contents: [{ parts: [{ text: 'Hi' }] }] }

  test('model names with a slash, escaped or not, and with a suffix', async () => {
    rig.openai.script = response => sendJson(response, 200, completion())
    for (const name of ['house@alpha', 'alpha/house', 'alpha%2Fhouse', 'house:floor'])
      expect((await rig.ask(`${name}:generateContent`, ASK)).status, name).toBe(200)
    expect(rig.openai.seen.map(seen => seen.json().model)).toEqual(['house', 'house', 'house', 'house'])
  })

  test('a key in the URL, a stream that is no SSE, another model in the body, our refused names', async () => {
    const told = async (call: string, body: unknown = ASK) => {
      const answer = await rig.ask(call, body)
      const { error } = (await answer.json()) as { error: { message: string; details: Json[] } }
      return [answer.status, error.message, error.details[0]?.reason]
    }
    expect(await told('house:generateContent?key=abc')).toEqual([
      401,
      expect.stringContaining('never accepted'),
      'INVALID_API_KEY',
    ])
    expect(await told('house:streamGenerateContent')).toEqual([
      400,
      expect.stringContaining('?alt=sse'),
      'INVALID_REQUEST',
    ])
    expect((await told('house:generateContent', { ...ASK, model: 'other' }))[1]).toMatch(/^model: the path/)
    expect((await told('house:generateContent', { ...ASK, api_key: 'x' }))[1]).toMatch(/^api_key: /)
    expect((await told('house:generateContent', { contents: [] }))[1]).toMatch(/^contents: must hold/)
    expect((await told('house:generateContent', { contents: [{ parts: [{ text: 1 }] }] }))[1]).toMatch(
      /^contents\[0\].parts\[0\].text: /,
    )
    expect((await told('house:generateContent', { ...ASK, tools: [{ googleSearch: {} }] }))[1]).toMatch(
      /^tools: the tool googleSearch is offered only by Gemini models/,
    )
    expect((await told('house:generateContent', { ...ASK, cachedContent: 'cachedContents/1' }))[1]).toMatch(
      /^cachedContent: /,
    )
    expect(rig.openai.seen).toEqual([])
  })

  test('snake_case and single values, as Google’s own examples have them', async () => {
    rig.openai.script = response => sendJson(response, 200, completion())
    await rig.ask('house:generateContent', {
      system_instruction: { parts: { text: 'Be kind.' } },
      contents: { parts: [{ text: 'Hi' }, { inline_data: { mime_type: 'image/png', data: PNG } }] },
      generation_config: { max_output_tokens: 9, response_mime_type: 'application/json' },
      tools: { function_declarations: [WEATHER] },
      tool_config: { function_calling_config: { mode: 'none' } },
    })
    expect(rig.openai.seen[0]?.json()).toMatchObject({
      messages: [
        { role: 'system', content: 'Be kind.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Hi' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
          ],
        },
      ],
      max_tokens: 9,
      response_format: { type: 'json_object' },
      tools: [WEATHER_TOOL],
      tool_choice: 'none',
    })
  })

  test('an error inside a stream ends it in this wire', async () => {
    rig.openai.script = async response => {
      sse(response).write(role + delta('Hel'))
      await sleep(30)
      response.destroy()
    }
    const answer = await rig.ask('house:streamGenerateContent?alt=sse', ASK)
    const events = eventsIn(await answer.text())
    expect(events.at(-1)).toMatchObject({ error: { code: 502, status: 'UNAVAILABLE' } })
  })
})

describe('what there is', () => {
  test('models.list and models.get of @google/genai, and the same over /v1beta', async () => {
    const names: unknown[] = []
    for await (const model of await rig.google().models.list()) names.push(model.name)
    expect(names).toEqual(['models/deep', 'models/flash', 'models/house', 'models/shared', 'models/sonnet'])
    const house = await rig.google().models.get({ model: 'house' })
    expect(house).toMatchObject({
      name: 'models/house',
      inputTokenLimit: 200_000,
      supportedActions: ['generateContent', 'countTokens'],
    })
    const key = await rig.gateway.key({ models: ['house'] })
    const get = (path: string) => fetch(`${rig.gateway.url}${path}`, { headers: { 'x-goog-api-key': key } })
    const list = (await (await get('/v1beta/models?pageSize=50')).json()) as { models: Json[] }
    expect(list.models.map(model => model.name)).toEqual(['models/house'])
    const other = await get('/v1beta/models/sonnet')
    expect([other.status, await other.json()]).toMatchObject([404, { error: { status: 'NOT_FOUND' } }])
    const wrong = await get('/v1beta/models/house:generateContent')
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS'])
    // other clients see what they know
    expect(((await (await get('/v1/models')).json()) as { data: Json[] }).data[0]?.id).toBe('house')
  })

  test('the cost, for those who ask, in every way of answering', async () => {
    const contents = [{ parts: [{ text: 'Hi' }] }]
    const usage = { include: true }
    rig.openai.script = (response, seen) =>
      seen.json().stream === true
        ? void sse(response).end(role + delta('Hi') + finish() + usageEvent + DONE)
        : sendJson(response, 200, completion())
    const cost = async (call: string) => {
      const text = await (await rig.ask(call, { contents, usage })).text()
      const event = call.includes('stream') ? eventsIn(text).at(-1) : (JSON.parse(text) as Json)
      return ((event?.usageMetadata ?? {}) as Json).cost
    }
    expect(await cost('house:generateContent')).toBe(0.00002)
    expect(await cost('house:streamGenerateContent?alt=sse')).toBe(0.000016)
    const counts = { usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 } }
    const native = {
      candidates: [{ content: { parts: [{ text: 'Hi' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
      ...counts,
    }
    rig.gemini.script = (response, seen) =>
      seen.url.includes('stream')
        ? void sse(response).end(`data: ${JSON.stringify(native)}\r\n\r\n`)
        : sendJson(response, 200, native)
    expect(await cost('flash:generateContent')).toBe(0.00002)
    expect(await cost('flash:streamGenerateContent?alt=sse')).toBe(0.00002)
    expect(JSON.stringify(rig.gemini.seen.map(seen => seen.json()))).not.toContain('include')
  })
})

/** The official OpenAI SDK makes pictures, speech, transcriptions and moderations; reranking by fetch. Bytes pass, units are billed. */
import OpenAI, { toFile } from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  event,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { budget, clear, meteredConfig, RICH, wav } from './parts.ts'

let upstream: ScriptedUpstream
let spare: ScriptedUpstream
let gateway: TestGateway
let client: OpenAI
let keyText: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  spare = await startUpstream(response => sendJson(response, 500, {}))
  gateway = await startGateway({ config: meteredConfig([upstream.port, spare.port]) })
  keyText = await gateway.key({ budgets: RICH, providers: ['host0'] })
  client = clientFor(keyText)
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
  await spare?.close()
})
beforeEach(() => clear(upstream, spare))

const clientFor = (apiKey: string) => new OpenAI({ apiKey, baseURL: `${gateway.url}/v1`, maxRetries: 0 })
const lastRow = async () => (await gateway.rows()).at(-1)
const post = (path: string, body: unknown, key = keyText) =>
  fetch(`${gateway.url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })

const PNG = 'iVBORw0KGgo='

describe('pictures', () => {
  test('counted in the answer, by size and quality; bytes pass', async () => {
    const body = `{ "created": 1, "data": [{"b64_json":"${PNG}"},{"b64_json":"${PNG}"}] }`
    upstream.script = response => sendJson(response, 200, body)
    const answer = await post('images/generations', {
      model: 'tiny-image',
      prompt: 'A lighthouse',
      n: 3,
      size: '1792x1024',
      quality: 'hd',
    })
    expect(await answer.text()).toBe(body)
    expect(upstream.seen[0]).toMatchObject({
      url: '/v1/images/generations',
      body: '{"model":"image-v2","prompt":"A lighthouse","n":3,"size":"1792x1024","quality":"hd"}',
    })
    expect(answer.headers.get('x-switchgate-cost-usd')).toBe('0.24')
    expect(await lastRow()).toMatchObject({
      operation: 'image_generation',
      status: 200,
      costNanoUsd: 240_000_000,
      heldNanoUsd: 360_000_000,
      certainty: 'exact',
    })
  })

  test('the SDK: tokens of the answer at the catalogue price', async () => {
    upstream.script = response =>
      sendJson(response, 200, {
        created: 1,
        data: [{ b64_json: PNG }],
        usage: {
          input_tokens: 50,
          output_tokens: 1584,
          total_tokens: 1634,
          input_tokens_details: { text_tokens: 50, image_tokens: 0 },
        },
      })
    const made = await client.images.generate({ model: 'gpt-image-1', prompt: 'Fog', quality: 'medium' })
    expect(made.data?.[0]?.b64_json).toBe(PNG)
    const row = await lastRow()
    expect(row).toMatchObject({ costNanoUsd: 50 * 5_000 + 1584 * 40_000, certainty: 'exact' })
    expect(row?.heldNanoUsd).toBeGreaterThan(row?.costNanoUsd ?? 0)
  })

  test('the SDK: partial pictures as events', async () => {
    const usage = { input_tokens: 5, output_tokens: 300, total_tokens: 305 }
    upstream.script = response => {
      sse(response).write(
        event({ type: 'image_generation.partial_image', partial_image_index: 0, b64_json: PNG }),
      )
      response.end(event({ type: 'image_generation.completed', b64_json: PNG, usage }))
    }
    const stream = await client.images.generate({
      model: 'gpt-image-1',
      prompt: 'Fog',
      stream: true,
      partial_images: 1,
    })
    const types: string[] = []
    for await (const one of stream) types.push(one.type)
    expect(types).toEqual(['image_generation.partial_image', 'image_generation.completed'])
    expect(await lastRow()).toMatchObject({
      costNanoUsd: 5 * 5_000 + 300 * 40_000,
      certainty: 'exact',
      stream: true,
    })
  })
})

describe('speech', () => {
  const SOUND = Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 37) % 256))

  test('the SDK: sound bytes stream through under their own type, billed by the character', async () => {
    upstream.script = response => {
      response.writeHead(200, { 'content-type': 'audio/mpeg' })
      response.write(SOUND.subarray(0, 1_000))
      setTimeout(() => response.end(SOUND.subarray(1_000)), 20)
    }
    const made = await client.audio.speech.create({
      model: 'tiny-voice',
      voice: 'alloy',
      input: 'Grüße, 🍒!',
    })
    expect(made.headers.get('content-type')).toBe('audio/mpeg')
    expect(Buffer.from(await made.arrayBuffer()).equals(SOUND)).toBe(true)
    expect(upstream.seen[0]?.json()).toEqual({ model: 'voice-v2', voice: 'alloy', input: 'Grüße, 🍒!' })
    expect(await lastRow()).toMatchObject({
      operation: 'speech',
      costNanoUsd: 9 * 15_000,
      certainty: 'exact',
    })
  })

  test('as events, with usage', async () => {
    upstream.script = response => {
      sse(response).write(event({ type: 'speech.audio.delta', audio: PNG }))
      response.end(
        event({
          type: 'speech.audio.done',
          usage: { input_tokens: 14, output_tokens: 101, total_tokens: 115 },
        }),
      )
    }
    const answer = await post('audio/speech', {
      model: 'gpt-4o-mini-tts',
      voice: 'alloy',
      input: 'Hello',
      stream_format: 'sse',
    })
    expect(answer.headers.get('content-type')).toContain('text/event-stream')
    const text = await answer.text()
    expect(text).toContain('speech.audio.done')
    expect(text).not.toContain('[DONE]')
    expect(await lastRow()).toMatchObject({ costNanoUsd: 14 * 600 + 101 * 12_000, certainty: 'exact' })
  })

  test('a token price without usage is an estimate, never nothing', async () => {
    upstream.script = response => {
      response.writeHead(200, { 'content-type': 'audio/wav' })
      response.end(SOUND)
    }
    await (
      await post('audio/speech', { model: 'gpt-4o-mini-tts', voice: 'a', input: 'Hello there' })
    ).arrayBuffer()
    const row = await lastRow()
    expect(row?.certainty).toBe('estimated')
    expect(row?.costNanoUsd).toBeGreaterThan(100_000)
    expect(row?.costNanoUsd).toBeLessThan(row?.heldNanoUsd ?? 0)
  })

  test('sound that breaks off breaks off here too, and is paid for', async () => {
    upstream.script = response => {
      response.writeHead(200, { 'content-type': 'audio/mpeg', 'content-length': '9999' })
      response.write(SOUND.subarray(0, 1_000))
      setTimeout(() => response.destroy(), 30)
    }
    const answer = await post('audio/speech', { model: 'tiny-voice', voice: 'a', input: 'Hello' })
    expect(answer.status).toBe(200)
    await expect(answer.arrayBuffer()).rejects.toThrow()
    expect(await lastRow()).toMatchObject({ error: 'interrupted', costNanoUsd: 5 * 15_000 })
  })

  test.each(['text/html; charset=utf-8', 'text/plain', 'Text/HTML'])(
    'a page of type %s is no sound: another is asked, and nothing is billed for it',
    async type => {
      const both = await gateway.key({ budgets: RICH })
      let calls = 0
      const script: ScriptedUpstream['script'] = response => {
        response.writeHead(200, { 'content-type': calls++ === 0 ? type : 'audio/mpeg' })
        response.end(calls === 1 ? '<html>Log in</html>' : SOUND)
      }
      upstream.script = script
      spare.script = script
      const answer = await post('audio/speech', { model: 'tiny-voice', voice: 'a', input: 'Hello' }, both)
      expect(Buffer.from(await answer.arrayBuffer()).equals(SOUND)).toBe(true)
      const rows = (await gateway.rows()).slice(-2)
      expect(rows.map(row => [row.error, row.costNanoUsd])).toEqual([
        ['malformed', 0],
        [null, 75_000],
      ])
    },
  )

  test('events with tokens at a price by the character: the characters are billed', async () => {
    upstream.script = response => {
      sse(response).write(event({ type: 'speech.audio.delta', audio: PNG }))
      response.end(event({ type: 'speech.audio.done', usage: { input_tokens: 14, output_tokens: 101 } }))
    }
    for (const key of [keyText, await gateway.key({ providers: ['host0'] })]) {
      const ask = { model: 'tiny-voice', voice: 'alloy', input: 'Hello', stream_format: 'sse' }
      await (await post('audio/speech', ask, key)).text()
      expect(await lastRow()).toMatchObject({
        costNanoUsd: 5 * 15_000,
        certainty: 'exact',
        usage: { inputTokens: 14, outputTokens: 101, units: { kind: 'character', count: 5 } },
      })
    }
  })

  test('an upstream without sound fails over before anything was heard', async () => {
    const both = await gateway.key({ budgets: RICH })
    const failing = (response: Parameters<ScriptedUpstream['script']>[0]) =>
      sendJson(response, 503, { error: {} })
    let calls = 0
    const either = (response: Parameters<ScriptedUpstream['script']>[0]) => {
      if (calls++ === 0) return failing(response)
      response.writeHead(200, { 'content-type': 'audio/mpeg' })
      response.end(SOUND)
    }
    upstream.script = either
    spare.script = either
    const before = (await gateway.rows()).length
    const answer = await post('audio/speech', { model: 'tiny-voice', voice: 'a', input: 'Hello' }, both)
    expect(Buffer.from(await answer.arrayBuffer()).equals(SOUND)).toBe(true)
    expect(answer.headers.get('x-switchgate-attempts')).toBe('2')
    const rows = (await gateway.rows()).slice(before)
    expect(rows.map(row => [row.status, row.costNanoUsd])).toEqual([
      [503, 0],
      [200, 75_000],
    ])
  })
})

describe('transcriptions', () => {
  const upload = () => toFile(wav(2.5), 'tone.wav', { type: 'audio/wav' })

  test('the SDK: one value of the form changes and no other byte; seconds of the answer are billed', async () => {
    upstream.script = response =>
      sendJson(response, 200, { text: 'beep', usage: { type: 'duration', seconds: 3 } })
    const made = await client.audio.transcriptions.create({
      model: 'tiny-ear',
      file: await upload(),
      language: 'en',
    })
    expect(made.text).toBe('beep')
    const sent = upstream.seen[0]
    expect(sent?.url).toBe('/v1/audio/transcriptions')
    expect(sent?.headers['content-type']).toMatch(/^multipart\/form-data; ?boundary=/)
    expect(sent?.headers.authorization).toBeUndefined()
    expect(sent?.body).toContain('ear-v2')
    expect(sent?.body).not.toContain('tiny-ear')
    expect(sent?.body).toContain('name="language"')
    expect(Number(sent?.headers['content-length'])).toBeGreaterThan(40_000)
    expect(await lastRow()).toMatchObject({
      operation: 'transcription',
      costNanoUsd: 300_000,
      heldNanoUsd: 300_000,
      certainty: 'exact',
    })
  })

  test('tokens, and events', async () => {
    const usage = { type: 'tokens', input_tokens: 25, output_tokens: 4, total_tokens: 29 }
    upstream.script = response => {
      sse(response).write(event({ type: 'transcript.text.delta', delta: 'be' }))
      response.end(event({ type: 'transcript.text.done', text: 'beep', usage }))
    }
    const stream = await client.audio.transcriptions.create({
      model: 'gpt-4o-transcribe',
      file: await upload(),
      stream: true,
    })
    let text = ''
    for await (const one of stream) if (one.type === 'transcript.text.done') text = one.text
    expect(text).toBe('beep')
    expect(await lastRow()).toMatchObject({
      costNanoUsd: 25 * 2_500 + 4 * 10_000,
      certainty: 'exact',
      stream: true,
    })
  })

  test('plain text passes as it is; without usage the length of the sound is the estimate', async () => {
    upstream.script = response => {
      response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
      response.end('1\n00:00:00,000 --> 00:00:02,000\nbeep\n')
    }
    const made = await client.audio.transcriptions.create({
      model: 'tiny-ear',
      file: await upload(),
      response_format: 'srt',
    })
    expect(made).toContain('beep')
    expect(await lastRow()).toMatchObject({ costNanoUsd: 300_000, certainty: 'estimated' })
  })

  test('tokens at a price by the second: the length of the sound is the estimate', async () => {
    const usage = { type: 'tokens', input_tokens: 25, output_tokens: 4, total_tokens: 29 }
    upstream.script = response => sendJson(response, 200, { text: 'beep', usage })
    const asks = [keyText, await gateway.key({ providers: ['host0'] })].map(clientFor)
    for (const each of asks) {
      await each.audio.transcriptions.create({ model: 'tiny-ear', file: await upload() })
      expect(await lastRow()).toMatchObject({
        costNanoUsd: 300_000,
        certainty: 'estimated',
        usage: { inputTokens: 25, outputTokens: 4, units: { kind: 'second', count: 3 } },
      })
    }
  })

  test('a page is no transcript, though text is one', async () => {
    upstream.script = response => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end('<html>Log in</html>')
    }
    const ask = { model: 'tiny-ear', file: await upload(), response_format: 'text' as const }
    await expect(client.audio.transcriptions.create(ask)).rejects.toMatchObject({ status: 502 })
    expect(await lastRow()).toMatchObject({ error: 'malformed', costNanoUsd: 0 })
  })

  test('an upload above the limit is refused by its own name', async () => {
    const form = new FormData()
    form.append('model', 'tiny-ear')
    form.append('file', new Blob([new Uint8Array(27_000_000)]), 'long.wav')
    const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${keyText}` },
      body: form,
    })
    expect(answer.status).toBe(413)
    expect(await answer.text()).toContain('limits.upload_bytes')
  })

  test.each([
    ['JSON', '{"model":"tiny-ear"}', 'application/json', 'content-type'],
    ['two models', form(['model', 'tiny-ear'], ['model', 'other']), undefined, 'model'],
    ['no file', form(['model', 'tiny-ear']), undefined, 'file'],
    ['no end', form(['model', 'tiny-ear']).slice(0, -8), undefined, 'body'],
    ['an address', form(['model', 'tiny-ear'], ['base_url', 'http://x']), undefined, 'base_url'],
  ])('%s is refused with its place', async (_, body, type, param) => {
    const answer = await fetch(`${gateway.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${keyText}`,
        'content-type': type ?? 'multipart/form-data; boundary=edge',
      },
      body,
    })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ error: { param } })
    expect(upstream.seen).toHaveLength(0)
  })
})

function form(...parts: readonly (readonly [string, string])[]): string {
  const text = parts.map(
    ([name, value]) => `--edge\r\ncontent-disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return `${text.join('')}--edge--\r\n`
}

describe('moderations', () => {
  test('the SDK names no model; free, with a row', async () => {
    upstream.script = response =>
      sendJson(response, 200, {
        id: 'modr-1',
        model: 'omni-moderation-latest',
        results: [{ flagged: false }],
      })
    const made = await client.moderations.create({ input: ['one', 'two'] })
    expect(made.results[0]?.flagged).toBe(false)
    expect(upstream.seen[0]?.json()).toEqual({ input: ['one', 'two'], model: 'omni-moderation-latest' })
    expect(await lastRow()).toMatchObject({
      operation: 'moderation',
      costNanoUsd: 0,
      heldNanoUsd: 0,
      certainty: 'exact',
    })
  })
})

describe('reranking', () => {
  const ASK = { model: 'tiny-rank', query: 'red', documents: ['a cherry', { text: 'the sky' }], top_n: 1 }

  test('bytes pass; a search is estimated where the host states none', async () => {
    upstream.script = response => sendJson(response, 200, { results: [{ index: 0, relevance_score: 0.9 }] })
    const answer = await post('rerank', ASK)
    expect(await answer.json()).toEqual({ results: [{ index: 0, relevance_score: 0.9 }] })
    expect(upstream.seen[0]?.json()).toEqual({ ...ASK, model: 'rank-v2' })
    expect(await lastRow()).toMatchObject({
      operation: 'rerank',
      costNanoUsd: 2_000_000,
      certainty: 'estimated',
    })
  })

  const results = [{ index: 0, relevance_score: 0.9 }]

  test.each([
    ['meta.billed_units', { meta: { billed_units: { search_units: 3 } } }],
    ['both, and tokens', { meta: { billed_units: { search_units: 3 } }, usage: { total_tokens: 9 } }],
    ['usage', { usage: { search_units: 3 } }],
  ])('the searches that the host counts are billed: %s', async (_, more) => {
    upstream.script = response => sendJson(response, 200, { results, ...more })
    const answer = await post('rerank', ASK)
    expect(answer.headers.get('x-switchgate-cost-usd')).toBe('0.006')
    expect(await lastRow()).toMatchObject({ costNanoUsd: 6_000_000, certainty: 'exact' })
  })

  test('a count of no searches at all is none', async () => {
    upstream.script = response =>
      sendJson(response, 200, { results, meta: { billed_units: { search_units: 0 } } })
    await post('rerank', ASK)
    expect(await lastRow()).toMatchObject({ costNanoUsd: 2_000_000, certainty: 'estimated' })
  })

  test('long documents are several: in what is held, and in what is guessed where the host states none', async () => {
    upstream.script = response => sendJson(response, 200, { results })
    // 60 documents of some 3,750 tokens, 500 a piece, 100 pieces a search
    await post('rerank', { ...ASK, documents: Array.from({ length: 60 }, () => 'word '.repeat(3_000)) })
    const row = await lastRow()
    expect(row).toMatchObject({ costNanoUsd: 10_000_000, certainty: 'estimated' })
    expect(row?.heldNanoUsd).toBeGreaterThan(10_000_000)
  })

  test('tokens say nothing of searches: these are estimated, with a budget or without', async () => {
    upstream.script = response => sendJson(response, 200, { results, usage: { total_tokens: 500 } })
    for (const key of [keyText, await gateway.key({ providers: ['host0'] })]) {
      await post('rerank', ASK, key)
      expect(await lastRow()).toMatchObject({
        costNanoUsd: 2_000_000,
        certainty: 'estimated',
        usage: { inputTokens: 500, units: { kind: 'search', count: 1 } },
      })
    }
  })

  test.each([
    ['something else', { hello: 1 }],
    ['vectors', { object: 'list', data: [{ object: 'embedding', index: 0, embedding: [0.5] }] }],
  ])('what is no answer fails, and costs nothing: %s', async (_, body) => {
    upstream.script = response => sendJson(response, 200, body)
    expect((await post('rerank', ASK)).status).toBe(502)
    expect(await lastRow()).toMatchObject({ error: 'malformed', costNanoUsd: 0 })
  })

  test('scores in `data`, as Voyage has them, are an answer', async () => {
    const body = { object: 'list', data: [{ relevance_score: 0.9, index: 0 }], usage: { total_tokens: 7 } }
    upstream.script = response => sendJson(response, 200, body)
    expect(await (await post('rerank', ASK)).json()).toEqual(body)
  })
})

describe('money', () => {
  test('a budget too small for the request is refused before anything is sent', async () => {
    const poor = await gateway.key({ budgets: budget(0.05), providers: ['host0'] })
    const answer = await post('images/generations', { model: 'tiny-image', prompt: 'x', n: 2 }, poor)
    expect(answer.status).toBe(429)
    expect(await answer.json()).toMatchObject({ error: { code: 'insufficient_quota' } })
    const ok = await post('images/generations', { model: 'gpt-image-1', prompt: 'x', quality: 'high' }, poor)
    expect(ok.status).toBe(429)
    expect(upstream.seen).toHaveLength(0)
  })

  test.each(['nameless', 'tiny-voice'])(
    'a key with a budget may not use %s for pictures: no price says what they cost',
    async model => {
      const answer = await post('images/generations', { model, prompt: 'x' })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { code: 'model_unpriced' } })
      expect(upstream.seen).toHaveLength(0)
    },
  )

  test('models of another kind are not asked', async () => {
    const answer = await post('images/generations', { model: 'gpt-4o', prompt: 'x' })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({
      error: { param: 'model', message: expect.stringContaining('making images') },
    })
    expect(
      (await post('chat/completions', { model: 'gpt-image-1', messages: [{ role: 'user', content: 'x' }] }))
        .status,
    ).toBe(400)
    expect(upstream.seen).toHaveLength(0)
  })

  test('seconds at a price by the token are estimated, never nothing', async () => {
    upstream.script = response =>
      sendJson(response, 200, { text: 'beep', usage: { type: 'duration', seconds: 3 } })
    await client.audio.transcriptions.create({ model: 'priced-chat', file: await toFile(wav(2.5), 'a.wav') })
    const row = await lastRow()
    expect(row?.certainty).toBe('estimated')
    expect(row?.costNanoUsd).toBeGreaterThan(30_000)
  })
})

/** Tokens of sound are billed at the price of sound, where there is one; else at the price of text, and so marked. Least lengths are billed. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { loadCatalog } from '../../providers/catalog/loader.ts'
import { billFor, holdFor } from '../../src/meter.ts'
import type { Price } from '../../src/price.ts'
import type { Usage } from '../../src/terms.ts'
import {
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import { clear, RICH, wav } from './parts.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 500, {}))
  const at = (path: string) => `base_url: "http://127.0.0.1:${upstream.port}${path}"`
  gateway = await startGateway({
    config: `providers:
  ears:
    kind: openai
    ${at('/v1')}
    models:
      hears: { input_usd_per_mtok: 2, output_usd_per_mtok: 10, audio_input_usd_per_mtok: 32, audio_output_usd_per_mtok: 64 }
      reads: { input_usd_per_mtok: 2, output_usd_per_mtok: 10 }
      gpt-4o-transcribe: {}
  groq: { ${at('/v1')}, models: { whisper-large-v3: {} } }
  gemini: { ${at('/v1beta')}, models: { gemini-2.5-flash: {} } }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`,
  })
  key = await gateway.key({ budgets: RICH })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => clear(upstream))

const lastRow = async () => (await gateway.rows()).at(-1)
const ask = (model: string, more: object = {}) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model,
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is said?' },
            {
              type: 'input_audio',
              input_audio: { data: Buffer.from(wav(1)).toString('base64'), format: 'wav' },
            },
          ],
        },
      ],
      max_completion_tokens: 100,
      ...more,
    }),
  })

const heard = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello.' }, finish_reason: 'stop' }],
  usage: {
    prompt_tokens: 100,
    completion_tokens: 50,
    total_tokens: 150,
    prompt_tokens_details: { audio_tokens: 60, cached_tokens: 0 },
    completion_tokens_details: { audio_tokens: 30, reasoning_tokens: 0 },
  },
}

describe('chat that hears and speaks', () => {
  test('at the price of sound, and held for at it', async () => {
    upstream.script = response => sendJson(response, 200, heard)
    expect((await ask('hears', { modalities: ['text', 'audio'] })).status).toBe(200)
    const row = await lastRow()
    expect(row).toMatchObject({
      certainty: 'exact',
      usage: { inputTokens: 100, audioInputTokens: 60, outputTokens: 50, audioOutputTokens: 30 },
      costNanoUsd: 40 * 2_000 + 60 * 32_000 + 20 * 10_000 + 30 * 64_000,
    })
    // all of the output may be spoken
    expect(row?.heldNanoUsd).toBeGreaterThanOrEqual(100 * 64_000)
  })

  test('without a price of sound: the price of text, as an estimate', async () => {
    upstream.script = response => sendJson(response, 200, heard)
    await ask('reads')
    expect(await lastRow()).toMatchObject({ certainty: 'estimated', costNanoUsd: 100 * 2_000 + 50 * 10_000 })
  })

  test('text alone stays exact, and is held for as text', async () => {
    const { prompt_tokens_details: _, completion_tokens_details: __, ...usage } = heard.usage
    upstream.script = response => sendJson(response, 200, { ...heard, usage })
    await ask('hears', { messages: [{ role: 'user', content: 'Hi' }] })
    const row = await lastRow()
    expect(row).toMatchObject({ certainty: 'exact', costNanoUsd: 100 * 2_000 + 50 * 10_000 })
    expect(row?.heldNanoUsd).toBeLessThan(100 * 64_000)
  })

  test('Gemini, by the modality of its details; what came from the cache is no sound at full price', async () => {
    upstream.script = response =>
      sendJson(response, 200, {
        candidates: [{ content: { role: 'model', parts: [{ text: 'Hello.' }] }, finishReason: 'STOP' }],
        usageMetadata: {
          promptTokenCount: 100,
          cachedContentTokenCount: 20,
          candidatesTokenCount: 10,
          totalTokenCount: 110,
          promptTokensDetails: [
            { modality: 'TEXT', tokenCount: 20 },
            { modality: 'AUDIO', tokenCount: 80 },
          ],
          cacheTokensDetails: [{ modality: 'AUDIO', tokenCount: 20 }],
        },
      })
    expect((await ask('gemini-2.5-flash')).status).toBe(200)
    expect(await lastRow()).toMatchObject({
      certainty: 'exact',
      usage: { inputTokens: 100, cacheReadInputTokens: 20, audioInputTokens: 60 },
      // 0.3 text, 1.0 sound, 0.03 cached, 2.5 out
      costNanoUsd: 20 * 300 + 60 * 1_000 + 20 * 30 + 10 * 2_500,
    })
  })
})

describe('transcriptions', () => {
  const transcribe = (model: string, seconds: number) => {
    const form = new FormData()
    form.set('model', model)
    form.set('file', new Blob([wav(seconds) as Uint8Array<ArrayBuffer>]), 'a.wav')
    return fetch(`${gateway.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: form,
    })
  }

  test('Groq bills a short sound as one of ten seconds, and a long one as it is', async () => {
    for (const [seconds, billed] of [
      [2, 10],
      [12, 12],
    ] as const) {
      upstream.script = response => sendJson(response, 200, { text: 'Hello.', duration: seconds })
      expect((await transcribe('whisper-large-v3', seconds)).status).toBe(200)
      const row = await lastRow()
      expect(row).toMatchObject({
        provider: 'groq',
        usage: { units: { kind: 'second', count: seconds } },
        costNanoUsd: billed * 30_830,
      })
      expect(row?.heldNanoUsd).toBeGreaterThanOrEqual(billed * 30_830)
    }
  })

  test('tokens of sound at their own price', async () => {
    const usage = {
      type: 'tokens',
      input_tokens: 14,
      input_token_details: { text_tokens: 4, audio_tokens: 10 },
      output_tokens: 5,
      total_tokens: 19,
    }
    upstream.script = response => sendJson(response, 200, { text: 'Hello.', usage })
    expect((await transcribe('gpt-4o-transcribe', 1)).status).toBe(200)
    expect(await lastRow()).toMatchObject({
      certainty: 'exact',
      costNanoUsd: 4 * 2_500 + 10 * 6_000 + 5 * 10_000,
    })
  })
})

test('a hold for sound covers any bill within its bounds', () => {
  const price: Price = { id: 'p', inputPico: 2, outputPico: 10, audioInputPico: 32, audioOutputPico: 64 }
  const usage = (input: number, heard: number, output: number, spoken: number): Usage => ({
    inputTokens: input,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    outputTokens: output,
    reasoningOutputTokens: 0,
    audioInputTokens: heard,
    audioOutputTokens: spoken,
  })
  const held = holdFor({ inputTokensBound: 1_000, outputTokens: 500, price, sound: true })
  for (const [heard, spoken] of [
    [0, 0],
    [1_000, 500],
    [1_000_000, 1_000_000],
  ] as const)
    expect(billFor(usage(1_000, heard, 500, spoken), price, 'exact').costNanoUsd).toBeLessThanOrEqual(held)
})

test('the catalogue knows the price of sound where its sources do', () => {
  const price = (provider: string, model: string) =>
    loadCatalog()
      .byModel.get(model)
      ?.find(offer => offer.provider === provider)?.price
  expect(price('gemini', 'gemini-2.5-flash')).toMatchObject({ audioInputPico: 1_000_000 })
  expect(price('vertex', 'gemini-2.5-flash')).toMatchObject({ audioInputPico: 1_000_000 })
  expect(price('gemini', 'gemini-2.5-pro')).toMatchObject({ audioInputPico: 1_250_000 })
  expect(price('openai', 'gpt-audio')).toMatchObject({
    audioInputPico: 32_000_000,
    audioOutputPico: 64_000_000,
  })
  expect(price('groq', 'whisper-large-v3-turbo')).toMatchObject({ leastUnits: { second: 10 } })
})

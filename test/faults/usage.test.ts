/** Usage through translation: T14–T20 and F06–F08, F10, F11, F30. Ids: features.md and the list of what peers get wrong. */
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  answers,
  block,
  chunk,
  claudeEnd,
  claudeEvents,
  claudeStart,
  DONE,
  joined,
  lastRow,
  type Rig,
  read,
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

const asked = { stream: true, stream_options: { include_usage: true } }
const metered = { inputTokens: 100, outputTokens: 20, certainty: 'exact' }

test('T14 usage: null in early chunks does not stop the real one from being read', async () => {
  rig.plays(
    streams(
      chunk({ role: 'assistant', content: '' }, null, { usage: null }),
      chunk({ content: 'Hi' }, null, { usage: null }),
      chunk({}, 'stop', { usage: null }),
      usageChunk(USAGE),
      DONE,
    ),
  )
  const { events } = await read(await rig.chat('chat', asked))
  expect(events.at(-1)?.usage).toMatchObject(USAGE)
  expect(await lastRow(rig)).toMatchObject(metered)
})

test('T15 F10 a usage-only chunk with choices: [] is read, and asked for upstream though the caller did not', async () => {
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop'), usageChunk(USAGE), DONE))
  const { events, text } = await read(await rig.chat('chat', { stream: true }))
  expect(rig.seen[0]?.json().stream_options).toEqual({ include_usage: true })
  expect(await lastRow(rig)).toMatchObject(metered)
  expect(events.every(event => (event.choices as unknown[]).length > 0)).toBe(true)
  expect(text).not.toContain('prompt_tokens')
})

test('T16 usage that rides on the finish delta is metered and reaches the caller', async () => {
  rig.plays(
    streams(
      chunk({ content: 'Hi' }),
      chunk({ role: 'assistant', content: null }, 'stop', { usage: USAGE }),
      DONE,
    ),
  )
  const { events } = await read(await rig.chat('deepseek', asked))
  expect(events.filter(event => event.usage != null)).toHaveLength(1)
  expect(await lastRow(rig)).toMatchObject(metered)
})

test('T17 usage on every chunk is never summed (Perplexity)', async () => {
  const grown = (n: number) => ({
    usage: { prompt_tokens: 100, completion_tokens: n, total_tokens: 100 + n },
  })
  rig.plays(
    streams(
      chunk({ content: 'a' }, undefined, grown(5)),
      chunk({ content: 'b' }, undefined, grown(12)),
      chunk({ content: 'c' }, 'stop', grown(20)),
    ),
  )
  const { events, text } = await read(await rig.chat('perplexity', asked))
  expect(joined(events, 'content')).toBe('abc')
  expect(text.endsWith(DONE)).toBe(true)
  expect(await lastRow(rig)).toMatchObject(metered)
})

test('T18 F06 cached and reasoning tokens are counted once, in streams as in whole answers', async () => {
  const usage = {
    ...USAGE,
    prompt_tokens_details: { cached_tokens: 60 },
    completion_tokens_details: { reasoning_tokens: 15 },
  }
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop'), usageChunk(usage), DONE))
  await read(await rig.chat('chat', { stream: true }))
  const streamed = await lastRow(rig)
  rig.plays(answers(whole({ content: 'Hi' }, 'stop', usage)))
  await read(await rig.chat('chat'))
  const row = await lastRow(rig)
  for (const one of [streamed, row]) {
    expect(one).toMatchObject({ ...metered, cacheReadInputTokens: 60, reasoningOutputTokens: 15 })
    // 40 read plainly at 1, 60 from the cache at 0.1, 20 out at 2 USD per million
    expect(one.costNanoUsd).toBe(40_000 + 6_000 + 40_000)
  }
})

test("T19 token counts are numbers when the provider's are missing parts", async () => {
  rig.plays(
    streams(
      ...claudeEvents(
        claudeStart({ input_tokens: 100 }),
        ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hi' }),
        ...claudeEnd('end_turn', { output_tokens: 20 }),
      ),
    ),
  )
  const { events } = await read(await rig.chat('claude', asked))
  const usage = events.find(event => event.usage != null)?.usage
  expect(usage).toMatchObject({ prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 })
})

test('T20 a strict client gets no usage chunk that it did not ask for', async () => {
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop'), usageChunk(USAGE), DONE))
  const client = new OpenAI({ baseURL: `${rig.gateway.url}/v1`, apiKey: rig.key })
  const messages = [{ role: 'user' as const, content: 'Hi' }]
  for await (const part of await client.chat.completions.create({
    model: 'm@chat',
    messages,
    stream: true,
  })) {
    // a client that takes the first choice of every chunk for granted
    expect(part.choices[0]?.index).toBe(0)
  }
})

test('F07 T22 tokens read from a cache that are told in message_delta only are billed as such', async () => {
  rig.plays(
    streams(
      ...claudeEvents(
        claudeStart({ input_tokens: 0, output_tokens: 0 }),
        ...block(0, { type: 'text', text: '' }, { type: 'text_delta', text: 'Hi' }),
        ...claudeEnd('end_turn', { input_tokens: 40, cache_read_input_tokens: 60, output_tokens: 20 }),
      ),
    ),
  )
  await read(await rig.chat('claude', { stream: true }))
  expect(await lastRow(rig)).toMatchObject({ ...metered, cacheReadInputTokens: 60 })
})

test('F08 message_start tells a caller of the Messages wire an estimate above 0, and the end tells the truth', async () => {
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop'), usageChunk(USAGE), DONE))
  const { events } = await read(await rig.messages('chat', { stream: true }))
  const [start] = events as { message?: { usage: { input_tokens: number } } }[]
  expect(start?.message?.usage.input_tokens).toBeGreaterThan(0)
  expect(events.find(event => event.type === 'message_delta')?.usage).toMatchObject({
    input_tokens: 100,
    output_tokens: 20,
  })
})

test("F11 Azure's first chunk without choices, and a choice without a delta, are no trouble", async () => {
  rig.plays(
    streams(
      `data: ${JSON.stringify({ id: '', object: '', model: '', created: 0, choices: [], prompt_filter_results: [] })}\n\n`,
      `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, finish_reason: null }] })}\n\n`,
      chunk({ content: 'Hi' }),
      chunk({}, 'stop'),
      usageChunk(USAGE),
      DONE,
    ),
  )
  for (const answer of [await rig.chat('chat', asked), await rig.messages('chat', { stream: true })]) {
    const { text, status } = await read(answer)
    expect(status).toBe(200)
    expect(text).toContain('Hi')
    expect(text).not.toContain('"error"')
  }
  expect(await lastRow(rig)).toMatchObject(metered)
})

test('F30 more cached tokens than prompt tokens (Grok at Azure) never make a count or a bill negative', async () => {
  const usage = {
    prompt_tokens: 7,
    completion_tokens: 3,
    total_tokens: 10,
    prompt_tokens_details: { cached_tokens: 161 },
  }
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop'), usageChunk(usage), DONE))
  const { events } = await read(await rig.messages('chat', { stream: true }))
  const told = events.find(event => event.type === 'message_delta')?.usage as Record<string, number>
  for (const [name, count] of Object.entries(told)) expect(Number(count), name).toBeGreaterThanOrEqual(0)
  const row = await lastRow(rig)
  expect(row).toMatchObject({ inputTokens: 7, cacheReadInputTokens: 7 })
  expect(row.costNanoUsd).toBe(700 + 6_000)
})

test("F10 usage in Groq's x_groq alone is metered and reaches a caller who asked, in a chunk of its own, once", async () => {
  rig.plays(streams(chunk({ content: 'Hi' }), chunk({}, 'stop', { x_groq: { id: 'r', usage: USAGE } }), DONE))
  const { events } = await read(await rig.chat('groq', asked))
  expect(events.filter(event => event.usage != null)).toEqual([
    expect.objectContaining({ choices: [], usage: expect.objectContaining(USAGE) }),
  ])
  expect(await lastRow(rig)).toMatchObject(metered)
})

test("F10 usage inside Moonshot's choice is moved to where clients look", async () => {
  const event = {
    id: 'c',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: USAGE }],
  }
  rig.plays(streams(chunk({ content: 'Hi' }), `data: ${JSON.stringify(event)}\n\n`, DONE))
  const { events } = await read(await rig.chat('moonshot', asked))
  expect(events.at(-1)).toMatchObject({ choices: [], usage: USAGE })
  expect(await lastRow(rig)).toMatchObject(metered)
})

test('T14 missing usage stays unknown upstream and is an estimate in the ledger, marked as one', async () => {
  rig.plays(streams(chunk({ content: 'Hello there, friend.' }), chunk({}, 'stop'), DONE))
  await read(await rig.chat('chat', asked))
  const row = await lastRow(rig)
  expect(row.certainty).toBe('estimated')
  expect(row.outputTokens).toBeGreaterThan(0)
})

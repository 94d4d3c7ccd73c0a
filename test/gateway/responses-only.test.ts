/** Models that answer at /responses alone, asked in every wire; and sealed thoughts, which go back to the organisation that sealed them. */
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Json } from '../../providers/provider.ts'
import {
  type Script,
  type ScriptedUpstream,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from './harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string
let openai: OpenAI
let anthropic: Anthropic

const USAGE = {
  input_tokens: 20,
  input_tokens_details: { cached_tokens: 5 },
  output_tokens: 30,
  output_tokens_details: { reasoning_tokens: 22 },
  total_tokens: 50,
}

/** An organisation's model: it refuses what another one sealed, and seals what it thinks. */
const organisation: Script = (response, seen, n) => {
  const who = String(seen.headers.authorization).slice('Bearer '.length)
  const asked = seen.json()
  const items = Array.isArray(asked.input) ? (asked.input as Json[]) : []
  const foreign = items.some(
    item => item.type === 'reasoning' && !String(item.encrypted_content).startsWith(`gAAA-${who}-`),
  )
  if (foreign) {
    const error = { message: 'could not be verified', type: 'invalid_request_error', param: null }
    return sendJson(response, 400, { error: { ...error, code: 'invalid_encrypted_content' } })
  }
  const thought = { type: 'reasoning', id: `rs_${n}`, summary: [], encrypted_content: `gAAA-${who}-${n}` }
  const text = { type: 'output_text', text: `Turn ${n}.`, annotations: [] }
  const said = { type: 'message', id: `msg_${n}`, status: 'completed', role: 'assistant', content: [text] }
  const whole = {
    id: `resp_${n}`,
    object: 'response',
    created_at: 1,
    status: 'completed',
    model: String(asked.model),
    output: [thought, said],
    usage: USAGE,
  }
  if (asked.stream !== true) return sendJson(response, 200, whole)
  const events = [
    { type: 'response.created', response: { ...whole, status: 'in_progress', output: [], usage: null } },
    { type: 'response.output_item.added', output_index: 0, item: { ...thought, encrypted_content: '' } },
    { type: 'response.output_item.done', output_index: 0, item: thought },
    { type: 'response.output_item.added', output_index: 1, item: { ...said, content: [] } },
    {
      type: 'response.content_part.added',
      item_id: said.id,
      output_index: 1,
      content_index: 0,
      part: { ...text, text: '' },
    },
    {
      type: 'response.output_text.delta',
      item_id: said.id,
      output_index: 1,
      content_index: 0,
      delta: text.text,
      logprobs: [],
    },
    { type: 'response.output_item.done', output_index: 1, item: said },
    { type: 'response.completed', response: whole },
  ]
  const lines = events.map((event, i) => {
    const data = JSON.stringify({ ...event, sequence_number: i })
    return `event: ${event.type}\ndata: ${data}\n\n`
  })
  sse(response).end(lines.join(''))
}

const TURNS = 12

beforeAll(async () => {
  upstream = await startUpstream(organisation)
  const price = 'input_usd_per_mtok: 1, output_usd_per_mtok: 10, cache_read_usd_per_mtok: 0.1'
  gateway = await startGateway({
    env: { ORG_A: 'org-a', ORG_B: 'org-b', ORG_C: 'org-c' },
    config: `hosts:
  sealing:
    base_url: http://127.0.0.1:${upstream.port}/v1
    quirks: { speaks_responses: true, responses_only: ["o1-pro*", "*-codex"] }
providers:
  sealing:
    credentials:
      - { name: a, secret: env://ORG_A }
      - { name: b, secret: env://ORG_B }
      - { name: c, secret: env://ORG_C }
    models:
      house-codex: { upstream: gpt-9-codex, ${price} }
      house-chat: { upstream: gpt-9, ${price} }
  moved:
    kind: sealing
    base_url: http://127.0.0.1:${upstream.port}/moved/v1
    models:
      moved-codex: { upstream: gpt-9-codex, ${price} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
discover_env: false
`,
  })
  key = await gateway.key()
  openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: key, maxRetries: 0 })
  anthropic = new Anthropic({ baseURL: gateway.url, apiKey: key, maxRetries: 0 })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

/** Who was asked, in order; each turn but the first sends back what was sealed. */
const asked = () => upstream.seen.map(seen => String(seen.headers.authorization).slice('Bearer '.length))
const sealedBack = () =>
  upstream.seen.map(
    seen => ((seen.json().input as Json[]) ?? []).filter(item => item.type === 'reasoning').length,
  )
const countUp = (n: number) => Array.from({ length: n }, (_, i) => i)

test('what an own row says holds at another address of the file too', async () => {
  const moved = { model: 'moved-codex', messages: [{ role: 'user' as const, content: 'Hi' }] }
  await openai.chat.completions.create(moved)
  expect(upstream.seen.map(({ url }) => url)).toEqual(['/moved/v1/responses'])
})

test('chat is said in Responses for such a model, and in chat for its neighbour', async () => {
  const said = await openai.chat.completions.create({
    model: 'house-codex',
    messages: [{ role: 'user', content: 'Hi' }],
  })
  expect(said).toMatchObject({
    object: 'chat.completion',
    choices: [{ message: { content: 'Turn 1.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 20, completion_tokens: 30, completion_tokens_details: { reasoning_tokens: 22 } },
  })
  const [seen] = upstream.seen
  expect(seen?.url).toBe('/v1/responses')
  expect(seen?.json()).toEqual({
    model: 'gpt-9-codex',
    input: [{ role: 'user', content: 'Hi' }],
    include: ['reasoning.encrypted_content'],
    store: false,
  })
  const row = (await gateway.rows()).at(-1)
  // 15 plain at $1, 5 cached at $0.1, 30 written at $10, in nano-USD
  expect(row).toMatchObject({ certainty: 'exact', costNanoUsd: 15_000 + 500 + 300_000 })
  await openai.chat.completions
    .create({ model: 'house-chat', messages: [{ role: 'user', content: 'Hi' }] })
    .catch(() => undefined)
  expect(upstream.seen[1]?.url).toBe('/v1/chat/completions')
})

test('a conversation in chat goes on with the credential that sealed its thoughts', async () => {
  const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Hi' }]
  for (const _ of countUp(TURNS)) {
    const { choices } = await openai.chat.completions.create({ model: 'house-codex', messages })
    messages.push(choices[0]?.message as OpenAI.ChatCompletionMessageParam, {
      role: 'user',
      content: 'Go on',
    })
  }
  expect(asked()).toHaveLength(TURNS)
  expect(new Set(asked()).size).toBe(1)
  expect(sealedBack()).toEqual(countUp(TURNS))
})

test('… in Responses as it streams, with bytes that pass', async () => {
  const input: OpenAI.Responses.ResponseInputItem[] = [{ role: 'user', content: 'Hi' }]
  for (const _ of countUp(TURNS)) {
    const stream = openai.responses.stream({
      model: 'house-codex',
      input,
      store: false,
      include: ['reasoning.encrypted_content'],
    })
    const { output } = await stream.finalResponse()
    input.push(...(output as OpenAI.Responses.ResponseInputItem[]), { role: 'user', content: 'Go on' })
  }
  expect(new Set(asked()).size).toBe(1)
  expect(sealedBack()).toEqual(countUp(TURNS))
})

test("… for Anthropic's client, whose blocks carry what was sealed", async () => {
  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Hi' }]
  for (const _ of countUp(TURNS)) {
    const stream = anthropic.messages.stream({ model: 'house-codex', max_tokens: 500, messages })
    const { content } = await stream.finalMessage()
    messages.push({ role: 'assistant', content }, { role: 'user', content: 'Go on' })
  }
  expect(new Set(asked()).size).toBe(1)
  expect(sealedBack()).toEqual(countUp(TURNS))
})

test('what one key had sealed says nothing about another key', async () => {
  const first = await openai.chat.completions.create({
    model: 'house-codex',
    messages: [{ role: 'user', content: 'Hi' }],
  })
  const message = first.choices[0]?.message as OpenAI.ChatCompletionMessageParam
  const other = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: await gateway.key(), maxRetries: 0 })
  const ask = (client: OpenAI) =>
    client.chat.completions
      .create({ model: 'house-codex', messages: [message, { role: 'user', content: 'Go on' }] })
      .catch(() => undefined)
  for (const _ of countUp(TURNS)) await ask(other)
  expect(new Set(asked()).size).toBeGreaterThan(1)
})

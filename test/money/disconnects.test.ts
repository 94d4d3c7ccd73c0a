/** Callers who leave, providers who break off: T01 to T13, each by its name. A row always, a fair charge, nothing twice. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AttemptRow } from '../../src/terms.ts'
import {
  CHAT,
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startUpstream,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let open: ScriptedUpstream
let drained: ScriptedUpstream
let claude: ScriptedUpstream
let gemini: ScriptedUpstream
let rig: MoneyRig
let key: string

const nothing = () => undefined
beforeAll(async () => {
  ;[open, drained, claude, gemini] = (await Promise.all([0, 1, 2, 3].map(() => startUpstream(nothing)))) as [
    ScriptedUpstream,
    ScriptedUpstream,
    ScriptedUpstream,
    ScriptedUpstream,
  ]
  const model =
    '{ input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }'
  const provider = (name: string, kind: string, port: number, version: string, more = '') =>
    `  ${name}:\n    kind: ${kind}\n    base_url: http://127.0.0.1:${port}/${version}\n${more}    models: { house-model: ${model} }\n`
  rig = await startMoney(
    {},
    '',
    undefined,
    `providers:
${provider('alpha', 'openai', open.port, 'v1')}${provider('beta', 'openai', drained.port, 'v1', '    on_disconnect: drain\n')}${provider('claude', 'anthropic', claude.port, 'v1')}${provider('google', 'gemini', gemini.port, 'v1beta')}retries: { attempts: 2 }
egress: { allow: [${[open, drained, claude, gemini].map(({ port }) => `"127.0.0.1:${port}"`).join(', ')}] }
`,
  )
  key = (await rig.key({ budgets: [{ window: 'total', usd: 1000 }] })).key
})
afterAll(async () => {
  await rig.close()
  await Promise.all([open, drained, claude, gemini].map(upstream => upstream.close()))
})
/** Settled when the caller of this test has gone. */
let gone = Promise.withResolvers<void>()
let before = 0
beforeEach(async () => {
  gone = Promise.withResolvers()
  before = (await rig.rows()).length
  for (const upstream of [open, drained, claude, gemini]) {
    upstream.seen.length = 0
    upstream.script = nothing
  }
})

/** The rows of this test, once there are so many. */
async function rowsOf(count = 1): Promise<AttemptRow[]> {
  await until(async () => (await rig.rows()).length >= before + count)
  return (await rig.rows()).slice(before)
}

const at = (path: string, body: object, init: RequestInit = {}) =>
  fetch(`${rig.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...init,
  })

/** Asks, reads until `seen` is in the answer (a whole one: until the upstream was asked), leaves. */
async function leave(path: string, body: object, upstream: ScriptedUpstream, seen?: string): Promise<void> {
  const leaving = new AbortController()
  const answer = at(path, body, { signal: leaving.signal })
  if (seen === undefined) await until(() => upstream.seen.length > 0)
  else {
    const reader = (await answer).body?.getReader()
    const decoder = new TextDecoder()
    for (let text = ''; !text.includes(seen); ) {
      const part = await reader?.read()
      if (part === undefined || part.done) throw new Error(`ended without ${seen}: ${text}`)
      text += decoder.decode(part.value)
    }
  }
  leaving.abort()
  await answer.catch(nothing)
  gone.resolve()
}

/** Until the caller has gone and the gateway has had time to see it. */
async function left(): Promise<void> {
  await gone.promise
  await sleep(300)
}

const chat = (provider: string, more: object = {}) => ({ ...CHAT, model: `house-model@${provider}`, ...more })
const talk = (response: ServerResponse) => {
  sse(response).write(role)
  for (let i = 0; i < 30; i++) response.write(delta(`word${i} `))
  response.write(delta('last'))
}
const MESSAGE = {
  type: 'message',
  role: 'assistant',
  id: 'msg_1',
  model: 'house-model',
  content: [],
  stop_reason: null,
  stop_sequence: null,
}
const say = (response: ServerResponse, value: { readonly type: string; readonly [name: string]: unknown }) =>
  response.write(`event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`)
/** A stream of Claude's up to its text; it says one output token at its start, as Claude does. */
function speak(response: ServerResponse): void {
  sse(response)
  say(response, {
    type: 'message_start',
    message: { ...MESSAGE, usage: { input_tokens: 40, output_tokens: 1 } },
  })
  say(response, { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
  for (let i = 0; i < 30; i++)
    say(response, { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: `word${i} ` } })
  say(response, { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'last' } })
}

const PARTIAL = { error: 'cancelled', certainty: 'estimated', status: 200, last: true }
/** Of text of 30 words and a last one: at least a token each, at most one a byte. */
function isFair(row: AttemptRow | undefined): void {
  const { usage, costNanoUsd, heldNanoUsd } = row as AttemptRow
  expect(usage?.outputTokens).toBeGreaterThanOrEqual(31)
  expect(usage?.outputTokens).toBeLessThan(250)
  expect(costNanoUsd).toBe((usage?.inputTokens ?? 0) * 1_000 + (usage?.outputTokens ?? 0) * 2_000)
  expect(costNanoUsd).toBeLessThanOrEqual(heldNanoUsd)
}

test('T01 T02 T05 a stream that its caller leaves has a row, with the tokens that came and what they cost', async () => {
  open.script = talk
  for (const [path, body] of [
    ['/v1/chat/completions', chat('alpha', { stream: true })],
    ['/v1/responses', { model: 'house-model@alpha', input: 'Say hello.', stream: true }],
  ] as const) {
    await leave(path, body, open, 'last')
    const [row] = await rowsOf()
    expect(row).toMatchObject(PARTIAL)
    isFair(row)
    before++
  }
})

test('T03 T06 so does one on the Messages wire, and the one token of message_start is not what is billed', async () => {
  claude.script = speak
  await leave('/v1/messages', { ...chat('claude', { stream: true }), max_tokens: 800 }, claude, 'last')
  const [row] = await rowsOf()
  expect(row).toMatchObject({ ...PARTIAL, usage: { inputTokens: 40 } })
  isFair(row)
})

test('T04 abort: the estimate of what came; drain: what the provider says in the end, to the token', async () => {
  const script = async (response: ServerResponse) => {
    talk(response)
    await left()
    response.end(finish() + usageEvent + DONE)
  }
  open.script = script
  drained.script = script
  await leave('/v1/chat/completions', chat('alpha', { stream: true }), open, 'last')
  gone = Promise.withResolvers()
  await leave('/v1/chat/completions', chat('beta', { stream: true }), drained, 'last')
  const rows = await rowsOf(2)
  const of = (name: string) => rows.find(({ provider }) => provider === name)
  expect(of('alpha')).toMatchObject(PARTIAL)
  expect(of('beta')).toMatchObject({
    certainty: 'recovered',
    usage: { inputTokens: 10, outputTokens: 3 },
    costNanoUsd: 16_000,
  })
})

test('T07 a whole answer whose caller leaves is metered: by the hold’s bounds, or drained to the truth', async () => {
  await leave('/v1/chat/completions', chat('alpha'), open)
  gone = Promise.withResolvers()
  drained.script = async response => {
    await left()
    sendJson(response, 200, completion())
  }
  await leave('/v1/chat/completions', chat('beta'), drained)
  const rows = await rowsOf(2)
  const of = (name: string) => rows.find(({ provider }) => provider === name)
  expect(of('alpha')).toMatchObject({ error: 'cancelled', certainty: 'estimated' })
  expect(of('alpha')?.costNanoUsd).toBeGreaterThan(0)
  expect(of('alpha')?.costNanoUsd).toBeLessThanOrEqual(of('alpha')?.heldNanoUsd ?? 0)
  expect(of('beta')).toMatchObject({ certainty: 'recovered', costNanoUsd: 20_000 })
})

test('T08 the provider’s connection is closed when the caller leaves, on every wire, streams and wholes', async () => {
  for (const [path, body, upstream, script, seen] of [
    ['/v1/chat/completions', chat('alpha', { stream: true }), open, talk, 'last'],
    ['/v1/chat/completions', chat('alpha'), open, nothing, undefined],
    ['/v1/messages', { ...chat('claude', { stream: true }), max_tokens: 800 }, claude, speak, 'last'],
    ['/v1/messages', { ...chat('claude'), max_tokens: 800 }, claude, nothing, undefined],
  ] as const) {
    upstream.script = script
    const closed = upstream.aborted
    await leave(path, body, upstream, seen)
    await until(() => upstream.aborted > closed)
    await rowsOf()
    upstream.seen.length = 0
    before++
  }
})

test('T09 a stream that died before any output costs nothing', async () => {
  open.script = response => {
    sse(response).write(role)
    setTimeout(() => response.destroy(), 20)
  }
  const answer = await at('/v1/chat/completions', chat('alpha', { stream: true }))
  expect(answer.status).toBe(502)
  await answer.text()
  for (const row of await rowsOf()) expect(row).toMatchObject({ costNanoUsd: 0 })
})

test('T10 the words of a provider’s error are not billed as output', async () => {
  const words = 'the model is overloaded '.repeat(200)
  open.script = (response, _seen, n) => {
    if (n % 2 === 1) return sendJson(response, 500, { error: { message: words } })
    sse(response).write(role)
    response.end(event({ error: { message: words, code: 500 } }))
  }
  for (let i = 0; i < 2; i++) await (await at('/v1/chat/completions', chat('alpha', { stream: true }))).text()
  const rows = await rowsOf(2)
  expect(rows.length).toBeGreaterThanOrEqual(2)
  for (const row of rows) expect(row).toMatchObject({ costNanoUsd: 0, usage: null })
  // after content the error ends the answer: what came is billed, the error's words are not
  open.script = response => {
    talk(response)
    response.end(event({ error: { message: words, code: 500 } }))
  }
  before += rows.length
  await (await at('/v1/chat/completions', chat('alpha', { stream: true }))).text()
  isFair((await rowsOf())[0])
})

test('T11 a 200 that ends at once on the Responses wire is billed to nobody, and the answer that follows once', async () => {
  // nobody is in trouble there yet
  const fresh = await rig.fresh()
  const caller = await fresh.key({})
  open.script = response => void sse(response).end()
  drained.script = response => {
    talk(response)
    response.end(finish() + usageEvent + DONE)
  }
  const body = {
    model: 'house-model',
    input: 'Say hello.',
    stream: true,
    provider: { order: ['alpha', 'beta'] },
  }
  const answer = await fetch(`${fresh.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${caller.key}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  expect(await answer.text()).toContain('response.completed')
  const rows = await fresh.rows()
  await fresh.close()
  expect(rows.map(({ provider, costNanoUsd, last }) => [provider, costNanoUsd, last])).toEqual([
    ['alpha', 0, false],
    ['beta', 16_000, true],
  ])
})

test('T12 Gemini bills a prompt that it answers without candidates, and so do we', async () => {
  gemini.script = response =>
    sendJson(response, 200, {
      promptFeedback: { blockReason: 'SAFETY' },
      usageMetadata: { promptTokenCount: 120, totalTokenCount: 120 },
      modelVersion: 'house-model',
    })
  await (await at('/v1/chat/completions', chat('google'))).text()
  const [row] = await rowsOf()
  expect(row).toMatchObject({ provider: 'google', costNanoUsd: 120_000, certainty: 'exact' })
})

test('T13 whenever its caller leaves, a request has one row, and no money stays held', async () => {
  open.script = async response => {
    await sleep(5)
    sse(response).write(role)
    for (let i = 0; i < 20 && !response.destroyed; i++) {
      response.write(delta(`word${i} `))
      await sleep(2)
    }
    response.end(finish() + usageEvent + DONE)
  }
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const gone = new AbortController()
      setTimeout(() => gone.abort(), i * 2)
      const answer = await at('/v1/chat/completions', chat('alpha', { stream: true }), {
        signal: gone.signal,
      }).catch(nothing)
      await answer?.text().catch(nothing)
    }),
  )
  await until(() => rig.gateway.ledger.openHolds() === 0)
  const rows = (await rig.rows()).slice(before)
  expect(rows.length).toBe(new Set(rows.map(row => row.requestId)).size)
  // every request that reached the provider is there
  expect(rows.length).toBeGreaterThanOrEqual(open.seen.length)
  for (const row of rows) {
    expect(row.last).toBe(true)
    expect(row.costNanoUsd).toBeLessThanOrEqual(row.heldNanoUsd)
    if (row.usage !== null && row.error === null)
      expect(row).toMatchObject({ certainty: 'exact', costNanoUsd: 16_000 })
  }
})

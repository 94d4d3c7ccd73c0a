/** Streams without a limit whose budget ends: asked to stop where the money does, or cut off and billed for what was on its way. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
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
  sse,
  startUpstream,
  until,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig

beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  rig = await startMoney({ alpha: upstream.port })
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const STREAM = { ...CHAT, stream: true, stream_options: { include_usage: true } }
const HELD_INPUT_USD = 0.0003

const keyWith = async (usd: number) => (await rig.key({ budgets: [{ window: 'total', usd }] })).key
const lastRow = async () => (await rig.rows()).at(-1)

test('a stream that not even a first slice is left for is asked to stop where the money does, and is billed to the token', async () => {
  const key = await keyWith(HELD_INPUT_USD + 600 * 2e-6)
  upstream.script = response => {
    const usage = { prompt_tokens: 10, completion_tokens: 500, total_tokens: 510 }
    sse(response).write(role)
    // five times the bytes that are held: nobody cuts it off
    for (let i = 0; i < 20; i++) response.write(delta('word '.repeat(30)))
    response.end(finish('length') + event({ id: 'x', choices: [], usage }) + DONE)
  }
  const answer = await rig.post(key, STREAM)
  expect((await answer.text()).endsWith(DONE)).toBe(true)
  const asked = Number(upstream.seen[0]?.json().max_tokens)
  expect(asked).toBeGreaterThan(560)
  expect(asked).toBeLessThan(640)
  expect(answer.headers.get('x-switchgate-max-tokens')).toBe(String(asked))
  expect(await lastRow()).toMatchObject({ certainty: 'exact', costNanoUsd: 1_010_000, overrunNanoUsd: 0 })
})

test('a stream that has the budget for itself is told where the money ends, and is not cut before', async () => {
  // a first slice of 1,024 tokens and less than another one
  const key = await keyWith(HELD_INPUT_USD + 1_500 * 2e-6)
  upstream.script = async response => {
    const usage = { prompt_tokens: 10, completion_tokens: 1_400, total_tokens: 1_410 }
    sse(response).write(role)
    // more bytes than tokens are held for
    for (let i = 0; i < 40; i++) {
      response.write(delta('word '.repeat(30)))
      await new Promise(resolve => setTimeout(resolve, 2))
    }
    // all that it can still cost is held before its end is told
    await until(() => rig.gateway.ledger.openMoney().some(({ nanoUsd }) => nanoUsd > 3_000_000))
    response.end(finish() + event({ id: 'x', choices: [], usage }) + DONE)
  }
  const answer = await rig.post(key, STREAM)
  expect((await answer.text()).endsWith(DONE)).toBe(true)
  const asked = Number(upstream.seen[0]?.json().max_tokens)
  expect(asked).toBeGreaterThan(1_400)
  expect(asked).toBeLessThan(1_560)
  expect(answer.headers.get('x-switchgate-max-tokens')).toBe(String(asked))
  expect(await lastRow()).toMatchObject({ certainty: 'exact', costNanoUsd: 2_810_000, overrunNanoUsd: 0 })
})

test('a provider that does not keep to the limit it was told is cut off', async () => {
  const key = await keyWith(HELD_INPUT_USD + 600 * 2e-6)
  let closed = false
  upstream.script = async response => {
    response.on('close', () => {
      closed = true
    })
    sse(response).write(role)
    while (!closed) {
      response.write(delta('word '.repeat(100)))
      await new Promise(resolve => setImmediate(resolve))
    }
  }
  const text = await (await rig.post(key, STREAM)).text()
  expect(text).toContain('"finish_reason":"length"')
  await until(() => closed)
  expect(await lastRow()).toMatchObject({ certainty: 'estimated', finishReason: 'length' })
})

test.each([
  ['with the role in the first event', true],
  ['with the role in an event of its own', false],
])(
  'a provider that writes a word an event, %s, and ignores its limit is cut off where its bytes end',
  async (_name, inFirst) => {
    const key = await keyWith(HELD_INPUT_USD + 600 * 2e-6)
    const frame = { id: 'x', object: 'chat.completion.chunk', created: 1, model: 'house-model' }
    const first = { ...frame, choices: [{ index: 0, delta: { role: 'assistant', content: 'word ' } }] }
    let closed = false
    upstream.script = async response => {
      response.on('close', () => {
        closed = true
      })
      sse(response).write(inFirst ? event(first) : role + delta('word '))
      // far beyond six bytes a token, and then no more until it is hung up on
      for (let i = 0; i < 1000; i++) response.write(delta('word '))
      await until(() => closed, 10_000).catch(() => undefined)
      const usage = { prompt_tokens: 10, completion_tokens: 1001, total_tokens: 1011 }
      response.end(finish() + event({ ...frame, choices: [], usage }) + DONE)
    }
    const text = await (await rig.post(key, STREAM)).text()
    expect(text).toContain('"finish_reason":"length"')
    expect(await lastRow()).toMatchObject({ certainty: 'estimated', finishReason: 'length' })
  },
)

/** Writes words until it is hung up on, whatever it was asked for; far more than any hold below. */
const endless: (response: ServerResponse) => Promise<void> = async response => {
  let closed = false
  response.on('close', () => {
    closed = true
  })
  sse(response).write(role)
  for (let i = 0; i < 400 && !closed; i++) {
    response.write(delta('word '.repeat(100)))
    await new Promise(resolve => setImmediate(resolve))
  }
  const usage = { prompt_tokens: 10, completion_tokens: 40_000, total_tokens: 40_010 }
  response.end(finish() + event({ id: 'x', choices: [], usage }) + DONE)
}

test.each([
  ['max_tokens', { max_tokens: 100 }],
  ['max_completion_tokens', { max_completion_tokens: 100 }],
  ['several choices', { max_tokens: 50, n: 2 }],
])(
  'a provider that does not keep to the limit of the caller is cut off where the budget ends: %s',
  async (_name, limit) => {
    const usd = 2 * HELD_INPUT_USD + 3_000 * 2e-6
    const key = await keyWith(usd)
    upstream.script = endless
    const answers = await Promise.all(Array.from({ length: 6 }, () => rig.post(key, { ...STREAM, ...limit })))
    const texts = await Promise.all(answers.map(answer => answer.text()))
    for (const text of texts.filter(text => text.includes('word'))) {
      expect(text).toContain('"finish_reason":"length"')
      expect(text.length).toBeLessThan(100_000)
    }
    const rows = (await rig.rows()).slice(-answers.length).filter(({ status }) => status === 200)
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row).toMatchObject({ certainty: 'estimated', finishReason: 'length' })
    const spent = rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0)
    expect(spent).toBeLessThanOrEqual(usd * 1e9)
  },
)

test('a stream beyond the limit of the caller goes on where there is money for it, which is held as it comes', async () => {
  const key = await keyWith(1)
  let held = 0
  upstream.script = async response => {
    sse(response).write(role)
    for (let i = 0; i < 20; i++) response.write(delta('word '.repeat(100)))
    await until(() => {
      held = Math.max(held, ...rig.gateway.ledger.openMoney().map(({ nanoUsd }) => nanoUsd))
      return held >= 10_000 * 2_000
    })
    const usage = { prompt_tokens: 10, completion_tokens: 2_000, total_tokens: 2_010 }
    response.end(finish() + event({ id: 'x', choices: [], usage }) + DONE)
  }
  const answer = await rig.post(key, { ...STREAM, max_tokens: 100 })
  expect((await answer.text()).endsWith(DONE)).toBe(true)
  expect(await lastRow()).toMatchObject({ certainty: 'exact', costNanoUsd: 4_010_000, overrunNanoUsd: 0 })
})

test('a budget that would pay for all that the model can write needs no limit', async () => {
  const key = await keyWith(1)
  upstream.script = response => {
    const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
    sse(response).write(role + delta('one'))
    response.end(finish() + event({ id: 'x', choices: [], usage }) + DONE)
  }
  const answer = await rig.post(key, STREAM)
  await answer.text()
  expect(upstream.seen[0]?.json().max_tokens).toBeUndefined()
  expect(answer.headers.get('x-switchgate-max-tokens')).toBeNull()
})

test('a stream whose money others have taken is cut off and billed for what came and what was on its way', async () => {
  const key = await keyWith(2 * HELD_INPUT_USD + 3_000 * 2e-6)
  let closed = false
  const sent = 'word '.repeat(30)
  let goOn = (): void => undefined
  const taken = new Promise<void>(resolve => {
    goOn = resolve
  })
  const others: ServerResponse[] = []
  upstream.script = async (response: ServerResponse, seen) => {
    if (seen.json().stream !== true) return void others.push(response)
    response.on('close', () => {
      closed = true
    })
    sse(response).write(role + delta(sent))
    await taken
    // the gateway hangs up after 1,024 bytes
    for (let i = 0; i < 40 && !closed; i++) {
      response.write(delta(sent))
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
  const answer = await rig.post(key, STREAM)
  // what is left is held by somebody else until the stream has ended
  const leave = new AbortController()
  const other = rig.post(key, { ...CHAT, max_tokens: 1_900 }, { signal: leave.signal }).catch(() => undefined)
  await until(() => others.length === 1)
  goOn()
  const text = await answer.text()
  leave.abort()
  await other
  expect(text).toContain('"finish_reason":"length"')
  await until(() => closed)
  const came = text.split(sent).length - 1
  const row = (await rig.rows()).filter(({ stream }) => stream).at(-1)
  const tokens = row?.usage?.outputTokens ?? 0
  // a token a word at least, and no more than a third of the bytes, whoever counts
  expect(tokens).toBeGreaterThanOrEqual(Math.min(1_024, came * 30 + 256))
  expect(tokens).toBeLessThanOrEqual(Math.ceil((came * sent.length) / 3) + 256)
  expect(row).toMatchObject({
    certainty: 'estimated',
    finishReason: 'length',
    costNanoUsd: (row?.usage?.inputTokens ?? 0) * 1_000 + tokens * 2_000,
  })
  // the caller is told what is billed
  expect(text).toContain(`"completion_tokens":${tokens}`)
})

test('a whole answer that the caller leaves is billed for what the model may have written unseen', async () => {
  const key = (await rig.key({})).key
  let asked = false
  upstream.script = () => {
    asked = true
  }
  const leave = new AbortController()
  const gone = rig.post(key, { ...CHAT, max_tokens: 8_000 }, { signal: leave.signal }).catch(() => undefined)
  await until(() => asked)
  leave.abort()
  await gone
  await until(() => rig.gateway.ledger.openHolds() === 0)
  const row = await lastRow()
  expect(row).toMatchObject({ certainty: 'estimated', status: 499 })
  expect(row?.usage?.outputTokens).toBeGreaterThanOrEqual(256)
  expect(row?.usage?.outputTokens).toBeLessThanOrEqual(8_000)
})

test('no budget needs a limit for a model that is free', async () => {
  const config = `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${upstream.port}/v1
    models: { house-model: { input_usd_per_mtok: 0, output_usd_per_mtok: 0 } }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`
  const free = await startMoney({}, '', undefined, config)
  try {
    upstream.script = response => void sendJson(response, 200, completion('hello'))
    const { key } = await free.key({ budgets: [{ window: 'total', usd: 0.01 }] })
    const answer = await free.post(key, CHAT)
    expect(answer.status).toBe(200)
    await answer.text()
    expect(upstream.seen.at(-1)?.json().max_tokens).toBeUndefined()
  } finally {
    await free.close()
  }
})

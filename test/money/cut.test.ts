/** Streams without a limit whose budget ends: asked to stop where the money does, or cut off and billed for what was on its way. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import {
  CHAT,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
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

test('a stream that is cut off is billed for what came and what was on its way, within what is held', async () => {
  // a slice of 1,024 tokens and less than another one
  const key = await keyWith(HELD_INPUT_USD + 1_500 * 2e-6)
  let closed = false
  const sent = 'word '.repeat(30)
  upstream.script = async (response: ServerResponse) => {
    response.on('close', () => {
      closed = true
    })
    sse(response).write(role)
    // the gateway hangs up after 1,024 bytes
    for (let i = 0; i < 40 && !closed; i++) {
      response.write(delta(sent))
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
  const text = await (await rig.post(key, STREAM)).text()
  expect(text).toContain('"finish_reason":"length"')
  await until(() => closed)
  const came = text.split(sent).length - 1
  const row = await lastRow()
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

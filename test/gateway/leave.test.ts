/**
 * Clients that leave at any of 40 places of an answer, whole or streamed, on three wires: there is always a row, its
 * charge lies between what was delivered and what was held, and the upstream is let go at once.
 */
import { request } from 'node:http'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { AttemptRow } from '../../src/terms.ts'
import {
  configFor,
  delta,
  finish,
  quickest,
  role,
  type ScriptedUpstream,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from './harness.ts'

const PLACES = 40
const LET_GO_MS = 250
/** One token each, at two dollars a million: what is delivered costs at least so much a word. */
const WORD_NANO_USD = 2_000
const INPUT_WORDS = 'Say forty words, one at a time.'

const WIRES = {
  chat: {
    path: '/v1/chat/completions',
    body: (text: string, stream: boolean) => ({
      model: 'house-model',
      max_tokens: 500,
      messages: [{ role: 'user', content: text }],
      ...(stream && { stream }),
    }),
  },
  messages: {
    path: '/v1/messages',
    body: (text: string, stream: boolean) => ({
      model: 'house-model',
      max_tokens: 500,
      messages: [{ role: 'user', content: text }],
      ...(stream && { stream }),
    }),
  },
  gemini: {
    path: '/v1beta/models/house-model:generateContent',
    body: (text: string) => ({
      contents: [{ role: 'user', parts: [{ text }] }],
      generationConfig: { maxOutputTokens: 500 },
    }),
  },
} as const

/** One request of the matrix: the upstream tells when it is at the place, and when it is left alone. */
interface Visit {
  readonly place: number
  readonly reached: PromiseWithResolvers<void>
  readonly closedAtMs: PromiseWithResolvers<number>
}

let gateway: TestGateway
let upstream: ScriptedUpstream
let key: string
const visits = new Map<string, Visit>()

beforeAll(async () => {
  upstream = await startUpstream(async (response, seen) => {
    const visit = visits.get(/visit-\d+-/.exec(seen.body)?.[0] ?? '')
    if (visit === undefined) throw new Error('an unknown visitor')
    response.on('close', () => visit.closedAtMs.resolve(performance.now()))
    const parts =
      seen.json().stream === true
        ? [role, ...Array.from({ length: PLACES }, () => delta('word ')), finish() + usageEvent]
        : cut(JSON.stringify(answerOf(PLACES)))
    for (const [i, part] of parts.entries()) {
      if (i === visit.place) {
        // gives what was written a moment to arrive
        await sleep(15)
        visit.reached.resolve()
        await visit.closedAtMs.promise
        return
      }
      if (i === 0)
        seen.json().stream === true
          ? sse(response)
          : response.writeHead(200, { 'content-type': 'application/json' })
      response.write(part)
      await sleep(1)
    }
  })
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }) })
  key = await gateway.key({ budgets: [{ window: 'total', limitNanoUsd: 1e12, softNanoUsd: null }] })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

const answerOf = (words: number) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'house-model',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'word '.repeat(words) }, finish_reason: 'stop' },
  ],
  usage: { prompt_tokens: 10, completion_tokens: words, total_tokens: 10 + words },
})

/** In as many parts as there are places; never all of it. */
function cut(text: string): string[] {
  const size = Math.ceil(text.length / (PLACES + 1))
  return Array.from({ length: PLACES + 1 }, (_, i) => text.slice(i * size, (i + 1) * size))
}

interface Left {
  readonly requestId: string | undefined
  /** Words that the client had received. */
  readonly words: number
  readonly closedAfterMs: number
}

/** Asks, waits for the upstream to be at the place, and goes. */
async function leaveAt(
  wire: keyof typeof WIRES,
  stream: boolean,
  place: number,
  mark: string,
): Promise<Left> {
  const visit: Visit = { place, reached: Promise.withResolvers(), closedAtMs: Promise.withResolvers() }
  visits.set(mark, visit)
  const { path, body } = WIRES[wire]
  const url = new URL(
    gateway.url + (wire === 'gemini' && stream ? path.replace('generate', 'streamGenerate') : path),
  )
  if (wire === 'gemini' && stream) url.searchParams.set('alt', 'sse')
  let text = ''
  let requestId: string | undefined
  const client = request(url, {
    method: 'POST',
    agent: false,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
  })
  client.on('response', answer => {
    requestId = String(answer.headers['x-request-id'])
    answer.on('data', part => (text += part))
    answer.on('error', () => {})
  })
  client.on('error', () => {})
  client.end(JSON.stringify(body(`${mark} ${INPUT_WORDS}`, stream)))
  await visit.reached.promise
  const leftAtMs = performance.now()
  client.destroy()
  const closedAfterMs = (await visit.closedAtMs.promise) - leftAtMs
  return { requestId, words: text.split('word ').length - 1, closedAfterMs }
}

let sequence = 0

it.each([
  ['chat', false],
  ['chat', true],
  ['messages', false],
  ['messages', true],
  ['gemini', false],
  ['gemini', true],
] as const)('%s, streamed: %s: 40 places', async (wire, stream) => {
  const before = new Set((await gateway.rows()).map(row => row.id))
  const all: Left[] = []
  for (let place = 0; place < PLACES; place += 8) {
    const some = Array.from({ length: 8 }, (_, i) =>
      quickest(LET_GO_MS, async () => {
        const left = await leaveAt(wire, stream, place + i, `visit-${sequence++}-`)
        all.push(left)
        return left.closedAfterMs
      }),
    )
    for (const closedAfterMs of await Promise.all(some)) expect(closedAfterMs).toBeLessThan(LET_GO_MS)
  }
  const fresh = async () => (await gateway.rows()).filter(row => !before.has(row.id))
  await until(async () => (await fresh()).length >= all.length)
  const rows = await fresh()
  expect(rows).toHaveLength(all.length)
  for (const row of rows) {
    expect(row).toMatchObject({ error: 'cancelled', last: true, attempt: 1, overrunNanoUsd: 0 })
    expect(['estimated', 'recovered', 'exact']).toContain(row.certainty)
    expect(row.costNanoUsd).toBeGreaterThan(0)
    expect(row.costNanoUsd).toBeLessThanOrEqual(row.heldNanoUsd)
  }
  const byRequest = new Map(rows.map((row): [string, AttemptRow] => [row.requestId, row]))
  let delivered = 0
  for (const { requestId, words } of all) {
    delivered += words
    const row = byRequest.get(requestId ?? '')
    if (words > 0) expect(row?.costNanoUsd).toBeGreaterThanOrEqual(words * WORD_NANO_USD)
  }
  // of a whole answer nothing is delivered before all of it is there; of a stream all that had come
  if (stream) expect(delivered).toBeGreaterThan((PLACES * PLACES) / 4)
  else expect(delivered).toBe(0)
  const { ledger, deps } = gateway.gateway
  const [owner] = await deps.store.keys()
  expect(owner && ledger.usageOf(owner)[0]?.heldNanoUsd).toBe(0)
})

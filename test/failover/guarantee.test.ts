/** `stream_guarantee`: what is held back, what is mended, and what is counted and charged for a stream that broke unseen. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  finish,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from '../gateway/harness.ts'

let first: ScriptedUpstream
let second: ScriptedUpstream
let gateway: TestGateway
let key: string

const TIMEOUTS =
  'timeouts: { first_byte_ms: 5000, first_token_ms: 5000, idle_ms: 1000, stall_ms: 1000, keepalive_ms: 2500, total_ms: 30000 }\n'
const configOf = (routing = '', more = TIMEOUTS) =>
  configFor({ alpha: first.port, beta: second.port }, `${more}${routing}`).replace(
    'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0',
    'input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2',
  )

const fine: Script = response =>
  void sse(response).end(role + delta('the whole answer') + finish() + usageEvent + DONE)
const MENDED = role + delta('the whole answer') + finish() + DONE

beforeAll(async () => {
  first = await startUpstream(fine)
  second = await startUpstream(fine)
  gateway = await startGateway({ config: configOf() })
  key = await gateway.key()
})
beforeEach(async () => {
  first.seen.length = 0
  second.seen.length = 0
  second.script = fine
  await gateway.close()
  gateway = await startGateway({ config: configOf() })
  key = await gateway.key()
})
afterAll(async () => {
  await gateway?.close()
  await first?.close()
  await second?.close()
})

const ask = (stream_guarantee?: string, more = {}) =>
  gateway.post(key, { ...CHAT, stream: true, ...(stream_guarantee && { stream_guarantee }), ...more })

/** What the first target does after content. */
const BREAKS: [string, Script][] = [
  [
    'a cut',
    response => {
      sse(response).write(role + delta('half'))
      setTimeout(() => response.destroy(), 20)
    },
  ],
  ['an end without a finish reason', response => void sse(response).end(role + delta('half'))],
  [
    'an error event',
    response => void sse(response).end(role + delta('half') + event({ error: { message: 'x', code: 503 } })),
  ],
  ['a stall', response => void sse(response).write(role + delta('half'))],
  [
    'an event that outgrows every bound',
    response => {
      sse(response).write(role + delta('half'))
      response.end(`data: ${'x'.repeat(1_100_000)}`)
    },
  ],
]

describe.each(['settled', 'complete'])('%s', guarantee => {
  test.each(BREAKS)('%s is mended by another target, unseen', async (_name, script) => {
    first.script = script
    const answer = await ask(guarantee)
    const text = await answer.text()
    expect(text.replaceAll(': waiting\n\n', '')).toBe(MENDED)
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
    const rows = await gateway.rows()
    expect(rows.map(row => [row.provider, row.last, row.error !== null])).toEqual([
      ['alpha', false, true],
      ['beta', true, false],
    ])
    // what the first one wrote was written: it is charged as an estimate, never as an exact figure
    expect(rows[0]).toMatchObject({ certainty: 'estimated' })
    expect(rows[0]?.costNanoUsd).toBeGreaterThan(0)
    expect(rows[1]).toMatchObject({ certainty: 'exact' })
  })

  test('no target that breaks is shown, and the last error is told whole', async () => {
    const broken = BREAKS[0]?.[1] as Script
    first.script = broken
    second.script = broken
    const answer = await ask(guarantee)
    const text = await answer.text()
    expect(answer.status).toBe(502)
    expect(text).not.toContain('half')
    expect(JSON.parse(text).error.code).toBe('upstream_unavailable')
    expect(first.seen.length + second.seen.length).toBe(3)
  })

  test('the target that answers is named in the head', async () => {
    first.script = BREAKS[0]?.[1] as Script
    const answer = await ask(guarantee)
    await answer.text()
    expect(answer.headers.get('x-switchgate-provider')).toBe('beta')
    expect(answer.headers.get('x-switchgate-attempts')).toBe('2')
  })

  test('the caller who leaves while content is held ends the upstream too', async () => {
    first.script = response => void sse(response).write(role + delta('half'))
    const before = first.aborted
    const abort = new AbortController()
    const asked = gateway.post(
      key,
      { ...CHAT, stream: true, stream_guarantee: guarantee },
      { signal: abort.signal },
    )
    await until(() => first.seen.length === 1)
    await sleep(50)
    abort.abort()
    await expect(asked).rejects.toThrow()
    await until(() => first.aborted === before + 1)
    await until(async () => (await gateway.rows()).length === 1)
    expect((await gateway.rows())[0]).toMatchObject({ error: 'cancelled', last: true })
    expect(second.seen).toHaveLength(0)
  })
})

test('settled lets go after so many tokens: a later break ends honestly, and nobody else is asked', async () => {
  first.script = response =>
    void sse(response).end(role + Array.from({ length: 70 }, (_, i) => delta(`w${i} `)).join(''))
  const text = await (await ask('settled')).text()
  expect(text).toContain('w69')
  expect(text).toContain('"error"')
  expect(text).not.toContain('[DONE]')
  expect(second.seen).toHaveLength(0)
})

test('settled lets go after so long, when something more arrives', async () => {
  await gateway.close()
  gateway = await startGateway({
    config: configOf('routing: { stream_guarantee: settled, settle_ms: 50, settle_tokens: 1000 }\n'),
  })
  key = await gateway.key()
  first.script = async response => {
    sse(response).write(role + delta('early '))
    await sleep(500)
    response.write(delta('late '))
    await sleep(20)
    response.destroy()
  }
  const text = await (await ask()).text()
  expect(text).toContain('late')
  expect(text).toContain('"error"')
  expect(second.seen).toHaveLength(0)
})

test('complete shows no content before the end, and signs of life meanwhile', async () => {
  let alive = false
  let given = 0
  first.script = async response => {
    sse(response).write(role + delta('one '))
    for (; (given < 6 || !alive) && !response.destroyed; given++) {
      await sleep(60)
      response.write(delta('more '))
    }
    response.end(finish() + usageEvent + DONE)
  }
  const answer = await ask('complete')
  const reader = answer.body?.getReader()
  const decoder = new TextDecoder()
  const opening = decoder.decode((await reader?.read())?.value)
  expect(opening).toMatch(/^(: waiting\n\n)+$/)
  alive = true
  let text = ''
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
    text += decoder.decode(part.value)
  expect(text.replaceAll(': waiting\n\n', '')).toBe(
    role + delta('one ') + delta('more ').repeat(given) + finish() + DONE,
  )
  expect((await gateway.rows()).map(row => row.error)).toEqual([null])
})

test('what is held is bounded by limits.answer_bytes: the rest goes out as under fast', async () => {
  await gateway.close()
  gateway = await startGateway({ config: configOf('limits: { answer_bytes: 65536 }\n') })
  key = await gateway.key()
  first.script = response => {
    sse(response).write(role + delta('x'.repeat(70_000)))
    setTimeout(() => response.destroy(), 50)
  }
  const text = await (await ask('complete')).text()
  expect(text).toContain('xxxx')
  expect(text).toContain('"error"')
  expect(second.seen).toHaveLength(0)
})

test('the request’s wish wins over the configuration, both ways; a wrong one is refused by name', async () => {
  await gateway.close()
  gateway = await startGateway({ config: configOf('routing: { stream_guarantee: complete }\n') })
  key = await gateway.key()
  first.script = BREAKS[0]?.[1] as Script
  expect(await (await ask()).text()).toBe(MENDED)
  // it has failed once, and how fast it was says more on a busy machine than its price
  const there = { provider: { order: ['alpha'], allow_fallbacks: false } }
  expect(await (await ask('fast', there)).text()).toContain('half')
  const wrong = await ask('perfect')
  expect(wrong.status).toBe(400)
  expect(((await wrong.json()) as { error: { param: string } }).error.param).toBe('stream_guarantee')
})

test('whole answers are not touched by it', async () => {
  first.script = response => sendJson(response, 200, completion())
  const answer = await gateway.post(key, { ...CHAT, stream_guarantee: 'complete' })
  expect(await answer.text()).toBe(JSON.stringify(completion()))
  expect(first.seen[0]?.json()).not.toHaveProperty('stream_guarantee')
})

test('a budget that ends in the middle of a held answer still shows what was paid for', async () => {
  // about 1,400 output tokens at 0.2 USD per million are left, the model is told so, and writes on
  const poor = await gateway.key({
    budgets: [{ window: 'total', limitNanoUsd: 300_000, softNanoUsd: null }],
  })
  first.script = async response => {
    sse(response).write(role)
    for (let i = 0; i < 200; i++) response.write(delta('word '.repeat(20)))
    // the gateway goes as soon as it has read that
    await new Promise(resolve => response.on('close', resolve))
  }
  const answer = await gateway.post(poor, { ...CHAT, stream: true, stream_guarantee: 'complete' })
  const text = await answer.text()
  expect(text).toContain('word')
  expect(text).toContain('"finish_reason":"length"')
  expect(text.endsWith(DONE)).toBe(true)
  expect(second.seen).toHaveLength(0)
})

describe('other wires', () => {
  const post = (path: string, body: object) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  test.each([
    ['/v1/messages', { model: 'house-model', max_tokens: 64, messages: CHAT.messages, stream: true }],
    ['/v1/responses', { model: 'house-model', input: 'Say hello.', stream: true }],
  ])('%s: complete mends there too', async (path, body) => {
    first.script = BREAKS[0]?.[1] as Script
    const answer = await post(path, { ...body, stream_guarantee: 'complete' })
    const text = await answer.text()
    expect(text).toContain('the whole answer')
    expect(text).not.toContain('half')
    expect(text.match(/message_start|response\.created/g)).toHaveLength(2)
    expect([first.seen.length, second.seen.length]).toEqual([1, 1])
  })
})

/** One target: what reaches the upstream, what reaches the caller, and what the ledger says of it. */
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:net'
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  event,
  finish,
  quickest,
  role,
  type ScriptedUpstream,
  sendJson,
  settled,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from './harness.ts'

let upstream: ScriptedUpstream
let gateway: TestGateway
let key: string

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const timeouts =
    'timeouts: { first_token_ms: 400, idle_ms: 300, stall_ms: 1500, keepalive_ms: 150, total_ms: 30000 }\n'
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }, timeouts) })
  key = await gateway.key({ budgets: [{ window: 'day', limitNanoUsd: 1_000_000_000, softNanoUsd: null }] })
})
afterAll(async () => {
  await gateway?.close()
  await upstream?.close()
})
beforeEach(() => {
  upstream.seen.length = 0
})

const lastRow = async () => (await gateway.rows()).at(-1)
const stream = (more: object = {}) => ({ ...CHAT, stream: true, ...more })

/** What the upstream said of it: while it says nothing, as on a slow machine, a comment of ours may stand before. */
const saidBy = async (answer: Response): Promise<string> =>
  (await answer.text()).replaceAll(': waiting\n\n', '')

describe('a whole answer', () => {
  test('comes back byte for byte, with its price in the head and one exact row', async () => {
    const body = JSON.stringify(completion('Grüße 👋 "quoted"'), null, 1)
    upstream.script = response => sendJson(response, 200, body)
    const answer = await gateway.post(key, CHAT)
    expect(await answer.text()).toBe(body)
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'x-switchgate-provider': 'alpha',
      'x-switchgate-model': 'house-model',
      'x-switchgate-attempts': '1',
      'x-switchgate-cost-usd': '0.00002',
      'cache-control': 'no-store',
    })
    const row = await lastRow()
    expect(row).toMatchObject({
      status: 200,
      certainty: 'exact',
      costNanoUsd: 20_000,
      finishReason: 'stop',
      answerId: 'chatcmpl-upstream1',
    })
    expect(row?.usage).toMatchObject({ inputTokens: 10, outputTokens: 5 })
  })

  test('the upstream gets the caller’s bytes: only the model and our own fields change', async () => {
    upstream.script = response => sendJson(response, 200, completion())
    const body = `{ "messages":[{"role":"user","content":"a\\u00e9 1.0"}],\n "tools":[{"type":"function","function":{"name":"f","parameters":{"b":1.50,"a":[1e2]}}}], "model":"house-model@alpha" , "session_id":"s","temperature":1.0 }`
    expect((await gateway.post(key, body)).status).toBe(200)
    expect(upstream.seen[0]?.body).toContain(`"messages":[{"role":"user","content":"a\\u00e9 1.0"}]`)
    expect(upstream.seen[0]?.body).toContain(`{"name":"f","parameters":{"b":1.50,"a":[1e2]}}`)
    expect(upstream.seen[0]?.body).toContain(`"temperature":1.0`)
    expect(upstream.seen[0]?.json().model).toBe('house-model')
    expect(upstream.seen[0]?.json()).not.toHaveProperty('session_id')
  })

  test('no credential of the caller’s and no header of theirs goes upstream', async () => {
    upstream.script = response => sendJson(response, 200, completion())
    await gateway.post(key, CHAT, {
      headers: {
        authorization: `Bearer ${key}`,
        'content-type': 'application/json',
        cookie: 'a=b',
        'x-secret': 'mine',
      },
    })
    const sent = JSON.stringify(upstream.seen[0]?.headers)
    expect(sent).not.toContain(key)
    expect(sent).not.toContain('mine')
    expect(sent).not.toContain('cookie')
  })

  test('usage.cost only for those who ask', async () => {
    upstream.script = response => sendJson(response, 200, completion())
    const asked = (await (await gateway.post(key, { ...CHAT, usage: { include: true } })).json()) as {
      usage: { cost?: number }
    }
    expect(asked.usage.cost).toBe(0.00002)
    expect(upstream.seen[0]?.json()).not.toHaveProperty('usage')
    const plain = (await (await gateway.post(key, CHAT)).json()) as { usage: { cost?: number } }
    expect(plain.usage).not.toHaveProperty('cost')
  })

  test('an answer above limits.answer_bytes is refused, not kept in memory', async () => {
    const small = await startGateway({
      config: configFor({ alpha: upstream.port }, 'limits: { answer_bytes: 4096 }\n'),
    })
    try {
      upstream.script = response => sendJson(response, 200, completion('x'.repeat(10_000)))
      const answer = await small.post(await small.key(), CHAT)
      expect(answer.status).toBe(502)
      await answer.text()
    } finally {
      await small.close()
    }
  })

  test('may begin with a byte order mark', async () => {
    const body = `\ufeff${JSON.stringify(completion('fine'))}`
    upstream.script = response => sendJson(response, 200, body)
    const answer = await gateway.post(key, CHAT)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ choices: [{ message: { content: 'fine' } }] })
  })

  test('missing usage is estimated and says so, never zero', async () => {
    upstream.script = response => sendJson(response, 200, completion('word '.repeat(40), null))
    const answer = await gateway.post(key, CHAT)
    expect(answer.status).toBe(200)
    const row = await lastRow()
    expect(row?.certainty).toBe('estimated')
    expect(row?.costNanoUsd).toBeGreaterThan(40_000)
  })
})

describe('a stream', () => {
  test('passes untouched but for the usage event nobody asked for, and is metered', async () => {
    upstream.script = response =>
      void sse(response).end(role + delta('Hel') + delta('lo') + finish() + usageEvent + DONE)
    const answer = await gateway.post(key, stream())
    expect(await saidBy(answer)).toBe(role + delta('Hel') + delta('lo') + finish() + DONE)
    expect(upstream.seen[0]?.json().stream_options).toEqual({ include_usage: true })
    expect(await lastRow()).toMatchObject({
      certainty: 'exact',
      costNanoUsd: 16_000,
      stream: true,
      finishReason: 'stop',
    })
  })

  test('carries the usage event with its cost when asked', async () => {
    upstream.script = response => void sse(response).end(role + delta('Hi') + finish() + usageEvent + DONE)
    const answer = await gateway.post(key, stream({ stream_options: { include_usage: true } }))
    const text = await answer.text()
    expect(text).toContain('"usage":{"cost":0.000016,"prompt_tokens":10,')
    expect(text.endsWith(DONE)).toBe(true)
  })

  test('is the same however the bytes are cut', async () => {
    const whole = role + delta('Grüße 👋') + delta('x') + finish() + usageEvent + DONE
    const bytes = Buffer.from(whole)
    upstream.script = async response => {
      sse(response)
      for (let at = 0; at < bytes.length; at += 37) {
        response.write(bytes.subarray(at, at + 37))
        await sleep(1)
      }
      response.end()
    }
    const answer = await gateway.post(key, stream())
    expect(await saidBy(answer)).toBe(role + delta('Grüße 👋') + delta('x') + finish() + DONE)
    expect((await lastRow())?.costNanoUsd).toBe(16_000)
  })

  test('usage on every chunk is not summed; CRLF and no [DONE] are fine', async () => {
    const chunk = (n: number, reason: string | null) =>
      `data: {"id":"p1","choices":[{"index":0,"delta":{"content":"w${n}"},"finish_reason":${JSON.stringify(reason)}}],"usage":{"prompt_tokens":10,"completion_tokens":${n},"total_tokens":${10 + n}}}\r\n\r\n`
    upstream.script = response => void sse(response).end(chunk(1, null) + chunk(2, null) + chunk(3, 'stop'))
    const text = await saidBy(await gateway.post(key, stream()))
    expect(text).toBe(chunk(1, null) + chunk(2, null) + chunk(3, 'stop') + DONE)
    expect((await lastRow())?.usage).toMatchObject({ inputTokens: 10, outputTokens: 3 })
  })

  test.each(['data: [DONE]\r\n\r\n', 'data:[DONE]\r\n\r\n', 'data:[DONE]\n\n', DONE])(
    'ends as it ended upstream: %j',
    async end => {
      const lines = end.endsWith('\r\n') ? '\r\n' : '\n'
      const said = (role + delta('Hi') + finish()).replaceAll('\n', lines)
      for (const cut of [0, said.length, said.length + 9]) {
        upstream.script = async response => {
          const whole = said + end
          sse(response)
          if (cut > 0) response.write(whole.slice(0, cut))
          await sleep(5)
          response.end(whole.slice(cut))
        }
        expect(await saidBy(await gateway.post(key, stream()))).toBe(said + end)
      }
    },
  )

  test('a finished stream ends at [DONE] though the upstream keeps the connection open', async () => {
    upstream.script = response => void sse(response).write(role + delta('Hi') + finish() + usageEvent + DONE)
    // whoever waited for the upstream would be ended by its stall_ms
    const tookMs = await quickest(1_000, async () => {
      const started = performance.now()
      expect(await (await gateway.post(key, stream())).text()).toContain(DONE)
      return performance.now() - started
    })
    expect(tookMs).toBeLessThan(1_000)
    await until(() => upstream.aborted > 0)
  })

  test.each([
    ['cut after content', role + delta('half a')],
    ['[DONE] without a finish reason', role + delta('half a') + DONE],
    [
      'error event after content',
      role + delta('half a') + event({ error: { message: 'boom', type: 'server_error' } }),
    ],
    [
      'an event that is only named error',
      `${role}${delta('half a event: error')}event: error\n${event({ message: 'no sk-upstream-0123456789', code: 503 })}${finish()}${DONE}`,
    ],
  ])('%s ends in an error event, never in a quiet success', async (_name, bytes) => {
    upstream.script = response => void sse(response).end(bytes)
    const answer = await gateway.post(key, stream())
    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(text).toContain('half a')
    expect(text).toContain('"code":"upstream_unavailable"')
    expect(text).not.toContain('[DONE]')
    expect(text).not.toContain('sk-upstream')
    const row = await lastRow()
    expect(row).toMatchObject({ error: 'interrupted', certainty: 'estimated' })
    expect(row?.costNanoUsd).toBeGreaterThan(0)
    expect(upstream.seen).toHaveLength(1)

    const client = new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1` })
    const read = async () => {
      const answer = await client.chat.completions.create({
        model: 'house-model',
        messages: [{ role: 'user', content: 'Hi' }],
        stream: true,
      })
      for await (const chunk of answer) expect(chunk.id).toBeDefined()
    }
    await expect(read()).rejects.toThrow()
    expect(upstream.seen).toHaveLength(2)
  })

  const choice = (index: number, content: string, finish_reason: string | null = null) =>
    event({ id: 'c1', choices: [{ index, delta: { content }, finish_reason }] })
  test.each([
    ['a cut', (response: ServerResponse) => void setTimeout(() => response.destroy(), 20)],
    ['an end', (response: ServerResponse) => void response.end()],
  ])('of two choices one has ended: %s is a break', async (_name, stop) => {
    upstream.script = response => {
      sse(response).write(choice(0, 'a') + choice(1, 'half of b') + choice(0, '', 'stop'))
      stop(response)
    }
    const text = await (await gateway.post(key, stream({ n: 2 }))).text()
    expect(text).toContain('half of b')
    expect(text).toContain('"code":"upstream_unavailable"')
    expect(text).not.toContain('[DONE]')
    expect((await lastRow())?.error).toBe('interrupted')
  })

  test.each([
    ['both have ended, without a terminator', choice(0, 'a', 'stop') + choice(1, 'b', 'stop')],
    ['the host gives one choice where two were asked for', choice(0, 'a', 'stop') + DONE],
  ])('of two choices %s: a whole answer', async (_name, bytes) => {
    upstream.script = response => void sse(response).end(bytes)
    const text = await saidBy(await gateway.post(key, stream({ n: 2 })))
    expect(text).toBe(bytes.endsWith(DONE) ? bytes : bytes + DONE)
    expect((await lastRow())?.error).toBe(null)
  })

  test('silence after content ends honestly within the stall limit', async () => {
    upstream.script = response => void sse(response).write(role + delta('half a'))
    const started = performance.now()
    const text = await (await gateway.post(key, stream())).text()
    // far below total_ms
    expect(performance.now() - started).toBeLessThan(10_000)
    expect(text).not.toContain('[DONE]')
    expect(text).toContain('"error"')
  })

  test('a comment keeps the caller company while nothing has been said', async () => {
    upstream.script = async response => {
      await sleep(450)
      sse(response).end(delta('late') + finish() + usageEvent + DONE)
    }
    const text = await (await gateway.post(key, stream())).text()
    expect(text.startsWith(': waiting\n\n')).toBe(true)
    expect(text.endsWith(delta('late') + finish() + DONE)).toBe(true)
  })

  test('a comment before the first content stays, what follows [DONE] does not, and there is one [DONE]', async () => {
    const after = delta('not part of the answer')
    upstream.script = response =>
      void sse(response).end(
        `: hello\n\n${role}${delta('a')}${finish()}${usageEvent}${DONE}${after}${': bye\n\n'.repeat(20)}`,
      )
    const text = await saidBy(await gateway.post(key, stream()))
    expect(text).toBe(`: hello\n\n${role}${delta('a')}${finish()}${DONE}`)
  })

  test('an error after the usage event: the event nobody asked for stays out all the same', async () => {
    upstream.script = response =>
      void sse(response).end(
        role + delta('a') + usageEvent + event({ error: { message: 'late', code: 500 } }),
      )
    const text = await (await gateway.post(key, stream())).text()
    expect(text).not.toContain('"usage"')
    expect(text).toContain('"error"')
  })

  test('a byte order mark is no reason to fail', async () => {
    upstream.script = response =>
      void sse(response).end(`\ufeff${role}${delta('a')}${finish()}${usageEvent}${DONE}`)
    expect(await saidBy(await gateway.post(key, stream()))).toContain(delta('a') + finish() + DONE)
  })

  test('an event that is broken JSON is dropped, the rest goes on', async () => {
    upstream.script = response =>
      void sse(response).end(
        `${role + delta('a')}data: {"id":"x","choi\n\n${delta('b')}${finish()}${usageEvent}${DONE}`,
      )
    expect(await saidBy(await gateway.post(key, stream()))).toBe(
      role + delta('a') + delta('b') + finish() + DONE,
    )
  })

  test('a giant event without an end does not grow without bound', async () => {
    upstream.script = response => {
      sse(response).write(role + delta('a'))
      response.write(`data: {"x":"${'y'.repeat(1_100_000)}`)
      response.write('z'.repeat(100_000))
    }
    const text = await (await gateway.post(key, stream())).text()
    expect(text).toContain('"error"')
  })
})

describe('a caller who leaves', () => {
  test.each([0, 1, 3])(
    'after %i events: the upstream is closed within 250 ms and the row is there',
    async events => {
      const closedAfterMs = await quickest(250, async () => {
        let closedAt = 0
        upstream.script = response => {
          response.on('close', () => {
            closedAt = performance.now()
          })
          sse(response).write(role)
          for (let i = 0; i < events; i++) response.write(delta(`word${i} `))
        }
        const before = (await gateway.rows()).length
        const asked = upstream.seen.length
        const leave = new AbortController()
        const answer = gateway.post(key, stream(), { signal: leave.signal })
        if (events > 0) await (await answer).body?.getReader().read()
        else await until(() => upstream.seen.length > asked)
        await sleep(30)
        const leftAt = performance.now()
        leave.abort()
        await answer.catch(() => undefined)
        await until(() => closedAt > 0)
        await until(async () => (await gateway.rows()).length > before)
        const row = await lastRow()
        expect(row).toMatchObject({ error: 'cancelled', certainty: 'estimated' })
        expect(row?.costNanoUsd).toBeGreaterThan(0)
        expect(row?.costNanoUsd).toBeLessThanOrEqual(row?.heldNanoUsd ?? 0)
        return closedAt - leftAt
      })
      expect(closedAfterMs).toBeLessThan(250)
    },
  )

  test('of a whole answer: likewise', async () => {
    const closedAfterMs = await quickest(250, async () => {
      let closedAt = 0
      upstream.script = response => void response.on('close', () => (closedAt = performance.now()))
      const asked = upstream.seen.length
      const leave = new AbortController()
      const answer = gateway.post(key, CHAT, { signal: leave.signal })
      await until(() => upstream.seen.length > asked)
      const leftAt = performance.now()
      leave.abort()
      await expect(answer).rejects.toThrow()
      await until(() => closedAt > 0)
      return closedAt - leftAt
    })
    expect(closedAfterMs).toBeLessThan(250)
  })
})

test('what still runs when the gateway must go is told so in its own wire, settled, and closed upstream', async () => {
  const going = await startGateway({ config: configFor({ alpha: upstream.port }) })
  try {
    const text = await going.key({
      budgets: [{ window: 'total', limitNanoUsd: 1_000_000_000, softNanoUsd: null }],
    })
    let closed = 0
    upstream.script = (response, seen) => {
      response.on('close', () => closed++)
      if (seen.json().stream) sse(response).write(role + delta('half'))
    }
    const streamed = await going.post(text, stream())
    const whole = going.post(text, CHAT)
    await until(() => upstream.seen.length === 2)
    going.gateway.drain()
    going.gateway.breakOff()
    const told = await streamed.text()
    expect(told).toContain('"code":"draining"')
    expect(told).not.toContain('[DONE]')
    const refused = await whole
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('draining')])
    await until(() => closed === 2)
    expect(going.gateway.ledger.openHolds()).toBe(0)
    const rows = await going.rows()
    expect(rows.map(row => [row.error, row.certainty])).toEqual([
      ['draining', 'estimated'],
      ['draining', 'estimated'],
    ])
    expect(rows.every(row => (row.costNanoUsd ?? 0) > 0 && (row.costNanoUsd ?? 0) <= row.heldNanoUsd)).toBe(
      true,
    )
    expect(going.gateway.deps.health.state('alpha/house-model/-')?.errorRate ?? 0).toBe(0)
  } finally {
    await going.close()
  }
})

describe('back-pressure', () => {
  test('a caller that does not read holds the upstream back', async () => {
    let written = 0
    upstream.script = async response => {
      sse(response).write(role)
      const piece = delta('x'.repeat(1000)).repeat(60)
      for (let i = 0; i < 600 && !response.destroyed; i++) {
        written += piece.length
        if (!response.write(piece))
          await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
      }
    }
    const { hostname, port } = new URL(gateway.url)
    const body = JSON.stringify(stream())
    const socket = (await import('node:net')).connect(Number(port), hostname)
    socket.on('error', () => undefined)
    socket.pause()
    socket.write(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await until(() => written > 0)
    // without back-pressure all 36 MB would go
    expect(await settled(() => written)).toBeLessThan(20_000_000)
    socket.destroy()
    await until(() => upstream.aborted > 0)
  })

  test('a caller that pauses for longer than the upstream may still gets all of it', async () => {
    // few words in wide frames: the buffers are what is to be filled, not the budget
    const pad = 'x'.repeat(10_000)
    const piece = event({ id: 'c', pad, choices: [{ index: 0, delta: { content: 'w' } }] }).repeat(6)
    upstream.script = async response => {
      sse(response).write(role)
      for (let i = 0; i < 200 && !response.destroyed; i++)
        if (!response.write(piece))
          await new Promise(resolve => response.once('drain', resolve).once('close', resolve))
      response.end(finish() + DONE)
    }
    const answer = await gateway.post(key, stream())
    // above stall_ms; nothing is read, and the buffers on the way are full
    await sleep(2_500)
    const text = await answer.text()
    expect(text.length).toBeGreaterThan(200 * piece.length)
    expect(text.endsWith(DONE)).toBe(true)
    expect((await lastRow())?.error).toBe(null)
  })
})

test('nothing listens there: 502 with the cure in words, cost 0, exact', async () => {
  const free = createServer()
  await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve))
  const { port } = free.address() as { port: number }
  await new Promise(resolve => free.close(resolve))
  const alone = await startGateway({ config: configFor({ alpha: port }) })
  try {
    const answer = await alone.post(await alone.key(), CHAT)
    expect(answer.status).toBe(502)
    expect(answer.headers.get('x-should-retry')).toBe('false')
    expect(await answer.json()).toEqual({
      error: {
        message: 'alpha: the provider could not be reached',
        type: 'api_error',
        param: null,
        code: 'upstream_unavailable',
      },
    })
    const rows = await alone.rows()
    expect(rows.every(row => row.costNanoUsd === 0 && row.certainty === 'exact')).toBe(true)
  } finally {
    await alone.close()
  }
})

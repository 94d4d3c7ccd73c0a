/** The Worker in real workerd over a local D1: whole and streamed answers with the official client, ledger rows, departures, a database that is away. */
import { connect, type Socket } from 'node:net'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  DONE,
  delta,
  finish,
  role,
  sendJson,
  sleep,
  sse,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { json, type Served, serveUpstream } from './worker-gateway.ts'

let served: Served
beforeAll(async () => {
  served = await serveUpstream()
})
afterAll(() => served?.close())

const client = () => new OpenAI({ apiKey: served.key, baseURL: `${served.url}/v1`, maxRetries: 0 })

/** A request over a socket of our own: some callers cannot be played with fetch. */
function rawPost(value: unknown): Socket {
  const { hostname, port, host } = new URL(served.url)
  const body = JSON.stringify(value)
  const head = [
    'POST /v1/chat/completions HTTP/1.1',
    `host: ${host}`,
    `authorization: Bearer ${served.key}`,
    'content-type: application/json',
    `content-length: ${body.length}`,
  ]
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  return socket
}

/** A stream whose first content has come. */
async function rawStream(): Promise<{ socket: Socket; id: string }> {
  const socket = rawPost({ ...CHAT, stream: true })
  let text = ''
  socket.on('data', part => {
    text += part
  })
  await until(() => text.includes('data: '))
  return { socket, id: /^x-request-id: (\S+)/im.exec(text)?.[1] ?? '' }
}
describe('requests', () => {
  test('a whole answer for the official client, and its row once it has arrived', async () => {
    served.upstream.script = response => sendJson(response, 200, completion('Hello from afar.'))
    const before = served.upstream.seen.length
    const { data, response } = await client()
      .chat.completions.create({ model: 'house-model', messages: [{ role: 'user', content: 'Hi' }] })
      .withResponse()
    expect(data.choices[0]?.message.content).toBe('Hello from afar.')
    expect(response.headers.get('x-switchgate-provider')).toBe('alpha')
    expect(response.headers.get('x-switchgate-cost-usd')).toBe('0.00002')
    expect(served.upstream.seen.length).toBe(before + 1)
    const seen = served.upstream.seen.at(-1)
    expect(seen?.json()).toMatchObject({ model: 'house-model' })
    expect(JSON.stringify(seen)).not.toContain('sgate_')

    const id = response.headers.get('x-request-id')
    const generation = await json(served.get(`/v1/generation?id=${id}`))
    expect(generation).toMatchObject({
      id,
      model: 'house-model',
      provider: 'alpha',
      status: 200,
      stream: false,
      cost_nano_usd: '20000',
      certainty: 'exact',
    })
    // 10 tokens at $1 and 5 at $2 per million
    expect((await json(served.get('/v1/key/spend'))).total).toMatchObject({
      requests: 1,
      cost_nano_usd: '20000',
    })
  })

  test('a streamed answer for the official client, event by event, and its row', async () => {
    let release = () => {}
    const held = new Promise<void>(resolve => {
      release = resolve
    })
    served.upstream.script = async response => {
      sse(response).write(role + delta('one '))
      await held
      response.write(delta('two '))
      response.end(delta('three') + finish() + usageEvent + DONE)
    }
    const stream = await client().chat.completions.create({
      model: 'house-model',
      messages: [{ role: 'user', content: 'Count' }],
      stream: true,
      stream_options: { include_usage: true },
    })
    let text = ''
    let tokens: number | undefined
    let id: string | undefined
    for await (const chunk of stream) {
      id = chunk.id
      text += chunk.choices[0]?.delta.content ?? ''
      tokens = chunk.usage?.completion_tokens ?? tokens
      // only after the first words have come through does the upstream say the rest
      if (text === 'one ') release()
    }
    expect(text).toBe('one two three')
    expect(tokens).toBe(3)
    const generation = await json(served.get(`/v1/generation?id=${id}`))
    expect(generation).toMatchObject({ stream: true, status: 200, finish_reason: 'stop', certainty: 'exact' })
    expect(generation.cost_nano_usd).toBe('16000')
  })

  test('many at once, each with its own row', async () => {
    served.upstream.script = (response, _, n) =>
      void setTimeout(() => sendJson(response, 200, completion(`answer ${n}`)), 20)
    const before = (await json(served.get('/v1/key/spend'))).total.requests
    const statuses = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const response = await served.post('/v1/chat/completions', CHAT)
        await response.text()
        return response.status
      }),
    )
    expect(statuses).toEqual(Array(20).fill(200))
    expect((await json(served.get('/v1/key/spend'))).total.requests).toBe(before + 20)
  })

  test('a caller who leaves a silent stream closes the upstream, and what came is billed as an estimate', async () => {
    const aborted = served.upstream.aborted
    served.upstream.script = response => void sse(response).write(role + delta('and so on '))
    const caller = await rawStream()
    // workerd sees a reset at once and a plain close with the next write; before a deployed Worker stands an edge that sees both
    caller.socket.resetAndDestroy()
    await until(() => served.upstream.aborted === aborted + 1)
    await until(async () => (await served.get(`/v1/generation?id=${caller.id}`)).status === 200)
    expect(await json(served.get(`/v1/generation?id=${caller.id}`))).toMatchObject({ certainty: 'estimated' })
  })

  test('a caller who leaves before there is any answer closes the upstream and has a row', async () => {
    const { aborted, seen } = served.upstream
    const before = seen.length
    served.upstream.script = () => undefined
    const socket = rawPost({ ...CHAT, user: 'impatient' })
    await until(() => served.upstream.seen.length === before + 1)
    socket.resetAndDestroy()
    await until(() => served.upstream.aborted === aborted + 1)
    const left = 'select status, error, certainty from attempt_facts where "user" = ?'
    const rows = async () => (await served.database.prepare(left).bind('impatient').all()).results
    await until(async () => (await rows()).length === 1)
    expect((await rows())[0]).toMatchObject({ error: 'cancelled' })
  })

  test('a client that aborts a talking stream closes the upstream', async () => {
    const aborted = served.upstream.aborted
    served.upstream.script = async response => {
      sse(response).write(role)
      for (let n = 0; n < 200 && !response.destroyed; n++) {
        response.write(delta(`word ${n} `))
        await sleep(20)
      }
    }
    const stream = await client().chat.completions.create({
      model: 'house-model',
      messages: [{ role: 'user', content: 'Talk' }],
      stream: true,
    })
    let id: string | undefined
    for await (const chunk of stream) {
      id = chunk.id
      if (chunk.choices[0]?.delta.content) stream.controller.abort()
    }
    await until(() => served.upstream.aborted === aborted + 1)
    expect(id).toBe('chatcmpl-upstream1')
  })

  test('a caller who does not read holds the upstream back', async () => {
    const part = delta('x'.repeat(16_000))
    let written = 0
    let full = false
    served.upstream.script = async response => {
      sse(response).write(role + delta('first'))
      await sleep(200)
      while (!response.destroyed && !full && written < 64 << 20) {
        written += part.length
        if (!response.write(part))
          full = await Promise.race([
            new Promise<false>(resolve => response.once('drain', () => resolve(false))),
            sleep(2_000).then(() => true),
          ])
      }
    }
    const caller = await rawStream()
    caller.socket.pause()
    await until(() => full)
    caller.socket.resetAndDestroy()
    // socket buffers on the way hold some megabytes; without back-pressure all 64 would have gone
    expect(written).toBeLessThan(40 << 20)
  })

  test('a failing upstream is told in the caller’s wire, with a row that costs nothing', async () => {
    served.upstream.script = response => sendJson(response, 500, { error: { message: 'broken' } })
    const response = await served.post('/v1/chat/completions', CHAT)
    expect(response.status).toBe(502)
    const id = response.headers.get('x-request-id')
    expect((await json(response)).error).toMatchObject({ code: 'upstream_unavailable' })
    expect(await json(served.get(`/v1/generation?id=${id}`))).toMatchObject({
      status: 502,
      cost_nano_usd: '0',
    })
    // the target has to come back to health for the tests after this one
    served.upstream.script = response => sendJson(response, 200, completion())
    await until(async () => (await served.post('/v1/chat/completions', CHAT)).status === 200)
  })

  test('a redirect is not followed', async () => {
    const before = served.upstream.seen.length
    served.upstream.script = (response, seen) => {
      if (seen.url === '/elsewhere') return sendJson(response, 200, completion())
      response.writeHead(307, { location: '/elsewhere' }).end()
    }
    expect((await served.post('/v1/chat/completions', CHAT)).status).toBe(502)
    expect(served.upstream.seen.slice(before).map(seen => seen.url)).not.toContain('/elsewhere')
    served.upstream.script = response => sendJson(response, 200, completion())
    await until(async () => (await served.post('/v1/chat/completions', CHAT)).status === 200)
  })
})

describe('storage', () => {
  const rename = (from: string, to: string) =>
    served.database.prepare(`alter table ${from} rename to ${to}`).run()

  test('a row that the database does not take now is written when it does', async () => {
    served.upstream.script = response => sendJson(response, 200, completion('paid later'))
    await rename('attempts', 'attempts_away')
    let id: string | null = null
    try {
      const response = await served.post('/v1/chat/completions', CHAT)
      expect(response.status).toBe(200)
      id = response.headers.get('x-request-id')
      expect(await response.text()).toContain('paid later')
    } finally {
      await rename('attempts_away', 'attempts')
    }
    await until(async () => (await served.get(`/v1/generation?id=${id}`)).status === 200)
    expect(await json(served.get(`/v1/generation?id=${id}`))).toMatchObject({ cost_nano_usd: '20000' })
  })

  test('without keys to read nothing is let in and nothing is sent', async () => {
    const before = served.upstream.seen.length
    await rename('keys', 'keys_away')
    try {
      const response = await served.post('/v1/chat/completions', CHAT)
      expect(response.status).toBe(503)
      expect((await json(response)).error.code).toBe('storage_unavailable')
    } finally {
      await rename('keys_away', 'keys')
    }
    expect(served.upstream.seen.length).toBe(before)
    expect((await served.post('/v1/chat/completions', CHAT)).status).toBe(200)
  })
})

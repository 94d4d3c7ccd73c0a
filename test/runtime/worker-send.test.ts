/** The Worker's way out over real sockets: where it may go, what it hands on, how it stops. fetch is Node's here; worker.test.ts has workerd's. */
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../src/deps.ts'
import { createGuard } from '../../src/egress/guard.ts'
import { GatewayError } from '../../src/errors.ts'
import { createSend } from '../../src/runtime/worker/send.ts'
import type { Receiver, Send } from '../../src/terms.ts'
import { type ScriptedUpstream, sendJson, sleep, startUpstream, until } from '../gateway/harness.ts'

let upstream: ScriptedUpstream
let logged: string[]
let send: Send
let origin: string

const log: Log = (level, event, fields) => void logged.push(JSON.stringify({ level, event, ...fields }))

beforeEach(async () => {
  logged = []
  upstream = await startUpstream(response => sendJson(response, 200, { fine: true }))
  origin = `http://127.0.0.1:${upstream.port}`
  const guard = createGuard([`127.0.0.1:${upstream.port}`])
  send = createSend({ guard, origins: new Set([origin, 'https://10.0.0.1']), log })
})
afterEach(() => upstream.close())

interface Heard {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  chunks: number
  ended: boolean
  failed: unknown
}

function hear(): { heard: Heard; to: Receiver } {
  const heard: Heard = { status: 0, headers: {}, text: '', chunks: 0, ended: false, failed: undefined }
  const to: Receiver = {
    head: (status, headers) => void Object.assign(heard, { status, headers }),
    chunk(bytes) {
      heard.chunks++
      heard.text += new TextDecoder().decode(bytes)
    },
    end: () => void Object.assign(heard, { ended: true }),
    fail: error => void Object.assign(heard, { failed: error }),
  }
  return { heard, to }
}
const request = (more: object = {}) => ({
  origin,
  path: '/v1/x',
  method: 'POST' as const,
  headers: ['content-type', 'application/json', 'x-own', 'one'],
  body: new TextEncoder().encode('{"a":1}'),
  ...more,
})

test('sends the body and the headers as given, and hands the answer on', async () => {
  const { heard, to } = hear()
  send(request(), to)
  await until(() => heard.ended)
  expect(heard).toMatchObject({ status: 200, text: '{"fine":true}', failed: undefined })
  expect(upstream.seen[0]).toMatchObject({ method: 'POST', url: '/v1/x', body: '{"a":1}' })
  expect(upstream.seen[0]?.headers['x-own']).toBe('one')
})

test.each([
  ['an origin that no provider has', 'http://127.0.0.1:9', 'not the origin of a configured provider'],
  ['a private address, configured or not', 'https://10.0.0.1', 'not a public address'],
])('%s is refused without a connection', async (_, where, why) => {
  const { heard, to } = hear()
  send(request({ origin: where }), to)
  await until(() => heard.failed !== undefined)
  expect(heard.failed).toBeInstanceOf(GatewayError)
  expect((heard.failed as GatewayError).kind).toBe('unreachable')
  expect((heard.failed as GatewayError).message).not.toContain('10.0.0.1')
  expect(logged.join()).toContain(why)
  expect(upstream.seen).toEqual([])
})

test('a redirect is an answer, not an instruction', async () => {
  upstream.script = response => void response.writeHead(302, { location: '/elsewhere' }).end()
  const { heard, to } = hear()
  send(request(), to)
  await until(() => heard.ended)
  expect(heard.status).toBe(302)
  expect(upstream.seen.map(seen => seen.url)).toEqual(['/v1/x'])
})

test('what fetch has unpacked is no longer announced as packed', async () => {
  upstream.script = response =>
    void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"packed":true}'))
  const { heard, to } = hear()
  send(request(), to)
  await until(() => heard.ended)
  expect(heard.text).toBe('{"packed":true}')
  expect(heard.headers['content-encoding']).toBeUndefined()
})

test('a refused connection fails as unreachable, and the message holds no address', async () => {
  const { port } = upstream
  await upstream.close()
  const { heard, to } = hear()
  send(request(), to)
  await until(() => heard.failed !== undefined)
  expect(heard.failed).toMatchObject({ kind: 'unreachable' })
  expect((heard.failed as GatewayError).message).not.toContain(String(port))
  upstream = await startUpstream(() => undefined)
})

test('a connection that breaks in the middle fails after what came', async () => {
  upstream.script = async response => {
    response.writeHead(200, { 'content-length': '100' }).write('half')
    await until(() => heard.text === 'half')
    response.destroy()
  }
  const { heard, to } = hear()
  send(request(), to)
  await until(() => heard.failed !== undefined)
  expect(heard).toMatchObject({ status: 200, text: 'half', ended: false })
})

test('nothing is reported after an abort, before or after the head', async () => {
  upstream.script = response => void response.writeHead(200).write('first')
  const late = hear()
  const running = send(request(), late.to)
  await until(() => late.heard.chunks === 1)
  running.abort()
  await until(() => upstream.aborted === 1)
  const early = hear()
  send(request(), early.to).abort()
  await sleep(100)
  expect(late.heard).toMatchObject({ ended: false, failed: undefined })
  expect(early.heard).toMatchObject({ status: 0, ended: false, failed: undefined })
})

test('while paused nothing is handed on; resuming brings the rest', async () => {
  upstream.script = async response => {
    response.writeHead(200).write('one')
    await sleep(100)
    response.write('two')
    await sleep(100)
    response.end('three')
  }
  const { heard, to } = hear()
  const chunk = (bytes: Uint8Array) => {
    to.chunk(bytes)
    running.pause()
  }
  const running = send(request(), { ...to, chunk })
  await until(() => heard.chunks === 1)
  await sleep(400)
  // one read was already on its way when the pause came; no more than that
  expect(heard.chunks).toBeLessThanOrEqual(2)
  expect(heard.ended).toBe(false)
  await until(() => {
    running.resume()
    return heard.ended
  })
  expect(heard).toMatchObject({ text: 'onetwothree', ended: true })
})

test('a receiver that throws loses its exchange and is told so', async () => {
  const { heard, to } = hear()
  const broken = () => {
    throw new Error('ours')
  }
  send(request(), { ...to, chunk: broken })
  await until(() => heard.failed !== undefined)
  expect(heard.failed).toMatchObject({ kind: 'bug' })
  expect(logged.join()).toContain('receiver_failed')
})

test.each([['host'], ['content-length'], ['transfer-encoding']])(
  'a caller of send cannot name %s',
  async name => {
    const { heard, to } = hear()
    send(request({ headers: [name, 'x'] }), to)
    await until(() => heard.failed !== undefined)
    expect(heard.failed).toMatchObject({ kind: 'bug' })
    expect(upstream.seen).toEqual([])
  },
)

/** The load generator against real sockets: it counts what was answered, and what was not is never counted as good. */
import { createServer, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { closedLoop, openLoop, openStreams, type Traffic } from '../../bench/load.ts'
import { chatBody, requestBytes, shapeOf } from '../../bench/traffic.ts'

let server: Server | undefined
afterEach(() => server?.close())

/** A server that writes these pieces, one a tick, for every request. */
async function answering(pieces: readonly string[], then: (socket: Socket) => void = () => undefined) {
  server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.on('data', async () => {
      for (const piece of pieces) {
        socket.write(piece)
        await new Promise(resolve => setImmediate(resolve))
      }
      then(socket)
    })
  })
  await new Promise<void>(resolve => server?.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

const traffic = (port: number, stream = false): Traffic => ({
  port,
  request: requestBytes(chatBody(stream ? { events: 1, gapMs: 0 } : undefined), []),
  stream,
  connections: 2,
})

const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'
const HEAD = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'

describe('load', () => {
  it('counts whole answers, however they are cut', async () => {
    const port = await answering([WHOLE.slice(0, 20), WHOLE.slice(20, 44), WHOLE.slice(44)])
    const run = await closedLoop(traffic(port), { seconds: 0, count: 10 })
    expect(run).toMatchObject({ ok: 10, failed: 0, fault: undefined })
    expect(run.latenciesMs).toHaveLength(10)
  })

  it('sees the end of a stream in pieces', async () => {
    const port = await answering([HEAD, 'e\r\ndata: [DONE]\n\n', '\r\n0', '\r\n\r', '\n'])
    expect(await closedLoop(traffic(port, true), { seconds: 0, count: 4 })).toMatchObject({
      ok: 4,
      failed: 0,
    })
    const { opened, finished } = await openStreams(traffic(port, true))
    await opened
    expect(await finished).toMatchObject({ ok: 2, failed: 0 })
  })

  it.each([
    ['a refusal', ['HTTP/1.1 429 Too Many\r\ncontent-length: 0\r\n\r\n'], false, 'status 429'],
    ['a stream without [DONE]', [HEAD, '5\r\nhello\r\n0\r\n\r\n'], true, 'a stream ended without [DONE]'],
  ])('counts %s as failed', async (_, pieces, stream, fault) => {
    const port = await answering(pieces)
    expect(await closedLoop(traffic(port, stream), { seconds: 0, count: 4 })).toMatchObject({
      ok: 0,
      failed: 4,
      fault,
    })
  })

  it('counts a connection that breaks in the middle as failed', async () => {
    const port = await answering([WHOLE.slice(0, -2)], socket => socket.destroy())
    expect(await closedLoop(traffic(port), { seconds: 0, count: 2 })).toMatchObject({ ok: 0, failed: 2 })
  })

  it('sends at a fixed rate whether or not it is answered, and counts waiting as time', async () => {
    const port = await answering([], socket => setTimeout(() => socket.write(WHOLE), 50))
    const run = await openLoop(traffic(port), { perSecond: 100, seconds: 0.2 })
    expect(run).toMatchObject({ ok: 20, failed: 0 })
    // two connections of 50 ms each carry 40 a second: the last ones have waited for the first
    expect(run.latenciesMs.at(-1)).toBeGreaterThan(200)
  })

  it('tells the mock what to stream', () => {
    expect(shapeOf(chatBody())).toBeUndefined()
    expect(shapeOf(chatBody({ events: 7, gapMs: 3 }))).toEqual({ events: 7, gapMs: 3 })
  })
})

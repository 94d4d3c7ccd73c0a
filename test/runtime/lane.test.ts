/** The lane on real sockets: what it serves, what it hands over, and how each end of a connection is met. */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { describe, expect, test } from 'vitest'
import type { Call, Sink } from '../../src/terms.ts'
import { sleep, until } from '../waiting.ts'
import { makeCertificates } from './certificates.ts'
import { atEnd, call, caller, open, PATH, PATIENT, request } from './lane-rig.ts'

const BYTES_MAX = 1_000_000
const END = '0\r\n\r\n'
const text = (body: string) => new TextEncoder().encode(body)

type Reading = Pick<Call, 'read'>

/** Answers with who served it and the body that came. */
async function echo(call: Reading, sink: Sink): Promise<void> {
  const body = await call.read(BYTES_MAX)
  sink.head(200, ['x-by', call.constructor.name])
  sink.write(text('said '))
  sink.end(body)
}

/** Who served the answers so far, in order. */
const servedBy = (heard: string) => [...heard.matchAll(/x-by: (\w+)/g)].map(([, name]) => name)

/** An exchange whose ends the test holds. */
interface Running {
  sink: Sink
  left: boolean
  error?: unknown
}
const running = (all: Running[]) => async (_: unknown, sink: Sink) => {
  const one: Running = { sink, left: false }
  sink.onClose(() => (one.left = true))
  all.push(one)
}

describe('what is served where', () => {
  test('one connection: the lane, again and again, until something is not of its shape', async () => {
    const { port } = await open(echo)
    const one = call(port)
    for (const n of [1, 2, 3]) {
      one.send(request(`body ${n}`))
      await one.heard(END, n)
    }
    one.send('GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n')
    await one.heard('app GET /healthz')
    one.send(request('after'))
    expect(servedBy(await one.heard(END, 4))).toEqual([
      'LaneExchange',
      'LaneExchange',
      'LaneExchange',
      'NodeCall',
    ])
    expect(one.text()).toContain('body 3')
    expect(one.text()).toContain('after')
  })

  test('requests in one write get their answers in order, also those that are handed over', async () => {
    const { port } = await open(echo)
    const one = call(port)
    const chunked = `POST ${PATH} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nc\r\n0\r\n\r\n`
    one.send(request('a') + request('b') + chunked + request('d'))
    const heard = await one.heard(END, 4)
    expect(servedBy(heard)).toEqual(['LaneExchange', 'LaneExchange', 'NodeCall', 'NodeCall'])
    expect([...heard.matchAll(/\r\n(?:1\r\n)([abcd])\r\n/g)].map(([, body]) => body)).toEqual([...'abcd'])
  })

  test.each([
    ['inference', request('b', 'hOST: there\r\n')],
    ['inference, one host twice', request('b', 'Host: here\r\n')],
    ['everything else', 'GET /healthz HTTP/1.1\r\nHost: here\r\nX-Host: here\r\nhost: there\r\n\r\n'],
  ])('two hosts are none (RFC 9112, 3.2): %s', async (_, bytes) => {
    for (const lane of [true, false]) {
      const { port } = await open(echo, { lane })
      const one = call(port)
      one.send(request('a') + bytes + request('c'))
      const [first, second, ...more] = (await one.ended()).split('HTTP/1.1 ').slice(1)
      expect(first).toMatch(/^200 OK/)
      expect(second).toMatch(/^400 Bad Request\r\n.*connection: close.*more than one Host header/is)
      expect(more).toEqual([])
    }
  })

  test('a request that is cut anywhere is served whole, whoever serves it', async () => {
    const { port } = await open(echo)
    const whole = request('cut here')
    for (let at = 1; at < whole.length; at += 7) {
      const one = call(port)
      one.send(whole.slice(0, at))
      await new Promise(done => setTimeout(done, 2))
      one.send(whole.slice(at))
      expect(await one.heard(END), `cut at ${at}`).toContain('cut here')
      one.socket.destroy()
    }
  })

  test('a large body in many reads, and an empty one', async () => {
    const { port } = await open(async (call, sink) => {
      const body = await call.read(50_000_000)
      sink.head(200, [])
      sink.end(text(`${body.length} ${body[0]} ${body.at(-1)}`))
    })
    const one = call(port)
    one.send(request(`<${'x'.repeat(9_000_000)}>`))
    expect(await one.heard(END)).toContain(`9000002 ${'<'.charCodeAt(0)} ${'>'.charCodeAt(0)}`)
    one.send(request(''))
    expect(await one.heard(END, 2)).toContain('0 undefined undefined')
  })

  test('what a caller sends ahead is bounded', async () => {
    const all: Running[] = []
    const { port, server } = await open(running(all))
    const sockets: { bytesRead: number }[] = []
    server.on('connection', socket => sockets.push(socket))
    const one = call(port)
    one.send(request('first'))
    await until(() => all.length === 1)
    one.socket.write(Buffer.alloc(20_000_000, 'x'))
    // a read or two more than the limit, and nothing after it
    await until(() => (sockets[0]?.bytesRead ?? 0) > 65_536)
    await until(() => one.socket.writableLength > 1_000_000)
    expect(sockets[0]?.bytesRead).toBeLessThan(400_000)
    expect(one.socket.writableLength).toBeGreaterThan(1_000_000)
    one.socket.destroy()
    await until(() => all[0]?.left === true || sockets.length === 1)
  })

  test('a body that nobody asks for is not read to its end', async () => {
    const readers: (() => void)[] = []
    const { port, server } = await open(async (call, sink) => {
      await new Promise<void>(read => readers.push(read))
      const body = await call.read(50_000_000)
      sink.head(200, [])
      sink.end(text(`${body.length} bytes`))
    })
    const sockets: { bytesRead: number }[] = []
    server.on('connection', socket => sockets.push(socket))
    const one = call(port)
    one.send(request('x'.repeat(20_000_000)))
    await until(() => (sockets[0]?.bytesRead ?? 0) > 65_536 && one.socket.writableLength > 1_000_000)
    expect(sockets[0]?.bytesRead).toBeLessThan(400_000)
    readers[0]?.()
    expect(await one.heard(END)).toContain('20000000 bytes')
  })

  test('TLS, and a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'switchgate-lane-'))
    atEnd(() => rmSync(folder, { recursive: true, force: true }))
    const { cert, key, caPath } = makeCertificates(folder)
    const path = join(folder, 'lane.sock')
    const secure = await open(echo, { tls: { cert, key } })
    await open(echo, { path })
    const overTls = connectTls({ port: secure.port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(overTls, 'secureConnect')
    expect(caPath).toContain(folder)
    for (const one of [caller(overTls), caller(connect({ path, allowHalfOpen: true }))]) {
      one.send(request('a') + request('b'))
      await one.heard(END, 2)
      one.send(`${request('c').slice(0, -1)}`)
      one.send('c')
      await one.heard(END, 3)
      one.send('GET /x HTTP/1.1\r\nHost: here\r\n\r\n')
      await one.heard('app GET /x')
      one.send(request('d'))
      expect(servedBy(await one.heard(END, 4))).toEqual([
        'LaneExchange',
        'LaneExchange',
        'LaneExchange',
        'NodeCall',
      ])
    }
    // a plain caller at a TLS port, and the other way round: refused as ever, and the listener goes on
    const plain = call(secure.port)
    plain.send(request('a'))
    await plain.ended()
    const again = connectTls({ port: secure.port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(again, 'secureConnect')
    const last = caller(again)
    last.send(request('a'))
    await last.heard(END)
  })

  test('a peer behind a trusted proxy, the query, and paths of the /openai form', async () => {
    const { port } = await open(
      (call, sink) => {
        sink.head(200, [])
        sink.end(text([call.method, call.path, call.query, call.peer, call.header('x-a')].join(' ')))
      },
      { trustedProxies: ['127.0.0.0/8'] },
    )
    const one = call(port)
    one.send(
      request('', 'X-Forwarded-For: 203.0.113.9, 127.0.0.1\r\nX-A:\t one two \r\n', `/openai${PATH}?a=1?b`),
    )
    expect(await one.heard(END)).toContain('POST /v1/chat/completions a=1?b 203.0.113.9 one two')
  })
})

describe('callers that leave, stall or never read', () => {
  test.each(['destroys', 'ends', 'resets'])('who %s in the middle of an answer is told of', async how => {
    const all: Running[] = []
    const { port } = await open(running(all))
    const one = call(port)
    one.send(request('x'))
    await until(() => all.length === 1)
    const [run] = all as [Running]
    run.sink.head(200, [])
    run.sink.write(text('first'))
    await one.heard('first')
    if (how === 'destroys') one.socket.destroy()
    else if (how === 'ends') one.socket.end()
    else one.socket.resetAndDestroy()
    await until(() => run.left)
    // what is said afterwards goes nowhere, and hurts nobody
    run.sink.write(text('late'))
    run.sink.end(text('later'))
    expect(one.text()).not.toContain('late')
  })

  test('who reads no more and ends is told of too, and let go', async () => {
    const all: Running[] = []
    const { port, server } = await open(running(all), { limits: { ...PATIENT, lingerMs: 100 } })
    const gone: unknown[] = []
    server.on('connection', (socket: Socket) => socket.on('close', () => gone.push(socket)))
    const one = call(port)
    one.send(request('x'))
    one.socket.pause()
    await until(() => all.length === 1)
    const [run] = all as [Running]
    run.sink.head(200, [])
    // more than the system takes between both ends
    const part = new Uint8Array(1_000_000).fill(65)
    for (let parts = 0; parts < 32; parts++) run.sink.write(part)
    expect(run.sink.write(part)).toBe(false)
    expect(run.left).toBe(false)
    one.socket.end()
    await until(() => run.left)
    await until(() => gone.length === 1)
  })

  test('who leaves in the middle of a body is told of to whoever reads it', async () => {
    const errors: unknown[] = []
    let begun = 0
    const { port } = await open(async call => {
      begun++
      try {
        await call.read(BYTES_MAX)
      } catch (error) {
        errors.push(error)
      }
    })
    for (const leave of ['destroy', 'end', 'resetAndDestroy'] as const) {
      const one = call(port)
      one.send(request('x'.repeat(100)).slice(0, -50))
      await until(() => begun === 1)
      begun = 0
      one.socket[leave]()
      await until(() => errors.length > 0)
      expect(errors.splice(0)).toMatchObject([{ kind: 'cancelled' }])
      // half a body and then FIN is not HTTP: said so, as node:http does
      if (leave === 'end') expect(await one.heard('400 Bad Request')).toContain('not valid HTTP/1.1')
    }
  })

  test('an answer that has ended is not a caller that has left', async () => {
    const all: Running[] = []
    const { port } = await open(running(all))
    const one = call(port)
    one.send(request('x'))
    await until(() => all.length === 1)
    all[0]?.sink.head(200, [])
    all[0]?.sink.end(text('done'))
    await one.heard('done')
    one.socket.destroy()
    one.send('')
    const two = call(port)
    two.send(request('x'))
    await until(() => all.length === 2)
    expect(all[0]?.left).toBe(false)
  })

  test('a broken-off answer is seen as one: no last chunk, and the connection is gone', async () => {
    let left = false
    const { port, server } = await open((_, sink) => {
      sink.onClose(() => (left = true))
      sink.head(200, [])
      sink.write(text('some'))
      setImmediate(() => sink.abort?.())
    })
    let gone = false
    server.on('connection', socket => socket.on('close', () => (gone = true)))
    const one = call(port)
    one.send(request('x'))
    const heard = await one.ended()
    expect(heard).toContain('some')
    expect(heard).not.toContain(END)
    // it was not the caller who left
    await until(() => gone)
    expect(left).toBe(false)
  })

  test('a body that does not come in time: 408, and whoever reads it learns', async () => {
    const errors: unknown[] = []
    const read = async (call: Reading) => {
      try {
        await call.read(BYTES_MAX)
      } catch (error) {
        errors.push(error)
      }
    }
    const { port } = await open(read, { limits: { ...PATIENT, requestMs: 50 } })
    const one = call(port)
    one.send(request('x'.repeat(100)).slice(0, -50))
    expect(await one.ended()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n.*did not arrive in time/s)
    await until(() => errors.length === 1)
    expect(errors).toMatchObject([{ kind: 'cancelled' }])
  })

  test('a large body on a slow line has the time that it takes', async () => {
    const { port } = await open(echo, { limits: { ...PATIENT, requestMs: 20, sweepMs: 10 } })
    const one = call(port)
    const whole = request('x'.repeat(400_000))
    one.send(whole.slice(0, 100_000))
    await new Promise(resolve => setTimeout(resolve, 200))
    expect(one.over()).toBe(false)
    one.send(whole.slice(100_000))
    expect(await one.heard('HTTP/1.1 200')).toContain('200 OK')
  })

  test('a caller that closes after this request has its answer, whatever stands behind it', async () => {
    const { port } = await open(echo)
    for (const behind of ['', 'x', '\r\n', request('b')]) {
      const one = call(port)
      one.send(request('a').replace('\r\n', '\r\nConnection: close\r\n') + behind)
      const heard = await one.ended()
      expect(heard.match(/HTTP\/1\.1 /g)).toHaveLength(1)
      expect(heard).toMatch(/^HTTP\/1\.1 200 OK\r\n.*Connection: close\r\n/s)
    }
  })

  test('nothing is said into an answer that has begun: its connection ends', async () => {
    const { port } = await open(
      (_, sink) => {
        sink.head(200, [])
        sink.write(text('begun'))
      },
      { limits: { ...PATIENT, requestMs: 50 } },
    )
    const one = call(port)
    one.send(request('x'.repeat(100)).slice(0, -50))
    expect(await one.ended()).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n5\r\nbegun\r\n$/s)
  })

  test('an exchange that is over cannot break off the next one', async () => {
    const all: Running[] = []
    const { port } = await open(running(all))
    const one = call(port)
    one.send(request('a') + request('b'))
    await until(() => all.length === 1)
    all[0]?.sink.end(text('first'))
    await until(() => all.length === 2)
    all[0]?.sink.abort?.()
    all[0]?.sink.write(text('late'))
    all[0]?.sink.end(text('late'))
    all[1]?.sink.end(text('second'))
    expect(await one.heard('second')).not.toContain('late')
    expect(one.over()).toBe(false)
  })

  test('a head that does not come in time: 408', async () => {
    const { port } = await open(echo, { limits: { ...PATIENT, firstMs: 50 } })
    // nothing at all, opened ahead: words that nobody asked for would be taken for the first answer
    expect(await call(port).ended()).toBe('')
    // half a head is node:http's, which has the same limits
    const half = call(port)
    half.send('POST /v1/chat')
    expect(await half.ended()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/)
  })

  test('an idle connection is closed, a busy one never', async () => {
    const all: Running[] = []
    const { port } = await open(running(all), { limits: { ...PATIENT, idleMs: 60 } })
    const idle = call(port)
    const busy = call(port)
    idle.send(request('x'))
    busy.send(request('x'))
    await until(() => all.length === 2)
    for (const { sink } of all) sink.head(200, [])
    all[0]?.sink.write(text('first'))
    all[1]?.sink.write(text('first'))
    await idle.heard('first')
    await busy.heard('first')
    all[0]?.sink.end()
    const ended = await Promise.race([idle.ended(), busy.ended()])
    expect(ended).toContain(END)
    expect([idle.over(), busy.over()].filter(Boolean)).toHaveLength(1)
    all[1]?.sink.end(text('last'))
    await busy.heard('last')
    expect(all.map(({ left }) => left)).toEqual([false, false])
  })

  test('a caller that does not read stops the writer, and starts it again', async () => {
    const all: Running[] = []
    const { port } = await open(running(all))
    const one = call(port)
    one.send(request('x') + request('next'))
    one.socket.pause()
    await until(() => all.length === 1)
    const [{ sink }] = all as [Running]
    let drained = 0
    sink.onDrain(() => drained++)
    sink.head(200, [])
    const part = new Uint8Array(60_000).fill(65)
    let parts = 0
    const write = () => {
      for (let room = true; room && parts < 1_000; parts++) room = sink.write(part)
    }
    write()
    expect(parts).toBeLessThan(1_000)
    // fills what the system takes between both ends
    await until(async () => {
      const before = drained
      await new Promise(done => setTimeout(done, 30))
      if (drained === before) return true
      write()
      return false
    })
    const stoppedAt = parts
    expect(stoppedAt).toBeLessThan(1_000)
    one.socket.resume()
    await until(() => drained > 0)
    sink.end(text('the end'))
    await one.heard('the end')
    expect(all[0]?.left).toBe(false)
    // the next request began only when this answer had left
    await until(() => all.length === 2)
    const body = one.text().slice(one.text().indexOf('\r\n\r\n') + 4)
    expect(body.length).toBeGreaterThan(stoppedAt * part.length)
  })

  test('an answer that has ended here but not there: neither idle nor over, and the next request waits', async () => {
    const all: Running[] = []
    const { port } = await open(running(all), { limits: { ...PATIENT, idleMs: 50 } })
    const one = call(port)
    one.socket.pause()
    one.send(request('x') + request('next'))
    await until(() => all.length === 1)
    const size = 30_000_000
    all[0]?.sink.head(200, ['content-length', String(size)])
    all[0]?.sink.end(new Uint8Array(size).fill(65))
    await sleep(300)
    expect(all).toHaveLength(1)
    one.socket.resume()
    await until(() => all.length === 2)
    await until(() => one.text().length - one.text().indexOf('\r\n\r\n') - 4 >= size)
    all[1]?.sink.end(text('second'))
    await one.heard('second')
    expect(one.text().includes(`\r\n${'A'.repeat(size)}HTTP/1.1 200 OK`)).toBe(true)
  })

  test('the time for a body ends with it: its answer may take longer', async () => {
    const all: Running[] = []
    const requestMs = 2_000
    const { port } = await open(running(all), { limits: { ...PATIENT, requestMs } })
    const one = call(port)
    one.send(request('xyz').slice(0, -1))
    await until(() => all.length === 1)
    one.send('z')
    await sleep(requestMs + 200)
    all[0]?.sink.head(200, [])
    all[0]?.sink.end(text('late'))
    expect(await one.heard('late')).toMatch(/^HTTP\/1\.1 200 OK/)
  })

  test('many small requests at once, answered without a turn between them', async () => {
    const { port } = await open(async (call, sink) => {
      // where the reads of the socket cut a head, the rest is node:http's, which closes after an answer that comes this early
      if (call.constructor.name === 'NodeCall') await call.read(0)
      sink.head(200, ['content-length', '1'])
      sink.end(text('!'))
    })
    const one = call(port)
    one.send(request().repeat(2_000))
    await until(() => one.text().split('HTTP/1.1 200 OK').length === 2_001)
  })
})

describe('the end of a listener', () => {
  test('closing idle connections leaves those that are being served; closing all does not', async () => {
    const all: Running[] = []
    const { port, server } = await open(async (call, sink) =>
      call.query === 'idle' ? echo(call, sink) : running(all)(call, sink),
    )
    const idle = call(port)
    idle.send(request('x', '', `${PATH}?idle`))
    await idle.heard(END)
    const handed = call(port)
    handed.send('GET /x HTTP/1.1\r\nHost: here\r\n\r\n')
    await handed.heard('app GET')
    const busy = call(port)
    busy.send(request('x'))
    await until(() => all.length === 1)
    const closed = once(server, 'close')
    server.close()
    await idle.ended()
    await handed.ended()
    expect(busy.over()).toBe(false)
    all[0]?.sink.head(200, [])
    all[0]?.sink.write(text('still here'))
    await busy.heard('still here')
    server.closeAllConnections()
    await busy.ended()
    await closed
    await until(() => all[0]?.left === true)
  })

  test('while the gateway drains, an answer says that its connection ends', async () => {
    const rig = await open(echo)
    const one = call(rig.port)
    one.send(request('a'))
    expect(await one.heard(END)).toContain('Connection: keep-alive\r\n')
    rig.state.closed = 'draining'
    one.send(request('b'))
    expect(await one.ended()).toContain('Connection: close\r\n')
    expect(one.text().split(END)).toHaveLength(3)
  })

  test('an early answer arrives although its caller is still sending, and all that was promised may be sent', async () => {
    const { port } = await open(
      (_, sink) => {
        sink.head(401, ['content-length', '3'])
        sink.end(text('no!'))
      },
      { limits: { ...PATIENT, lingerMs: 60_000 } },
    )
    const one = call(port)
    let fault: Error | undefined
    one.socket.on('error', error => (fault = error))
    one.send(request('x'.repeat(9_000_000)))
    const heard = await one.ended()
    expect(heard).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\n.*Connection: close\r\n\r\nno!$/s)
    await until(() => one.socket.writableLength === 0 || fault !== undefined)
    expect(fault).toBeUndefined()
  })

  test('who promises a body and sends none after an early answer is let go', async () => {
    const { port, server } = await open(
      (_, sink) => {
        sink.head(401, ['content-length', '3'])
        sink.end(text('no!'))
      },
      { limits: { ...PATIENT, lingerMs: 30 } },
    )
    const one = call(port)
    one.send(request('x'.repeat(100)).slice(0, -50))
    await one.heard('no!')
    // this end stays open: the gateway's is closed all the same
    const count = () => new Promise<number>(done => server.getConnections((_, open) => done(open)))
    await until(async () => (await count()) === 0)
  })
})

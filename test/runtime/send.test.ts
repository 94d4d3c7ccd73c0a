/** `send` against real sockets: coalescing, order, back-pressure, abort, failures. */
import { createServer, type IncomingMessage, type Server } from 'node:http'
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { createGuard } from '../../src/egress/guard.ts'
import { createSend, type NodeSend, type SendOptions } from '../../src/runtime/node/send.ts'
import { exchange, logbook } from './recorder.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

async function listen<S extends Server | TcpServer>(server: S): Promise<number> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  open.push({
    close: () => {
      if ('closeAllConnections' in server) server.closeAllConnections()
      server.close()
    },
  })
  return (server.address() as AddressInfo).port
}

function sender(allow: string[], more: Partial<SendOptions> = {}): NodeSend {
  const send = createSend({ guard: createGuard(allow), connectTimeoutMs: 1000, log: () => {}, ...more })
  open.push({ close: () => send.destroy() })
  return send
}

/** A server that answers each connection by hand, byte for byte. */
async function raw(answer: (socket: Socket, request: string) => void): Promise<number> {
  return listen(
    createTcpServer(socket => {
      socket.on('error', () => {})
      socket.on('data', data => answer(socket, data.toString('latin1')))
    }),
  )
}

const body = (request: IncomingMessage): Promise<string> =>
  new Promise(done => {
    let text = ''
    request.on('data', chunk => {
      text += chunk
    })
    request.on('end', () => done(text))
  })

test('what is sent arrives as it was given', async () => {
  let seen: { url: string | undefined; headers: string[]; text: string } | undefined
  const port = await listen(
    createServer(async (request, response) => {
      seen = { url: request.url, headers: request.rawHeaders, text: await body(request) }
      response.writeHead(201, { 'x-a': ['1', '2'] }).end('fine')
    }),
  )
  const origin = `http://127.0.0.1:${port}`
  const report = await exchange(sender([`127.0.0.1:${port}`]), {
    origin,
    path: '/v1/chat?x=1',
    headers: ['authorization', 'Bearer k', 'content-type', 'application/json'],
    body: new TextEncoder().encode('{"é":1}'),
  }).over
  expect(report.status).toBe(201)
  expect(report.headers['x-a']).toEqual(['1', '2'])
  expect(report.text()).toBe('fine')
  expect(seen?.url).toBe('/v1/chat?x=1')
  expect(seen?.text).toBe('{"é":1}')
  const names = seen?.headers.filter((_, i) => i % 2 === 0).map(name => name.toLowerCase())
  // Nothing is added but what HTTP itself needs.
  expect(names?.sort()).toEqual(['authorization', 'connection', 'content-length', 'content-type', 'host'])
})

test('many HTTP chunks of one read are one chunk here, and end never overtakes them', async () => {
  const events = Array.from({ length: 50 }, (_, i) => `data: {"i":${i}}\n\n`)
  const port = await raw(socket => {
    const chunks = events.map(event => `${event.length.toString(16)}\r\n${event}\r\n`).join('')
    socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
  })
  const report = await exchange(sender([`127.0.0.1:${port}`]), { origin: `http://127.0.0.1:${port}` }).over
  expect(report.text()).toBe(events.join(''))
  expect(report.events).toEqual(['head', 'chunk', 'end'])
})

test('chunks of different reads are not held back', async () => {
  const port = await raw(async socket => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n')
    await sleep(60)
    socket.write('3\r\ntwo\r\n')
    await sleep(60)
    socket.write('0\r\n\r\n')
  })
  const times: number[] = []
  const report = await exchange(
    sender([`127.0.0.1:${port}`]),
    { origin: `http://127.0.0.1:${port}` },
    { onChunk: () => times.push(performance.now()) },
  ).over
  expect(report.events).toEqual(['head', 'chunk', 'chunk', 'end'])
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(30)
})

test('a reset in mid-stream delivers what came, then fails once', async () => {
  const port = await raw(socket => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n', () =>
      setTimeout(() => socket.resetAndDestroy(), 20),
    )
  })
  const report = await exchange(sender([`127.0.0.1:${port}`]), { origin: `http://127.0.0.1:${port}` }).over
  expect(report.events).toEqual(['head', 'chunk', 'fail'])
  expect(report.text()).toBe('hello')
  expect(report.error?.kind).toBe('unreachable')
})

test('a truncated body (content-length not reached) is a failure, not an end', async () => {
  const port = await raw(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'))
  const report = await exchange(sender([`127.0.0.1:${port}`]), { origin: `http://127.0.0.1:${port}` }).over
  expect(report.events.at(-1)).toBe('fail')
  expect(report.events).not.toContain('end')
})

test('failures have kinds and sentences without addresses', async () => {
  const junk = await raw(socket => socket.end('SSH-2.0-nope\r\n\r\n'))
  const flood = await raw(socket => socket.end(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`))
  const closed = await listen(createTcpServer())
  open.pop()?.close()
  const shut = await raw(socket => socket.destroy())
  const cases = [
    [junk, 'malformed'],
    [flood, 'malformed'],
    [closed, 'unreachable'],
    [shut, 'unreachable'],
  ] as const
  const send = sender(cases.map(([port]) => `127.0.0.1:${port}`))
  for (const [port, kind] of cases) {
    const report = await exchange(send, { origin: `http://127.0.0.1:${port}` }).over
    expect(report.error?.kind, `port of ${kind}`).toBe(kind)
    expect(report.error?.message).not.toContain('127.0.0.1')
    expect(report.error?.message).not.toContain(String(port))
    expect(report.events.filter(event => event === 'fail')).toHaveLength(1)
  }
})

test('a connection that is never accepted is silent after the connect limit', async () => {
  // A full backlog of a listener that never accepts is the one black hole that loopback has; a resolver that never answers is the other.
  const send = sender(['never.test:80'], { connectTimeoutMs: 150, resolve: () => new Promise(() => {}) })
  const started = performance.now()
  const report = await exchange(send, { origin: 'http://never.test' }).over
  expect(report.error?.kind).toBe('silent')
  expect(performance.now() - started).toBeLessThan(2500)
})

test('a name that does not resolve is unreachable', async () => {
  const gone = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
  const send = sender([], { resolve: () => Promise.reject(gone) })
  const report = await exchange(send, { origin: 'https://nowhere.example' }).over
  expect(report.error?.kind).toBe('unreachable')
  expect(report.error?.message).toContain('does not resolve')
})

test('abort closes the upstream socket, and nothing is reported after it', async () => {
  let closedAt = 0
  const port = await listen(
    createServer((_, response) => {
      response.writeHead(200)
      const timer = setInterval(() => response.write('x'), 5)
      response.on('close', () => {
        clearInterval(timer)
        closedAt = performance.now()
      })
    }),
  )
  let abortedAt = 0
  const { report } = exchange(
    sender([`127.0.0.1:${port}`]),
    { origin: `http://127.0.0.1:${port}` },
    {
      onChunk(upstream) {
        abortedAt = performance.now()
        upstream.abort()
        upstream.abort()
      },
    },
  )
  await sleep(300)
  expect(report.events).toEqual(['head', 'chunk'])
  expect(closedAt).toBeGreaterThan(0)
  expect(closedAt - abortedAt).toBeLessThan(250)
})

test('abort before the connection exists sends no request', async () => {
  let requests = 0
  const port = await listen(
    createServer((_, response) => {
      requests++
      response.end()
    }),
  )
  const { upstream, report } = exchange(sender([`127.0.0.1:${port}`]), { origin: `http://127.0.0.1:${port}` })
  upstream.abort()
  await sleep(100)
  expect(requests).toBe(0)
  expect(report.events).toEqual([])
})

test('pause stops the upstream, resume goes on, and no byte is lost', async () => {
  const total = 32 * 1024 * 1024
  let written = 0
  const port = await listen(
    createServer((_, response) => {
      response.writeHead(200, { 'content-length': total })
      const block = Buffer.alloc(64 * 1024, 'z')
      const more = (): void => {
        while (written < total) {
          written += block.length
          if (!response.write(block)) {
            response.once('drain', more)
            return
          }
        }
        response.end()
      }
      more()
    }),
  )
  let received = 0
  let stopped = false
  const { upstream, report, over } = exchange(
    sender([`127.0.0.1:${port}`]),
    { origin: `http://127.0.0.1:${port}` },
    {
      onChunk(source, seen) {
        received += seen.chunks.pop()?.length ?? 0
        if (!stopped && received > 1024 * 1024) {
          stopped = true
          source.pause()
        }
      },
    },
  )
  await sleep(400)
  const [had, sent] = [received, written]
  await sleep(200)
  expect(received).toBe(had)
  expect(written).toBe(sent)
  expect(sent).toBeLessThan(total)
  upstream.resume()
  await over
  expect(received).toBe(total)
  expect(report.events.at(-1)).toBe('end')
})

test('redirects are answers: nobody follows them', async () => {
  let canary = 0
  const trap = await listen(
    createServer((_, response) => {
      canary++
      response.end()
    }),
  )
  const port = await listen(
    createServer((request, response) => {
      response.writeHead(Number(request.url?.slice(1)), { location: `http://127.0.0.1:${trap}/` }).end()
    }),
  )
  const send = sender([`127.0.0.1:${port}`, `127.0.0.1:${trap}`])
  for (const status of [301, 302, 303, 307, 308]) {
    const report = await exchange(send, { origin: `http://127.0.0.1:${port}`, path: `/${status}` }).over
    expect(report.status).toBe(status)
  }
  expect(canary).toBe(0)
})

test('an informational answer is not the answer', async () => {
  const port = await raw(socket =>
    socket.end(
      'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    ),
  )
  const report = await exchange(sender([`127.0.0.1:${port}`]), { origin: `http://127.0.0.1:${port}` }).over
  expect(report.events).toEqual(['head', 'chunk', 'end'])
  expect(report.status).toBe(200)
})

test('nothing in a header, a path or a body can start a second request or a second header', async () => {
  const seen: string[] = []
  const port = await raw((socket, request) => {
    seen.push(request)
    socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n')
  })
  const { lines, log } = logbook()
  const send = sender([`127.0.0.1:${port}`], { log })
  const origin = `http://127.0.0.1:${port}`
  const bad: { headers?: string[]; path?: string }[] = [
    { headers: ['authorization', 'Bearer SECRETCANARY\r\nx-evil: 1'] },
    { headers: ['authorization', 'Bearer SECRETCANARY\nx-evil: 1'] },
    { headers: ['authorization', 'Bearer SECRETCANARY\0'] },
    { headers: ['x-evil\r\nx', '1'] },
    { headers: ['x evil', '1'] },
    { headers: ['host', 'evil.example'] },
    { headers: ['content-length', '0'] },
    { headers: ['transfer-encoding', 'chunked'] },
    { headers: ['connection', 'upgrade'] },
    { headers: ['odd'] },
    { path: '/v1 HTTP/1.1\r\nhost: evil\r\n\r\nGET /x' },
    { path: '/v1\r\nx: y' },
    { path: 'no-slash' },
  ]
  for (const each of bad) {
    const report = await exchange(send, { origin, ...each }).over
    expect(report.error?.kind, JSON.stringify(each)).toBe('bug')
  }
  expect(seen).toEqual([])
  expect(JSON.stringify(lines)).not.toContain('SECRETCANARY')
})

test('a receiver that throws loses its exchange and nothing else', async () => {
  const port = await listen(createServer((_, response) => response.end('x'.repeat(10))))
  const { lines, log } = logbook()
  const send = sender([`127.0.0.1:${port}`], { log })
  const origin = `http://127.0.0.1:${port}`
  for (const hooks of [
    {
      onChunk: () => {
        throw new Error('in chunk')
      },
    },
    {
      onHead: () => {
        throw new Error('in head')
      },
    },
  ]) {
    const report = await exchange(send, { origin }, hooks).over
    expect(report.error?.kind).toBe('bug')
  }
  expect(lines.filter(line => line.event === 'receiver_failed')).toHaveLength(2)
  expect((await exchange(send, { origin }).over).events).toEqual(['head', 'chunk', 'end'])
})

test('many streams at once get a connection each, and connections are kept for the next ones', async () => {
  let connections = 0
  let waiting = 0
  const held: (() => void)[] = []
  const server = createServer((_, response) => {
    waiting++
    held.push(() => response.end('done'))
    if (waiting % 300 === 0) for (const release of held.splice(0)) release()
  })
  server.on('connection', () => connections++)
  const port = await listen(server)
  const send = sender([`127.0.0.1:${port}`], { connectTimeoutMs: 10_000 })
  for (let round = 0; round < 2; round++) {
    const all = Array.from({ length: 300 }, () => exchange(send, { origin: `http://127.0.0.1:${port}` }).over)
    for (const report of await Promise.all(all)) expect(report.text()).toBe('done')
    await sleep(20)
  }
  expect(waiting).toBe(600)
  expect(connections).toBe(300)
})

/** `send` when something is wrong: the upstream, the request, or the receiver. Each failure is told once and has a kind. */
import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { closedPort, listen, raw, sender } from './listen.ts'
import { exchange, logbook } from './recorder.ts'

test('a reset in mid-stream delivers what came, then fails once', async () => {
  const port = await raw(socket => {
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n', () =>
      setTimeout(() => socket.resetAndDestroy(), 20),
    )
  })
  const report = await exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
    origin: `http://127.0.0.1:${port}`,
  }).over
  expect(report.events).toEqual(['head', 'chunk', 'fail'])
  expect(report.text()).toBe('hello')
  expect(report.error?.kind).toBe('unreachable')
})

test('a truncated body (content-length not reached) is a failure, not an end', async () => {
  const port = await raw(socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'))
  const report = await exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
    origin: `http://127.0.0.1:${port}`,
  }).over
  expect(report.events.at(-1)).toBe('fail')
  expect(report.events).not.toContain('end')
})

test('failures have kinds and sentences without addresses', async () => {
  const junk = await raw(socket => socket.end('SSH-2.0-nope\r\n\r\n'))
  const flood = await raw(socket => socket.end(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(40_000)}\r\n\r\n`))
  const closed = await closedPort()
  const shut = await raw(socket => socket.destroy())
  const cases = [
    [junk, 'malformed'],
    [flood, 'malformed'],
    [closed, 'unreachable'],
    [shut, 'unreachable'],
  ] as const
  const send = sender({ allow: cases.map(([port]) => `127.0.0.1:${port}`) })
  for (const [port, kind] of cases) {
    const report = await exchange(send, { origin: `http://127.0.0.1:${port}` }).over
    expect(report.error?.kind, `port of ${kind}`).toBe(kind)
    expect(report.error?.message).not.toContain('127.0.0.1')
    expect(report.error?.message).not.toContain(String(port))
    expect(report.events.filter(event => event === 'fail')).toHaveLength(1)
  }
})

test('a connection that is never accepted is unreachable after the connect limit, and nothing was sent', async () => {
  // A full backlog of a listener that never accepts is the one black hole that loopback has; a resolver that never answers is the other.
  const send = sender({
    allow: ['never.test:80'],
    connectTimeoutMs: 150,
    resolve: () => new Promise(() => {}),
  })
  const started = performance.now()
  const { over, upstream } = exchange(send, { origin: 'http://never.test' })
  const report = await over
  expect([report.error?.kind, upstream.sent]).toEqual(['unreachable', false])
  expect(performance.now() - started).toBeLessThan(20_000)
})

test('a name that does not resolve is unreachable', async () => {
  const gone = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
  const send = sender({ allow: [], resolve: () => Promise.reject(gone) })
  const report = await exchange(send, { origin: 'https://nowhere.example' }).over
  expect(report.error?.kind).toBe('unreachable')
  expect(report.error?.message).toContain('does not resolve')
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
  const send = sender({ allow: [`127.0.0.1:${port}`, `127.0.0.1:${trap}`] })
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
  const report = await exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
    origin: `http://127.0.0.1:${port}`,
  }).over
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
  const send = sender({ allow: [`127.0.0.1:${port}`], log })
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
  const send = sender({ allow: [`127.0.0.1:${port}`], log })
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

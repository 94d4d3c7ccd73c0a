/** `send` against real sockets: coalescing, order, back-pressure, abort. */
import { createServer, type IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import { listen, raw, sender } from './listen.ts'
import { exchange } from './recorder.ts'
import { quickest, settled, sleep, until } from '../waiting.ts'

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
  const report = await exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
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

test('other fields than before are sent, also out of the same list', async () => {
  const seen: (string | undefined)[] = []
  const port = await listen(
    createServer((request, response) => {
      seen.push(request.headers.authorization)
      response.end('fine')
    }),
  )
  const send = sender({ allow: [`127.0.0.1:${port}`] })
  const headers = ['authorization', 'Bearer one']
  for (const key of ['one', 'one', 'two', 'one']) {
    headers[1] = `Bearer ${key}`
    await exchange(send, { origin: `http://127.0.0.1:${port}`, headers }).over
  }
  expect(seen).toEqual(['one', 'one', 'two', 'one'].map(key => `Bearer ${key}`))
})

test('many HTTP chunks of one read are one chunk here, and end never overtakes them', async () => {
  const events = Array.from({ length: 50 }, (_, i) => `data: {"i":${i}}\n\n`)
  const port = await raw(socket => {
    const chunks = events.map(event => `${event.length.toString(16)}\r\n${event}\r\n`).join('')
    socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`)
  })
  const report = await exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
    origin: `http://127.0.0.1:${port}`,
  }).over
  expect(report.text()).toBe(events.join(''))
  expect(report.events).toEqual(['head', 'chunk', 'end'])
})

test('chunks of different reads are not held back', async () => {
  const parts = ['3\r\ntwo\r\n', '0\r\n\r\n']
  let more = (): void => undefined
  const port = await raw(socket => {
    more = () => void socket.write(parts.shift() ?? '')
    socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n')
  })
  const report = await exchange(
    sender({ allow: [`127.0.0.1:${port}`] }),
    { origin: `http://127.0.0.1:${port}` },
    // the upstream says no more before the first part has come through
    { onChunk: () => more() },
  ).over
  expect(report.events).toEqual(['head', 'chunk', 'chunk', 'end'])
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
  const send = sender({ allow: [`127.0.0.1:${port}`] })
  const closedAfterMs = await quickest(250, async () => {
    closedAt = 0
    let abortedAt = 0
    const { report } = exchange(
      send,
      { origin: `http://127.0.0.1:${port}` },
      {
        onChunk(upstream) {
          abortedAt = performance.now()
          upstream.abort()
          upstream.abort()
        },
      },
    )
    await until(() => closedAt > 0)
    await sleep(100)
    expect(report.events).toEqual(['head', 'chunk'])
    return closedAt - abortedAt
  })
  expect(closedAfterMs).toBeLessThan(250)
})

test('abort before the connection exists sends no request', async () => {
  let requests = 0
  const port = await listen(
    createServer((_, response) => {
      requests++
      response.end()
    }),
  )
  const { upstream, report } = exchange(sender({ allow: [`127.0.0.1:${port}`] }), {
    origin: `http://127.0.0.1:${port}`,
  })
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
    sender({ allow: [`127.0.0.1:${port}`] }),
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
  await until(() => stopped)
  expect(await settled(() => received + written)).toBeLessThan(2 * total)
  expect(written).toBeLessThan(total)
  upstream.resume()
  await over
  expect(received).toBe(total)
  expect(report.events.at(-1)).toBe('end')
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
  server.keepAliveTimeout = 120_000
  const port = await listen(server)
  const send = sender({ allow: [`127.0.0.1:${port}`], connectTimeoutMs: 60_000 })
  for (let round = 0; round < 2; round++) {
    const all = Array.from({ length: 300 }, () => exchange(send, { origin: `http://127.0.0.1:${port}` }).over)
    for (const report of await Promise.all(all)) expect(report.text()).toBe('done')
    await sleep(20)
  }
  expect(waiting).toBe(600)
  expect(connections).toBe(300)
})

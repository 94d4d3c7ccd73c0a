/** Connections that `send` keeps: used again when that is safe, and never when an answer could be taken for another's. */
import { createServer as createTcpServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { until } from '../waiting.ts'
import { listen, sender } from './listen.ts'
import { exchange } from './recorder.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'

/** An upstream by hand: counts connections, and answers each request with its head line by line. */
async function upstream(answer: (socket: Socket, n: number, text: string) => void) {
  const sockets: Socket[] = []
  let requests = 0
  const port = await listen(
    createTcpServer(socket => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('data', data => answer(socket, ++requests, data.toString('latin1')))
    }),
  )
  const send = sender({ allow: [`127.0.0.1:${port}`] })
  const ask = (more: { body?: Uint8Array; path?: string } = {}) =>
    exchange(send, { origin: `http://127.0.0.1:${port}`, ...more })
  return { sockets, send, ask, requests: () => requests }
}

test('a connection is used again, and the last one used is the next', async () => {
  const { sockets, ask } = await upstream(socket => void socket.write(`${OK}\r\nok`))
  for (let i = 0; i < 5; i++) expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(1)
})

test('what follows an answer is never the next request’s answer', async () => {
  const poison = `${OK}\r\nNO`
  const { sockets, ask } = await upstream((socket, n) => {
    // in the same write, and later on the idle connection
    socket.write(n === 1 ? `${OK}\r\nok${poison}` : `${OK}\r\nok`)
    if (n === 2) setTimeout(() => socket.write(poison), 20)
  })
  expect((await ask().over).text()).toBe('ok')
  expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(2)
  await until(() => sockets[1]?.destroyed === true)
  expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(3)
})

test('a peer that says how long it keeps a connection is believed, and a short while is none', async () => {
  const heads = [
    'connection: close\r\n',
    'keep-alive: timeout=2\r\n',
    'keep-alive: timeout=30, max=9\r\n',
    '',
  ]
  const { sockets, ask } = await upstream((socket, n) => void socket.write(`${OK}${heads[n - 1]}\r\nok`))
  const counts: number[] = []
  for (const _ of heads) {
    await ask().over
    counts.push(sockets.length)
  }
  expect(counts).toEqual([1, 2, 3, 3])
})

test('an idle connection that the peer closes is forgotten', async () => {
  const { sockets, ask } = await upstream(socket => void socket.write(`${OK}\r\nok`))
  await ask().over
  sockets[0]?.end()
  await until(() => sockets[0]?.destroyed === true)
  expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(2)
})

test('a kept connection that had been closed is told from a peer that breaks off, and the others that wait are not used', async () => {
  const { sockets, ask } = await upstream((socket, n) => {
    if (n === 4) socket.resetAndDestroy()
    else if (n <= 2) setTimeout(() => socket.write(`${OK}\r\nok`), 30)
    else socket.write(`${OK}\r\nok`)
  })
  await Promise.all([ask().over, ask().over])
  await ask().over
  expect(sockets).toHaveLength(2)
  const reset = ask()
  expect((await reset.over).error?.kind).toBe('unreachable')
  expect(reset.upstream).toMatchObject({ sent: true, stale: true })
  expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(3)
})

test('who is new, had begun to answer, or took its time to break off, is not stale', async () => {
  const asked = async (answer: (socket: Socket, n: number) => void) => {
    const { ask } = await upstream((socket, n) => answer(socket, n))
    const [, second] = [await ask().over, ask()]
    expect((await second.over).error?.kind).toBe('unreachable')
    return second.upstream.stale
  }
  const closing = `${OK}connection: close\r\n\r\nok`
  expect(await asked((socket, n) => void (n === 1 ? socket.write(closing) : socket.end()))).toBe(false)
  const first = `${OK}\r\nok`
  expect(await asked((socket, n) => void (n === 1 ? socket.write(first) : socket.end('HTTP/1.1 20')))).toBe(
    false,
  )
  const late = (socket: Socket, n: number) =>
    void (n === 1 ? socket.write(first) : setTimeout(() => socket.resetAndDestroy(), 1_200))
  expect(await asked(late)).toBe(false)
})

test('a peer that closes instead of answering is unreachable, told once', async () => {
  const { ask } = await upstream((socket, n) => void (n === 1 ? socket.write(`${OK}\r\nok`) : socket.end()))
  await ask().over
  const report = await ask().over
  expect(report.events).toEqual(['fail'])
  expect(report.error?.kind).toBe('unreachable')
})

test('an answer before the request is wholly written is an answer, and the connection is not used again', async () => {
  const { sockets, ask } = await upstream((socket, n) => {
    if (n !== 1 && sockets.length === 1) return
    socket.write(`HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno`)
    if (sockets.length === 1) socket.pause()
  })
  const large = await ask({ body: new Uint8Array(64 * 1024 * 1024) }).over
  expect(large.status).toBe(413)
  expect((await ask().over).status).toBe(413)
  expect(sockets).toHaveLength(2)
})

test('a large body arrives whole', async () => {
  let received = ''
  const body = new Uint8Array(3 * 1024 * 1024).fill(97)
  const { ask } = await upstream((socket, _, text) => {
    received += text
    if (received.split('\r\n\r\n')[1]?.length === body.length) socket.write(`${OK}\r\nok`)
  })
  expect((await ask({ body }).over).text()).toBe('ok')
  expect(received.split('\r\n\r\n')[1]?.length).toBe(body.length)
  expect(received).toContain(`content-length: ${body.length}\r\n`)
})

test('abort in mid-answer closes that connection and no other', async () => {
  const { sockets, ask } = await upstream((socket, n) => {
    socket.write(n === 1 ? 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n' : `${OK}\r\nok`)
  })
  const first = ask()
  await until(() => first.report.events.includes('chunk'))
  expect((await ask().over).text()).toBe('ok')
  first.upstream.abort()
  await until(() => sockets[0]?.destroyed === true)
  expect(first.report.events).toEqual(['head', 'chunk'])
  expect((await ask().over).text()).toBe('ok')
  expect(sockets).toHaveLength(2)
})

test('abort after the end harms nobody who has the connection now', async () => {
  const { sockets, ask } = await upstream((socket, n) => {
    if (n === 1) socket.write(`${OK}\r\nok`)
    else setTimeout(() => socket.write(`${OK}\r\nok`), 30)
  })
  const first = ask()
  await first.over
  const second = ask()
  first.upstream.abort()
  first.upstream.pause()
  expect((await second.over).text()).toBe('ok')
  expect(sockets).toHaveLength(1)
})

test('close lets what runs end, opens nothing more, and leaves no connection; destroy fails what runs', async () => {
  let finish: (() => void) | undefined
  const { sockets, send, ask } = await upstream((socket, n) => {
    if (n === 2) finish = () => void socket.write(`${OK}\r\nok`)
    else if (n === 1) socket.write(`${OK}\r\nok`)
  })
  await ask().over
  const running = ask()
  await until(() => finish !== undefined)
  const closing = send.close()
  expect((await ask().over).error?.kind).toBe('unreachable')
  finish?.()
  expect((await running.over).text()).toBe('ok')
  await closing
  await until(() => sockets.every(socket => socket.destroyed))
  const { send: other, ask: askOther } = await upstream(() => undefined)
  const cut = askOther()
  await other.destroy()
  expect((await cut.over).error?.kind).toBe('unreachable')
})

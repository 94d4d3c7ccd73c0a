/** What the lane reads comes out of one buffer for all sockets: what one of them was sent stays what it was while others are read. */
import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { readByCall } from '../../src/runtime/node/lane/reads.ts'
import { until } from '../waiting.ts'
import { call, open, request } from './lane-rig.ts'
import { listen } from './listen.ts'

const END = '0\r\n\r\n'

test('this Node tells by a call what an accepted socket reads', async () => {
  const told: string[] = []
  const ways: boolean[] = []
  const server = createServer(socket => {
    ways.push(
      readByCall(socket, bytes => {
        told.push(bytes.toString())
        return true
      }),
    )
    socket.on('data', bytes => told.push(`data: ${bytes}`))
  })
  const port = await listen(server)
  const socket = connect(port, '127.0.0.1')
  socket.write('one')
  await until(() => told.length === 1)
  socket.write('two')
  await until(() => told.length === 2)
  expect(ways).toEqual([true])
  expect(told).toEqual(['one', 'two'])
  socket.destroy()
})

test('headers and bodies of many callers whose pieces come mixed', async () => {
  const { port } = await open(async (exchange, sink) => {
    const early = exchange.header('x-name')
    const body = await exchange.read(10_000_000)
    // the head is asked again once others have been read
    await new Promise(resolve => setImmediate(resolve))
    const hash = createHash('sha256').update(body).digest('hex')
    sink.head(200, [])
    sink.end(Buffer.from(`${early} ${exchange.header('x-name')} ${hash}`))
  })
  const callers = Array.from({ length: 12 }, (_, i) => {
    const body = randomBytes(i % 3 === 0 ? 300_000 : 200 + i * 997)
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: here\r\nX-Name: name-${i}\r\nContent-Length: ${body.length}\r\n\r\n`
    return { name: `name-${i}`, body, bytes: Buffer.concat([Buffer.from(head), body]), one: call(port) }
  })
  // the head comes whole
  for (let part = 0; part < 5; part++) {
    for (const { bytes, one } of callers) {
      const rest = Math.ceil((bytes.length - 130) / 4)
      const from = part === 0 ? 0 : 130 + (part - 1) * rest
      one.send(bytes.subarray(from, 130 + part * rest))
    }
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const { name, body, one } of callers) {
    const hash = createHash('sha256').update(body).digest('hex')
    expect(await one.heard(END)).toContain(`${name} ${name} ${hash}`)
  }
})

test('a connection that became node:http’s is read to its end, and whoever listens to its bytes then hears them', async () => {
  const { port, server } = await open((_, sink) => {
    sink.head(200, [])
    sink.end()
  })
  const sockets: Socket[] = []
  server.on('connection', socket => sockets.push(socket))
  const one = call(port)
  one.send(request('first'))
  await one.heard(END)
  for (let i = 0; i < 5; i++) {
    one.send(`PUT /at/${i} HTTP/1.1\r\nHost: here\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`)
    await one.heard(`app PUT /at/${i}`)
  }
  const heard: string[] = []
  sockets[0]?.on('data', bytes => heard.push(bytes.toString()))
  one.send('GET /last HTTP/1.1\r\nHost: here\r\n\r\n')
  await one.heard('app GET /last')
  expect(heard.join('')).toContain('GET /last')
})

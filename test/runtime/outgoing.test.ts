/** Bytes that leave together: whatever waits in a slow socket stays what it was, however much is written after it. */
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { expect, test } from 'vitest'
import { writeTogether } from '../../src/runtime/node/http1/outgoing.ts'
import { until } from '../waiting.ts'
import { makeCertificates } from './certificates.ts'
import { listen } from './listen.ts'

const BEFORE = ['', 'a line\r\n', 'h\xe9ad\xff'.repeat(300)]
const AFTER = ['', '\r\n', 'tr\xe4il'.repeat(20)]
/** Written over after each write, as its owner does. */
const HEAD = Buffer.alloc(900)
const HEAD_SIZES = [0, 900, 0, 333, 899]
const SIZES = [0, 1, 700, 9_000, 30_000, 32_760, 70_000]

interface Pair {
  readonly from: Socket
  readonly to: Socket
  readonly sent: ReturnType<typeof createHash>
  bytes: number
  waited: boolean
}

async function pairs(server: Server, dial: (port: number) => Socket, count: number): Promise<Pair[]> {
  const arrived: Socket[] = []
  server.on(server.listenerCount('secureConnection') > 0 ? 'secureConnection' : 'connection', (s: Socket) =>
    arrived.push(s),
  )
  const port = await listen(server)
  const made: Pair[] = []
  for (let i = 0; i < count; i++) {
    const to = dial(port)
    await until(() => arrived.length === i + 1)
    made.push({ from: arrived[i] as Socket, to, sent: createHash('sha256'), bytes: 0, waited: false })
  }
  return made
}

/** Nobody reads until everything is written, so that most of it waits. */
async function check(made: readonly Pair[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++)
    for (const [i, pair] of made.entries()) {
      const before = BEFORE[(round + i) % 3] as string
      const after = AFTER[(round * 2 + i) % 3] as string
      const bytes = randomBytes(SIZES[(round + i * 3) % SIZES.length] as number)
      const head = HEAD.fill(round).subarray(0, HEAD_SIZES[(round + i) % HEAD_SIZES.length])
      const length = head.length + before.length + bytes.length + after.length
      if (length === 0) continue
      pair.sent.update(head).update(before, 'latin1').update(bytes).update(after, 'latin1')
      pair.bytes += length
      writeTogether(pair.from, before, bytes, after, head)
      pair.waited ||= pair.from.writableLength > 0
    }
  expect(made.every(({ waited }) => waited)).toBe(true)
  for (const pair of made) {
    const got = createHash('sha256')
    let bytes = 0
    pair.to.on('data', part => {
      got.update(part)
      bytes += part.length
    })
    await until(() => bytes >= pair.bytes)
    expect(bytes).toBe(pair.bytes)
    expect(got.digest('hex')).toBe(pair.sent.digest('hex'))
  }
}

test('what a slow socket holds is not written over by what leaves after it', async () => {
  const server = createServer()
  const made = await pairs(server, port => connect({ port, host: '127.0.0.1' }), 4)
  // more than the system takes for any of them
  await check(made, 500)
  for (const { to } of made) to.destroy()
})

test('over TLS, where every write waits for a while', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-outgoing-'))
  const { caPath, key, cert } = makeCertificates(folder)
  const server = createTlsServer({ key, cert })
  server.on('secureConnection', () => undefined)
  const ca = readFileSync(caPath)
  const made = await pairs(server, port => connectTls({ port, host: '127.0.0.1', ca }), 3)
  await check(made, 100)
  for (const { to } of made) to.destroy()
  rmSync(folder, { recursive: true })
})

test('text alone and bytes alone', async () => {
  const [pair] = await pairs(createServer(), port => connect({ port, host: '127.0.0.1' }), 1)
  if (pair === undefined) throw new Error('no connection')
  writeTogether(pair.from, 'only te\xdft')
  writeTogether(pair.from, '', Buffer.from(' and bytes'))
  let text = ''
  pair.to.on('data', part => {
    text += part.toString('latin1')
  })
  await until(() => text === 'only te\xdft and bytes')
  pair.to.destroy()
})

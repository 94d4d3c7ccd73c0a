/** Reads of `send`: one buffer takes those of all connections, plain and TLS, and each answer is still its own. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { SecureVersion, TLSSocket } from 'node:tls'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { temporary } from '../keys/parts.ts'
import { until } from '../waiting.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { listen, sender } from './listen.ts'
import { exchange } from './recorder.ts'

let folder: ReturnType<typeof temporary>
let certificates: Certificates
const trusted = getCACertificates('default')
beforeAll(() => {
  folder = temporary()
  certificates = makeCertificates(folder.path)
  setDefaultCACertificates([readFileSync(certificates.caPath)])
})
afterAll(() => {
  setDefaultCACertificates(trusted)
  folder.clean()
})

const sha = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Answers with random bytes and tells their hash: pieces of all sizes, chunked or with a length. */
function answering(sent: Map<string, string>): RequestListener {
  return async (request, response) => {
    const n = Number(request.url?.slice(2))
    const sizes = Array.from({ length: 40 }, (_, i) => [1, 3_000, 70_000, 17][(i + n) % 4] as number)
    const pieces = sizes.map(size => randomBytes(size))
    const whole = Buffer.concat(pieces)
    sent.set(request.url ?? '', sha(whole))
    if (n % 2 === 0) response.setHeader('content-length', whole.length)
    for (const piece of pieces)
      if (!response.write(piece)) await new Promise(resolve => response.once('drain', resolve))
    response.end()
  }
}

async function manyAtOnce(origin: string, allow: string, sent: Map<string, string>): Promise<void> {
  const send = sender({ allow: [allow] })
  for (let round = 0; round < 3; round++) {
    const asked = Array.from({ length: 12 }, (_, n) => {
      const path = `/${round}${n}`
      let pauses = 0
      const onChunk = (upstream: { pause(): void; resume(): void }) => {
        if (n % 3 !== 0 || ++pauses % 5 !== 0) return
        upstream.pause()
        setImmediate(() => upstream.resume())
      }
      return { path, ...exchange(send, { origin, path, method: 'GET' }, { onChunk }) }
    })
    for (const { path, over } of asked) {
      const report = await over
      expect(report.error).toBeUndefined()
      // kept until now, while all the others were read
      expect(sha(Buffer.concat(report.chunks))).toBe(sent.get(path))
    }
  }
}

test('many answers at once, some of them paused again and again', async () => {
  const sent = new Map<string, string>()
  const port = await listen(createServer(answering(sent)))
  await manyAtOnce(`http://127.0.0.1:${port}`, `127.0.0.1:${port}`, sent)
  expect(sent.size).toBe(36)
})

test('the same over TLS', async () => {
  const sent = new Map<string, string>()
  const port = await listen(createTlsServer(certificates, answering(sent)))
  await manyAtOnce(`https://127.0.0.1:${port}`, `127.0.0.1:${port}`, sent)
  expect(sent.size).toBe(36)
})

test('heads and chunk lines that arrive in pieces, while other connections are read', async () => {
  const answer = `HTTP/1.1 200 OK\r\nx-long: ${'v'.repeat(50)}\r\ntransfer-encoding: chunked\r\n\r\n${'5\r\nhello\r\n'.repeat(20)}0\r\n\r\n`
  const port = await listen(
    createServer((request, response) => {
      const { socket } = response
      if (socket === null) throw new Error('no socket')
      socket.setNoDelay(true)
      let at = 0
      const step = 1 + (Number(request.url?.slice(1)) % 3)
      const more = (): void => {
        socket.write(answer.slice(at, at + step))
        at += step
        if (at < answer.length) setImmediate(more)
      }
      more()
    }),
  )
  const send = sender({ allow: [`127.0.0.1:${port}`] })
  const asked = Array.from({ length: 9 }, (_, n) =>
    exchange(send, { origin: `http://127.0.0.1:${port}`, path: `/${n}`, method: 'GET' }),
  )
  for (const { over } of asked) {
    const report = await over
    expect(report.headers['x-long']).toBe('v'.repeat(50))
    expect(report.text()).toBe('hello'.repeat(20))
  }
})

test.each<SecureVersion>(['TLSv1.2', 'TLSv1.3'])(
  'the next connection goes on with the session of the last: %s',
  async maxVersion => {
    const reused: boolean[] = []
    const server = createTlsServer({ ...certificates, maxVersion }, (_, response) => {
      response.setHeader('connection', 'close').end('fine')
    })
    server.on('secureConnection', (socket: TLSSocket) => reused.push(socket.isSessionReused()))
    const port = await listen(server)
    const send = sender({ allow: [`127.0.0.1:${port}`] })
    const ask = async () =>
      expect((await exchange(send, { origin: `https://127.0.0.1:${port}` }).over).text()).toBe('fine')
    await ask()
    await ask()
    await until(() => reused.length === 2)
    expect(reused).toEqual([false, true])
  },
)

/** The guard in `send`, on real sockets: nothing hostile reaches a canary, rebinding finds no gap, TLS and proxies are real. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as TcpServer,
  type Socket,
} from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createGuard } from '../../src/egress/guard.ts'
import { createProxyFor } from '../../src/egress/proxy.ts'
import { createSend, type NodeSend, type SendOptions } from '../../src/runtime/node/send.ts'
import { HOSTILE_NAMES, HOSTILE_ORIGINS } from '../egress/hostile.ts'
import { temporary } from '../keys/parts.ts'
import { type Certificates, makeCertificates } from './certificates.ts'
import { exchange, logbook } from './recorder.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

async function listen(server: Server | TcpServer, host = '127.0.0.1', port = 0): Promise<number> {
  await new Promise<void>((done, failed) => server.once('error', failed).listen(port, host, done))
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

function sender(more: Partial<SendOptions> & { allow?: string[] } = {}): NodeSend {
  const { allow = [], ...options } = more
  const send = createSend({ guard: createGuard(allow), connectTimeoutMs: 2000, log: () => {}, ...options })
  closers.push(() => send.destroy())
  return send
}

describe('a canary on this machine', () => {
  let hits = 0
  let port = 0
  beforeEach(async () => {
    hits = 0
    port = await listen(
      createTcpServer(socket => {
        hits++
        socket.destroy()
      }),
    )
    // The same port on IPv6 loopback, where the machine has one.
    await listen(
      createTcpServer(() => void hits++),
      '::1',
      port,
    ).catch(() => {})
  })

  test('every hostile origin fails and none connects', async () => {
    const { lines, log } = logbook()
    const send = sender({ log, resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]) })
    for (const form of HOSTILE_ORIGINS) {
      const origin = form.replaceAll('PORT', String(port))
      const { error, events } = await exchange(send, { origin, headers: ['x-api-key', 'CANARY'] }).over
      expect(error?.kind, JSON.stringify(origin)).toBe('unreachable')
      expect(events).toEqual(['fail'])
    }
    await sleep(50)
    expect(hits).toBe(0)
    expect(lines.filter(line => line.event === 'egress_refused').length).toBeGreaterThan(
      HOSTILE_ORIGINS.length * 0.9,
    )
    expect(JSON.stringify(lines)).not.toContain('CANARY')
  })

  test('every name that resolves to a hostile address fails, and one bad address among good ones is enough', async () => {
    const { lines, log } = logbook()
    const resolve = (host: string) =>
      Promise.resolve(
        (HOSTILE_NAMES[host] ?? []).map(address => ({ address, family: address.includes(':') ? 6 : 4 })),
      )
    const send = sender({ log, resolve })
    for (const name of Object.keys(HOSTILE_NAMES)) {
      const { error } = await exchange(send, { origin: `https://${name}:${port}` }).over
      expect(error?.kind, name).toBe('unreachable')
      expect(error?.message).not.toContain(name)
      expect(lines.at(-2)?.fields.why, name).toContain(name)
    }
    await sleep(50)
    expect(hits).toBe(0)
  })

  test('the real resolver’s own names for this machine fail too', async () => {
    for (const origin of ['https://localhost', 'https://localhost.', 'https://x.localhost'])
      expect((await exchange(sender(), { origin: `${origin}:${port}` }).over).error?.kind).toBe('unreachable')
    expect(hits).toBe(0)
  })

  test('DNS rebinding: each connection is looked up once, judged, and made to what was judged', async () => {
    let reached = 0
    await listen(
      createServer((_, response) => {
        reached++
        response.setHeader('connection', 'close').end('vetted')
      }),
      '127.0.0.2',
      port,
    )
    // One answer is listed, the next is the canary, and so on: what a rebinding name server does, with TTL 0.
    const answers = ['127.0.0.2', '127.0.0.1']
    let asked = 0
    const listed = createGuard([`127.0.0.2:${port}`])
    const at = listed.origin(`https://rebind.example:${port}`)
    if ('why' in at) throw new Error(at.why)
    const send = sender({
      // Plain http for the test's server; the addresses are judged by the real guard.
      guard: {
        origin: () => ({ ...at, protocol: 'http:', origin: `http://rebind.example:${port}` }),
        addresses: listed.addresses,
      },
      resolve: () => Promise.resolve([{ address: answers[asked++ % 2] ?? '', family: 4 }]),
    })
    const all = Array.from(
      { length: 200 },
      () => exchange(send, { origin: `http://rebind.example:${port}` }).over,
    )
    const reports = await Promise.all(all)
    expect(reports.filter(report => report.status === 200)).toHaveLength(100)
    expect(reports.filter(report => report.error?.kind === 'unreachable')).toHaveLength(100)
    expect([asked, reached, hits]).toEqual([200, 100, 0])
  })

  test('a socket that ends at another address than the one that was judged sends nothing', async () => {
    let requests = 0
    const target = await listen(
      createServer((_, response) => {
        requests++
        response.end('leaked')
      }),
    )
    const at = createGuard([`fooled.test:${target}`]).origin(`http://fooled.test:${target}`)
    if ('why' in at) throw new Error(at.why)
    let looks = 0
    const { lines, log } = logbook()
    const send = sender({
      log,
      // Fooled at the first look, awake at the second: only the check of the connected socket can save it.
      guard: { origin: () => at, addresses: () => (looks++ === 0 ? undefined : { why: 'loopback' }) },
      resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    })
    const { error } = await exchange(send, { origin: at.origin, headers: ['x-api-key', 'CANARY'] }).over
    expect(error?.kind).toBe('unreachable')
    expect([requests, looks]).toEqual([0, 2])
    expect(lines.map(line => line.event)).toContain('egress_refused')
  })
})

test('a listed private address is reached, its neighbours are not', async () => {
  const port = await listen(createServer((_, response) => response.end('local model')))
  const other = await listen(createServer((_, response) => response.end('not listed')))
  const send = sender({ allow: [`127.0.0.1:${port}`] })
  expect((await exchange(send, { origin: `http://127.0.0.1:${port}` }).over).text()).toBe('local model')
  expect((await exchange(send, { origin: `http://127.0.0.1:${other}` }).over).error?.kind).toBe('unreachable')
  expect((await exchange(send, { origin: `http://localhost:${port}` }).over).error?.kind).toBe('unreachable')
})

test('a reloaded allow-list holds within about a second, both ways', async () => {
  const port = await listen(createServer((_, response) => response.end('ok')))
  const origin = `http://127.0.0.1:${port}`
  let guard = createGuard([])
  const send = sender({
    guard: { origin: text => guard.origin(text), addresses: (at, found) => guard.addresses(at, found) },
  })
  const kind = async () => (await exchange(send, { origin }).over).error?.kind
  expect(await kind()).toBe('unreachable')
  guard = createGuard([`127.0.0.1:${port}`])
  await sleep(1050)
  expect(await kind()).toBeUndefined()
  guard = createGuard([])
  await sleep(1050)
  expect(await kind()).toBe('unreachable')
})

describe('TLS and proxies', () => {
  let folder: ReturnType<typeof temporary>
  let certificates: Certificates
  beforeAll(() => {
    folder = temporary()
    certificates = makeCertificates(folder.path)
  })
  afterAll(() => folder.clean())

  interface Answer {
    status?: number
    text: string
    kind?: string
    message?: string
    lines: unknown[]
  }
  async function child(env: Record<string, string>, ...args: string[]): Promise<Answer> {
    const script = fileURLToPath(new URL('./call-upstream.ts', import.meta.url))
    const { PATH = '' } = process.env
    const run = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], {
      env: { PATH, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let text = ''
    run.stdout.on('data', chunk => {
      text += chunk
    })
    await once(run, 'close')
    return JSON.parse(text) as Answer
  }
  const tls = async (): Promise<number> =>
    listen(
      createTlsServer(certificates, (request, response) =>
        response.end(`tls ${request.headers.host} ${request.headers.authorization}`),
      ),
    )

  /** A small CONNECT proxy; `targets` is what it was asked for, and everything leads to `port`. */
  async function proxy(
    port: number,
    status = '200 OK',
  ): Promise<{ port: number; targets: string[]; auth: (string | undefined)[] }> {
    const targets: string[] = []
    const auth: (string | undefined)[] = []
    const server = createServer((_, response) => response.writeHead(500).end())
    server.on('connect', (request, client: Socket) => {
      targets.push(request.url ?? '')
      auth.push(request.headers['proxy-authorization'])
      client.on('error', () => {})
      if (!status.startsWith('200')) {
        client.end(`HTTP/1.1 ${status}\r\n\r\n`)
        return
      }
      const upstream = connect(port, '127.0.0.1', () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n')
        client.pipe(upstream).pipe(client)
      })
      upstream.on('error', () => client.destroy())
    })
    return { port: await listen(server), targets, auth }
  }

  test('a private CA is trusted by NODE_EXTRA_CA_CERTS, and nothing is trusted without it', async () => {
    const port = await tls()
    const args = [`https://upstream.test:${port}`, `upstream.test:${port}`, '127.0.0.1']
    const trusted = await child({ NODE_EXTRA_CA_CERTS: certificates.caPath }, ...args)
    expect(trusted).toMatchObject({ status: 200, text: `tls upstream.test:${port} Bearer CANARY` })
    const untrusted = await child({}, ...args)
    expect(untrusted.kind).toBe('unreachable')
    expect(untrusted.message).toMatch(/TLS certificate was not accepted \(UNABLE_TO_VERIFY/)
    const misnamed = await child(
      { NODE_EXTRA_CA_CERTS: certificates.caPath },
      `https://other.test:${port}`,
      `other.test:${port}`,
      '127.0.0.1',
    )
    expect(misnamed.message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(JSON.stringify([untrusted, misnamed])).not.toContain('CANARY')
  })

  test('HTTPS_PROXY: CONNECT to the named host, end-to-end TLS, the proxy resolves', async () => {
    const upstream = await tls()
    const via = await proxy(upstream)
    const env = {
      NODE_EXTRA_CA_CERTS: certificates.caPath,
      HTTPS_PROXY: `http://user:pass@127.0.0.1:${via.port}`,
    }
    // The name does not exist here; only the proxy knows it.
    const answer = await child(env, 'https://upstream.test')
    expect(answer).toMatchObject({ status: 200, text: 'tls upstream.test Bearer CANARY' })
    expect(via.targets).toEqual(['upstream.test:443'])
    expect(via.auth).toEqual([`Basic ${Buffer.from('user:pass').toString('base64')}`])
  })

  test('what the guard refuses by name is never named to a proxy', async () => {
    const via = await proxy(1)
    const send = sender({
      proxyFor: createProxyFor({
        HTTPS_PROXY: `http://127.0.0.1:${via.port}`,
        HTTP_PROXY: `http://127.0.0.1:${via.port}`,
      }),
    })
    for (const form of HOSTILE_ORIGINS) {
      const { error } = await exchange(send, { origin: form.replaceAll('PORT', '9101') }).over
      expect(error?.kind, form).toBe('unreachable')
    }
    expect(via.targets).toEqual([])
  })

  test('NO_PROXY goes directly; a proxy that refuses, is gone or stays silent is a failure that ends', async () => {
    const upstream = await tls()
    const via = await proxy(upstream)
    const direct = await child(
      {
        NODE_EXTRA_CA_CERTS: certificates.caPath,
        HTTPS_PROXY: `http://127.0.0.1:${via.port}`,
        NO_PROXY: 'upstream.test',
      },
      `https://upstream.test:${upstream}`,
      `upstream.test:${upstream}`,
      '127.0.0.1',
    )
    expect(direct.status).toBe(200)
    expect(via.targets).toEqual([])
    const refusing = await proxy(1, '407 Proxy Authentication Required')
    const silent = await listen(createTcpServer(() => {}))
    const gone = await listen(createTcpServer())
    closers.pop()?.()
    for (const port of [refusing.port, silent, gone]) {
      const send = sender({ connectTimeoutMs: 300, proxyFor: () => `http://127.0.0.1:${port}` })
      const { error } = await exchange(send, { origin: 'https://api.example.com', headers: ['x', 'CANARY'] })
        .over
      expect(['unreachable', 'silent']).toContain(error?.kind)
      expect(error?.message).not.toMatch(/CANARY|127\.0\.0\.1/)
    }
  })
})

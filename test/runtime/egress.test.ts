/** The guard in `send`, on real sockets: nothing hostile reaches a canary, and rebinding finds no gap. */
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { createGuard } from '../../src/egress/guard.ts'
import { HOSTILE_NAMES, HOSTILE_ORIGINS } from '../egress/hostile.ts'
import { listen, sender } from './listen.ts'
import { exchange, logbook } from './recorder.ts'

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

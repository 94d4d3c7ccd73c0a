/** Two listeners with one handler, one with the lane and one of node:http alone, and a caller that speaks bytes to them. */
import type { Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { Hono } from 'hono'
import { afterEach } from 'vitest'
import type { Deps } from '../../src/deps.ts'
import type { serve } from '../../src/gateway.ts'
import type { LaneLimits } from '../../src/runtime/node/lane/connection.ts'
import { makeHttpServer, makeServer, type ServerOptions } from '../../src/runtime/node/lane/server.ts'
import { createPeerOf } from '../../src/runtime/node/trust.ts'
import { until } from '../waiting.ts'

export type Serve = typeof serve
type Handler = (call: Parameters<Serve>[0], sink: Parameters<Serve>[1]) => unknown

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})
export const atEnd = (close: () => unknown): number => closers.push(close)

/** What is to happen to a handler's call, told by its test. */
export const served = { status: 200, failure: undefined, attempts: 0 }

export interface Rig {
  readonly server: Server
  readonly port: number
  /** Milliseconds of the pipeline's clock. */
  readonly state: { closed: 'draining' | 'sealed' | undefined }
}

/** Limits that a test never reaches unless it shortens them. */
export const PATIENT: LaneLimits = {
  firstMs: 20_000,
  requestMs: 60_000,
  idleMs: 60_000,
  lingerMs: 1_000,
  sweepMs: 20,
}

export interface RigOptions extends Partial<Pick<ServerOptions, 'tls' | 'limits'>> {
  /** False = node:http alone. */
  readonly lane?: boolean
  readonly trustedProxies?: readonly string[]
  readonly path?: string
}

/** Opens a listener whose inference routes are answered by `handler`. */
export async function open(handler: Handler, options: RigOptions = {}): Promise<Rig> {
  const { lane = true, trustedProxies = [], limits = PATIENT, path, tls } = options
  const state: Rig['state'] = { closed: undefined }
  let sequence = 0
  const deps = {
    newId: (prefix: string) => `${prefix}${sequence++}`,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    closed: () => state.closed,
  } as unknown as Deps
  const app: ServerOptions['app'] = new Hono()
  app.all('*', context => context.text(`app ${context.req.method} ${context.req.path}`))
  const answer = (async (call, sink) => {
    await handler(call, sink)
    return served
  }) as Serve
  const make = lane ? makeServer : makeHttpServer
  const server = make({
    deps,
    app,
    peerOf: createPeerOf(trustedProxies),
    serve: answer,
    limits,
    ...(tls && { tls }),
  })
  await new Promise<void>((done, failed) => {
    server.once('error', failed)
    if (path === undefined) server.listen(0, '127.0.0.1', done)
    else server.listen(path, done)
  })
  atEnd(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return { server, state, port: typeof address === 'string' ? 0 : ((address as AddressInfo)?.port ?? 0) }
}

export interface Caller {
  readonly socket: Socket
  /** All that has come so far, latin1. */
  text(): string
  /** True once the other side has ended or reset. */
  over(): boolean
  send(bytes: string | Uint8Array): void
  /** Waits until this much has come. */
  heard(what: RegExp | string, times?: number): Promise<string>
  ended(): Promise<string>
}

/** A raw caller on a socket that is connected, or will be. */
export function caller(socket: Socket): Caller {
  let text = ''
  let over = false
  socket.on('data', bytes => (text += bytes.toString('latin1')))
  socket.on('error', () => {})
  socket.on('close', () => (over = true))
  socket.on('end', () => (over = true))
  atEnd(() => socket.destroy())
  return {
    socket,
    text: () => text,
    over: () => over,
    send: bytes => void (typeof bytes === 'string' ? socket.write(bytes, 'latin1') : socket.write(bytes)),
    async heard(what, times = 1) {
      await until(() =>
        typeof what === 'string' ? text.split(what).length > times : new RegExp(what).test(text),
      )
      return text
    },
    async ended() {
      await until(() => over)
      return text
    },
  }
}

/** Connects to a port of this machine. A half-closed connection stays open, as a sloppy client's does. */
export const call = (port: number): Caller =>
  caller(connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true }))

export const PATH = '/v1/chat/completions'

/** A whole request as one string, latin1. */
export function request(body = '', more = '', path = PATH): string {
  const length = Buffer.byteLength(body, 'latin1')
  return `POST ${path} HTTP/1.1\r\nHost: here\r\n${more}Content-Length: ${length}\r\n\r\n${body}`
}

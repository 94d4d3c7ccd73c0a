/** Makes the server of a listener: node:http or node:https with its bounds, and the lane in front of it. */
import type { Buffer } from 'node:buffer'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { serve } from '../../../gateway.ts'
import { createListener, type ListenerOptions } from '../listener.ts'
import { KEEP_ALIVE_MS } from './answer-head.ts'
import type { LaneLimits } from './connection.ts'
import { LANE_LIMITS, openLane } from './lane.ts'
import { protocolError } from './refusal.ts'

export interface ServerOptions extends ListenerOptions {
  /** PEM. Absent = plain HTTP. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined
  readonly limits?: LaneLimits
}

/** Slow senders and idle sockets are bounded; a stream that is being answered is not. */
const boundsOf = (limits: LaneLimits) => ({
  headersTimeout: Math.min(limits.firstMs, limits.requestMs),
  requestTimeout: limits.requestMs,
  connectionsCheckingInterval: limits.sweepMs,
  keepAliveTimeout: KEEP_ALIVE_MS,
  maxHeaderSize: 16_384,
  highWaterMark: 65_536,
  noDelay: true,
})

/** node:http's server alone: what the lane hands over is served by it, and it could serve everything. Listens nowhere yet. */
export function makeHttpServer({ tls, limits = LANE_LIMITS, ...options }: ServerOptions): Server {
  const listener = createListener(options)
  const bounds = boundsOf(limits)
  const server = tls ? createTlsServer({ ...bounds, ...tls }, listener) : createServer(bounds, listener)
  server.maxHeadersCount = 100
  server.on('clientError', (error, socket) => {
    if (socket.writable) socket.end(protocolError((error as NodeJS.ErrnoException).code))
  })
  return server as Server
}

/** A listener's server with the lane in front. Listens nowhere yet. */
export function makeServer(options: ServerOptions): Server {
  const server = makeHttpServer(options)
  const { deps, peerOf, tls, limits, serve: answer = serve } = options
  openLane(server, { deps, peerOf, serve: answer, secure: tls !== undefined, ...(limits && { limits }) })
  return server
}

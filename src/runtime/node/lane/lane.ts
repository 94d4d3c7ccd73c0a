/**
 * The fast lane of a listener: inference requests of one narrow, well-known shape are read and answered straight on the socket;
 * every other connection, and whatever is in doubt, is node:http's. Put in front of a server that exists.
 */
import type { Buffer } from 'node:buffer'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { KEEP_ALIVE_MS } from './answer-head.ts'
import { Connection, type LaneHome, type LaneLimits } from './connection.ts'

/** As the server's own timeouts; node:http adds a second to the time that it tells (`keepAliveTimeoutBuffer`). */
export const LANE_LIMITS: LaneLimits = {
  firstMs: 10_000,
  requestMs: 60_000,
  idleMs: KEEP_ALIVE_MS + 1_000,
  lingerMs: 1_000,
  sweepMs: 1_000,
}

export interface LaneOptions extends Pick<LaneHome, 'deps' | 'peerOf' | 'serve'> {
  /** True for a node:https server. */
  readonly secure: boolean
  readonly limits?: LaneLimits
}

/**
 * Takes the server's connections before it does. Closing idle connections, or all of them, closes the lane's as well, and so
 * does closing the server.
 */
export function openLane(server: Server, { secure, limits = LANE_LIMITS, ...shared }: LaneOptions): void {
  const event = secure ? 'secureConnection' : 'connection'
  const [toHttp] = server.listeners(event)
  if (toHttp === undefined) throw new Error(`a server without a listener for ${event}`)
  const connections = new Set<Connection>()
  const home: LaneHome = {
    ...shared,
    limits,
    connections,
    handOver(socket: Socket, bytes: Buffer) {
      // the bytes go back to the front of the socket, and its new owner finds it as a fresh one
      socket.pause()
      socket.unshift(bytes)
      toHttp.call(server, socket)
      socket.resume()
    },
  }
  server.removeAllListeners(event)
  server.on(event, (socket: Socket) => void new Connection(socket, home))

  const sweeping = setInterval(() => {
    const nowMs = performance.now()
    for (const connection of connections) if (connection.dueMs <= nowMs) connection.expire(nowMs)
  }, limits.sweepMs)
  sweeping.unref()
  server.once('close', () => clearInterval(sweeping))

  const closeIdle = server.closeIdleConnections.bind(server)
  const closeAll = server.closeAllConnections.bind(server)
  const closeIdleOfBoth = () => {
    for (const { idle, socket } of connections) if (idle) socket.destroy()
    closeIdle()
  }
  const closeAllOfBoth = () => {
    for (const { socket } of connections) socket.destroy()
    closeAll()
  }
  server.closeIdleConnections = closeIdleOfBoth
  server.closeAllConnections = closeAllOfBoth
}

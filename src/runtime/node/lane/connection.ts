/** One caller's connection in the lane: cuts what arrives into requests, one after the other, until one is not of the lane's shape. */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { Deps } from '../../../deps.ts'
import type { serve } from '../../../gateway.ts'
import { endpointAt, plainPath } from '../../../http/endpoints.ts'
import type { PeerOf } from '../trust.ts'
import { LaneExchange, type Line } from './exchange.ts'
import { readHead } from './head.ts'
import { readByCall } from './reads.ts'
import { protocolError } from './refusal.ts'

/** How long callers may take; milliseconds. */
export interface LaneLimits {
  /** From a connection to its first request. */
  readonly firstMs: number
  /** From a request's head to the end of its body, beside what the body takes on a slow line. */
  readonly requestMs: number
  /** Between an answer and the next request. */
  readonly idleMs: number
  /** For the rest of a body that nobody reads, so that its caller reads the answer before the connection is reset. */
  readonly lingerMs: number
  /** How often they are looked at. */
  readonly sweepMs: number
}

/** What the connections of one listener share. */
export interface LaneHome {
  readonly deps: Deps
  readonly peerOf: PeerOf
  readonly serve: typeof serve
  readonly limits: LaneLimits
  readonly connections: Set<Connection>
  /** Gives a socket, with what was read of it, to node:http for the rest of its life. */
  handOver(socket: Socket, bytes: Buffer): void
}

/** What may wait before the socket is read no further: requests behind the one being answered, a body that nobody has asked for. */
const WAITING_BYTES_MAX = 65_536
/** The slowest line that a body is waited for: 16 KiB a second. */
const LEAST_BYTES_PER_MS = 16_384 / 1_000
const NEVER = Number.POSITIVE_INFINITY

const AT = Symbol('connection')
interface LaneSocket extends Socket {
  [AT]?: Connection | undefined
}

function onData(this: LaneSocket, bytes: Buffer): void {
  this[AT]?.take(bytes)
}
/** As `onData`; what comes once the socket is node:http's is read as it would have been. */
function onRead(this: LaneSocket, bytes: Buffer): boolean {
  const at = this[AT]
  if (at === undefined) return this.push(bytes)
  at.take(bytes)
  return true
}
function onDrain(this: LaneSocket): void {
  this[AT]?.drained()
}
function onEnd(this: LaneSocket): void {
  this[AT]?.callerEnded()
}
function onClose(this: LaneSocket): void {
  this[AT]?.closed()
}
/** `close` follows. */
function onError(): void {}

function next(connection: Connection): void {
  connection.next()
}

export class Connection implements Line {
  readonly socket: Socket
  /** Monotonic ms at which `expire` is due. */
  dueMs: number
  private readonly home: LaneHome
  /** Asked for once: it stays what it is. */
  private readonly address: string | undefined
  private exchange: LaneExchange | undefined = undefined
  /** Read already, but behind the request that is being answered. */
  private waiting: Buffer[] = []
  private waitingBytes = 0
  private served = false
  private paused = false
  /** -1 = not on its way out; else what may still come and is dropped. */
  private dropBytes = -1

  constructor(socket: LaneSocket, home: LaneHome) {
    this.socket = socket
    this.home = home
    this.address = socket.remoteAddress
    this.dueMs = performance.now() + home.limits.firstMs
    home.connections.add(this)
    socket[AT] = this
    if (!readByCall(socket, onRead)) socket.on('data', onData)
    socket.on('drain', onDrain)
    socket.on('end', onEnd)
    socket.on('close', onClose)
    socket.on('error', onError)
  }

  get closing(): boolean {
    return this.home.deps.closed() !== undefined
  }

  /** Nothing is being asked or answered here. */
  get idle(): boolean {
    return (
      this.exchange === undefined &&
      this.dropBytes < 0 &&
      this.waitingBytes === 0 &&
      this.socket.writableLength === 0
    )
  }

  take(bytes: Buffer): void {
    const { exchange } = this
    if (this.dropBytes >= 0) return this.drop(bytes)
    if (exchange === undefined && this.waitingBytes === 0 && !this.socket.writableNeedDrain)
      return this.begin(bytes)
    if (exchange !== undefined && exchange.missing > 0) {
      const behind = exchange.take(bytes)
      if (exchange.missing === 0) this.dueMs = NEVER
      if (behind !== undefined) this.wait(behind)
      else this.boundUnread(exchange)
    } else this.wait(bytes)
  }

  private wait(bytes: Buffer): void {
    this.waiting.push(bytes)
    this.waitingBytes += bytes.length
    if (this.waitingBytes > WAITING_BYTES_MAX) this.pause()
  }

  /** Only a body that goes on: with all of it here, a caller that leaves shall be heard. */
  private boundUnread(exchange: LaneExchange): void {
    if (exchange.missing > 0 && exchange.unread > WAITING_BYTES_MAX) this.pause()
  }

  private pause(): void {
    this.paused = true
    this.socket.pause()
  }

  readOn(): void {
    if (!this.paused) return
    this.paused = false
    this.socket.resume()
  }

  /** A request begins with these bytes, or something that is node:http's to judge. */
  private begin(bytes: Buffer): void {
    const { home } = this
    const { deps } = home
    const request = readHead(bytes)
    if (request === undefined) return this.handOver(bytes)
    const { target, mark } = request
    const path = plainPath(mark < 0 ? target : target.slice(0, mark))
    const endpoint = endpointAt(path)
    if (endpoint === undefined || endpoint.method !== 'POST') return this.handOver(bytes)
    const exchange = new LaneExchange(this, request, {
      id: deps.newId('req_'),
      path,
      query: mark < 0 ? '' : target.slice(mark + 1),
      peer: home.peerOf(this.address, request.value('x-forwarded-for')),
      startedAtMs: deps.clock.monotonic(),
    })
    this.served = true
    this.exchange = exchange
    const behind = exchange.take(bytes.subarray(request.end))
    this.dueMs = exchange.missing > 0 ? performance.now() + this.bodyMs(request.length) : NEVER
    if (behind !== undefined) this.wait(behind)
    else this.boundUnread(exchange)
    void home.serve(exchange, exchange, endpoint, deps)
  }

  /** A large body may take its time on a slow line. */
  private bodyMs(length: number): number {
    return this.home.limits.requestMs + length / LEAST_BYTES_PER_MS
  }

  private handOver(bytes: Buffer): void {
    const socket: LaneSocket = this.socket
    this.paused = false
    this.home.connections.delete(this)
    socket[AT] = undefined
    socket.off('data', onData)
    socket.off('drain', onDrain)
    socket.off('end', onEnd)
    socket.off('close', onClose)
    socket.off('error', onError)
    this.home.handOver(socket, bytes)
  }

  ended(close: boolean): void {
    const missing = this.exchange?.missing ?? 0
    this.exchange = undefined
    if (this.socket.destroyed) return
    if (close) return this.finish(missing)
    this.dueMs = performance.now() + this.home.limits.idleMs
    // not at once: many small requests in one read would stand upon each other
    if (this.waitingBytes > 0) process.nextTick(next, this)
  }

  /** Begins with what waits, once the answer before it has left this process. */
  next(): void {
    const { socket } = this
    if (this.waitingBytes === 0 || this.exchange !== undefined || this.dropBytes >= 0) return
    if (socket.writableNeedDrain || !socket.writable) return
    const bytes = this.waiting.length === 1 ? (this.waiting[0] as Buffer) : Buffer.concat(this.waiting)
    this.waiting = []
    this.waitingBytes = 0
    this.begin(bytes)
    // not while much still waits: it would be put together anew for each small request
    if (this.waitingBytes <= WAITING_BYTES_MAX) this.readOn()
  }

  drained(): void {
    if (this.exchange !== undefined) this.exchange.drained()
    else this.next()
  }

  /** The answer was the last one here. Who is still sending is listened to for a while: a reset would take the answer away. */
  private finish(missing: number): void {
    this.waiting = []
    this.waitingBytes = 0
    this.dropBytes = missing
    if (missing === 0) {
      this.dueMs = NEVER
      this.socket.destroySoon()
      return
    }
    this.dueMs = performance.now() + this.home.limits.lingerMs
    this.socket.end()
    this.readOn()
  }

  private drop(bytes: Buffer): void {
    this.dropBytes = Math.max(0, this.dropBytes - bytes.length)
    if (this.dropBytes === 0) this.socket.destroySoon()
  }

  /** What is said in place of an answer, to a caller who has not finished a request. */
  private refuse(code: string | undefined): void {
    const { exchange } = this
    this.exchange = undefined
    if (exchange?.begun) this.socket.destroy()
    else {
      if (this.socket.writable) this.socket.write(protocolError(code))
      this.finish(Math.max(1, exchange?.missing ?? 1))
    }
    exchange?.abandon()
  }

  /** FIN: this is how a caller that leaves looks. */
  callerEnded(): void {
    const { exchange } = this
    const isOnItsWay = this.dropBytes >= 0
    if (!isOnItsWay && exchange !== undefined && exchange.missing > 0) return this.refuse(undefined)
    this.socket.end()
    if (isOnItsWay || exchange === undefined) return
    // told now: `close` waits for what has been written, and who has left may never read it
    this.exchange = undefined
    this.dropBytes = 0
    this.dueMs = performance.now() + this.home.limits.lingerMs
    exchange.abandon()
  }

  closed(): void {
    this.home.connections.delete(this)
    const { exchange } = this
    this.exchange = undefined
    exchange?.abandon()
  }

  expire(nowMs: number): void {
    if (this.dropBytes >= 0) this.socket.destroy()
    else if (this.exchange !== undefined) this.refuse('ERR_HTTP_REQUEST_TIMEOUT')
    // opened ahead by somebody who would take words of ours for an answer
    else if (!this.served) this.socket.destroy()
    // the time between requests begins when the answer has left
    else if (this.socket.writableLength > 0) this.dueMs = nowMs + this.home.limits.idleMs
    else this.socket.destroy()
  }
}

/** Kept connections to one origin, for `send`: one exchange at a time on each, the last one used is the next one used. */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { buildConnector } from 'undici'
import type { Connect } from '../connect.ts'
import { type Answered, AnswerReader } from './answer.ts'
import type { Headers } from './fields.ts'
import { type Carrier, type Exchange, Heads } from './exchange.ts'
import { writeTogether } from './outgoing.ts'

/** How long a connection without a request is kept, unless its peer announces less. */
const KEEP_ALIVE_MS = 60_000
/** A peer that says when it will close means its own clock: we close this much earlier. */
const MARGIN_MS = 2_000
const SWEEP_MS = 1_000
/**
 * A kept connection that its peer closed meanwhile breaks as soon as it is used: who breaks off later than this had the
 * request, and may have worked on it.
 */
const STALE_MS = 1_000
const ANNOUNCED = /(?:^|,)\s*timeout\s*=\s*(\d{1,9})/i

/** The peer closed before its answer was whole; as Node names what a reset looks like. */
const closed = (): Error => Object.assign(new Error('the other side closed'), { code: 'ECONNRESET' })

const aborted = (): Error => Object.assign(new Error('the pool was closed'), { code: 'ECONNABORTED' })

/** ms that the peer will keep the connection. */
function keptMs(headers: Headers): number {
  const told = headers['keep-alive']
  if (told === undefined) return KEEP_ALIVE_MS
  const seconds = ANNOUNCED.exec(String(told))?.[1]
  return seconds === undefined ? KEEP_ALIVE_MS : Math.min(Number(seconds) * 1_000 - MARGIN_MS, KEEP_ALIVE_MS)
}

class Connection implements Answered, Carrier {
  /** `performance.now()` after which nothing is sent on it any more. */
  idleUntilMs = 0
  readonly #socket: Socket
  readonly #pool: Pool
  readonly #reader: AnswerReader
  #exchange: Exchange | undefined
  #keptMs = KEEP_ALIVE_MS
  #paused = false
  #isReferenced = true
  /** `performance.now()` until which a break means that this connection, kept from an earlier exchange, was closed already. */
  #staleUntilMs = 0

  constructor(socket: Socket, pool: Pool) {
    this.#socket = socket
    this.#pool = pool
    this.#reader = new AnswerReader(this)
    socket.on('end', () => this.#ended())
    socket.on('error', (error: Error) => this.#lost(error))
    socket.on('close', () => this.#lost(closed()))
  }

  get usable(): boolean {
    return !this.#socket.destroyed && this.#socket.writable
  }

  carry(exchange: Exchange, head: string, body: Uint8Array | undefined, staleUntilMs = 0): void {
    const socket = this.#socket
    this.#exchange = exchange
    this.#staleUntilMs = staleUntilMs
    this.#reader.expect()
    if (!this.#isReferenced) {
      this.#isReferenced = true
      socket.ref()
    }
    exchange.carriedBy(this)
    writeTogether(socket, head, body)
  }

  pause(): void {
    this.#paused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#paused = false
    this.#socket.resume()
  }

  cut(): void {
    this.#exchange = undefined
    this.#reader.forget()
    this.#socket.destroy()
  }

  destroy(): void {
    this.#staleUntilMs = 0
    this.#lost(aborted())
    this.#socket.destroy()
  }

  /** An idle connection must not keep a process alive that has nothing else to do. */
  rest(): void {
    if (!this.#isReferenced) return
    this.#isReferenced = false
    this.#socket.unref()
  }

  head(status: number, headers: Headers): void {
    this.#keptMs = keptMs(headers)
    this.#exchange?.head(status, headers)
  }

  body(bytes: Buffer): void {
    // whoever is told may keep it
    this.#exchange?.chunk(Buffer.from(bytes))
  }

  over(reusable: boolean): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    // an answer that came before the request was wholly written leaves a request behind that nobody wants
    if (reusable && this.#keptMs > 0 && this.#socket.writableLength === 0 && this.usable) {
      if (this.#paused) this.resume()
      this.idleUntilMs = performance.now() + this.#keptMs
      this.#pool.keep(this)
    } else this.#socket.destroy()
    exchange.end()
  }

  /** The bytes are gone after the call. */
  read(bytes: Buffer): void {
    this.#staleUntilMs = 0
    // nobody asked: whatever this is, it must not be taken for the next answer
    if (this.#exchange === undefined) return void this.#socket.destroy()
    try {
      this.#reader.read(bytes)
    } catch (error) {
      this.#lost(error as Error)
      this.#socket.destroy()
    }
  }

  #ended(): void {
    if (!this.#reader.closed()) this.#lost(closed())
    this.#socket.destroy()
  }

  #lost(error: Error): void {
    this.#pool.drop(this)
    const exchange = this.#exchange
    this.#exchange = undefined
    this.#reader.forget()
    if (exchange === undefined) return
    if (performance.now() < this.#staleUntilMs) {
      exchange.stale = true
      this.#pool.doubt()
    }
    exchange.fail(error)
  }
}

/** Where a pool connects to. */
export interface PoolOptions {
  /** `https://host:port` as the guard has vetted it. */
  readonly origin: string
  readonly connect: Connect
}

/** Without a bound on connections: what runs at once is bounded before it comes here. */
export class Pool {
  readonly heads: Heads
  readonly #connect: Connect
  readonly #target: buildConnector.Options
  readonly #idle: Connection[] = []
  readonly #open = new Set<Connection>()
  /** What waits for a connection of its own. */
  readonly #connecting = new Set<Exchange>()
  #sweeping: NodeJS.Timeout | undefined
  #isClosed = false
  #emptied: (() => void) | undefined

  constructor({ origin, connect }: PoolOptions) {
    const { host, hostname, protocol, port } = new URL(origin)
    this.heads = new Heads(host)
    this.#connect = connect
    // a literal IPv6 address is dialled without its brackets
    this.#target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
  }

  /** `head` as `heads` gives it. */
  send(exchange: Exchange, head: string, body: Uint8Array | undefined): void {
    const nowMs = performance.now()
    for (let kept = this.#idle.pop(); kept !== undefined; kept = this.#idle.pop()) {
      if (kept.usable && nowMs < kept.idleUntilMs) return kept.carry(exchange, head, body, nowMs + STALE_MS)
      kept.cut()
    }
    if (this.#isClosed) return process.nextTick(() => exchange.fail(aborted()))
    this.#connecting.add(exchange)
    let connection: Connection | undefined
    const reads = (bytes: Buffer) => connection?.read(bytes)
    this.#connect(this.#target, reads, (error, socket) => {
      this.#connecting.delete(exchange)
      if (socket === null) {
        exchange.fail(error)
        return this.#look()
      }
      connection = new Connection(socket, this)
      this.#open.add(connection)
      if (exchange.wanted) return connection.carry(exchange, head, body)
      connection.idleUntilMs = performance.now() + KEEP_ALIVE_MS
      this.keep(connection)
    })
  }

  keep(connection: Connection): void {
    if (this.#isClosed) return connection.cut()
    this.#idle.push(connection)
    this.#sweeping ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  /** One that was kept had been closed: so may the others be that wait. */
  doubt(): void {
    for (const connection of this.#idle.splice(0)) connection.cut()
  }

  drop(connection: Connection): void {
    if (!this.#open.delete(connection)) return
    const at = this.#idle.indexOf(connection)
    if (at >= 0) this.#idle.splice(at, 1)
    this.#look()
  }

  /** What runs ends as it would have; resolves when the last one has. */
  close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#sweeping)
    for (const connection of this.#idle.splice(0)) connection.cut()
    return new Promise(resolve => {
      this.#emptied = resolve
      this.#look()
    })
  }

  /** Whatever runs fails. */
  destroy(): void {
    this.#isClosed = true
    clearInterval(this.#sweeping)
    for (const exchange of [...this.#connecting]) exchange.fail(aborted())
    for (const connection of [...this.#open]) connection.destroy()
  }

  #look(): void {
    if (this.#open.size + this.#connecting.size === 0) this.#emptied?.()
  }

  #sweep(): void {
    const nowMs = performance.now()
    const old = this.#idle.filter(each => nowMs >= each.idleUntilMs)
    for (const each of this.#idle) each.rest()
    for (const each of old) each.cut()
    if (this.#idle.length > 0) return
    clearInterval(this.#sweeping)
    this.#sweeping = undefined
  }
}

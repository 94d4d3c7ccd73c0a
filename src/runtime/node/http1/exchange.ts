/** One request on one connection of our own, for `send`: what is written, and who is told of the answer. */
import type { Log } from '../../../deps.ts'
import { GatewayError } from '../../../errors.ts'
import type { Receiver, Upstream, UpstreamRequest } from '../../../terms.ts'
import { failureOf } from '../failure.ts'
import { type Headers, NAME, VALUE } from './fields.ts'

const KEPT = '\r\nconnection: keep-alive\r\n'
const PATH = /^\/[\x21-\x7e\x80-\xff]*$/

/** The lines of header fields, or undefined = they hold what would end a line or begin another. */
function linesOf(headers: readonly string[]): string | undefined {
  if (headers.length % 2 !== 0) return undefined
  let lines = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!NAME.test(name) || !VALUE.test(value)) return undefined
    lines += `${name}: ${value}\r\n`
  }
  return lines
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  if (some.length !== others.length) return false
  for (let i = 0; i < some.length; i++) if (some[i] !== others[i]) return false
  return true
}

/**
 * Heads of requests to one host: most have the method, path and fields of the one before, which are then neither checked nor
 * joined again.
 */
export class Heads {
  readonly #host: string
  #method = ''
  #path = ''
  #headers: readonly string[] = []
  #lines = ''
  /** Of the head of these: all but its last lines. */
  #before = ''

  constructor(host: string) {
    this.#host = host
  }

  /** Through the empty line; undefined = it holds what would end a line or begin another. */
  of({ method, path, headers, body }: UpstreamRequest): string | undefined {
    const same = isSame(headers, this.#headers)
    if (!same || path !== this.#path || method !== this.#method) {
      if (!PATH.test(path)) return undefined
      const lines = same ? this.#lines : linesOf(headers)
      if (lines === undefined) return undefined
      // a copy: whoever gave them may change them
      if (!same) this.#headers = headers.slice()
      this.#lines = lines
      this.#method = method
      this.#path = path
      // joined, it is one flat string: added up, it would be put together again for each request
      this.#before = [method, ' ', path, ' HTTP/1.1\r\nhost: ', this.#host, KEPT, lines].join('')
    }
    return body === undefined && method === 'GET'
      ? `${this.#before}\r\n`
      : `${this.#before}content-length: ${body?.length ?? 0}\r\n\r\n`
  }
}

/** What an exchange asks of the connection that carries it. */
export interface Carrier {
  pause(): void
  resume(): void
  /** Closes the connection. */
  cut(): void
}

/** The receiver's side of one request: nothing is told after an end, a failure or `abort`. */
export class Exchange implements Upstream {
  readonly #log: Log
  readonly #origin: string
  /** Undefined once nothing more may be told. */
  #to: Receiver | undefined
  #carrier: Carrier | undefined
  #paused = false
  #sent = false
  /** Set by the connection before it fails. */
  stale = false

  constructor(to: Receiver, log: Log, origin: string) {
    this.#to = to
    this.#log = log
    this.#origin = origin
  }

  /** True while somebody waits for the answer. */
  get wanted(): boolean {
    return this.#to !== undefined
  }

  get sent(): boolean {
    return this.#sent
  }

  carriedBy(carrier: Carrier): void {
    this.#carrier = carrier
    this.#sent = true
    if (this.#paused) carrier.pause()
  }

  pause(): void {
    this.#paused = true
    this.#carrier?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#carrier?.resume()
  }

  /** Not connected yet: nothing is sent. */
  abort(): void {
    this.#to = undefined
    const carrier = this.#carrier
    this.#carrier = undefined
    carrier?.cut()
  }

  head(status: number, headers: Headers): void {
    try {
      this.#to?.head(status, headers)
    } catch (cause) {
      this.#thrown(cause)
    }
  }

  chunk(bytes: Uint8Array): void {
    try {
      this.#to?.chunk(bytes)
    } catch (cause) {
      this.#thrown(cause)
    }
  }

  end(): void {
    const to = this.#to
    // before the receiver is told: it may send again at once
    this.#carrier = undefined
    try {
      to?.end()
    } catch (cause) {
      this.#thrown(cause)
    }
    this.#to = undefined
  }

  fail(error: unknown): void {
    const to = this.#to
    this.#to = this.#carrier = undefined
    if (to === undefined) return
    const named = error instanceof GatewayError ? error : failureOf(error)
    const code = (named.cause as { code?: unknown } | undefined)?.code
    this.#log('debug', 'upstream_failed', {
      origin: this.#origin,
      kind: named.kind,
      code: typeof code === 'string' ? code : undefined,
    })
    try {
      to.fail(named)
    } catch {
      // It failed while being told of its failure: there is nobody left to tell.
    }
  }

  /** A receiver that throws is our bug: it loses its exchange, never the process. */
  #thrown(cause: unknown): void {
    const to = this.#to
    this.abort()
    this.#log('error', 'receiver_failed', {
      origin: this.#origin,
      error: cause instanceof Error ? cause.message : 'not an error',
    })
    try {
      to?.fail(new GatewayError('bug', 'The answer could not be processed.', { cause }))
    } catch {
      // As above.
    }
  }
}

/** `deps.send` on Workers: the only code that opens an upstream connection, with the platform's fetch. */
import type { Log } from '../../deps.ts'
import type { Guard } from '../../egress/guard.ts'
import { GatewayError } from '../../errors.ts'
import type { Receiver, Send, Upstream, UpstreamRequest } from '../../terms.ts'

export interface SendOptions {
  readonly guard: Guard
  /**
   * Origins of the configured providers. A Worker cannot see to which address a name resolves, so this list and the
   * platform's own separation from private networks stand where Node vets addresses.
   */
  readonly origins: ReadonlySet<string>
  readonly log: Log
}

/** Why nothing may be sent there, for the log; undefined = it may. */
function whyRefused(origin: string, { guard, origins }: SendOptions): string | undefined {
  if (!origins.has(origin)) return 'not the origin of a configured provider'
  const vetted = guard.origin(origin)
  return 'why' in vetted ? vetted.why : undefined
}

/** Host and framing follow from the origin and the body; a header that names them would be a second opinion. */
const UNSENDABLE = new Set(['host', 'content-length', 'connection', 'transfer-encoding'])

function headersOf(flat: readonly string[]): Headers {
  const headers = new Headers()
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] ?? ''
    if (UNSENDABLE.has(name)) throw new TypeError(`the header ${name} is not for callers of send`)
    headers.append(name, flat[i + 1] ?? '')
  }
  return headers
}

/** fetch has unpacked the body, so these two no longer speak of what is read. */
const UNPACKED = new Set(['gzip', 'br'])

function headOf(response: Response): Record<string, string> {
  const head = Object.fromEntries(response.headers)
  if (UNPACKED.has(head['content-encoding'] ?? '')) {
    delete head['content-encoding']
    delete head['content-length']
  }
  return head
}

/** One request to one upstream. Callbacks stop at `abort`, and after `end` or `fail`. */
class Exchange implements Upstream {
  readonly #log: Log
  readonly #leave = new AbortController()
  /** Undefined once nothing more may be reported. */
  #to: Receiver | undefined
  #paused: Promise<void> | undefined
  #resume: (() => void) | undefined

  constructor(to: Receiver, log: Log) {
    this.#to = to
    this.#log = log
  }

  pause(): void {
    this.#paused ??= new Promise(resolve => {
      this.#resume = resolve
    })
  }

  resume(): void {
    this.#paused = undefined
    this.#resume?.()
  }

  abort(): void {
    this.#to = undefined
    this.#leave.abort()
    this.resume()
  }

  async run(request: UpstreamRequest, options: SendOptions): Promise<void> {
    const refused = whyRefused(request.origin, options)
    if (refused !== undefined) {
      this.#log('warn', 'egress_refused', { origin: request.origin, why: refused })
      // Never before `send` has returned.
      await Promise.resolve()
      return this.#fail('unreachable', 'The egress guard refused the upstream’s address.')
    }
    let made: Request
    try {
      made = new Request(request.origin + request.path, {
        method: request.method,
        headers: headersOf(request.headers),
        body: request.body as Uint8Array<ArrayBuffer> | undefined,
        redirect: 'manual',
        signal: this.#leave.signal,
      })
    } catch (cause) {
      await Promise.resolve()
      return this.#fail('bug', 'The upstream request could not be built.', cause)
    }
    try {
      const response = await fetch(made)
      this.#report(to => to.head(response.status, headOf(response)))
      await this.#pump(response.body)
    } catch (cause) {
      this.#fail('unreachable', 'The connection to the upstream failed.', cause)
    }
  }

  async #pump(body: ReadableStream<Uint8Array> | null): Promise<void> {
    const reader = body?.getReader()
    while (this.#to !== undefined) {
      // Back-pressure: while the caller does not read, neither do we.
      await this.#paused
      const next = await reader?.read()
      if (next === undefined || next.done) break
      this.#report(to => to.chunk(next.value))
    }
    this.#report(to => to.end())
    this.#to = undefined
  }

  #fail(kind: 'unreachable' | 'bug', message: string, cause?: unknown): void {
    const error = new GatewayError(kind, message, { cause })
    if (kind === 'bug') this.#log('error', 'send_refused', { error: String(cause).slice(0, 200) })
    this.#report(to => to.fail(error))
    this.#to = undefined
  }

  /** A receiver that throws is our bug: it loses its exchange, never the isolate. */
  #report(tell: (to: Receiver) => void): void {
    const to = this.#to
    if (to === undefined) return
    try {
      tell(to)
    } catch (cause) {
      this.abort()
      this.#log('error', 'receiver_failed', {
        error: cause instanceof Error ? cause.message : 'not an error',
      })
      try {
        to.fail(new GatewayError('bug', 'The answer could not be processed.', { cause }))
      } catch {
        // It failed while being told of its failure: there is nobody left to tell.
      }
    }
  }
}

/** The only way out. Redirects are answers like any other; time limits are the relay's. */
export function createSend(options: SendOptions): Send {
  return (request, to) => {
    const exchange = new Exchange(to, options.log)
    void exchange.run(request, options)
    return exchange
  }
}

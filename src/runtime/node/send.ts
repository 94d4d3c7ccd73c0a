/** `deps.send` on Node: the only code that opens an upstream connection. undici's dispatch with one handler object per request. */
import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import type { Log } from '../../deps.ts'
import { GatewayError } from '../../errors.ts'
import type { Receiver, Send, Upstream, UpstreamRequest } from '../../terms.ts'
import { failureOf } from './failure.ts'
import { createRoutes, type SendOptions } from './routes.ts'

export type { SendOptions }

/** `close` lets running exchanges finish; `destroy` cuts them. */
export type NodeSend = Send & { close(): Promise<void>; destroy(): Promise<void> }

const LEFT = new Error('the exchange was given up')

const flushLater = (exchange: Exchange): void => exchange.flush()

/** One request to one upstream: undici's handler and our `Upstream` in a single object, so that the path stays monomorphic. */
class Exchange implements Dispatcher.DispatchHandler, Upstream {
  readonly #log: Log
  readonly #origin: string
  /** Undefined once nothing more may be reported. */
  #to: Receiver | undefined
  #controller: Dispatcher.DispatchController | undefined
  #aborted = false
  #paused = false
  #pending: Buffer | undefined
  #more: Buffer[] | undefined

  constructor(to: Receiver, log: Log, origin: string) {
    this.#to = to
    this.#log = log
    this.#origin = origin
  }

  pause(): void {
    this.#paused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#paused = false
    this.#controller?.resume()
  }

  abort(): void {
    this.#aborted = true
    this.#to = undefined
    this.#pending = this.#more = undefined
    // Not connected yet: undici gives the controller later, and the request ends there.
    this.#controller?.abort(LEFT)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#aborted) controller.abort(LEFT)
    else if (this.#paused) controller.pause()
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 100 Continue and 103 Early Hints are not the answer.
    if (status >= 200) this.#report(to => to.head(status, headers))
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#to === undefined) return
    if (this.#pending === undefined) {
      this.#pending = chunk
      // One socket read may carry many HTTP chunks: they leave together at the end of this tick.
      process.nextTick(flushLater, this)
    } else if (this.#more === undefined) this.#more = [this.#pending, chunk]
    else this.#more.push(chunk)
  }

  onResponseEnd(): void {
    this.flush()
    this.#report(to => to.end())
    this.#to = undefined
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.flush()
    this.fail(failureOf(error))
  }

  flush(): void {
    const bytes = this.#more === undefined ? this.#pending : Buffer.concat(this.#more)
    this.#pending = this.#more = undefined
    if (bytes !== undefined) this.#report(to => to.chunk(bytes))
  }

  fail(error: GatewayError): void {
    if (this.#to === undefined) return
    const code = (error.cause as { code?: unknown } | undefined)?.code
    this.#log('debug', 'upstream_failed', {
      origin: this.#origin,
      kind: error.kind,
      code: typeof code === 'string' ? code : undefined,
    })
    this.#report(to => to.fail(error))
    this.#to = undefined
  }

  /** A receiver that throws is our bug: it loses its exchange, never the process. */
  #report(tell: (to: Receiver) => void): void {
    const to = this.#to
    if (to === undefined) return
    try {
      tell(to)
    } catch (cause) {
      this.abort()
      this.#log('error', 'receiver_failed', {
        origin: this.#origin,
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

/** Host and framing follow from the origin and the body; a header that names them would be a second opinion. */
function whyUnsendable(headers: readonly string[]): string | undefined {
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]
    if (name === 'host' || name === 'content-length' || name === 'connection' || name === 'transfer-encoding')
      return name
  }
  return undefined
}

/** The only way out of the process. Time limits after the connect are the relay's; redirects are answers like any other. */
export function createSend(options: SendOptions): NodeSend {
  const { log } = options
  const routes = createRoutes(options)

  const send = (request: UpstreamRequest, to: Receiver): Upstream => {
    const route = routes.to(request.origin)
    const exchange = new Exchange(to, log, route?.origin ?? 'refused')
    const unsendable = whyUnsendable(request.headers)
    if (route === undefined || unsendable !== undefined) {
      const error =
        route === undefined
          ? new GatewayError('unreachable', 'The egress guard refused the upstream’s address.')
          : new GatewayError('bug', `The header ${unsendable} is not for callers of send.`)
      if (unsendable !== undefined)
        log('error', 'send_refused', { origin: route?.origin, header: unsendable })
      process.nextTick(() => exchange.fail(error))
      return exchange
    }
    try {
      route.dispatcher.dispatch(
        {
          origin: route.origin,
          path: request.path,
          method: request.method,
          headers: request.headers as string[],
          body: request.body ?? null,
        },
        exchange,
      )
    } catch (error) {
      process.nextTick(() => exchange.onResponseError(undefined, error as Error))
    }
    return exchange
  }

  return Object.assign(send, {
    close: async () => void (await Promise.allSettled(routes.dispatchers().map(each => each.close()))),
    destroy: async () => void (await Promise.allSettled(routes.dispatchers().map(each => each.destroy()))),
  })
}

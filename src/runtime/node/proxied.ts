/** One request through an outbound proxy, for `send`: undici's handler and our `Upstream` in a single object. */
import { Buffer } from 'node:buffer'
import type { Dispatcher } from 'undici'
import type { Log } from '../../deps.ts'
import type { Receiver, Upstream } from '../../terms.ts'
import { Exchange } from './http1/exchange.ts'

const LEFT = new Error('the exchange was given up')

const flushLater = (exchange: ProxiedExchange): void => exchange.flush()

export class ProxiedExchange implements Dispatcher.DispatchHandler, Upstream {
  readonly #told: Exchange
  #controller: Dispatcher.DispatchController | undefined
  #aborted = false
  #paused = false
  #pending: Buffer[] = []
  #sent = false

  constructor(to: Receiver, log: Log, origin: string) {
    this.#told = new Exchange(to, log, origin)
    this.#told.carriedBy({ pause: () => undefined, resume: () => undefined, cut: () => this.#cut() })
  }

  get sent(): boolean {
    return this.#sent
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
    this.#told.abort()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#sent = true
    if (this.#aborted) controller.abort(LEFT)
    else if (this.#paused) controller.pause()
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // 100 Continue and 103 Early Hints are not the answer.
    if (status >= 200) this.#told.head(status, headers)
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    // One socket read may carry many HTTP chunks: they leave together at the end of this tick.
    if (this.#pending.push(chunk) === 1) process.nextTick(flushLater, this)
  }

  onResponseEnd(): void {
    this.flush()
    this.#told.end()
  }

  onResponseError(_: Dispatcher.DispatchController | undefined, error: Error): void {
    this.flush()
    this.#told.fail(error)
  }

  flush(): void {
    const [first] = this.#pending
    if (first === undefined) return
    const bytes = this.#pending.length === 1 ? first : Buffer.concat(this.#pending)
    this.#pending = []
    this.#told.chunk(bytes)
  }

  #cut(): void {
    this.#aborted = true
    this.#pending = []
    // Not connected yet: undici gives the controller later, and the request ends there.
    this.#controller?.abort(LEFT)
  }
}

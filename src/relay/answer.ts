/** The caller's side of an exchange: one head, bytes or events, one end; knows when the caller left. Sits between the stages and a Sink. */
import type { Bytes } from '../deps.ts'
import type { GatewayError } from '../errors.ts'
import type { Sink, Wire } from '../terms.ts'
import { errorBody, errorEvent, errorHeaders, KEEPALIVE } from '../wire/error.ts'

export class Answer {
  /** Status sent to the caller; 0 = nothing sent yet. */
  status = 0
  /** True after `end`, or when the caller left. */
  finished = false
  /** The caller left before the end. */
  left = false
  /** Called once when the caller leaves while an attempt is running. */
  onLeft: (() => void) | undefined
  /** The event that ends a broken stream, where the wire's writer has its own. */
  lastWords: ((error: GatewayError) => string | undefined) | undefined
  /** Bytes of answer body handed to the sink. */
  bytesSent = 0

  private readonly sink: Sink
  private readonly wire: Wire
  private readonly bytes: Bytes
  private readonly requestId: string
  /** Bytes that can say no error: they are broken off instead. */
  private plain = false
  private resumed: (() => void) | undefined

  constructor(sink: Sink, wire: Wire, requestId: string, bytes: Bytes) {
    this.sink = sink
    this.wire = wire
    this.bytes = bytes
    this.requestId = requestId
    sink.onClose(() => {
      if (this.finished) return
      this.left = true
      this.finished = true
      this.onLeft?.()
    })
    sink.onDrain(() => {
      const resume = this.resumed
      this.resumed = undefined
      resume?.()
    })
  }

  get headSent(): boolean {
    return this.status !== 0
  }

  /** Head of an event stream, or of bytes of a `type` of their own; a second call does nothing (a keep-alive may have sent it). */
  startStream(headers: readonly string[], type?: string | false): void {
    if (this.headSent || this.finished) return
    this.status = 200
    this.plain = type !== undefined && type !== false
    const head = [
      'content-type',
      type || 'text/event-stream; charset=utf-8',
      'cache-control',
      'no-store',
      'x-accel-buffering',
      'no',
      'x-request-id',
      this.requestId,
    ]
    // pushed: spread in the literal, they would be added one by one
    head.push(...headers)
    this.sink.head(200, head)
  }

  /** A sign of life while nothing has been said; the target may still change. */
  keepAlive(headers: readonly string[]): void {
    this.startStream(headers)
    this.write(this.bytes.of(KEEPALIVE[this.wire]))
  }

  /** False: the caller is slow, wait for `onResume`. */
  write(bytes: Uint8Array): boolean {
    if (this.finished || bytes.length === 0) return true
    this.bytesSent += bytes.length
    return this.sink.write(bytes)
  }

  onResume(resume: () => void): void {
    this.resumed = resume
  }

  end(tail?: Uint8Array): void {
    if (this.finished) return
    this.finished = true
    if (tail) this.bytesSent += tail.length
    this.sink.end(tail)
  }

  /** A whole answer in one piece. */
  whole(status: number, headers: readonly string[], body: Uint8Array): void {
    if (this.headSent || this.finished) return
    this.status = status
    const head = [
      'content-type',
      'application/json',
      'content-length',
      String(body.length),
      'cache-control',
      'no-store',
      'x-request-id',
      this.requestId,
    ]
    head.push(...headers)
    this.sink.head(status, head)
    this.end(body)
  }

  /** An error in the caller's wire: a whole answer while no head has gone out, else the last event of the stream. */
  refuse(error: GatewayError, headers: readonly string[] = []): void {
    if (this.finished) return
    if (this.plain) this.breakOff()
    else if (this.headSent) this.end(this.bytes.of(this.lastWords?.(error) ?? errorEvent(this.wire, error)))
    else
      this.whole(
        error.status,
        [...errorHeaders(error), ...headers],
        this.bytes.of(errorBody(this.wire, error)),
      )
  }

  private breakOff(): void {
    this.finished = true
    if (this.sink.abort) this.sink.abort()
    else this.sink.end()
  }
}

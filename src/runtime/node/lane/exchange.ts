/** One request of the lane and its answer: Call and Sink in one, between a connection and the pipeline. */
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import { GatewayError } from '../../../errors.ts'
import { refuseEncoded, tooLarge } from '../../../http/web.ts'
import type { Call, Sink } from '../../../terms.ts'
import { writeTogether } from '../http1/outgoing.ts'
import { type AnswerHead, answerHead, type Framing, sent } from './answer-head.ts'
import type { RequestHead } from './head.ts'

const NOTHING = new Uint8Array(0)

/** What an exchange needs of the connection that it runs on. */
export interface Line {
  readonly socket: Socket
  /** True when no further request is wanted: the answer says so. */
  readonly closing: boolean
  /** Somebody wants the body now. */
  readOn(): void
  /** The answer has ended; `close` = it said that the connection ends with it. */
  ended(close: boolean): void
}

export interface ExchangeFacts {
  readonly id: string
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly startedAtMs: number
}

interface Reader {
  resolve(body: Uint8Array): void
  reject(error: GatewayError): void
}

const left = () => new GatewayError('cancelled', 'the caller left while sending')

export class LaneExchange implements Call, Sink {
  readonly id: string
  readonly method = 'POST'
  readonly path: string
  readonly query: string
  readonly peer: string
  readonly startedAtMs: number
  /** Bytes of the body that have not come yet. */
  missing: number
  private readonly line: Line
  private readonly request: RequestHead
  private first: Buffer | undefined = undefined
  private more: Buffer[] | undefined = undefined
  private reader: Reader | undefined = undefined
  private resume: (() => void) | undefined = undefined
  private leave: (() => void) | undefined = undefined
  /** The caller is gone. */
  private gone = false
  /** The answer has ended, or nobody waits for it. */
  private over = false
  private close = false
  private headed = false
  private framing: Framing = 'chunked'
  /** Leaves with the first bytes of the body, so that both are one write. */
  private unsent: AnswerHead | undefined = undefined

  constructor(line: Line, request: RequestHead, facts: ExchangeFacts) {
    this.line = line
    this.request = request
    this.id = facts.id
    this.path = facts.path
    this.query = facts.query
    this.peer = facts.peer
    this.startedAtMs = facts.startedAtMs
    this.missing = request.length
  }

  header(name: string): string | undefined {
    return this.request.value(name)
  }

  /** Some of the answer has gone out: nothing else can be said here. */
  get begun(): boolean {
    return this.headed && this.unsent === undefined
  }

  /** Bytes of the body that wait here because nobody has asked for it yet. */
  get unread(): number {
    return this.reader === undefined ? this.request.length - this.missing : 0
  }

  /** Takes what belongs to the body and returns what stands behind it, if anything does. */
  take(bytes: Buffer): Buffer | undefined {
    const own = bytes.length > this.missing ? bytes.subarray(0, this.missing) : bytes
    this.missing -= own.length
    if (this.first === undefined) this.first = own
    else {
      this.more ??= [this.first]
      this.more.push(own)
    }
    if (this.missing === 0) this.reader?.resolve(this.body())
    return own === bytes ? undefined : bytes.subarray(own.length)
  }

  private body(): Uint8Array {
    return this.more ? Buffer.concat(this.more) : (this.first ?? NOTHING)
  }

  read(bytesMax: number): Uint8Array | Promise<Uint8Array> {
    refuseEncoded(this.header('content-encoding'))
    if (this.request.length > bytesMax) throw tooLarge(bytesMax)
    if (this.missing === 0) return this.body()
    if (this.gone) throw left()
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject }
      this.line.readOn()
    })
  }

  /** The caller has gone, or is being sent away. */
  abandon(): void {
    if (this.gone) return
    this.gone = true
    this.reader?.reject(left())
    if (this.over) return
    this.over = true
    this.leave?.()
  }

  drained(): void {
    if (!this.over) this.resume?.()
  }

  head(status: number, headers: readonly string[]): void {
    if (this.headed) throw new Error('an answer has one head')
    // a body that was not read to its end would be taken for the next request
    const close = this.missing > 0 || this.request.closes || this.line.closing
    this.unsent = answerHead(status, headers, close)
    this.framing = this.unsent.framing
    this.headed = true
    this.close = close
  }

  write(bytes: Uint8Array): boolean {
    const { socket } = this.line
    if (this.over || bytes.length === 0 || !socket.writable) return true
    if (!this.headed) this.head(200, [])
    // not gathered until the end of the turn, as node:http does: the relay gives all bytes of one read at once
    return this.put(bytes, false)
  }

  end(bytes: Uint8Array = NOTHING): void {
    if (this.over) return
    if (!this.headed) this.head(200, ['content-length', String(bytes.length)])
    this.over = true
    if (this.line.socket.writable) this.put(bytes, true)
    this.line.ended(this.close)
  }

  /** Writes the head if it has not left yet, these bytes in their frame, and with `last` the end of the body. */
  private put(bytes: Uint8Array, last: boolean): boolean {
    const { socket } = this.line
    const count = this.framing === 'none' ? 0 : bytes.length
    const chunked = this.framing === 'chunked'
    const before = chunked && count > 0 ? `${count.toString(16)}\r\n` : ''
    const after = chunked ? `${count > 0 ? '\r\n' : ''}${last ? '0\r\n\r\n' : ''}` : ''
    const head = this.unsent
    this.unsent = undefined
    const goOn = writeTogether(socket, before, count > 0 ? bytes : NOTHING, after, head?.bytes)
    if (head !== undefined) sent(head)
    return goOn
  }

  onDrain(resume: () => void): void {
    this.resume = resume
  }

  onClose(leave: () => void): void {
    this.leave = leave
    if (this.gone) leave()
  }

  abort(): void {
    if (this.over) return
    this.over = true
    this.line.socket.destroy()
  }
}

/** HTTP/1.1 answers out of the bytes of a connection, for `send`: strict, bounded, and one body part for each read. */
import { Buffer } from 'node:buffer'
import { contentEnd, HEX, SIZE_DIGITS_MAX, wholeChunk } from './chunk.ts'
import { type Headers, headersOf, NotHttp, SPACE, TAB, VALUE } from './fields.ts'
import { statusLine } from './status.ts'

/** RFC 9112. What an answer may consist of is told in the order in which it arrives. */
export interface Answered {
  /** Names in lower case; a name that came more than once has a list. Informational answers are not told. */
  head(status: number, headers: Headers): void
  /** All content bytes of one read together, gone after the call as those of the read are. */
  body(bytes: Buffer): void
  /** `reusable` = the connection may carry another request. */
  over(reusable: boolean): void
}

/** Head and trailers alike. */
const HEAD_BYTES_MAX = 16_384
const CHUNK_LINE_BYTES_MAX = 4_096
const CR = 13
const LF = 10
const SEMICOLON = 59
const UPPER_H = 72
/** Signs of life before an answer; more are no answer. */
const INTERIM_MAX = 32
const HEAD_END = Buffer.from('\r\n\r\n')

const LENGTH = /^\d{1,15}$/
const CLOSE = /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i
const KEEP_ALIVE = /(?:^|,)[ \t]*keep-alive[ \t]*(?:,|$)/i

const HEAD = 0
const BY_LENGTH = 1
const UNTIL_CLOSE = 2
const CHUNK_LINE = 3
const CHUNK_BYTES = 4
const CHUNK_END = 5
const TRAILERS = 6
const OVER = 7

/** What `Connection` says of the time after this answer. */
const isKept = (isCurrent: boolean, wish: string): boolean =>
  !CLOSE.test(wish) && (isCurrent || KEEP_ALIVE.test(wish))

/** Such a head never ends as HTTP's do: it would be waited for until the time is up. */
function hasBareLf(bytes: Buffer, from: number): boolean {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1))
    if (at === from || bytes[at - 1] !== CR) return true
  return false
}

/** One connection's reader: answers follow one another, each begun with `expect`. Throws `NotHttp`. */
export class AnswerReader {
  readonly #to: Answered
  #state = OVER
  /** Bytes of body or chunk that are still to come. */
  #left = 0
  #trailerBytes = 0
  #interim = 0
  #reusable = false
  /** A head, chunk line or trailer whose end has not come yet. */
  #waiting: Buffer | undefined

  constructor(to: Answered) {
    this.#to = to
  }

  /** A request was sent: the next bytes are its answer. */
  expect(): void {
    this.#state = HEAD
    this.#interim = 0
    this.#waiting = undefined
  }

  /** Whoever was listening has left: nothing more is told. */
  forget(): void {
    this.#state = OVER
    this.#waiting = undefined
  }

  /** Nothing of `given` is kept, and it is written into. */
  read(given: Buffer): void {
    if (this.#waiting !== undefined) {
      const both = Buffer.concat([this.#waiting, given])
      this.#waiting = undefined
      this.#take(both)
    } else {
      this.#take(given)
      if (this.#waiting !== undefined) this.#waiting = Buffer.from(this.#waiting)
    }
  }

  #take(bytes: Buffer): void {
    let at = 0
    while (this.#state === HEAD) {
      at = this.#head(bytes, at)
      if (at < 0) return
    }
    switch (this.#state) {
      case BY_LENGTH:
        return this.#byLength(bytes, at)
      case UNTIL_CLOSE:
        if (at < bytes.length) this.#to.body(at === 0 ? bytes : bytes.subarray(at))
        return
      case OVER:
        return
      default:
        return this.#chunked(bytes, at)
    }
  }

  /** The peer closed its side. True = that was how the answer ends. */
  closed(): boolean {
    if (this.#state !== UNTIL_CLOSE) return false
    this.#reusable = false
    this.#over(true)
    return true
  }

  /** Where the body begins, or -1 when more bytes are needed or the answer has no body. */
  #head(bytes: Buffer, at: number): number {
    if (at === bytes.length) return -1
    if (bytes[at] !== UPPER_H) throw new NotHttp('HPE_INVALID_CONSTANT')
    const end = bytes.indexOf(HEAD_END, at)
    const length = (end < 0 ? bytes.length : end) - at
    if (length > HEAD_BYTES_MAX) throw new NotHttp('HPE_HEADER_OVERFLOW')
    if (end < 0) {
      if (length >= 5 && bytes.toString('latin1', at, at + 5) !== 'HTTP/')
        throw new NotHttp('HPE_INVALID_CONSTANT')
      if (hasBareLf(bytes, at)) throw new NotHttp('HPE_CR_EXPECTED')
      this.#waiting = bytes.subarray(at)
      return -1
    }
    const text = bytes.toString('latin1', at, end)
    const lineEnd = text.indexOf('\r\n')
    const { status, isCurrent } = statusLine(lineEnd < 0 ? text : text.slice(0, lineEnd))
    const headers = headersOf(text, lineEnd < 0 ? text.length : lineEnd + 2)
    const start = end + HEAD_END.length
    if (status < 200) {
      // 100 Continue and 103 Early Hints are not the answer; nobody asked for another protocol
      if (status === 101) throw new NotHttp('HPE_PAUSED_UPGRADE')
      if (++this.#interim > INTERIM_MAX) throw new NotHttp('HPE_HEADER_OVERFLOW')
      return start
    }
    const empty = this.#frame(status, isCurrent, headers)
    this.#to.head(status, headers)
    if (!empty) return this.#state === OVER ? -1 : start
    // whoever was told of the head may have left
    if (this.#state !== OVER) this.#over(start === bytes.length)
    return -1
  }

  /** RFC 9112, section 6.3: how long the body is. True = there is none. Two opinions about it are no HTTP. */
  #frame(status: number, isCurrent: boolean, headers: Headers): boolean {
    const { connection, 'content-length': length, 'transfer-encoding': coding } = headers
    this.#reusable = connection === undefined ? isCurrent : isKept(isCurrent, String(connection))
    if (length !== undefined && (typeof length !== 'string' || !LENGTH.test(length)))
      throw new NotHttp('HPE_INVALID_CONTENT_LENGTH')
    if (coding !== undefined) {
      if (length !== undefined) throw new NotHttp('HPE_INVALID_CONTENT_LENGTH')
      if (!isCurrent || typeof coding !== 'string' || coding.toLowerCase() !== 'chunked')
        throw new NotHttp('HPE_INVALID_TRANSFER_ENCODING')
    }
    this.#left = 0
    this.#trailerBytes = 0
    this.#state = coding !== undefined ? CHUNK_LINE : length !== undefined ? BY_LENGTH : UNTIL_CLOSE
    if (status === 204 || status === 304) return true
    if (length !== undefined) this.#left = Number(length)
    return this.#state === BY_LENGTH && this.#left === 0
  }

  #byLength(bytes: Buffer, at: number): void {
    const there = bytes.length - at
    if (there === 0) return
    const all = there >= this.#left
    const end = all ? at + this.#left : bytes.length
    this.#left -= end - at
    this.#to.body(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end))
    if (all && this.#state === BY_LENGTH) this.#over(end === bytes.length)
  }

  /**
   * The content of all chunks of one read, moved together in the buffer that they came in: the framing between them is
   * overwritten, and nothing is allocated.
   */
  #chunked(bytes: Buffer, from: number): void {
    const { length } = bytes
    let at = from
    let start = 0
    let end = 0
    let fault: unknown
    try {
      while (at < length && this.#state !== OVER) {
        const content = this.#state === CHUNK_LINE ? wholeChunk(bytes, at) : -1
        if (content < 0 && this.#state !== CHUNK_BYTES) {
          const next = this.#framing(bytes, at)
          if (next < 0) break
          at = next
          continue
        }
        const first = content < 0 ? at : content
        const next = content < 0 ? Math.min(at + this.#left, length) : contentEnd
        if (end === 0) {
          start = first
          end = next
        } else {
          bytes.copyWithin(end, first, next)
          end += next - first
        }
        if (content >= 0) at = next + 2
        else {
          this.#left -= next - at
          at = next
          if (this.#left === 0) this.#state = CHUNK_END
        }
      }
    } catch (error) {
      fault = error
    }
    const isOver = this.#state === OVER
    // what came before the fault came
    if (end > start) this.#to.body(bytes.subarray(start, end))
    if (fault !== undefined) throw fault
    if (isOver) this.#over(at === length)
  }

  /** Past the next piece of framing, or -1 when it has not come wholly. */
  #framing(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case CHUNK_END: {
        if (bytes[at] !== CR) throw new NotHttp('HPE_STRICT')
        if (at + 1 === bytes.length) return this.#wait(bytes, at, 2)
        if (bytes[at + 1] !== LF) throw new NotHttp('HPE_STRICT')
        this.#state = CHUNK_LINE
        return at + 2
      }
      case CHUNK_LINE:
        return this.#chunkLine(bytes, at)
      default:
        return this.#trailer(bytes, at)
    }
  }

  #chunkLine(bytes: Buffer, from: number): number {
    let at = from
    let size = 0
    for (; at < bytes.length; at++) {
      const digit = HEX[bytes[at] as number] as number
      if (digit < 0) break
      size = size * 16 + digit
    }
    if (at - from > SIZE_DIGITS_MAX) throw new NotHttp('HPE_INVALID_CHUNK_SIZE')
    if (at + 1 >= bytes.length && (at === bytes.length || bytes[at] === CR))
      return this.#wait(bytes, from, CHUNK_LINE_BYTES_MAX)
    if (at === from) throw new NotHttp('HPE_INVALID_CHUNK_SIZE')
    if (bytes[at] !== CR || bytes[at + 1] !== LF) {
      at = this.#extension(bytes, from, at)
      if (at < 0) return -1
    }
    this.#left = size
    this.#state = size === 0 ? TRAILERS : CHUNK_BYTES
    return at + 2
  }

  /** Chunk extensions mean nothing here. Where their line ends. */
  #extension(bytes: Buffer, from: number, at: number): number {
    const sign = bytes[at]
    if (sign !== SEMICOLON && sign !== SPACE && sign !== TAB) throw new NotHttp('HPE_INVALID_CHUNK_SIZE')
    const end = bytes.indexOf(LF, at)
    if (end < 0) return this.#wait(bytes, from, CHUNK_LINE_BYTES_MAX)
    if (bytes[end - 1] !== CR || !VALUE.test(bytes.toString('latin1', at, end - 1)))
      throw new NotHttp('HPE_INVALID_CHUNK_EXTENSION')
    return end - 1
  }

  /** Read past: nobody asked for trailers. */
  #trailer(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(LF, at)
    if (end < 0) return this.#wait(bytes, at, HEAD_BYTES_MAX)
    if (end === at || bytes[end - 1] !== CR) throw new NotHttp('HPE_CR_EXPECTED')
    this.#trailerBytes += end - at
    if (this.#trailerBytes > HEAD_BYTES_MAX) throw new NotHttp('HPE_HEADER_OVERFLOW')
    if (end === at + 1) this.#state = OVER
    return end + 1
  }

  /** Keeps the beginning of a line for the next read. */
  #wait(bytes: Buffer, at: number, most: number): -1 {
    if (bytes.length - at > most) throw new NotHttp('HPE_HEADER_OVERFLOW')
    this.#waiting = bytes.subarray(at)
    return -1
  }

  #over(clean: boolean): void {
    this.#state = OVER
    this.#to.over(this.#reusable && clean)
  }
}

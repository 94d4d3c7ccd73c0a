/** The head of an answer as node:http writes it for the same status and headers: the lane's way out begins with it. */
import { Buffer } from 'node:buffer'
import { STATUS_CODES } from 'node:http'
import { NAME, VALUE, writeValue } from '../http1/fields.ts'

/** Told to callers in `Keep-Alive`, and how long a connection is kept for the next request. */
export const KEEP_ALIVE_MS = 65_000

/** What frames a message or belongs to its connection alone is written here, from nobody's list. */
const FRAMING = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'upgrade'])

/** A header's name that was found good. */
interface Known {
  /** The line up to its value, behind the end of the line before. */
  readonly before: string
  readonly isLength: boolean
  readonly isDate: boolean
}

/** By the name as it is written; there are a few dozen, and the bound is for what nobody thought of. */
const known = new Map<string, Known>()
const KNOWN_MAX = 512

function knownOf(name: string): Known {
  if (!NAME.test(name)) throw new TypeError('a header name that is not a token')
  const lower = name.toLowerCase()
  if (FRAMING.has(lower)) throw new TypeError(`the answer frames itself: ${name}`)
  const made = {
    before: `\r\n${name}: `,
    isLength: lower === 'content-length',
    isDate: lower === 'date',
  }
  if (known.size < KNOWN_MAX) known.set(name, made)
  return made
}

let date = ''
const forgetDate = (): void => {
  date = ''
}

/** `Date` in whole seconds, made once for each of them, and kept as node:http keeps its own: until the second is over. */
function dateLine(): string {
  if (date === '') {
    const now = new Date()
    date = `\r\nDate: ${now.toUTCString()}`
    setTimeout(forgetDate, 1_000 - now.getMilliseconds()).unref()
  }
  return date
}

const KEPT = `\r\nConnection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_MS / 1000}`
const CLOSED = '\r\nConnection: close'
const CHUNKED = '\r\nTransfer-Encoding: chunked'
const END = '\r\n\r\n'

/** How the body is told from what follows it. */
export type Framing = 'length' | 'chunked' | 'none'

export interface AnswerHead {
  /** Through the empty line. Of the head that was made last they are where the next one will be made, until `sent` says that they left. */
  bytes: Uint8Array
  readonly framing: Framing
}

/** The last head of its kind: the next one has the same names, and most of the same values. */
interface Last {
  readonly headers: string[]
  readonly close: boolean
  /** The line of ours; '' = the headers had one. */
  readonly date: string
  readonly framing: Framing
  /** Of the first line. */
  readonly start: number
  readonly bytes: Buffer
  /** The head in `bytes`, which has room for longer values. */
  whole: Buffer
}

/** By status and number of headers. */
const lasts = new Map<number, Last>()
const LASTS_MAX = 64
const HEADERS_MAX = 1_000
const SPARE_BYTES = 256
/** `\r\n` before a name and `: ` behind it. */
const AROUND_NAME = 4

const notAValue = (name: string): TypeError =>
  new TypeError(`a character that may not stand in the header ${name}`)

/** Writes what differs over the last head. False = another head is due, and this one is still whole. */
function renew(last: Last, headers: readonly string[]): boolean {
  const { bytes, headers: known } = last
  for (let i = 0; i < headers.length; i += 2) if (headers[i] !== known[i]) return false
  let at = last.start
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const value = headers[i + 1] as string
    const before = known[i + 1] as string
    at += (headers[i] as string).length + AROUND_NAME
    if (value !== before) {
      const more = value.length - before.length
      if (more !== 0) {
        const { length } = last.whole
        if (length + more > bytes.length) return false
        bytes.copyWithin(at + value.length, at + before.length, length)
        last.whole = bytes.subarray(0, length + more)
      }
      known[i + 1] = value
      if (!writeValue(bytes, at, value)) {
        // half of it is written: nothing is like this head any more
        known.length = 0
        throw notAValue(headers[i] as string)
      }
    }
    at += value.length
  }
  return true
}

function build(status: number, headers: readonly string[], close: boolean): Last {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}`
  const start = text.length
  let framing: Framing = status === 204 || status === 304 ? 'none' : 'chunked'
  let date = dateLine()
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const at = known.get(name) ?? knownOf(name)
    if (!VALUE.test(value)) throw notAValue(name)
    text += at.before + value
    if (at.isLength && framing === 'chunked') framing = 'length'
    else if (at.isDate) date = ''
  }
  text += `${date}${close ? CLOSED : KEPT}${framing === 'chunked' ? CHUNKED : ''}${END}`
  const bytes = Buffer.allocUnsafeSlow(text.length + SPARE_BYTES)
  const whole = bytes.subarray(0, bytes.write(text, 'latin1'))
  return { headers: headers.slice(), close, date, framing, start, bytes, whole }
}

/** The last one that was made, as long as it has not left. */
let unsent: AnswerHead | undefined

/** The bytes of this head have left, or nobody wants them. */
export function sent(head: AnswerHead): void {
  if (unsent === head) unsent = undefined
}

/**
 * Throws TypeError for a name or a value that could end its line or start another, and for headers that frame the message.
 * `headers` is a flat name, value list; a `content-length` in it is taken at its word.
 */
export function answerHead(status: number, headers: readonly string[], close: boolean): AnswerHead {
  const kind = status * HEADERS_MAX + headers.length
  let last = lasts.get(kind)
  if (unsent !== undefined) unsent.bytes = Buffer.from(unsent.bytes)
  const isAlike = last?.close === close && (last.date === '' || last.date === dateLine())
  if (last === undefined || !isAlike || !renew(last, headers)) {
    last = build(status, headers, close)
    if (headers.length < HEADERS_MAX && (lasts.size < LASTS_MAX || lasts.has(kind))) lasts.set(kind, last)
  }
  unsent = { bytes: last.whole, framing: last.framing }
  return unsent
}

/** The head of an answer as node:http writes it for the same status and headers: the lane's way out begins with it. */
import { STATUS_CODES } from 'node:http'
import { NAME, VALUE } from '../http1/fields.ts'

/** Told to callers in `Keep-Alive`, and how long a connection is kept for the next request. */
export const KEEP_ALIVE_MS = 65_000

/** What frames a message or belongs to its connection alone is written here, from nobody's list. */
const FRAMING = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'upgrade'])

/** A header's name that was found good, and the last of its values: most of them are what they were in the answer before. */
interface Known {
  /** The line up to its value, behind the end of the line before. */
  readonly before: string
  readonly isLength: boolean
  readonly isDate: boolean
  value: string
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
    value: '',
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
  /** Through the empty line; latin1. */
  readonly text: string
  readonly framing: Framing
}

/**
 * Throws TypeError for a name or a value that could end its line or start another, and for headers that frame the message.
 * `headers` is a flat name, value list; a `content-length` in it is taken at its word.
 */
export function answerHead(status: number, headers: readonly string[], close: boolean): AnswerHead {
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}`
  let framing: Framing = status === 204 || status === 304 ? 'none' : 'chunked'
  let dated = false
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    const at = known.get(name) ?? knownOf(name)
    if (value !== at.value) {
      if (!VALUE.test(value)) throw new TypeError(`a character that may not stand in the header ${name}`)
      at.value = value
    }
    text += at.before + value
    if (at.isLength && framing === 'chunked') framing = 'length'
    else if (at.isDate) dated = true
  }
  if (!dated) text += dateLine()
  text += close ? CLOSED : KEPT
  return { text: framing === 'chunked' ? text + CHUNKED + END : text + END, framing }
}

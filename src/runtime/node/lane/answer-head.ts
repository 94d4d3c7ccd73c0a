/** The head of an answer as node:http writes it for the same status and headers: the lane's way out begins with it. */
import { STATUS_CODES } from 'node:http'
import { NAME, VALUE } from '../http1/fields.ts'

/** Told to callers in `Keep-Alive`, and how long a connection is kept for the next request. */
export const KEEP_ALIVE_MS = 65_000

/** What frames a message or belongs to its connection alone is written here, from nobody's list. */
const FRAMING = new Set(['connection', 'keep-alive', 'transfer-encoding', 'trailer', 'upgrade'])
/** Names that were found good; there are a few dozen, and the bound is for what nobody thought of. */
const good = new Set<string>()
const GOOD_MAX = 512

function checkName(name: string): void {
  if (!NAME.test(name)) throw new TypeError('a header name that is not a token')
  if (FRAMING.has(name.toLowerCase())) throw new TypeError(`the answer frames itself: ${name}`)
  if (good.size < GOOD_MAX) good.add(name)
}

let second = -1
let date = ''

/** `Date` in whole seconds, made once for each of them. */
function dateLine(): string {
  const now = Math.floor(Date.now() / 1000)
  if (now !== second) {
    second = now
    date = `Date: ${new Date(now * 1000).toUTCString()}\r\n`
  }
  return date
}

const KEPT = `Connection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_MS / 1000}\r\n`
const CLOSED = 'Connection: close\r\n'

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
  let text = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`
  let framing: Framing = status === 204 || status === 304 ? 'none' : 'chunked'
  let dated = false
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!good.has(name)) checkName(name)
    if (!VALUE.test(value)) throw new TypeError(`a character that may not stand in the header ${name}`)
    text += `${name}: ${value}\r\n`
    if (name.length === 14 && framing === 'chunked' && name.toLowerCase() === 'content-length')
      framing = 'length'
    else if (name.length === 4 && name.toLowerCase() === 'date') dated = true
  }
  if (!dated) text += dateLine()
  text += close ? CLOSED : KEPT
  return {
    text: framing === 'chunked' ? `${text}Transfer-Encoding: chunked\r\n\r\n` : `${text}\r\n`,
    framing,
  }
}

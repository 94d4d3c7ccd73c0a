/** Header fields of HTTP/1.1: what may stand in those that `send` and the lane write, and reading an upstream's. RFC 9110, section 5. */
import { Buffer } from 'node:buffer'

/** Names in lower case; a name that came more than once has a list. */
export type Headers = Record<string, string | string[] | undefined>

export const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
export const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
export const SPACE = 32
export const TAB = 9

/** The peer's bytes are no HTTP/1.1 answer; `code` as llhttp names it. */
export class NotHttp extends Error {
  override readonly name = 'NotHttp'
  readonly code: string

  constructor(code: string) {
    super('no valid HTTP/1.1')
    this.code = code
  }
}

/** What names became, as they were written: upstreams say the same ones again and again. */
const keys = new Map<string, string>()
const KEYS_MAX = 256
const KEY_LENGTH_MAX = 64

function keyOf(name: string): string {
  const known = keys.get(name)
  if (known !== undefined) return known
  if (!NAME.test(name)) throw new NotHttp('HPE_INVALID_HEADER_TOKEN')
  const key = name.toLowerCase()
  if (keys.size < KEYS_MAX && name.length <= KEY_LENGTH_MAX) keys.set(copyOf(name), copyOf(key))
  return key
}

/** A piece of a text keeps the whole of it alive; this one does not. */
const copyOf = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')

/** 1 where the byte may stand in a value: `VALUE`, by its code. */
const IN_VALUE = Uint8Array.from({ length: 256 }, (_, code) =>
  VALUE.test(String.fromCharCode(code)) ? 1 : 0,
)

/** Writes a value into `bytes` as latin1; false = it holds what may not stand there. For a short text cheaper than `VALUE` and a native write. */
export function writeValue(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (IN_VALUE[code] !== 1) return false
    bytes[at + i] = code
  }
  return true
}

const CR = 13
const LF = 10
const NBSP = 160

/** White space at an end of a value, as `trim` knows it. */
const isBlank = (code: number): boolean => code <= SPACE || code === NBSP

/** The fields of a head's `text` from index `from` on: CRLF between them, none at the end. Throws `NotHttp`. */
export function headersOf(text: string, from: number): Headers {
  const headers = Object.create(null) as Headers
  const { length } = text
  let at = from
  while (at < length) {
    const colon = text.indexOf(':', at)
    // a name through the end of its line is none
    const key = keyOf(colon < 0 ? '' : text.slice(at, colon))
    const start = text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1
    let end = start
    while (end < length && IN_VALUE[text.charCodeAt(end)] === 1) end++
    const isPlain = end === length || (text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF)
    if (!isPlain) end = lineEnd(text, end)
    let value = text.slice(start, end)
    if (!isPlain || isBlank(text.charCodeAt(start)) || isBlank(text.charCodeAt(end - 1))) value = value.trim()
    if (!isPlain && !VALUE.test(value)) throw new NotHttp('HPE_INVALID_HEADER_VALUE')
    const known = headers[key]
    if (known === undefined) headers[key] = value
    else if (typeof known === 'string') headers[key] = [known, value]
    else known.push(value)
    at = end + 2
  }
  return headers
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\r\n', from)
  return end < 0 ? text.length : end
}

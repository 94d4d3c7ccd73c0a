/** Header fields of HTTP/1.1: what may stand in those that `send` and the lane write, and reading an upstream's. RFC 9110, section 5. */

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

/** The fields of a head's `text` from index `from` on: CRLF between them, none at the end. Throws `NotHttp`. */
export function headersOf(text: string, from: number): Headers {
  const headers = Object.create(null) as Headers
  let at = from
  while (at < text.length) {
    let end = text.indexOf('\r\n', at)
    if (end < 0) end = text.length
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon > end) throw new NotHttp('HPE_INVALID_HEADER_TOKEN')
    const name = text.slice(at, colon)
    const value = text.slice(colon + 1, end).trim()
    if (!NAME.test(name)) throw new NotHttp('HPE_INVALID_HEADER_TOKEN')
    if (!VALUE.test(value)) throw new NotHttp('HPE_INVALID_HEADER_VALUE')
    const key = name.toLowerCase()
    const known = headers[key]
    if (known === undefined) headers[key] = value
    else if (typeof known === 'string') headers[key] = [known, value]
    else known.push(value)
    at = end + 2
  }
  return headers
}

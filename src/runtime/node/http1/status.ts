/** The first line of an HTTP/1.1 answer, for the reader of answers. RFC 9112, section 4. */
import { NotHttp } from './fields.ts'

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/

export interface StatusLine {
  readonly line: string
  readonly status: number
  /** HTTP/1.1 and not 1.0. */
  readonly isCurrent: boolean
}

/** The last one: nearly all answers begin with the same. */
let last: StatusLine = { line: '', status: 0, isCurrent: false }

/** Reads a line without its end. Throws `NotHttp`. */
export function statusLine(line: string): StatusLine {
  if (line === last.line) return last
  const found = STATUS_LINE.exec(line)
  if (found === null)
    throw new NotHttp(line.startsWith('HTTP/') ? 'HPE_INVALID_STATUS' : 'HPE_INVALID_CONSTANT')
  last = { line, status: Number(found[2]), isCurrent: found[1] === '1' }
  return last
}

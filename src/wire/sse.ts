/** Server-sent events: bytes from an upstream → events. Used by the relay in front of every stream decoder. */
import { GatewayError } from '../errors.ts'

export interface SseLimits {
  /** Longest event that is kept, in UTF-16 units (never more than its bytes). */
  readonly eventBytesMax: number
}

export interface SseSplitter {
  /** Any piece of the stream, cut anywhere. Throws GatewayError('malformed') when an event outgrows the limit. */
  push(bytes: Uint8Array): void
  /** The connection ended: hands over a whole event whose last blank line never came. */
  end(): void
}

const LF = 10
const CR = 13
const SPACE = 32

/**
 * Splits a byte stream into events as https://html.spec.whatwg.org/multipage/server-sent-events.html says: LF, CR and
 * CRLF, a byte order mark, comments, several `data:` lines, `data:x` without a space, UTF-8 cut between pushes.
 * One departure: at the end an event without its last line end or blank line is still handed over if it is whole
 * (JSON that parses, or `[DONE]`), so that nothing is lost of hosts that forget them, and nothing cut off gets through.
 */
export function createSseSplitter(
  onEvent: (data: string, name: string | undefined) => void,
  limits: SseLimits,
): SseSplitter {
  const decoder = new TextDecoder()
  let partial = '' // a line that is still coming in
  let data: string | undefined
  let name: string | undefined
  let afterCr = false // a LF that comes first in the next push belongs to this CR

  function dispatch(): void {
    const whole = data
    const its = name
    data = undefined
    name = undefined
    if (whole !== undefined) onEvent(whole, its)
  }

  function line(text: string): void {
    if (text === '') {
      dispatch()
      return
    }
    const colon = text.indexOf(':')
    if (colon === 0) return
    const field = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + (text.charCodeAt(colon + 1) === SPACE ? 2 : 1))
    if (field === 'data') data = data === undefined ? value : `${data}\n${value}`
    else if (field === 'event') name = value || undefined
  }

  function take(text: string): void {
    let from = 0
    if (afterCr && text.charCodeAt(0) === LF) from = 1
    if (text !== '') afterCr = false
    // Only new text is searched, so that a long line in small pieces stays linear.
    let lf = text.indexOf('\n', from)
    let cr = text.indexOf('\r', from)
    while (lf >= 0 || cr >= 0) {
      const at = cr >= 0 && (lf < 0 || cr < lf) ? cr : lf
      const whole = partial + text.slice(from, at)
      partial = ''
      from = at + 1
      if (text.charCodeAt(at) === CR) {
        if (from === text.length) afterCr = true
        else if (text.charCodeAt(from) === LF) from++
      }
      guard(whole.length)
      line(whole)
      if (lf >= 0 && lf < from) lf = text.indexOf('\n', from)
      if (cr >= 0 && cr < from) cr = text.indexOf('\r', from)
    }
    partial += text.slice(from)
    guard(partial.length)
  }

  function guard(lineLength: number): void {
    if (lineLength + (data?.length ?? 0) + (name?.length ?? 0) > limits.eventBytesMax) {
      throw new GatewayError(
        'oversized',
        `the upstream sent an event of more than ${limits.eventBytesMax} bytes`,
      )
    }
  }

  return {
    push: bytes => take(decoder.decode(bytes, { stream: true })),
    end() {
      take(decoder.decode())
      if (partial !== '') line(partial)
      partial = ''
      if (data !== undefined && isWhole(data)) dispatch()
      data = undefined
    },
  }
}

function isWhole(data: string): boolean {
  if (data.trim() === '[DONE]') return true
  try {
    JSON.parse(data)
    return true
  } catch {
    return false
  }
}

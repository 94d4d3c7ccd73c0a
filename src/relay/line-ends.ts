/**
 * Lines that end in a bare CR, as https://html.spec.whatwg.org/multipage/server-sent-events.html allows beside LF and CRLF:
 * for the readers that cut events out of bytes, which look for LF. Nobody sends them but old hosts, so nobody else pays.
 */
import { CR, LF } from './ascii.ts'
import type { StreamReader } from './reader.ts'

/** Does the first line of these bytes end so? False too while the LF that would make it CRLF may still come. */
export function endsInCr(block: Uint8Array): boolean {
  const cr = block.indexOf(CR)
  if (cr < 0 || cr + 1 === block.length || block[cr + 1] === LF) return false
  const lf = block.indexOf(LF)
  return lf < 0 || cr < lf
}

/** Gives this one reader LF for every line end from here on, also where others stand between. Returns its way in. */
export function inLf(reader: StreamReader): StreamReader['push'] {
  const push = reader.push.bind(reader)
  let afterCr = false
  const translating = (bytes: Uint8Array) => {
    const lines = new Uint8Array(bytes.length)
    let length = 0
    for (const byte of bytes) {
      if (byte !== LF || !afterCr) lines[length++] = byte === CR ? LF : byte
      afterCr = byte === CR
    }
    return push(lines.subarray(0, length))
  }
  reader.push = translating
  return translating
}

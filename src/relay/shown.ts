/** What an answer that cannot be used has shown of the model's work: bytes of text in half a JSON body. Asked when an exchange has failed. */

import type { Bytes } from '../deps.ts'
import type { Failure, GatewayError } from '../errors.ts'

/** Members that carry what a model wrote, in the wires that are read here. */
const WRITTEN = ['"content"', '"text"', '"reasoning_content"', '"arguments"', '"thinking"']
const QUOTE = 34
const BACKSLASH = 92

/** Ends that no word of the provider's explains. */
const BROKEN: ReadonlySet<Failure> = new Set([
  'malformed',
  'unreachable',
  'overloaded',
  'interrupted',
  'silent',
])

/** Bytes of text in a whole answer that is of no use to anybody: they had been written all the same. */
export function shown(
  failure: GatewayError | undefined,
  status: number,
  bodyBytes: number,
  parts: readonly Uint8Array[],
  bytes: Bytes,
): number {
  if (failure?.kind === 'oversized') return bodyBytes
  const isBroken = failure !== undefined && BROKEN.has(failure.kind)
  return isBroken && status >= 200 && status < 300 ? writtenIn(bytes.text(bytes.concat(parts))) : 0
}

/** Bytes of JSON text, escapes included, in the string members that carry what a model wrote; the last may be cut short. */
function writtenIn(body: string): number {
  let bytes = 0
  for (const name of WRITTEN) {
    for (let at = body.indexOf(name); at >= 0; at = body.indexOf(name, at)) {
      at += name.length
      const start = at + (/^\s*:\s*"/.exec(body.slice(at, at + 16))?.[0].length ?? 0)
      if (start === at) continue
      const end = endOfString(body, start)
      bytes += end - start
      at = end
    }
  }
  return bytes
}

/** Offset of the quote that ends the string whose first character stands at `start`, or of the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at)
    if (unit === BACKSLASH) at++
    else if (unit === QUOTE) return at
  }
  return text.length
}

/** Reads what came in: bounded body → JSON, and what a header asks for once. */
import { GatewayError } from '../errors.ts'

export { readQuery, wantsCsv } from '../http/query.ts'

const BODY_MAX = 1024 * 1024

/** The whole body as bytes, at most 1 MiB. Throws 413. */
export async function readBytes(request: Request, bytesMax = BODY_MAX): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  for await (const part of request.body ?? []) {
    size += part.byteLength
    if (size > bytesMax) throw new GatewayError('too_large', `the body is larger than ${bytesMax} bytes`)
    parts.push(part)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

/** Strings, and the marks that open, close and part objects. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** Refuses a name that an object of this valid JSON has twice: which one counts is anybody's guess. Throws `invalid_request`. */
function refuseTwice(text: string): void {
  const objects: Set<string>[] = []
  let last: string | undefined
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') objects.push(new Set())
    else if (token === '}' || token === ']') objects.pop()
    else if (token === ':') {
      const name = JSON.parse(last ?? '""') as string
      const names = objects.at(-1)
      if (names?.has(name)) {
        const param = name.slice(0, 60)
        throw new GatewayError('invalid_request', `\`${param}\` is given twice: send it once`, { param })
      }
      names?.add(name)
    } else last = token
  }
}

/** Throws `invalid_request` for bytes that are no UTF-8: what stood in for them would be kept for good. */
function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new GatewayError('invalid_request', 'the body is not valid UTF-8: send the JSON as UTF-8', {
      cause,
    })
  }
}

/** Half of a surrogate pair (`\ud800`, which only an escape can write) is no character: it would not be kept as it came. Throws `invalid_request`. */
function refuseHalves(value: unknown, place: string): void {
  if (typeof value === 'string' && !value.isWellFormed()) {
    const param = place.toWellFormed().slice(0, 100)
    const message = `\`${param}\` has half of a surrogate pair, which is no character: write the whole one`
    throw new GatewayError('invalid_request', message, { param })
  }
  if (Array.isArray(value)) for (const [i, one] of value.entries()) refuseHalves(one, `${place}[${i}]`)
  else if (typeof value === 'object' && value !== null)
    for (const [name, member] of Object.entries(value)) {
      const below = place === '' ? name : `${place}.${name}`
      refuseHalves(name, below)
      refuseHalves(member, below)
    }
}

/** The body as JSON; an empty one is `{}`, unless one is needed. Throws `invalid_request`. */
export async function readJson(request: Request, isNeeded = false): Promise<unknown> {
  const text = textOf(await readBytes(request))
  if (text.trim() === '' && isNeeded)
    throw new GatewayError('invalid_request', 'the body is empty: send `{}` for one without any limits')
  if (text.trim() === '') return {}
  const type = (request.headers.get('content-type') ?? '').toLowerCase()
  if (!/^application\/(json|merge-patch\+json)\b/.test(type)) {
    throw new GatewayError('invalid_request', 'send the body as JSON, with `content-type: application/json`')
  }
  let isPolluted = false
  try {
    const value: unknown = JSON.parse(text, (name, member) => {
      isPolluted ||= name === '__proto__'
      return member
    })
    if (!isPolluted) {
      refuseTwice(text)
      if (/\\u[dD]/.test(text)) refuseHalves(value, '')
      return value
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('invalid_request', 'the body is not valid JSON')
  }
  throw new GatewayError('invalid_request', '`__proto__` is not allowed', { param: '__proto__' })
}

export const ONCE_CHARS = 255

/**
 * `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07), in quotes or bare; undefined = none is given. Refused
 * where nothing would come of it: who sends one relies on it. Throws `invalid_request`.
 */
export function readOnce(headers: Headers, isKept: boolean): string | undefined {
  const given = headers.get('idempotency-key')
  if (given === null) return undefined
  const param = 'Idempotency-Key'
  if (!isKept)
    throw new GatewayError('invalid_request', `${param} is not kept for this route: leave it out`, { param })
  const once = /^"(.*)"$/.exec(given)?.[1] ?? given
  if (/^[\x21-\x7e]+$/.test(once) && once.length <= ONCE_CHARS) return once
  const message = `${param} must be 1 to ${ONCE_CHARS} visible ASCII characters without spaces`
  throw new GatewayError('invalid_request', message, { param })
}

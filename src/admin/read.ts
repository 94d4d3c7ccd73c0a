/** Reads what came in: bounded body → JSON, query → known names only. */
import { GatewayError } from '../errors.ts'
import { nearest } from '../config/nearest.ts'

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

/** The body as JSON; an empty one is `{}`, unless one is needed. Throws `invalid_request`. */
export async function readJson(request: Request, isNeeded = false): Promise<unknown> {
  const text = new TextDecoder().decode(await readBytes(request))
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
      return value
    }
  } catch (error) {
    if (error instanceof GatewayError) throw error
    throw new GatewayError('invalid_request', 'the body is not valid JSON')
  }
  throw new GatewayError('invalid_request', '`__proto__` is not allowed', { param: '__proto__' })
}

/** The query's parameters, each known and at most once. Throws `invalid_request`. */
export function readQuery(url: string, known: Readonly<Record<string, string>>): URLSearchParams {
  const query = new URL(url).searchParams
  for (const name of query.keys()) {
    const shown = name.slice(0, 60)
    if (!Object.hasOwn(known, name)) {
      const near = nearest(name, Object.keys(known), 1)[0]
      const names = Object.keys(known).join(', ') || 'none'
      const hint = near === undefined ? `known are: ${names}` : `did you mean \`${near}\`?`
      throw new GatewayError('invalid_request', `unknown parameter \`${shown}\`: ${hint}`, { param: shown })
    }
    if (query.getAll(name).length > 1) {
      throw new GatewayError('invalid_request', `\`${shown}\` is given more than once`, { param: shown })
    }
  }
  return query
}

/** True when `Accept` names CSV and does not like JSON better. */
export function wantsCsv(accept: string | null): boolean {
  const weights = new Map<string, number>()
  for (const part of (accept ?? '').toLowerCase().split(',')) {
    const [type = '', ...rest] = part.split(';').map(piece => piece.trim())
    const weight = rest.find(piece => piece.startsWith('q='))
    weights.set(type, weight === undefined ? 1 : Number(weight.slice(2)) || 0)
  }
  const csv = weights.get('text/csv') ?? 0
  return csv > 0 && csv >= (weights.get('application/json') ?? 0)
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

/** Answers of the admin plane: JSON with exact money, errors in OpenAI's shape, never cached. */
import { GatewayError } from '../errors.ts'
import type { Log } from '../deps.ts'
import { errorBody, errorHeaders } from '../wire/error.ts'
import type { AdminAnswer } from './route.ts'

/** Headers of every answer of the admin plane and the dashboard. */
export const PRIVATE_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

/** Longer lists are for programs: set out for reading they would be twice as long and take twice the time. */
export const SET_OUT_MAX = 1_000

function textOf(json: unknown): string {
  const { data } = json as { readonly data?: unknown }
  return JSON.stringify(json, null, Array.isArray(data) && data.length > SET_OUT_MAX ? 0 : 2)
}

/** A handler's answer as a Response. */
export function answerResponse(answer: AdminAnswer, status: number): Response {
  if ('json' in answer) {
    const headers = { ...PRIVATE_HEADERS, 'content-type': 'application/json; charset=utf-8' }
    return new Response(`${textOf(answer.json)}\n`, { status, headers })
  }
  const headers: Record<string, string> = {
    ...PRIVATE_HEADERS,
    'content-type': answer.contentType,
    vary: 'accept',
  }
  if (answer.filename !== undefined)
    headers['content-disposition'] = `attachment; filename="${answer.filename}"`
  return new Response(answer.text, { status, headers })
}

/** What was thrown as an error of ours; anything unforeseen becomes a 500 whose message says nothing, and is logged. */
export function asGatewayError(error: unknown, log: Log): GatewayError {
  if (error instanceof GatewayError) return error
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const at = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined
  log('error', 'admin_failed', { error: what.slice(0, 500), at })
  return new GatewayError('bug', 'something went wrong here; the log says what', { cause: error })
}

/** An error as a Response. */
export function errorResponse(error: GatewayError): Response {
  const headers = new Headers({ ...PRIVATE_HEADERS, 'content-type': 'application/json; charset=utf-8' })
  const pairs = errorHeaders(error)
  for (let index = 0; index + 1 < pairs.length; index += 2)
    headers.set(pairs[index] ?? '', pairs[index + 1] ?? '')
  if (error.status === 401) headers.set('www-authenticate', 'Bearer realm="switchgate admin"')
  return new Response(errorBody('openai', error), { status: error.status, headers })
}

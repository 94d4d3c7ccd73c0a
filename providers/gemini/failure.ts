/** Names Gemini's failures from the fields of `google.rpc.Status`. Used by attempt (error statuses), decode and stream. */
import { type Failure, GatewayError } from '../../src/errors.ts'
import { errorOf, type GoogleError } from './wire.ts'

/** A key that is wrong or has run out is 400 with one of these (https://cloud.google.com/apis/design/errors, ErrorReason). */
const KEY_REASONS = new Set(['API_KEY_INVALID', 'API_KEY_EXPIRED', 'API_KEY_NOT_FOUND'])

const BY_STATUS: Readonly<Record<string, Failure>> = {
  UNAUTHENTICATED: 'bad_credential',
  PERMISSION_DENIED: 'bad_credential',
  RESOURCE_EXHAUSTED: 'rate_limited',
  UNAVAILABLE: 'overloaded',
  INTERNAL: 'overloaded',
  DEADLINE_EXCEEDED: 'overloaded',
  NOT_FOUND: 'model_missing',
}

/** There is no code for this one, so its text is matched, as narrowly as it has been seen. */
const TOO_LONG = /^(?:The )?input token count\b.*\bexceeds the maximum number of (?:input )?tokens\b/is

/** `Provider.classify`: the failure of an error body, or undefined when the status table should decide. */
export function classify(_status: number, body: unknown): Failure | undefined {
  const error = errorOf(body)
  return error === undefined ? undefined : kindOf(error)
}

function kindOf(error: GoogleError): Failure | undefined {
  if (error.details?.some(detail => KEY_REASONS.has(detail.reason ?? ''))) return 'bad_credential'
  const named = BY_STATUS[error.status ?? '']
  if (named !== undefined && Object.hasOwn(BY_STATUS, error.status ?? '')) return named
  return error.status === 'INVALID_ARGUMENT' && TOO_LONG.test(error.message ?? '')
    ? 'context_length'
    : undefined
}

/** The failure of an error object that came inside a 200, where no status table will be asked. */
export function failureOf(error: GoogleError): GatewayError {
  const kind = kindOf(error) ?? byCode(error.code ?? 500)
  return new GatewayError(kind, error.message?.slice(0, 1000) || 'the provider reported an error')
}

function byCode(code: number): Failure {
  if (code === 429) return 'rate_limited'
  if (code === 401 || code === 402 || code === 403) return 'bad_credential'
  if (code === 404 || code === 410) return 'model_missing'
  return code >= 400 && code < 500 ? 'refused' : 'overloaded'
}

/** Names Anthropic's errors: https://docs.claude.com/en/api/errors. Structured `error.type` first. */
import type { Failure } from '../../src/errors.ts'
import { errorSchema } from './wire.ts'

const BY_TYPE: Readonly<Record<string, Failure>> = {
  overloaded_error: 'overloaded',
  api_error: 'overloaded',
  timeout_error: 'overloaded',
  rate_limit_error: 'rate_limited',
  authentication_error: 'bad_credential',
  permission_error: 'bad_credential',
  billing_error: 'bad_credential',
  not_found_error: 'model_missing',
  request_too_large: 'refused',
}

/**
 * `invalid_request_error` has no code, so these few sentences of Anthropic's are the only sign. Anchored at the start,
 * so that a caller's text that is quoted further back decides nothing.
 * Recorded: "prompt is too long: 207310 tokens > 200000 maximum".
 */
const BY_SENTENCE: readonly (readonly [RegExp, Failure])[] = [
  [/^prompt is too long(?::|$)/i, 'context_length'],
  [/^input length and `max_tokens` exceed context limit:/i, 'context_length'],
  [/^Your credit balance is too low to access the/i, 'bad_credential'],
  [/^Output blocked by content filtering policy/i, 'content_filter'],
]

/** Failure of an error body (also of one inside a 200 or a stream); undefined = the status decides. */
export function classify(_status: number, body: unknown): Failure | undefined {
  const parsed = errorSchema.safeParse(body)
  if (!parsed.success) return undefined
  const { type, message } = parsed.data.error
  if (type === 'invalid_request_error') {
    return BY_SENTENCE.find(([pattern]) => pattern.test(message ?? ''))?.[1] ?? 'refused'
  }
  return Object.hasOwn(BY_TYPE, type ?? '') ? BY_TYPE[type ?? ''] : undefined
}

/**
 * What may be told of an error inside an answer that began well. The provider's prose may name its accounts and
 * addresses, so only the name of the error goes on, and only if it is a plain word.
 */
export function errorWords(body: unknown): string {
  const parsed = errorSchema.safeParse(body)
  const type = parsed.success ? parsed.data.error.type : undefined
  return type && /^[a-z_]{1,40}$/.test(type)
    ? `the provider reported ${type}`
    : 'the provider reported an error'
}

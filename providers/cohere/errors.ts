/** Names Cohere's errors: https://docs.cohere.com/reference/errors. */
import type { Failure } from '../../src/errors.ts'
import { errorSchema } from './wire.ts'

const BY_STATUS: Readonly<Record<number, Failure>> = {
  /** "blocked output": a deny-listed word in the prompt or the answer. */
  498: 'content_filter',
  /** The request was cancelled on their side. */
  499: 'overloaded',
}

/** Older models and embeddings say it in prose alone; the beginning of a recorded message. */
const TOO_LONG = /^too many tokens:/i

/** Failure of an error body; undefined = the status decides. */
export function classify(status: number, body: unknown): Failure | undefined {
  const named = BY_STATUS[status]
  if (named !== undefined) return named
  const parsed = errorSchema.safeParse(body)
  if (!parsed.success || status < 400) return undefined
  const { error_type: type, message } = parsed.data
  if (type === 'TOO_MANY_TOKENS') return 'context_length'
  return (status === 400 || status === 422) && TOO_LONG.test(message ?? '') ? 'context_length' : undefined
}

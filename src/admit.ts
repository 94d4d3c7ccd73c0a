/** Third stage: may this caller do this now? The key's own caps, then all rate dimensions in one step. */
import type { Admission, Deps, RateState } from './deps.ts'
import { GatewayError } from './errors.ts'
import type { Caller } from './terms.ts'

/** Output tokens that the token rate takes in advance when the caller set no limit; settled to the truth afterwards. */
const OUTPUT_IN_ADVANCE = 512

/** Takes rate tokens and a concurrency slot, or throws `rate_limited_here` naming the limit. Refusals consume nothing. */
export function admit(
  caller: Caller,
  likelyInputTokens: number,
  maxOutputTokens: number | undefined,
  deps: Deps,
): Admission {
  const likely = likelyInputTokens + Math.min(maxOutputTokens ?? OUTPUT_IN_ADVANCE, OUTPUT_IN_ADVANCE)
  const taken = deps.ledger.admit(caller.key, likely)
  if ('release' in taken) return taken
  const message = taken.neverFits
    ? `This request is larger than the whole limit ${taken.limit} of this key.`
    : `The limit ${taken.limit} of this key is reached. Try again in ${Math.max(1, Math.ceil(taken.retryAfterMs / 1000))} s.`
  throw new GatewayError('rate_limited_here', message, {
    limit: taken.limit,
    headers: stateHeaders(taken.state),
    retryAfterMs: taken.neverFits ? undefined : taken.retryAfterMs,
  })
}

/** OpenAI's duration form: `12ms`, `1.5s`, `6m0s`. */
export function resetText(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.ceil(ms))}ms`
  const seconds = Math.ceil(ms / 100) / 10
  if (seconds < 60) return `${seconds}s`
  const whole = Math.ceil(ms / 1000)
  const minutes = Math.floor(whole / 60)
  return minutes < 60
    ? `${minutes}m${whole % 60}s`
    : `${Math.floor(minutes / 60)}h${minutes % 60}m${whole % 60}s`
}

/** `x-ratelimit-*`, a family only if that limit exists. */
export const rateHeaders = (admission: Admission | undefined): string[] => stateHeaders(admission?.state)

function stateHeaders(state: RateState | undefined): string[] {
  const headers: string[] = []
  for (const family of ['requests', 'tokens'] as const) {
    const facts = state?.[family]
    if (!facts) continue
    headers.push(
      `x-ratelimit-limit-${family}`,
      String(facts.limit),
      `x-ratelimit-remaining-${family}`,
      String(facts.remaining),
      `x-ratelimit-reset-${family}`,
      resetText(facts.resetMs),
    )
  }
  return headers
}

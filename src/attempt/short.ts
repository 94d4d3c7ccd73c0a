/** What a caller is told whose budget does not pay for the request. Part of hold.ts. */
import type { Shortfall } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'

/** `askedNanoUsd` = the least that would have been worth having. What not even the whole budget would pay for is not to be tried again. */
export function exhausted(
  short: Shortfall,
  askedNanoUsd: number,
  status: 402 | 429,
  nowMs: number,
): GatewayError {
  const { limit, resetsAtMs } = short
  if (short.heldByOthers) {
    const message = `The budget ${limit} is held by requests that are still running.`
    return new GatewayError('budget_exhausted', message, {
      status,
      limit,
      retryAfterMs: 1000,
      shouldRetry: true,
    })
  }
  const helps = resetsAtMs !== null && askedNanoUsd <= short.wholeNanoUsd
  const when = helps ? ` It resets at ${new Date(resetsAtMs).toISOString()}.` : ''
  const left = Math.max(0, short.availableNanoUsd)
  const message =
    left === 0
      ? `The budget ${limit} is used up.${when}`
      : `This request may cost up to $${usdFromNano(askedNanoUsd)} and the budget ${limit} has $${usdFromNano(left)} left. Set a lower max_tokens or send a shorter prompt.${when}`
  return new GatewayError('budget_exhausted', message, {
    status,
    limit,
    retryAfterMs: helps ? Math.max(1000, resetsAtMs - nowMs) : undefined,
  })
}

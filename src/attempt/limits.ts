/** How long one attempt may take, from the configuration, the model and what the target has shown. Pure; asked by send.ts. */
import type { Timeouts } from '../config/schema.ts'
import type { HealthState } from '../route/health.ts'
import type { Offer } from '../terms.ts'
import type { ChatFacts } from '../wire/openai.ts'

/** A model that thinks out of sight may be silent for long before its first token, */
const HIDDEN_THOUGHT_FACTOR = 5
/** and in the middle of its answer; so may one that writes a tool call. */
const PATIENCE_FACTOR = 3
/** A target is slow when it takes so many times what it takes nineteen times out of twenty. */
const P95_FACTOR = 2

/**
 * The limits of this request at this target (contract section 6). Those before content hold while another target is left,
 * and are never shorter than twice the target's own p95.
 */
export function timeoutsFor(
  timeouts: Timeouts,
  offer: Offer,
  { raw, metering, stream, toolCount }: ChatFacts,
  health: HealthState | undefined,
): Timeouts {
  const hidden = offer.thinksUnseen ? HIDDEN_THOUGHT_FACTOR : 1
  const learnedMs = P95_FACTOR * ((stream ? health?.ttft : health?.whole)?.p95Ms ?? 0)
  const before = (ms: number) => Math.max(ms * hidden, learnedMs)
  // sound and plain text have no room for a sign of life; neither has their first byte the hurry of a token
  const firstTokenMs = metering ? timeouts.firstByteMs : timeouts.firstTokenMs
  return {
    ...timeouts,
    firstByteMs: before(timeouts.firstByteMs),
    firstTokenMs: before(firstTokenMs),
    idleMs: before(timeouts.idleMs),
    stallMs: timeouts.stallMs * (offer.thinksUnseen || toolCount > 0 ? PATIENCE_FACTOR : 1),
    ...(raw && { keepaliveMs: Number.POSITIVE_INFINITY }),
  }
}

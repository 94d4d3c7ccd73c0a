/** The answer headers of an attempt: who answered, at what cost to us in time, what was changed on the way. */
import { addRateHeaders } from '../admit.ts'
import type { Deps } from '../deps.ts'
import type { Target } from '../route/plan.ts'
import type { Offer } from '../terms.ts'
import type { Job } from './attempt.ts'
import type { Carried } from './send.ts'

/** Only printable ASCII goes into a header, the rest percent-encoded as in a URL; names may come from a caller. */
export const headerSafe = (text: string): string =>
  text
    .toWellFormed()
    .replace(/[^\x20-\x7e]+/gu, part => encodeURIComponent(part))
    .slice(0, 256)

/** Provider and model as headers say them; by the market's own objects, so that names are looked through once. */
const spelt = new WeakMap<Offer, readonly [provider: string, model: string]>()

function namesOf(offer: Offer): readonly [provider: string, model: string] {
  const known = spelt.get(offer)
  if (known) return known
  const names = [headerSafe(offer.provider), headerSafe(offer.upstream)] as const
  spelt.set(offer, names)
  return names
}

/** Headers of any answer that came from a target. `upstreamMs` = waits that are not ours. */
export function answerHeaders(
  job: Job,
  target: Target,
  carried: Carried,
  deps: Deps,
  upstreamMs = carried.elsewhereMs,
): string[] {
  const names = namesOf(target.listing.offer)
  const overhead = Math.max(0, deps.clock.monotonic() - job.call.startedAtMs - upstreamMs)
  if (!job.answer.headSent) deps.tally?.overhead(overhead)
  const headers = [
    'x-switchgate-provider',
    names[0],
    'x-switchgate-model',
    names[1],
    'x-switchgate-attempts',
    String(job.exchanges),
    'x-switchgate-overhead-ms',
    overhead.toFixed(2),
  ]
  const { dropped } = carried.encoded
  if (dropped.length > 0) headers.push('x-switchgate-dropped', headerSafe(dropped.join(',')))
  // an adapter may have to set a limit of its own: Anthropic takes no request without one
  const limit = carried.encoded.maxOutputTokens ?? carried.money.sendMaxTokens
  if (limit !== undefined) headers.push('x-switchgate-max-tokens', String(limit))
  addRateHeaders(headers, job.admission.state)
  return headers
}

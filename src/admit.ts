/** Third stage: may this caller do this now? All rate dimensions of the key, its project, the model and the end user in one step. */
import type { Admission, Deps, RateFacts, RatePolicy, RateRefusal, RateState } from './deps.ts'
import { GatewayError } from './errors.ts'
import type { Answer } from './relay/answer.ts'
import type { Caller } from './terms.ts'

/** Output tokens that the token rate takes in advance when the caller set no limit; settled to the truth afterwards. */
const OUTPUT_IN_ADVANCE = 512
/** A request may wait for its turn at most this long, whatever is configured. */
const THROTTLE_MS_MAX = 2_000
/** How often a request that waits for a slot looks: slots come back with other requests, not with time. */
const SLOT_POLL_MS = 50

/** Who waits for a turn. */
type Waiting = Pick<Answer, 'left'>
const PATIENT: Waiting = { left: false }

/** What ends a request whose caller has gone. */
export const gone = () =>
  new GatewayError('cancelled', 'The client left while its request waited for its turn.')

/**
 * Takes rate tokens and a concurrency slot, or throws `rate_limited_here` naming the limit. Refusals consume nothing.
 * A promise only where the key (or the config) lets requests wait for their turn and this one has to. `who` = whether the
 * caller is still there: one that leaves waits no longer, and takes nothing.
 */
export function admit(
  caller: Caller,
  likelyInputTokens: number,
  maxOutputTokens: number | undefined,
  facts: RateFacts,
  deps: Deps,
  who: Waiting = PATIENT,
): Admission | Promise<Admission> {
  const likely = likelyInputTokens + Math.min(maxOutputTokens ?? OUTPUT_IN_ADVANCE, OUTPUT_IN_ADVANCE)
  const taken = deps.ledger.admit(caller.key, likely, facts)
  if ('release' in taken) return taken
  const throttleMs = caller.key.limits.throttleMs ?? deps.config().limits.throttleMs
  if (pauseFor(taken) > throttleMs) throw refusal(taken)
  return inTurn(caller, likely, facts, taken, Math.min(throttleMs, THROTTLE_MS_MAX), deps, who)
}

/** How long to wait before asking again; Infinity = waiting is useless. */
function pauseFor({ limit, retryAfterMs, neverFits }: RateRefusal): number {
  if (neverFits) return Number.POSITIVE_INFINITY
  return limit.endsWith('.concurrency') && retryAfterMs <= THROTTLE_MS_MAX ? SLOT_POLL_MS : retryAfterMs
}

async function inTurn(
  caller: Caller,
  likely: number,
  facts: RateFacts,
  first: RateRefusal,
  throttleMs: number,
  deps: Deps,
  who: Waiting,
): Promise<Admission> {
  let refused = first
  let leftMs = throttleMs
  for (;;) {
    const ms = pauseFor(refused)
    if (ms > leftMs) throw refusal(refused)
    await deps.pause(ms)
    leftMs -= ms
    if (who.left) throw gone()
    const taken = deps.ledger.admit(caller.key, likely, facts)
    if ('release' in taken) return taken
    refused = taken
  }
}

/** Whose limit it is, in words. */
function ownerOf(limit: string): string {
  const [holder = 'key', part] = limit.split('.')
  const whole = holder === 'organisation' ? 'this gateway' : `this ${holder}`
  if (part === 'user') return `one end user (\`user\`) of ${whole}`
  return part === 'model' ? `this model at ${whole}` : whole
}

function refusal({ limit, retryAfterMs, neverFits, state }: RateRefusal): GatewayError {
  const message = neverFits
    ? `This request is larger than the whole limit ${limit} of ${ownerOf(limit)}.`
    : `The limit ${limit} of ${ownerOf(limit)} is reached. Try again in ${Math.max(1, Math.ceil(retryAfterMs / 1000))} s.`
  const headers: string[] = []
  addRateHeaders(headers, state, retryAfterMs)
  return new GatewayError('rate_limited_here', message, {
    limit,
    headers,
    retryAfterMs: neverFits ? undefined : retryAfterMs,
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

/** Adds `x-ratelimit-*`, a family only if that limit exists, and the same as the IETF's `RateLimit` fields. */
export function addRateHeaders(
  headers: string[],
  { requests, tokens, policies = [] }: RateState,
  retryAfterMs = Number.POSITIVE_INFINITY,
): void {
  if (requests) addFamily(headers, REQUESTS, requests)
  if (tokens) addFamily(headers, TOKENS, tokens)
  if (policies.length === 0) return
  let quotas = ''
  let left = ''
  for (const policy of policies) {
    quotas = quotas === '' ? policyItem(policy) : `${quotas}, ${policyItem(policy)}`
    left = left === '' ? limitItem(policy, retryAfterMs) : `${left}, ${limitItem(policy, retryAfterMs)}`
  }
  headers.push('ratelimit-policy', quotas, 'ratelimit', left)
}

/** Names of a family's three headers. */
const familyOf = (family: string) => ({
  limit: `x-ratelimit-limit-${family}`,
  remaining: `x-ratelimit-remaining-${family}`,
  reset: `x-ratelimit-reset-${family}`,
})
const REQUESTS = familyOf('requests')
const TOKENS = familyOf('tokens')

function addFamily(headers: string[], names: ReturnType<typeof familyOf>, facts: RatePolicy): void {
  headers.push(
    names.limit,
    String(facts.limit),
    names.remaining,
    String(facts.remaining),
    names.reset,
    resetText(facts.resetMs),
  )
}

/** The last item of each name: it changes with the limit alone, and there are a dozen names. */
const said = new Map<string, { readonly limit: number; readonly text: string }>()

/**
 * `"key.rpm";q=60;w=60` (draft-ietf-httpapi-ratelimit-headers-11, section 3). Its registry has no unit for tokens yet:
 * left out, it would read as requests.
 */
function policyItem({ name, unit, limit, periodMs }: RatePolicy): string {
  const last = said.get(name)
  if (last?.limit === limit) return last.text
  const quotaUnit = unit === 'requests' ? '' : `;qu="${unit}"`
  const text = `"${name}";q=${limit}${quotaUnit}${periodMs === 0 ? '' : `;w=${periodMs / 1000}`}`
  said.set(name, { limit, text })
  return text
}

/**
 * `"key.rpm";r=12;t=48` (section 4): what is left, and for how long it has to last. On a refusal `t` does not reach past
 * Retry-After (section 6).
 */
function limitItem({ name, remaining, periodMs, resetMs, nextMs }: RatePolicy, retryAfterMs: number): string {
  if (periodMs === 0) return `"${name}";r=${remaining}`
  const ms = Math.min(remaining === 0 ? nextMs : resetMs, retryAfterMs)
  return `"${name}";r=${remaining};t=${Math.ceil(ms / 1000)}`
}

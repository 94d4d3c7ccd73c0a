/** Which target next, after a failure? Pure: the walk over a plan, apart from sending, blaming and recording. */
import { FAILURES, type Failure } from '../errors.ts'
import type { Place } from '../route/health.ts'
import { offerKey, type Plan, type Target } from '../route/plan.ts'

export interface Tried {
  readonly target: Target
  readonly failure: Failure
  /** Configured so: another target is asked, though the failure alone would end the request. */
  readonly moveOn?: boolean
  /** What the provider said about waiting. */
  readonly retryAfterMs?: number
  /** So long it took to fail. */
  readonly tookMs?: number
  /** Only its kept connection was closed. */
  readonly stale?: boolean | undefined
}

/** Key of a credential's own health; undefined = there is none: every place that needs none shares one that is empty. */
export const credentialKeyOf = ({ credential }: Target): string | undefined =>
  credential && (credential.headers.length > 0 || credential.sign) ? credential.id : undefined

/** Where the health of a target, its offer and its credential is kept. */
export const placeOf = (target: Target): Place => ({
  target: target.key,
  offer: offerKey(target.listing),
  credential: credentialKeyOf(target),
})

const siteOf = (t: Target) => t.listing.site.name
const modelOf = (t: Target) => t.listing.offer.model
const routeOf = (t: Target) => `${t.listing.site.name}/${t.listing.offer.upstream}`

export const NOBODY: ReadonlySet<Target> = new Set()

/** The next untried target worth asking, or undefined. `tried` is in order; its last entry says why we are here. `passed` = not to be asked. */
export function nextTarget(
  plan: Plan,
  tried: readonly Tried[],
  passed: ReadonlySet<Target> = NOBODY,
): Target | undefined {
  const last = tried.at(-1)
  if (!last)
    return passed.size === 0
      ? plan.targets[0]
      : plan.targets.find(t => !passed.has(t) && !isHeldBack(t, plan, tried))
  if (!FAILURES[last.failure].next && !last.moveOn) return undefined
  const open = plan.targets.filter(
    t =>
      !passed.has(t) &&
      tried.every(past => past.target !== t && mayFollow(t, past)) &&
      !isHeldBack(t, plan, tried),
  )
  const { target, failure } = last
  // a bad or busy credential: its neighbour at the same place knows nothing of it
  if (failure === 'bad_credential' || failure === 'rate_limited') {
    const neighbour = open.find(t => routeOf(t) === routeOf(target))
    if (neighbour) return neighbour
  }
  // who has more room than all that had too little
  if (failure === 'context_length') {
    const short = tried.filter(past => past.failure === 'context_length')
    const roomier = open.find(t => short.every(past => mayHaveMoreRoom(t, past.target)))
    if (roomier) return roomier
  }
  return open.find(t => siteOf(t) !== siteOf(target)) ?? open[0]
}

/** By the windows that are declared; one that is unknown may be a larger one: of another model, or of this one at another provider. */
function mayHaveMoreRoom(candidate: Target, refused: Target): boolean {
  const before = refused.listing.offer.contextTokens
  const now = candidate.listing.offer.contextTokens
  if (before === undefined || now === undefined)
    return modelOf(candidate) !== modelOf(refused) || siteOf(candidate) !== siteOf(refused)
  return now > before
}

/** A secret that stands in for another one waits until that one is refused; where that one is not in the plan, it was. */
function isHeldBack({ credential }: Target, plan: Plan, tried: readonly Tried[]): boolean {
  const name = credential?.standsInFor
  if (name === undefined) return false
  const refused = tried.some(past => past.failure === 'bad_credential' && past.target.credential?.id === name)
  return !refused && plan.targets.some(target => target.credential?.id === name)
}

/** What a past failure says about another target. */
function mayFollow(candidate: Target, past: Tried): boolean {
  switch (past.failure) {
    case 'silent':
    case 'content_filter':
    // hosts cap a model below what is declared for it: another place may take the same prompt
    case 'context_length':
      return routeOf(candidate) !== routeOf(past.target)
    default:
      return true
  }
}

/** A target whose kept connection had been closed is asked again at once, on a new one: nothing was learned of it. Once, and not where it was passed over since. */
export function staleTarget(
  tried: readonly Tried[],
  passed: ReadonlySet<Target> = NOBODY,
): Target | undefined {
  const last = tried.at(-1)
  if (!last?.stale || passed.has(last.target)) return undefined
  if (tried.some(past => past !== last && past.stale && past.target === last.target)) return undefined
  return last.target
}

/** The target to ask once more when no other is left: the first whose trouble may have passed. `passed` = not to be asked. */
export function repeatTarget(
  tried: readonly Tried[],
  passed: ReadonlySet<Target> = NOBODY,
): Target | undefined {
  const last = tried.at(-1)
  if (!last || !FAILURES[last.failure].next) return undefined
  const silent = new Set(tried.filter(t => t.failure === 'silent').map(t => routeOf(t.target)))
  return tried.find(
    t => FAILURES[t.failure].repeat && !silent.has(routeOf(t.target)) && !passed.has(t.target),
  )?.target
}

/** A wait that the provider names and that is worth the model that was asked for. */
const SHORT_WAIT_MS = 2_500

/** Who took longer than this to fail may take as long again: the caller has waited enough. */
const SHORT_FAILURE_MS = 10_000

/**
 * The target to ask once more before `next`, which is another model: a lesser answer is worth one short pause. `left` =
 * attempts that are left, of which the other model gets one.
 */
export function onceMore(
  tried: readonly Tried[],
  next: Target,
  left: number,
  passed: ReadonlySet<Target> = NOBODY,
): Target | undefined {
  const last = tried.at(-1)
  if (!last || left < 2 || modelOf(next) === modelOf(last.target) || passed.has(last.target)) return undefined
  if (tried.some(t => t !== last && t.target === last.target)) return undefined
  const { failure, retryAfterMs, tookMs = 0 } = last
  if (tookMs > SHORT_FAILURE_MS) return undefined
  const passes =
    failure === 'rate_limited'
      ? retryAfterMs !== undefined && retryAfterMs <= SHORT_WAIT_MS
      : FAILURES[failure].repeat
  return passes ? last.target : undefined
}

/** Without a word from the provider, a rate limit is taken to last this long. */
export const RATE_LIMIT_PAUSE_MS = 2_000

/** When the first of the targets that rate limited us may be asked again; undefined = none did. */
export function soonestRetryMs(tried: readonly Tried[]): number | undefined {
  const waits = tried
    .filter(t => t.failure === 'rate_limited')
    .map(t => t.retryAfterMs ?? RATE_LIMIT_PAUSE_MS)
  return waits.length > 0 ? Math.min(...waits) : undefined
}

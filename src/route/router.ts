/** Routing as the gateway uses it: a plan from what it knows now, and what it learns when the request has ended. */
import type { Deps } from '../deps.ts'
import { FAILURES, type GatewayError } from '../errors.ts'
import type { Key, Usage } from '../terms.ts'
import { type Plan, type RouteDeps, route, type Target, type Wanted } from './plan.ts'

type Known = Pick<Deps, 'market' | 'health' | 'clock' | 'random' | 'config' | 'experience'>

/** Everything that a plan depends on, as it is at this moment. */
export function knownNow({ market, health, clock, random, config, experience }: Known): RouteDeps {
  const { strategy, rules } = config().routing
  return {
    market: market(),
    health,
    nowMs: clock.now(),
    random,
    strategy,
    ...(rules && { rules }),
    experience,
  }
}

/** Throws GatewayError as `route` does. */
export const planFor = (wanted: Wanted, key: Key, deps: Known): Plan => route(wanted, key, knownNow(deps))

/** How the request went in the end. */
export interface Went {
  readonly target: Target | undefined
  readonly failure: GatewayError | undefined
  readonly ttftMs: number | undefined
  readonly usage: Usage | undefined
}

/** What it went like is remembered; what was the caller's own doing is not. */
export function remember(
  { trace }: Plan,
  { lineage }: Key,
  { target, failure, ttftMs, usage }: Went,
  { experience, clock }: Pick<Deps, 'experience' | 'clock'>,
): void {
  if (!experience) return
  if (failure && FAILURES[failure.kind].blame === 'nobody') return experience.count(trace)
  const answered = failure ? undefined : target
  const model = target?.listing.offer.model ?? ''
  experience.learn({ trace, lineage, model, target: answered?.key, ttftMs, usage }, clock.now())
}

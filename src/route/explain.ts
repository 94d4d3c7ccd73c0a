/** What would become of a request, without sending it: the ranked targets with their figures, and why the others are out. Asked by the admin plane. */
import { GatewayError } from '../errors.ts'
import type { Key } from '../terms.ts'
import type { Candidate } from './field.ts'
import { type Excluded, type RouteDeps, route, type Target, type Wanted } from './plan.ts'
import { sessionOf } from './sticky.ts'
import type { Sort } from './strategy.ts'

/** A target of the plan with what it was judged by; the figures are those of its first credential. */
export interface Judged {
  readonly target: Target
  readonly score: number | undefined
  readonly candidate: Candidate | undefined
  /** Requests that are there now. */
  readonly inFlight: number
}

export interface Explanation {
  /** Undefined = the names or the policy stopped it before anything was ranked. */
  readonly strategy: Sort | undefined
  readonly targets: readonly Judged[]
  readonly excluded: readonly Excluded[]
  /** What the caller would be told; undefined = the first target would be asked. */
  readonly refusal: GatewayError | undefined
  /** Who named the conversation that the request belongs to; undefined = it belongs to none. */
  readonly session: 'caller' | 'beginning' | undefined
}

/** Nothing is sent, counted or learned. Errors of ours are part of the answer; others are thrown. */
export function explain(wanted: Wanted, key: Key, deps: RouteDeps): Explanation {
  const ranked: Candidate[] = []
  let excluded: readonly Excluded[] = []
  const onlooker = {
    ranked: (order: readonly Candidate[]) => void ranked.push(...order),
    excluded: (out: readonly Excluded[]) => {
      excluded = out
    },
  }
  const session = sessionOf(key.lineage, wanted.model, wanted)
  const named = session && (session.given ? 'caller' : 'beginning')
  try {
    const plan = route(wanted, key, { ...deps, onlooker })
    const targets = plan.targets.map(target => {
      const candidate = ranked.find(({ listing }) => listing === target.listing)
      const inFlight = deps.health.inFlight(target.key)
      return { target, score: candidate?.score, candidate, inFlight }
    })
    return { strategy: plan.strategy, targets, excluded, refusal: undefined, session: named }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return { strategy: undefined, targets: [], excluded, refusal: error, session: named }
  }
}

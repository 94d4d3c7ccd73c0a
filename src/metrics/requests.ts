/** Requests as they end: one call each, on the request's way, so nothing here makes a string or an object after the first of a kind. */
import type { Tally } from '../deps.ts'
import type { GatewayError } from '../errors.ts'
import type { Endpoint } from '../terms.ts'
import { requestFamilies } from './families.ts'
import type { Family } from './registry.ts'

/** Statuses that an answer can have: 100 to 599. */
const STATUSES = 600
/** Who left before there was an answer (nginx' number, as in the access line). */
export const LEFT = 499
const MS = 1_000

/** Slots of one endpoint, found by status without making a string. */
interface Route {
  readonly durations: number
  readonly counts: Int32Array
}

export interface RequestCounts extends Tally {
  readonly families: readonly Family[]
}

/** Endpoints are counted by identity: they are the rows of one table. */
export function createRequests(): RequestCounts {
  const families = requestFamilies()
  const { requests, durations, overhead, failures, refusals } = families
  const routes = new Map<Endpoint, Route>()
  const noLabels = overhead.slot()

  function routeOf(endpoint: Endpoint): Route {
    const made = {
      durations: durations.slot(endpoint.path),
      counts: new Int32Array(STATUSES).fill(-1),
    }
    routes.set(endpoint, made)
    return made
  }

  function slotOf(route: Route, endpoint: Endpoint, status: number): number {
    const slot = requests.slot(endpoint.path, String(status))
    if (status < STATUSES) route.counts[status] = slot
    return slot
  }

  return {
    families: Object.values(families),
    ended(endpoint: Endpoint, answered: number, totalMs: number, failure: GatewayError | undefined): void {
      const status = answered === 0 ? LEFT : answered
      const route = routes.get(endpoint) ?? routeOf(endpoint)
      const known = route.counts[status] ?? -1
      requests.add(known < 0 ? slotOf(route, endpoint, status) : known)
      durations.observe(route.durations, totalMs / MS)
      if (failure === undefined) return
      failures.add(failures.slot(failure.kind))
      if (failure.limit !== undefined) refusals.add(refusals.slot(failure.kind, failure.limit))
    },
    overhead: (ms: number): void => overhead.observe(noLabels, ms / MS),
  }
}

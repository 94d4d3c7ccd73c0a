/** Too many requests at once: those of the lowest priority are refused first. Asked by the gateway once the caller is known. */
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import type { Key } from '../terms.ts'

/** Priorities of keys go from 0 (also: none) to this. */
export const PRIORITY_MAX = 10
const RETRY_AFTER_MS = 1_000

/** Requests of this process that are under way. */
export interface Pressure {
  readonly inFlight: number
  /** False = there is no room for this priority; true counts one until `leave`. `bound` undefined = there always is. */
  enter(priority: number, bound: number | undefined): boolean
  leave(): void
}

/**
 * Each step of priority has a tenth of the bound more: at the bound itself the keys without a priority are refused, at
 * twice the bound all are. So nobody is refused for the sake of somebody less important.
 */
export function createPressure(): Pressure {
  let inFlight = 0
  return {
    get inFlight() {
      return inFlight
    },
    enter(priority, bound) {
      if (bound !== undefined && inFlight >= bound * (1 + priority / PRIORITY_MAX)) return false
      inFlight++
      return true
    },
    leave() {
      if (inFlight > 0) inFlight--
    },
  }
}

/** Takes a place among the requests under way; throws 503 `overloaded` when there is none for this key. */
export function takePlace(key: Key, { pressure, config }: Pick<Deps, 'pressure' | 'config'>): void {
  const { concurrency } = config().limits
  if (!pressure || pressure.enter(key.limits.priority ?? 0, concurrency)) return
  const message = 'This gateway has too much to do at once (limits.concurrency). Try again in a second.'
  throw new GatewayError('no_candidate', message, {
    code: 'overloaded',
    limit: 'gateway.concurrency',
    retryAfterMs: RETRY_AFTER_MS,
  })
}

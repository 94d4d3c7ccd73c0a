/** What was thrown on the request path, as the error that the caller gets. */
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'

/** A bug is ours: it is logged, its message is withheld. */
export function asGatewayError(error: unknown, deps: Pick<Deps, 'log' | 'scrub'>): GatewayError {
  if (error instanceof GatewayError) return error
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
  deps.log('error', 'bug', { detail: deps.scrub(detail).slice(0, 4000) })
  return new GatewayError('bug', 'The gateway made a mistake. The request id helps to find it.', {
    cause: error,
  })
}

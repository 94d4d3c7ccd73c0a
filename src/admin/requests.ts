/** `/admin/v1/requests`: finished requests with their attempts, newest first. */
import { GatewayError } from '../errors.ts'
import type { RequestQuery, StoredRequest } from '../store/store.ts'
import { generationWire } from '../wire/account.ts'
import { nanoFromUsd } from '../price.ts'
import { usd } from '../wire/plain.ts'
import { z } from 'zod'
import { usdAmount } from './budget-schema.ts'
import type { AdminDeps } from './deps.ts'
import { parseLimit } from './page.ts'
import { type AdminRoute, withBody } from './route.ts'
import { listOf, requestShape } from './shapes.ts'

/** The generation object, and what only an admin may see: whose it was, from where, with which credential, why this target. */
export function requestWire(deps: AdminDeps, request: StoredRequest): Record<string, unknown> {
  const last = request.attempts.find(attempt => attempt.last) ?? request.attempts.at(-1)
  const generation = generationWire(request)
  if (last === undefined || generation === undefined) return { id: request.id, attempts: [] }
  const attempts = generation.attempts as readonly Record<string, unknown>[]
  return {
    ...generation,
    key_id: last.keyId,
    key_name: deps.keys.get(last.keyId)?.name ?? null,
    requested_model: last.requestedModel,
    operation: last.operation,
    error: last.error,
    client_address: last.peer,
    user: last.user,
    tags: last.tags,
    answer_id: last.answerId,
    attempts: request.attempts.map((attempt, index) => ({
      ...attempts[index],
      upstream_model: attempt.upstreamModel,
      credential: attempt.credential,
      held_usd: usd(attempt.heldNanoUsd),
      overrun_usd: usd(attempt.overrunNanoUsd),
      price_id: attempt.priceId,
      why: attempt.why,
    })),
  }
}

function parseStatus(text: string): number {
  const [, exact, group] = /^(?:(\d{3})|([0-5])(?:xx)?)$/i.exec(text) ?? []
  const status = exact ?? group
  if (status !== undefined) return Number(status)
  throw new GatewayError('invalid_request', '`status` must be a status or a class, as in 429 or 5xx', {
    param: 'status',
  })
}

/** Query of a requests view → the store's. Throws `invalid_request`. */
export function parseRequestQuery(query: URLSearchParams): RequestQuery {
  const [key, model, status, cursor] = ['key', 'model', 'status', 'cursor'].map(name => query.get(name))
  return {
    limit: parseLimit(query),
    ...(key && { keyIds: [key] }),
    ...(model && { model }),
    ...(status && { status: parseStatus(status) }),
    ...(cursor && { cursor }),
  }
}

/** The request with this id (ours, or the answer's own), up to this moment. Throws 404 `not_found`. */
export async function requestOf(deps: AdminDeps, id: string): Promise<StoredRequest> {
  await deps.ledger.fold()
  const request = await deps.store.request(id)
  if (request !== undefined) return request
  throw new GatewayError('not_found', `there is no request ${JSON.stringify(id.slice(0, 80))}`, {
    param: 'id',
  })
}

export const requestRoutes: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: '/requests',
    summary: 'Finished requests, newest first.',
    query: {
      key: 'key id',
      model: 'canonical model id',
      status: 'a status or a class, as in 429 or 5xx',
      cursor: 'next_cursor of the page before',
      limit: '1–500, default 50',
    },
    response: listOf(requestShape),
    async handle(deps, call) {
      const query = parseRequestQuery(call.query)
      await deps.ledger.fold()
      const page = await deps.store.requests(query)
      return {
        json: { data: page.data.map(entry => requestWire(deps, entry)), next_cursor: page.nextCursor },
      }
    },
  },
  {
    method: 'GET',
    path: '/requests/:id',
    summary: 'One request: attempts, times, certainty, why this target, client address.',
    response: requestShape,
    handle: async (deps, call) => ({ json: requestWire(deps, await requestOf(deps, call.params.id ?? '')) }),
  },
  withBody({
    method: 'POST',
    path: '/requests/:id/release',
    summary:
      'Give a request that is `unknown`, charged in full, what it really cost: the rest comes back to every budget. Those that a crash left are listed by status=0.',
    body: z.strictObject({ cost_usd: usdAmount.optional() }),
    response: requestShape,
    async handle(deps, call) {
      const { id } = await requestOf(deps, call.params.id ?? '')
      const request = await deps.ledger.release(id, nanoFromUsd(call.body.cost_usd ?? 0))
      return { json: requestWire(deps, request) }
    },
  }),
]

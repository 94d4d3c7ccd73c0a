/** Paging of lists: an opaque cursor and a bounded limit. */
import { GatewayError } from '../errors.ts'

const LIMIT_DEFAULT = 50
const LIMIT_MAX = 500

/** `limit` of the query, 1–500, default 50. Throws `invalid_request`. */
export function parseLimit(query: URLSearchParams): number {
  const text = query.get('limit')
  if (text === null) return LIMIT_DEFAULT
  const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (limit >= 1 && limit <= LIMIT_MAX) return limit
  throw new GatewayError('invalid_request', `\`limit\` must be a whole number from 1 to ${LIMIT_MAX}`, {
    param: 'limit',
  })
}

/** One page of `items` (already in order) after the one whose id the cursor names. */
export function pageOf<Item>(
  items: readonly Item[],
  idOf: (item: Item) => string,
  query: URLSearchParams,
): { readonly data: readonly Item[]; readonly nextCursor: string | null } {
  const limit = parseLimit(query)
  const cursor = query.get('cursor')
  const at = cursor === null ? -1 : items.findIndex(item => idOf(item) === cursor)
  if (cursor !== null && at < 0) {
    throw new GatewayError('invalid_request', '`cursor` is not one of ours: start without it', {
      param: 'cursor',
    })
  }
  const data = items.slice(at + 1, at + 1 + limit)
  const last = data.at(-1)
  const more = last !== undefined && at + 1 + limit < items.length
  return { data, nextCursor: more ? idOf(last) : null }
}

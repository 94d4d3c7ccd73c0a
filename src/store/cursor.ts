/** The opaque place in a list of requests, newest first: where the next page begins. */
import { GatewayError } from '../errors.ts'

/** The last request of a page: the row that ended it. */
export interface Place {
  readonly createdAtMs: number
  /** Attempt id; breaks ties of the same millisecond. */
  readonly id: string
}

/** `<epoch ms>.<attempt id>` in URL-safe base64. */
export function encodeCursor(place: Place): string {
  return btoa(`${place.createdAtMs}.${encodeURIComponent(place.id)}`)
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

/** Throws GatewayError `invalid_request` with param `cursor` for anything `encodeCursor` did not make. */
export function parseCursor(cursor: string): Place {
  try {
    const text = atob(cursor.replaceAll('-', '+').replaceAll('_', '/'))
    const [, createdAtMs, id] = /^(\d{1,15})\.(.+)$/s.exec(text) ?? []
    if (createdAtMs !== undefined && id !== undefined)
      return { createdAtMs: Number(createdAtMs), id: decodeURIComponent(id) }
  } catch {
    // no base64 or no URI component: refused below like every other made-up cursor
  }
  throw new GatewayError(
    'invalid_request',
    'cursor is not one that a list returned: leave it out to start over.',
    {
      param: 'cursor',
    },
  )
}

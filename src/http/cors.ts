/** Browser pages of other origins at the data plane's web routes: preflights, and the headers of answers (inference has relay/browser.ts). */
import type { Context, Next } from 'hono'
import type { KeyRing } from '../deps.ts'
import { isOriginAllowed } from '../relay/browser.ts'
import { corsHeaders, preflightHeaders } from '../wire/cors.ts'

function addAll(headers: Headers, flat: readonly string[]): void {
  for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i] ?? '', flat[i + 1] ?? '')
}

/** Lets pages read what follows, if some key allows their origin. */
export function createCors(keys: KeyRing) {
  return async (context: Context, next: Next): Promise<void> => {
    await next()
    const origin = context.req.header('origin')
    if (origin === undefined || context.req.method === 'OPTIONS') return
    if (await isOriginAllowed(keys, origin)) addAll(context.res.headers, corsHeaders(origin))
  }
}

/** The answer to `OPTIONS`, before anybody is authenticated: a preflight names no key. Methods are what the path takes; undefined = there is no such route. */
export async function preflight(
  context: Context,
  methods: string | undefined,
  keys: KeyRing,
): Promise<Response> {
  const headers = new Headers({ allow: methods ?? 'OPTIONS', vary: 'Origin' })
  const origin = context.req.header('origin')
  if (methods !== undefined && origin !== undefined && (await isOriginAllowed(keys, origin)))
    addAll(headers, preflightHeaders(origin, methods, context.req.header('access-control-request-headers')))
  return new Response(null, { status: 204, headers })
}

/** Mounts the planes: data plane (inference endpoints, account views, health), admin plane, dashboard. Runtime-neutral. */
import { Hono } from 'hono'
import { GatewayError } from './errors.ts'
import { asGatewayError, serve } from './gateway.ts'
import { type AccountDeps, createAccount, type DataBindings, refusal } from './http/account.ts'
import { ENDPOINTS, endpointAt, plainPath, wireOf } from './http/endpoints.ts'
import { webCall, webSink } from './http/web.ts'
import type { Endpoint } from './terms.ts'

type Env = { Bindings: DataBindings }

const READING = [
  'GET /v1/models',
  'GET /v1/models/{id}',
  'GET /v1beta/models',
  'GET /v1/key',
  'GET /v1/key/spend',
  'GET /v1/generation',
]
const READING_PATH =
  /^\/(healthz|readyz|v1beta\/models(\/.+)?|v1\/(models(\/.+)?|key|key\/spend|generation))$/
const EXISTS = [
  ...ENDPOINTS.map(e => `${e.method} ${e.path}`),
  ...READING,
  'GET /healthz',
  'GET /readyz',
].join(', ')

/** One inference exchange over web Request and Response. */
export async function exchange(
  request: Request,
  endpoint: Endpoint,
  deps: AccountDeps,
  peer: string,
): Promise<Response> {
  const facts = {
    id: deps.newId('req_'),
    peer,
    startedAtMs: deps.clock.monotonic(),
    bytes: deps.bytes,
    path: plainPath(new URL(request.url).pathname),
  }
  const { sink, response } = webSink(request.signal)
  const outcome = serve(webCall(request, facts), sink, endpoint, deps)
  // `serve` never rejects; a Worker must stay alive until the ledger row is written
  deps.background?.(outcome)
  return response
}

/** Everything that a data-plane listener answers. `/openai/v1/*` is the same as `/v1/*`. */
export function createDataPlane(deps: AccountDeps): Hono<Env> {
  const app = new Hono<Env>({ getPath: request => plainPath(new URL(request.url).pathname) })
  app.get('/healthz', c => c.json({ status: 'ok' }))
  app.get('/readyz', async c => {
    const closed = deps.closed()
    if (closed) return c.json({ status: closed }, 503)
    try {
      await deps.store.ping()
      if (deps.ledger.failure() !== undefined) throw new Error('nothing can be written')
    } catch {
      return c.json({ status: 'storage_unavailable' }, 503)
    }
    return c.json({ status: 'ready' })
  })
  app.use((c, next) => {
    const endpoint = endpointAt(c.req.path)
    if (endpoint?.method !== c.req.method) return next()
    return exchange(c.req.raw, endpoint, deps, c.env?.peer ?? '')
  })
  app.route('/', createAccount(deps))
  app.notFound(c => refuseUnknown(c.req.method, c.req.path, deps))
  app.onError((error, c) => refusal(asGatewayError(error, deps), wireOf(c.req.path), deps.newId('req_')))
  return app
}

/** What has no route: 405 with `Allow` where the path exists, else 404 naming what does. OPTIONS is answered before authentication. */
function refuseUnknown(method: string, path: string, deps: AccountDeps): Response {
  const endpoint = endpointAt(path)
  const allow = endpoint
    ? `${endpoint.method}, OPTIONS`
    : READING_PATH.test(path)
      ? 'GET, HEAD, OPTIONS'
      : undefined
  // no key can allow an origin yet, so a preflight gets no CORS headers and the browser refuses
  if (method === 'OPTIONS') return new Response(null, { status: 204, headers: { allow: allow ?? 'OPTIONS' } })
  const error = allow
    ? new GatewayError('method_not_allowed', `${path} takes ${allow.split(',')[0]}.`, { allow })
    : new GatewayError(
        'not_found',
        `There is no route ${method} ${path.slice(0, 200)} here. What exists: ${EXISTS}.`,
      )
  return refusal(error, wireOf(path), deps.newId('req_'))
}

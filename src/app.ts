/** Mounts the planes: data plane (inference endpoints, account views, health), admin plane, dashboard. Runtime-neutral. */
import { type Context, Hono } from 'hono'
import { GatewayError } from './errors.ts'
import { asGatewayError, serve } from './gateway.ts'
import { type AccountDeps, createAccount, type DataBindings, refusal } from './http/account.ts'
import { createCors, preflight } from './http/cors.ts'
import { ENDPOINTS, endpointAt, plainPath, wireOf } from './http/endpoints.ts'
import { webCall, webSink } from './http/web.ts'
import type { Endpoint, Wire } from './terms.ts'
import { METHODS } from './wire/gemini/path.ts'

type Env = { Bindings: DataBindings }

const READING = [
  'GET /v1/models',
  'GET /v1/models/{id}',
  'GET /v1/models/{id}/endpoints',
  'GET /v1beta/models',
  'GET /v1beta/models/{id}',
  'GET /v1/key',
  'GET /v1/key/spend',
  'GET /v1/generation',
]
const READING_PATH =
  /^\/(healthz|readyz|v1beta\/models(\/.+)?|v1\/(models(\/.+)?|key|key\/spend|generation))$/
/** A path of Gemini's whose verb is not in the table of endpoints. */
const UNKNOWN_VERB = /^\/v1(?:beta)?\/models\/.+:([A-Za-z]+)$/
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
  app.use(createCors(deps.keys))
  app.route('/', createAccount(deps))
  app.notFound(c =>
    c.req.method === 'OPTIONS'
      ? preflight(c, allowedAt(c.req.path), deps.keys)
      : refuseUnknown(c.req.method, c.req.path, formOf(c), deps),
  )
  app.onError((error, c) => refusal(asGatewayError(error, deps), formOf(c), deps.newId('req_')))
  return app
}

/** A client that says who it is is answered in its own form, wherever it went. */
const formOf = (c: Context<Env>): Wire =>
  c.req.header('anthropic-version') ? 'anthropic' : wireOf(c.req.path)

/** Methods of a path; undefined = there is none. */
function allowedAt(path: string): string | undefined {
  const endpoint = endpointAt(path)
  if (endpoint) return `${endpoint.method}, OPTIONS`
  return READING_PATH.test(path) ? 'GET, HEAD, OPTIONS' : undefined
}

/** What has no route: 405 with `Allow` where the path exists, else 404 naming what does. */
function refuseUnknown(method: string, path: string, wire: Wire, deps: AccountDeps): Response {
  const verb = method === 'POST' ? UNKNOWN_VERB.exec(path)?.[1] : undefined
  if (verb !== undefined) {
    const message = `There is no method ${verb.slice(0, 100)} here. What exists: ${METHODS.join(', ')}.`
    return refusal(new GatewayError('not_found', message), 'gemini', deps.newId('req_'))
  }
  const allow = allowedAt(path)
  const error = allow
    ? new GatewayError('method_not_allowed', `${path} takes ${allow.split(',')[0]}.`, { allow })
    : new GatewayError(
        'not_found',
        `There is no route ${method} ${path.slice(0, 200)} here. What exists: ${EXISTS}.`,
      )
  return refusal(error, wire, deps.newId('req_'))
}

/** The admin plane as a Hono app with whole paths (`/admin/v1/…`): each row of the table behind the gate. */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { answerResponse, asGatewayError, errorResponse } from './answer.ts'
import type { AdminBindings, AdminDeps } from './deps.ts'
import { openApiOf } from './openapi.ts'
import { readJson, readOnce, readQuery, wantsCsv } from './read.ts'
import type { AdminAnswer, AdminCall, AdminRoute } from './route.ts'
import { ADMIN_ROUTES } from './routes.ts'
import { parseStrict } from './validate.ts'

type Env = { Bindings: AdminBindings }

const EMPTY_BODY = z.strictObject({})

async function serveRow(row: AdminRoute, context: Context<Env>, deps: AdminDeps): Promise<Response> {
  const request = context.req.raw
  if (row.localOnly && context.env?.trusted !== true) {
    const message = 'only the command line on the machine of the gateway may do this'
    throw new GatewayError('forbidden', message, { code: 'local_only' })
  }
  const query = readQuery(request.url, row.query ?? {})
  const body =
    row.method === 'GET' ? {} : parseStrict(row.body ?? EMPTY_BODY, await readJson(request, row.needsBody))
  const csv = wantsCsv(request.headers.get('accept'))
  const once = row.method === 'GET' ? undefined : readOnce(request.headers, row.once !== undefined)
  const call = { params: context.req.param(), query, body, wantsCsv: csv, once }
  const answer = await recorded(row, call, deps)
  if (row.method !== 'GET') logChange(row, context, deps)
  return answerResponse(answer, row.status ?? 200)
}

/** What no write of the store tells of is in the audit log before it is done; that it did not come off, afterwards. */
async function recorded(row: AdminRoute, call: AdminCall<unknown>, deps: AdminDeps): Promise<AdminAnswer> {
  const change = row.audit?.(call)
  if (change === undefined) return row.handle(deps, call)
  await deps.audit.record(change)
  try {
    return await row.handle(deps, call)
  } catch (error) {
    const failed = asGatewayError(error, deps.log)
    await deps.audit.record({ ...change, detail: { ...change.detail, failed: failed.code } })
    throw failed
  }
}

function logChange(row: AdminRoute, context: Context<Env>, deps: AdminDeps): void {
  const id = context.req.param('id')
  deps.log('info', 'admin_changed', { method: row.method, route: row.path, id, peer: context.env?.peer })
}

/** Not a row of the table: its address and its form are Prometheus'. */
async function metricsResponse(request: Request, deps: AdminDeps): Promise<Response> {
  const why = 'there are no metrics here: on Workers each isolate counts for itself; see GET /admin/v1/spend'
  if (deps.metrics === undefined) throw new GatewayError('not_found', why)
  const { text, contentType } = await deps.metrics.render(request.headers.get('accept'))
  return answerResponse({ text, contentType }, 200)
}

function unknownRoute(): GatewayError {
  const exists = [...new Set(ADMIN_ROUTES.map(row => `${row.method} /admin/v1${row.path}`))].join(', ')
  return new GatewayError(
    'not_found',
    `there is no such route; what exists: ${exists}, GET /admin/v1/openapi.json, GET /admin/docs`,
  )
}

/** Mount at the root: `app.route('/', createAdmin(deps))`; the second argument of `fetch` is `AdminBindings`. */
export function createAdmin(deps: AdminDeps): Hono<Env> {
  const app = new Hono<Env>({ strict: false })

  /** Authorization belongs to the matched row and runs in the same handler: no path is matched twice. */
  const guarded =
    (serve: (context: Context<Env>) => Response | Promise<Response>) =>
    async (context: Context<Env>): Promise<Response> => {
      try {
        const pass = await deps.gate.enter(context.req.raw, context.env ?? {})
        // looking leaves no row: what only reads needs no author, whose tracking costs all of a process on Node 22
        const isChange = context.req.method !== 'GET'
        const response = await (isChange ? deps.audit.as(pass.author, () => serve(context)) : serve(context))
        if (pass.setCookie !== undefined) response.headers.append('set-cookie', pass.setCookie)
        return response
      } catch (error) {
        return errorResponse(asGatewayError(error, deps.log))
      }
    }

  for (const row of ADMIN_ROUTES) {
    app.on(
      row.method,
      `/admin/v1${row.path}`,
      guarded(context => serveRow(row, context, deps)),
    )
  }
  app.get(
    '/admin/v1/openapi.json',
    guarded(() => answerResponse({ json: openApiOf(ADMIN_ROUTES) }, 200)),
  )
  app.get(
    '/metrics',
    guarded(context => metricsResponse(context.req.raw, deps)),
  )
  for (const path of new Set(ADMIN_ROUTES.map(row => row.path))) {
    const allow = ADMIN_ROUTES.filter(row => row.path === path)
      .map(row => row.method)
      .join(', ')
    const refuse = () => {
      throw new GatewayError('method_not_allowed', `this route takes ${allow}`, { allow })
    }
    app.all(`/admin/v1${path}`, guarded(refuse))
  }
  const unknown = () => {
    throw unknownRoute()
  }
  app.all('/admin/v1', guarded(unknown))
  app.all('/admin/v1/*', guarded(unknown))
  return app
}

/** The dashboard as a Hono app with whole paths: login, pages, and the few changes a person makes there. */
import { type Context, type Handler, Hono } from 'hono'
import { asGatewayError } from '../admin/answer.ts'
import type { AdminBindings, AdminDeps } from '../admin/deps.ts'
import { createKeySchema, draftOf, patchKeySchema } from '../admin/key-schema.ts'
import { keyOf, setKeyStatus } from '../admin/keys.ts'
import { ADMIN_ROUTES } from '../admin/routes.ts'
import { parseStrict } from '../admin/validate.ts'
import { errorHeaders } from '../wire/error.ts'
import { assetResponse } from './assets.ts'
import { auditListPage } from './audit.tsx'
import { credentialPage } from './credential.tsx'
import { mountCredentials } from './credential-changes.tsx'
import { credentialsPage } from './credentials.tsx'
import { docsPage } from './docs.tsx'
import { fieldOf, keyBodyOf, readForm, useBodyOf } from './forms.ts'
import { keyPage } from './key.tsx'
import { keysPage } from './keys.tsx'
import { FaultPage, LoginPage } from './layout.tsx'
import { alreadyMadePage, mintedPage } from './minted.tsx'
import { madeOnce } from './once.ts'
import { overviewPage } from './overview.tsx'
import { requestPage } from './request.tsx'
import { requestsPage } from './requests.tsx'
import { faultResponse, html, type Page, redirect } from './response.tsx'
import { targetsPage } from './targets.tsx'

type Env = { Bindings: AdminBindings }
/** How long the old key of a rotation made here keeps working. */
const GRACE_SECONDS = 86_400

export interface DashboardOptions {
  /** Where the data plane answers, for the commands that pages show (`http://127.0.0.1:8484`). Absent = the page's own origin. */
  readonly origin?: string
}

/** Only places of ours: a login must not lead elsewhere. */
const safeNext = (next: string | undefined): string =>
  next !== undefined &&
  /^\/(dashboard|admin\/docs)([/?][\w./?&=%@:+*~-]*)?$/.test(next) &&
  !next.includes('//')
    ? next
    : '/dashboard'

async function createKey(deps: AdminDeps, context: Context<Env>, origin: string): Promise<Response> {
  const values = await readForm(context.req.raw)
  try {
    const nowMs = deps.clock.now()
    const draft = draftOf(parseStrict(createKeySchema, keyBodyOf(values)), nowMs)
    const done = await madeOnce({ gate: deps.gate, nowMs }, 'key', values, () => deps.keys.create(draft))
    if ('again' in done) return await html(alreadyMadePage(deps.keys.get(done.again)))
    return await html(mintedPage(done.made.key, done.made.text, origin, 'Your new key'), 201)
  } catch (error) {
    const fault = asGatewayError(error, deps.log)
    const form = { values, fault: { message: fault.message, field: fieldOf(fault.param) } }
    return await html(keysPage(deps, new URLSearchParams(), form), fault.status)
  }
}

async function rotateKey(
  deps: AdminDeps,
  context: Context<Env>,
  id: string,
  origin: string,
): Promise<Response> {
  const values = await readForm(context.req.raw)
  const key = keyOf(deps, id)
  const rotate = () => deps.keys.rotate(key.id, GRACE_SECONDS)
  const done = await madeOnce({ gate: deps.gate, nowMs: deps.clock.now() }, key.id, values, rotate)
  if ('again' in done) return html(alreadyMadePage(deps.keys.get(done.again)))
  const minted = done.made
  if (minted === undefined) return redirect(`/dashboard/keys/${encodeURIComponent(id)}`)
  return html(mintedPage(minted.key, minted.text, origin, 'The key’s successor'), 201)
}

async function changeUse(deps: AdminDeps, context: Context<Env>, id: string): Promise<Response> {
  const values = await readForm(context.req.raw)
  const key = keyOf(deps, id)
  try {
    await deps.keys.patch(key.id, draftOf(parseStrict(patchKeySchema, useBodyOf(values)), deps.clock.now()))
    return redirect(`/dashboard/keys/${encodeURIComponent(key.id)}`)
  } catch (error) {
    const fault = asGatewayError(error, deps.log)
    const form = { values, fault: { message: fault.message, field: fieldOf(fault.param) } }
    return await html(keyPage(deps, key.id, form), fault.status)
  }
}

function mountLogin(app: Hono<Env>, deps: AdminDeps): void {
  app.get('/dashboard/login', context => {
    const next = safeNext(context.req.query('next'))
    try {
      deps.gate.checkHost(context.req.raw, context.env ?? {})
      return html(<LoginPage next={next} fault={undefined} />)
    } catch (error) {
      return faultResponse(asGatewayError(error, deps.log))
    }
  })
  app.post('/dashboard/login', async context => {
    let next = '/dashboard'
    try {
      const form = await readForm(context.req.raw)
      next = safeNext(form.next)
      return redirect(next, await deps.gate.login(context.req.raw, context.env ?? {}, form.token ?? ''))
    } catch (error) {
      const fault = asGatewayError(error, deps.log)
      const message = fault.status === 401 ? 'That is not the admin token.' : fault.message
      const response = await html(<LoginPage next={next} fault={message} />, fault.status)
      const pairs = errorHeaders(fault)
      for (let at = 0; at + 1 < pairs.length; at += 2)
        response.headers.set(pairs[at] ?? '', pairs[at + 1] ?? '')
      return response
    }
  })
}

/** What is done to keys: forms that post. */
function mountKeys(
  app: Hono<Env>,
  deps: AdminDeps,
  guarded: (serve: (context: Context<Env>) => Promise<Response>) => Handler<Env>,
  originOf: (context: Context<Env>) => string,
): void {
  app.post(
    '/dashboard/keys',
    guarded(context => createKey(deps, context, originOf(context))),
  )
  app.post(
    '/dashboard/keys/:id/rotate',
    guarded(context => rotateKey(deps, context, context.req.param('id') ?? '', originOf(context))),
  )
  app.post(
    '/dashboard/keys/:id/use',
    guarded(context => changeUse(deps, context, context.req.param('id') ?? '')),
  )
  for (const [verb, status] of [
    ['suspend', 'suspended'],
    ['resume', 'active'],
    ['revoke', 'revoked'],
  ] as const) {
    app.post(
      `/dashboard/keys/:id/${verb}`,
      guarded(async context => {
        const key = await setKeyStatus(deps, context.req.param('id') ?? '', status)
        return redirect(`/dashboard/keys/${encodeURIComponent(key.id)}`)
      }),
    )
  }
}

/** Mount at the root: `app.route('/', createDashboard(deps))`; the second argument of `fetch` is `AdminBindings`. */
export function createDashboard(deps: AdminDeps, options: DashboardOptions = {}): Hono<Env> {
  const app = new Hono<Env>({ strict: false })
  const originOf = (context: Context<Env>): string => options.origin ?? new URL(context.req.url).origin
  const queryOf = (context: Context<Env>): URLSearchParams => new URL(context.req.url).searchParams

  const guarded =
    (serve: (context: Context<Env>) => Promise<Response>) =>
    async (context: Context<Env>): Promise<Response> => {
      try {
        const pass = await deps.gate.enter(context.req.raw, context.env ?? {})
        // looking leaves no row: what only reads needs no author, whose tracking costs all of a process on Node 22
        const isChange = context.req.method !== 'GET'
        const response = await (isChange ? deps.audit.as(pass.author, () => serve(context)) : serve(context))
        if (pass.setCookie !== undefined) response.headers.append('set-cookie', pass.setCookie)
        return response
      } catch (error) {
        const fault = asGatewayError(error, deps.log)
        if (fault.status !== 401) return faultResponse(fault)
        const here = context.req.method === 'GET' ? new URL(context.req.url) : undefined
        const next =
          here && here.pathname !== '/dashboard'
            ? `?next=${encodeURIComponent(here.pathname + here.search)}`
            : ''
        return redirect(`/dashboard/login${next}`)
      }
    }
  const show = (path: string, page: (context: Context<Env>) => Page | Promise<Page>): void => {
    app.get(
      path,
      guarded(context => html(page(context))),
    )
  }

  app.get('/dashboard/assets/:name', context => assetResponse(context.req.path) ?? context.notFound())
  mountLogin(app, deps)
  app.post(
    '/dashboard/logout',
    guarded(async context =>
      redirect('/dashboard/login', deps.gate.logout(context.req.raw, context.env ?? {})),
    ),
  )
  show('/dashboard', context => overviewPage(deps, context.req.query('range') ?? null, originOf(context)))
  show('/dashboard/keys', context => keysPage(deps, queryOf(context)))
  show('/dashboard/keys/:id', context => keyPage(deps, context.req.param('id') ?? ''))
  show('/dashboard/requests', context => requestsPage(deps, queryOf(context)))
  show('/dashboard/requests/:id', context => requestPage(deps, context.req.param('id') ?? ''))
  show('/dashboard/targets', context => targetsPage(deps, queryOf(context)))
  show('/dashboard/credentials', context => credentialsPage(deps, queryOf(context)))
  show('/dashboard/credentials/:id', context =>
    credentialPage(deps, context.req.param('id') ?? '', { done: context.req.query('done') }),
  )
  show('/dashboard/audit', context => auditListPage(deps, queryOf(context)))
  show('/admin/docs', () => docsPage(ADMIN_ROUTES))
  mountKeys(app, deps, guarded, originOf)
  mountCredentials(app, deps, guarded)
  app.get('/admin', () => redirect('/dashboard'))
  app.all(
    '/dashboard/*',
    guarded(async () => html(<FaultPage status={404} message="There is no such page." />, 404)),
  )
  return app
}

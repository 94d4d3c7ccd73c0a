/** What is done to credentials in the dashboard: its forms become calls of the admin table, so that one schema validates both. */
import type { Context, Handler, Hono } from 'hono'
import { asGatewayError } from '../admin/answer.ts'
import { credentialRoutes, UNTESTED_WORDS } from '../admin/credentials.ts'
import type { AdminBindings, AdminDeps } from '../admin/deps.ts'
import { parseStrict } from '../admin/validate.ts'
import { credentialPage, TEST_FIRST } from './credential.tsx'
import { credentialPath, credentialsPage } from './credentials.tsx'
import { credentialBodyOf, fieldOf, type FormValues, readForm, secretBodyOf } from './forms.ts'
import { html, redirect } from './response.tsx'

type Env = { Bindings: AdminBindings }
type Serve = (context: Context<Env>) => Promise<Response>

/** A row of the admin table as the API serves it; what it answers. */
async function callRow(
  deps: AdminDeps,
  route: string,
  id: string,
  body: unknown = {},
): Promise<Readonly<Record<string, unknown>>> {
  const row = credentialRoutes.find(({ method, path }) => `${method} ${path}` === route)
  if (row === undefined) throw new Error(`the admin table has no ${route}`)
  const answer = await row.handle(deps, {
    params: { id },
    query: new URLSearchParams(),
    body: row.body && parseStrict(row.body, body),
    wantsCsv: false,
    once: undefined,
  })
  return 'json' in answer ? (answer.json as Record<string, unknown>) : {}
}

/** What a refused form is shown again with: never the secret. */
const withoutSecret = ({ secret: _secret, ...rest }: FormValues): FormValues => rest

/** The form has a box where the API has a field. */
const UNTICK_WORDS = `To keep the new one all the same, untick “${TEST_FIRST}”.`

function formOf(values: FormValues, error: unknown, deps: AdminDeps) {
  const fault = asGatewayError(error, deps.log)
  const form = {
    values: withoutSecret(values),
    fault: { message: fault.message.replace(UNTESTED_WORDS, UNTICK_WORDS), field: fieldOf(fault.param) },
  }
  return { status: fault.status, form }
}

async function add(deps: AdminDeps, context: Context<Env>): Promise<Response> {
  const values = await readForm(context.req.raw)
  try {
    const { id } = await callRow(deps, 'POST /credentials', '', credentialBodyOf(values))
    return redirect(`${credentialPath(String(id))}?done=added`)
  } catch (error) {
    const { status, form } = formOf(values, error, deps)
    return html(credentialsPage(deps, new URLSearchParams(), form), status)
  }
}

async function rotate(deps: AdminDeps, context: Context<Env>, id: string): Promise<Response> {
  const values = await readForm(context.req.raw)
  try {
    const body = secretBodyOf(values)
    await callRow(deps, 'POST /credentials/:id/rotate', id, body)
    return redirect(`${credentialPath(id)}?done=${body.stage === 'pending' ? 'pending' : 'current'}`)
  } catch (error) {
    const { status, form } = formOf(values, error, deps)
    return html(credentialPage(deps, id, { form }), status)
  }
}

async function test(deps: AdminDeps, id: string): Promise<Response> {
  const { ok, message } = await callRow(deps, 'POST /credentials/:id/test', id)
  return html(credentialPage(deps, id, { test: { ok: ok === true, message: String(message) } }))
}

async function retire(deps: AdminDeps, context: Context<Env>, id: string): Promise<Response> {
  const { stage } = await readForm(context.req.raw)
  await callRow(deps, 'POST /credentials/:id/retire', id, { stage })
  return redirect(`${credentialPath(id)}?done=retired`)
}

async function promote(deps: AdminDeps, id: string): Promise<Response> {
  await callRow(deps, 'POST /credentials/:id/promote', id)
  return redirect(`${credentialPath(id)}?done=promoted`)
}

async function remove(deps: AdminDeps, id: string): Promise<Response> {
  await callRow(deps, 'DELETE /credentials/:id', id)
  return redirect('/dashboard/credentials?done=deleted')
}

/** Mounts the forms; `guarded` lets only a signed-in person's own pages through. */
export function mountCredentials(
  app: Hono<Env>,
  deps: AdminDeps,
  guarded: (serve: Serve) => Handler<Env>,
): void {
  const idOf = (context: Context<Env>): string => context.req.param('id') ?? ''
  const verbs: Readonly<Record<string, Serve>> = {
    rotate: context => rotate(deps, context, idOf(context)),
    test: context => test(deps, idOf(context)),
    promote: context => promote(deps, idOf(context)),
    retire: context => retire(deps, context, idOf(context)),
    delete: context => remove(deps, idOf(context)),
  }
  app.post(
    '/dashboard/credentials',
    guarded(context => add(deps, context)),
  )
  for (const [verb, serve] of Object.entries(verbs))
    app.post(`/dashboard/credentials/:id/${verb}`, guarded(serve))
}

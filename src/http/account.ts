/** The data plane's reading routes: models, the caller's own key and spend, one finished request. */
import { type Context, Hono } from 'hono'
import { authenticate } from '../authenticate.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { asGatewayError } from '../gateway.ts'
import { didYouMean } from '../route/near.ts'
import type { Caller, Key, Scope, Wire } from '../terms.ts'
import {
  type BudgetUse,
  generationWire,
  keyWire,
  parseSpendQuery,
  SPEND_PARAMETERS,
  spendCsv,
  spendWire,
  totalOf,
  usesByLineage,
} from '../wire/account.ts'
import { errorBody, errorHeaders } from '../wire/error.ts'
import { endpointAt } from './endpoints.ts'
import {
  anthropicList,
  anthropicModel,
  endpointsOf,
  googleList,
  googleModel,
  modelList,
  modelNamed,
} from './models.ts'
import { readQuery, wantsCsv } from './query.ts'
import { webCall } from './web.ts'

/** The part of the ledger that these views need. */
export interface AccountLedger {
  usageOf(key: Key): readonly BudgetUse[]
  fold(): void | Promise<void>
}

export interface AccountDeps extends Deps {
  readonly account: AccountLedger
  /** Keys that share this key's lineage; absent = only the key itself. */
  readonly lineage?: (lineage: string) => readonly Key[]
}

/** What a runtime says about a connection. */
export interface DataBindings {
  readonly peer?: string
}

type Env = { Bindings: DataBindings }
type View = (caller: Caller, c: Context<Env>) => Promise<Response> | Response

/** An error as a web Response in the caller's wire. */
export function refusal(error: GatewayError, wire: Wire, requestId: string): Response {
  const headers = new Headers({
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-request-id': requestId,
  })
  const flat = errorHeaders(error)
  for (let i = 0; i + 1 < flat.length; i += 2) headers.set(flat[i] ?? '', flat[i + 1] ?? '')
  return new Response(errorBody(wire, error), { status: error.status, headers })
}

export function createAccount(deps: AccountDeps): Hono<Env> {
  const app = new Hono<Env>()

  /** Authenticates, runs the view, and answers errors in the caller's wire. Nothing here may be cached on the way. */
  const view = (path: string, scope: Scope, serve: View) =>
    app.get(path, async c => {
      const id = deps.newId('req_')
      const wire = wireOf(c)
      try {
        const startedAtMs = deps.clock.monotonic()
        const facts = { id, peer: c.env?.peer ?? '', startedAtMs, bytes: deps.bytes, path: c.req.path }
        const caller = await authenticate(webCall(c.req.raw, facts), deps, scope)
        if (deps.closed() === 'sealed') throw new GatewayError('sealed', 'The vault is sealed.')
        const response = await serve(caller, c)
        response.headers.set('cache-control', 'no-store')
        response.headers.set('x-request-id', id)
        return response
      } catch (error) {
        return refusal(asGatewayError(error, deps), wire, id)
      }
    })

  view('/v1/models', 'models', ({ key }, c) => {
    const { search, provider, ...page } = c.req.query()
    const wire = wireOf(c)
    if (wire === 'gemini') return c.json(googleList(deps.market(), key, page))
    const models = modelList(deps.market(), key, { search, provider })
    return c.json(wire === 'anthropic' ? anthropicList(models, page) : { object: 'list', data: models })
  })
  view('/v1/models/:id{.+}', 'models', ({ key }, c) => oneModel(c, key, deps))
  view('/v1beta/models', 'models', ({ key }, c) => c.json(googleList(deps.market(), key, c.req.query())))
  view('/v1beta/models/:id{.+}', 'models', ({ key }, c) => oneModel(c, key, deps))
  view('/v1/key', 'spend', async ({ key }) => {
    await deps.account.fold()
    const use = usesByLineage(kinOf(key, deps), await deps.store.keyUse()).get(key.id)
    return Response.json(keyWire(key, deps.account.usageOf(key), use, deps.clock.now()))
  })
  view('/v1/key/spend', 'spend', ({ key }, c) => spend(c, key, deps))
  view('/v1/generation', 'spend', ({ key }, c) => generation(c, key, deps))
  return app
}

/** Whose form of the answers the caller reads: Anthropic's and Google's clients say who they are. */
function wireOf(c: Context<Env>): Wire {
  if (c.req.header('anthropic-version')) return 'anthropic'
  // @google/genai says /v1 since version 3
  return c.req.path.startsWith('/v1beta') || c.req.header('x-goog-api-client') ? 'gemini' : 'openai'
}

/** A path segment as the caller meant it; a broken escape means itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function oneModel(c: Context<Env>, key: Key, deps: AccountDeps): Response {
  // the raw path: ids may hold `/` or `%2F`, and a decoded parameter could not tell them from the route's own
  const rest = decoded(new URL(c.req.url).pathname.replace(/^(\/openai)?\/v1(beta)?\/models\//, ''))
  if (endpointAt(c.req.path))
    throw new GatewayError('method_not_allowed', `${c.req.path.slice(0, 200)} takes POST.`, {
      allow: 'POST, OPTIONS',
    })
  const market = deps.market()
  const whole = modelNamed(rest, market, key)
  const forms: Partial<Record<Wire, typeof googleModel>> = { anthropic: anthropicModel, gemini: googleModel }
  if (whole) return c.json(forms[wireOf(c)]?.(whole) ?? whole)
  const asked = rest.endsWith('/endpoints') ? rest.slice(0, -'/endpoints'.length) : rest
  const endpoints =
    asked === rest ? undefined : endpointsOf(asked, market, key, deps.health, deps.clock.now())
  if (endpoints) return c.json({ data: endpoints })
  const found = market.resolve(asked)
  const message =
    found.kind === 'not_sold'
      ? found.message
      : `The model '${asked.slice(0, 100)}' does not exist here, or this key may not call it.${didYouMean(asked, found, key, market)} GET /v1/models lists what it can.`
  throw new GatewayError('unknown_model', message, { param: 'model' })
}

/** The key and those that it replaced or that replaced it: to its user they are one, with one set of budgets and one past. */
function kinOf(key: Key, { lineage }: AccountDeps): readonly Key[] {
  const kin = lineage?.(key.lineage) ?? []
  return kin.length === 0 ? [key] : kin
}

async function spend(c: Context<Env>, key: Key, deps: AccountDeps): Promise<Response> {
  const kin = kinOf(key, deps)
  const query = {
    ...parseSpendQuery(readQuery(c.req.url, SPEND_PARAMETERS), deps.clock.now(), ['model']),
    keyIds: kin.map(({ id }) => id),
  }
  await deps.account.fold()
  const rows = await deps.store.spend(query)
  const name = (id: string) => kin.find(each => each.id === id)?.name
  if (wantsCsv(c.req.header('accept'))) {
    return new Response(spendCsv(query, rows, name), {
      headers: { 'content-type': 'text/csv; charset=utf-8' },
    })
  }
  const total = totalOf(query, rows) ?? (await deps.store.spend({ ...query, groupBy: [] }))[0]
  return jsonText(spendWire(query, rows, total, name))
}

async function generation(c: Context<Env>, key: Key, deps: AccountDeps): Promise<Response> {
  const id = c.req.query('id')
  if (!id)
    throw new GatewayError('invalid_request', 'id: is required, the x-request-id or the id of an answer.', {
      param: 'id',
    })
  await deps.account.fold()
  const mine = kinOf(key, deps).map(each => each.id)
  const request = await deps.store.request(id, mine)
  const wire = request?.attempts.some(row => row.lineage === key.lineage)
    ? generationWire(request)
    : undefined
  if (!wire)
    throw new GatewayError('not_found', 'No finished request of this key has that id.', { param: 'id' })
  return jsonText(wire)
}

const jsonText = (value: unknown) =>
  new Response(JSON.stringify(value), { headers: { 'content-type': 'application/json' } })

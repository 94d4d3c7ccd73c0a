/** LiteLLM's settings for the whole proxy → ours: strategy, retries, timeouts, fallbacks and aliases; what has no counterpart is told. Part of litellm.ts. */
import type { Deployed, Seat } from './deployments.ts'
import type { Tell } from './places.ts'
import type { LiteLlm, Table } from './source.ts'

export interface AliasEntry {
  readonly models: string[]
  readonly strategy?: string
  readonly weights?: Record<string, number>
}

export interface SettingsEntry {
  readonly aliases: Record<string, AliasEntry>
  readonly routing?: { readonly strategy: string }
  readonly retries?: { readonly attempts: number }
  readonly timeouts?: { readonly total_ms: number }
  readonly limits?: { readonly concurrency?: number; readonly body_bytes?: number }
  readonly retention?: { readonly requests_days: number }
}

const STRATEGIES: Readonly<Record<string, string>> = {
  'simple-shuffle': 'weighted',
  'latency-based-routing': 'latency',
  'cost-based-routing': 'price',
  'least-busy': 'balanced',
  'usage-based-routing': 'balanced',
  'usage-based-routing-v2': 'balanced',
}

/** Read below, or told with a reason; every other member is told as having no counterpart. */
const WHY: Readonly<Record<string, string>> = {
  master_key: 'callers have keys (switchgate key create), admins the admin token; this one is not taken over',
  salt_key: 'secrets are sealed with a master key of our own',
  database_url:
    'keys, teams and spend are not imported: make them with switchgate key create and project create',
  store_model_in_db: 'models stand in the file, credentials in the vault',
  drop_params: 'always so: what a target cannot take is left out, and named in x-switchgate-dropped',
  set_verbose: 'LOG_LEVEL=debug',
  json_logs: 'LOG_FORMAT=json',
  success_callback: 'there are GET /metrics, one access line a request, and the ledger',
  failure_callback: 'there are GET /metrics, one access line a request, and the ledger',
  callbacks: 'there are GET /metrics, one access line a request, and the ledger',
  service_callback: 'there are GET /metrics, one access line a request, and the ledger',
  alerting: 'alerts.webhook tells of budgets; for the rest OPERATIONS.md has rules for Prometheus',
  cache: 'answers are not cached',
  cache_params: 'answers are not cached',
  redis_host: 'one process needs no shared memory',
  redis_port: 'one process needs no shared memory',
  redis_password: 'one process needs no shared memory',
  redis_url: 'one process needs no shared memory',
  cooldown_time: 'targets rest by what they answer: see ROUTING.md',
  allowed_fails: 'targets rest by what they answer: see ROUTING.md',
  allowed_fails_policy: 'targets rest by what they answer: see ROUTING.md',
  disable_cooldowns: 'targets rest by what they answer: see ROUTING.md',
  retry_policy: 'which failures are tried elsewhere is fixed: see README.md',
  retry_after: 'Retry-After is kept, other pauses are short',
  enable_pre_call_checks: 'always so: a target whose context is too small is not asked',
  context_window_fallbacks: 'a larger context is found among the models of an alias: list it there',
  content_policy_fallbacks: 'see routing.around_content_filter',
  completion_model: 'set default_model on keys',
  max_budget: 'organisation and projects have budgets: switchgate project change organisation --budget',
  budget_duration: 'organisation and projects have budgets: switchgate project change organisation --budget',
  background_health_checks: 'health is learned from traffic',
  health_check_interval: 'health is learned from traffic',
}

const DONE = new Set([
  'routing_strategy',
  'num_retries',
  'timeout',
  'request_timeout',
  'fallbacks',
  'default_fallbacks',
  'model_group_alias',
  'global_max_parallel_requests',
  'max_request_size_mb',
  'maximum_spend_logs_retention_period',
])

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const namesOf = (value: unknown): string[] =>
  Array.isArray(value)
    ? value.filter(one => typeof one === 'string')
    : typeof value === 'string'
      ? [value]
      : []

/** `[{a: [b, c]}]`, or the same as one table → a → [b, c]. */
function fallbacksOf(value: unknown): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const part of Array.isArray(value) ? value : [value])
    if (isTable(part))
      for (const [name, models] of Object.entries(part))
        found.set(name, [...(found.get(name) ?? []), ...namesOf(models)])
  return found
}

function tellUnread(source: LiteLlm, tell: Tell): void {
  const parts = {
    router_settings: source.router,
    litellm_settings: source.module,
    general_settings: source.general,
  }
  for (const [part, table] of Object.entries(parts))
    for (const [name, value] of Object.entries(table))
      if (!DONE.has(name) && value !== null && value !== false)
        tell(`${part}.${name}`, WHY[name] ?? 'has no counterpart')
  for (const name of Object.keys(source.variables))
    tell(`environment_variables.${name}`, 'not taken over: put it into the environment or .env')
  for (const name of source.rest) tell(name, 'has no counterpart')
}

/** The entries of an alias that stand for a group: its bare name where that says the same. */
function entriesOf(name: string, groups: Deployed['groups']): string[] {
  const seats = groups.get(name) ?? []
  return seats.length > 0 && seats.every(({ isBare }) => isBare) ? [name] : seats.map(({ target }) => target)
}

function weightsOf(seats: readonly Seat[]): Record<string, number> | undefined {
  if (seats.length < 2 || seats.some(({ weight }) => weight === undefined)) return undefined
  if (seats.every(({ weight }) => weight === seats[0]?.weight)) return undefined
  return Object.fromEntries(seats.map(({ target, weight }) => [target, weight ?? 0]))
}

/** An alias where the group's own models do not say it already. */
function aliasOf(
  name: string,
  others: readonly string[],
  shuffles: boolean,
  groups: Deployed['groups'],
): AliasEntry | undefined {
  const seats = groups.get(name) ?? []
  const own = entriesOf(name, groups)
  const next = [...new Set(others.flatMap(other => entriesOf(other, groups)))].filter(
    entry => !own.includes(entry),
  )
  if (next.length > 0) return { models: [...own, ...next], strategy: 'priority' }
  const weights = shuffles ? weightsOf(seats) : undefined
  if (weights) return { models: seats.map(({ target }) => target), weights }
  return own.length === 1 && own[0] === name ? undefined : { models: own }
}

interface Aliasing {
  readonly source: LiteLlm
  readonly groups: Deployed['groups']
  readonly shuffles: boolean
  readonly tell: Tell
}

function aliasesOf({ source, groups, shuffles, tell }: Aliasing): Record<string, AliasEntry> {
  const { router, module } = source
  const part = router.fallbacks === undefined ? 'litellm_settings' : 'router_settings'
  const fallbacks = fallbacksOf(router.fallbacks ?? module.fallbacks)
  const last = namesOf(router.default_fallbacks ?? module.default_fallbacks)
  const aliases: Record<string, AliasEntry> = {}
  for (const name of groups.keys()) {
    const others = fallbacks.get(name) ?? last.filter(other => other !== name)
    for (const other of others)
      if (!groups.has(other)) tell(`${part}.fallbacks`, `"${other}" is no model of model_list: left out`)
    const alias = aliasOf(name, others, shuffles, groups)
    if (alias) aliases[name] = alias
  }
  for (const name of fallbacks.keys())
    if (!groups.has(name)) tell(`${part}.fallbacks`, `"${name}" is no model of model_list: left out`)
  const given = router.model_group_alias ?? module.model_alias_map
  for (const [name, target] of Object.entries(isTable(given) ? given : {})) {
    const group = isTable(target) ? String(target.model) : String(target)
    if (groups.has(name))
      tell(`router_settings.model_group_alias.${name}`, 'is a model of model_list too: that one holds')
    else if (!groups.has(group))
      tell(`router_settings.model_group_alias.${name}`, `"${group}" is no model of model_list`)
    else aliases[name] = aliases[group] ?? { models: entriesOf(group, groups) }
  }
  return aliases
}

interface Fitting {
  readonly table: Table
  readonly name: string
  readonly toOurs: (value: unknown) => number
  readonly least: number
  readonly most: number
}

/** A number as ours take it: what is above the most is the most, what is below the least is left out, and both are told. */
function fitted(tell: Tell, part: string, { table, name, toOurs, least, most }: Fitting): number | undefined {
  const given = table[name]
  const number = given === undefined || given === null ? Number.NaN : Math.round(toOurs(given))
  if (number >= least && number <= most) return number
  const at = `${part}.${name}`
  if (number > most) tell(at, `the most that there is here: ${most}`)
  else if (given !== undefined && given !== null) tell(at, `${String(given)} has no counterpart: left out`)
  return number > most ? most : undefined
}

interface Figures {
  readonly attempts: number | undefined
  readonly totalMs: number | undefined
  readonly concurrency: number | undefined
  readonly bodyBytes: number | undefined
  readonly days: number | undefined
}

function figuresOf({ router, module, general }: LiteLlm, tell: Tell): Figures {
  const either = (name: string, other: string, bounds: Omit<Fitting, 'table' | 'name'>) =>
    (router[name] ?? undefined) === undefined
      ? fitted(tell, 'litellm_settings', { table: module, name: other, ...bounds })
      : fitted(tell, 'router_settings', { table: router, name, ...bounds })
  const one = (name: string, toOurs: Fitting['toOurs'], least: number, most: number) =>
    fitted(tell, 'general_settings', { table: general, name, toOurs, least, most })
  return {
    // those after the first
    attempts: either('num_retries', 'num_retries', { toOurs: v => Number(v) + 1, least: 1, most: 10 }),
    totalMs: either('timeout', 'request_timeout', {
      toOurs: v => Number(v) * 1_000,
      least: 1,
      most: 86_400_000,
    }),
    concurrency: one('global_max_parallel_requests', Number, 1, 1_000_000),
    bodyBytes: one('max_request_size_mb', v => Number(v) * 1_048_576, 1_024, 104_857_600),
    days: one(
      'maximum_spend_logs_retention_period',
      v => Number(/^(\d+)d$/.exec(String(v))?.[1] ?? Number.NaN),
      1,
      3_650,
    ),
  }
}

export function settle(source: LiteLlm, { groups }: Deployed, tell: Tell): SettingsEntry {
  const { router } = source
  tellUnread(source, tell)
  const named = router.routing_strategy
  const strategy = typeof named === 'string' ? STRATEGIES[named] : undefined
  if (named !== undefined && strategy === undefined)
    tell('router_settings.routing_strategy', `there is nothing like "${String(named)}": balanced`)
  else if (strategy === 'balanced')
    tell(
      'router_settings.routing_strategy',
      'the nearest is balanced: price, latency and throughput together',
    )
  const shuffles = named === undefined || named === 'simple-shuffle'
  const { attempts, totalMs, concurrency, bodyBytes, days } = figuresOf(source, tell)
  return {
    aliases: aliasesOf({ source, groups, shuffles, tell }),
    ...(strategy !== undefined && strategy !== 'balanced' && { routing: { strategy } }),
    ...(attempts !== undefined && { retries: { attempts } }),
    ...(totalMs !== undefined && { timeouts: { total_ms: totalMs } }),
    ...((concurrency ?? bodyBytes) !== undefined && {
      limits: {
        ...(concurrency !== undefined && { concurrency }),
        ...(bodyBytes !== undefined && { body_bytes: bodyBytes }),
      },
    }),
    ...(days !== undefined && { retention: { requests_days: days } }),
  }
}

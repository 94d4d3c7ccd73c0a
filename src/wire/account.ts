/** How keys, spend and requests look to scripts (contract section 7): the admin plane, `/v1/key` and `/v1/generation` answer with these. */
import type { KeyUse, StoredRequest } from '../store/store.ts'
import type {
  AttemptRow,
  Budget,
  BudgetScope,
  Certainty,
  Hours,
  Key,
  Limits,
  Project,
  RateLimits,
  Usage,
} from '../terms.ts'
import { isoOrNull, isoTime, usd, usdOrNull } from './plain.ts'

export { parseSpendQuery, SPEND_PARAMETERS, spendCsv, spendText, spendWire, totalOf } from './spend.ts'

/** State of one budget window now. Amounts in nano-USD; `resetsAtMs` null = never (`total`). */
export interface BudgetUse {
  readonly window: string
  readonly scope?: BudgetScope | undefined
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  readonly remainingNanoUsd: number
  readonly resetsAtMs: number | null
  /** Of a budget for each name by itself: whose figures these are; null = nobody's yet. */
  readonly fullest?: string | null
}

export type WireKeyStatus = 'active' | 'suspended' | 'revoked' | 'expired'

/** Status as the wire shows it: an active key past its expiry is `expired`. */
export function keyStatus(key: Key, nowMs: number): WireKeyStatus {
  const expired = key.expiresAtMs !== null && key.expiresAtMs <= nowMs
  return key.status !== 'revoked' && expired ? 'expired' : key.status
}

/** Unset is null on the wire; inside, these lists are empty. */
const orNull = <Item>(list: readonly Item[]): readonly Item[] | null => (list.length === 0 ? null : list)

function scopeWire(scope: BudgetScope | undefined): Record<string, unknown> {
  if (scope === undefined) return {}
  return scope.name === null ? { per: scope.kind } : { [scope.kind]: scope.name }
}

/** The use of this budget among those of its holder. */
export const useOfBudget = <Use extends BudgetUse>(
  { window, scope }: Budget,
  uses: readonly Use[],
): Use | undefined =>
  uses.find(
    use => use.window === window && use.scope?.kind === scope?.kind && use.scope?.name === scope?.name,
  )

/** A budget with where it stands. `usd` is the budget's own limit; while a raise is in force its `usd` stands in its place. */
function budgetWire(budget: Budget, uses: readonly BudgetUse[], nowMs: number): Record<string, unknown> {
  const now = useOfBudget(budget, uses)
  const raise = budget.raise !== undefined && nowMs < budget.raise.untilMs ? budget.raise : undefined
  return {
    window: budget.window,
    usd: usd(budget.limitNanoUsd),
    soft_usd: usdOrNull(budget.softNanoUsd),
    ...scopeWire(budget.scope),
    ...(budget.scope?.name === null && { fullest: now?.fullest ?? null }),
    raise: raise === undefined ? null : { usd: usd(raise.limitNanoUsd), until: isoTime(raise.untilMs) },
    spent_usd: usd(now?.spentNanoUsd ?? 0),
    held_usd: usd(now?.heldNanoUsd ?? 0),
    remaining_usd: usd(now?.remainingNanoUsd ?? budget.limitNanoUsd),
    resets_at: isoOrNull(now?.resetsAtMs ?? null),
  }
}

const ratesWire = ({ rpm, tpm, rpd, concurrency, burst }: RateLimits) => ({
  rpm,
  tpm,
  rpd,
  concurrency,
  burst: burst ?? null,
})

/** `limits` of a key or a project. */
export function limitsWire(limits: Limits): Record<string, unknown> {
  const { throttleMs, perUser, perModel } = limits
  const models = Object.entries(perModel ?? {})
  return {
    ...ratesWire(limits),
    throttle_ms: throttleMs ?? null,
    per_user: perUser ? ratesWire(perUser) : null,
    per_model: models.length > 0 ? Object.fromEntries(models.map(([id, set]) => [id, ratesWire(set)])) : null,
  }
}

/** Every member is there, so that what was read can be sent back. */
const hoursWire = (hours: Hours | null | undefined): Record<string, unknown> | null =>
  hours
    ? {
        zone: hours.zone ?? 'UTC',
        allow: hours.allow.map(({ days, from, to }) => ({ days: days ?? null, from, to })),
      }
    : null

/** What a key and its kin have spent, and when it was last used itself. */
export interface LineageUse {
  readonly lastUsedAtMs: number | undefined
  readonly spentNanoUsd: number
}

/** Sums the uses of a lineage, as its budgets do: a successor goes on where its predecessor was. By key id. */
export function usesByLineage(
  keys: readonly Key[],
  uses: readonly KeyUse[],
): ReadonlyMap<string, LineageUse> {
  const own = new Map(uses.map(use => [use.keyId, use]))
  const spent = new Map<string, number>()
  for (const { id, lineage } of keys)
    spent.set(lineage, (spent.get(lineage) ?? 0) + (own.get(id)?.spentNanoUsd ?? 0))
  return new Map(
    keys.map(({ id, lineage }) => [
      id,
      { lastUsedAtMs: own.get(id)?.lastUsedAtMs, spentNanoUsd: spent.get(lineage) ?? 0 },
    ]),
  )
}

/** The contract's key object; the key's text is never in it. `usage` = the ledger's view of its budgets. */
export function keyWire(
  key: Key,
  usage: readonly BudgetUse[],
  use: LineageUse | undefined,
  nowMs: number,
): Record<string, unknown> {
  return {
    id: key.id,
    name: key.name,
    env: key.env,
    status: keyStatus(key, nowMs),
    project: key.project,
    owner: key.owner,
    created_at: isoTime(key.createdAtMs),
    expires_at: isoOrNull(key.expiresAtMs),
    last_used_at: isoOrNull(use?.lastUsedAtMs ?? null),
    models: key.models,
    providers: key.providers,
    scopes: key.scopes ?? null,
    limits: limitsWire(key.limits),
    budgets: orNull(key.budgets.map(budget => budgetWire(budget, usage, nowMs))),
    ip_allow: key.ipAllow,
    ip_deny: key.ipDeny,
    origin_allow: key.originAllow ?? null,
    regions: key.regions,
    hours: hoursWire(key.hours),
    max_output_tokens: key.maxOutputTokens,
    default_model: key.defaultModel,
    priority: key.limits.priority ?? null,
    tags: orNull(key.tags),
    metadata: Object.keys(key.metadata).length === 0 ? null : key.metadata,
    spent_usd: usd(use?.spentNanoUsd ?? 0),
  }
}

/** A project, or the organisation, as the admin plane shows it. `keys` and `spentNanoUsd`: how many there are and what they spent in all. */
export function projectWire(
  project: Project,
  usage: readonly BudgetUse[],
  { keys, spentNanoUsd }: { readonly keys: number; readonly spentNanoUsd: number },
  nowMs: number,
): Record<string, unknown> {
  return {
    id: project.id,
    name: project.name,
    status: project.status,
    created_at: isoTime(project.createdAtMs),
    limits: limitsWire(project.limits),
    budgets: orNull(project.budgets.map(budget => budgetWire(budget, usage, nowMs))),
    metadata: Object.keys(project.metadata).length === 0 ? null : project.metadata,
    keys,
    spent_usd: usd(spentNanoUsd),
  }
}

const CERTAINTY_ORDER: readonly Certainty[] = ['exact', 'recovered', 'estimated', 'unknown']

/** The least sure of the attempts' certainties. */
export function certaintyOf(attempts: readonly Pick<AttemptRow, 'certainty'>[]): Certainty {
  let worst = 0
  for (const attempt of attempts) worst = Math.max(worst, CERTAINTY_ORDER.indexOf(attempt.certainty))
  return CERTAINTY_ORDER[worst] ?? 'exact'
}

/** Sum of the attempts, nano-USD; null when any price is unknown, since a partial sum would look like the whole. */
export function requestCost(attempts: readonly AttemptRow[]): number | null {
  let sum = 0
  for (const attempt of attempts) {
    if (attempt.costNanoUsd === null) return null
    sum += attempt.costNanoUsd
  }
  return sum
}

function usageWire(usage: Usage | null): Record<string, number> | null {
  if (usage === null) return null
  return {
    input_tokens: usage.inputTokens,
    cached_tokens: usage.cacheReadInputTokens,
    cache_creation_tokens: usage.cacheCreationInputTokens,
    output_tokens: usage.outputTokens,
    reasoning_tokens: usage.reasoningOutputTokens,
  }
}

/** The contract's generation object: one finished request with its attempts. Undefined = a request without attempts. */
export function generationWire(request: StoredRequest): Record<string, unknown> | undefined {
  const last = request.attempts.find(attempt => attempt.last) ?? request.attempts.at(-1)
  if (last === undefined) return undefined
  const cost = requestCost(request.attempts)
  return {
    id: request.id,
    created_at: isoTime(request.attempts[0]?.createdAtMs ?? last.createdAtMs),
    model: last.model,
    provider: last.provider,
    stream: last.stream,
    status: last.status,
    finish_reason: last.finishReason,
    usage: usageWire(last.usage),
    cost_usd: usdOrNull(cost),
    cost_nano_usd: cost === null ? null : String(cost),
    certainty: certaintyOf(request.attempts),
    attempts: request.attempts.map(attemptWire),
  }
}

function attemptWire(attempt: AttemptRow): Record<string, unknown> {
  return {
    provider: attempt.provider,
    model: attempt.model,
    status: attempt.upstreamStatus ?? attempt.status,
    error: attempt.error,
    ttft_ms: attempt.ttftMs,
    total_ms: attempt.totalMs,
    usage: usageWire(attempt.usage),
    cost_usd: usdOrNull(attempt.costNanoUsd),
    certainty: attempt.certainty,
  }
}

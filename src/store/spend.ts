/** Spend views: which SQL answers a query, and how a group is named and ordered. Whole hours come from the hourly sums, the rest from the ledger's rows. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { attempts, spendHourly } from '../../drizzle/sqlite/schema.ts'
import { HOUR_MS, hourOf } from './fold.ts'
import type { SqlValue, Statement } from './sql.ts'
import type { SpendGroup, SpendQuery, SpendRow } from './store.ts'

const DAY_MS = 86_400_000
const dialect = new SQLiteSyncDialect()

/** How each group is read from the unified rows below. Day and hour stay numbers until `labelOf`. */
const GROUPS: Readonly<Record<SpendGroup, SQL>> = {
  key: sql`key_id`,
  project: sql`nullif(project, '')`,
  model: sql`model`,
  provider: sql`provider`,
  day: sql`hour_ms / 86400000`,
  hour: sql`hour_ms`,
  user: sql`user`,
  tag: sql`tag`,
}

/** What a group's value is called: days as `2026-01-31`, hours as `2026-01-31T13:00:00.000Z`, null = none. */
export function labelOf(group: SpendGroup, value: SqlValue): string | null {
  if (value === null) return null
  if (group === 'day') return new Date(Number(value) * DAY_MS).toISOString().slice(0, 10)
  if (group === 'hour') return new Date(Number(value)).toISOString()
  return String(value)
}

/** Time upwards, then money downwards, then names, so that every engine gives the same order. */
export function orderSpend(groupBy: readonly SpendGroup[], rows: SpendRow[]): SpendRow[] {
  const times = groupBy.filter(name => name === 'day' || name === 'hour')
  const names = groupBy.filter(name => name !== 'day' && name !== 'hour')
  const compare = (a: SpendRow, b: SpendRow, name: SpendGroup): number => {
    const [left, right] = [a.group[name] ?? '', b.group[name] ?? '']
    return left < right ? -1 : left > right ? 1 : 0
  }
  return rows.sort((a, b) => {
    for (const name of times) if (compare(a, b, name) !== 0) return compare(a, b, name)
    if (a.costNanoUsd !== b.costNanoUsd) return b.costNanoUsd - a.costNanoUsd
    for (const name of names) if (compare(a, b, name) !== 0) return compare(a, b, name)
    return 0
  })
}

/** `and key_id …`, or nothing for all keys. */
function keyFilter(keyIds: readonly string[] | undefined): SQL {
  if (keyIds === undefined) return sql``
  if (keyIds.length === 1) return sql` and key_id = ${keyIds[0]}`
  return sql` and key_id in (select value from json_each(${JSON.stringify(keyIds)}))`
}

function fromHours(fromMs: number, toMs: number, keys: SQL): SQL {
  return sql`select hour_ms, key_id, project, model, provider, requests, attempts, input_tokens, output_tokens,
    cached_tokens, cost_nano_usd, estimated_nano_usd, unknown_nano_usd, unpriced_requests
    from ${spendHourly} where hour_ms >= ${fromMs} and hour_ms < ${toMs}${keys}`
}

/** The same columns computed from single attempts, and more of them when a user or a tag is asked for. */
function fromAttempts(fromMs: number, toMs: number, keys: SQL, extra: SQL = sql``, join: SQL = sql``): SQL {
  return sql`select created_at_ms / 3600000 * 3600000 as hour_ms, key_id, coalesce(project, '') as project, model,
    provider, last as requests, 1 as attempts, coalesce(input_tokens, 0) as input_tokens,
    coalesce(output_tokens, 0) as output_tokens, coalesce(cache_read_input_tokens, 0) as cached_tokens,
    coalesce(cost_nano_usd, 0) as cost_nano_usd,
    case when certainty = 'estimated' then coalesce(cost_nano_usd, 0) else 0 end as estimated_nano_usd,
    case when certainty = 'unknown' then coalesce(cost_nano_usd, 0) else 0 end as unknown_nano_usd,
    last and cost_nano_usd is null as unpriced_requests${extra}
    from ${attempts}${join} where created_at_ms >= ${fromMs} and created_at_ms < ${toMs}${keys}`
}

function sourceOf(query: SpendQuery): SQL {
  const { fromMs, toMs, groupBy } = query
  const keys = keyFilter(query.keyIds)
  if (groupBy.includes('tag'))
    // A left join: rows without tags are the group null.
    return fromAttempts(
      fromMs,
      toMs,
      keys,
      sql`, user, tags.value as tag`,
      sql` left join json_each(${attempts.tags}) as tags`,
    )
  if (groupBy.includes('user')) return fromAttempts(fromMs, toMs, keys, sql`, user`)
  const firstHour = hourOf(fromMs + HOUR_MS - 1)
  const lastHour = hourOf(toMs)
  if (firstHour >= lastHour) return fromAttempts(fromMs, toMs, keys)
  const parts = [fromHours(firstHour, lastHour, keys)]
  if (fromMs < firstHour) parts.push(fromAttempts(fromMs, firstHour, keys))
  if (lastHour < toMs) parts.push(fromAttempts(lastHour, toMs, keys))
  return sql.join(parts, sql` union all `)
}

/** The statement for a view: a row holds the groups in the order asked for, then the nine sums. */
export function spendStatement(query: SpendQuery): Statement {
  const names = query.groupBy.map((_, position) => sql.identifier(`group${position}`))
  const groups = query.groupBy.map((group, position) => sql`${GROUPS[group]} as ${names[position]}, `)
  const by = names.length === 0 ? sql`` : sql` group by ${sql.join(names, sql`, `)}`
  const view = sql`select ${sql.join(groups)}coalesce(sum(requests), 0), coalesce(sum(attempts), 0),
    coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(cost_nano_usd), 0), coalesce(sum(estimated_nano_usd), 0), coalesce(sum(unknown_nano_usd), 0),
    coalesce(sum(unpriced_requests), 0) from (${sourceOf(query)})${by}`
  return dialect.sqlToQuery(view) as Statement
}

/** One row of `spendStatement` as the port gives it. */
export function spendRowOf(groupBy: readonly SpendGroup[], values: readonly SqlValue[]): SpendRow {
  const sum = (position: number): number => Number(values[groupBy.length + position])
  return {
    group: Object.fromEntries(groupBy.map((name, i) => [name, labelOf(name, values[i] ?? null)])),
    requests: sum(0),
    attempts: sum(1),
    inputTokens: sum(2),
    outputTokens: sum(3),
    cachedTokens: sum(4),
    costNanoUsd: sum(5),
    estimatedNanoUsd: sum(6),
    unknownNanoUsd: sum(7),
    unpricedRequests: sum(8),
  }
}

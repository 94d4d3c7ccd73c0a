/** Spend views: which SQL answers a query, and how a group is named and ordered. Whole days and hours come from their sums, the rest from the ledger's rows. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { attempts, partsDaily, partsHourly, spendDaily, spendHourly } from '../../drizzle/sqlite/schema.ts'
import type { SqlValue, Statement } from './sql.ts'
import type { SpendGroup, SpendQuery, SpendRow, SummedFrom } from './store.ts'
import { DAY_MS, dayOf, HOUR_MS, hourOf } from './sums.ts'

const dialect = new SQLiteSyncDialect()

/** How each group is read from the unified rows below. Day and hour stay numbers until `labelOf`. */
const GROUPS: Readonly<Record<SpendGroup, SQL>> = {
  key: sql`key_id`,
  project: sql`nullif(project, '')`,
  model: sql`model`,
  provider: sql`provider`,
  day: sql`start_ms / 86400000`,
  hour: sql`start_ms`,
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

/** Where the sums of whole hours, or of whole days, are. */
interface Sums {
  readonly spend: SQL
  readonly parts: SQL
  readonly start: SQL
}
const HOURS: Sums = { spend: sql`${spendHourly}`, parts: sql`${partsHourly}`, start: sql`hour_ms` }
const DAYS: Sums = { spend: sql`${spendDaily}`, parts: sql`${partsDaily}`, start: sql`day_ms` }

const added = sql`requests, attempts, input_tokens, output_tokens, cached_tokens, cost_nano_usd, estimated_nano_usd,
  unknown_nano_usd, unpriced_requests`
const subtracted = sql`-requests, -attempts, -input_tokens, -output_tokens, -cached_tokens, -cost_nano_usd,
  -estimated_nano_usd, -unknown_nano_usd, -unpriced_requests`

/** A stretch of time, all keys or some of them. */
interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly keys: SQL
}

/**
 * Rows of the roll-ups as `start_ms, key_id, project, model, provider, user, tag` and the nine sums. Only rows that name
 * an end user or a tag are summed by them; the others are the rest: what all rows have, less what those have.
 */
function fromSums(from: Sums, { fromMs, toMs, keys }: Stretch, groupBy: readonly SpendGroup[]): SQL[] {
  const { start } = from
  const named = sql`select ${start} as start_ms, key_id, project, model, provider,`
  const within = sql`${start} >= ${fromMs} and ${start} < ${toMs}${keys}`
  const spend = sql`${named} null as user, null as tag, ${added} from ${from.spend} where ${within}`
  const part = (kind: string, user: SQL, tag: SQL, sums: SQL) =>
    sql`${named} ${user} as user, ${tag} as tag, ${sums} from ${from.parts} where kind = ${kind} and ${within}`
  const none = sql`null`
  const user = sql`nullif(user, '')`
  const byUser = groupBy.includes('user')
  const byTag = groupBy.includes('tag')
  const list = [spend]
  if (byUser) list.push(part('user', none, none, subtracted), part('user', user, none, added))
  if (byTag) {
    const whose = byUser ? user : none
    list.push(part('tagged', whose, none, subtracted), part('tag', whose, sql`tag`, added))
  }
  return list
}

/** The same columns computed from single attempts. A left join: rows without tags are the group null. */
function fromAttempts({ fromMs, toMs, keys }: Stretch, groupBy: readonly SpendGroup[]): SQL {
  const byTag = groupBy.includes('tag')
  const tag = byTag ? sql`tags.value` : sql`null`
  const join = byTag ? sql` left join json_each(${attempts.tags}) as tags on tags.value <> ''` : sql``
  return sql`select created_at_ms / 3600000 * 3600000 as start_ms, key_id, coalesce(project, '') as project, model,
    provider, nullif(user, '') as user, ${tag} as tag, last as requests, 1 as attempts,
    coalesce(input_tokens, 0) as input_tokens, coalesce(output_tokens, 0) as output_tokens,
    coalesce(cache_read_input_tokens, 0) as cached_tokens, coalesce(cost_nano_usd, 0) as cost_nano_usd,
    case when certainty = 'estimated' then coalesce(cost_nano_usd, 0) else 0 end as estimated_nano_usd,
    case when certainty = 'unknown' then coalesce(cost_nano_usd, 0) else 0 end as unknown_nano_usd,
    last and cost_nano_usd is null as unpriced_requests
    from ${attempts}${join} where created_at_ms >= ${fromMs} and created_at_ms < ${toMs}${keys}`
}

const upTo = (ms: number, startOf: (ms: number) => number, sizeMs: number): number => startOf(ms + sizeMs - 1)

/** Splits a span into what whole units of the size cover, and what is left before and after them. */
function split(fromMs: number, toMs: number, startOf: (ms: number) => number, sizeMs: number) {
  const first = upTo(fromMs, startOf, sizeMs)
  const last = startOf(toMs)
  if (first >= last) return { whole: undefined, rest: [[fromMs, toMs]] }
  const rest: number[][] = []
  if (fromMs < first) rest.push([fromMs, first])
  if (last < toMs) rest.push([last, toMs])
  return { whole: { fromMs: first, toMs: last }, rest }
}

/** Whole days from the days' sums (unless hours are asked for), whole hours from the hours', the edges from the rows. Each list is one statement's. */
function sourcesOf({ fromMs, toMs, nowMs, groupBy, keyIds }: SpendQuery): SQL[][] {
  const keys = keyFilter(keyIds)
  const byHour = groupBy.includes('hour')
  // Nothing is later than now: the running hour, and the running day, are in their sums as far as they are.
  const open = nowMs !== undefined && toMs > nowMs
  const endMs = open ? upTo(toMs, byHour ? hourOf : dayOf, byHour ? HOUR_MS : DAY_MS) : toMs
  const lists: SQL[][] = []
  const days = byHour ? { whole: undefined, rest: [[fromMs, endMs]] } : split(fromMs, endMs, dayOf, DAY_MS)
  if (days.whole) lists.push(fromSums(DAYS, { ...days.whole, keys }, groupBy))
  const edges: SQL[] = []
  for (const [from = 0, to = 0] of days.rest) {
    const hours = split(from, to, hourOf, HOUR_MS)
    if (hours.whole) lists.push(fromSums(HOURS, { ...hours.whole, keys }, groupBy))
    for (const [edge = 0, end = 0] of hours.rest)
      edges.push(fromAttempts({ fromMs: edge, toMs: end, keys }, groupBy))
  }
  // Two days have at most two edges each; D1 takes five terms of a compound select (workerd, SQLITE_LIMIT_COMPOUND_SELECT).
  if (edges.length > 0) lists.push(edges)
  return lists
}

/** One statement over these sources: a row holds the groups in the order asked for, then the nine sums. */
function viewOf(source: readonly SQL[], groupBy: readonly SpendGroup[]): Statement {
  const names = groupBy.map((_, position) => sql.identifier(`group${position}`))
  const groups = groupBy.map((group, position) => sql`${GROUPS[group]} as ${names[position]}, `)
  // A group that has nothing left when those with a name are taken from it is none.
  const by = names.length === 0 ? sql`` : sql` group by ${sql.join(names, sql`, `)} having sum(attempts) > 0`
  const view = sql`select ${sql.join(groups)}coalesce(sum(requests), 0), coalesce(sum(attempts), 0),
    coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(cost_nano_usd), 0), coalesce(sum(estimated_nano_usd), 0), coalesce(sum(unknown_nano_usd), 0),
    coalesce(sum(unpriced_requests), 0) from (${sql.join([...source], sql` union all `)})${by}`
  return dialect.sqlToQuery(view) as Statement
}

/** The statements whose rows, summed by group, are a view. */
export const spendStatements = (query: SpendQuery): Statement[] =>
  sourcesOf(query).map(source => viewOf(source, query.groupBy))

/** The groups of `Store.summed`: everything that sums are kept by. */
export const SUMMED_BY: readonly SpendGroup[] = ['key', 'model', 'provider', 'project', 'user', 'tag']

/** What one source has in a span, for comparing the sources with each other. */
export function summedStatement(from: SummedFrom, fromMs: number, toMs: number): Statement {
  const stretch = { fromMs, toMs, keys: sql`` }
  if (from === 'rows') return viewOf([fromAttempts(stretch, SUMMED_BY)], SUMMED_BY)
  return viewOf(fromSums(from === 'hours' ? HOURS : DAYS, stretch, SUMMED_BY), SUMMED_BY)
}

/** What the statements of a view gave, as the port gives it: one row a group, in order. */
export function spendView(
  groupBy: readonly SpendGroup[],
  answers: readonly (readonly (readonly SqlValue[])[])[],
): SpendRow[] {
  const [only] = answers
  if (answers.length === 1 && only)
    return orderSpend(
      groupBy,
      only.map(values => spendRowOf(groupBy, values)),
    )
  const sums = new Map<string, SqlValue[]>()
  for (const values of answers.flat()) {
    const at = JSON.stringify(values.slice(0, groupBy.length))
    const sum = sums.get(at)
    if (sum === undefined) sums.set(at, [...values])
    else for (let i = groupBy.length; i < values.length; i++) sum[i] = Number(sum[i]) + Number(values[i])
  }
  return orderSpend(
    groupBy,
    [...sums.values()].map(values => spendRowOf(groupBy, values)),
  )
}

/** One row of a statement as the port gives it. */
function spendRowOf(groupBy: readonly SpendGroup[], values: readonly SqlValue[]): SpendRow {
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

/** Spend views: which SQL answers a query (view.ts puts the answers together). Whole days and hours come from their sums, the rest from the ledger's rows. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  attemptFacts,
  closedParts,
  partsDaily,
  partsHourly,
  spendDaily,
  spendHourly,
} from '../../drizzle/sqlite/schema.ts'
import { SUM_COLUMNS, daysChecked, WHOLE_DAY } from './closing.ts'
import type { Statement } from './sql.ts'
import type { SpendGroup, SpendQuery, SummedFrom } from './store.ts'
import { DAY_MS, dayOf, HOUR_MS, hourOf } from './sums.ts'

const dialect = new SQLiteSyncDialect()

/** How each group is read from the unified rows below. Day and hour stay numbers until view.ts names them. */
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

const kept = sql.join(SUM_COLUMNS, sql`, `)
const summed = sql.join(
  SUM_COLUMNS.map(name => sql`sum(${name}) as ${name}`),
  sql`, `,
)

/** A stretch of time, all keys or some of them. */
interface Stretch {
  readonly fromMs: number
  readonly toMs: number
  readonly keyIds?: readonly string[] | undefined
}

/** One select of `start_ms, key_id, project, model, provider, user, tag` and the nine sums, and what its sums do in a view. */
interface Source {
  readonly rows: SQL
  /** -1 = they are taken away: they are counted elsewhere. */
  readonly sign: 1 | -1
  /** The same, the other way round, for those that name no end user. */
  readonly fromNobody?: true
}

const isNamed = (groupBy: readonly SpendGroup[]): boolean =>
  groupBy.some(group => ['key', 'project', 'model', 'provider'].includes(group))
const userAndTag = sql`nullif(user, '') as user, nullif(tag, '') as tag`
const noNames = sql`null as key_id, null as project, null as model, null as provider`

/** Parts without the names that no group asks for. Their key begins with time, user and tag, so that this sorts nothing. */
function partRows({ parts, start }: Sums, kind: string, within: SQL, groupBy: readonly SpendGroup[]): SQL {
  if (isNamed(groupBy))
    return sql`select ${start} as start_ms, key_id, project, model, provider, ${userAndTag}, ${kept}
      from ${parts} where kind = ${kind} and ${within}`
  return sql`select start_ms, ${noNames}, ${userAndTag}, ${kept}
    from (select ${start} as start_ms, user, tag, ${summed} from ${parts} where kind = ${kind} and ${within}
      group by ${start}, user, tag)`
}

/** Whole days without names: those that are closed (closing.ts) have it ready. One statement, lest a day is counted twice or never. */
function closedOr(open: (those: SQL) => SQL, kind: string, within: SQL): SQL {
  const those = (isClosed: SQL) => sql`day_ms in (select day_ms from days where is_closed = ${isClosed})`
  return sql`with days as materialized (${daysChecked(within)})
    select day_ms as start_ms, ${noNames}, ${userAndTag}, ${kept} from ${closedParts}
      where kind = ${kind} and ${those(sql`1`)}
    union all ${open(those(sql`0`))}`
}

/**
 * What of the roll-ups a view needs. Only rows that name an end user or a tag are summed by them; the others are the
 * rest: what all rows have, less what those have.
 */
function fromSums(from: Sums, { fromMs, toMs, keyIds }: Stretch, groupBy: readonly SpendGroup[]): Source[] {
  const { start } = from
  const span = sql`${start} >= ${fromMs} and ${start} < ${toMs}`
  const within = sql`${span}${keyFilter(keyIds)}`
  const mayBeClosed = from === DAYS && keyIds === undefined && !isNamed(groupBy)
  const rowsOf = (open: (where: SQL) => SQL, kind: string) =>
    mayBeClosed ? closedOr(open, kind, span) : open(within)
  const part = (kind: string) => rowsOf(where => partRows(from, kind, where, groupBy), kind)
  const spend = (where: SQL) =>
    sql`select ${start} as start_ms, key_id, project, model, provider, null as user, null as tag, ${kept}
      from ${from.spend} where ${where}`
  const sources: Source[] = [{ rows: rowsOf(spend, WHOLE_DAY), sign: 1 }]
  const [byUser, byTag] = [groupBy.includes('user'), groupBy.includes('tag')]
  if (byTag) sources.push({ rows: part('tagged'), sign: -1 }, { rows: part('tag'), sign: 1 })
  if (byUser) sources.push({ rows: part(byTag ? 'user_tag' : 'user'), sign: 1, fromNobody: true })
  return sources
}

/** The same columns computed from single attempts. A left join: rows without tags are the group null. */
function fromAttempts({ fromMs, toMs, keyIds }: Stretch, groupBy: readonly SpendGroup[]): SQL {
  const byTag = groupBy.includes('tag')
  const tag = byTag ? sql`tags.value` : sql`null`
  const join = byTag ? sql` left join json_each(${attemptFacts.tags}) as tags on tags.value <> ''` : sql``
  return sql`select created_at_ms / 3600000 * 3600000 as start_ms, key_id, coalesce(project, '') as project, model,
    provider, nullif(user, '') as user, ${tag} as tag, last as requests, 1 as attempts,
    coalesce(input_tokens, 0) as input_tokens, coalesce(output_tokens, 0) as output_tokens,
    coalesce(cache_read_input_tokens, 0) as cached_tokens, coalesce(cost_nano_usd, 0) as cost_nano_usd,
    case when certainty = 'estimated' then coalesce(cost_nano_usd, 0) else 0 end as estimated_nano_usd,
    case when certainty = 'unknown' then coalesce(cost_nano_usd, 0) else 0 end as unknown_nano_usd,
    last and cost_nano_usd is null as unpriced_requests
    from ${attemptFacts}${join} where created_at_ms >= ${fromMs} and created_at_ms < ${toMs}${keyFilter(keyIds)}`
}

/** Units of time that have their sums, and what is less than one: the largest is read as far as it goes. */
interface Unit {
  readonly sums: Sums
  readonly startOf: (ms: number) => number
  readonly sizeMs: number
}
const BY_DAY: Unit = { sums: DAYS, startOf: dayOf, sizeMs: DAY_MS }
const BY_HOUR: Unit = { sums: HOURS, startOf: hourOf, sizeMs: HOUR_MS }

/** The same, taken away instead of added. */
const lessThat = (sources: readonly Source[]): Source[] =>
  sources.map(source => ({ ...source, sign: source.sign === 1 ? -1 : 1 }))

/** Whole units of the first kind from their sums; of what is left less than that from the next kind, at last from the rows. */
function sourcesBetween(fromMs: number, toMs: number, units: readonly Unit[], query: SpendQuery): Source[] {
  const { groupBy, keyIds, nowMs } = query
  const [unit, ...smaller] = units
  if (unit === undefined || fromMs >= toMs)
    return [{ rows: fromAttempts({ fromMs, toMs, keyIds }, groupBy), sign: 1 }]
  const { sums, startOf, sizeMs } = unit
  const between = (from: number, to: number) => (from < to ? sourcesBetween(from, to, smaller, query) : [])
  const whole = (from: number, to: number) =>
    from < to ? fromSums(sums, { fromMs: from, toMs: to, keyIds }, groupBy) : []
  /** Less than a unit. Of the piece and the rest of the unit the shorter is read; most views end now, and nothing is later. */
  const piece = (from: number, to: number): Source[] => {
    const start = startOf(from)
    const end = Math.min(start + sizeMs, Math.max(to, nowMs ?? Number.POSITIVE_INFINITY))
    if (to - from <= from - start + (end - to)) return between(from, to)
    return [...whole(start, start + sizeMs), ...lessThat([...between(start, from), ...between(to, end)])]
  }
  const [first, last] = [startOf(fromMs + sizeMs - 1), startOf(toMs)]
  if (first > last) return piece(fromMs, toMs)
  return [
    ...whole(first, last),
    ...(fromMs < first ? piece(fromMs, first) : []),
    ...(last < toMs ? piece(last, toMs) : []),
  ]
}

/** Days have no sums by hour. */
function sourcesOf(query: SpendQuery): Source[] {
  const units = query.groupBy.includes('hour') ? [BY_HOUR] : [BY_DAY, BY_HOUR]
  return sourcesBetween(query.fromMs, query.toMs, units, query)
}

/** A part of a view: a statement whose rows hold the groups in the order asked for, then the nine sums. */
export interface ViewPart extends Omit<Source, 'rows'> {
  readonly statement: Statement
}

/** One statement a source: over a single table the engine groups in the order of its key, over a union it sorts. */
function partOf({ rows, ...how }: Source, groupBy: readonly SpendGroup[]): ViewPart {
  const names = groupBy.map((_, position) => sql.identifier(`group${position}`))
  const groups = groupBy.map((group, position) => sql`${GROUPS[group]} as ${names[position]}, `)
  const by = names.length === 0 ? sql`` : sql` group by ${sql.join(names, sql`, `)}`
  const sums = SUM_COLUMNS.map(name => sql`coalesce(sum(${name}), 0)`)
  const view = sql`select ${sql.join(groups)}${sql.join(sums, sql`, `)} from (${rows})${by}`
  return { statement: dialect.sqlToQuery(view) as Statement, ...how }
}

/** What a view is put together from. */
export const spendParts = (query: SpendQuery): ViewPart[] =>
  sourcesOf(query).map(source => partOf(source, query.groupBy))

/** The views of `Store.summed`: between them they read every kind of sums that is kept. */
export const SUMMED_BY: readonly (readonly SpendGroup[])[] = [
  ['key', 'model', 'provider', 'project', 'user', 'tag'],
  ['key', 'model', 'provider', 'project', 'user'],
]

/** What one source has in a span, for comparing the sources with each other. */
export function summedParts(
  from: SummedFrom,
  fromMs: number,
  toMs: number,
  groupBy: readonly SpendGroup[],
): ViewPart[] {
  const stretch = { fromMs, toMs }
  if (from === 'rows') return [partOf({ rows: fromAttempts(stretch, groupBy), sign: 1 }, groupBy)]
  return fromSums(from === 'hours' ? HOURS : DAYS, stretch, groupBy).map(source => partOf(source, groupBy))
}

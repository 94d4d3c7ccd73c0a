/** Spend views: which SQL answers a query (view.ts puts the answers together). Whole days and hours come from their sums, the rest from the ledger's rows. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  attemptFacts,
  closedSums,
  partsDaily,
  partsHourly,
  spendDaily,
  spendHourly,
} from '../../drizzle/sqlite/schema.ts'
import {
  type Closed,
  closedKind,
  closedOf,
  daysChecked,
  isOneEach,
  type Run,
  runsOf,
  SUM_COLUMNS,
  type Whose,
} from './closed.ts'
import type { Maybe, SqlDriver, SqlValue, Statement } from './sql.ts'
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
  /** Each row is a group of its own. */
  readonly isGrouped?: boolean
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

/** A stretch of the roll-ups as rows fold into them. */
function openRows(
  sums: Sums,
  whose: Whose,
  { fromMs, toMs, keyIds }: Stretch,
  groupBy: readonly SpendGroup[],
): SQL {
  const { start } = sums
  const within = sql`${start} >= ${fromMs} and ${start} < ${toMs}${keyFilter(keyIds)}`
  if (whose !== 'all') return partRows(sums, whose, within, groupBy)
  return sql`select ${start} as start_ms, key_id, project, model, provider, null as user, null as tag, ${kept}
    from ${sums.spend} where ${within}`
}

/** The same of days that are closed. */
const closedRows = (kind: string, { unit, fromMs, toMs }: Run): SQL =>
  sql`select start_ms, key_id, project, model, provider, ${userAndTag}, ${kept} from ${closedSums}
    where unit = ${unit} and kind = ${kind} and start_ms >= ${fromMs} and start_ms < ${toMs}`

/** A view, and what it may read of days that are closed; undefined = nothing. */
interface Asked extends SpendQuery {
  readonly closed?: Closed | undefined
}

/** Each piece of a stretch from the sums that have it with the fewest rows. */
function rowsOf(
  sums: Sums,
  whose: Whose,
  stretch: Stretch,
  { groupBy, closed }: Asked,
): Pick<Source, 'rows' | 'isGrouped'>[] {
  const isHours = sums === HOURS
  // hours are added up for all traffic alone: by end user there would be as many rows as before
  const kind = isHours && whose !== 'all' ? undefined : closedKind(whose, groupBy)
  if (closed === undefined || kind === undefined) return [{ rows: openRows(sums, whose, stretch, groupBy) }]
  // weeks know no days, and no names
  const byWeek = !isHours && !isNamed(groupBy) && !groupBy.includes('day')
  const { fromMs, toMs } = stretch
  return runsOf(closed, fromMs, toMs, { unit: isHours ? 'hour' : 'day', byWeek }).map(run =>
    run.unit === undefined
      ? { rows: openRows(sums, whose, run, groupBy) }
      : { rows: closedRows(kind, run), isGrouped: isOneEach(kind, run.unit, groupBy) },
  )
}

/**
 * What of the roll-ups a view needs. Only rows that name an end user or a tag are summed by them; the others are the
 * rest: what all rows have, less what those have.
 */
function fromSums(sums: Sums, stretch: Stretch, asked: Asked): Source[] {
  const { groupBy } = asked
  const of = (whose: Whose, how: Omit<Source, 'rows' | 'isGrouped'>): Source[] =>
    rowsOf(sums, whose, stretch, asked).map(rows => ({ ...rows, ...how }))
  const [byUser, byTag] = [groupBy.includes('user'), groupBy.includes('tag')]
  return [
    ...of('all', { sign: 1 }),
    ...(byTag ? [...of('tagged', { sign: -1 }), ...of('tag', { sign: 1 })] : []),
    ...(byUser ? of(byTag ? 'user_tag' : 'user', { sign: 1, fromNobody: true }) : []),
  ]
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
function sourcesBetween(fromMs: number, toMs: number, units: readonly Unit[], query: Asked): Source[] {
  const { groupBy, keyIds, nowMs } = query
  const [unit, ...smaller] = units
  if (unit === undefined || fromMs >= toMs)
    return [{ rows: fromAttempts({ fromMs, toMs, keyIds }, groupBy), sign: 1 }]
  const { sums, startOf, sizeMs } = unit
  const between = (from: number, to: number) => (from < to ? sourcesBetween(from, to, smaller, query) : [])
  const whole = (from: number, to: number) =>
    from < to ? fromSums(sums, { fromMs: from, toMs: to, keyIds }, query) : []
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
function sourcesOf(query: Asked): Source[] {
  const units = query.groupBy.includes('hour') ? [BY_HOUR] : [BY_DAY, BY_HOUR]
  return sourcesBetween(query.fromMs, query.toMs, units, query)
}

/** A part of a view: a statement whose rows hold the groups in the order asked for, then the nine sums. */
export interface ViewPart extends Omit<Source, 'rows' | 'isGrouped'> {
  readonly statement: Statement
}

/** One statement a source: over a single table the engine groups in the order of its key, over a union it sorts. */
function partOf({ rows, isGrouped, ...how }: Source, groupBy: readonly SpendGroup[]): ViewPart {
  const names = groupBy.map((_, position) => sql.identifier(`group${position}`))
  const groups = groupBy.map((group, position) => sql`${GROUPS[group]} as ${names[position]}, `)
  const by = names.length === 0 || isGrouped ? sql`` : sql` group by ${sql.join(names, sql`, `)}`
  const sums = isGrouped ? SUM_COLUMNS : SUM_COLUMNS.map(name => sql`coalesce(sum(${name}), 0)`)
  const view = sql`select ${sql.join(groups)}${sql.join(sums, sql`, `)} from (${rows})${by}`
  return { statement: dialect.sqlToQuery(view) as Statement, ...how }
}

/** What a view is put together from; `closed` = what `askClosed` gave. */
export const spendParts = (query: Asked): ViewPart[] =>
  sourcesOf(query).map(source => partOf(source, query.groupBy))

/** Which closed sums hold that the view may read. Asked once a view, lest its parts disagree; a day that is closed meanwhile stays right as it was. */
export function askClosed(driver: SqlDriver, query: SpendQuery): Maybe<Closed | undefined> {
  const { fromMs, toMs, groupBy, keyIds } = query
  if (keyIds !== undefined || closedKind('all', groupBy) === undefined) return undefined
  const found = driver.all(dialect.sqlToQuery(daysChecked(fromMs, toMs)) as Statement)
  const read = (rows: readonly (readonly SqlValue[])[]) => closedOf(rows, fromMs, toMs)
  return found instanceof Promise ? found.then(read) : read(found)
}

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
  const sources = fromSums(from === 'hours' ? HOURS : DAYS, stretch, { ...stretch, groupBy })
  return sources.map(source => partOf(source, groupBy))
}

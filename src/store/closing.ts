/** Adds up days that are over by end user and tag alone, after the fact, so that a view of months reads little and no request pays for it. Part of the SQL store. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { closedDays, closedParts, partsDaily, spendDaily } from '../../drizzle/sqlite/schema.ts'
import type { SqlDriver, SqlValue, Statement } from './sql.ts'
import { DAY_MS, type PartKind } from './sums.ts'

const dialect = new SQLiteSyncDialect()
const statement = (query: SQL): Statement => dialect.sqlToQuery(query) as Statement

/** Rows that one step adds up: about a millisecond. */
const ROWS_AT_ONCE = 1_000
const KINDS: readonly PartKind[] = ['user', 'tag', 'tagged', 'user_tag']
/** The kind of what a whole day has, whoever it was for. */
export const WHOLE_DAY = 'all'

/** The sums of every roll-up, in the order of its columns. */
export const SUM_COLUMNS = [
  'requests',
  'attempts',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cost_nano_usd',
  'estimated_nano_usd',
  'unknown_nano_usd',
  'unpriced_requests',
].map(name => sql.identifier(name))
const SUMS = sql.join(
  SUM_COLUMNS.map(name => sql`sum(${name})`),
  sql`, `,
)

/**
 * Days of a span and whether their closed sums may be read for those of the day: `day_ms, is_closed`. A late row adds an
 * attempt to the day, so that equal counts say that nothing has come since; corrections reopen a day themselves.
 */
export const daysChecked = (within: SQL): SQL => sql`select day_ms, sum(attempts) is (
    select ${closedDays.attempts} from ${closedDays} where ${closedDays.dayMs} = ${spendDaily.dayMs}) as is_closed
  from ${spendDaily} where ${within} group by day_ms`

/** What a change of the day's sums that adds no attempt does with it. */
export const reopenDay = (dayMs: number): Statement =>
  statement(sql`update ${closedDays} set begun = begun + 1, attempts = null where day_ms = ${dayMs}`)

/** Every day with sums that had ended by then, oldest first: one look-up a day, however many rows they have. */
const daysBefore = (beforeMs: number): Statement =>
  statement(sql`with recursive days(day_ms) as (
      select min(day_ms) from ${spendDaily}
      union all
      select (select min(later.day_ms) from ${spendDaily} as later where later.day_ms > days.day_ms)
        from days where days.day_ms is not null)
    select day_ms from days where day_ms <= ${beforeMs - DAY_MS}`)

/** Counted anew with each try: whoever began later ends it. */
const begin = (dayMs: number): Statement =>
  statement(sql`insert into ${closedDays} (day_ms, begun, attempts) values (${dayMs}, 1, null)
    on conflict (day_ms) do update set begun = begun + 1, attempts = null returning begun`)

const end = (dayMs: number, begun: SqlValue, attempts: SqlValue): Statement =>
  statement(sql`update ${closedDays} set attempts = ${attempts} where day_ms = ${dayMs} and begun = ${begun}`)

const attemptsOf = (dayMs: number): Statement =>
  statement(sql`select sum(attempts) from ${spendDaily} where day_ms = ${dayMs}`)

/** A user and a tag, between which a step ends. */
type Place = readonly [user: SqlValue, tag: SqlValue]

/** Where the step that begins here ends; nothing = with the day. A place has all of its rows in one step. */
const nextPlace = (kind: PartKind, dayMs: number, [user, tag]: Place): Statement =>
  statement(sql`select user, tag from ${partsDaily}
    where kind = ${kind} and day_ms = ${dayMs} and (user, tag) > (${user}, ${tag})
    order by user, tag limit 1 offset ${ROWS_AT_ONCE}`)

/** Sums only grow in names, so that what an earlier try left is replaced, never left over. */
function sumUp(kind: PartKind, dayMs: number, [user, tag]: Place, until: Place | undefined): Statement {
  const before = until === undefined ? sql`` : sql` and (user, tag) < (${until[0]}, ${until[1]})`
  return statement(sql`insert or replace into ${closedParts} select day_ms, kind, user, tag, ${SUMS}
    from ${partsDaily} where kind = ${kind} and day_ms = ${dayMs} and (user, tag) >= (${user}, ${tag})${before}
    group by user, tag`)
}

const sumUpAll = (dayMs: number): Statement =>
  statement(sql`insert or replace into ${closedParts} select day_ms, ${WHOLE_DAY}, '', '', ${SUMS}
    from ${spendDaily} where day_ms = ${dayMs}`)

/** False = stopped in the middle; the day stays open. */
async function closeDay(driver: SqlDriver, dayMs: number, goOn: () => Promise<boolean>): Promise<boolean> {
  const [begun] = (await driver.all(begin(dayMs)))[0] ?? []
  // Before anything is added up: what is folded meanwhile makes it stale, whether the sums have it or not.
  const [attempts] = (await driver.all(attemptsOf(dayMs)))[0] ?? []
  for (const kind of KINDS) {
    let from: Place | undefined = ['', '']
    while (from !== undefined) {
      const [found] = await driver.all(nextPlace(kind, dayMs, from))
      const until: Place | undefined = found === undefined ? undefined : [found[0] ?? '', found[1] ?? '']
      await driver.batch([sumUp(kind, dayMs, from, until)])
      from = until
      if (!(await goOn())) return false
    }
  }
  await driver.batch([sumUpAll(dayMs), end(dayMs, begun ?? null, attempts ?? null)])
  return true
}

/** Creates `Store.closeDays` over a driver. */
export async function closeDays(
  driver: SqlDriver,
  beforeMs: number,
  goOn: () => Promise<boolean>,
): Promise<number> {
  let closed = 0
  for (const [day] of await driver.all(daysBefore(beforeMs))) {
    const dayMs = Number(day)
    const [found] = await driver.all(statement(daysChecked(sql`day_ms = ${dayMs}`)))
    if (!(await goOn())) break
    if (found?.[1] === 1) continue
    if (!(await closeDay(driver, dayMs, goOn))) break
    closed++
  }
  return closed
}

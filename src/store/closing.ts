/** Adds up days that are over, and weeks of them, after the fact, so that a view of months reads little and no request pays for it. Part of the SQL store. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  closedDays,
  closedSums,
  closedWeeks,
  partsDaily,
  spendDaily,
  spendHourly,
} from '../../drizzle/sqlite/schema.ts'
import { closedOf, daysChecked, SUM_COLUMNS, WEEK_MS, type Whose, weekOf } from './closed.ts'
import type { SqlDriver, SqlValue, Statement } from './sql.ts'
import { DAY_MS, type PartKind } from './sums.ts'

const dialect = new SQLiteSyncDialect()
const statement = (query: SQL): Statement => dialect.sqlToQuery(query) as Statement

/** Rows that one step adds up: about a millisecond. */
const ROWS_AT_ONCE = 1_000
const PARTS: readonly PartKind[] = ['user', 'tag', 'tagged', 'user_tag']
const SUMS = sql.join(
  SUM_COLUMNS.map(name => sql`sum(${name})`),
  sql`, `,
)
const DAYS_OF_WEEK = Array.from({ length: WEEK_MS / DAY_MS }, (_, n) => n * DAY_MS)

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
const NO_PLACE: Place = ['', '']

/** Where parts are added up from: of a day or, of a week, the closed days. */
interface Parts {
  readonly unit: 'day' | 'week'
  readonly startMs: number
  readonly whose: Whose
}

/** Their rows of the day, or of a day of the week, that `start` names. */
const rowsOf = ({ unit, whose }: Parts, start: SQL): SQL =>
  unit === 'day'
    ? sql`${partsDaily} where kind = ${whose} and day_ms ${start}`
    : // the names stand between time and user in the primary key: saying them lets the engine seek
      sql`${closedSums} where unit = 'day' and kind = ${whose} and start_ms ${start} and key_id = ''
        and model = '' and provider = '' and project = ''`

const startsOf = ({ unit, startMs }: Parts): number[] =>
  unit === 'day' ? [startMs] : DAYS_OF_WEEK.map(ms => startMs + ms)

/** Where the step that begins here ends; nothing = with the unit. A place has all of its rows in one step. */
function nextPlace(parts: Parts, [user, tag]: Place): Statement {
  const starts = startsOf(parts)
  // the first that comes in any day: no day has more than its share before it
  const share = Math.floor(ROWS_AT_ONCE / starts.length)
  const rest = sql`from ${rowsOf(parts, sql`= days.value`)} and (user, tag) > (${user}, ${tag})
    order by user, tag limit 1 offset ${share}`
  return statement(sql`select user, tag from (select (select user ${rest}) as user, (select tag ${rest}) as tag
      from json_each(${JSON.stringify(starts)}) as days)
    where user is not null order by user, tag limit 1`)
}

/** Sums only grow in names, so that what an earlier try left is replaced, never left over. */
function sumUpParts(parts: Parts, [user, tag]: Place, until: Place | undefined): Statement {
  const { unit, startMs, whose } = parts
  const before = until === undefined ? sql`` : sql` and (user, tag) < (${until[0]}, ${until[1]})`
  const start =
    unit === 'day'
      ? sql`= ${startMs}`
      : sql`in (select value from json_each(${JSON.stringify(startsOf(parts))}))`
  return statement(sql`insert or replace into ${closedSums}
    select ${unit}, ${whose}, ${startMs}, '', '', '', '', user, tag, ${SUMS}
    from ${rowsOf(parts, start)} and (user, tag) >= (${user}, ${tag})${before} group by user, tag`)
}

/** What an hour or a day has, whoever it was for: in one row, by key, and by offer. */
function sumUpAll(unit: 'hour' | 'day', startMs: number): Statement[] {
  const [table, start] =
    unit === 'hour' ? [sql`${spendHourly}`, sql`hour_ms`] : [sql`${spendDaily}`, sql`day_ms`]
  const from = sql`${SUMS} from ${table} where ${start} = ${startMs} group by ${start}`
  const into = sql`insert or replace into ${closedSums} select ${unit}`
  return [
    sql`${into}, 'all', ${startMs}, '', '', '', '', '', '', ${from}`,
    sql`${into}, 'key', ${startMs}, key_id, '', '', '', '', '', ${from}, key_id`,
    sql`${into}, 'offer', ${startMs}, '', model, provider, project, '', '', ${from}, model, provider, project`,
  ].map(statement)
}

const hoursOf = (dayMs: number): Statement =>
  statement(sql`select distinct hour_ms from ${spendHourly}
    where hour_ms >= ${dayMs} and hour_ms < ${dayMs + DAY_MS} order by hour_ms`)

/** False = stopped in the middle. */
async function sumUp(
  driver: SqlDriver,
  parts: Omit<Parts, 'whose'>,
  all: readonly Whose[],
  goOn: () => Promise<boolean>,
): Promise<boolean> {
  for (const whose of all) {
    let from: Place | undefined = NO_PLACE
    while (from !== undefined) {
      const [found] = await driver.all(nextPlace({ ...parts, whose }, from))
      const until: Place | undefined = found === undefined ? undefined : [found[0] ?? '', found[1] ?? '']
      await driver.batch([sumUpParts({ ...parts, whose }, from, until)])
      from = until
      if (!(await goOn())) return false
    }
  }
  return true
}

/** False = stopped in the middle; the day stays open. */
async function closeDay(driver: SqlDriver, dayMs: number, goOn: () => Promise<boolean>): Promise<boolean> {
  const [begun] = (await driver.all(begin(dayMs)))[0] ?? []
  // Before anything is added up: what is folded meanwhile makes it stale, whether the sums have it or not.
  const [attempts] = (await driver.all(attemptsOf(dayMs)))[0] ?? []
  if (!(await sumUp(driver, { unit: 'day', startMs: dayMs }, PARTS, goOn))) return false
  for (const [hourMs] of await driver.all(hoursOf(dayMs))) {
    await driver.batch(sumUpAll('hour', Number(hourMs)))
    if (!(await goOn())) return false
  }
  await driver.batch([...sumUpAll('day', dayMs), end(dayMs, begun ?? null, attempts ?? null)])
  return true
}

/** Adds a week up from its days, if all of them are closed. False = stopped in the middle. */
async function closeWeek(driver: SqlDriver, weekMs: number, goOn: () => Promise<boolean>): Promise<boolean> {
  const [fromMs, toMs] = [weekMs, weekMs + WEEK_MS]
  const found = await driver.all(statement(daysChecked(fromMs, toMs)))
  const { days, weeks } = closedOf(found, fromMs, toMs)
  if (weeks.has(weekMs) || [...days.values()].includes(false)) return true
  // Of before anything is added up: a day that is begun again meanwhile makes the sum another.
  const begun = found.reduce((sum, row) => sum + Number(row[2]), 0)
  if (!(await sumUp(driver, { unit: 'week', startMs: weekMs }, ['all', ...PARTS], goOn))) return false
  const ended = sql`insert or replace into ${closedWeeks} (week_ms, begun) values (${weekMs}, ${begun})`
  await driver.batch([statement(ended)])
  return true
}

/** Creates `Store.closeDays` over a driver. */
export async function closeDays(
  driver: SqlDriver,
  beforeMs: number,
  goOn: () => Promise<boolean>,
): Promise<number> {
  const weeks = new Set<number>()
  let closed = 0
  for (const [day] of await driver.all(daysBefore(beforeMs))) {
    const dayMs = Number(day)
    const [found] = await driver.all(statement(daysChecked(dayMs, dayMs + 1)))
    if (!(await goOn())) return closed
    weeks.add(weekOf(dayMs))
    if (found?.[1] === 1) continue
    if (!(await closeDay(driver, dayMs, goOn))) return closed
    closed++
  }
  for (const weekMs of weeks) {
    if (weekMs + WEEK_MS > beforeMs) continue
    if (!((await closeWeek(driver, weekMs, goOn)) && (await goOn()))) break
  }
  return closed
}

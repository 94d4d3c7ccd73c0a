/** The ledger's rows as a whole, out of which the oldest are forgotten: what retention and the check ask of the SQL store. */
import { and, gte, lt, lte, ne, sql } from 'drizzle-orm'
import { attempts, settings } from '../../drizzle/sqlite/schema.ts'
import type { Database } from './requests.ts'
import type { SqlDriver, Statement } from './sql.ts'
import type { Endings } from './store.ts'
import { dayOf } from './sums.ts'

/** Deletes rows from before this time, the oldest first and at most so many; how many it were. */
export async function forgetRows(
  db: Database,
  driver: SqlDriver,
  beforeMs: number,
  most: number,
): Promise<number> {
  const oldest = await db
    .select({ createdAtMs: attempts.createdAtMs, id: attempts.id })
    .from(attempts)
    .where(lt(attempts.createdAtMs, beforeMs))
    .orderBy(attempts.createdAtMs, attempts.id)
    .limit(most)
  const last = oldest.at(-1)
  if (last === undefined) return 0
  const upToLast = sql`(${attempts.createdAtMs}, ${attempts.id}) <= (${last.createdAtMs}, ${last.id})`
  // What recovery noted of them goes too: ids of attempts order by time.
  const notes = and(gte(settings.name, 'charged.'), lte(settings.name, `charged.${last.id}`))
  const ended = [db.delete(attempts).where(upToLast), db.delete(settings).where(notes)]
  await driver.batch(ended.map(one => one.toSQL() as Statement))
  return oldest.length
}

/** How many requests began in the span, and those whose rows do not end them exactly once. */
export async function endingsIn(db: Database, fromMs: number, toMs: number): Promise<Endings> {
  const span = and(gte(attempts.createdAtMs, fromMs), lt(attempts.createdAtMs, toMs))
  // Ids of requests hold no dot; the number of the attempt is behind it.
  const request = sql<string>`substr(${attempts.id}, 1, instr(${attempts.id}, '.') - 1)`
  const endings = sql<number>`count(${attempts.ended})`
  const wrong = await db
    .select({ id: request, endings, createdAtMs: sql<number>`min(${attempts.createdAtMs})` })
    .from(attempts)
    .where(span)
    .groupBy(request)
    .having(ne(endings, 1))
  const [all] = await db
    .select({ requests: sql<number>`count(distinct ${request})` })
    .from(attempts)
    .where(span)
  return { requests: all?.requests ?? 0, wrong }
}

/** Start of the UTC day of the oldest row; undefined = there are none. */
export async function oldestDay(db: Database): Promise<number | undefined> {
  const [first] = await db
    .select({ createdAtMs: attempts.createdAtMs })
    .from(attempts)
    .orderBy(attempts.createdAtMs)
    .limit(1)
  return first && dayOf(first.createdAtMs)
}

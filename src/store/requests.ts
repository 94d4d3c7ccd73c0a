/** Finished requests out of the ledger's rows: lists by key, model and status, and one by its id. Reads no more rows than it must. */
import { and, desc, eq, gte, inArray, isNotNull, lt, lte, ne, or, type SQL, sql } from 'drizzle-orm'
import type { drizzle } from 'drizzle-orm/sqlite-proxy'
import { attempts, settings, spendDaily, spendHourly } from '../../drizzle/sqlite/schema.ts'
import { requestIdOf, timeOfId } from '../ids.ts'
import type { AttemptRow } from '../terms.ts'
import { attemptOf } from './attempts.ts'
import { encodeCursor, type Place, parseCursor } from './cursor.ts'
import type { SqlDriver, Statement } from './sql.ts'
import type { Endings, RequestQuery, Store, StoredRequest } from './store.ts'
import { DAY_MS, dayOf, HOUR_MS } from './sums.ts'

export type Database = ReturnType<typeof drizzle>

/** A list as one bound value, because D1 allows a hundred of them. */
const listed = (values: readonly string[]): SQL =>
  sql`(select value from json_each(${JSON.stringify(values)}))`

type KeyColumn = typeof attempts.keyId | typeof spendDaily.keyId | typeof spendHourly.keyId

function ofKeys(column: KeyColumn, keyIds: readonly string[] | undefined): SQL | undefined {
  // One key is asked for as such: only then the index gives the newest first without sorting all.
  if (keyIds?.length === 1) return eq(column, keyIds[0] ?? '')
  return keyIds && inArray(column, listed(keyIds))
}

/** The statuses meant, `[from, to)`; a single digit is a class. */
const rangeOf = (status: number): readonly [number, number] =>
  status >= 10 ? [status, status + 1] : [status * 100, status * 100 + 100]

/** As the partial index says it, word for word: that is how the engine knows that the index has them all. */
const FAILED = sql`(${attempts.ended} < 200 or ${attempts.ended} >= 400)`

function ofStatus(status: number | undefined): SQL | undefined {
  if (status === undefined) return isNotNull(attempts.ended)
  const [from, to] = rangeOf(status)
  const range = and(gte(attempts.ended, from), lt(attempts.ended, to))
  return isFailure(status) ? and(FAILED, range) : range
}

function isFailure(status: number | undefined): boolean {
  if (status === undefined) return false
  const [from, to] = rangeOf(status)
  return from >= 400 || to <= 200
}

/** These keys, in a form that no index of keys is chosen for (sqlite.org/optoverview.html, unary `+`). */
const failedOf = (keyIds: readonly string[]): SQL => sql`+${attempts.keyId} in ${listed(keyIds)}`

/** What is read of a row: the rest is in its detail. */
const WRITTEN = {
  createdAtMs: attempts.createdAtMs,
  id: attempts.id,
  keyId: attempts.keyId,
  answerId: attempts.answerId,
  detail: attempts.detail,
}

/** All attempts of the requests of these attempts: they share a time, and their ids are one range ('/' comes after '.'). */
async function attemptsOf(db: Database, found: readonly Place[]): Promise<Map<string, AttemptRow[]>> {
  const places = JSON.stringify(found.map(({ createdAtMs, id }) => [createdAtMs, requestIdOf(id)]))
  const range = sql`(select a.created_at_ms, a.id from json_each(${places}) as r cross join ${attempts} as a
    on a.created_at_ms = r.value ->> 0 and a.id >= (r.value ->> 1) || '.' and a.id < (r.value ->> 1) || '/')`
  const rows = await db
    .select(WRITTEN)
    .from(attempts)
    .where(sql`(${attempts.createdAtMs}, ${attempts.id}) in ${range}`)
  const byRequest = Map.groupBy(rows.map(attemptOf), row => row.requestId)
  for (const list of byRequest.values()) list.sort((a, b) => a.attempt - b.attempt)
  return byRequest
}

/** Half-open span of time, epoch ms. */
interface Span {
  readonly fromMs: number
  readonly toMs: number
}

/** The last rows of requests that fit, newest first, below `after` and inside the span. */
function lastRows(
  db: Database,
  query: RequestQuery,
  after: Place | undefined,
  span: Span | undefined,
  limit: number,
): Promise<Place[]> {
  return db
    .select({ id: attempts.id, createdAtMs: attempts.createdAtMs })
    .from(attempts)
    .where(
      and(
        // Of failures there are few: their index holds the key too, and the key's own would look every row up.
        isFailure(query.status)
          ? query.keyIds && failedOf(query.keyIds)
          : ofKeys(attempts.keyId, query.keyIds),
        query.model === undefined ? undefined : eq(attempts.model, query.model),
        ofStatus(query.status),
        span && and(gte(attempts.createdAtMs, span.fromMs), lt(attempts.createdAtMs, span.toMs)),
        after && sql`(${attempts.createdAtMs}, ${attempts.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(attempts.createdAtMs), desc(attempts.id))
    .limit(limit)
}

/** Days in which these keys had requests (of this model), newest first. */
async function daysOf(
  db: Database,
  { keyIds, model }: Pick<RequestQuery, 'keyIds' | 'model'>,
  beforeMs: number,
): Promise<number[]> {
  const found = await db
    .selectDistinct({ dayMs: spendDaily.dayMs })
    .from(spendDaily)
    .where(
      and(
        ofKeys(spendDaily.keyId, keyIds),
        model === undefined ? undefined : eq(spendDaily.model, model),
        lt(spendDaily.dayMs, beforeMs),
      ),
    )
    .orderBy(desc(spendDaily.dayMs))
  return found.map(({ dayMs }) => dayMs)
}

/** The hours of a day in which this model ended requests, newest first. */
async function hoursOf(db: Database, { keyIds, model = '' }: RequestQuery, dayMs: number): Promise<number[]> {
  const found = await db
    .selectDistinct({ hourMs: spendHourly.hourMs })
    .from(spendHourly)
    .where(
      and(
        gte(spendHourly.hourMs, dayMs),
        lt(spendHourly.hourMs, dayMs + DAY_MS),
        ofKeys(spendHourly.keyId, keyIds),
        eq(spendHourly.model, model),
        gte(spendHourly.requests, 1),
      ),
    )
    .orderBy(desc(spendHourly.hourMs))
  return found.map(({ hourMs }) => hourMs)
}

/** Rows have no index by model (it would cost every request): the sums say in which hours a model was used, and only those are looked through. */
async function ofModel(
  db: Database,
  query: RequestQuery,
  after: Place | undefined,
  limit: number,
): Promise<Place[]> {
  const untilMs = after === undefined ? Number.MAX_SAFE_INTEGER : after.createdAtMs + 1
  const found: Place[] = []
  for (const dayMs of await daysOf(db, query, untilMs))
    for (const hourMs of await hoursOf(db, query, dayMs)) {
      if (found.length >= limit) return found
      if (hourMs >= untilMs) continue
      const span = { fromMs: hourMs, toMs: hourMs + HOUR_MS }
      found.push(...(await lastRows(db, query, after, span, limit - found.length)))
    }
  return found
}

/** A page of finished requests. Failures have an index of their own. */
export async function requestPage(db: Database, query: RequestQuery): ReturnType<Store['requests']> {
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  const limit = Math.max(1, Math.floor(query.limit))
  const found =
    query.model === undefined || isFailure(query.status)
      ? await lastRows(db, query, after, undefined, limit + 1)
      : await ofModel(db, query, after, limit + 1)
  const page = found.slice(0, limit)
  const byRequest = await attemptsOf(db, page)
  const last = found.length > limit ? page.at(-1) : undefined
  return {
    data: page.map(row => {
      const id = requestIdOf(row.id)
      return { id, attempts: byRequest.get(id) ?? [] }
    }),
    nextCursor: last === undefined ? null : encodeCursor(last),
  }
}

/**
 * The newest attempt that has this id, as its request's or as its answer's. Our own ids say when they began; for others
 * the index of keys is looked through day by day, the newest first, so that a look-up never holds up what else runs.
 */
async function findAttempt(
  db: Database,
  id: string,
  keyIds: readonly string[] | undefined,
): Promise<Place | undefined> {
  const ofRequest = and(sql`${attempts.id} >= ${id} || '.'`, sql`${attempts.id} < ${id} || '/'`)
  const place = { createdAtMs: attempts.createdAtMs, id: attempts.id }
  const mine = ofKeys(attempts.keyId, keyIds)
  const began = timeOfId(id)
  if (began !== undefined) {
    const at = and(eq(attempts.createdAtMs, began), ofRequest, mine)
    const [direct] = await db.select(place).from(attempts).where(at).limit(1)
    if (direct) return direct
  }
  let answered: Place | undefined
  for (const dayMs of await daysOf(db, { ...(keyIds && { keyIds }) }, Number.MAX_SAFE_INTEGER)) {
    const day = and(gte(attempts.createdAtMs, dayMs), lt(attempts.createdAtMs, dayMs + DAY_MS))
    const [found] = await db
      .select({ ...place, own: sql<number>`${ofRequest}` })
      .from(attempts)
      .where(and(or(eq(attempts.answerId, id), ofRequest), mine, day))
      .orderBy(desc(ofRequest ?? attempts.id), desc(attempts.createdAtMs), desc(attempts.id))
      .limit(1)
    // A request's own id wins over an answer's, in an older day too; what cannot be one of ours is an answer's.
    if (found && (found.own || began !== undefined || !id.startsWith('req_'))) return found
    answered ??= found
  }
  return answered
}

/** The request with this id, ours or its answer's; of several the newest. */
export async function oneRequest(
  db: Database,
  id: string,
  keyIds: readonly string[] | undefined,
): Promise<StoredRequest | undefined> {
  const found = await findAttempt(db, id, keyIds)
  if (found === undefined) return undefined
  const [request] = await attemptsOf(db, [found])
  return request && { id: request[0], attempts: request[1] }
}

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

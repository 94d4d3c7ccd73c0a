/** Finished requests out of the ledger's rows: lists by key, model and status, and one by its id. Reads no more rows than it must. */
import { and, desc, eq, gte, inArray, isNotNull, lt, or, type SQL, sql } from 'drizzle-orm'
import type { drizzle } from 'drizzle-orm/sqlite-proxy'
import { attempts, spendDaily, spendHourly } from '../../drizzle/sqlite/schema.ts'
import { requestIdOf, timeOfId } from '../ids.ts'
import type { AttemptRow } from '../terms.ts'
import { attemptOf } from './attempts.ts'
import { encodeCursor, type Place, parseCursor } from './cursor.ts'
import type { RequestQuery, Store, StoredRequest } from './store.ts'
import { DAY_MS, HOUR_MS } from './sums.ts'

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

/** Days in which these keys had requests, newest first. */
async function daysOf(db: Database, keyIds: readonly string[] | undefined): Promise<number[]> {
  const found = await db
    .selectDistinct({ dayMs: spendDaily.dayMs })
    .from(spendDaily)
    .where(ofKeys(spendDaily.keyId, keyIds))
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

/** Requests of a model in a day that are looked for one by one. */
const FEW = 64

/** Days in which these keys ended requests of this model, newest first, and whether those were few. */
async function daysOfModel(db: Database, { keyIds, model = '' }: RequestQuery, beforeMs: number) {
  const few = sql<number>`sum(${spendDaily.requests}) <= ${FEW}`
  return db
    .select({ dayMs: spendDaily.dayMs, few })
    .from(spendDaily)
    .where(and(ofKeys(spendDaily.keyId, keyIds), eq(spendDaily.model, model), lt(spendDaily.dayMs, beforeMs)))
    .groupBy(spendDaily.dayMs)
    .having(sql`sum(${spendDaily.requests}) >= 1`)
    .orderBy(desc(spendDaily.dayMs))
}

/** As `lastRows` in a day with few requests of a model: who asked for it, and in which hours, says which rows to look at. */
async function fewRows(
  db: Database,
  query: RequestQuery,
  after: Place | undefined,
  dayMs: number,
  limit: number,
): Promise<Place[]> {
  const { keyIds, model = '' } = query
  const inDay = sql`${spendDaily.dayMs} = ${dayMs} and ${spendDaily.model} = ${model}`
  const keys = sql`select key_id from ${spendDaily} where ${and(inDay, ofKeys(spendDaily.keyId, keyIds))}`
  const hours = sql`select distinct key_id, hour_ms from ${spendHourly} indexed by spend_hourly_key
    where key_id in (${keys}) and hour_ms >= ${dayMs} and hour_ms < ${dayMs + DAY_MS} and model = ${model}
      and requests >= 1`
  const fits = and(
    eq(attempts.model, model),
    ofStatus(query.status),
    after && sql`(${attempts.createdAtMs}, ${attempts.id}) < (${after.createdAtMs}, ${after.id})`,
  )
  // A cross join is read in the order in which it stands (sqlite.org/optoverview.html#crossjoin).
  const rows = await db.all<[id: string, createdAtMs: number]>(sql`
    select ${attempts.id}, ${attempts.createdAtMs} from (${hours}) as used cross join ${attempts}
    where ${attempts.keyId} = used.key_id and ${attempts.createdAtMs} >= used.hour_ms
      and ${attempts.createdAtMs} < used.hour_ms + ${HOUR_MS} and ${fits}
    order by ${desc(attempts.createdAtMs)}, ${desc(attempts.id)} limit ${limit}`)
  return rows.map(([id, createdAtMs]) => ({ id, createdAtMs }))
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
  for (const { dayMs, few } of await daysOfModel(db, query, untilMs)) {
    if (found.length >= limit) break
    if (few) {
      found.push(...(await fewRows(db, query, after, dayMs, limit - found.length)))
      continue
    }
    for (const hourMs of await hoursOf(db, query, dayMs)) {
      if (found.length >= limit) break
      if (hourMs >= untilMs) continue
      const span = { fromMs: hourMs, toMs: hourMs + HOUR_MS }
      found.push(...(await lastRows(db, query, after, span, limit - found.length)))
    }
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
  for (const dayMs of await daysOf(db, keyIds)) {
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

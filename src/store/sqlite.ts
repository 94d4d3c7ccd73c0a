/** The store in SQLite's SQL, over any driver that speaks it: better-sqlite3 on Node, D1 on Workers. */
import { and, desc, eq, gte, inArray, lt, ne, or, type SQL, sql } from 'drizzle-orm'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import {
  attempts,
  budgetBuckets,
  credentials,
  keys,
  keyUse,
  projects,
  settings,
} from '../../drizzle/sqlite/schema.ts'
import { GatewayError } from '../errors.ts'
import { requestIdOf, timeOfId } from '../ids.ts'
import type { AttemptRow } from '../terms.ts'
import { attemptOf } from './attempts.ts'
import { encodeCursor, parseCursor } from './cursor.ts'
import { createFold } from './fold.ts'
import { spendStatements, spendView } from './spend.ts'
import type { SqlDriver, SqlValue, Statement } from './sql.ts'
import type { Op, RequestQuery, Store, StoredRequest } from './store.ts'
import { SCHEMA_VERSION } from './version.ts'

type Database = ReturnType<typeof drizzle>

/**
 * Any failure of storage as one kind. The message of Drizzle's own error lists the bound values, sealed secrets and
 * hashes among them: it is dropped, and the engine's error below it becomes the cause.
 */
function storageFailed(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const cause = error instanceof DrizzleQueryError ? error.cause : error
  return new GatewayError('storage_unavailable', 'The database cannot be read or written right now.', {
    shouldRetry: true,
    cause,
  })
}

async function guarded<T>(work: () => PromiseLike<T> | T): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw storageFailed(error)
  }
}

/** Column values of an upsert's update: everything of the row but its id. */
function withoutId<T extends { readonly id: string }>({ id: _id, ...rest }: T): Omit<T, 'id'> {
  return rest
}

/** The statement of one write. */
function statementOf(db: Database, op: Op): Statement {
  switch (op.op) {
    case 'put_key':
      return (
        db
          .insert(keys)
          .values(op.key)
          // a change that was made before it knew of a revocation must not undo it
          .onConflictDoUpdate({
            target: keys.id,
            set: {
              ...withoutId(op.key),
              status: sql`case when ${keys.status} = 'revoked' then 'revoked' else excluded.status end`,
            },
          })
          .toSQL() as Statement
      )
    case 'set_key_status':
      return db
        .update(keys)
        .set({ status: op.status })
        .where(and(eq(keys.id, op.id), ne(keys.status, 'revoked')))
        .toSQL() as Statement
    case 'put_project':
      return db
        .insert(projects)
        .values(op.project)
        .onConflictDoUpdate({ target: projects.id, set: withoutId(op.project) })
        .toSQL() as Statement
    case 'put_credential':
      return db
        .insert(credentials)
        .values(op.credential)
        .onConflictDoUpdate({ target: credentials.id, set: withoutId(op.credential) })
        .toSQL() as Statement
    case 'delete_credential':
      return db.delete(credentials).where(eq(credentials.id, op.id)).toSQL() as Statement
    case 'put_setting':
      return db
        .insert(settings)
        .values({ name: op.name, value: op.value })
        .onConflictDoUpdate({ target: settings.name, set: { value: op.value } })
        .toSQL() as Statement
    case 'put_setting_once':
      return db
        .insert(settings)
        .values({ name: op.name, value: op.value })
        .onConflictDoNothing({ target: settings.name })
        .toSQL() as Statement
    case 'forget_buckets':
      return db
        .delete(budgetBuckets)
        .where(and(lt(budgetBuckets.bucketStartMs, op.beforeMs), ne(budgetBuckets.window, 'total')))
        .toSQL() as Statement
  }
}

/** A list as one bound value, because D1 allows a hundred of them. */
const listed = (values: readonly string[]): SQL =>
  sql`(select value from json_each(${JSON.stringify(values)}))`

function ofKeys(keyIds: readonly string[] | undefined): SQL | undefined {
  // One key is asked for as such: only then the index gives the newest first without sorting all.
  if (keyIds?.length === 1) return eq(attempts.keyId, keyIds[0] ?? '')
  return keyIds && inArray(attempts.keyId, listed(keyIds))
}

function ofStatus(status: number | undefined): SQL | undefined {
  if (status === undefined) return undefined
  if (status >= 10) return eq(attempts.status, status)
  return and(gte(attempts.status, status * 100), lt(attempts.status, status * 100 + 100))
}

/** What is read of a row: the rest is in its detail. */
const WRITTEN = {
  createdAtMs: attempts.createdAtMs,
  id: attempts.id,
  keyId: attempts.keyId,
  answerId: attempts.answerId,
  detail: attempts.detail,
}

/** Where a request's attempts are: they share its time, and their ids are one range: '/' is the character after '.'. */
type Beginning = Pick<AttemptRow, 'createdAtMs' | 'id'>

/** All attempts of the requests of these attempts. */
async function attemptsOf(db: Database, found: readonly Beginning[]): Promise<Map<string, AttemptRow[]>> {
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

async function requestPage(db: Database, query: RequestQuery): ReturnType<Store['requests']> {
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  const limit = Math.max(1, Math.floor(query.limit))
  const found = await db
    .select({ id: attempts.id, createdAtMs: attempts.createdAtMs })
    .from(attempts)
    .where(
      and(
        eq(attempts.last, 1),
        ofKeys(query.keyIds),
        query.model === undefined ? undefined : eq(attempts.model, query.model),
        ofStatus(query.status),
        after && sql`(${attempts.createdAtMs}, ${attempts.id}) < (${after.createdAtMs}, ${after.id})`,
      ),
    )
    .orderBy(desc(attempts.createdAtMs), desc(attempts.id))
    .limit(limit + 1)
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

/** The newest attempt that has this id, as its request's or as its answer's. A range of the index of keys, never a look at the rows. */
async function findAttempt(
  db: Database,
  id: string,
  keyIds: readonly string[] | undefined,
): Promise<Beginning | undefined> {
  const ofRequest = and(sql`${attempts.id} >= ${id} || '.'`, sql`${attempts.id} < ${id} || '/'`)
  const place = { createdAtMs: attempts.createdAtMs, id: attempts.id }
  const began = timeOfId(id)
  if (began !== undefined) {
    const at = and(eq(attempts.createdAtMs, began), ofRequest, ofKeys(keyIds))
    const [direct] = await db.select(place).from(attempts).where(at).limit(1)
    if (direct) return direct
  }
  const [answered] = await db
    .select(place)
    .from(attempts)
    .where(and(or(eq(attempts.answerId, id), ofRequest), ofKeys(keyIds)))
    .orderBy(desc(ofRequest ?? attempts.id), desc(attempts.createdAtMs), desc(attempts.id))
    .limit(1)
  return answered
}

async function oneRequest(
  db: Database,
  id: string,
  keyIds: readonly string[] | undefined,
): Promise<StoredRequest | undefined> {
  const found = await findAttempt(db, id, keyIds)
  if (found === undefined) return undefined
  const [request] = await attemptsOf(db, [found])
  return request && { id: request[0], attempts: request[1] }
}

/** A store over tables that are at SCHEMA_VERSION: who opens the database has made sure of it. */
export function createSqliteStore(driver: SqlDriver): Store {
  const db = drizzle(async (text, params: SqlValue[], method) => {
    const rows = await driver.all({ sql: text, params })
    return { rows: method === 'get' ? (rows[0] as unknown[]) : (rows as unknown[]) } as { rows: unknown[] }
  })
  return {
    schemaVersion: SCHEMA_VERSION,
    commit: ops => guarded(() => driver.batch(ops.map(op => statementOf(db, op)))),
    fold: createFold(driver),
    keys: () => guarded(() => db.select().from(keys).orderBy(keys.createdAtMs, keys.id)),
    keyByHash: hash =>
      guarded(async () => (await db.select().from(keys).where(eq(keys.hash, hash)).limit(1))[0]),
    projects: () => guarded(() => db.select().from(projects).orderBy(projects.createdAtMs, projects.id)),
    credentials: () =>
      guarded(() => db.select().from(credentials).orderBy(credentials.createdAtMs, credentials.id)),
    setting: name =>
      guarded(
        async () => (await db.select().from(settings).where(eq(settings.name, name)).limit(1))[0]?.value,
      ),
    buckets: sinceMs =>
      guarded(() =>
        db
          .select()
          .from(budgetBuckets)
          .where(or(gte(budgetBuckets.bucketStartMs, sinceMs), eq(budgetBuckets.window, 'total'))),
      ),
    spend: query =>
      guarded(async () => {
        const answers = spendStatements(query).map(statement => driver.all(statement))
        return spendView(query.groupBy, await Promise.all(answers))
      }),
    requests: query => guarded(() => requestPage(db, query)),
    request: (id, keyIds) => guarded(() => oneRequest(db, id, keyIds)),
    keyUse: () => guarded(() => db.select().from(keyUse)),
    backup: path => driver.backup(path),
    ping: () => guarded(() => driver.ping()),
    close: () => driver.close(),
  }
}

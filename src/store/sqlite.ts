/** The store in SQLite's SQL, over any driver that speaks it: better-sqlite3 on Node, D1 on Workers. */
import { and, eq, gte, isNotNull, lt, ne, or, sql } from 'drizzle-orm'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import {
  audit,
  budgetBuckets,
  credentials,
  keys,
  keyUse,
  projects,
  settings,
} from '../../drizzle/sqlite/schema.ts'
import { GatewayError } from '../errors.ts'
import { auditPage } from './audit.ts'
import type { Closed } from './closed.ts'
import { closeDays } from './closing.ts'
import { createCorrect } from './correct.ts'
import { createFold } from './fold.ts'
import { endingsIn, forgetRows, oldestDay } from './oldest.ts'
import { type Database, oneRequest, requestPage } from './requests.ts'
import { holdersIn, leaseFrom, sliceStatement } from './slices.ts'
import { askClosed, SUMMED_BY, spendParts, summedParts, type ViewPart } from './spend.ts'
import type { Maybe, SqlDriver, SqlValue, Statement } from './sql.ts'
import type { Op, SpendGroup, SpendQuery, SpendRow, Store } from './store.ts'
import { SCHEMA_VERSION } from './version.ts'
import { spendView } from './view.ts'

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
    case 'put_audit':
      return db.insert(audit).values(op.row).toSQL() as Statement
    case 'return_slice':
    case 'renew_slices':
    case 'release_slices':
      return sliceStatement(op)
  }
}

/** Reads views of spend. */
function createViews(driver: SqlDriver) {
  async function view(groupBy: readonly SpendGroup[], parts: readonly ViewPart[]): Promise<SpendRow[]> {
    const answers = await Promise.all(parts.map(({ statement }) => driver.all(statement)))
    return spendView(groupBy, parts, answers)
  }
  function spend(query: SpendQuery): Maybe<SpendRow[]> {
    const read = (closed: Closed | undefined) => view(query.groupBy, spendParts({ ...query, closed }))
    const closed = askClosed(driver, query)
    // where it is known at once nothing comes between
    return closed instanceof Promise ? closed.then(read) : read(closed)
  }
  return { view, spend }
}

/** A store over tables that are at SCHEMA_VERSION: who opens the database has made sure of it. */
export function createSqliteStore(driver: SqlDriver): Store {
  const db = drizzle(async (text, params: SqlValue[], method) => {
    const rows = await driver.all({ sql: text, params })
    return { rows: method === 'get' ? (rows[0] as unknown[]) : (rows as unknown[]) } as { rows: unknown[] }
  })
  const { view, spend } = createViews(driver)
  const correct = createCorrect(driver)
  return {
    schemaVersion: SCHEMA_VERSION,
    commit: ops => guarded(() => driver.batch(ops.map(op => statementOf(db, op)))),
    fold: createFold(driver),
    correct: (all, also = []) =>
      guarded(() =>
        correct(
          all,
          also.map(op => statementOf(db, op)),
        ),
      ),
    lease: ask => guarded(() => leaseFrom(driver, ask)),
    sliceHolders: () => guarded(() => holdersIn(driver)),
    keys: () => guarded(() => db.select().from(keys).orderBy(keys.createdAtMs, keys.id)),
    keyByHash: hash =>
      guarded(async () => (await db.select().from(keys).where(eq(keys.hash, hash)).limit(1))[0]),
    keyById: id => guarded(async () => (await db.select().from(keys).where(eq(keys.id, id)).limit(1))[0]),
    origins: () =>
      guarded(async () => {
        const active = and(eq(keys.status, 'active'), isNotNull(keys.originAllow))
        const rows = await db.selectDistinct({ list: keys.originAllow }).from(keys).where(active)
        return [...new Set(rows.flatMap(row => row.list ?? []))]
      }),
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
    spend: query => guarded(() => spend(query)),
    requests: query => guarded(() => requestPage(db, query)),
    request: (id, keyIds) => guarded(() => oneRequest(db, id, keyIds)),
    summed: (from, fromMs, toMs) =>
      guarded(async () => {
        const views = SUMMED_BY.map(groupBy => view(groupBy, summedParts(from, fromMs, toMs, groupBy)))
        return (await Promise.all(views)).flat()
      }),
    endings: (fromMs, toMs) => guarded(() => endingsIn(db, fromMs, toMs)),
    forgetRequests: (beforeMs, most) => guarded(() => forgetRows(db, driver, beforeMs, most)),
    oldestDay: () => guarded(() => oldestDay(db)),
    closeDays: (beforeMs, goOn) => guarded(() => closeDays(driver, beforeMs, goOn)),
    keyUse: () => guarded(() => db.select().from(keyUse)),
    auditRows: query => guarded(() => auditPage(db, query)),
    backup: path => driver.backup(path),
    ping: () => guarded(() => driver.ping()),
    close: () => driver.close(),
  }
}

/** D1 on Workers: runs the store's SQL through a D1 binding whose migrations wrangler has applied. */
import type { SqlDriver, SqlValue, Statement } from '../../store/sql.ts'
import { createSqliteStore } from '../../store/sqlite.ts'
import type { Store } from '../../store/store.ts'
import { refuseNewer, SCHEMA_VERSION, SchemaVersionError } from '../../store/version.ts'

interface D1Statement {
  bind(...values: SqlValue[]): D1Statement
  raw(): Promise<unknown[]>
}

/** What we use of a D1 binding (developers.cloudflare.com/d1/worker-api/d1-database). */
export interface D1 {
  prepare(sql: string): D1Statement
  /** One transaction: a failing statement undoes the others. */
  batch(statements: D1Statement[]): Promise<unknown>
}

/** The driver over a D1 binding. */
export function createD1Driver(database: D1): SqlDriver {
  const bound = ({ sql, params }: Statement) => database.prepare(sql).bind(...params)
  return {
    bulk: 'json',
    all: async statement => (await bound(statement).raw()) as SqlValue[][],
    async batch(statements) {
      // D1 refuses an empty batch.
      if (statements.length > 0) await database.batch(statements.map(bound))
    },
    async ping() {
      await database.prepare('select 1').raw()
    },
    async backup() {
      throw new Error('D1 is copied from outside: run `wrangler d1 export`.')
    },
    async close() {},
  }
}

/** The store over a D1 binding. Rejects with SchemaVersionError when its migrations are missing or newer than this program. */
export async function openD1(database: D1): Promise<Store> {
  const driver = createD1Driver(database)
  const tables = await driver.all({
    sql: "select 1 from sqlite_schema where type = 'table' and name = 'schema_version'",
    params: [],
  })
  const [row] =
    tables.length === 0
      ? []
      : await driver.all({ sql: 'select coalesce(max(version), 0) from schema_version', params: [] })
  const found = Number(row?.[0] ?? 0)
  refuseNewer(found)
  if (found < SCHEMA_VERSION)
    throw new SchemaVersionError(found, 'Run `wrangler d1 migrations apply` before deploying this version.')
  return createSqliteStore(driver)
}

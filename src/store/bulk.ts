/** Many rows into one table with few statements: the compiled SQL behind `fold`. */
import { getTableColumns, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteInsertValue, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { drizzle } from 'drizzle-orm/sqlite-proxy'
import type { SqlDriver, SqlValue, Statement } from './sql.ts'

/** Rows as arrays of values in the order of the table's columns → statements that write them all. */
export type Bulk = (rows: readonly (readonly SqlValue[])[]) => Statement[]

/** What to do when the row is there: nothing given = the statement fails, and with it the batch. */
export interface Upsert {
  readonly target: SQLiteColumn[]
  readonly set: Record<string, SQL>
}

/** Only builds SQL: nothing is ever executed through it. */
const builder = drizzle(() => Promise.reject(new Error('this builder has no database')))

/** Rows per statement, tried from the widest: fewer calls into the engine. */
const WIDTHS = [16, 4, 1] as const
/** Rows per JSON text: far below D1's 2 MB for one bound value. */
const ROWS_PER_JSON = 100

/** Adds the new row's value to what is there. */
export const added = (column: SQLiteColumn): SQL => sql`${column} + excluded.${sql.identifier(column.name)}`
/** Keeps the larger of the two. */
export const larger = (column: SQLiteColumn): SQL =>
  sql`max(${column}, excluded.${sql.identifier(column.name)})`

/** Columns that are written; the others are derived from them. */
const writtenOf = (table: SQLiteTable): [string, SQLiteColumn][] =>
  Object.entries(getTableColumns(table)).filter(([, column]) => column.generated === undefined)

function compileValues<T extends SQLiteTable>(table: T, width: number, upsert: Upsert | undefined): string {
  const places = writtenOf(table).map(([name]) => [name, sql.placeholder(name)])
  const row = Object.fromEntries(places) as SQLiteInsertValue<T>
  const insert = builder.insert(table).values(Array.from({ length: width }, () => row))
  return (upsert ? insert.onConflictDoUpdate(upsert as never) : insert).toSQL().sql
}

function compileJson(table: SQLiteTable, upsert: Upsert | undefined): (json: string) => Statement {
  const picked = writtenOf(table).map((_, position) => sql`value ->> ${`$[${position}]`}`)
  // `where true` keeps SQLite from reading the upsert's ON as a join's (sqlite.org/lang_upsert.html#parsing_ambiguity).
  const select = sql`select ${sql.join(picked, sql`, `)} from json_each(${sql.placeholder('rows')}) where true`
  const insert = builder.insert(table).select(select as never)
  const compiled = (upsert ? insert.onConflictDoUpdate(upsert as never) : insert).toSQL()
  const place = compiled.params.findIndex(param => typeof param !== 'string')
  return json => ({ sql: compiled.sql, params: (compiled.params as SqlValue[]).with(place, json) })
}

/** Compiles the writes of one table once; the result is called for each fold. */
export function createBulk<T extends SQLiteTable>(form: SqlDriver['bulk'], table: T, upsert?: Upsert): Bulk {
  if (form === 'json') {
    const statementOf = compileJson(table, upsert)
    return rows => {
      const statements: Statement[] = []
      for (let at = 0; at < rows.length; at += ROWS_PER_JSON)
        statements.push(statementOf(JSON.stringify(rows.slice(at, at + ROWS_PER_JSON))))
      return statements
    }
  }
  const texts = WIDTHS.map(width => ({ width, text: compileValues(table, width, upsert) }))
  return rows => {
    const statements: Statement[] = []
    let at = 0
    for (const { width, text } of texts)
      while (at + width <= rows.length) {
        const params: SqlValue[] = []
        for (const end = at + width; at < end; at++) params.push(...(rows[at] as readonly SqlValue[]))
        statements.push({ sql: text, params })
      }
    return statements
  }
}

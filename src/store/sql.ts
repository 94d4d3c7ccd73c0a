/** The small port under the SQL stores: what a database driver must do, synchronously on Node or with promises on D1. */

export type SqlValue = string | number | null

/** SQL text with `?` places and their values. */
export interface Statement {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

/** At once, or later: better-sqlite3 answers at once, D1 later. */
export type Maybe<T> = T | Promise<T>

export interface SqlDriver {
  /**
   * How many rows go into one statement: `values` binds each value, `json` binds one JSON array of rows for engines
   * that allow few bound values (D1: 100 a statement, developers.cloudflare.com/d1/platform/limits).
   */
  readonly bulk: 'values' | 'json'
  /** All rows, each as an array of values in the order of the select list. */
  all(statement: Statement): Maybe<readonly (readonly SqlValue[])[]>
  /** All of them or none, and seen by nobody else half done. */
  batch(statements: readonly Statement[]): Maybe<void>
  /** Rejects when the database is gone. */
  ping(): Promise<void>
  backup(path: string): Promise<void>
  close(): Promise<void>
}

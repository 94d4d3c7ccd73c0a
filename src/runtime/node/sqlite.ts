/** SQLite on Node: opens the database file, brings its tables up to date, and runs the store's SQL through better-sqlite3. */
import { chmodSync, closeSync, existsSync, openSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { z } from 'zod'
import type { SqlDriver, SqlValue, Statement } from '../../store/sql.ts'
import { createSqliteStore } from '../../store/sqlite.ts'
import type { Store } from '../../store/store.ts'
import { refuseNewer, SCHEMA_VERSION } from '../../store/version.ts'

/** How long a statement waits for another process that writes, unless told otherwise. */
const BUSY_MS = 5_000
/** Prepared statements kept; the hot ones are a dozen. */
const STATEMENTS_MAX = 200
const OWNER_ONLY = 0o600

const journalShape = z.object({ entries: z.array(z.object({ tag: z.string() })) })

/** The folder of migrations, found upwards from here: this file runs from `src` and from `dist/src`. */
function migrationsFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const found = resolve(folder, 'drizzle/sqlite')
    if (existsSync(resolve(found, 'meta/_journal.json'))) return found
    if (folder === dirname(folder))
      throw new Error('The folder drizzle/sqlite is missing from this installation.')
    folder = dirname(folder)
  }
}

/** SQL of each migration, the first at 0; drizzle-kit's breakpoints in them are comments. */
function migrations(): string[] {
  const folder = migrationsFolder()
  const journal = journalShape.parse(JSON.parse(readFileSync(resolve(folder, 'meta/_journal.json'), 'utf8')))
  return journal.entries.map(({ tag }) => readFileSync(resolve(folder, `${tag}.sql`), 'utf8'))
}

function versionOf(database: Database.Database): number {
  const table = database.prepare(
    "select 1 from sqlite_schema where type = 'table' and name = 'schema_version'",
  )
  if (table.get() === undefined) return 0
  return Number(database.prepare('select coalesce(max(version), 0) from schema_version').pluck().get())
}

/** Applies what is missing, all or nothing; a second process waits and then finds nothing to do. */
function migrate(database: Database.Database): void {
  const upgrade = database.transaction(() => {
    const found = versionOf(database)
    refuseNewer(found)
    for (const text of migrations().slice(found, SCHEMA_VERSION)) database.exec(text)
  })
  refuseNewer(versionOf(database))
  if (versionOf(database) < SCHEMA_VERSION) upgrade.immediate()
}

/** Opens the file and sets what holds for the connection. Nothing is written to a database that is too new. */
function connect(path: string, busyMs: number): Database.Database {
  // SQLite would create the file with the process's umask; the files beside it (-wal, -shm) take over its mode.
  closeSync(openSync(path, 'a', OWNER_ONLY))
  chmodSync(path, OWNER_ONLY)
  const database = new Database(path, { timeout: BUSY_MS })
  try {
    refuseNewer(versionOf(database))
    database.pragma('journal_mode = WAL')
    // With WAL, NORMAL survives a killed process; only a power cut may lose the last commits.
    database.pragma('synchronous = NORMAL')
    // Rows of many keys dirty the same pages again and again: fewer checkpoints write them once. 4000 pages = 16 MB.
    database.pragma('wal_autocheckpoint = 4000')
    // What is deleted (a credential's ciphertext) is overwritten, not just forgotten.
    database.pragma('secure_delete = ON')
    migrate(database)
    database.pragma(`busy_timeout = ${busyMs}`)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

function prepareCache(database: Database.Database): (text: string) => Database.Statement {
  const statements = new Map<string, Database.Statement>()
  return text => {
    let statement = statements.get(text)
    if (statement === undefined) {
      statement = database.prepare(text)
      if (statement.reader) statement.raw(true)
      const oldest = statements.size < STATEMENTS_MAX ? undefined : statements.keys().next().value
      if (oldest !== undefined) statements.delete(oldest)
      statements.set(text, statement)
    }
    return statement
  }
}

async function backUp(database: Database.Database, path: string): Promise<void> {
  // Made here and exclusively: a backup holds what the database holds, and never replaces another one.
  closeSync(openSync(path, 'wx', OWNER_ONLY))
  try {
    await database.backup(path)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  }
}

/** The driver over an open database at `path`. */
export function createSqliteDriver(database: Database.Database, path: string): SqlDriver {
  const prepared = prepareCache(database)
  const inode = statSync(path).ino
  const runAll = database.transaction((statements: readonly Statement[]) => {
    // as arguments: values inside an array are asked for one by one, a fifth of the binding (measured)
    for (const { sql, params } of statements) prepared(sql).run(...params)
  })
  return {
    bulk: 'values',
    all: ({ sql, params }) => prepared(sql).all(params) as SqlValue[][],
    batch: statements => runAll.immediate(statements),
    async ping() {
      prepared('select 1').get()
      // An open file that was deleted or replaced still answers: what is written there is lost.
      if (statSync(path).ino !== inode) throw new Error('The database file was replaced while it was open.')
    },
    backup: target => backUp(database, target),
    async close() {
      database.close()
    },
  }
}

/**
 * Opens the database file, creating it when it is missing, and migrates it; from then on a statement waits for `busyMs` at
 * most, and the whole process with it. Throws SchemaVersionError when a newer
 * program has migrated it, and an Error that names the file when it is no database or cannot be opened.
 */
export function openSqlite(path: string, busyMs = BUSY_MS): Store {
  try {
    return createSqliteStore(createSqliteDriver(connect(path, busyMs), path))
  } catch (error) {
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_NOTADB')
      throw new Error(`${path} is not a SQLite database: move it away, or name another data folder.`, {
        cause: error,
      })
    throw error
  }
}

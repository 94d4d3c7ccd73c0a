/** What only the SQLite file can show: its mode, its versions, a killed writer, its backup, its speed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { getTableColumns, getTableName, getViewSelectedFields, is } from 'drizzle-orm'
import { type SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { afterAll, describe, expect, it } from 'vitest'
import * as schema from '../../drizzle/sqlite/schema.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { openD1 } from '../../src/runtime/worker/d1.ts'
import { valuesOfAttempt } from '../../src/store/attempts.ts'
import { SCHEMA_VERSION, SchemaVersionError } from '../../src/store/version.ts'
import type { AttemptRow, Key } from '../../src/terms.ts'
import { attemptRow, createDice, HOUR, keyRow, randomRows, T0 } from './rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-sqlite-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = () => join(folder, `${files++}.db`)
const modeOf = (path: string) => statSync(path).mode & 0o777
const noBuckets = () => []
const always = { fromMs: 0, toMs: T0 + 1e11 }
const migrationsFolder = fileURLToPath(new URL('../../drizzle/sqlite', import.meta.url))

describe('the file', () => {
  it('is readable by its owner alone, and so is what lies beside it', async () => {
    const path = newPath()
    const store = openSqlite(path)
    await store.commit([{ op: 'put_key', key: keyRow() }])
    const beside = readdirSync(folder).filter(name => join(folder, name).startsWith(path))
    expect(beside.length).toBeGreaterThan(1)
    for (const name of beside) expect(modeOf(join(folder, name)), name).toBe(0o600)
    await store.close()
  })

  it('loses a mode that let others read', async () => {
    const path = newPath()
    writeFileSync(path, '', { mode: 0o644 })
    await openSqlite(path).close()
    expect(modeOf(path)).toBe(0o600)
  })

  it('keeps everything when it is opened again', async () => {
    const path = newPath()
    const first = openSqlite(path)
    await first.commit([{ op: 'put_key', key: keyRow() }])
    await first.fold([attemptRow()], noBuckets)
    await first.close()
    const again = openSqlite(path)
    expect(await again.keys()).toEqual([keyRow()])
    expect(await again.request('req_0001')).toEqual({ id: 'req_0001', attempts: [attemptRow()] })
    await again.close()
  })

  it('is refused with its name when it is no database, and left as it was', () => {
    const path = newPath()
    const text = 'a letter to my aunt. '.repeat(99)
    writeFileSync(path, text)
    expect(() => openSqlite(path)).toThrow(`${path} is not a SQLite database`)
    expect(readFileSync(path, 'utf8')).toBe(text)
  })

  it('may be opened twice: both write, neither loses', async () => {
    const path = newPath()
    const [one, two] = [openSqlite(path), openSqlite(path)]
    await one.fold([attemptRow({ requestId: 'a' }), attemptRow({ requestId: 'b' })], noBuckets)
    await two.fold([attemptRow({ requestId: 'b' }), attemptRow({ requestId: 'c' })], noBuckets)
    expect((await one.spend({ ...always, groupBy: [] }))[0]?.requests).toBe(3)
    await one.close()
    await two.close()
  })

  it('is missed by a ping, and by every read, when it is gone', async () => {
    const path = newPath()
    const store = openSqlite(path)
    renameSync(path, `${path}.moved`)
    await expect(store.ping()).rejects.toMatchObject({ kind: 'storage_unavailable', shouldRetry: true })
    writeFileSync(path, 'another one')
    await expect(store.ping()).rejects.toMatchObject({ kind: 'storage_unavailable' })
    await store.close()
    for (const read of [store.keys(), store.requests({ limit: 1 }), store.spend({ ...always, groupBy: [] })])
      await expect(read).rejects.toMatchObject({ kind: 'storage_unavailable' })
    await expect((async () => store.fold([attemptRow()], noBuckets))()).rejects.toThrow()
  })

  it('holds nothing of a deleted credential', async () => {
    const path = newPath()
    const store = openSqlite(path)
    const sealed = 'ciphertext-that-must-go'
    const rest = {
      provider: 'p',
      name: 'n',
      weight: 1,
      ref: null,
      fingerprint: null,
      status: 'active',
    } as const
    const times = { createdAtMs: T0, lastOkAtMs: null, lastFailedAtMs: null, version: 1, others: [] }
    await store.commit([{ op: 'put_credential', credential: { id: 'c', sealed, ...rest, ...times } }])
    await store.commit([{ op: 'delete_credential', id: 'c' }])
    await store.close()
    expect(readFileSync(path).includes(sealed)).toBe(false)
  })
})

describe('schema versions', () => {
  it('has a migration for each version, and each says its own', () => {
    const names = readdirSync(migrationsFolder).filter(name => name.endsWith('.sql'))
    expect(names).toHaveLength(SCHEMA_VERSION)
    for (const [position, name] of names.sort().entries())
      expect(readFileSync(join(migrationsFolder, name), 'utf8'), name).toContain(
        `INSERT INTO \`schema_version\` (\`version\`) VALUES (${position + 1});`,
      )
  })

  it('has the same columns in the migrations as in the schema', async () => {
    const path = newPath()
    await openSqlite(path).close()
    const database = new Database(path)
    const tables = Object.values(schema).filter(one => is(one, SQLiteTable))
    expect(tables.length).toBeGreaterThan(5)
    for (const table of tables) {
      const migrated = database.prepare('select name, type, "notnull" as needed from pragma_table_xinfo(?)')
      expect(migrated.all(getTableName(table)), getTableName(table)).toEqual(
        Object.values(getTableColumns(table)).map(column => ({
          name: column.name,
          type: column.getSQLType().toUpperCase(),
          needed: column.notNull ? 1 : 0,
        })),
      )
    }
    database.close()
  })

  it('takes the keys and the ledger of the first version along', async () => {
    const path = newPath()
    const old = new Database(path)
    old.exec(readFileSync(join(migrationsFolder, '0000_first.sql'), 'utf8'))
    const later = ['regions', 'scopes', 'originAllow', 'hours']
    const columns = Object.entries(getTableColumns(schema.keys)).filter(([name]) => !later.includes(name))
    const values = columns.map(([name, column]) => {
      const value = keyRow()[name as keyof Key]
      return value === null ? null : column.mapToDriverValue(value)
    })
    const names = columns.map(([, column]) => column.name)
    old
      .prepare(`insert into keys (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`)
      .run(...values)
    const row = attemptRow()
    old
      .prepare(
        'insert into attempts (created_at_ms, id, key_id, answer_id, model, ended, detail) values (?, ?, ?, ?, ?, ?, ?)',
      )
      .run(...valuesOfAttempt(row))
    old.close()
    const store = openSqlite(path)
    expect(await store.keys()).toEqual([keyRow()])
    await store.commit([{ op: 'put_key', key: keyRow({ regions: ['eu'] }) }])
    expect(await store.keys()).toEqual([keyRow({ regions: ['eu'] })])
    await store.close()
    const migrated = new Database(path)
    expect(migrated.prepare('select id, cost_nano_usd from attempt_facts').all()).toEqual([
      { id: row.id, cost_nano_usd: row.costNanoUsd },
    ])
    migrated.close()
  })

  it('takes the sums of version 5 along, and closes the days that are in them', async () => {
    const path = newPath()
    const store = openSqlite(path)
    await store.fold(randomRows(60, 27), noBuckets)
    const query = { ...always, groupBy: ['user', 'tag'] as const }
    const before = await store.spend(query)
    await store.close()
    // as the program before left it
    const old = new Database(path)
    old.exec(
      'drop table closed_sums; drop table closed_days; drop table closed_weeks; delete from schema_version where version > 5',
    )
    old.close()
    const migrated = openSqlite(path)
    expect(await migrated.spend(query)).toEqual(before)
    expect(await migrated.closeDays(T0 + 48 * HOUR, async () => true)).toBe(3)
    expect(await migrated.spend(query)).toEqual(before)
    await migrated.close()
    const closed = new Database(path)
    expect(closed.prepare('select count(*) from closed_days where attempts > 0').pluck().get()).toBe(3)
    closed.close()
  })

  it('reads every fact of the view over the ledger from the place where the row was packed', async () => {
    const path = newPath()
    const store = openSqlite(path)
    const usage = {
      inputTokens: 1,
      cacheReadInputTokens: 2,
      cacheCreationInputTokens: 3,
      outputTokens: 4,
      reasoningOutputTokens: 5,
    }
    const row = attemptRow({
      project: 'blue',
      error: 'e',
      user: 'ann',
      tags: ['a', 'b'],
      stream: true,
      usage,
    })
    await store.fold([row], noBuckets)
    await store.close()
    const database = new Database(path)
    const stored = database.prepare('select * from attempt_facts').get() as Record<string, unknown>
    const facts = Object.entries(getViewSelectedFields(schema.attemptFacts)) as [string, SQLiteColumn][]
    expect(facts).toHaveLength(34)
    expect(Object.keys(stored)).toEqual(facts.map(([, column]) => column.name))
    const members: Record<string, unknown> = {
      ...row,
      ...usage,
      tags: '["a","b"]',
      last: 1,
      stream: 1,
      ended: 200,
    }
    for (const [name, column] of facts) expect(stored[column.name], name).toBe(members[name])
    database.close()
  })

  it('refuses a newer database, naming both versions, and leaves it alone', async () => {
    const path = newPath()
    await openSqlite(path).close()
    const database = new Database(path)
    database.exec(`insert into schema_version (version) values (${SCHEMA_VERSION + 6})`)
    database.close()
    const before = readFileSync(path)
    const open = () => openSqlite(path)
    expect(open).toThrow(SchemaVersionError)
    expect(open).toThrow(
      `The database has schema version ${SCHEMA_VERSION + 6}, this program knows up to version ${SCHEMA_VERSION}.`,
    )
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  it('refuses a D1 database that is newer, or whose migrations are missing', async () => {
    // The two questions that openD1 asks, answered without a database.
    const answering = (...answers: unknown[][]) => {
      const statement = {
        bind: () => statement,
        raw: async () => answers.shift() ?? [],
      }
      return { prepare: () => statement, batch: async () => [] }
    }
    await expect(openD1(answering([[1]], [[SCHEMA_VERSION + 1]]))).rejects.toMatchObject({
      name: 'SchemaVersionError',
      found: SCHEMA_VERSION + 1,
      known: SCHEMA_VERSION,
    })
    await expect(openD1(answering([]))).rejects.toThrow('wrangler d1 migrations apply')
    expect((await openD1(answering([[1]], [[SCHEMA_VERSION]]))).schemaVersion).toBe(SCHEMA_VERSION)
  })
})

describe('backup', () => {
  it('is a whole database of its own, private, and replaces nothing', async () => {
    const store = openSqlite(newPath())
    await store.fold([attemptRow()], noBuckets)
    mkdirSync(join(folder, 'backups'), { recursive: true })
    const target = join(folder, 'backups', 'copy.db')
    await store.backup(target)
    expect(modeOf(target)).toBe(0o600)
    await store.fold([attemptRow({ requestId: 'later' })], noBuckets)
    const copy = openSqlite(target)
    expect(await copy.request('req_0001')).toBeDefined()
    expect(await copy.request('later')).toBeUndefined()
    await copy.close()
    const before = readFileSync(target)
    await expect(store.backup(target)).rejects.toThrow('EEXIST')
    expect(readFileSync(target).equals(before)).toBe(true)
    await expect(store.backup(join(folder, 'nowhere', 'copy.db'))).rejects.toThrow('ENOENT')
    await store.close()
  })
})

/** Starts the folding program, kills it after so many batches were reported done, and gives how many were. */
async function killAfter(path: string, round: number, batches: number): Promise<number> {
  const program = fileURLToPath(new URL('folding.ts', import.meta.url))
  const child = spawn(process.execPath, [program, path, String(round)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr.pipe(process.stderr)
  let done = 0
  child.stdout?.on('data', (bytes: Buffer) => {
    done += String(bytes).split('\n').length - 1
    if (done >= batches) child.kill('SIGKILL')
  })
  const [, signal] = await once(child, 'close')
  expect(signal).toBe('SIGKILL')
  return done
}

describe('a killed writer', () => {
  it('leaves every finished batch, no half batch, and sums that equal the rows, five times', async () => {
    const path = newPath()
    const dice = createDice(Date.now())
    let promised = 0
    for (let round = 0; round < 5; round++) {
      promised += 16 * (await killAfter(path, round, 5 + dice(60)))
      const database = new Database(path)
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
      database.close()
      const store = openSqlite(path)
      const [total] = await store.spend({ ...always, groupBy: [] })
      const [counted] = await store.spend({ ...always, groupBy: ['user'] })
      const [bucket, ...others] = await store
        .buckets(0)
        .then(list => list.map(one => one.spentNanoUsd).reduce((a, b) => [(a[0] ?? 0) + b], [] as number[]))
      expect(others).toEqual([])
      expect({ ...total, group: null }).toEqual({ ...counted, group: null })
      expect(bucket).toBe(total?.costNanoUsd)
      expect(total?.attempts).toBeGreaterThanOrEqual(promised)
      expect((total?.attempts ?? 0) % 16).toBe(0)
      promised = total?.attempts ?? 0
      await store.close()
    }
  })
})

describe('200,000 rows', () => {
  it('are summed in well under a second', async () => {
    const path = newPath()
    const store = openSqlite(path)
    const dice = createDice(8)
    // A month of 50 keys with three models each.
    const rows: AttemptRow[] = Array.from({ length: 200_000 }, (_, n) => {
      const [key, model] = [dice(50), dice(3)]
      return attemptRow({
        requestId: `req_${String(n).padStart(7, '0')}`,
        createdAtMs: T0 - 30 * 24 * HOUR + n * 12_960,
        keyId: `key0000000${String(key).padStart(2, '0')}`,
        model: `model-${(key + model) % 9}`,
        provider: `provider-${(key + model) % 3}`,
        user: `user-${dice(100)}`,
        tags: dice(2) === 0 ? [] : ['blue', 'red'],
        answerId: `chatcmpl-${dice(1e9)}`,
        costNanoUsd: dice(1e6),
      })
    })
    const cost = rows.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0)
    for (let at = 0; at < rows.length; at += 2_000) await store.fold(rows.slice(at, at + 2_000), noBuckets)
    const span = { fromMs: T0 - 30 * 24 * HOUR + 777_777, toMs: T0 + 1 }
    const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
      const started = performance.now()
      const answer = await work()
      const tookMs = performance.now() - started
      process.stdout.write(`  ${name}: ${tookMs.toFixed(1)} ms\n`)
      expect(tookMs, name).toBeLessThan(20_000)
      return answer
    }
    for (const group of ['key', 'model', 'day', 'hour', 'user', 'tag'] as const) {
      const view = await timed(`spend by ${group}`, () => store.spend({ ...span, groupBy: [group] }))
      expect(view.length).toBeGreaterThan(1)
    }
    const one = { keyIds: ['key000000007'] }
    await timed('spend of one key by day', () => store.spend({ ...span, ...one, groupBy: ['day'] }))
    await timed('requests', () => store.requests({ limit: 100 }))
    await timed('requests of one key', () => store.requests({ ...one, limit: 100 }))
    await timed('requests of two keys', () =>
      store.requests({ keyIds: ['key000000007', 'key000000008'], limit: 100 }),
    )
    await timed('requests of an unknown model', () => store.requests({ model: 'none', limit: 100 }))
    await timed('one request', () => store.request('req_0100000'))
    await timed('one answer', () => store.request(rows[99]?.answerId ?? ''))
    await timed('use of keys', () => store.keyUse())
    expect((await store.spend({ ...always, groupBy: [] }))[0]).toMatchObject({
      requests: 200_000,
      costNanoUsd: cost,
    })
    await store.close()
    expect(existsSync(`${path}-wal`)).toBe(false)
  })
})

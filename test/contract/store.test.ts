/** The store contract against memory, a SQLite file, and D1 as workerd runs it, with wrangler applying the migrations. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe } from 'vitest'
import { getPlatformProxy, type PlatformProxy } from 'wrangler'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { type D1, openD1 } from '../../src/runtime/worker/d1.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { describeAuditRows } from './audited.ts'
import { describeReading } from './reading.ts'
import { describeSlices } from './shared.ts'
import { describeStore } from './store.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-store-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const MIGRATING_MS = 60_000

/** wrangler's own command. Its output goes to a file: its children may hold a pipe for longer than it lives itself. */
async function migrate(cwd: string, where: readonly string[]): Promise<string | undefined> {
  const wrangler = fileURLToPath(new URL('../../node_modules/.bin/wrangler', import.meta.url))
  const said = join(cwd, 'wrangler.log')
  const log = openSync(said, 'w')
  const child = spawn(wrangler, ['d1', 'migrations', 'apply', 'switchgate', '--local', ...where], {
    cwd,
    env: { ...process.env, CI: '1', WRANGLER_SEND_METRICS: 'false', WRANGLER_LOG_PATH: cwd },
    stdio: ['ignore', log, log],
    timeout: MIGRATING_MS,
    killSignal: 'SIGKILL',
  })
  const [code, signal] = await once(child, 'exit')
  closeSync(log)
  return code === 0
    ? undefined
    : `wrangler applied no migrations (${code ?? signal}):\n${readFileSync(said, 'utf8')}`
}

/** Once more where the tool itself did not come to an end. */
async function applyMigrations(cwd: string, where: readonly string[]): Promise<void> {
  const fault = await migrate(cwd, where)
  if (fault === undefined) return
  process.stderr.write(`${fault}\nonce more\n`)
  const again = await migrate(cwd, where)
  if (again !== undefined) throw new Error(again)
}

describeStore('memory', async () => createMemoryStore(), 'memory')
describeReading('memory', async () => createMemoryStore())
describeAuditRows('memory', async () => createMemoryStore())

let files = 0
describeStore('SQLite', async () => openSqlite(join(folder, `${files++}.db`)), 'sql')
describeReading('SQLite', async () => openSqlite(join(folder, `${files++}.db`)))
describeAuditRows('SQLite', async () => openSqlite(join(folder, `${files++}.db`)))

describe('D1', () => {
  let proxy: PlatformProxy<{ DB: D1 }>
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const configPath = join(folder, 'wrangler.json')
  const persisted = join(folder, 'd1')

  beforeAll(async () => {
    const database = {
      binding: 'DB',
      database_name: 'switchgate',
      database_id: '00000000-0000-0000-0000-000000000000',
      migrations_dir: join(root, 'drizzle/sqlite'),
    }
    writeFileSync(
      configPath,
      JSON.stringify({ name: 'test', compatibility_date: '2025-09-01', d1_databases: [database] }),
    )
    await applyMigrations(folder, ['-c', configPath, '--persist-to', persisted])
    proxy = await getPlatformProxy<{ DB: D1 }>({ configPath, persist: { path: join(persisted, 'v3') } })
  })
  afterAll(() => proxy?.dispose())

  const SUMS = [
    'spend_hourly',
    'spend_daily',
    'parts_hourly',
    'parts_daily',
    'closed_sums',
    'closed_days',
    'closed_weeks',
    'key_use',
  ]
  const tables = [
    'keys',
    'credentials',
    'settings',
    'attempts',
    'budget_buckets',
    'budget_slices',
    'audit',
    ...SUMS,
  ]
  const openEmpty = async () => {
    await proxy.env.DB.batch(tables.map(table => proxy.env.DB.prepare(`delete from ${table}`)))
    return openD1(proxy.env.DB)
  }
  describeStore('D1', openEmpty, 'sql')
  describeReading('D1', openEmpty)
  describeAuditRows('D1', openEmpty)
  describeSlices('D1', openEmpty, 8)
})

/** The deployable bundle in real workerd, with a local D1 whose migrations are applied. Built once per test run by wrangler itself. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { completion, configFor, type ScriptedUpstream, sendJson, startUpstream } from '../gateway/harness.ts'

process.env.WRANGLER_SEND_METRICS = 'false'
process.env.CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV = 'false'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CONFIG = join(ROOT, 'wrangler.toml')
const wranglerPackage = createRequire(import.meta.url).resolve('wrangler/package.json')
// miniflare comes with wrangler and is not ours to depend on
const wranglerRequire = createRequire(wranglerPackage)
/** A build takes some 3 s on an idle machine. */
const BUILD_MS_MAX = 60_000

export interface Bundle {
  readonly folder: string
  /** What wrangler printed. */
  readonly output: string
  remove(): void
}

/** `wrangler deploy --dry-run`: everything of a deploy but the upload. */
export async function buildBundle(): Promise<Bundle> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-worker-'))
  const wrangler = join(dirname(wranglerPackage), 'bin/wrangler.js')
  const args = [wrangler, 'deploy', '--dry-run', '--config', CONFIG, '--outdir', folder]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: ROOT,
    timeout: BUILD_MS_MAX,
    killSignal: 'SIGKILL',
    env: { ...process.env, CI: 'true', NO_COLOR: '1', WRANGLER_LOG_PATH: join(folder, 'logs') },
  })
  return { folder, output: stdout, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** What a D1 binding offers to a test. */
interface Database {
  prepare(sql: string): Statement
}
interface Statement {
  bind(...values: unknown[]): Statement
  run(): Promise<unknown>
  all(): Promise<{ results: unknown[] }>
}

export interface TestWorker {
  readonly url: string
  readonly database: Database
  /** Everything that the Worker has said, one line each. */
  readonly logs: readonly string[]
  admin(method: string, path: string, body?: unknown): Promise<Response>
  close(): Promise<void>
}

export const MASTER_KEY = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA='
export const ADMIN_TOKEN = 'worker-admin-token-0123456789abcdef'
export const SECRETS = { SWITCHGATE_MASTER_KEY: MASTER_KEY, SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN }

const MIGRATIONS = join(ROOT, 'drizzle/sqlite')

async function migrate(database: Database): Promise<void> {
  for (const file of readdirSync(MIGRATIONS).sort()) {
    if (!file.endsWith('.sql')) continue
    for (const sql of readFileSync(join(MIGRATIONS, file), 'utf8').split('--> statement-breakpoint'))
      await database.prepare(sql).run()
  }
}

/**
 * The bundle in workerd on a socket of its own, with the date and flags of wrangler.toml. wrangler's own server has two
 * proxies before the Worker that keep a caller's departure and slowness to themselves, as no deployed Worker's edge does.
 */
export async function startWorker(
  bundle: Bundle,
  bindings: Record<string, string>,
  migrated = true,
): Promise<TestWorker> {
  const { unstable_readConfig: readConfig } = await import('wrangler')
  const { convertV4MiniflareOptions, Miniflare } = (await import(
    pathToFileURL(wranglerRequire.resolve('miniflare')).href
  )) as typeof import('miniflare')
  const config = readConfig({ config: CONFIG }, { hideWarnings: true })
  const logs: string[] = []
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      name: 'switchgate',
      modules: [
        {
          type: 'ESModule',
          path: 'index.js',
          contents: readFileSync(join(bundle.folder, 'index.js'), 'utf8'),
        },
      ],
      compatibilityDate: config.compatibility_date ?? '',
      compatibilityFlags: config.compatibility_flags,
      d1Databases: { DB: 'switchgate' },
      bindings,
      unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      handleStructuredLogs: entry => void logs.push(entry.message),
    }),
  )
  await worker.ready
  const database = (await worker.getD1Database('DB')) as unknown as Database
  if (migrated) await migrate(database)
  const { origin } = await worker.unsafeGetDirectURL('switchgate')
  return {
    url: origin,
    database,
    logs,
    admin: (method, path, body) =>
      fetch(`${origin}/admin/v1${path}`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    close: () => worker.dispose(),
  }
}

/** The same bundle as `wrangler dev` runs it, its migrations applied by wrangler: status of `/readyz` before and after them. */
export async function readinessUnderWrangler(bundle: Bundle): Promise<readonly [number, number]> {
  const { createTestHarness } = await import('wrangler')
  const harness = createTestHarness({
    root: ROOT,
    workers: [{ configPath: CONFIG, prebuiltWorkerDir: bundle.folder, secrets: SECRETS }],
  })
  try {
    const { url } = await harness.listen()
    const before = await fetch(new URL('/readyz', url))
    await harness.getWorker().applyD1Migrations('DB')
    const after = await fetch(new URL('/readyz', url))
    return [before.status, after.status]
  } finally {
    await harness.close()
  }
}

export const PROVIDER_SECRET = 'sk-worker-upstream-secret-0123456789'

/** A Worker before a scripted upstream, with a key of its own. */
export interface Served extends TestWorker {
  readonly upstream: ScriptedUpstream
  readonly key: string
  post(path: string, body: unknown, key?: string): Promise<Response>
  get(path: string, key?: string): Promise<Response>
}

/** Builds and starts everything; the provider is `alpha` and sells `house-model` at 1 and 2 USD per million tokens. */
export async function serveUpstream(): Promise<Served> {
  const bundle = await buildBundle()
  const upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const config = configFor({ alpha: upstream.port })
  const worker = await startWorker(bundle, { ...SECRETS, SWITCHGATE_CONFIG: config })
  const { key } = await json(worker.admin('POST', '/keys', { name: 'worker' }))
  const bearer = (text: string) => ({ authorization: `Bearer ${text}`, 'content-type': 'application/json' })
  return {
    ...worker,
    upstream,
    key,
    post: (path, body, own = key) =>
      fetch(`${worker.url}${path}`, { method: 'POST', headers: bearer(own), body: JSON.stringify(body) }),
    get: (path, own = key) => fetch(`${worker.url}${path}`, { headers: bearer(own) }),
    async close() {
      await worker.close()
      await upstream.close()
      bundle.remove()
    },
  }
}

/** As much of our own answers as these tests read. */
interface Answer {
  readonly id: string
  readonly key: string
  readonly cost_nano_usd: string
  readonly data: unknown
  readonly total: { readonly requests: number }
  readonly error: { readonly code: string; readonly message: string }
}

export const json = async (response: Response | Promise<Response>) =>
  (await (await response).json()) as Answer

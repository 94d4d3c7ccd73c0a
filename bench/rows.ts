/**
 * `npm run bench:rows`: what reading costs when the ledger is large. Builds 5 million attempts (90 days, 60 keys,
 * 14 models, 800 end users, tags), opens a whole gateway over them, and times every view, page
 * and list, and the write of a request's row before and after. `--rows 100000` for a quick look, `--folder <path>` to
 * keep the database and use it again.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { timeText } from '../src/ids.ts'
import { createRedactor } from '../src/redact.ts'
import type { Gateway } from '../src/runtime/node/open.ts'
import { readSettings } from '../src/runtime/node/settings.ts'
import type { Store } from '../src/store/store.ts'
import type { AttemptRow } from '../src/terms.ts'
import { build as buildGateway } from './switchgate.ts'

const ADMIN_TOKEN = 'a-token-of-the-benchmark-and-of-nothing-else'
const DAYS = 90
const DAY_MS = 86_400_000
const BATCH = 50_000
const TIMES = 7
const LIMIT_MS = 100

/** Repeatable dice (mulberry32) in [0, 1). */
function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const dice = createDice(7)
/** Small numbers often, large ones seldom. */
const skewed = (below: number): number => Math.floor(below * dice() ** 3)
const keyAt = (n: number): string => `benchkey${String(n).padStart(4, '0')}`
const noBuckets = () => []

/**
 * Rows out of dice in SQL: a tenth of the time that rows made here would take. An end user belongs to one key, and a key
 * mostly uses the same few models, as it is in life; a few requests fail, and one model is hardly ever asked for.
 */
const MAKE_ROWS = `
with recursive numbers(n) as (select @from union all select n + 1 from numbers where n + 1 < @until),
dice as materialized (
  select n, cast(@start + n * @step as integer) as ms,
    abs(random() % 1000) / 1000.0 as a, abs(random() % 1000) / 1000.0 as b, abs(random() % 100000) as c,
    abs(random() % 1000) as d, abs(random() % 1000) as e from numbers),
who as materialized (
  select *, cast(800 * a * a * a as integer) as person, cast(800 * a * a * a as integer) % 60 as k,
    case when c < 96500 then 200 when c < 98500 then 429 when c < 99500 then 503 when c < 99990 then 400 else 413 end
      as status from dice),
named as materialized (
  select *, printf('benchkey%04d', k) as key_id,
    case when c in (1, 2) then 'rare-model' else 'model-' || ((k + cast(3 * b * b * b as integer)) % 13) end as model,
    case when d < 900 then k % 3 else d % 3 end as p from who)
insert into attempts (created_at_ms, id, key_id, answer_id, model, ended, detail)
select ms, printf('req_bench%010d000000000.1', n), key_id,
  case when status = 200 then printf('chatcmpl-%024d', n) end, model, status,
  json_array(
    case when status = 200 then json_array(200 + c % 8000, d % 200, 0, null, 20 + e * 2, 0, null, null, null, null) end,
    json('true'), key_id, null, model, case p when 0 then 'openai' when 1 then 'azure' else 'bedrock' end,
    model, model || '-2026-01-01', 'main', 'chat', json(case when e < 700 then 'true' else 'false' end), status,
    case when status <> 200 then 'overloaded' end, case when status = 200 then 'stop' end,
    case when status = 200 then 1000000 + c * 300 else 0 end, 100000000, 0,
    case when e < 980 then 'exact' else 'estimated' end, model || '@2026-01-01', 200 + d, 900 + c % 20000,
    '203.0.113.7', case when e % 10 < 4 then 'user-' || person end,
    case when d % 2 = 0 then json_array('team-' || (k % 8)) else json_array() end, 'cheapest of 3')
from named`

/** What the fold adds up row by row, added up at once. */
const SUMS = `count(ended), count(*), sum(coalesce(input_tokens, 0)), sum(coalesce(output_tokens, 0)),
  sum(coalesce(cache_read_input_tokens, 0)), sum(coalesce(cost_nano_usd, 0)),
  sum(case when certainty = 'estimated' then coalesce(cost_nano_usd, 0) else 0 end), 0, 0`
const HOUR = 'created_at_ms / 3600000 * 3600000'
const NAMES = `key_id, model, provider, coalesce(project, '')`
const TO_DAYS = (
  names: string,
) => `select hour_ms / 86400000 * 86400000, ${names}, sum(requests), sum(attempts),
  sum(input_tokens), sum(output_tokens), sum(cached_tokens), sum(cost_nano_usd), sum(estimated_nano_usd),
  sum(unknown_nano_usd), sum(unpriced_requests)`
const ROLL_UPS = [
  'delete from spend_hourly; delete from spend_daily; delete from key_use',
  `insert into spend_hourly select ${HOUR}, ${NAMES}, ${SUMS} from attempt_facts group by 1, 2, 3, 4, 5`,
  `insert into spend_daily ${TO_DAYS('key_id, model, provider, project')} from spend_hourly group by 1, 2, 3, 4, 5`,
  `insert into parts_hourly select ${HOUR}, 'user', user, '', ${NAMES}, ${SUMS} from attempt_facts
    where user is not null group by 1, 3, 5, 6, 7, 8`,
  `insert into parts_hourly select ${HOUR}, 'tagged', '', '', ${NAMES}, ${SUMS} from attempt_facts
    where tags <> '[]' group by 1, 5, 6, 7, 8`,
  // A row has one tag at most.
  `insert into parts_hourly select ${HOUR}, 'tag', '', tags ->> 0, ${NAMES}, ${SUMS} from attempt_facts
    where tags <> '[]' group by 1, 4, 5, 6, 7, 8`,
  `insert into parts_hourly select ${HOUR}, 'user_tag', user, coalesce(tags ->> 0, ''), ${NAMES}, ${SUMS} from attempt_facts
    where user is not null group by 1, 3, 4, 5, 6, 7, 8`,
  `insert into parts_daily ${TO_DAYS('kind, user, tag, key_id, model, provider, project')} from parts_hourly
    group by 1, 2, 3, 4, 5, 6, 7, 8`,
  `insert into key_use select key_id, max(day_ms), sum(cost_nano_usd) from spend_daily group by key_id`,
]

function build(path: string, rows: number, endMs: number): void {
  const started = performance.now()
  const database = new Database(path)
  database.pragma('synchronous = off')
  const make = database.prepare(MAKE_ROWS)
  const [start, step] = [endMs - DAYS * DAY_MS, (DAYS * DAY_MS) / rows]
  for (let from = 0; from < rows; from += BATCH) {
    make.run({ from, until: Math.min(rows, from + BATCH), start, step })
    process.stderr.write(`\r${from} of ${rows} rows`)
  }
  for (const rollUp of ROLL_UPS) database.exec(rollUp)
  database.close()
  process.stderr.write(`\r${rows} rows in ${((performance.now() - started) / 1_000).toFixed(0)} s\n`)
}

/** A row as the ledger folds it. */
function rowAt(n: number, createdAtMs: number): AttemptRow {
  const requestId = `req_${timeText(createdAtMs)}${n.toString(36).padStart(10, '0')}`
  const key = skewed(60)
  const [keyId, model] = [keyAt(key), `model-${(key + skewed(3)) % 13}`]
  return {
    id: `${requestId}.1`,
    requestId,
    attempt: 1,
    last: true,
    createdAtMs,
    keyId,
    lineage: keyId,
    project: null,
    requestedModel: model,
    provider: 'openai',
    model,
    upstreamModel: `${model}-2026-01-01`,
    credential: 'main',
    operation: 'chat',
    stream: true,
    status: 200,
    error: null,
    finishReason: 'stop',
    usage: {
      inputTokens: 1_200,
      cacheReadInputTokens: 100,
      cacheCreationInputTokens: 0,
      outputTokens: 300,
      reasoningOutputTokens: 0,
    },
    costNanoUsd: 3_000_000,
    heldNanoUsd: 100_000_000,
    overrunNanoUsd: 0,
    certainty: 'exact',
    priceId: `${model}@2026-01-01`,
    ttftMs: 412,
    totalMs: 2_310,
    peer: '203.0.113.7',
    user: null,
    tags: [],
    answerId: `chatcmpl-${n.toString(36).padStart(24, '0')}`,
    why: 'cheapest of 3',
  }
}

/** What one row costs to write when requests come one by one: batches as the ledger folds them. */
async function foldCost(store: Store, nowMs: number, seed: number): Promise<number> {
  const batches = Array.from({ length: 200 }, (_, b) =>
    Array.from({ length: 64 }, (_, i) => rowAt(seed + b * 64 + i, nowMs + b)),
  )
  const before = process.cpuUsage()
  for (const batch of batches) await store.fold(batch, noBuckets)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / (200 * 64)
}

interface Timing {
  readonly name: string
  readonly medianMs: number
  /** Of the processor, all threads: what it takes on a machine that does nothing else. */
  readonly cpuMs: number
  readonly bytes: number
}

async function timed(name: string, work: () => Promise<number>): Promise<Timing> {
  const times: number[] = []
  const cpu: number[] = []
  let bytes = 0
  for (let i = 0; i < TIMES; i++) {
    const [started, before] = [performance.now(), process.cpuUsage()]
    bytes = await work()
    times.push(performance.now() - started)
    const used = process.cpuUsage(before)
    cpu.push((used.user + used.system) / 1_000)
  }
  const median = (list: number[]) => list.toSorted((x, y) => x - y)[TIMES >> 1] ?? 0
  return { name, medianMs: median(times), cpuMs: median(cpu), bytes }
}

const day = (ms: number): string => new Date(ms).toISOString()

/** Every view that a person or a script may ask for. */
function paths(nowMs: number): string[] {
  const [week, month, all] = [7, 30, DAYS].map(days => day(nowMs - days * DAY_MS))
  const to = day(nowMs)
  const spend = (query: string) => `/admin/v1/spend?${query}`
  return [
    ...[
      'key',
      'project',
      'model',
      'provider',
      'day',
      'user',
      'tag',
      'key,model',
      'model,day',
      'user,tag',
    ].map(group => spend(`from=${month}&to=${to}&group_by=${group}`)),
    spend(`from=${week}&to=${to}&group_by=hour`),
    spend(`from=${month}&to=${to}&group_by=hour`),
    spend(`from=${week}&to=${to}&group_by=key,hour`),
    spend(`from=${all}&to=${to}&group_by=key`),
    spend(`from=${all}&to=${to}&group_by=day,model`),
    spend('group_by=key'),
    `/admin/v1/keys/${keyAt(0)}/spend?from=${all}&to=${to}`,
    `/admin/v1/keys/${keyAt(0)}/spend?from=${month}&to=${to}&group_by=hour`,
    '/admin/v1/keys?limit=500',
    ...[
      '',
      `&key=${keyAt(0)}`,
      `&key=${keyAt(59)}`,
      '&model=model-0',
      '&model=rare-model',
      '&model=never-used',
      '&status=429',
      '&status=413',
      '&status=418',
      '&status=4xx',
      '&status=5xx',
      '&status=2xx',
      `&key=${keyAt(0)}&status=413`,
      `&key=${keyAt(0)}&model=rare-model`,
      `&key=${keyAt(59)}&model=model-12&status=5xx`,
      '&model=rare-model&status=5xx',
    ].map(filter => `/admin/v1/requests?limit=50${filter}`),
    '/dashboard',
    '/dashboard?range=24h',
    '/dashboard?range=30d',
    '/dashboard/keys',
    `/dashboard/keys/${keyAt(0)}`,
    '/dashboard/requests',
    '/dashboard/requests?model=rare-model',
    '/dashboard/requests?status=5xx',
    '/dashboard/targets',
  ]
}

async function signIn(gateway: Gateway): Promise<string> {
  const answer = await gateway.admin.fetch(
    new Request('http://127.0.0.1/dashboard/login', {
      method: 'POST',
      headers: {
        host: '127.0.0.1',
        origin: 'http://127.0.0.1',
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams({ token: ADMIN_TOKEN }).toString(),
    }),
    { peer: '127.0.0.1' },
  )
  const cookie = answer.headers.get('set-cookie')?.split(';')[0]
  if (cookie === undefined) throw new Error(`sign-in answered ${answer.status}: ${await answer.text()}`)
  return cookie
}

/** The gateway as it is shipped: the dashboard's pages are JSX, which Node does not read. */
async function gatewayOver(folder: string): Promise<Gateway> {
  const dist = new URL('../dist/src/runtime/node/open.js', import.meta.url)
  const { openGateway } = (await import(dist.href)) as typeof import('../src/runtime/node/open.ts')
  const settings = readSettings({
    SWITCHGATE_DATA: folder,
    SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN,
  })
  return openGateway({ settings, log: () => {}, redactor: createRedactor() })
}

async function measure(folder: string): Promise<void> {
  const gateway = await gatewayOver(folder)
  const nowMs = Date.now()
  // as a gateway that has been running for an hour has done
  await gateway.deps.store.closeDays(nowMs, async () => true)
  const cookie = await signIn(gateway)
  const timings: Timing[] = []
  for (const path of paths(nowMs)) {
    const isPage = path.startsWith('/dashboard')
    const headers: Record<string, string> = isPage
      ? { host: '127.0.0.1', cookie }
      : { host: '127.0.0.1', authorization: `Bearer ${ADMIN_TOKEN}` }
    timings.push(
      await timed(path, async () => {
        const request = new Request(`http://127.0.0.1${path}`, { headers })
        const answer = await gateway.admin.fetch(request, { peer: '127.0.0.1' })
        const text = await answer.text()
        if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text.slice(0, 200)}`)
        return text.length
      }),
    )
  }
  const cost = await foldCost(gateway.deps.store, nowMs, 900_000_000 + (nowMs % 1_000_000))
  await gateway.close()
  for (const { name, medianMs, cpuMs, bytes } of timings) {
    const mark = cpuMs > LIMIT_MS ? '✗' : ' '
    const shown = name.replaceAll(/(from|to)=[^&]+/g, (_, edge: string) => `${edge}=…`)
    const [wall, cpu] = [medianMs, cpuMs].map(ms => ms.toFixed(1).padStart(7))
    process.stdout.write(`${mark} ${wall} ms ${cpu} ms cpu ${String(bytes).padStart(8)} B  ${shown}\n`)
  }
  process.stdout.write(`  ${cost.toFixed(1)} µs of processor to fold a row of scattered traffic into them\n`)
  const slow = timings.filter(timing => timing.cpuMs > LIMIT_MS)
  process.stdout.write(`${timings.length - slow.length} of ${timings.length} below ${LIMIT_MS} ms\n`)
}

/** The keys of the rows, so that pages have names for them. */
async function seedKeys(store: Store): Promise<void> {
  const limits = { rpm: null, tpm: null, rpd: null, concurrency: null }
  const rest = {
    pepperVersion: 1,
    env: 'live',
    status: 'active',
    project: null,
    owner: null,
    createdAtMs: Date.now() - DAYS * DAY_MS,
    expiresAtMs: null,
    models: null,
    providers: null,
    limits,
    budgets: [],
    ipAllow: null,
    ipDeny: null,
    maxOutputTokens: null,
    defaultModel: null,
    tags: [],
    metadata: {},
    regions: null,
  } as const
  for (let n = 0; n < 60; n++) {
    const id = keyAt(n)
    const key = { ...rest, id, lineage: id, hash: id.padEnd(64, '0'), name: `bench ${n}` }
    await store.commit([{ op: 'put_key', key }])
  }
}

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '5000000' }, folder: { type: 'string' } },
})
const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'switchgate-rows-'))
mkdirSync(folder, { recursive: true, mode: 0o700 })
const path = join(folder, 'switchgate.db')
buildGateway()
if (!existsSync(path)) {
  const gateway = await gatewayOver(folder)
  const { store } = gateway.deps
  const cost = await foldCost(store, Date.now() - DAYS * DAY_MS - DAY_MS, 800_000_000)
  process.stdout.write(
    `  ${cost.toFixed(1)} µs of processor to fold a row of scattered traffic into an empty database\n`,
  )
  await seedKeys(store)
  await gateway.close()
  build(path, Number(values.rows), Date.now())
}
process.stdout.write(`  ${(statSync(path).size / 2 ** 30).toFixed(2)} GiB\n`)
await measure(folder)
if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })

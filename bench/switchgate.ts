/**
 * Switchgate as a target, with everything on: built, started over an empty folder, 10,000 keys in its database, the
 * calling key with a budget and limits, the access log written to a file, durability as it comes. Seen from outside only:
 * the keys are made and the ledger is read through the admin API.
 */
import { type ChildProcess, execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { start, stop, TARGET_CORE } from './proc.ts'
import type { Target } from './targets.ts'
import { MODEL } from './traffic.ts'
import type { Served } from './upstream.ts'

const ROOT = join(import.meta.dirname, '..')
const KEYS = 10_000
const KEYS_AT_ONCE = 16
const ADMIN_TOKEN = 'a-token-of-the-benchmark-and-of-nothing-else'
/** High enough never to refuse, checked all the same. */
const CALLING_KEY = {
  name: 'bench',
  limits: { rpm: 1_000_000_000, tpm: 1_000_000_000_000 },
  budgets: [{ window: 'month', usd: 1_000_000 }],
}

export function build(): void {
  execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'src'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

const config = (upstreamPort: number) => `providers:
  mock:
    kind: openai
    base_url: http://127.0.0.1:${upstreamPort}/v1
    credentials: [{ name: main, secret: env://MOCK_KEY }]
    models:
      ${MODEL}: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
egress: { allow: ["127.0.0.1:${upstreamPort}"] }
discover_env: false
`

/** One call of the admin API; rejects with the answer's text unless it is a 2xx. */
function createAdmin(port: number): <T>(method: string, path: string, body?: object) => Promise<T> {
  const agent = new Agent({ keepAlive: true, maxSockets: KEYS_AT_ONCE })
  return (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' }
      const call = request(
        { host: '127.0.0.1', port, method, path: `/admin/v1${path}`, headers, agent },
        answer => {
          const parts: Buffer[] = []
          answer.on('data', (part: Buffer) => parts.push(part))
          answer.on('error', reject)
          answer.on('end', () => {
            const text = Buffer.concat(parts).toString('utf8')
            const isGood = answer.statusCode !== undefined && answer.statusCode < 300
            if (isGood) resolve(JSON.parse(text))
            else reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))
          })
        },
      )
      call.on('error', reject)
      call.end(body ? JSON.stringify(body) : undefined)
    })
}

async function makeKeys(admin: ReturnType<typeof createAdmin>): Promise<string> {
  let made = 1
  const calling = await admin<{ key: string }>('POST', '/keys', CALLING_KEY)
  const worker = async () => {
    while (made < KEYS) await admin('POST', '/keys', { ...CALLING_KEY, name: `bench-${made++}` })
  }
  await Promise.all(Array.from({ length: KEYS_AT_ONCE }, worker))
  return calling.key
}

interface Spend {
  readonly total: {
    readonly requests: number
    readonly attempts: number
    readonly input_tokens: number
    readonly output_tokens: number
    readonly estimated_usd: string
    readonly unknown_usd: string
  }
}

/** What the ledger says it served, and whether all of it is exact. */
export interface Booked extends Served {
  readonly attempts: number
  readonly isExact: boolean
}

export interface SwitchgateTarget extends Target {
  booked(): Promise<Booked>
}

/** One life of the gateway over a folder. */
async function launch(folder: string, port: number, nodeFlags: readonly string[]): Promise<ChildProcess> {
  const output = openSync(join(folder, 'access.log'), 'a')
  const child = start(process.execPath, [...nodeFlags, join(ROOT, 'src/switchgate.cjs'), 'serve'], {
    core: TARGET_CORE,
    output,
    cwd: folder,
    env: {
      HOST: '127.0.0.1',
      PORT: String(port),
      SWITCHGATE_CONFIG: join(folder, 'switchgate.yaml'),
      SWITCHGATE_DATA: join(folder, 'data'),
      SWITCHGATE_ADMIN_TOKEN: ADMIN_TOKEN,
      MOCK_KEY: 'sk-upstream',
      LOG_FORMAT: 'json',
      LOG_LEVEL: 'info',
    },
  })
  closeSync(output)
  const health = () => fetch(`http://127.0.0.1:${port}/healthz`)
  await reachable(health, () => child.exitCode)
  return child
}

export async function startSwitchgate(
  port: number,
  upstreamPort: number,
  say: (line: string) => void,
  nodeFlags: readonly string[] = [],
): Promise<SwitchgateTarget> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-bench-'))
  writeFileSync(join(folder, 'switchgate.yaml'), config(upstreamPort))
  say(`switchgate: making ${KEYS.toLocaleString('en')} keys`)
  const maker = await launch(folder, port, [])
  const key = await makeKeys(createAdmin(port))
  await stop(maker)
  // what is measured begins its life with the keys in its database
  const child = await launch(folder, port, nodeFlags)
  const admin = createAdmin(port)
  const spend = () => admin<Spend>('GET', '/spend')
  return {
    name: 'switchgate',
    port,
    upstreamPort,
    pid: child.pid,
    headers: [`authorization: Bearer ${key}`],
    // a spend view folds everything that was settled: rows on their way to the database are paid for by the run
    finishWork: async () => void (await spend()),
    async booked() {
      const { total } = await spend()
      return {
        requests: total.requests,
        attempts: total.attempts,
        inputTokens: total.input_tokens,
        outputTokens: total.output_tokens,
        isExact: Number(total.estimated_usd) === 0 && Number(total.unknown_usd) === 0,
      }
    },
    async stop() {
      await stop(child)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Waits until a server answers; rejects when its process ends or after 30 seconds. */
export async function reachable(ask: () => Promise<unknown>, exitCode: () => number | null): Promise<void> {
  const endMs = Date.now() + 30_000
  for (;;) {
    const answered = await ask().then(
      () => true,
      () => false,
    )
    // asked after the answer: another program on the port must not be taken for ours
    if (exitCode() !== null) throw new Error(`the server ended with code ${exitCode()} while starting`)
    if (answered) return
    if (Date.now() > endMs) throw new Error('the server did not answer in time')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
}

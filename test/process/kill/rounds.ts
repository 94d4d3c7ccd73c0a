/** Rounds of kill -9 under a whole gateway with requests in flight: what the upstream served, what the ledger says after. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import type { AttemptRow } from '../../../src/terms.ts'
import { openSqlite } from '../../../src/runtime/node/sqlite.ts'

/** Where the process dies. The first four kill themselves there; the others are killed from outside. */
export const POINTS = [
  'before hold',
  'after hold',
  'before settle',
  'after settle',
  'mid-stream',
  'any instant',
] as const
export type Point = (typeof POINTS)[number]

export interface Round {
  readonly point: Point
  /** Requests whose client had sent and not yet received all. */
  readonly inFlight: number
  /** Answers that clients had in full. */
  readonly answered: number
  /** What the upstream had answered to the end, nano-USD. */
  readonly servedNanoUsd: number
  readonly ledgerNanoUsd: number
  /** Part of it that is charged for open holds, and how many those are. */
  readonly unknownNanoUsd: number
  readonly openHolds: number
  /** Answered in full and not in the ledger as exact; must be none. */
  readonly lost: readonly string[]
  /** From the start of the next process until it listens, without the start of Node itself. */
  readonly restartMs: number
}

const IN_FLIGHT = 100
const PRICES = { input: 1_000, output: 2_000 }
const INPUT_TOKENS = 10
const WORDS = 12

const frame = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'house-model' }
const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
const usageOf = (output: number) => ({
  prompt_tokens: INPUT_TOKENS,
  completion_tokens: output,
  total_tokens: INPUT_TOKENS + output,
})
export const COST_NANO_USD = INPUT_TOKENS * PRICES.input + WORDS * PRICES.output
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

interface Upstream {
  readonly port: number
  served: number
  /** Called when a stream is in its middle. */
  onMiddle: () => void
  close(): void
}

async function answer(response: ServerResponse, stream: boolean, upstream: Upstream): Promise<void> {
  const pace = () => sleep(Math.random() * 4)
  // served = everything was handed to the network, whether or not anybody was left to read it
  const gone = () => response.destroyed || response.socket === null || response.socket.destroyed
  await pace()
  if (!stream) {
    await sleep(Math.random() * 30)
    if (gone()) return
    const message = { role: 'assistant', content: 'word '.repeat(WORDS) }
    const choices = [{ index: 0, message, finish_reason: 'stop' }]
    response.writeHead(200, { 'content-type': 'application/json' })
    upstream.served++
    response.end(JSON.stringify({ ...frame, object: 'chat.completion', choices, usage: usageOf(WORDS) }))
    return
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let i = 0; i < WORDS; i++) {
    if (gone()) return
    response.write(
      event({ ...frame, choices: [{ index: 0, delta: { content: 'word ' }, finish_reason: null }] }),
    )
    if (i === WORDS / 2) upstream.onMiddle()
    await pace()
  }
  if (gone()) return
  upstream.served++
  response.write(event({ ...frame, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }))
  response.end(`${event({ ...frame, choices: [], usage: usageOf(WORDS) })}data: [DONE]\n\n`)
}

async function startUpstream(): Promise<Upstream> {
  const server: Server = createServer((request, response) => {
    let body = ''
    request.on('data', part => (body += part))
    request.on('end', () => void answer(response, body.includes('"stream":true'), upstream))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const upstream: Upstream = {
    port: (server.address() as AddressInfo).port,
    served: 0,
    onMiddle: () => {},
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
  return upstream
}

interface Running {
  readonly child: ChildProcess
  readonly url: string
  readonly restartMs: number
  readonly dead: Promise<void>
}

function launch(folder: string, config: string, point: Point, nth: number): Promise<Running> {
  const script = fileURLToPath(new URL('./child.ts', import.meta.url))
  const child = spawn(process.execPath, [script, folder, config, point, String(nth)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let said = ''
  let complaint = ''
  const dead = new Promise<void>(resolve => child.on('close', () => resolve()))
  return new Promise((resolve, reject) => {
    child.stderr.on('data', (part: Buffer) => (complaint += part.toString()))
    child.stdout.on('data', (part: Buffer) => {
      said += part.toString()
      const ready = /ready (\d+) ([\d.]+)\n/.exec(said)
      if (ready) resolve({ child, url: `http://127.0.0.1:${ready[1]}`, restartMs: Number(ready[2]), dead })
    })
    void dead.then(() => reject(new Error(`the gateway ended before it was ready: ${complaint}`)))
  })
}

/** Clients that ask one thing after the other until the gateway is dead. */
function load(url: string, key: string, user: string) {
  const answered: string[] = []
  let inFlight = 0
  let going = true
  const client = async (name: number) => {
    for (let i = 0; going; i++) {
      const stream = (name + i) % 2 === 0
      inFlight++
      try {
        const response = await fetch(`${url}/v1/chat/completions`, {
          method: 'POST',
          headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
          body: JSON.stringify({
            model: 'house-model',
            messages: [{ role: 'user', content: 'Say it.' }],
            max_tokens: 50,
            user,
            ...(stream && { stream: true }),
          }),
        })
        const text = await response.text()
        if (response.status !== 200) throw new Error(`${response.status} ${text}`)
        // only what came to its end was promised
        if (!stream || text.endsWith('data: [DONE]\n\n'))
          answered.push(response.headers.get('x-request-id') ?? '')
        inFlight--
      } catch {
        return
      }
    }
  }
  const clients = Promise.all(Array.from({ length: IN_FLIGHT }, (_, name) => client(name)))
  return {
    answered,
    inFlight: () => inFlight,
    async stop() {
      going = false
      await clients
    },
  }
}

async function rowsOf(path: string, user: string): Promise<AttemptRow[]> {
  const store = openSqlite(path)
  const rows: AttemptRow[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<typeof store.requests>> = await store.requests({
      limit: 500,
      ...(cursor !== null && { cursor }),
    })
    // newest first: what is older than the round's first row is another round's
    for (const { attempts } of page.data) rows.push(...attempts.filter(row => row.user === user))
    cursor = page.nextCursor
  } while (cursor !== null)
  await store.close()
  return rows
}

function judge(rows: readonly AttemptRow[], answered: readonly string[]) {
  const byRequest = new Map(rows.map(row => [row.requestId, row]))
  const unknown = rows.filter(row => row.certainty === 'unknown')
  const sum = (list: readonly AttemptRow[]) => list.reduce((total, row) => total + (row.costNanoUsd ?? 0), 0)
  return {
    ledgerNanoUsd: sum(rows),
    unknownNanoUsd: sum(unknown),
    openHolds: unknown.length,
    lost: answered.filter(id => {
      const row = byRequest.get(id)
      return row?.certainty !== 'exact' || row.costNanoUsd !== COST_NANO_USD
    }),
  }
}

const configOf = (port: number) => `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${port}/v1
    models:
      house-model: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
egress: { allow: ["127.0.0.1:${port}"] }
discover_env: false
`

/** Makes the key that all rounds use; the folder's first process. */
async function prepare(folder: string, config: string): Promise<string> {
  const { openKeys } = await import('./keys.ts')
  return openKeys(folder, config)
}

/** Plays the rounds one after the other over one data folder; `told` hears of each as it is known. */
export async function playRounds(
  points: readonly Point[],
  told: (round: Round, n: number) => void,
): Promise<Round[]> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-kill-'))
  const config = join(folder, 'switchgate.yaml')
  const database = join(folder, 'data', 'switchgate.db')
  const upstream = await startUpstream()
  const rounds: Round[] = []
  try {
    writeFileSync(config, configOf(upstream.port))
    const key = await prepare(folder, config)
    let before:
      | (Omit<Round, 'restartMs' | 'ledgerNanoUsd' | 'unknownNanoUsd' | 'openHolds' | 'lost'> & {
          user: string
          ids: string[]
        })
      | undefined
    for (let n = 0; n <= points.length; n++) {
      const point = points[n] ?? 'any instant'
      const running = await launch(folder, config, point, 100 + Math.floor(Math.random() * 300))
      try {
        if (before !== undefined) {
          const { user, ids, ...facts } = before
          const round = {
            ...facts,
            ...judge(await rowsOf(database, user), ids),
            restartMs: running.restartMs,
          }
          rounds.push(round)
          told(round, n)
        }
        if (points[n] === undefined) break
        const user = `round-${n}`
        upstream.served = 0
        let middles = 100 + Math.floor(Math.random() * 200)
        upstream.onMiddle = () => {
          if (point === 'mid-stream' && --middles === 0) running.child.kill('SIGKILL')
        }
        const clients = load(running.url, key, user)
        if (point === 'any instant') {
          await sleep(200 + Math.random() * 800)
          running.child.kill('SIGKILL')
        }
        await running.dead
        const inFlight = clients.inFlight()
        await clients.stop()
        // what the upstream was about to send to the dead is not served
        await sleep(100)
        before = {
          point,
          inFlight,
          answered: clients.answered.length,
          servedNanoUsd: upstream.served * COST_NANO_USD,
          user,
          ids: clients.answered,
        }
      } finally {
        if (points[n] === undefined && running.child.exitCode === null) running.child.kill('SIGKILL')
        if (points[n] === undefined) await running.dead
      }
    }
    const check = new Database(database)
    const verdict = check.pragma('integrity_check', { simple: true })
    check.close()
    if (verdict !== 'ok') throw new Error(`the database is damaged: ${String(verdict)}`)
    return rounds
  } finally {
    upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

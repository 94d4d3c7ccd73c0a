/**
 * `npm run bench:stages`: whose CPU a whole request is, with everything on, at 32 connections. V8's sampling profiler
 * runs inside the measured gateway; a sample belongs to the innermost file of ours on its stack, so what Node, undici or
 * SQLite do is counted with who asked for it. Warm-up by count, then rounds of profiled load beside rounds of the raw
 * proxy. Exit code 1 when hold, settlement and ledger row together are above their bar.
 */
import { fileURLToPath } from 'node:url'
import { closedLoop } from './load.ts'
import { cpuMicros, killAll, message, pinSelf, start, stop, stopAll, TARGET_CORE, LOAD_CORE } from './proc.ts'
import { build, startSwitchgate } from './switchgate.ts'
import { chatBody, requestBytes } from './traffic.ts'

/** Microseconds of CPU for holding, settling and writing the row of one request. */
const MONEY_MOST_US = 40
const WARM = 20_000
const COUNT = 12_000
const ROUNDS = 5
const CONNECTIONS = 32
const SAMPLE_US = 200
const PORT = 18_930
const RAW_PORT = 18_932
const MONEY = 'hold, settlement and row'

/** First match wins. Paths are of dist/. */
const STAGES: readonly (readonly [name: string, files: RegExp])[] = [
  [
    MONEY,
    /src\/(ledger|store)\/|src\/attempt\/(hold|lower|rows|payer)\.|src\/(meter|record|price|estimate)\.|node\/(journal|segments|sqlite|durable|books)\.|better-sqlite3/,
  ],
  ['access line', /src\/(telemetry|redact)\.|node\/log\./],
  ['authenticate, admit', /src\/(authenticate|admit|bag)\.|src\/keys\//],
  ['route', /src\/route\//],
  ['request: parse, rewrite', /src\/wire\/|src\/estimate\.|providers\//],
  ['attempt', /src\/attempt\/|src\/authorize\//],
  ['relay', /src\/relay\//],
  ['pipeline', /src\/(gateway|terms|errors|ids|bag)\.|src\/http\//],
  [
    'sockets: server',
    /node\/(listener\.|lane\/)|node:_http_server|node:_http_incoming|node:_http_outgoing|node:_http_common/,
  ],
  ['sockets: upstream', /node\/(send|routes|proxied|connect)\.|node\/http1\/|undici|wasm/],
]

interface Frame {
  readonly functionName: string
  readonly url: string
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: Frame
    readonly children?: readonly number[]
  }[]
  readonly samples: readonly number[]
  /** µs. */
  readonly timeDeltas: readonly number[]
}

interface Inspector {
  ask<T>(method: string, params?: object): Promise<T>
  close(): void
}

/** The inspector of a process: one question at a time is enough here. */
async function inspector(port: number): Promise<Inspector> {
  const [page] = (await (await fetch(`http://127.0.0.1:${port}/json`)).json()) as [
    { webSocketDebuggerUrl: string },
  ]
  const socket = new WebSocket(page.webSocketDebuggerUrl)
  await new Promise(resolve => socket.addEventListener('open', resolve, { once: true }))
  let last = 0
  const waiting = new Map<number, (result: unknown) => void>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data)) as { id?: number; result?: unknown }
    if (id !== undefined) waiting.get(id)?.(result)
  })
  const ask = <T>(method: string, params: object = {}): Promise<T> =>
    new Promise(resolve => {
      waiting.set(++last, resolve as (result: unknown) => void)
      socket.send(JSON.stringify({ id: last, method, params }))
    })
  return { ask, close: () => socket.close() }
}

/** µs by stage; waiting is left out. */
function byStage({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const parents = new Map<number, number>()
  for (const { id, children } of nodes) for (const child of children ?? []) parents.set(child, id)
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]))
  const found = new Map<number, string>()
  const find = (id: number): string => {
    const { functionName, url } = frames.get(id) as Frame
    if (functionName === '(garbage collector)') return 'garbage collection'
    if (functionName === '(idle)') return 'idle'
    const own = STAGES.find(([, files]) => files.test(url))
    if (own) return own[0]
    const parent = parents.get(id)
    return parent === undefined ? 'event loop, promises' : known(parent)
  }
  const known = (id: number): string => {
    let stage = found.get(id)
    if (stage === undefined) {
      stage = find(id)
      found.set(id, stage)
    }
    return stage
  }
  const sums = new Map<string, number>()
  for (const [at, id] of samples.entries())
    sums.set(known(id), (sums.get(known(id)) ?? 0) + (timeDeltas[at] ?? 0))
  sums.delete('idle')
  return sums
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

/** The stages' µs a request: the profile says the shares, the kernel's accounting says of how much. */
function shares(profile: Profile, micros: number): Map<string, number> {
  const sums = byStage(profile)
  const all = [...sums.values()].reduce((sum, each) => sum + each, 0)
  return new Map([...sums].map(([stage, own]) => [stage, (own / all) * micros]))
}

/** A profiled process under load. */
interface Measured {
  readonly port: number
  readonly pid: number
  readonly headers: readonly string[]
  readonly tool: Inspector
  readonly finishWork: () => Promise<void>
}

/** One run of `count` requests: CPU µs of each, all threads. */
async function run({ port, pid, headers, finishWork }: Measured, count: number): Promise<number> {
  const before = cpuMicros(pid)
  const request = requestBytes(chatBody(undefined), headers)
  const traffic = { port, request, stream: false, connections: CONNECTIONS }
  const { ok, failed, fault } = await closedLoop(traffic, { seconds: 0, count })
  if (failed > 0) throw new Error(`${failed} requests failed: ${fault}`)
  await finishWork()
  return (cpuMicros(pid) - before) / ok
}

/** A plain round, then a profiled one: the profile says the shares, the plain round of how much. */
async function round(measured: Measured): Promise<Round> {
  const micros = await run(measured, COUNT)
  await measured.tool.ask('Profiler.start')
  await run(measured, COUNT)
  const { profile } = await measured.tool.ask<{ profile: Profile }>('Profiler.stop')
  return { micros, stages: shares(profile, micros) }
}

interface Round {
  readonly micros: number
  readonly stages: ReadonlyMap<string, number>
}

async function main(): Promise<number> {
  build()
  pinSelf()
  const here = (file: string) => fileURLToPath(new URL(file, import.meta.url))
  const mock = start(process.execPath, [here('upstream.ts'), '2'], { core: LOAD_CORE, talks: true })
  const { ports } = await message<{ ports: number[] }>(mock)
  const rawFlags = [`--inspect=127.0.0.1:${RAW_PORT + 1}`, here('raw.ts'), String(ports[0]), String(RAW_PORT)]
  const proxy = start(process.execPath, rawFlags, { core: TARGET_CORE, talks: true })
  await message(proxy)
  const gate = await startSwitchgate(PORT, ports[1] as number, () => {}, [`--inspect=127.0.0.1:${PORT + 1}`])
  const raw: Measured = {
    port: RAW_PORT,
    pid: proxy.pid as number,
    headers: ['authorization: Bearer x'],
    tool: await inspector(RAW_PORT + 1),
    finishWork: async () => {},
  }
  const ours: Measured = {
    port: PORT,
    pid: gate.pid as number,
    headers: gate.headers,
    tool: await inspector(PORT + 1),
    finishWork: gate.finishWork,
  }
  for (const measured of [raw, ours]) {
    await run(measured, WARM)
    await measured.tool.ask('Profiler.enable')
    await measured.tool.ask('Profiler.setSamplingInterval', { interval: SAMPLE_US })
  }
  const rounds: { raw: Round; ours: Round }[] = []
  for (let at = 0; at < ROUNDS; at++) rounds.push({ raw: await round(raw), ours: await round(ours) })
  raw.tool.close()
  ours.tool.close()
  await gate.stop()
  await stop(proxy)
  await stop(mock)
  return report(
    rounds.map(each => each.raw),
    rounds.map(each => each.ours),
  )
}

const stageOf = (rounds: readonly Round[], stage: string): number =>
  median(rounds.map(({ stages }) => stages.get(stage) ?? 0))

function report(raw: readonly Round[], ours: readonly Round[]): number {
  const stages = [...new Set(ours.flatMap(({ stages }) => [...stages.keys()]))]
  const line = (name: string, own: number, theirs: number) =>
    `  ${name.padEnd(28)}${own.toFixed(1).padStart(8)}${theirs === 0 ? '' : theirs.toFixed(1).padStart(8)}`
  const rows = stages
    .map(stage => ({ stage, own: stageOf(ours, stage), theirs: stageOf(raw, stage) }))
    .toSorted((a, b) => b.own - a.own)
  const whole = median(ours.map(({ micros }) => micros))
  const proxy = median(raw.map(({ micros }) => micros))
  const money = stageOf(ours, MONEY)
  const verdict = money <= MONEY_MOST_US ? 'PASS' : 'MISS'
  const text = [
    `CPU of a whole request, ${CONNECTIONS} connections: µs, all threads, medians of ${ROUNDS} rounds; beside it the raw proxy`,
    ...rows.map(({ stage, own, theirs }) => line(stage, own, theirs)),
    line('together', whole, proxy),
    `${verdict}  ${MONEY} takes ${money.toFixed(1)} of ${MONEY_MOST_US} µs`,
  ]
  process.stdout.write(`${text.join('\n')}\n`)
  return money <= MONEY_MOST_US ? 0 : 1
}

process.on('exit', killAll)
try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
} finally {
  await stopAll()
}

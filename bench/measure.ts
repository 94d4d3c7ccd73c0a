/** Runs the measurements: memory, warm-up by count, interleaved rounds, fixed rate. Counts everything that it sends. */
import { compare } from './check.ts'
import { median, percentile, type Row } from './figures.ts'
import { closedLoop, openLoop, openStreams, type Run, type Traffic } from './load.ts'
import { BURST, PHASES, type Phase, type Size } from './phases.ts'
import { cpuMicros, hasProc, residentMb } from './proc.ts'
import type { Target, TargetName, World } from './targets.ts'
import { chatBody, requestBytes, type StreamShape } from './traffic.ts'

export type Say = (line: string) => void

/** What every run of a benchmark adds to. */
interface Books {
  /** Exchanges sent to each target. */
  readonly sent: Map<TargetName, number>
  /** What went wrong, a line each; empty = the gate is open. */
  readonly faults: string[]
  /** Peers that differ from the upstream: told, but not our fault. */
  readonly notes: string[]
}

export interface Results {
  readonly rows: readonly Row[]
  readonly faults: readonly string[]
  readonly notes: readonly string[]
  readonly sent: Readonly<Record<string, number>>
}

type Rounds = Map<TargetName, number[]>

const WARM_CONNECTIONS = 32
/** A repeated run lasts this part of another. */
const REPEAT_SHARE = 3
/** Open for six seconds: long enough to look at a thousand of them. */
const LONG: StreamShape = { events: 5, gapMs: 1_200 }
const LOOK_AFTER_MS = 500
/** Of the slowest target's ceiling: nobody queues. */
const OPEN_SHARE = 0.25
const OPEN_CONNECTIONS = 64
const CEILING_PHASE = 'rate_64'

function trafficFor(target: Target, connections: number, stream: StreamShape | undefined): Traffic {
  return {
    port: target.port,
    request: requestBytes(chatBody(stream), target.headers),
    stream: stream !== undefined,
    connections,
  }
}

function keep(rounds: Rounds, target: Target, value: number): void {
  const known = rounds.get(target.name)
  if (known) known.push(value)
  else rounds.set(target.name, [value])
}

function book(books: Books, target: Target, run: Run, what: string): void {
  const { sent, faults } = books
  sent.set(target.name, (sent.get(target.name) ?? 0) + run.ok + run.failed)
  if (run.failed > 0) faults.push(`${target.name}, ${what}: ${run.failed} exchanges failed (${run.fault})`)
}

/** Resident memory before anything was sent, and with many open streams. All targets at once: CPU is not looked at. */
async function measureMemory(world: World, size: Size, books: Books): Promise<Row[]> {
  const idle: Rounds = new Map()
  const open: Rounds = new Map()
  const measure = async (target: Target) => {
    if (target.pid === undefined) return
    keep(idle, target, residentMb(target.pid))
    const { opened, finished } = await openStreams(trafficFor(target, size.openStreams, LONG))
    await opened
    await new Promise(resolve => setTimeout(resolve, LOOK_AFTER_MS))
    keep(open, target, residentMb(target.pid))
    book(books, target, await finished, 'open streams')
  }
  await Promise.all(world.targets.map(measure))
  const streams = size.openStreams.toLocaleString('en')
  return [
    { id: 'memory_idle', title: 'memory, idle', unit: 'MB', rounds: idle },
    { id: 'memory_streams', title: `memory with ${streams} open streams`, unit: 'MB', rounds: open },
  ]
}

async function warm(world: World, size: Size, books: Books, say: Say): Promise<void> {
  for (const target of world.targets) {
    for (const [stream, count] of [
      [undefined, size.warmWhole],
      [BURST, size.warmStreams],
    ] as const) {
      const traffic = trafficFor(target, WARM_CONNECTIONS, stream)
      book(books, target, await closedLoop(traffic, { seconds: 0, count }), 'warm-up')
    }
    await target.finishWork()
    say(`warm-up: ${target.name} has answered ${size.warmWhole} requests and ${size.warmStreams} streams`)
  }
}

async function measureOnce(
  phase: Phase,
  target: Target,
  size: Size,
  books: Books,
): Promise<number | undefined> {
  const { pid } = target
  const isCpu = phase.figure !== 'requests_per_second'
  if (isCpu && (pid === undefined || !hasProc)) return undefined
  const traffic = trafficFor(target, phase.connections, phase.stream)
  const beforeMicros = isCpu && pid ? cpuMicros(pid) : 0
  const count = phase.connections * size.perConnection
  const seconds = phase.repeats === undefined ? size.seconds : size.seconds / REPEAT_SHARE
  const run = await closedLoop(traffic, { seconds, count })
  await target.finishWork()
  book(books, target, run, phase.title)
  if (!isCpu || pid === undefined) return run.ok / run.seconds
  const events = phase.figure === 'cpu_per_event' ? (phase.stream?.events ?? 1) : 1
  return (cpuMicros(pid) - beforeMicros) / (run.ok * events)
}

/** Reversed every time: nobody always runs in somebody's wake. */
const orderOf = ({ targets }: World, round: number): readonly Target[] =>
  round % 2 === 0 ? targets : [...targets].reverse()

async function measureRounds(world: World, size: Size, books: Books, say: Say): Promise<Row[]> {
  const tables = PHASES.map(phase => ({ phase, rounds: new Map() as Rounds }))
  for (let round = 0; round < size.rounds; round++) {
    for (const { phase, rounds } of tables) {
      for (let time = 0; time < (phase.repeats ?? 1); time++) {
        for (const target of orderOf(world, round + time)) {
          const value = await measureOnce(phase, target, size, books)
          if (value !== undefined) keep(rounds, target, value)
        }
      }
    }
    say(`round ${round + 1} of ${size.rounds}`)
  }
  return tables.map(({ phase, rounds }) => ({ id: phase.id, title: phase.title, unit: phase.unit, rounds }))
}

/** Time added to the direct way at a rate that everybody can hold, round by round. */
async function measureAdded(
  world: World,
  size: Size,
  books: Books,
  ceiling: number,
  say: Say,
): Promise<Row[]> {
  const perSecond = Math.max(10, Math.floor(ceiling * OPEN_SHARE))
  const added50: Rounds = new Map()
  const added99: Rounds = new Map()
  for (let round = 0; round < size.rounds; round++) {
    const order = orderOf(world, round)
    const found = new Map<Target, readonly number[]>()
    for (const target of order) {
      const traffic = trafficFor(target, OPEN_CONNECTIONS, undefined)
      const run = await openLoop(traffic, { perSecond, seconds: size.openSeconds })
      await target.finishWork()
      book(books, target, run, 'fixed rate')
      found.set(target, run.latenciesMs)
    }
    const direct = world.targets.find(target => target.name === 'direct')
    const base = (direct && found.get(direct)) ?? []
    for (const [target, latencies] of found) {
      if (target === direct) continue
      keep(added50, target, 1000 * (percentile(latencies, 0.5) - percentile(base, 0.5)))
      keep(added99, target, 1000 * (percentile(latencies, 0.99) - percentile(base, 0.99)))
    }
    say(`fixed rate, round ${round + 1} of ${size.rounds}: ${perSecond} requests a second`)
  }
  return [
    { id: 'added_p50', title: `added to the median at ${perSecond} req/s`, unit: 'µs', rounds: added50 },
    {
      id: 'added_p99',
      title: `added to the 99th percentile at ${perSecond} req/s`,
      unit: 'µs',
      rounds: added99,
    },
  ]
}

async function checkBytes(world: World, books: Books): Promise<void> {
  const direct = world.targets.find(target => target.name === 'direct')
  if (direct === undefined) return
  for (const target of world.targets) {
    if (target === direct) continue
    const { faults, asked } = await compare(direct, target)
    books.sent.set(target.name, (books.sent.get(target.name) ?? 0) + asked)
    ;(target.name === 'portkey' ? books.notes : books.faults).push(...faults)
  }
}

/** Requests and tokens: what was sent, what the upstream served, and what the ledger has in its database are one number. */
async function checkLedger(world: World, books: Books): Promise<void> {
  const { switchgate } = world
  if (switchgate === undefined) return
  const sent = books.sent.get('switchgate') ?? 0
  const served = await world.served(switchgate)
  const booked = await switchgate.booked()
  const pairs: [string, number, number][] = [
    ['requests in the ledger', booked.requests, sent],
    ['attempts in the ledger', booked.attempts, sent],
    ['requests at the upstream', served.requests, sent],
    ['input tokens in the ledger', booked.inputTokens, served.inputTokens],
    ['output tokens in the ledger', booked.outputTokens, served.outputTokens],
  ]
  for (const [what, is, should] of pairs)
    if (is !== should) books.faults.push(`switchgate, ${what}: ${is}, expected ${should}`)
  if (!booked.isExact) books.faults.push('switchgate: part of the spend is estimated or unknown')
}

export async function measure(world: World, size: Size, say: Say): Promise<Results> {
  const books: Books = { sent: new Map(), faults: [], notes: [] }
  await checkBytes(world, books)
  say('answers compared with the upstream’s, byte for byte')
  const memory = hasProc ? await measureMemory(world, size, books) : []
  say(`memory with ${size.openStreams} open streams measured`)
  await warm(world, size, books, say)
  const rows = await measureRounds(world, size, books, say)
  const ceilings = rows.find(row => row.id === CEILING_PHASE)?.rounds ?? new Map()
  const slowest = Math.min(...[...ceilings.values()].map(median))
  const added = await measureAdded(world, size, books, slowest, say)
  await checkLedger(world, books)
  return {
    rows: [...rows, ...added, ...memory],
    faults: books.faults,
    notes: books.notes,
    sent: Object.fromEntries(books.sent),
  }
}

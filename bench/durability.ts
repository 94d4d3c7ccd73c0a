/**
 * What a promise of the ledger costs: `node bench/durability.ts [folder]`. Callers hold, wait until that is durable, settle
 * and wait again, against a real journal and a real database in a folder; once surviving kill -9 and once a power cut too.
 * Also how long a restart takes with a journal at its bound.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLedger } from '../src/ledger/ledger.ts'
import { syncWal } from '../src/runtime/node/durable.ts'
import { openJournal } from '../src/runtime/node/journal.ts'
import { openSqlite } from '../src/runtime/node/sqlite.ts'
import { budget, held, keyOf, rowOf } from '../test/ledger/parts.ts'

const SECONDS = 3
const JOURNAL_BYTES = 4 << 20
const root = process.argv[2] ?? tmpdir()
const key = keyOf({ budgets: [budget('month', Number.MAX_SAFE_INTEGER)] })
const print = (text: string) => process.stdout.write(`${text}\n`)
const clock = { now: Date.now, monotonic: () => performance.now() }
const log = () => {}

function open(folder: string, power: boolean) {
  const path = join(folder, 'switchgate.db')
  const store = openSqlite(path)
  const journal = openJournal(join(folder, 'journal'), log, {
    power: () => power,
    syncStore: () => syncWal(path),
  })
  return { store, ledger: createLedger({ store, journal, clock, log }) }
}

const at = (sorted: readonly number[], share: number) =>
  (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2)

async function measure(callers: number, power: boolean): Promise<void> {
  const folder = mkdtempSync(join(root, 'switchgate-durability-'))
  const { store, ledger } = open(folder, power)
  await ledger.recover()
  const waits: number[] = []
  const untilMs = performance.now() + SECONDS * 1_000
  const caller = async (name: number) => {
    for (let i = 0; performance.now() < untilMs; i++) {
      const hold = held(ledger.hold(key, `c${name}n${i}.1`, 100))
      let before = performance.now()
      await ledger.durable()
      waits.push(performance.now() - before)
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 60, createdAtMs: Date.now() }))
      before = performance.now()
      await ledger.durable()
      waits.push(performance.now() - before)
    }
  }
  await Promise.all(Array.from({ length: callers }, (_, name) => caller(name)))
  waits.sort((a, b) => a - b)
  const perSecond = Math.round(waits.length / 2 / SECONDS)
  const cells = [power ? 'power' : 'process', callers, at(waits, 0.5), at(waits, 0.99), perSecond]
  print(`| ${cells.join(' | ')} |`)
  await ledger.close()
  await store.close()
  rmSync(folder, { recursive: true })
}

/** Everything in the journal and nothing in the store: the worst that a kill leaves. */
async function measureRestart(): Promise<void> {
  const folder = mkdtempSync(join(root, 'switchgate-durability-'))
  const { store, ledger } = open(folder, false)
  await ledger.recover()
  await store.close()
  let rows = 0
  for (let bytes = 0; bytes < JOURNAL_BYTES; rows++) {
    const hold = held(ledger.hold(key, `r${rows}.1`, 100, { model: 'gpt-5', provider: 'openai' }))
    if (rows % 10 > 0) ledger.settle(hold, rowOf(hold, { costNanoUsd: 60 }))
    bytes += 750
  }
  await ledger.durable()
  const before = performance.now()
  const next = open(folder, false)
  const found = await next.ledger.recover()
  const ms = (performance.now() - before).toFixed(0)
  print(
    `restart with ${rows} requests in the journal (${found.settled} settled, ${found.interrupted} open, none in the database): ${ms} ms`,
  )
  await next.ledger.close()
  await next.store.close()
  rmSync(folder, { recursive: true })
}

print(
  '| durability | callers | acknowledged after ms, median | p99 | requests a second |\n|---|---|---|---|---|',
)
for (const callers of [1, 32, 256]) for (const power of [false, true]) await measure(callers, power)
await measureRestart()
process.exit(0)

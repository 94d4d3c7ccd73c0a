/** A ledger under load, to be killed: `node kill-child.ts <folder> <round>`. Prints what it may promise, and only that. */
import { writeSync } from 'node:fs'
import { join } from 'node:path'
import { createLedger } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { budget, held, keyOf, rowOf } from './parts.ts'

const [folder, round] = process.argv.slice(2) as [string, string]
const store = openSqlite(join(folder, 'switchgate.db'))
const ledger = createLedger({
  store,
  journal: openJournal(join(folder, 'journal'), () => {}),
  clock: { now: Date.now, monotonic: () => performance.now() },
  log: () => {},
})
await ledger.recover()
const key = keyOf({ budgets: [budget('total', Number.MAX_SAFE_INTEGER)] })
const tell = (line: string) => writeSync(1, `${line}\n`)
const upstream = () => new Promise(resolve => setTimeout(resolve, Math.random() * 8))

async function caller(name: number): Promise<never> {
  for (let i = 0; ; i++) {
    const id = `r${round}c${name}n${i}.1`
    const hold = held(ledger.hold(key, id, 100))
    await ledger.durable()
    tell(`hold ${id}`)
    await upstream()
    ledger.settle(hold, rowOf(hold, { costNanoUsd: 60, createdAtMs: Date.now() }))
    await ledger.durable()
    tell(`settle ${id}`)
  }
}
tell('ready')
for (let name = 0; name < 100; name++) void caller(name)

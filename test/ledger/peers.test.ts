/** What lost peers their money when a database or a log could not keep up (T84, T87), each by its name. Real SQLite, real journal files. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, expect, test } from 'vitest'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { createLog } from '../../src/runtime/node/log.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../waiting.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'

const cleanups: (() => void)[] = []
afterAll(() => {
  for (const cleanup of cleanups) cleanup()
})

const key = keyOf({ budgets: [budget('total', 1e9)] })

async function serve(ledger: LedgerOwner, id: string): Promise<void> {
  const hold = held(ledger.hold(key, `${id}.1`, 20))
  await ledger.durable()
  ledger.settle(hold, rowOf(hold, { costNanoUsd: 10 }))
  await ledger.durable()
}

const booked = async (store: Store) => {
  const [total] = await store.spend({ fromMs: 0, toMs: 1e14, groupBy: [] })
  return { attempts: total?.attempts, costNanoUsd: total?.costNanoUsd }
}

test('T84 litellm#26886: a healthy database that often fails is neither restarted nor loses a row, and refuses nobody', async () => {
  const folder = createFolderFor(cleanups)
  const real = openSqlite(join(folder, 'switchgate.db'))
  const log = createTestLog()
  let calls = 0
  let failed = 0
  // two of three writes fail, as under a watchdog that takes slow for dead
  const store: Store = {
    ...real,
    fold(...given) {
      if (calls++ % 3 === 0) return real.fold(...given)
      failed++
      throw new Error('database is locked')
    },
  }
  const journal = openJournal(join(folder, 'journal'), log)
  const ledger = createLedger({ store, journal, clock: createTestClock(), log })
  await ledger.recover()
  for (let i = 0; i < 400; i++) await serve(ledger, `often${i}`)
  // `fold` asks again at every failure until all of it is there
  await until(async () => {
    await ledger.fold()
    return (await booked(real)).attempts === 400
  })
  expect(failed).toBeGreaterThan(0)
  expect(await booked(real)).toEqual({ attempts: 400, costNanoUsd: 4_000 })
  expect(log.lines).not.toContain('error ledger.store_stuck')
  await ledger.close()
  await real.close()
})

test('T84 while the database takes nothing rows wait on the disk, and a process that dies meanwhile leaves them there', async () => {
  const folder = createFolderFor(cleanups)
  const path = join(folder, 'switchgate.db')
  const log = createTestLog()
  const clock = createTestClock()
  const start = async () => {
    const store = openSqlite(path, 100)
    const ledger = createLedger({ store, journal: openJournal(join(folder, 'journal'), log), clock, log })
    await ledger.recover()
    return { store, ledger }
  }
  const first = await start()
  const other = new Database(path)
  other.exec('begin immediate')
  for (let i = 0; i < 300; i++) await serve(first.ledger, `waiting${i}`)
  await until(() => log.lines.includes('error ledger.fold_failed'))
  expect(await booked(first.store)).toMatchObject({ attempts: 0 })
  // it dies: nothing is folded, nothing is closed; its connection goes, and so does who locked the database
  await first.store.close()
  other.exec('rollback')
  other.close()
  const second = await start()
  await second.ledger.fold()
  expect(await booked(second.store)).toEqual({ attempts: 300, costNanoUsd: 3_000 })
  expect(second.ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 3_000, heldNanoUsd: 0 })
  await second.ledger.close()
  await second.store.close()
})

test('T87 bifrost#2042: a log that nobody reads drops lines and says how many; no row is dropped', async () => {
  const written: string[] = []
  let backlog = 9 << 20
  const log = createLog({
    level: 'info',
    format: 'json',
    scrub: text => text,
    secrets: () => 0,
    write: text => void written.push(text),
    backlog: () => backlog,
  })
  const store = createMemoryStore()
  const journal = openJournal(join(createFolderFor(cleanups), 'journal'), createTestLog())
  const ledger = createLedger({ store, journal, clock: createTestClock(), log })
  await ledger.recover()
  for (let i = 0; i < 200; i++) {
    await serve(ledger, `unread${i}`)
    log('info', 'request', { request: `unread${i}` })
  }
  await ledger.fold()
  expect(await booked(store)).toEqual({ attempts: 200, costNanoUsd: 2_000 })
  backlog = 0
  log('info', 'request', { request: 'read' })
  log.flush()
  expect(JSON.parse(written.join(''))).toMatchObject({ request: 'read', dropped_lines: 200 })
  await ledger.close()
})

test('T87 the queue of rows is bounded as well: what is full refuses new work and drops nothing', {
  timeout: 300_000,
}, async () => {
  const memory = createMemoryStore()
  let isOpen = false
  const store: Store = {
    ...memory,
    fold(...given) {
      if (!isOpen) throw new Error('no database')
      return memory.fold(...given)
    },
  }
  const ledger = createLedger({ store, journal: undefined, clock: createTestClock(), log: createTestLog() })
  await ledger.recover()
  let served = 0
  const refusal = () => {
    try {
      for (; served < 100_000; served++) {
        const hold = held(ledger.hold(key, `full${served}.1`, 20))
        ledger.settle(hold, rowOf(hold, { costNanoUsd: 10 }))
      }
    } catch (error) {
      return error
    }
  }
  expect(refusal()).toMatchObject({
    kind: 'storage_unavailable',
    status: 503,
    shouldRetry: true,
    cause: { message: 'too many settlements wait for the store' },
  })
  expect(served).toBe(30_001)
  isOpen = true
  await until(async () => {
    await ledger.fold()
    return (await booked(memory)).attempts === served
  })
  expect(await booked(memory)).toEqual({ attempts: served, costNanoUsd: served * 10 })
  await serve(ledger, 'again')
  await ledger.close()
})

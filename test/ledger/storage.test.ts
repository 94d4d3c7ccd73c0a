/** Storage that really fails under a ledger: a database that another process locks, one that is moved away, one that is gone. */
import { renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createDataPlane } from '../../src/app.ts'
import type { AccountDeps } from '../../src/http/account.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'
import { quickest, sleep, until } from '../waiting.ts'

const key = keyOf({ budgets: [budget('total', 1_000_000)] })

describe('a ledger whose database fails', () => {
  const cleanups: (() => void)[] = []
  let folder: string
  let path: string
  let clock: ReturnType<typeof createTestClock>
  let log: ReturnType<typeof createTestLog>
  let store: Store
  let ledger: LedgerOwner
  let sequence = 0

  beforeEach(async () => {
    folder = createFolderFor(cleanups)
    path = join(folder, 'switchgate.db')
    clock = createTestClock()
    log = createTestLog()
    await start()
  })
  afterEach(async () => {
    await ledger.close().catch(() => {})
    await store.close()
    for (const cleanup of cleanups.splice(0)) cleanup()
  })

  async function start(): Promise<void> {
    store = openSqlite(path, 100)
    ledger = createLedger({ store, journal: openJournal(join(folder, 'journal'), log), clock, log })
    await ledger.recover()
  }

  /** One request from its hold to its settlement. */
  async function serve(costNanoUsd = 10): Promise<void> {
    const hold = held(ledger.hold(key, `r${sequence++}.1`, 20))
    await ledger.durable()
    ledger.settle(hold, rowOf(hold, { costNanoUsd }))
    await ledger.durable()
  }

  const admits = () => {
    try {
      const hold = held(ledger.hold(key, `r${sequence++}.1`, 0))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 0 }))
      return true
    } catch (error) {
      expect(error).toMatchObject({
        kind: 'storage_unavailable',
        status: 503,
        shouldRetry: true,
        retryAfterMs: 1_000,
      })
      return false
    }
  }

  /** What a load balancer is told. */
  const readiness = async () => {
    const plane = createDataPlane({ closed: () => undefined, store, ledger } as unknown as AccountDeps)
    return (await plane.request('/readyz')).status
  }

  const booked = async () => {
    const [total] = await store.spend({ fromMs: 0, toMs: clock.now() * 2, groupBy: [] })
    return total?.costNanoUsd
  }

  it('locked by another: goes on for a while, then refuses; what runs is billed; all of it is there after', async () => {
    await serve()
    const running = held(ledger.hold(key, 'running.1', 100))
    const other = new Database(path)
    other.exec('begin immediate')
    await serve()
    await until(() => log.lines.includes('error ledger.fold_failed'))
    // nobody waits in the process while somebody else writes: the loop turned all the time
    const longestMs = await quickest(1_500, async () => {
      let longest = 0
      const before = performance.now()
      for (let last = before; last - before < 1_500; ) {
        await sleep(5)
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
      }
      return longest
    })
    expect(longestMs).toBeLessThan(1_500)
    expect(admits()).toBe(true)
    expect(await readiness()).toBe(200)
    clock.advance(6_000)
    await until(() => log.lines.includes('error ledger.store_stuck'))
    expect(admits()).toBe(false)
    expect(await readiness()).toBe(503)
    ledger.settle(running, rowOf(running, { costNanoUsd: 70 }))
    await ledger.durable()
    expect(ledger.usageOf(key)[0]?.spentNanoUsd).toBe(90)
    other.exec('rollback')
    other.close()
    await until(admits)
    expect(await readiness()).toBe(200)
    await ledger.fold()
    expect(await booked()).toBe(90)
  })

  it('moved away: nothing is written where nobody will look, and it heals when it is back', async () => {
    await serve()
    await ledger.fold()
    const away = join(folder, 'away.db')
    for (const end of ['', '-wal', '-shm']) renameSync(path + end, away + end)
    await serve()
    await until(() => log.lines.includes('error ledger.fold_failed'))
    clock.advance(6_000)
    await until(() => log.lines.includes('error ledger.store_stuck'))
    expect(admits()).toBe(false)
    await expect(ledger.fold()).rejects.toMatchObject({ kind: 'storage_unavailable' })
    for (const end of ['', '-wal', '-shm']) renameSync(away + end, path + end)
    await until(admits)
    await ledger.fold()
    expect(await booked()).toBe(20)
  })

  it('deleted: what was settled since is still in the journal for the next start', async () => {
    await serve()
    await ledger.fold()
    for (const end of ['', '-wal', '-shm']) rmSync(path + end)
    for (let i = 0; i < 200; i++) await serve()
    await until(() => log.lines.includes('error ledger.fold_failed'))
    await expect(ledger.fold()).rejects.toMatchObject({ kind: 'storage_unavailable' })
    await expect(ledger.close()).rejects.toMatchObject({ kind: 'storage_unavailable' })
    await store.close()
    await start()
    // the first was in the database that is gone; it is in the journal as well
    expect(await booked()).toBe(2_010)
  })

  it('a row that alone is refused stops nobody', async () => {
    const poison = held(ledger.hold(key, 'poison.1', 20))
    ledger.settle(poison, rowOf(poison, { lineage: '' }))
    await until(() => log.lines.includes('error ledger.fold_failed'))
    clock.advance(60_000)
    const failed = () => log.lines.filter(line => line === 'error ledger.fold_failed').length
    const seen = failed()
    await until(() => failed() > seen + 1)
    expect(admits()).toBe(true)
    expect(log.lines).not.toContain('error ledger.store_stuck')
  })
})

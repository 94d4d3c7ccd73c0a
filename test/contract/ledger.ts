/** What every ledger over every store must do: money, rows, restarts, a store that fails. Run by test/ledger/ledger.test.ts. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Shortfall } from '../../src/deps.ts'
import type { Journal } from '../../src/ledger/journal.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import type { Store } from '../../src/store/store.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { budget, createTestClock, createTestLog, held, keyOf, NOON, rowOf } from '../ledger/parts.ts'

/** `store` and `journal` are opened anew for every process that a test plays; what is on disk stays. */
export interface LedgerBench {
  store(): Store
  journal(): Journal
  /** The process dies: nothing is closed, nothing more is written. */
  kill?(): void
  clean(): Promise<void> | void
}

const HOUR = 3_600_000

export function describeLedger(name: string, open: () => LedgerBench): void {
  describe(`ledger over ${name}`, () => {
    let bench: LedgerBench
    let clock: ReturnType<typeof createTestClock>
    let log: ReturnType<typeof createTestLog>
    let store: Store
    let broken: string | undefined
    let ledgers: LedgerOwner[]

    /** A new process over what the last one left. `broken` makes its store refuse to fold. */
    async function start(): Promise<LedgerOwner> {
      store = bench.store()
      const working = store
      const fragile: Store = {
        ...working,
        fold(rows, buckets) {
          if (broken !== undefined) throw new Error(broken)
          return working.fold(rows, buckets)
        },
        async ping() {
          if (broken !== undefined) throw new Error(broken)
          return working.ping()
        },
      }
      const ledger = createLedger({ store: fragile, journal: bench.journal(), clock, log })
      await ledger.recover()
      ledgers.push(ledger)
      return ledger
    }

    beforeEach(() => {
      bench = open()
      clock = createTestClock()
      log = createTestLog()
      broken = undefined
      ledgers = []
    })
    afterEach(async () => {
      broken = undefined
      for (const ledger of ledgers) await ledger.close().catch(() => {})
      await bench.clean()
    })

    const rows = async (): Promise<AttemptRow[]> =>
      (await store.requests({ limit: 100 })).data.flatMap(request => [...request.attempts])
    const short = (value: object) => value as Shortfall

    it('held money counts, settled money stays, the rest comes back', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000), budget('month', 5_000)] })
      const hold = held(ledger.hold(key, 'a.1', 700))
      expect(short(ledger.hold(key, 'b.1', 400))).toEqual({
        limit: 'key.budget.day',
        availableNanoUsd: 300,
        heldByOthers: true,
        resetsAtMs: NOON + 12 * HOUR,
        wholeNanoUsd: 1_000,
        others: 1,
      })
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 650 }))
      expect(short(ledger.hold(key, 'b.1', 400))).toMatchObject({
        availableNanoUsd: 350,
        heldByOthers: false,
      })
      expect(ledger.usageOf(key)).toMatchObject([
        {
          window: 'day',
          spentNanoUsd: 650,
          heldNanoUsd: 0,
          remainingNanoUsd: 350,
          resetsAtMs: NOON + 12 * HOUR,
        },
        { window: 'month', spentNanoUsd: 650, heldNanoUsd: 0, remainingNanoUsd: 4_350 },
      ])
      expect(ledger.openHolds()).toBe(0)
      await ledger.fold()
      expect(await rows()).toEqual([rowOf(hold, { costNanoUsd: 650, heldNanoUsd: 700 })])
    })

    it('a refused hold leaves every window alone, whichever refused', async () => {
      const ledger = await start()
      for (const budgets of [
        [budget('day', 100), budget('total', 1_000)],
        [budget('total', 1_000), budget('day', 100)],
      ]) {
        const key = keyOf({ budgets, lineage: JSON.stringify(budgets) })
        expect(short(ledger.hold(key, 'a.1', 101)).limit).toBe('key.budget.day')
        for (const use of ledger.usageOf(key)) expect(use).toMatchObject({ heldNanoUsd: 0, spentNanoUsd: 0 })
      }
    })

    it('an overrun is recorded and stops the next request; a free model still runs', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('total', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 900))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 1_700 }))
      expect(short(ledger.hold(key, 'b.1', 1))).toEqual({
        limit: 'key.budget.total',
        availableNanoUsd: 0,
        heldByOthers: false,
        resetsAtMs: null,
        wholeNanoUsd: 1_000,
        others: 0,
      })
      const free = held(ledger.hold(key, 'c.1', 0))
      ledger.settle(free, rowOf(free, { costNanoUsd: 0 }))
      await ledger.fold()
      expect((await store.request('a'))?.attempts[0]).toMatchObject({
        costNanoUsd: 1_700,
        overrunNanoUsd: 800,
      })
    })

    it('a running stream asks for more until there is no more', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 400))
      expect(ledger.extend(hold, 400)).toBe(true)
      expect(ledger.extend(hold, 201)).toBe(false)
      expect(hold.heldNanoUsd).toBe(800)
      expect(ledger.extend(hold, 200)).toBe(true)
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 1_000 }))
      expect(ledger.extend(hold, 0)).toBe(false)
      expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 1_000, heldNanoUsd: 0 })
    })

    it('a hold comes down: others have the rest at once, and a restart charges what is left of it', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000), budget('5h', 1_000)] })
      await store.commit([{ op: 'put_key', key }])
      const hold = held(ledger.hold(key, 'a.1', 900))
      expect(short(ledger.hold(key, 'b.1', 700)).heldByOthers).toBe(true)
      const waiting = ledger.freed(key, 60_000)
      // what is free is rounded down
      ledger.lower(hold, 600.9)
      await waiting
      expect(hold.heldNanoUsd).toBe(300)
      for (const use of ledger.usageOf(key)) expect(use).toMatchObject({ spentNanoUsd: 0, heldNanoUsd: 300 })
      for (const nothing of [0, -5, Number.NaN]) ledger.lower(hold, nothing)
      expect(hold.heldNanoUsd).toBe(300)

      const next = held(ledger.hold(key, 'b.1', 500))
      expect(short(ledger.hold(key, 'c.1', 201)).availableNanoUsd).toBe(200)
      // more of it again, and what it cost
      expect(ledger.extend(hold, 100)).toBe(true)
      ledger.lower(hold, 50)
      ledger.settle(next, rowOf(next, { costNanoUsd: 450 }))
      const gone = held(ledger.hold(key, 'd.1', 60))
      ledger.charge(gone, 10)
      ledger.lower(gone, 30)
      ledger.settle(gone, rowOf(gone, { costNanoUsd: 10 }))
      ledger.lower(gone, 30)
      await ledger.durable()
      bench.kill?.()
      const again = await start()
      for (const use of again.usageOf(key))
        expect(use).toMatchObject({ spentNanoUsd: 350 + 450 + 10, heldNanoUsd: 0 })
      expect((await rows()).find(row => row.id === 'a.1')).toMatchObject({
        certainty: 'unknown',
        costNanoUsd: 350,
        heldNanoUsd: 350,
      })
    })

    it('what is charged before its row is written is spent at once, and the rest can be held', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 900))
      expect(short(ledger.hold(key, 'a.2', 700)).heldByOthers).toBe(true)
      let woken = false
      const waiting = ledger.freed(key, 60_000).then(() => {
        woken = true
      })
      ledger.charge(hold, 250)
      await waiting
      expect(woken).toBe(true)
      expect(ledger.usageOf(key)[0]).toMatchObject({
        spentNanoUsd: 250,
        heldNanoUsd: 0,
        remainingNanoUsd: 750,
      })
      expect(ledger.openMoney()).toMatchObject([{ nanoUsd: 0, chargedNanoUsd: 250 }])
      // it is really spent: nobody waits for it
      expect(short(ledger.hold(key, 'a.2', 751)).heldByOthers).toBe(false)
      // neither once more, nor more of it, nor something else later
      ledger.charge(hold, 100)
      expect(ledger.extend(hold, 1)).toBe(false)
      const next = held(ledger.hold(key, 'a.2', 750))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 400, last: false }))
      expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 250, heldNanoUsd: 750 })
      ledger.charge(hold, 500)
      ledger.settle(next, rowOf(next, { costNanoUsd: 700 }))
      expect(ledger.openHolds()).toBe(0)
      await ledger.fold()
      expect((await rows()).map(row => [row.id, row.costNanoUsd, row.heldNanoUsd, row.last])).toEqual([
        ['a.1', 250, 900, false],
        ['a.2', 700, 750, true],
      ])
      expect((await store.buckets(0)).map(bucket => bucket.spentNanoUsd)).toEqual([950])
    })

    it('a charge above the hold is an overrun of the row; one that nobody can tell leaves the hold as it is', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('total', 10_000)] })
      const over = held(ledger.hold(key, 'a.1', 100))
      ledger.charge(over, 130)
      expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 130, heldNanoUsd: 0 })
      ledger.settle(over, rowOf(over, { costNanoUsd: 130 }))
      const odd = held(ledger.hold(key, 'b.1', 100))
      for (const nonsense of [Number.NaN, -5, 0.5, Number.POSITIVE_INFINITY]) ledger.charge(odd, nonsense)
      expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 130, heldNanoUsd: 100 })
      ledger.settle(odd, rowOf(odd, { costNanoUsd: null }))
      const bare = held(ledger.hold(keyOf(), 'c.1', 100))
      ledger.charge(bare, 70)
      ledger.settle(bare, rowOf(bare, { costNanoUsd: 70 }))
      await ledger.fold()
      expect(
        (await rows())
          .sort((a, b) => a.id.localeCompare(b.id))
          .map(row => [row.id, row.costNanoUsd, row.overrunNanoUsd, row.certainty]),
      ).toEqual([
        ['a.1', 130, 30, 'exact'],
        ['b.1', 100, 0, 'unknown'],
        ['c.1', 70, 0, 'exact'],
      ])
    })

    it('a crash before the row was written charges what was charged, and the request has ended once', async () => {
      const first = await start()
      const key = keyOf({ budgets: [budget('day', 10_000)] })
      await store.commit([{ op: 'put_key', key }])
      const alone = held(first.hold(key, 'alone.1', 1_000))
      first.charge(alone, 40)
      const failed = held(first.hold(key, 'moved.1', 1_000))
      first.charge(failed, 30)
      held(first.hold(key, 'moved.2', 500))
      first.settle(failed, rowOf(failed, { costNanoUsd: 30, last: false }))
      const bare = held(first.hold(keyOf({ id: 'bare', lineage: 'bare' }), 'bare.1', 800, { priceId: 'p' }))
      first.charge(bare, 7)
      // the answer of a race is out, the one beside it is still being read
      const answered = held(first.hold(key, 'raced.1', 200))
      held(first.hold(key, 'raced.2', 100))
      first.settle(answered, rowOf(answered, { costNanoUsd: 150 }))
      await first.durable()
      bench.kill?.()
      for (let restart = 0; restart < 2; restart++)
        expect((await start()).usageOf(key)[0]).toMatchObject({
          spentNanoUsd: 40 + 30 + 500 + 150 + 100,
          heldNanoUsd: 0,
        })
      const stored = (await rows()).sort((a, b) => a.id.localeCompare(b.id))
      expect(stored.map(row => [row.id, row.costNanoUsd, row.certainty, row.last])).toEqual([
        ['alone.1', 40, 'unknown', true],
        ['bare.1', 7, 'unknown', true],
        ['moved.1', 30, 'exact', false],
        ['moved.2', 500, 'unknown', true],
        ['raced.1', 150, 'exact', true],
        ['raced.2', 100, 'unknown', false],
      ])
    })

    it('a hold belongs to the window in which it was opened', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 600))
      clock.advance(13 * HOUR)
      expect(ledger.available(key)?.availableNanoUsd).toBe(1_000)
      expect(ledger.extend(hold, 401)).toBe(false)
      expect(ledger.extend(hold, 400)).toBe(true)
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 900 }))
      expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 0, remainingNanoUsd: 1_000 })
      await ledger.fold()
      expect(await store.buckets(0)).toEqual([
        { lineage: key.lineage, window: 'day', bucketStartMs: NOON - 12 * HOUR, spentNanoUsd: 900 },
      ])
    })

    it('a changed limit of the same window keeps its spend; a rotated key shares it', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 800))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 800 }))
      const raised = { ...key, id: 'key000000002', budgets: [budget('day', 2_000)] }
      expect(ledger.available(raised)?.availableNanoUsd).toBe(1_200)
      const lowered = { ...key, budgets: [budget('day', 500)] }
      expect(short(ledger.hold(lowered, 'b.1', 1)).availableNanoUsd).toBe(0)
    })

    it('one attempt is settled once, and a key without budgets gets its row', async () => {
      const ledger = await start()
      const key = keyOf()
      const hold = held(ledger.hold(key, 'a.1', 5_000))
      expect(hold.heldNanoUsd).toBe(0)
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 4_000 }))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 4_000 }))
      expect(log.lines).toContain('error ledger.settled_twice')
      expect(ledger.available(key)).toBeUndefined()
      await ledger.fold()
      expect(await rows()).toEqual([rowOf(hold, { costNanoUsd: 4_000 })])
    })

    it('a cost that nobody can tell is the whole hold, and nonsense from upstream spoils no sum', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('total', 10_000)] })
      const costs = [null, Number.NaN, -5, Number.POSITIVE_INFINITY, 0.5]
      for (const [i, costNanoUsd] of costs.entries()) {
        const hold = held(ledger.hold(key, `r${i}.1`, 100))
        ledger.settle(
          hold,
          rowOf(hold, { costNanoUsd, usage: { ...rowOf(hold).usage, inputTokens: 1e300 } as never }),
        )
      }
      const free = held(ledger.hold(keyOf(), 'unpriced.1', 0))
      ledger.settle(free, rowOf(free, { costNanoUsd: null }))
      await ledger.fold()
      const stored = await rows()
      expect(stored).toHaveLength(6)
      for (const row of stored)
        expect(row).toMatchObject(
          row.id === 'unpriced.1'
            ? { costNanoUsd: null, certainty: 'exact' }
            : { costNanoUsd: 100, certainty: 'unknown', usage: null },
        )
      expect(ledger.usageOf(key)[0]?.spentNanoUsd).toBe(500)
    })

    it('wakes those who wait for held money, and only of that lineage', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('day', 1_000)] })
      const other = keyOf({ lineage: 'other', budgets: [budget('day', 1_000)] })
      const hold = held(ledger.hold(key, 'a.1', 1_000))
      let woken = 0
      const mine = [ledger.freed(key, 60_000), ledger.freed(key, 60_000)].map(wait =>
        wait.then(() => woken++),
      )
      let late = false
      const theirs = ledger.freed(other, 60_000).then(() => {
        late = true
      })
      await new Promise(resolve => setTimeout(resolve, 20))
      expect(woken).toBe(0)
      ledger.settle(hold, rowOf(hold))
      await Promise.all(mine)
      expect([woken, late]).toEqual([2, false])
      // nothing comes back: the wait ends by itself
      await ledger.freed(other, 20)
      expect(late).toBe(false)
      const another = held(ledger.hold(other, 'b.1', 1_000))
      ledger.settle(another, rowOf(another))
      await theirs
    })

    it('a restart knows windows and holds: what ran is charged in full, once, however often it restarts', async () => {
      const first = await start()
      const key = keyOf({ budgets: [budget('day', 10_000), budget('5h', 10_000), budget('total', 10_000)] })
      await store.commit([{ op: 'put_key', key }])
      const done = held(first.hold(key, 'done.1', 500))
      first.settle(done, rowOf(done, { costNanoUsd: 300 }))
      await first.fold()
      const unfolded = held(first.hold(key, 'unfolded.1', 500))
      broken = 'disk gone'
      first.settle(unfolded, rowOf(unfolded, { costNanoUsd: 200 }))
      const running = held(
        first.hold(key, 'running.2', 1_000, { provider: 'openai', model: 'gpt-5', peer: '::1' }),
      )
      expect(first.extend(running, 500)).toBe(true)
      await first.durable()
      bench.kill?.()
      broken = undefined
      for (let restart = 0; restart < 3; restart++) {
        const next = await start()
        for (const use of next.usageOf(key))
          expect(use).toMatchObject({ spentNanoUsd: 2_000, heldNanoUsd: 0 })
      }
      const stored = await rows()
      expect(stored.map(row => row.id).sort()).toEqual(['done.1', 'running.2', 'unfolded.1'])
      expect(stored.find(row => row.id === 'running.2')).toMatchObject({
        requestId: 'running',
        attempt: 2,
        last: true,
        status: 0,
        error: 'interrupted',
        certainty: 'unknown',
        costNanoUsd: 1_500,
        heldNanoUsd: 1_500,
        provider: 'openai',
        model: 'gpt-5',
        peer: '::1',
        usage: null,
      })
    })

    it('a restart refills no daily request limit', async () => {
      const first = await start()
      const key = keyOf({ limits: { rpm: null, tpm: null, rpd: 5, concurrency: null } })
      await store.commit([{ op: 'put_key', key }])
      for (let i = 0; i < 4; i++) {
        expect(first.admit(key, 0)).toHaveProperty('release')
        const hold = held(first.hold(key, `r${i}.1`, 0))
        first.settle(hold, rowOf(hold))
      }
      await first.durable()
      bench.kill?.()
      clock.advance(HOUR)
      const next = await start()
      expect(next.admit(key, 0)).toHaveProperty('release')
      expect(next.admit(key, 0)).toMatchObject({ limit: 'key.rpd' })
    })

    it('a store that fails delays rows and loses none; the gateway goes on', async () => {
      const ledger = await start()
      const key = keyOf({ budgets: [budget('total', 1_000_000)] })
      broken = 'disk gone'
      for (let i = 0; i < 100; i++) {
        const hold = held(ledger.hold(key, `r${i}.1`, 20))
        ledger.settle(hold, rowOf(hold, { costNanoUsd: 10 }))
      }
      await ledger.durable()
      await expect(ledger.fold()).rejects.toMatchObject({ kind: 'storage_unavailable' })
      expect(ledger.usageOf(key)[0]?.spentNanoUsd).toBe(1_000)
      broken = undefined
      await ledger.fold()
      const [total] = await store.spend({ fromMs: NOON - HOUR, toMs: NOON + HOUR, groupBy: [] })
      expect(total).toMatchObject({ attempts: 100, costNanoUsd: 1_000 })
    })

    it('a row that the store refuses does not hold up the others', async () => {
      const ledger = await start()
      const key = keyOf()
      for (let i = 0; i < 40; i++) {
        const hold = held(ledger.hold(key, `r${i}.1`, 0))
        ledger.settle(hold, rowOf(hold, i === 7 ? { lineage: '' } : {}))
      }
      for (let tries = 0; tries < 60 && (await rows()).length < 39; tries++) await ledger.fold()
      expect((await rows()).length).toBe(39)
      // and a restart still starts
      bench.kill?.()
      await start()
      expect(log.lines).toContain('error ledger.row_refused')
      // what the store will not take is still there for the start after that, readable
      bench.kill?.()
      log.lines.length = 0
      await start()
      if (bench.kill) expect(log.lines).toEqual(['error ledger.row_refused', 'info ledger.recovered'])
    })
  })
}

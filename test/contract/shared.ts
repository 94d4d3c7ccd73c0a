/** What several ledgers over one store must do, as several processes will: share every limit to the last nano-USD. Run by test/ledger/shared.test.ts. */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Hold, Shortfall } from '../../src/deps.ts'
import type { Journal } from '../../src/ledger/journal.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { SLICE_TTL_MS } from '../../src/ledger/slice.ts'
import type { SliceAsk, Store } from '../../src/store/store.ts'
import type { Key, Project } from '../../src/terms.ts'
import { budget, createTestClock, createTestLog, keyOf, NOON, rowOf } from '../ledger/parts.ts'
import { sleep } from '../waiting.ts'

/** `store` is one connection of a process; `journal` is what that process left, opened anew. */
export interface SharedBench {
  store(): Store
  journal(holder: string): Journal
  clean(): Promise<void> | void
}

const PRICE = 1_000_000
const CONCURRENT = 200
/** `npm run test:bank`: 50 rounds, and a table. */
const FULL = process.env.MODE === 'bank'
const MARGIN_MS = 5_000
/** Longer than a refusal of the store is believed. */
const BELIEVED_MS = 250
/** For what is held and will not come back. */
const SOON = 400

const project = (id: string, limitNanoUsd: number): Project => ({
  id,
  name: id,
  status: 'active',
  createdAtMs: NOON,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets: [budget('month', limitNanoUsd)],
  metadata: {},
})

/** A cheap generator with a seed: the costs of a round are the same every time. */
function createDice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return state / 2 ** 32
  }
}

export function describeShared(name: string, open: () => SharedBench): void {
  describe(`two ledgers over ${name}`, () => {
    let bench: SharedBench
    let clock: ReturnType<typeof createTestClock>
    let log: ReturnType<typeof createTestLog>
    let ledgers: LedgerOwner[]

    beforeEach(() => {
      bench = open()
      clock = createTestClock()
      log = createTestLog()
      ledgers = []
    })
    afterEach(async () => {
      for (const ledger of ledgers) await ledger.close().catch(() => {})
      await bench.clean()
    })

    /** A process; without a holder one that believes to be alone. */
    async function start(holder: string | undefined, name = holder ?? 'alone'): Promise<LedgerOwner> {
      const store = bench.store()
      const ledger = createLedger({
        store,
        journal: bench.journal(name),
        clock,
        log,
        ...(holder !== undefined && { holder }),
      })
      await ledger.recover()
      ledgers.push(ledger)
      return ledger
    }

    /** Holds as the gateway does: waits for money that comes back, and takes what is left in the end. */
    async function hold(
      ledger: LedgerOwner,
      key: Key,
      id: string,
      nanoUsd: number,
      withinMs = 30_000,
    ): Promise<Hold | undefined> {
      const untilMs = Date.now() + withinMs
      let amount = nanoUsd
      for (let tries = 0; tries < 10_000; tries++) {
        const got = ledger.hold(key, id, amount)
        if ('attemptId' in got) return got
        const short: Shortfall = got
        if (short.heldByOthers && Date.now() < untilMs) {
          await ledger.freed(key, untilMs - Date.now(), short)
          continue
        }
        if (short.heldByOthers || short.availableNanoUsd < nanoUsd / 100) return undefined
        amount = short.availableNanoUsd
      }
      throw new Error('refused what it said was there')
    }

    const spentOf = async (store: Store): Promise<number> => {
      const [total] = await store.spend({ fromMs: 0, toMs: NOON * 2, groupBy: [] })
      return total?.costNanoUsd ?? 0
    }

    /** Every process serves its share; what the upstream served is counted at the upstream. */
    async function bank(worth: number, holders: readonly (string | undefined)[], rounds: number) {
      const limit = worth * PRICE
      const key = keyOf({ budgets: [budget('day', limit), budget('total', limit * 2)], project: 'p' })
      const store = bench.store()
      await store.commit([
        { op: 'put_key', key },
        { op: 'put_project', project: project('p', limit * 1.5) },
        { op: 'put_project', project: project('organisation', limit * 1.7) },
      ])
      const processes = await Promise.all(holders.map((holder, i) => start(holder, `bank-${i}`)))
      const random = createDice(worth)
      let served = 0
      for (let round = 0; round < rounds; round++) {
        // who was refused believes it for a moment: a round that came within it would find nobody who asks
        if (round > 0) await sleep(BELIEVED_MS)
        const requests = Array.from({ length: CONCURRENT }, async (_, i) => {
          const ledger = processes[i % processes.length] as LedgerOwner
          const money = await hold(ledger, key, `r${round}x${i}.1`, PRICE)
          if (money === undefined) return
          await sleep(Math.floor(random() * 10))
          // every third is a stream that asks for more and may be refused
          if (i % 3 === 0) ledger.extend(money, PRICE / 10)
          const costNanoUsd = Math.ceil(money.heldNanoUsd * (0.3 + 0.7 * random()))
          served += costNanoUsd
          ledger.settle(money, rowOf(money, { costNanoUsd }))
        })
        await Promise.all(requests)
      }
      for (const ledger of processes) await ledger.fold()
      return { limit, served, booked: await spentOf(store) }
    }

    describe.each([1, 10, 100])("a budget of %i requests' worth, 200 at once", worth => {
      it('is never overshot by both together, and at least 95% used', async () => {
        // what is left of a single request's worth is used up a share at a time
        const rounds = FULL ? 50 : worth === 1 ? 8 : 3
        const { limit, served, booked } = await bank(worth, ['a', 'b'], rounds)
        const overshoot = Math.max(0, served - limit)
        if (FULL)
          process.stdout.write(
            `| ${worth} | ${name} | ${overshoot} | ${((served / limit) * 100).toFixed(2)}% |\n`,
          )
        expect(booked).toBe(served)
        expect(served).toBeLessThanOrEqual(limit)
        expect(served).toBeGreaterThanOrEqual(limit * 0.95)
      })
    })

    it('the same test catches processes that each believe to own the budget', async () => {
      const { limit, served } = await bank(10, [undefined, undefined], 1)
      expect(served).toBeGreaterThan(limit)
    })

    it('a slice that is short is made larger while the whole is not', async () => {
      const [one, two] = [await start('a'), await start('b')]
      const key = keyOf({ budgets: [budget('total', 1_000)] })
      for (const [i, ledger] of [one, two, one, two, one].entries()) {
        const money = (await hold(ledger, key, `r${i}.1`, 200)) as Hold
        expect(money.heldNanoUsd).toBe(200)
        ledger.settle(money, rowOf(money, { costNanoUsd: 200 }))
      }
      expect(await hold(two, key, 'more.1', 1)).toBeUndefined()
      for (const ledger of [one, two, one]) await ledger.fold()
      for (const ledger of [one, two]) {
        expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 1_000, remainingNanoUsd: 0 })
      }
    })

    it('a lowered limit holds for slices that were granted before; a free model runs all the same', async () => {
      const ledger = await start('a')
      const key = keyOf({ budgets: [budget('total', 10_000)] })
      const first = (await hold(ledger, key, 'a.1', 100)) as Hold
      const lowered = { ...key, budgets: [budget('total', 150)] }
      expect(await hold(ledger, lowered, 'b.1', 51, SOON)).toBeUndefined()
      expect(await hold(ledger, lowered, 'b.1', 50)).toMatchObject({ heldNanoUsd: 50 })
      expect('attemptId' in ledger.hold(lowered, 'c.1', 0)).toBe(true)
      ledger.settle(first, rowOf(first, { costNanoUsd: 100 }))
      expect(await hold(ledger, lowered, 'd.1', 60)).toBeUndefined()
    })

    it('an overrun of one stops the other', async () => {
      const [one, two] = [await start('a'), await start('b')]
      const key = keyOf({ budgets: [budget('total', 1_000)] })
      const money = (await hold(one, key, 'a.1', 500)) as Hold
      one.settle(money, rowOf(money, { costNanoUsd: 1_700 }))
      await one.fold()
      expect(await hold(two, key, 'b.1', 100)).toBeUndefined()
      expect(await hold(one, key, 'c.1', 1)).toBeUndefined()
    })

    it('a process that dies keeps what it held until its journal was read; the rest comes back when its slices expire', async () => {
      const [dead, heir] = [await start('dead'), await start('heir')]
      const key = keyOf({ budgets: [budget('total', 1_000)] })
      const done = (await hold(dead, key, 'done.1', 100)) as Hold
      dead.settle(done, rowOf(done, { costNanoUsd: 70 }))
      const open = (await hold(dead, key, 'open.1', 300)) as Hold
      expect(open.heldNanoUsd).toBe(300)
      await dead.durable()
      // dead: no tick, no renewal, nothing is given back; its two asks left it some spare money besides
      ledgers.splice(ledgers.indexOf(dead), 1)
      const left = bench.journal('dead')
      expect(await heir.inherit('dead', left)).toBeUndefined()
      clock.advance(SLICE_TTL_MS + MARGIN_MS - 1)
      expect(await heir.inherit('dead', left)).toBeUndefined()
      clock.advance(1)
      expect(await heir.inherit('nobody', left)).toBeUndefined()
      expect(await heir.inherit('dead', left)).toMatchObject({ interrupted: 1, chargedNanoUsd: 300 })
      // 70 spent, 300 charged as unknown: the rest is there again
      expect(await hold(heir, key, 'rest.1', 630)).toMatchObject({ heldNanoUsd: 630 })
      expect(await hold(heir, key, 'none.1', 1, SOON)).toBeUndefined()
      // it lives after all: it holds nothing on slices that are gone, and what it settles late counts once
      dead.settle(open, rowOf(open, { costNanoUsd: 10 }))
      expect(await hold(dead, key, 'late.1', 100, SOON)).toBeUndefined()
      await dead.fold()
      await heir.fold()
      expect(await spentOf(bench.store())).toBe(370)
      ledgers.push(dead)
    })

    it('a restarted process has back what it did not hold', async () => {
      const first = await start('a')
      const key = keyOf({ budgets: [budget('total', 1_000)] })
      await bench.store().commit([{ op: 'put_key', key }])
      const open = (await hold(first, key, 'open.1', 250)) as Hold
      expect(open.heldNanoUsd).toBe(250)
      await first.durable()
      ledgers.splice(0)
      const [again, other] = [await start('a'), await start('b')]
      expect(await hold(other, key, 'rest.1', 750)).toMatchObject({ heldNanoUsd: 750 })
      expect(await hold(again, key, 'none.1', 1, SOON)).toBeUndefined()
    })

    it('windows that turn give both their money back', async () => {
      const [one, two] = [await start('a'), await start('b')]
      const key = keyOf({ budgets: [budget('day', 400)] })
      for (const [i, ledger] of [one, two].entries()) {
        const money = (await hold(ledger, key, `r${i}.1`, 200)) as Hold
        ledger.settle(money, rowOf(money, { costNanoUsd: 200 }))
      }
      expect(await hold(one, key, 'none.1', 1, SOON)).toBeUndefined()
      clock.advance(13 * 3_600_000)
      for (const [i, ledger] of [one, two].entries())
        expect(await hold(ledger, key, `s${i}.1`, 200)).toMatchObject({ heldNanoUsd: 200 })
    })
  })
}

type Step =
  | { readonly do: 'ask'; readonly holder: string; readonly need: number; readonly want: number }
  | { readonly do: 'return'; readonly holder: string; readonly nanoUsd: number }
  | { readonly do: 'spend'; readonly holder: string; readonly nanoUsd: number }
  | { readonly do: 'release'; readonly holder: string }

const holder = fc.constantFrom('a', 'b', 'c')
const amount = fc.integer({ min: 0, max: 2 ** 40 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('ask' as const), holder, need: amount, want: amount }),
  },
  fc.record({ do: fc.constant('return' as const), holder, nanoUsd: amount }),
  fc.record({ do: fc.constant('spend' as const), holder, nanoUsd: amount }),
  fc.record({ do: fc.constant('release' as const), holder }),
)

/** The store's side of it, against a model. */
export function describeSlices(name: string, open: () => Promise<Store> | Store, numRuns = 60): void {
  describe(`slices in ${name}`, () => {
    it('all slices and what is spent stay within the limit, whoever asks for what', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(step, { maxLength: 30 }),
          fc.integer({ min: 1, max: 2 ** 42 }),
          async (steps, limit) => {
            const store = await open()
            const has = new Map<string, number>()
            const all = () => [...has.values()].reduce((sum, nanoUsd) => sum + nanoUsd, 0)
            let spent = 0
            let rows = 0
            for (const one of steps) {
              const mine = has.get(one.holder) ?? 0
              if (one.do === 'ask') {
                const ask: SliceAsk = {
                  holder: one.holder,
                  owner: 'k',
                  window: 'total',
                  sinceMs: 0,
                  limitNanoUsd: limit,
                  needNanoUsd: one.need,
                  wantNanoUsd: one.want,
                  expiresAtMs: 5,
                }
                const free = limit - spent - all()
                const others = all() - mine
                const answer = await store.lease(ask)
                const granted = answer.sliceNanoUsd - mine
                expect(Number.isSafeInteger(granted)).toBe(true)
                expect(answer).toMatchObject({ spentNanoUsd: spent, othersNanoUsd: others })
                expect(granted).toBeLessThanOrEqual(Math.max(0, free))
                expect(granted).toBeGreaterThanOrEqual(0)
                if (free >= one.need) expect(granted).toBeGreaterThanOrEqual(one.need)
                else if (others > 0) expect(granted).toBe(0)
                else expect(granted).toBe(Math.max(0, free))
                has.set(one.holder, answer.sliceNanoUsd)
              } else if (one.do === 'release') {
                await store.commit([{ op: 'release_slices', holder: one.holder }])
                has.delete(one.holder)
              } else {
                const nanoUsd = Math.min(one.nanoUsd, mine)
                if (one.do === 'spend') {
                  const key = keyOf({ lineage: 'k' })
                  const row = rowOf({ attemptId: `r${rows++}.1`, key }, { costNanoUsd: nanoUsd })
                  await store.fold([row], () => [{ window: 'total', bucketStartMs: 0 }])
                  spent += nanoUsd
                }
                const { holder } = one
                await store.commit([{ op: 'return_slice', holder, owner: 'k', window: 'total', nanoUsd }])
                if (has.has(holder)) has.set(holder, mine - nanoUsd)
              }
              expect(spent + all()).toBeLessThanOrEqual(limit)
            }
            expect(new Set((await store.sliceHolders()).keys())).toEqual(new Set(has.keys()))
          },
        ),
        { numRuns },
      )
    })

    it('other owners, windows and older buckets are not counted, and a renewal moves the end', async () => {
      const store = await open()
      const key = keyOf({ lineage: 'k' })
      await store.fold([rowOf({ attemptId: 'a.1', key }, { costNanoUsd: 400 })], () => [
        { window: 'day', bucketStartMs: 100 },
        { window: 'total', bucketStartMs: 0 },
        { owner: 'project:p', window: 'day', bucketStartMs: 200 },
      ])
      const ask = (changes: Partial<SliceAsk>) =>
        store.lease({
          holder: 'a',
          owner: 'k',
          window: 'day',
          sinceMs: 100,
          limitNanoUsd: 1_000,
          needNanoUsd: 600,
          wantNanoUsd: 600,
          expiresAtMs: 50,
          ...changes,
        })
      expect(await ask({ needNanoUsd: 601 })).toEqual({
        sliceNanoUsd: 600,
        spentNanoUsd: 400,
        othersNanoUsd: 0,
      })
      expect(await ask({ holder: 'b', sinceMs: 101, needNanoUsd: 400 })).toEqual({
        sliceNanoUsd: 400,
        spentNanoUsd: 0,
        othersNanoUsd: 600,
      })
      expect(await ask({ owner: 'project:p', holder: 'c', sinceMs: 0 })).toMatchObject({ spentNanoUsd: 400 })
      expect(await ask({ owner: 'other', holder: 'd' })).toMatchObject({ sliceNanoUsd: 600, spentNanoUsd: 0 })
      expect(await ask({ window: 'week', holder: 'e', expiresAtMs: 70 })).toMatchObject({ spentNanoUsd: 0 })
      await store.commit([{ op: 'renew_slices', holder: 'd', expiresAtMs: 90 }])
      await store.commit([{ op: 'release_slices', holder: 'b' }])
      expect([...(await store.sliceHolders())].sort()).toEqual([
        ['a', 50],
        ['c', 50],
        ['d', 90],
        ['e', 70],
      ])
    })
  })
}

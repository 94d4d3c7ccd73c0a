/**
 * Any interleaving of holds, extensions, charges, settlements, releases, leases, deaths and expiries of several ledgers over one
 * store, whose answers come in any order: what is spent and held never passes the limit, and nothing leaks.
 */
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Hold } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { SLICE_TTL_MS } from '../../src/ledger/slice.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { budget, createTestClock, createTestLog, keyOf, rowOf } from './parts.ts'

const LIMIT = 4_000
const DAY_MS = 86_400_000

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A store of one process whose answers come when the scheduler says so, and not at all once the process is dead. */
function slow(store: Store, scheduler: fc.Scheduler, process: { dead: boolean }): Store {
  const later = async <T>(name: string, work: () => T | Promise<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve(), `${name} asked`)
    if (process.dead) throw new Error('the process is dead')
    const answer = await work()
    // done in the store, and the answer still on its way
    await scheduler.schedule(Promise.resolve(), `${name} answered`)
    return answer
  }
  return {
    ...store,
    lease: ask => later('lease', () => store.lease(ask)),
    commit: ops => later('commit', () => store.commit(ops)),
    fold: (rows, buckets) => later('fold', () => store.fold(rows, buckets)),
  }
}

interface Process {
  readonly name: string
  readonly ledger: LedgerOwner
  readonly state: { dead: boolean }
  readonly lines: string[]
  readonly open: Hold[]
  /** Charged, and without a row yet. */
  readonly ended: { readonly hold: Hold; readonly costNanoUsd: number }[]
  /** Short once, tried again. */
  readonly wants: number[]
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('hold' as const),
      who: fc.nat(2),
      nanoUsd: fc.integer({ min: 1, max: 3_000 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('extend' as const, 'lower' as const),
      who: fc.nat(2),
      nanoUsd: fc.integer({ min: 1, max: 1_000 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      who: fc.nat(2),
      share: fc.double({ min: 0.5, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('charge' as const),
      who: fc.nat(2),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('write' as const), who: fc.nat(2) }) },
  // gives a hold back whole: the attempt cost nothing
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), who: fc.nat(2) }) },
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('answers' as const), count: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('tick' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), who: fc.nat(2) }) },
)

describe('several ledgers, any order of events', () => {
  it('never pass the limit together, and leave nothing behind', async () => {
    const happened = { held: 0, refused: 0, died: 0, full: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(step, { minLength: 40, maxLength: 120 }),
        async (scheduler, steps) => {
          const store = createMemoryStore()
          const clock = createTestClock()
          const key = keyOf({ budgets: [budget('total', LIMIT), budget('5h', LIMIT + 500)] })
          const dead: Process[] = []
          let names = 0
          let ids = 0
          let settled = 0
          const start = async (): Promise<Process> => {
            const state = { dead: false }
            const name = `p${names++}`
            const lines: string[] = []
            const ledger = createLedger({
              store: slow(store, scheduler, state),
              journal: createMemoryJournal(lines),
              clock: { now: clock.now, monotonic: () => Date.now() },
              log: createTestLog(),
              holder: name,
            })
            const recovered = ledger.recover()
            await scheduler.waitFor(recovered)
            return { name, ledger, state, lines, open: [], ended: [], wants: [] }
          }
          const processes = [await start(), await start(), await start()]
          const exposure = () =>
            [...processes, ...dead].reduce(
              (sum, one) =>
                one.ended.reduce((all, { costNanoUsd }) => all + costNanoUsd, sum) +
                one.open.reduce((mine, hold) => mine + hold.heldNanoUsd, 0),
              settled,
            )
          const tryAll = (one: Process) => {
            for (const nanoUsd of one.wants.splice(0)) {
              const got = one.ledger.hold(key, `r${ids++}.1`, nanoUsd)
              if ('attemptId' in got) {
                one.open.push(got)
                happened.held++
              } else if (got.heldByOthers) one.wants.push(nanoUsd)
              else happened.refused++
            }
          }
          const turn = () => vi.advanceTimersByTimeAsync(0)
          const settle = (one: Process, costNanoUsd: (hold: Hold) => number) => {
            const hold = one.open.shift()
            if (hold === undefined) return
            const cost = costNanoUsd(hold)
            settled += cost
            one.ledger.settle(hold, rowOf(hold, { costNanoUsd: cost }))
          }
          const write = (one: Process) => {
            const done = one.ended.shift()
            if (done === undefined) return
            settled += done.costNanoUsd
            one.ledger.settle(done.hold, rowOf(done.hold, { costNanoUsd: done.costNanoUsd }))
          }

          for (const one of steps) {
            const mine = 'who' in one ? (processes[one.who] as Process) : undefined
            if (one.do === 'hold' && mine) {
              mine.wants.push(one.nanoUsd)
              tryAll(mine)
            } else if (one.do === 'extend' && mine?.open[0]) mine.ledger.extend(mine.open[0], one.nanoUsd)
            else if (one.do === 'lower' && mine?.open[0]) mine.ledger.lower(mine.open[0], one.nanoUsd)
            else if (one.do === 'settle' && mine)
              settle(mine, hold => Math.floor(hold.heldNanoUsd * one.share))
            else if (one.do === 'release' && mine) settle(mine, () => 0)
            else if (one.do === 'charge' && mine) {
              const hold = mine.open.shift()
              if (hold !== undefined) {
                const costNanoUsd = Math.floor(hold.heldNanoUsd * one.share)
                mine.ledger.charge(hold, costNanoUsd)
                mine.ended.push({ hold, costNanoUsd })
              }
            } else if (one.do === 'write' && mine) write(mine)
            else if (one.do === 'answers')
              for (let i = 0; i < one.count && scheduler.count() > 0; i++) {
                await scheduler.waitOne()
                await turn()
                for (const each of processes) tryAll(each)
              }
            else if (one.do === 'tick') await vi.advanceTimersByTimeAsync(200)
            else if (one.do === 'die' && mine) {
              mine.state.dead = true
              happened.died++
              dead.push(mine)
              processes[processes.indexOf(mine)] = await start()
            }
            await turn()
            expect(exposure()).toBeLessThanOrEqual(LIMIT)
          }

          // the dead are inherited, the living end: every answer comes, whatever was asked
          clock.advance(SLICE_TTL_MS + 5_000)
          const heir = processes[0] as Process
          for (const { name, lines } of dead)
            await scheduler.waitFor(heir.ledger.inherit(name, createMemoryJournal(lines)))
          let charged = 0
          for (const one of dead) {
            for (const hold of one.open.splice(0)) charged += hold.heldNanoUsd
            for (const { costNanoUsd } of one.ended.splice(0)) charged += costNanoUsd
          }
          for (const one of processes) {
            while (one.ended.length > 0) write(one)
            while (one.open.length > 0) settle(one, hold => hold.heldNanoUsd)
          }
          for (let i = 0; i < 40; i++) {
            await vi.advanceTimersByTimeAsync(200)
            while (scheduler.count() > 0) {
              await scheduler.waitOne()
              await turn()
            }
          }
          // what was settled by the dead and never folded came from their journals
          const [total] = await store.spend({ fromMs: 0, toMs: clock.now() + DAY_MS, groupBy: [] })
          expect(total?.costNanoUsd).toBe(settled + charged)
          expect(settled + charged).toBeLessThanOrEqual(LIMIT)
          // nobody holds back what nobody uses: all that is left can be had at once, and not one nano-USD more
          const rest = LIMIT - settled - charged
          if (rest < 1_000) happened.full++
          const answer = await store.lease({
            holder: 'last',
            owner: key.lineage,
            window: 'total',
            sinceMs: 0,
            limitNanoUsd: LIMIT,
            needNanoUsd: rest,
            wantNanoUsd: rest,
            expiresAtMs: clock.now() + SLICE_TTL_MS,
          })
          expect(answer).toEqual({ sliceNanoUsd: rest, spentNanoUsd: settled + charged, othersNanoUsd: 0 })
          for (const one of processes) {
            one.state.dead = true
            void one.ledger.close().catch(() => {})
          }
          await vi.advanceTimersByTimeAsync(0)
          vi.clearAllTimers()
        },
      ),
      { numRuns: 150 },
    )
    // a run in which nothing could be held, or nothing was short, would prove nothing
    expect(happened.held).toBeGreaterThan(200)
    for (const count of [happened.refused, happened.died, happened.full]) expect(count).toBeGreaterThan(5)
  })
})

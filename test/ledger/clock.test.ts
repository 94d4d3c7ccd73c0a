/** Clocks that jump by hours, days and years, nights that are 23 or 25 hours long, leap days: no window is refilled, none goes below nothing. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Hold } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { bucketStart, parseWindow } from '../../src/ledger/windows.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { BudgetWindow } from '../../src/terms.ts'
import { budget, createTestClock, createTestLog, keyOf, rowOf } from './parts.ts'

const HOUR = 3_600_000
const LIMIT = 1_000
/** A quiet day, both nights on which Berlin changes its clocks, the eve of a leap day, the last second of a year. */
const STARTS = [
  '2026-01-15T12:00:00Z',
  '2026-03-28T22:30:00Z',
  '2026-10-24T21:30:00Z',
  '2028-02-28T23:30:00Z',
  '2026-12-31T23:59:59Z',
].map(text => Date.parse(text))

const WINDOWS: readonly BudgetWindow[] = [
  'day',
  'day@Europe/Berlin',
  'week',
  'month@America/New_York',
  'total',
]

const jump = fc.constantFrom(
  0,
  1,
  1_000,
  HOUR,
  -HOUR,
  24 * HOUR,
  -24 * HOUR,
  365 * 24 * HOUR,
  -365 * 24 * HOUR,
)
const event = fc.oneof(
  fc.record({ do: fc.constant('hold' as const), nanoUsd: fc.integer({ min: 1, max: 600 }) }),
  fc.record({ do: fc.constant('settle' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({
    do: fc.constantFrom('extend' as const, 'lower' as const),
    nanoUsd: fc.integer({ min: 1, max: 300 }),
  }),
  fc.record({ do: fc.constant('charge' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  fc.record({ do: fc.constant('write' as const) }),
  fc.record({ do: fc.constant('jump' as const), ms: jump }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 30 * HOUR }) }),
)

describe.each(WINDOWS)('a budget of %s under a clock that jumps', window => {
  it('never gives one period more than its limit, whatever the clock says in between', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...STARTS),
        fc.array(event, { maxLength: 60 }),
        async (start, events) => {
          const clock = createTestClock(start)
          const key = keyOf({ budgets: [budget(window, LIMIT)] })
          const store = createMemoryStore()
          const ledger = createLedger({ store, journal: createMemoryJournal(), clock, log: createTestLog() })
          await ledger.recover()
          const span = parseWindow(window)
          const open: { hold: Hold; period: number }[] = []
          /** Charged, and without a row yet. */
          const ended: { hold: Hold; costNanoUsd: number }[] = []
          const spent = new Map<number, number>()
          const inPeriod = (period: number) =>
            (spent.get(period) ?? 0) +
            open.reduce((sum, one) => sum + (one.period === period ? one.hold.heldNanoUsd : 0), 0)
          let ids = 0
          for (const one of events) {
            if (one.do === 'hold') {
              const got = ledger.hold(key, `r${ids++}.1`, one.nanoUsd)
              if ('attemptId' in got) open.push({ hold: got, period: bucketStart(span, clock.now()) })
              else expect(got.availableNanoUsd).toBeGreaterThanOrEqual(0)
            } else if (one.do === 'extend' && open[0]) ledger.extend(open[0].hold, one.nanoUsd)
            else if (one.do === 'lower' && open[0]) ledger.lower(open[0].hold, one.nanoUsd)
            else if (one.do === 'settle') {
              const done = open.shift()
              if (done === undefined) continue
              const costNanoUsd = Math.floor(done.hold.heldNanoUsd * one.share)
              spent.set(done.period, (spent.get(done.period) ?? 0) + costNanoUsd)
              ledger.settle(done.hold, rowOf(done.hold, { costNanoUsd }))
            } else if (one.do === 'charge') {
              const done = open.shift()
              if (done === undefined) continue
              const costNanoUsd = Math.floor(done.hold.heldNanoUsd * one.share)
              spent.set(done.period, (spent.get(done.period) ?? 0) + costNanoUsd)
              ledger.charge(done.hold, costNanoUsd)
              ended.push({ hold: done.hold, costNanoUsd })
            } else if (one.do === 'write') {
              const done = ended.shift()
              if (done) ledger.settle(done.hold, rowOf(done.hold, { costNanoUsd: done.costNanoUsd }))
            } else if (one.do === 'jump') clock.jump(one.ms)
            else if (one.do === 'pass') clock.advance(one.ms)
            for (const period of new Set([...spent.keys(), ...open.map(each => each.period)]))
              expect(inPeriod(period)).toBeLessThanOrEqual(LIMIT)
            const [use] = ledger.usageOf(key)
            expect(use?.spentNanoUsd).toBeGreaterThanOrEqual(0)
            expect(use?.heldNanoUsd).toBeGreaterThanOrEqual(0)
            expect(use?.remainingNanoUsd).toBeGreaterThanOrEqual(0)
          }
          for (const { hold, period } of open.splice(0)) {
            spent.set(period, (spent.get(period) ?? 0) + hold.heldNanoUsd)
            ledger.settle(hold, rowOf(hold, { costNanoUsd: hold.heldNanoUsd }))
          }
          for (const { hold, costNanoUsd } of ended) ledger.settle(hold, rowOf(hold, { costNanoUsd }))
          await ledger.fold()
          // the store has each period's money where it was held, so that a restart under any clock knows it
          const buckets = await store.buckets(Number.NEGATIVE_INFINITY)
          const known = new Map(buckets.map(bucket => [bucket.bucketStartMs, bucket.spentNanoUsd]))
          for (const [period, nanoUsd] of spent) expect(known.get(period) ?? 0).toBe(nanoUsd)
          await ledger.close()
        },
      ),
      { numRuns: 60 },
    )
  })
})

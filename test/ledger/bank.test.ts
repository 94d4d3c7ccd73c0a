/**
 * The bank test: any interleaving of many requests on one small budget spends never a nano-USD too much, and nearly all
 * of it. The same test must catch a ledger that checks first and acts later.
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Budget } from '../../src/terms.ts'
import { budget, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'

const PRICE = 1_000_000
const CONCURRENT = 200
/** `npm run test:bank` is the long form. */
const [ROUNDS, RUNS] = process.env.MODE === 'bank' ? [50, 4] : [3, 8]

/** What the bank test needs of a ledger. Waiting for held money is the caller's affair. */
interface Bank {
  hold(id: string, nanoUsd: number): Promise<object | { availableNanoUsd: number; heldByOthers: boolean }>
  settle(hold: object, costNanoUsd: number): void
  spent(): number
  held(): number
}

const refusedBy = (value: object): { availableNanoUsd: number; heldByOthers: boolean } | undefined =>
  'availableNanoUsd' in value && 'heldByOthers' in value
    ? (value as { availableNanoUsd: number; heldByOthers: boolean })
    : undefined

function realBank(budgets: readonly Budget[]): Bank {
  const ledger = createLedger({
    store: createMemoryStore(),
    journal: createMemoryJournal(),
    clock: createTestClock(),
    log: createTestLog(),
  })
  const keys = [keyOf({ budgets }), keyOf({ budgets, id: 'key000000002' })]
  let turn = 0
  const usage = () => ledger.usageOf(keys[0] as (typeof keys)[0])
  return {
    // Old and rotated key by turns: one lineage, one budget.
    hold: async (id, nanoUsd) => ledger.hold(keys[turn++ % 2] as (typeof keys)[0], id, nanoUsd),
    settle(hold, costNanoUsd) {
      ledger.settle(held(hold), rowOf(held(hold), { costNanoUsd }))
    },
    spent: () => Math.max(...usage().map(use => use.spentNanoUsd)),
    held: () => Math.max(...usage().map(use => use.heldNanoUsd)),
  }
}

/** The classic mistake: look, wait for storage, then act. */
function checkThenActBank(limitNanoUsd: number, storage: () => Promise<void>): Bank {
  let spent = 0
  let heldSum = 0
  return {
    async hold(_id, nanoUsd) {
      const availableNanoUsd = limitNanoUsd - spent - heldSum
      if (availableNanoUsd < nanoUsd) return { availableNanoUsd, heldByOthers: heldSum > 0 }
      await storage()
      heldSum += nanoUsd
      return { nanoUsd }
    },
    settle(hold, costNanoUsd) {
      heldSum -= (hold as { nanoUsd: number }).nanoUsd
      spent += costNanoUsd
    },
    spent: () => spent,
    held: () => heldSum,
  }
}

/** One request: hold (or the little that is left, as the gateway does), call the upstream, settle. `cost` is a share of the hold. */
async function request(
  bank: Bank,
  id: string,
  cost: number,
  upstream: () => Promise<unknown>,
): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    let amount = PRICE
    let got = await bank.hold(id, amount)
    let no = refusedBy(got)
    if (no !== undefined && !no.heldByOthers && no.availableNanoUsd >= PRICE / 100) {
      amount = no.availableNanoUsd
      got = await bank.hold(id, amount)
      no = refusedBy(got)
    }
    if (no === undefined) {
      await upstream()
      bank.settle(got, Math.ceil(amount * cost))
      return
    }
    if (!no.heldByOthers) return
    await upstream()
  }
}

async function rounds(bank: Bank, limit: number, scheduler: fc.Scheduler, costs: readonly number[]) {
  for (let round = 0; round < ROUNDS; round++) {
    const all = Array.from({ length: CONCURRENT }, (_, i) =>
      request(bank, `req${round}x${i}.1`, costs[i % costs.length] as number, () =>
        scheduler.schedule(Promise.resolve()),
      ),
    )
    await scheduler.waitFor(Promise.all(all))
    expect(bank.spent()).toBeLessThanOrEqual(limit)
    expect(bank.held()).toBe(0)
  }
}

const costs = fc.array(fc.double({ min: 0.3, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 })

describe.each([1, 10, 100])("a budget of %i requests' worth, 200 at once", worth => {
  const limit = worth * PRICE

  it('is never overshot and at least 95% used', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), costs, async (scheduler, drawn) => {
        const bank = realBank([budget('day', limit), budget('total', limit * 2), budget('5h', limit)])
        await rounds(bank, limit, scheduler, drawn)
        expect(bank.spent()).toBeGreaterThanOrEqual(limit * 0.95)
      }),
      { numRuns: RUNS },
    )
  })

  it('the same test catches a ledger that checks first and acts later', async () => {
    const broken = fc.asyncProperty(fc.scheduler(), costs, async (scheduler, drawn) => {
      const bank = checkThenActBank(limit, () => scheduler.schedule(Promise.resolve()))
      await rounds(bank, limit, scheduler, drawn)
    })
    const { failed } = await fc.check(broken, { numRuns: 3, endOnFailure: true })
    expect(failed).toBe(true)
  })
})

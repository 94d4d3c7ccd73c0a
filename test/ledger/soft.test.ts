/** Soft limits: one warning a window when a settlement takes its spend past them, and never a refusal. */
import { expect, test } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Budget, Key } from '../../src/terms.ts'
import { createTestClock, held, keyOf, NOON, rowOf } from './parts.ts'

const HOUR = 3_600_000
const soft = (window: Budget['window'], limitNanoUsd: number, softNanoUsd: number): Budget => ({
  window,
  limitNanoUsd,
  softNanoUsd,
})

function rig(startMs = NOON) {
  const said: LogFields[] = []
  const clock = createTestClock(startMs)
  const ledger = createLedger({
    store: createMemoryStore(),
    journal: createMemoryJournal(),
    clock,
    log: (level, event, fields) => {
      if (event === 'budget.soft_limit') said.push({ level, ...fields })
    },
  })
  let count = 0
  const hold = (key: Key, nanoUsd: number) => held(ledger.hold(key, `r${++count}.1`, nanoUsd))
  const spend = (key: Key, costNanoUsd: number | null, heldNanoUsd = costNanoUsd ?? 0) => {
    const made = hold(key, heldNanoUsd)
    ledger.settle(made, rowOf(made, { costNanoUsd }))
  }
  return { ledger, clock, said, hold, spend }
}

test('the settlement that crosses is told, once, with plain decimals; what comes after is not refused', () => {
  const { ledger, said, spend } = rig()
  const key = keyOf({ budgets: [soft('day', 10_000, 150)] })
  spend(key, 100)
  spend(key, 50)
  expect(said).toEqual([])
  spend(key, 1)
  expect(said).toEqual([
    {
      level: 'warn',
      key: key.id,
      window: 'day',
      limit: 'key.budget.day',
      owner: key.lineage,
      spent_usd: '0.000000151',
      soft_usd: '0.00000015',
    },
  ])
  for (let i = 0; i < 5; i++) spend(key, 100)
  expect(said).toHaveLength(1)
  expect(ledger.usageOf(key)).toMatchObject([{ spentNanoUsd: 651, softNanoUsd: 150 }])
})

test('money that is merely held is not told of', () => {
  const { ledger, said, hold } = rig()
  const key = keyOf({ budgets: [soft('day', 10_000, 100)] })
  const made = hold(key, 5_000)
  expect(said).toEqual([])
  ledger.settle(made, rowOf(made, { costNanoUsd: 100 }))
  expect(said).toEqual([])
})

test('each window of a key is told of by itself, and again when the next one is passed', () => {
  const { said, clock, spend } = rig()
  const key = keyOf({
    budgets: [soft('day', 10_000, 100), soft('month', 10_000, 250), soft('total', 10_000, 0)],
  })
  const windows = () => said.splice(0).map(fields => fields.window)
  spend(key, 120)
  expect(windows()).toEqual(['day', 'total'])
  clock.advance(24 * HOUR)
  spend(key, 90)
  expect(windows()).toEqual([])
  spend(key, 90)
  expect(windows()).toEqual(['day', 'month'])
})

test('a rolling window that hovers around its soft limit is told of once a period', () => {
  const { said, clock, spend } = rig()
  const key = keyOf({ budgets: [soft('1h', 100_000, 100)] })
  const told: number[] = []
  // Two of three spends are in the window: it is passed anew at 31, 62, 93, 124 and 155.
  for (let minute = 0; minute < 180; minute++) {
    if (minute % 31 === 0) spend(key, 60)
    if (said.length > told.length) told.push(minute)
    clock.advance(60_000)
  }
  expect(told).toEqual([31, 93, 155])
})

test('a hold of yesterday that settles today counts for yesterday', () => {
  const { ledger, said, clock, hold } = rig(Date.UTC(2026, 0, 15, 23, 59))
  const key = keyOf({ budgets: [soft('day', 10_000, 100)] })
  const made = hold(key, 500)
  clock.advance(2 * 60_000)
  ledger.settle(made, rowOf(made, { costNanoUsd: 300 }))
  expect(said).toMatchObject([{ window: 'day', spent_usd: '0.0000003' }])
  expect(ledger.usageOf(key)).toMatchObject([{ spentNanoUsd: 0 }])
})

test('a changed soft limit is told of again; keys of one lineage count together', () => {
  const { said, spend } = rig()
  const key = keyOf({ budgets: [soft('day', 10_000, 100)] })
  const successor = { ...key, id: 'key000000002' }
  spend(key, 80)
  spend(successor, 80)
  expect(said).toMatchObject([{ key: 'key000000002', spent_usd: '0.00000016' }])
  const raised = { ...key, budgets: [soft('day', 10_000, 200)] }
  spend(raised, 30)
  spend(raised, 30)
  expect(said).toHaveLength(2)
  expect(said[1]).toMatchObject({ soft_usd: '0.0000002', spent_usd: '0.00000022' })
})

test('what a provider bills beyond the hold is told of, to the nano-USD; what it bills within the hold is not', () => {
  const said: [string, string, LogFields | undefined][] = []
  const ledger = createLedger({
    store: createMemoryStore(),
    journal: createMemoryJournal(),
    clock: createTestClock(),
    log: (level, event, fields) => void said.push([level, event, fields]),
  })
  const key = keyOf({ budgets: [soft('day', 10_000, 9_999)] })
  const spend = (id: string, costNanoUsd: number) => {
    const made = held(ledger.hold(key, id, 500))
    ledger.settle(made, rowOf(made, { costNanoUsd }))
  }
  spend('a.1', 499)
  spend('b.1', 500)
  expect(said).toEqual([])
  spend('c.1', 507)
  expect(said).toMatchObject([['warn', 'budget.overrun', { overrun_usd: '0.000000007' }]])
})

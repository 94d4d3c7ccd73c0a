/** What the open holds keep in which budget, as others ask the ledger: until they end, are charged, or their window is over. */
import { expect, test } from 'vitest'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { budget, createTestClock, createTestLog, held, keyOf, NOON, project, rowOf } from './parts.ts'

const HOUR = 3_600_000

function rig() {
  const clock = createTestClock()
  const store = createMemoryStore()
  const ledger = createLedger({ store, journal: createMemoryJournal(), clock, log: createTestLog() })
  return { ledger, clock }
}
const day = { owner: 'key000000001', window: 'day' }

test('nothing without a hold, nor for a key that no budget counts', () => {
  const { ledger } = rig()
  expect(ledger.openMoney()).toEqual([])
  held(ledger.hold(keyOf(), 'free.1', 500))
  expect(ledger.openMoney()).toEqual([])
})

test('one entry for each hold and budget, of the key and of what stands above it', () => {
  const { ledger } = rig()
  ledger.adopt([project('blue', [budget('month', 9_000)])])
  const key = keyOf({ project: 'blue', budgets: [budget('day', 9_000)] })
  const first = held(ledger.hold(key, 'a.1', 500))
  held(ledger.hold(key, 'b.1', 70))
  ledger.extend(first, 100)
  const month = { owner: 'project:blue', window: 'month' }
  expect(ledger.openMoney()).toEqual([
    { ...day, nanoUsd: 600, chargedNanoUsd: 0 },
    { ...month, nanoUsd: 600, chargedNanoUsd: 0 },
    { ...day, nanoUsd: 70, chargedNanoUsd: 0 },
    { ...month, nanoUsd: 70, chargedNanoUsd: 0 },
  ])
  ledger.settle(first, rowOf(first, { costNanoUsd: 10 }))
  expect(ledger.openMoney().map(({ nanoUsd }) => nanoUsd)).toEqual([70, 70])
})

test('what was charged before its row is written is spent and no longer held', () => {
  const { ledger } = rig()
  const hold = held(ledger.hold(keyOf({ budgets: [budget('day', 9_000)] }), 'a.1', 500))
  ledger.charge(hold, 120)
  expect(ledger.openMoney()).toEqual([{ ...day, nanoUsd: 0, chargedNanoUsd: 120 }])
})

test('a window that is over is nobody’s any more, from its last instant on', () => {
  const { ledger, clock } = rig()
  const key = keyOf({ budgets: [budget('day', 9_000), budget('month', 9_000)] })
  held(ledger.hold(key, 'a.1', 500))
  clock.advance(Date.UTC(2026, 0, 16) - NOON - 1)
  expect(ledger.openMoney().map(({ window }) => window)).toEqual(['day', 'month'])
  clock.advance(1)
  expect(ledger.openMoney().map(({ window }) => window)).toEqual(['month'])
  clock.advance(24 * HOUR)
  expect(ledger.openMoney().map(({ window }) => window)).toEqual(['month'])
})

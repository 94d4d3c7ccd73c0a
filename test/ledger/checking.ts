/** A check over a store in memory of which one source can be bent, for the tests of check.ts. */
import { type Check, checkLedger } from '../../src/ledger/check.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { attemptRow } from '../store/rows.ts'
import { budget, keyOf, NOON } from './parts.ts'

export const HOUR = 3_600_000
export const DAY = 24 * HOUR
export const MIDNIGHT = NOON - 12 * HOUR
export const key = keyOf({ budgets: [budget('day', 50_000)] })

export type CheckedLedger = Parameters<typeof checkLedger>[0]['ledger']
type Use = ReturnType<CheckedLedger['usageOf']>[number]
/** A budget as it stands. */
export const use = (changes: Partial<Use> = {}): Use => ({
  window: 'day',
  spentNanoUsd: 0,
  heldNanoUsd: 0,
  ...changes,
})

interface Setup {
  rows?: readonly AttemptRow[]
  bent?: (store: Store) => Partial<Store>
  ledger?: Partial<CheckedLedger>
  nowMs?: number
  sinceMs?: number
  keys?: Parameters<typeof checkLedger>[0]['keys']
  projects?: Parameters<typeof checkLedger>[0]['projects']
}

/** Checks rows in memory, with one thing bent; what it looked at and how often it paused. */
export async function check(setup: Setup = {}) {
  const memory = createMemoryStore()
  await memory.fold(setup.rows ?? [attemptRow({ createdAtMs: NOON })], () => [])
  const spans: string[] = []
  const bent = { ...memory, ...setup.bent?.(memory) }
  const store: Store = {
    ...bent,
    summed(from, fromMs, toMs) {
      spans.push(`${from} ${(fromMs - MIDNIGHT) / HOUR}-${(toMs - MIDNIGHT) / HOUR}`)
      return bent.summed(from, fromMs, toMs)
    },
    endings(fromMs, toMs) {
      spans.push(`endings ${(fromMs - MIDNIGHT) / HOUR}-${(toMs - MIDNIGHT) / HOUR}`)
      return bent.endings(fromMs, toMs)
    },
  }
  let pauses = 0
  let folds = 0
  const checks = await checkLedger({
    store,
    ledger: {
      fold: () => void folds++,
      usageOf: () => [],
      usageOfProject: () => [],
      openMoney: () => [],
      ...setup.ledger,
    },
    keys: setup.keys ?? [key],
    projects: setup.projects ?? [],
    nowMs: setup.nowMs ?? NOON + 2 * HOUR,
    sinceMs: setup.sinceMs,
    pause: async () => void pauses++,
  })
  const named = (name: string) => checks.find(one => one.name.startsWith(name)) as Check
  const of = (source: string) =>
    spans.filter(span => span.startsWith(`${source} `)).map(span => span.slice(source.length + 1))
  return { checks, named, of, pauses, folds }
}

/** Budgets of a lineage: money held and spent in every window at once, or in none. The deciding core of the ledger, in memory. */
import type { Shortfall } from '../deps.ts'
import type { Budget, BudgetWindow, Key } from '../terms.ts'
import { type Bucket, Lease } from './lease.ts'

/** Where a budget stands now. Nano-USD; `resetsAtMs` null = never (`total`), or a rolling window with nothing used. */
export interface BudgetUse {
  readonly window: BudgetWindow
  readonly limitNanoUsd: number
  readonly softNanoUsd: number | null
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  readonly remainingNanoUsd: number
  readonly resetsAtMs: number | null
}

/** One budget of a key and the lease that it draws on. Of two budgets for one window the smaller limit is kept. */
interface Purse {
  readonly lease: Lease
  limitNanoUsd: number
  readonly budget: Budget
}

/** A window that is now past its soft limit. Nano-USD. */
export interface SoftPassed {
  readonly window: BudgetWindow
  readonly spentNanoUsd: number
  readonly softNanoUsd: number
}

/** Money that an earlier `take` put into these buckets, nano-USD in each. */
export interface TakenMoney {
  readonly key: Key
  readonly buckets: readonly Bucket[]
  readonly heldNanoUsd: number
}

const NO_BUCKETS: readonly Bucket[] = []
const NONE_PASSED: readonly SoftPassed[] = []

export interface Budgets {
  /** The buckets that now hold the amount (empty for a key without budgets), or why not. */
  take(key: Key, nanoUsd: number, nowMs: number): readonly Bucket[] | Shortfall
  /** More into the buckets of an earlier `take`; false = nothing changed. */
  extend(key: Key, buckets: readonly Bucket[], nanoUsd: number, nowMs: number): boolean
  available(key: Key, nowMs: number): Shortfall | undefined
  usage(key: Key, nowMs: number): readonly BudgetUse[]
  /**
   * Held becomes spent in every bucket of an earlier `take`; more spent than held (an overrun) is allowed here and stops
   * what comes next. Returns the windows whose spend this took past their soft limit, each once a window.
   */
  settle(hold: TakenMoney, spentNanoUsd: number, nowMs: number): readonly SoftPassed[]
  /** Sets what is spent in a bucket, as the store remembers it. */
  restore(lineage: string, window: BudgetWindow, bucketStartMs: number, spentNanoUsd: number): void
}

function settleIn(
  list: readonly Purse[],
  { buckets, heldNanoUsd }: TakenMoney,
  spentNanoUsd: number,
  nowMs: number,
): readonly SoftPassed[] {
  let passed: SoftPassed[] | undefined
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i] as Bucket
    bucket.heldNanoUsd -= heldNanoUsd
    bucket.spentNanoUsd += spentNanoUsd
    const { lease, budget } = list[i] as Purse
    const { softNanoUsd } = budget
    if (softNanoUsd === null) continue
    const spent = lease.spentBeside(bucket, nowMs)
    if (spent === undefined || spent <= softNanoUsd || spent - spentNanoUsd > softNanoUsd) continue
    if (!lease.tellSoft(bucket, softNanoUsd)) continue
    passed ??= []
    passed.push({ window: lease.window, spentNanoUsd: spent, softNanoUsd })
  }
  return passed ?? NONE_PASSED
}

/** The tightest budget, seen from a request of this amount. */
function shortfall(list: readonly Purse[], nanoUsd: number, nowMs: number): Shortfall | undefined {
  let tightest: Purse | undefined
  let availableNanoUsd = Number.POSITIVE_INFINITY
  let heldByOthers = true
  for (const purse of list) {
    const left = Math.max(0, purse.limitNanoUsd - purse.lease.used(nowMs))
    // One budget that is really spent makes waiting for the others useless.
    if (left < nanoUsd && purse.lease.spent(nowMs) + nanoUsd > purse.limitNanoUsd) heldByOthers = false
    if (left < availableNanoUsd) {
      availableNanoUsd = left
      tightest = purse
    }
  }
  if (tightest === undefined) return undefined
  return {
    limit: `key.budget.${tightest.lease.window}`,
    availableNanoUsd,
    heldByOthers,
    resetsAtMs: tightest.lease.resetsAt(nowMs),
  }
}

export function createBudgets(): Budgets {
  const lineages = new Map<string, Map<BudgetWindow, Lease>>()
  // Keys are immutable values, so what follows from one is worked out once.
  const purses = new WeakMap<Key, readonly Purse[]>()

  function lease(lineage: string, window: BudgetWindow): Lease {
    let windows = lineages.get(lineage)
    if (windows === undefined) {
      windows = new Map()
      lineages.set(lineage, windows)
    }
    let found = windows.get(window)
    if (found === undefined) {
      found = new Lease(window)
      windows.set(window, found)
    }
    return found
  }

  function pursesOf(key: Key): readonly Purse[] {
    let found = purses.get(key)
    if (found === undefined) {
      const byWindow = new Map<BudgetWindow, Purse>()
      for (const budget of key.budgets) {
        const twin = byWindow.get(budget.window)
        if (twin === undefined)
          byWindow.set(budget.window, {
            lease: lease(key.lineage, budget.window),
            limitNanoUsd: budget.limitNanoUsd,
            budget,
          })
        else twin.limitNanoUsd = Math.min(twin.limitNanoUsd, budget.limitNanoUsd)
      }
      found = [...byWindow.values()]
      purses.set(key, found)
    }
    return found
  }

  return {
    take(key, nanoUsd, nowMs) {
      if (key.budgets.length === 0) return NO_BUCKETS
      const list = pursesOf(key)
      // Nothing is always affordable: a model that costs nothing works with an empty budget.
      if (nanoUsd > 0)
        for (const purse of list)
          if (purse.lease.used(nowMs) + nanoUsd > purse.limitNanoUsd)
            return shortfall(list, nanoUsd, nowMs) as Shortfall
      const buckets: Bucket[] = []
      for (const purse of list) {
        const bucket = purse.lease.open(nowMs)
        bucket.heldNanoUsd += nanoUsd
        buckets.push(bucket)
      }
      return buckets
    },
    extend(key, buckets, nanoUsd, nowMs) {
      const list = pursesOf(key)
      for (let i = 0; i < buckets.length; i++) {
        const purse = list[i] as Purse
        const beside = purse.lease.usedBeside(buckets[i] as Bucket, nowMs)
        if (beside === undefined || beside + nanoUsd > purse.limitNanoUsd) return false
      }
      for (const bucket of buckets) bucket.heldNanoUsd += nanoUsd
      return true
    },
    settle: (hold, spentNanoUsd, nowMs) => settleIn(pursesOf(hold.key), hold, spentNanoUsd, nowMs),
    available(key, nowMs) {
      const list = pursesOf(key)
      const state = shortfall(list, 0, nowMs)
      if (state === undefined) return undefined
      return { ...state, heldByOthers: list.some(purse => purse.lease.held(nowMs) > 0) }
    },
    usage(key, nowMs) {
      return pursesOf(key).map(({ lease, limitNanoUsd, budget }) => {
        const spentNanoUsd = lease.spent(nowMs)
        const heldNanoUsd = lease.held(nowMs)
        return {
          window: lease.window,
          limitNanoUsd,
          softNanoUsd: budget.softNanoUsd,
          spentNanoUsd,
          heldNanoUsd,
          remainingNanoUsd: Math.max(0, limitNanoUsd - spentNanoUsd - heldNanoUsd),
          resetsAtMs: lease.resetsAt(nowMs),
        }
      })
    },
    restore(lineage, window, bucketStartMs, spentNanoUsd) {
      lease(lineage, window).at(bucketStartMs).spentNanoUsd = spentNanoUsd
    },
  }
}

/** Limits that are raised while requests wait for money: budgets that know the newest state of a key, and wake who waits. Part of the ledger. */
import type { Key } from '../terms.ts'
import type { Budgets } from './budgets.ts'

/** The budgets, and what a key is from now on. */
export interface RenewedBudgets extends Budgets {
  renew(key: Key): void
}

/** A request that waits began with the key as it was: refused by that one, it is judged by the newest. `wakeAll` = everybody looks again. */
export function withRenewals(budgets: Budgets, wakeAll: () => void): RenewedBudgets {
  const newest = new Map<string, Key>()
  return {
    ...budgets,
    take(key, nanoUsd, nowMs, who) {
      const taken = budgets.take(key, nanoUsd, nowMs, who)
      const now = 'limit' in taken ? newest.get(key.id) : undefined
      return now === undefined || now === key ? taken : budgets.take(now, nanoUsd, nowMs, who)
    },
    available: (key, nowMs, who, nanoUsd) =>
      budgets.available(newest.get(key.id) ?? key, nowMs, who, nanoUsd),
    adopt(projects) {
      budgets.adopt(projects)
      wakeAll()
    },
    renew(key) {
      newest.set(key.id, key)
      wakeAll()
    },
  }
}

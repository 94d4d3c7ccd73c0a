/** Where the budgets of a holder stand, for views of them. Part of budgets.ts. */
import type { Budget, BudgetScope, BudgetWindow } from '../terms.ts'
import { Lease } from './lease.ts'
import type { Leases } from './leases.ts'
import { type Holder, limitAt, partOf } from './owners.ts'

/** Where a budget stands now. Nano-USD; `resetsAtMs` null = never (`total`), or a rolling window with nothing used. */
export interface BudgetUse {
  readonly window: BudgetWindow
  readonly scope: BudgetScope | undefined
  /** The limit in force, a raise included. */
  readonly limitNanoUsd: number
  readonly softNanoUsd: number | null
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  readonly remainingNanoUsd: number
  readonly resetsAtMs: number | null
  /** For a budget of each user, tag or model by itself: whose figures these are, the one with least left; null = nobody's yet. */
  readonly fullest?: string | null
}

function useOf(budget: Budget, lease: Lease | undefined, nowMs: number): BudgetUse {
  const found = lease ?? new Lease(budget.window)
  const [spentNanoUsd, heldNanoUsd] = [found.spent(nowMs), found.held(nowMs)]
  const limitNanoUsd = limitAt(budget, nowMs)
  return {
    window: budget.window,
    scope: budget.scope,
    limitNanoUsd,
    softNanoUsd: budget.softNanoUsd,
    spentNanoUsd,
    heldNanoUsd,
    remainingNanoUsd: Math.max(0, limitNanoUsd - spentNanoUsd - heldNanoUsd),
    resetsAtMs: found.resetsAt(nowMs),
  }
}

/** The use of a budget of its holder; of one for each name by itself, that of the fullest. */
export function usageIn(leases: Leases, { owner, budgets }: Holder, nowMs: number): BudgetUse[] {
  return budgets.map(budget => {
    const { scope, window } = budget
    if (scope === undefined) return useOf(budget, leases.find(owner, window), nowMs)
    if (scope.name !== null)
      return useOf(budget, leases.find(partOf(owner, scope.kind, scope.name), window), nowMs)
    const own = new Set(
      budgets.flatMap(other =>
        other.scope?.kind === scope.kind && other.window === window ? [other.scope.name] : [],
      ),
    )
    let most: BudgetUse = { ...useOf(budget, undefined, nowMs), fullest: null }
    let used = 0
    for (const [name, lease] of leases.parts(partOf(owner, scope.kind, ''), window)) {
      const now = lease.used(nowMs)
      if (now <= used || own.has(name)) continue
      used = now
      most = { ...useOf(budget, lease, nowMs), fullest: name }
    }
    return most
  })
}

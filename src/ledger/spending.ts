/**
 * How the money of a hold becomes spent: when its row is written, or before, where the row has to wait; and how some of it
 * comes back before that. Part of ledger.ts.
 */
import type { Bag } from '../bag.ts'
import type { Clock, Hold } from '../deps.ts'
import type { AttemptRow } from '../terms.ts'
import type { Budgets } from './budgets.ts'
import type { Entry } from './journal.ts'
import type { OpenHold } from './open.ts'
import { isCount, vouchFor } from './vouch.ts'
import { overrunFields, softFields, type warner } from './warnings.ts'

export interface Spending {
  /** The row as the ledger vouches for it; its cost is spent, unless it was charged before: then that is its cost. */
  spend(held: OpenHold, row: AttemptRow): AttemptRow
  /** As in the Ledger port. */
  charge(given: Hold, costNanoUsd: number): void
  /** As in the Ledger port. */
  lower(given: Hold, nanoUsd: number): void
}

export function createSpending(input: {
  readonly budgets: Pick<Budgets, 'settle'>
  readonly clock: Clock
  readonly warn: ReturnType<typeof warner>
  readonly wake: (owner: string) => void
  readonly say: (entry: Entry) => void
  readonly open: Pick<Bag<OpenHold>, 'has'>
}): Spending {
  const { budgets, clock, warn, wake, say, open } = input

  /** What was held becomes what was spent, and those who wait for the rest look again. */
  function move(held: OpenHold, costNanoUsd: number): void {
    for (const passed of budgets.settle(held.taken, held.heldNanoUsd, costNanoUsd, clock.now()))
      warn('budget.soft_limit', softFields(held.key, passed))
    wakeAll(held)
  }

  function wakeAll({ taken, key }: OpenHold): void {
    for (const { owner } of taken.refs) wake(owner ?? key.lineage)
  }

  function lower(given: Hold, nanoUsd: number): void {
    const held = given as OpenHold
    // what is free is rounded down, so that what stays held is never too little
    const amount = Math.min(Math.floor(nanoUsd), held.askedNanoUsd)
    if (!(amount > 0) || !open.has(held) || held.chargedNanoUsd !== undefined) return
    held.askedNanoUsd -= amount
    say({ say: 'extend', id: held.attemptId, nanoUsd: held.askedNanoUsd })
    if (held.taken.refs.length === 0) return
    held.heldNanoUsd -= amount
    const { purses, buckets } = held.taken
    for (const [i, bucket] of buckets.entries()) purses[i]?.lease.lower(bucket, amount)
    wakeAll(held)
  }

  function spend(held: OpenHold, row: AttemptRow): AttemptRow {
    const { chargedNanoUsd: charged } = held
    const told = charged === undefined || row.costNanoUsd === charged ? row : { ...row, costNanoUsd: charged }
    const kept = vouchFor(told, held, held.taken.refs.length > 0)
    if (charged === undefined) move(held, kept.costNanoUsd ?? 0)
    if (kept.overrunNanoUsd > 0) warn('budget.overrun', overrunFields(kept))
    return kept
  }

  function charge(given: Hold, costNanoUsd: number): void {
    const held = given as OpenHold
    if (!open.has(held) || held.chargedNanoUsd !== undefined || !isCount(costNanoUsd)) return
    held.chargedNanoUsd = costNanoUsd
    move(held, costNanoUsd)
    // after a crash this is what it is charged
    say({ say: 'extend', id: held.attemptId, nanoUsd: costNanoUsd })
  }

  return { spend, charge, lower }
}

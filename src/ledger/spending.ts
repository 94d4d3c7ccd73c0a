/** How the money of a hold becomes spent: when its row is written, or before, where the row has to wait. Part of ledger.ts. */
import type { Bag } from '../bag.ts'
import type { Clock, Hold } from '../deps.ts'
import type { Budgets } from './budgets.ts'
import type { Entry } from './journal.ts'
import type { OpenHold } from './open.ts'
import { isCount } from './vouch.ts'
import { softFields, type warner } from './warnings.ts'

export interface Spending {
  /** What was held becomes what was spent, and those who wait for the rest look again. */
  spend(held: OpenHold, costNanoUsd: number): void
  /** As in the Ledger port. */
  charge(given: Hold, costNanoUsd: number): void
}

export function createSpending(input: {
  readonly budgets: Pick<Budgets, 'settle'>
  readonly clock: Clock
  readonly warn: ReturnType<typeof warner>
  readonly wake: (owner: string) => void
  readonly say: (entry: Entry) => string
  readonly open: Pick<Bag<OpenHold>, 'has'>
}): Spending {
  const { budgets, clock, warn, wake, say, open } = input

  function spend(held: OpenHold, costNanoUsd: number): void {
    for (const passed of budgets.settle(held.taken, held.heldNanoUsd, costNanoUsd, clock.now()))
      warn('budget.soft_limit', softFields(held.key, passed))
    for (const { owner } of held.refs) wake(owner ?? held.key.lineage)
  }

  function charge(given: Hold, costNanoUsd: number): void {
    const held = given as OpenHold
    if (!open.has(held) || held.chargedNanoUsd !== undefined || !isCount(costNanoUsd)) return
    held.chargedNanoUsd = costNanoUsd
    spend(held, costNanoUsd)
    // after a crash this is what it is charged
    held.lines[1] = say({ say: 'extend', id: held.attemptId, nanoUsd: costNanoUsd })
  }

  return { spend, charge }
}

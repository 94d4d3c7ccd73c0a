/** Open holds: attempts whose rows are not written yet, and what the money of each is at the moment. Part of ledger.ts. */
import type { Placed } from '../bag.ts'
import type { Hold, HoldFacts } from '../deps.ts'
import type { Taken } from './budgets.ts'
import { formatEntry } from './journal.ts'

/** A hold as the ledger keeps it. */
export interface OpenHold extends Hold, Placed {
  heldNanoUsd: number
  askedNanoUsd: number
  /** Set once the cost of the attempt has been charged: nothing is held any more, and the row can say nothing else. */
  chargedNanoUsd: number | undefined
  readonly taken: Taken
  readonly facts: HoldFacts | undefined
}

/** Its line in the journal, as it stands: what it was charged, if it was, is all that it can still come to. */
export function lineOf(hold: OpenHold): string {
  const { key } = hold
  return formatEntry({
    say: 'hold',
    id: hold.attemptId,
    atMs: hold.createdAtMs,
    keyId: key.id,
    lineage: key.lineage,
    project: key.project,
    nanoUsd: hold.chargedNanoUsd ?? hold.askedNanoUsd,
    buckets: hold.taken.refs,
    facts: hold.facts,
  })
}

/** Money of one open hold in one budget. `owner` as in owners.ts. */
export interface OpenMoney {
  readonly owner: string
  readonly window: string
  /** Held. */
  readonly nanoUsd: number
  /** Spent already, of a row that is not written yet. */
  readonly chargedNanoUsd: number
}

/** One entry a hold and budget, where its money still counts. */
export function openMoneyOf(open: readonly OpenHold[], nowMs: number): OpenMoney[] {
  const list: OpenMoney[] = []
  for (const { key, taken, heldNanoUsd, chargedNanoUsd } of open)
    for (const { ref, leavesAtMs } of taken.buckets) {
      if (leavesAtMs <= nowMs) continue
      const { owner = key.lineage, window } = ref
      const nanoUsd = chargedNanoUsd === undefined ? heldNanoUsd : 0
      list.push({ owner, window, nanoUsd, chargedNanoUsd: chargedNanoUsd ?? 0 })
    }
  return list
}

/** What the ledger warns of: soft limits that were passed, bills beyond their holds. */
import type { Log, LogFields } from '../deps.ts'
import { usdFromNano } from '../price.ts'
import type { AttemptRow, Key } from '../terms.ts'
import type { Alert } from './alerts.ts'
import type { SoftPassed } from './budgets.ts'

/** What is told of a soft limit that was passed. */
export const softFields = (
  key: Key,
  { window, limit, owner, spentNanoUsd, softNanoUsd }: SoftPassed,
): LogFields => ({
  key: key.id,
  window,
  limit,
  owner,
  spent_usd: usdFromNano(spentNanoUsd),
  soft_usd: usdFromNano(softNanoUsd),
})

/** What is told of a bill beyond its hold. */
export const overrunFields = (row: AttemptRow): LogFields => ({
  key: row.keyId,
  request: row.requestId,
  target: `${row.model}@${row.provider}`,
  held_usd: usdFromNano(row.heldNanoUsd),
  overrun_usd: usdFromNano(row.overrunNanoUsd),
})

/** Tells the log, and whoever wants to be alerted. */
export const warner = (log: Log, alert: Alert | undefined) => (event: string, fields: LogFields) => {
  log('warn', event, fields)
  alert?.(event, fields)
}

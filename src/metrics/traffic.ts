/**
 * What has gone through: requests as they end (told by telemetry.ts, once each), attempts as they are written into the
 * ledger (told by folded.ts). So the sums of attempts, tokens and cost are the ledger's own. Pure.
 */
import type { Tally } from '../deps.ts'
import type { AttemptRow } from '../terms.ts'
import type { Breakdown } from './families.ts'
import type { Family } from './registry.ts'
import { createRequests } from './requests.ts'
import { createRows } from './rows.ts'

export interface Traffic extends Tally {
  /** These rows are in the store now; it took so many ms. */
  folded(rows: readonly AttemptRow[], tookMs: number): void
  readonly families: readonly Family[]
}

/** Counts from zero at every start, as Prometheus expects: `process_start_time_seconds` says since when. */
export function createTraffic(input: {
  /** Is this a model that is for sale by this name? Any other name may be a caller's text. */
  readonly isSold: (model: string) => boolean
  readonly by: () => readonly Breakdown[]
}): Traffic {
  const requests = createRequests()
  const rows = createRows(input)
  return {
    ended: requests.ended,
    overhead: requests.overhead,
    folded(written, tookMs) {
      rows.wrote(tookMs)
      for (const row of written) rows.count(row)
    },
    families: [...requests.families, ...rows.families],
  }
}

/** `correct` of the store in memory: its sums are views over the rows, so only the row and its buckets change. */
import { GatewayError } from '../errors.ts'
import type { AttemptRow } from '../terms.ts'
import type { BudgetBucket, Correction } from './store.ts'

/** All or nothing; throws when a row is no longer as given. Buckets are known by lineage, window and start as JSON. */
export function correctRows(
  rows: Map<string, AttemptRow>,
  buckets: Map<string, BudgetBucket>,
  all: readonly Correction[],
): void {
  for (const { from } of all) {
    const { certainty, costNanoUsd } = rows.get(from.id) ?? {}
    if (certainty !== from.certainty || costNanoUsd !== from.costNanoUsd)
      throw new GatewayError('storage_unavailable', `The row ${from.id} is no longer as given.`)
  }
  for (const { from, to, buckets: places } of all) {
    rows.set(to.id, to)
    const change = (to.costNanoUsd ?? 0) - (from.costNanoUsd ?? 0)
    for (const { owner = to.lineage, window, bucketStartMs } of places) {
      const at = JSON.stringify([owner, window, bucketStartMs])
      const found = buckets.get(at)
      if (found !== undefined) buckets.set(at, { ...found, spentNanoUsd: found.spentNanoUsd + change })
    }
  }
}

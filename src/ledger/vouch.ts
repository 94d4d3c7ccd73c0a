/** What the ledger makes sure of in a row before it is journaled: its own figures, and numbers that sums survive. */
import type { Hold } from '../deps.ts'
import type { AttemptRow, Usage } from '../terms.ts'

/** A number that sums survive, or none at all. */
export const isCount = (value: number | undefined): boolean =>
  value === undefined || (Number.isSafeInteger(value) && value >= 0)

/** Token counts come from upstreams; a sum over them must stay exact, so nonsense is no usage at all. */
function saneUsage(usage: Usage): Usage | null {
  const counted =
    isCount(usage.inputTokens) &&
    isCount(usage.outputTokens) &&
    isCount(usage.cacheReadInputTokens) &&
    isCount(usage.cacheCreationInputTokens) &&
    isCount(usage.cacheCreation1hInputTokens) &&
    isCount(usage.reasoningOutputTokens) &&
    isCount(usage.billedInputTokens) &&
    isCount(usage.billedOutputTokens)
  if (!counted) return null
  return isCount(usage.reportedCostNanoUsd) ? usage : { ...usage, reportedCostNanoUsd: undefined }
}

/**
 * The row as the ledger vouches for it: time, held and overrun are its own figures, and a cost that nobody could tell is
 * the whole hold, marked unknown, since unknown is never free. The time is the hold's, because a crash may tell of the
 * same attempt from the hold's line: time and id together are what makes it the same row.
 */
export function vouchFor(row: AttemptRow, hold: Hold, budgeted: boolean): AttemptRow {
  const { heldNanoUsd: held, createdAtMs } = hold
  const usage = row.usage && saneUsage(row.usage)
  const told = row.costNanoUsd !== null && isCount(row.costNanoUsd)
  const costNanoUsd = told ? row.costNanoUsd : held > 0 ? held : null
  const certainty = told || costNanoUsd === row.costNanoUsd ? row.certainty : 'unknown'
  const overrunNanoUsd = budgeted ? Math.max(0, (costNanoUsd ?? 0) - held) : 0
  // A row that is right already, the usual case, is not copied.
  const right =
    row.createdAtMs === createdAtMs &&
    row.heldNanoUsd === held &&
    row.overrunNanoUsd === overrunNanoUsd &&
    row.costNanoUsd === costNanoUsd &&
    row.usage === usage
  return right
    ? row
    : { ...row, createdAtMs, usage, costNanoUsd, certainty, heldNanoUsd: held, overrunNanoUsd }
}

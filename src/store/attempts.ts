/** Ledger rows to columns and back. */
import type { attempts } from '../../drizzle/sqlite/schema.ts'
import type { AttemptRow, Usage } from '../terms.ts'
import type { SqlValue } from './sql.ts'

type Column = keyof typeof attempts.$inferSelect

/** Tags are a set: a row counts once per tag. */
const tagsText = (tags: readonly string[]): string | null =>
  tags.length === 0 ? null : JSON.stringify(tags.length === 1 ? tags : [...new Set(tags)])

/** One value per column, in the order of the table. Undefined reaches the driver as null. */
const WRITERS: { readonly [column in Column]: (row: AttemptRow) => SqlValue | undefined } = {
  id: row => row.id,
  requestId: row => row.requestId,
  attempt: row => row.attempt,
  last: row => (row.last ? 1 : 0),
  createdAtMs: row => row.createdAtMs,
  keyId: row => row.keyId,
  lineage: row => row.lineage,
  project: row => row.project,
  requestedModel: row => row.requestedModel,
  provider: row => row.provider,
  model: row => row.model,
  upstreamModel: row => row.upstreamModel,
  credential: row => row.credential,
  operation: row => row.operation,
  stream: row => (row.stream ? 1 : 0),
  status: row => row.status,
  error: row => row.error,
  finishReason: row => row.finishReason,
  inputTokens: row => row.usage?.inputTokens,
  cacheReadInputTokens: row => row.usage?.cacheReadInputTokens,
  cacheCreationInputTokens: row => row.usage?.cacheCreationInputTokens,
  cacheCreation1hInputTokens: row => row.usage?.cacheCreation1hInputTokens,
  outputTokens: row => row.usage?.outputTokens,
  reasoningOutputTokens: row => row.usage?.reasoningOutputTokens,
  reportedCostNanoUsd: row => row.usage?.reportedCostNanoUsd,
  costNanoUsd: row => row.costNanoUsd,
  heldNanoUsd: row => row.heldNanoUsd,
  overrunNanoUsd: row => row.overrunNanoUsd,
  certainty: row => row.certainty,
  priceId: row => row.priceId,
  ttftMs: row => row.ttftMs,
  totalMs: row => row.totalMs,
  peer: row => row.peer,
  user: row => row.user,
  tags: row => tagsText(row.tags),
  answerId: row => row.answerId,
  why: row => row.why,
}

const writers = Object.values(WRITERS)

/** The row's values in the order of the table's columns. */
export function valuesOfAttempt(row: AttemptRow): SqlValue[] {
  const values: SqlValue[] = []
  for (const write of writers) values.push(write(row) ?? null)
  return values
}

const amounts = [
  'createdAtMs',
  'costNanoUsd',
  'heldNanoUsd',
  'overrunNanoUsd',
] as const satisfies readonly (keyof AttemptRow)[]
const texts = ['id', 'keyId', 'lineage'] as const satisfies readonly (keyof AttemptRow)[]

/** Throws RangeError naming row and field when an amount is no whole number or an identity is empty: a sum must stay exact. */
export function checkAttempt(row: AttemptRow): void {
  for (const name of amounts) {
    const amount = row[name]
    if (!Number.isSafeInteger(amount) && !(name === 'costNanoUsd' && amount === null))
      throw new RangeError(`attempt ${row.id}: ${name} is not a whole number: ${amount}`)
  }
  for (const name of texts)
    if (typeof row[name] !== 'string' || row[name] === '')
      throw new RangeError(`attempt ${row.id}: ${name} is empty`)
}

function usageOf(row: typeof attempts.$inferSelect): Usage | null {
  if (row.inputTokens === null || row.outputTokens === null) return null
  return {
    inputTokens: row.inputTokens,
    cacheReadInputTokens: row.cacheReadInputTokens ?? 0,
    cacheCreationInputTokens: row.cacheCreationInputTokens ?? 0,
    ...(row.cacheCreation1hInputTokens !== null && {
      cacheCreation1hInputTokens: row.cacheCreation1hInputTokens,
    }),
    outputTokens: row.outputTokens,
    reasoningOutputTokens: row.reasoningOutputTokens ?? 0,
    ...(row.reportedCostNanoUsd !== null && { reportedCostNanoUsd: row.reportedCostNanoUsd }),
  }
}

/** A stored row as the rest of the program knows it. */
export function attemptOf(stored: typeof attempts.$inferSelect): AttemptRow {
  const {
    inputTokens: _input,
    cacheReadInputTokens: _read,
    cacheCreationInputTokens: _write,
    cacheCreation1hInputTokens: _write1h,
    outputTokens: _output,
    reasoningOutputTokens: _reasoning,
    reportedCostNanoUsd: _reported,
    ...row
  } = stored
  return { ...row, usage: usageOf(stored), tags: row.tags ?? [] }
}

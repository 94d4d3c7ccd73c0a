/** A settled row as a journal line holds it: values in a fixed order, a third of the bytes and half the time of named members. */
import type { AttemptRow, Usage } from '../terms.ts'

const USAGE_NAMES = [
  'inputTokens',
  'cacheReadInputTokens',
  'cacheCreationInputTokens',
  'cacheCreation1hInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
  'reportedCostNanoUsd',
] as const satisfies readonly (keyof Usage)[]

/** The order of the values; a change of it needs a new first value, so that old lines are still told apart. */
const ROW_NAMES = [
  'id',
  'requestId',
  'attempt',
  'last',
  'createdAtMs',
  'keyId',
  'lineage',
  'project',
  'requestedModel',
  'provider',
  'model',
  'upstreamModel',
  'credential',
  'operation',
  'stream',
  'status',
  'error',
  'finishReason',
  'costNanoUsd',
  'heldNanoUsd',
  'overrunNanoUsd',
  'certainty',
  'priceId',
  'ttftMs',
  'totalMs',
  'peer',
  'user',
  'tags',
  'answerId',
  'why',
] as const satisfies readonly (keyof AttemptRow)[]

// Every member but `usage`, which is packed by itself: a member that is added to AttemptRow and not here is a type error.
type Packed = (typeof ROW_NAMES)[number] | 'usage'
const complete: Exclude<keyof AttemptRow, Packed> extends never ? true : never = true

const FORM = 1

export function packRow(row: AttemptRow): readonly unknown[] {
  const { usage } = row
  const values: unknown[] = [
    complete ? FORM : 0,
    usage === null ? null : USAGE_NAMES.map(name => usage[name] ?? null),
  ]
  for (const name of ROW_NAMES) values.push(row[name])
  return values
}

/** Undefined = not a row of this form. */
export function unpackRow(values: unknown): AttemptRow | undefined {
  if (!Array.isArray(values) || values[0] !== FORM || values.length !== ROW_NAMES.length + 2) return undefined
  const counts: unknown = values[1]
  const usage = Array.isArray(counts)
    ? Object.fromEntries(
        USAGE_NAMES.map((name, i) => [name, counts[i]]).filter(([, count]) => count !== null),
      )
    : null
  const named = Object.fromEntries(ROW_NAMES.map((name, i) => [name, values[i + 2]]))
  return { ...named, usage } as unknown as AttemptRow
}

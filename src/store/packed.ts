/**
 * A settled attempt as the journal and the ledger's table keep it: four members by name, the rest as one JSON array in a
 * fixed order. One text is made once and written twice; binding it costs SQLite a fifth of 37 columns (measured).
 */
import type { AttemptRow, Usage } from '../terms.ts'

/** The order of the counts; undefined ones are null. */
export const USAGE_NAMES = [
  'inputTokens',
  'cacheReadInputTokens',
  'cacheCreationInputTokens',
  'cacheCreation1hInputTokens',
  'outputTokens',
  'reasoningOutputTokens',
  'reportedCostNanoUsd',
  'billedInputTokens',
  'billedOutputTokens',
  'units',
  'audioInputTokens',
  'audioOutputTokens',
  'toolCalls',
] as const satisfies readonly (keyof Usage)[]
// A count that is added to Usage and not here is a type error. The service tier is told by the price's id.
type Counted = (typeof USAGE_NAMES)[number] | 'serviceTier'
const counted: Exclude<keyof Usage, Counted> extends never ? true : never = true

/** The order of the detail. Names are only added at the end: the table's columns and old lines know positions. */
export const DETAIL_NAMES = [
  'usage',
  'last',
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
  'why',
  'upstreamStatus',
] as const satisfies readonly (keyof AttemptRow)[]
/** What every detail has; what was added later is left out where there is none. */
const LEAST = DETAIL_NAMES.indexOf('why') + 1

/** What stands beside the detail. The request's id and the attempt's number are parts of the id. */
export interface Named {
  readonly id: string
  readonly createdAtMs: number
  readonly keyId: string
  readonly answerId: string | null
}

// A member that is added to AttemptRow and to neither list is a type error.
type Packed = (typeof DETAIL_NAMES)[number] | keyof Named | 'requestId' | 'attempt'
const complete: Exclude<keyof AttemptRow, Packed> extends never ? true : never = true

const count = (value: number | undefined): number | null => value ?? null

/** The rare ones stand at the end and are left out where there are none. */
function packUsage(usage: Usage): readonly unknown[] {
  const common = [
    usage.inputTokens,
    usage.cacheReadInputTokens,
    usage.cacheCreationInputTokens,
    count(usage.cacheCreation1hInputTokens),
    usage.outputTokens,
    usage.reasoningOutputTokens,
    count(usage.reportedCostNanoUsd),
  ]
  const { billedInputTokens: input, billedOutputTokens: output, units, toolCalls: calls } = usage
  const { audioInputTokens: heard, audioOutputTokens: spoken } = usage
  const isCommon = input === undefined && output === undefined && units === undefined
  if (counted && isCommon && heard === undefined && spoken === undefined && calls === undefined) return common
  const rare = [count(input), count(output), units ?? null]
  if (heard === undefined && spoken === undefined && calls === undefined) return [...common, ...rare]
  return [...common, ...rare, count(heard), count(spoken), calls ?? null]
}

/** Tags are a set: a row counts once per tag. */
const setOf = (tags: readonly string[]): readonly string[] => (tags.length < 2 ? tags : [...new Set(tags)])

/** The detail as JSON text. Written out by hand: a walk over the names costs three times as much. */
export function packDetail(row: AttemptRow): string {
  const { usage } = row
  const detail: unknown[] = [
    usage && packUsage(usage),
    complete && row.last,
    row.lineage,
    row.project,
    row.requestedModel,
    row.provider,
    row.model,
    row.upstreamModel,
    row.credential,
    row.operation,
    row.stream,
    row.status,
    row.error,
    row.finishReason,
    row.costNanoUsd,
    row.heldNanoUsd,
    row.overrunNanoUsd,
    row.certainty,
    row.priceId,
    row.ttftMs,
    row.totalMs,
    row.peer,
    row.user,
    setOf(row.tags),
    row.why,
  ]
  if (row.upstreamStatus !== undefined) detail.push(row.upstreamStatus)
  return JSON.stringify(detail)
}

/** The row of a detail; undefined = not a detail. */
export function unpackDetail(named: Named, detail: unknown): AttemptRow | undefined {
  if (!Array.isArray(detail) || detail.length < LEAST) return undefined
  const { id } = named
  const dot = id.lastIndexOf('.')
  const counts: unknown = detail[0]
  const usage = Array.isArray(counts)
    ? Object.fromEntries(
        USAGE_NAMES.map((name, i) => [name, counts[i]]).filter(([, tokens]) => tokens != null),
      )
    : null
  return {
    ...Object.fromEntries(DETAIL_NAMES.slice(0, detail.length).map((name, i) => [name, detail[i]])),
    ...named,
    requestId: id.slice(0, dot),
    attempt: Number(id.slice(dot + 1)),
    usage,
  } as unknown as AttemptRow
}

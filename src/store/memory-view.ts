/** Spend views of the store in memory: computed from the rows themselves, independently of the sums that others keep. */
import type { AttemptRow } from '../terms.ts'
import { NOTHING } from '../wire/spend.ts'
import type { SpendGroup, SpendQuery, SpendRow } from './store.ts'
import { DAY_MS, hourOf } from './sums.ts'
import { labelOf, orderSpend } from './view.ts'

/** The values of one group name on one row: several only for tags. */
function valuesOf(row: AttemptRow, group: SpendGroup): readonly (string | null)[] {
  switch (group) {
    case 'key':
      return [row.keyId]
    case 'project':
      return [row.project]
    case 'model':
      return [row.model]
    case 'provider':
      return [row.provider]
    case 'user':
      return [row.user || null]
    case 'day':
      return [labelOf('day', Math.floor(row.createdAtMs / DAY_MS))]
    case 'hour':
      return [labelOf('hour', hourOf(row.createdAtMs))]
    case 'tag':
      return row.tags.some(Boolean) ? [...new Set(row.tags.filter(Boolean))] : [null]
  }
}

function groupsOf(row: AttemptRow, groupBy: readonly SpendGroup[]): SpendRow['group'][] {
  let groups: SpendRow['group'][] = [{}]
  for (const name of groupBy)
    groups = groups.flatMap(group => valuesOf(row, name).map(value => ({ ...group, [name]: value })))
  return groups
}

function addRow(sum: SpendRow, row: AttemptRow): SpendRow {
  const cost = row.costNanoUsd ?? 0
  return {
    group: sum.group,
    requests: sum.requests + (row.last ? 1 : 0),
    attempts: sum.attempts + 1,
    inputTokens: sum.inputTokens + (row.usage?.inputTokens ?? 0),
    outputTokens: sum.outputTokens + (row.usage?.outputTokens ?? 0),
    cachedTokens: sum.cachedTokens + (row.usage?.cacheReadInputTokens ?? 0),
    costNanoUsd: sum.costNanoUsd + cost,
    estimatedNanoUsd: sum.estimatedNanoUsd + (row.certainty === 'estimated' ? cost : 0),
    unknownNanoUsd: sum.unknownNanoUsd + (row.certainty === 'unknown' ? cost : 0),
    unpricedRequests: sum.unpricedRequests + (row.last && row.costNanoUsd === null ? 1 : 0),
  }
}

/** The groups of a view that these rows make, in order. */
export function spendView(rows: readonly AttemptRow[], query: SpendQuery): SpendRow[] {
  const sums = new Map<string, SpendRow>()
  if (query.groupBy.length === 0) sums.set('{}', NOTHING)
  for (const row of rows) {
    if (row.createdAtMs < query.fromMs || row.createdAtMs >= query.toMs) continue
    if (query.keyIds && !query.keyIds.includes(row.keyId)) continue
    for (const group of groupsOf(row, query.groupBy)) {
      const at = JSON.stringify(group)
      sums.set(at, addRow(sums.get(at) ?? { ...NOTHING, group }, row))
    }
  }
  return orderSpend(query.groupBy, [...sums.values()])
}

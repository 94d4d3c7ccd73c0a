/** What a check of the ledger compared, and what did not agree: figure by figure, sums by their groups. Used by check.ts. */
import type { SpendGroup, SpendRow } from '../store/store.ts'
import { sumOf } from '../wire/spend.ts'

/** More than these say nothing new. */
export const DIFFERENCES_MAX = 100
/** What does not agree: both sides of it, amounts in nano-USD where they are money. */
export interface Difference {
  /** Where, as in `2026-11-22T10:00:00.000Z key=… model=…`. */
  readonly at: string
  /** Which figure. */
  readonly figure: string
  readonly expected: number
  readonly found: number
}

export interface Tally {
  compared: number
  differences: Difference[]
}
export const createTally = (): Tally => ({ compared: 0, differences: [] })

export function compare(tally: Tally, at: string, figure: string, expected: number, found: number): void {
  tally.compared++
  if (expected === found || tally.differences.length >= DIFFERENCES_MAX) return
  tally.differences.push({ at, figure, expected, found })
}

const FIGURES = [
  'requests',
  'attempts',
  'inputTokens',
  'outputTokens',
  'cachedTokens',
  'costNanoUsd',
  'estimatedNanoUsd',
  'unknownNanoUsd',
  'unpricedRequests',
] as const satisfies readonly (keyof SpendRow)[]

const placeOf = (startMs: number, { group }: SpendRow): string => {
  const names = Object.entries(group).flatMap(([name, value]) => (value ? [`${name}=${value}`] : []))
  return [new Date(startMs).toISOString(), ...names].join(' ')
}

export function compareSums(
  tally: Tally,
  startMs: number,
  expected: readonly SpendRow[],
  found: readonly SpendRow[],
): void {
  const idOf = (row: SpendRow) => JSON.stringify(row.group)
  const byGroup = new Map(found.map(row => [idOf(row), row]))
  for (const row of expected) {
    const other = byGroup.get(idOf(row))
    byGroup.delete(idOf(row))
    for (const figure of FIGURES)
      compare(tally, placeOf(startMs, row), figure, row[figure], other?.[figure] ?? 0)
  }
  for (const row of byGroup.values())
    for (const figure of FIGURES) compare(tally, placeOf(startMs, row), figure, 0, row[figure])
}

/** Rows added up by some of their groups. */
export function summedBy(rows: readonly SpendRow[], names: readonly SpendGroup[]): SpendRow[] {
  const groupOf = ({ group }: SpendRow) => Object.fromEntries(names.map(name => [name, group[name] ?? null]))
  const groups = Map.groupBy(rows, row => JSON.stringify(groupOf(row)))
  return Array.from(groups, ([group, list]) => ({ ...sumOf(list), group: JSON.parse(group) }))
}

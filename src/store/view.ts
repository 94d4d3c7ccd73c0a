/** Puts the answers of a spend view's statements together (spend.ts), names its groups and orders them. */
import type { ViewPart } from './spend.ts'
import type { SqlValue } from './sql.ts'
import type { SpendGroup, SpendRow } from './store.ts'
import { DAY_MS } from './sums.ts'

/** What a group's value is called: days as `2026-01-31`, hours as `2026-01-31T13:00:00.000Z`, null = none. */
export function labelOf(group: SpendGroup, value: SqlValue): string | null {
  if (value === null) return null
  if (group === 'day') return new Date(Number(value) * DAY_MS).toISOString().slice(0, 10)
  if (group === 'hour') return new Date(Number(value)).toISOString()
  return String(value)
}

/** Time upwards, then money downwards, then names, so that every engine gives the same order. */
export function orderSpend(groupBy: readonly SpendGroup[], rows: SpendRow[]): SpendRow[] {
  const times = groupBy.filter(name => name === 'day' || name === 'hour')
  const names = groupBy.filter(name => name !== 'day' && name !== 'hour')
  return rows.sort(
    (a, b) => compareBy(times, a, b) || b.costNanoUsd - a.costNanoUsd || compareBy(names, a, b),
  )
}

function compareBy(names: readonly SpendGroup[], a: SpendRow, b: SpendRow): number {
  for (const name of names) {
    const [left, right] = [a.group[name] ?? '', b.group[name] ?? '']
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

type Answer = readonly (readonly SqlValue[])[]

/** What the parts of a view gave, as the port gives it: one row a group, in order. */
export function spendView(
  groupBy: readonly SpendGroup[],
  parts: readonly ViewPart[],
  answers: readonly Answer[],
): SpendRow[] {
  const filled = answers.filter(answer => answer.length > 0)
  // the engine has grouped a single part already
  const isSummed = filled.length === 1 && parts.every(({ sign, fromNobody }) => sign === 1 && !fromNobody)
  const groups = isSummed ? (filled[0] ?? []) : summedUp(groupBy, parts, answers)
  const width = groupBy.length
  const name = namer()
  return orderSpend(
    groupBy,
    groups
      // A group that has nothing left when those with a name are taken from it is none. One that has money left and no
      // attempts is a fault of the sums, and is shown.
      .filter(values => width === 0 || values.some((value, at) => at >= width && Number(value) !== 0))
      .map(values => spendRowOf(groupBy, values, name)),
  )
}

/** Sums by their names: a map in a map for each name but the last, because a caller may name anything and no separator is safe. */
type Sums = Map<SqlValue, Sums | SqlValue[]>

/** The sum of these names, made where there is none. */
function sumAt(sums: Sums, names: readonly SqlValue[], all: SqlValue[][]): SqlValue[] {
  let within = sums
  const last = names.length - 1
  for (let i = 0; i < last; i++) {
    let next = within.get(names[i] ?? null)
    if (next === undefined) {
      next = new Map()
      within.set(names[i] ?? null, next)
    }
    within = next as Sums
  }
  let sum = within.get(names[last] ?? null) as SqlValue[] | undefined
  if (sum === undefined) {
    sum = [...names, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    within.set(names[last] ?? null, sum)
    all.push(sum)
  }
  return sum
}

/** The parts of a view added up, one row a group. */
function summedUp(
  groupBy: readonly SpendGroup[],
  parts: readonly ViewPart[],
  answers: readonly Answer[],
): SqlValue[][] {
  const sums: Sums = new Map()
  const all: SqlValue[][] = []
  const width = groupBy.length
  const add = (names: readonly SqlValue[], values: readonly SqlValue[], sign: number) => {
    const sum = sumAt(sums, names, all)
    for (let i = width; i < values.length; i++) sum[i] = Number(sum[i]) + sign * Number(values[i])
  }
  const user = groupBy.indexOf('user')
  for (const [position, { sign, fromNobody }] of parts.entries())
    for (const values of answers[position] ?? []) {
      const names = values.slice(0, width)
      add(names, values, sign)
      if (fromNobody) add(names.with(user, null), values, -sign)
    }
  return all
}

/** `labelOf` that writes each time once: a view by hour and key has many rows an hour. */
function namer(): typeof labelOf {
  const times = new Map<SqlValue, string | null>()
  return (group, value) => {
    if (group !== 'hour' && group !== 'day') return labelOf(group, value)
    let label = times.get(value)
    if (label === undefined) {
      label = labelOf(group, value)
      times.set(value, label)
    }
    return label
  }
}

/** One row of a statement as the port gives it. */
function spendRowOf(
  groupBy: readonly SpendGroup[],
  values: readonly SqlValue[],
  name: typeof labelOf,
): SpendRow {
  const sum = (position: number): number => Number(values[groupBy.length + position])
  const group: Partial<Record<SpendGroup, string | null>> = {}
  for (const [i, of] of groupBy.entries()) group[of] = name(of, values[i] ?? null)
  return {
    group,
    requests: sum(0),
    attempts: sum(1),
    inputTokens: sum(2),
    outputTokens: sum(3),
    cachedTokens: sum(4),
    costNanoUsd: sum(5),
    estimatedNanoUsd: sum(6),
    unknownNanoUsd: sum(7),
    unpricedRequests: sum(8),
  }
}

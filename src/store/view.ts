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

const NO_SUMS: readonly SqlValue[] = [0, 0, 0, 0, 0, 0, 0, 0, 0]

/** What the parts of a view gave, as the port gives it: one row a group, in order. */
export function spendView(
  groupBy: readonly SpendGroup[],
  parts: readonly ViewPart[],
  answers: readonly Answer[],
): SpendRow[] {
  const filled = answers.filter(answer => answer.length > 0)
  // the engine has grouped a single part already
  const isSummed = filled.length === 1 && parts.every(({ sign, fromNobody }) => sign === 1 && !fromNobody)
  const summed = isSummed ? (filled[0] ?? []) : summedUp(groupBy, parts, answers)
  // the sum of nothing is a row too
  const groups = groupBy.length === 0 && summed.length === 0 ? [NO_SUMS] : summed
  const width = groupBy.length
  const name = namer()
  // A group that has nothing left when those with a name are taken from it is none. One that has money left and no
  // attempts is a fault of the sums, and is shown.
  const isLeft = (values: readonly SqlValue[]) =>
    width === 0 || values.some((value, at) => at >= width && Number(value) !== 0)
  return orderValues(groupBy, groups.filter(isLeft)).map(values => spendRowOf(groupBy, values, name))
}

/** Where the cost stands among the sums. */
const COST = 5

/** The order of `orderSpend` before times are written out: numbers are compared in a tenth of the time. */
function orderValues(
  groupBy: readonly SpendGroup[],
  groups: readonly (readonly SqlValue[])[],
): readonly (readonly SqlValue[])[] {
  const places = groupBy.map((_, at) => at)
  const isTime = (at: number) => groupBy[at] === 'day' || groupBy[at] === 'hour'
  const [times, names] = [places.filter(isTime), places.filter(at => !isTime(at))]
  const cost = groupBy.length + COST
  return groups.toSorted((a, b) => {
    for (const at of times) if (a[at] !== b[at]) return Number(a[at]) - Number(b[at])
    if (a[cost] !== b[cost]) return Number(b[cost]) - Number(a[cost])
    for (const at of names) {
      const [left, right] = [a[at] ?? '', b[at] ?? '']
      if (left !== right) return left < right ? -1 : 1
    }
    return 0
  })
}

/** Sums by their names: a map in a map for each name but the last, because a caller may name anything and no separator is safe. */
type Sums = Map<SqlValue, Sums | SqlValue[]>

/** The sum of what these values are named, the first so many of them; `make` where there is none. */
function sumAt(
  sums: Sums,
  names: readonly SqlValue[],
  width: number,
  make: () => SqlValue[],
): SqlValue[] | undefined {
  let within = sums
  const last = width - 1
  for (let i = 0; i < last; i++) {
    let next = within.get(names[i] ?? null)
    if (next === undefined) {
      next = new Map()
      within.set(names[i] ?? null, next)
    }
    within = next as Sums
  }
  const sum = within.get(names[last] ?? null) as SqlValue[] | undefined
  if (sum === undefined) within.set(names[last] ?? null, make())
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
  const add = (values: readonly SqlValue[], sign: number) => {
    const make = () => {
      // nothing taken away is 0, not -0
      const sum = values.map((value, at) => (at < width ? value : 0 + sign * Number(value)))
      all.push(sum)
      return sum
    }
    const sum = sumAt(sums, values, width, make)
    if (sum === undefined) return
    for (let i = width; i < values.length; i++) sum[i] = Number(sum[i]) + sign * Number(values[i])
  }
  const user = groupBy.indexOf('user')
  for (const [position, { sign, fromNobody }] of parts.entries())
    for (const values of answers[position] ?? []) {
      add(values, sign)
      if (fromNobody) add(values.with(user, null), -sign)
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

/** Spend rows → the columns of a chart: fixed slots of time, the five dearest groups, and the rest. */
import type { SpendGroup, SpendQuery, SpendRow } from '../store/store.ts'
import type { Series } from './chart.tsx'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const SHOWN_MAX = 5

export type Range = '24h' | '7d' | '30d'

/** The ranges a person may pick, in order. */
export const RANGES: readonly Range[] = ['24h', '7d', '30d']

/** Slots of a range that ends with the running hour or day, UTC. */
export interface Slots {
  readonly unit: 'hour' | 'day'
  readonly startsMs: readonly number[]
  readonly fromMs: number
  readonly toMs: number
}

export function slotsOf(range: Range, nowMs: number): Slots {
  const unit = range === '24h' ? 'hour' : 'day'
  const size = unit === 'hour' ? HOUR_MS : DAY_MS
  const count = range === '24h' ? 24 : range === '7d' ? 7 : 30
  const toMs = (Math.floor(nowMs / size) + 1) * size
  const fromMs = toMs - count * size
  return { unit, fromMs, toMs, startsMs: Array.from({ length: count }, (_, index) => fromMs + index * size) }
}

/** The store query that fills these slots. */
export function queryFor(slots: Slots, group: SpendGroup): SpendQuery {
  return { fromMs: slots.fromMs, toMs: slots.toMs, groupBy: [group, slots.unit] }
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** `Nov 21` or `13:00`, UTC. */
export function labelsOf(slots: Slots): string[] {
  return slots.startsMs.map(ms => {
    const date = new Date(ms)
    if (slots.unit === 'hour') return `${String(date.getUTCHours()).padStart(2, '0')}:00`
    return `${MONTHS[date.getUTCMonth()]} ${date.getUTCDate()}`
  })
}

/** Series for a chart, dearest first; `nameOf` turns a group's value into what people read. */
export function seriesOf(
  rows: readonly SpendRow[],
  group: SpendGroup,
  slots: Slots,
  nameOf: (value: string) => string,
): Series[] {
  const size = slots.unit === 'hour' ? HOUR_MS : DAY_MS
  const byGroup = new Map<string, number[]>()
  for (const row of rows) {
    const value = row.group[group] ?? ''
    const at = Math.floor((Date.parse(row.group[slots.unit] ?? '') - slots.fromMs) / size)
    if (!(at >= 0 && at < slots.startsMs.length)) continue
    const values = byGroup.get(value) ?? new Array<number>(slots.startsMs.length).fill(0)
    values[at] = (values[at] ?? 0) + row.costNanoUsd
    byGroup.set(value, values)
  }
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0)
  const all = [...byGroup].toSorted((a, b) => total(b[1]) - total(a[1]))
  const shown = all.slice(0, SHOWN_MAX).map(([value, values]) => ({ name: nameOf(value), values }))
  const rest = all.slice(SHOWN_MAX)
  if (rest.length === 0) return shown
  const values = slots.startsMs.map((_, at) => total(rest.map(entry => entry[1][at] ?? 0)))
  return [...shown, { name: 'Other', values }]
}

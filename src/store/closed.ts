/** Which sums of days that are over a view may read, and in which pieces (closing.ts makes them, spend.ts reads them). Part of the SQL store. */
import { type SQL, sql } from 'drizzle-orm'
import { closedDays, type closedSums, closedWeeks, spendDaily } from '../../drizzle/sqlite/schema.ts'
import type { SqlValue } from './sql.ts'
import type { SpendGroup } from './store.ts'
import { DAY_MS, dayOf, type PartKind, startOf } from './sums.ts'

export const WEEK_MS = 7 * DAY_MS
/** Start of the seven days, counted from 1970-01-01, epoch ms. */
export const weekOf = (ms: number): number => startOf(ms, WEEK_MS)

export type ClosedUnit = typeof closedSums.$inferSelect.unit
export type ClosedKind = typeof closedSums.$inferSelect.kind
/** What a source of a view counts: every row, or those of a part. */
export type Whose = PartKind | 'all'

/** The sums of every roll-up, in the order of its columns. */
export const SUM_COLUMNS = [
  'requests',
  'attempts',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cost_nano_usd',
  'estimated_nano_usd',
  'unknown_nano_usd',
  'unpriced_requests',
].map(name => sql.identifier(name))

const NAMES: readonly SpendGroup[] = ['key', 'project', 'model', 'provider']

/** The kind that has what these groups ask for and little else; undefined = none has. */
export function closedKind(whose: Whose, groupBy: readonly SpendGroup[]): ClosedKind | undefined {
  const names = groupBy.filter(group => NAMES.includes(group))
  if (names.length === 0) return whose
  if (whose !== 'all') return undefined
  if (!names.includes('key')) return 'offer'
  return names.length === 1 ? 'key' : undefined
}

/** What tells the rows of a kind apart, beside the time. */
const NAMES_OF: Readonly<Record<ClosedKind, readonly SpendGroup[]>> = {
  all: [],
  tagged: [],
  key: ['key'],
  offer: ['model', 'provider', 'project'],
  user: ['user'],
  tag: ['tag'],
  user_tag: ['user', 'tag'],
}

/** Is each row of these a group of the view already, so that nothing is left to add up? */
export const isOneEach = (kind: ClosedKind, unit: ClosedUnit, groupBy: readonly SpendGroup[]): boolean =>
  unit !== 'week' && groupBy.includes(unit) && NAMES_OF[kind].every(name => groupBy.includes(name))

/** Days that have sums, oldest first, and whether they are closed; and the weeks whose sums hold. Epoch ms. */
export interface Closed {
  readonly days: ReadonlyMap<number, boolean>
  readonly weeks: ReadonlySet<number>
}

/**
 * Days of a span and whether their closed sums may be read for those of the day: `day_ms, is_closed, begun`, and `begun` of
 * its week. A late row adds an attempt to the day, so that equal counts say that nothing has come since; corrections reopen a
 * day themselves.
 */
export const daysChecked = (fromMs: number, toMs: number): SQL => sql`select day_ms, sum(attempts) is (
      select ${closedDays.attempts} from ${closedDays} where ${closedDays.dayMs} = ${spendDaily.dayMs}),
    (select ${closedDays.begun} from ${closedDays} where ${closedDays.dayMs} = ${spendDaily.dayMs}),
    (select ${closedWeeks.begun} from ${closedWeeks} where ${closedWeeks.weekMs}
      = ${spendDaily.dayMs} - (${spendDaily.dayMs} % ${WEEK_MS} + ${WEEK_MS}) % ${WEEK_MS})
  from ${spendDaily} where day_ms >= ${dayOf(fromMs)} and day_ms < ${toMs} group by day_ms`

/** What `daysChecked` gave. A week that the span cuts is none. */
export function closedOf(rows: readonly (readonly SqlValue[])[], fromMs: number, toMs: number): Closed {
  const days = new Map<number, boolean>()
  const weeks = new Map<number, number>()
  for (const [day, isClosed, begun, weekBegun] of rows) {
    const [dayMs, weekMs] = [Number(day), weekOf(Number(day))]
    days.set(dayMs, isClosed === 1)
    if (weekBegun === null || weekMs < fromMs || weekMs + WEEK_MS > toMs) continue
    // each try of a day is counted: what is left when all are taken away is a day that was begun again, or is not closed
    const left = (weeks.get(weekMs) ?? Number(weekBegun)) - (isClosed === 1 ? Number(begun) : 0)
    weeks.set(weekMs, isClosed === 1 ? left : Number.NaN)
  }
  return { days, weeks: new Set([...weeks].filter(([, left]) => left === 0).map(([weekMs]) => weekMs)) }
}

/** A piece of a span that is read in one way; undefined unit = it is open. */
export interface Run {
  readonly unit: ClosedUnit | undefined
  readonly fromMs: number
  readonly toMs: number
}

/** A span in pieces, each as long as it can be. Days without sums are in none of them, or in any. */
export function runsOf(
  { days, weeks }: Closed,
  fromMs: number,
  toMs: number,
  units: { readonly unit: 'hour' | 'day'; readonly byWeek: boolean },
): Run[] {
  const runs: Run[] = []
  for (const [dayMs, isClosed] of days) {
    if (dayMs + DAY_MS <= fromMs || dayMs >= toMs) continue
    const weekMs = weekOf(dayMs)
    const byWeek = units.byWeek && weekMs >= fromMs && weekMs + WEEK_MS <= toMs && weeks.has(weekMs)
    const run: Run = byWeek
      ? { unit: 'week', fromMs: weekMs, toMs: weekMs + WEEK_MS }
      : {
          unit: isClosed ? units.unit : undefined,
          fromMs: Math.max(dayMs, fromMs),
          toMs: Math.min(dayMs + DAY_MS, toMs),
        }
    const before = runs.at(-1)
    if (before !== undefined && before.unit === run.unit)
      runs[runs.length - 1] = { ...run, fromMs: before.fromMs }
    else runs.push(run)
  }
  return runs
}

/** Settled attempts into the ledger, its hourly sums and the budget buckets: all of a batch or nothing, each attempt once. */
import { getTableColumns, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { attempts, budgetBuckets, spendHourly } from '../../drizzle/sqlite/schema.ts'
import type { AttemptRow } from '../terms.ts'
import { checkAttempt, valuesOfAttempt } from './attempts.ts'
import { added, createBulk, larger } from './bulk.ts'
import type { Maybe, SqlDriver, SqlValue, Statement } from './sql.ts'
import type { Store } from './store.ts'

/** Which buckets of its lineage a row's money belongs to. */
export type BucketsOf = Parameters<Store['fold']>[1]
type DetailOf = Parameters<Store['fold']>[2]

export const HOUR_MS = 3_600_000

/** Start of the UTC hour, epoch ms. */
export const hourOf = (ms: number): number => ms - (((ms % HOUR_MS) + HOUR_MS) % HOUR_MS)

const dialect = new SQLiteSyncDialect()

/** Sums per hour, key, model, provider and project, in the order of the columns of `spend_hourly`. */
export function hourlySums(rows: readonly AttemptRow[]): SqlValue[][] {
  const groups = new Map<string, HourGroup>()
  let latest: HourGroup | undefined
  for (const row of rows) {
    // neighbours mostly belong together
    if (latest === undefined || !belongs(row, latest)) latest = groupOf(row, groups)
    const parts = sumsOf(row)
    for (let i = 0; i < parts.length; i++) latest.sums[i] = (latest.sums[i] ?? 0) + (parts[i] ?? 0)
    latest.lastUsedAtMs = Math.max(latest.lastUsedAtMs, row.createdAtMs)
  }
  return Array.from(groups.values(), group => [...group.names, ...group.sums, group.lastUsedAtMs])
}

interface HourGroup {
  readonly first: AttemptRow
  readonly hourMs: number
  readonly names: SqlValue[]
  readonly sums: number[]
  lastUsedAtMs: number
}

const belongs = (row: AttemptRow, { first, hourMs }: HourGroup): boolean =>
  row.keyId === first.keyId &&
  row.model === first.model &&
  row.provider === first.provider &&
  row.project === first.project &&
  row.createdAtMs >= hourMs &&
  row.createdAtMs < hourMs + HOUR_MS

function groupOf(row: AttemptRow, groups: Map<string, HourGroup>): HourGroup {
  const hourMs = hourOf(row.createdAtMs)
  const names = [hourMs, row.keyId, row.model, row.provider, row.project ?? '']
  const at = JSON.stringify(names) // a caller may name a model: no separator is safe
  let group = groups.get(at)
  if (group === undefined) {
    group = { first: row, hourMs, names, sums: [0, 0, 0, 0, 0, 0, 0, 0, 0], lastUsedAtMs: row.createdAtMs }
    groups.set(at, group)
  }
  return group
}

/** requests, attempts, input, output and cached tokens, cost, estimated, unknown, unpriced requests of one row. */
function sumsOf(row: AttemptRow): number[] {
  const cost = row.costNanoUsd ?? 0
  return [
    row.last ? 1 : 0,
    1,
    row.usage?.inputTokens ?? 0,
    row.usage?.outputTokens ?? 0,
    row.usage?.cacheReadInputTokens ?? 0,
    cost,
    row.certainty === 'estimated' ? cost : 0,
    row.certainty === 'unknown' ? cost : 0,
    row.last && row.costNanoUsd === null ? 1 : 0,
  ]
}

type BucketSum = [lineage: string, window: string, startMs: number, spentNanoUsd: number]

/** Money per owner, window and bucket, in the order of the columns of `budget_buckets`. */
export function bucketSums(rows: readonly AttemptRow[], bucketsOf: BucketsOf): BucketSum[] {
  const groups = new Map<string, BucketSum>()
  for (const row of rows) {
    const cost = row.costNanoUsd ?? 0
    if (cost === 0) continue
    for (const { owner = row.lineage, window, bucketStartMs } of bucketsOf(row)) {
      const at = `${window}\n${bucketStartMs}\n${owner}`
      const group = groups.get(at)
      if (group === undefined) groups.set(at, [owner, window, bucketStartMs, cost])
      else group[3] += cost
    }
  }
  return [...groups.values()]
}

/** Each attempt once, checked. */
function distinct(rows: readonly AttemptRow[]): AttemptRow[] {
  const byId = new Map<string, AttemptRow>()
  for (const row of rows) {
    if (byId.has(row.id)) continue
    checkAttempt(row)
    byId.set(row.id, row)
  }
  return [...byId.values()]
}

const present = (rows: readonly AttemptRow[]): Statement => {
  const places = JSON.stringify(rows.map(row => [row.createdAtMs, row.id]))
  const query = sql`select id from ${attempts} where (created_at_ms, id) in
    (select value ->> 0, value ->> 1 from json_each(${places}))`
  return dialect.sqlToQuery(query) as Statement
}

/**
 * Creates `Store.fold` over a driver. It bets that all rows are new and inserts them plainly: a row that is there fails
 * the whole batch, which then leaves nothing, and what is left without the known rows is folded instead. So the usual
 * case asks nothing, and a replay after a crash, or two writers with the same rows, still count each attempt once.
 */
export function createFold(driver: SqlDriver): Store['fold'] {
  const insertAttempts = createBulk(driver.bulk, attempts)
  const { hourMs, keyId, model, provider, project, lastUsedAtMs, ...summed } = getTableColumns(spendHourly)
  const addHours = createBulk(driver.bulk, spendHourly, {
    target: [hourMs, keyId, model, provider, project],
    set: {
      ...Object.fromEntries(Object.entries(summed).map(([name, column]) => [name, added(column)])),
      lastUsedAtMs: larger(lastUsedAtMs),
    },
  })
  const addBuckets = createBulk(driver.bulk, budgetBuckets, {
    target: [budgetBuckets.lineage, budgetBuckets.window, budgetBuckets.bucketStartMs],
    set: { spentNanoUsd: added(budgetBuckets.spentNanoUsd) },
  })

  function write(rows: readonly AttemptRow[], bucketsOf: BucketsOf, detailOf: DetailOf): Maybe<void> {
    if (rows.length === 0) return
    const foldTheRest = (error: unknown) => {
      const rest = (found: readonly (readonly SqlValue[])[]): Maybe<void> => {
        if (found.length === 0) throw error
        const known = new Set(found.map(([id]) => id))
        return write(
          rows.filter(row => !known.has(row.id)),
          bucketsOf,
          detailOf,
        )
      }
      const found = driver.all(present(rows))
      return found instanceof Promise ? found.then(rest) : rest(found)
    }
    const statements = [
      ...insertAttempts(rows.map(row => valuesOfAttempt(row, detailOf?.(row)))),
      ...addHours(hourlySums(rows)),
      ...addBuckets(bucketSums(rows, bucketsOf)),
    ]
    let written: Maybe<void>
    try {
      written = driver.batch(statements)
    } catch (error) {
      return foldTheRest(error)
    }
    return written instanceof Promise ? written.catch(foldTheRest) : written
  }
  return (rows, bucketsOf, detailOf) => write(distinct(rows), bucketsOf, detailOf)
}

/** Settled attempts into the ledger, its hourly sums and the budget buckets: all of a batch or nothing, each attempt once. */
import { getTableColumns, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  attempts,
  budgetBuckets,
  keyUse,
  partsDaily,
  partsHourly,
  spendDaily,
  spendHourly,
} from '../../drizzle/sqlite/schema.ts'
import type { AttemptRow } from '../terms.ts'
import { checkAttempt, valuesOfAttempt } from './attempts.ts'
import { added, type Bulk, createBulk, larger } from './bulk.ts'
import type { Maybe, SqlDriver, SqlValue, Statement } from './sql.ts'
import type { Store } from './store.ts'
import { daily, hourlySums, keySums, partSums, valuesOf } from './sums.ts'

/** Which buckets of its lineage a row's money belongs to. */
export type BucketsOf = Parameters<Store['fold']>[1]
type DetailOf = Parameters<Store['fold']>[2]

const dialect = new SQLiteSyncDialect()

type RollUp = typeof spendHourly | typeof spendDaily | typeof partsHourly | typeof partsDaily

/** The sums of every roll-up. */
const SUMMED: ReadonlySet<string> = new Set([
  'requests',
  'attempts',
  'inputTokens',
  'outputTokens',
  'cachedTokens',
  'costNanoUsd',
  'estimatedNanoUsd',
  'unknownNanoUsd',
  'unpricedRequests',
])

type BucketSum = [lineage: string, window: string, startMs: number, spentNanoUsd: number]

function groupOf(
  groups: Map<string, BucketSum>,
  lineage: string,
  { owner = lineage, window, bucketStartMs }: ReturnType<BucketsOf>[number],
): BucketSum {
  const at = `${window}\n${bucketStartMs}\n${owner}`
  let group = groups.get(at)
  if (group === undefined) {
    group = [owner, window, bucketStartMs, 0]
    groups.set(at, group)
  }
  return group
}

/** Money per owner, window and bucket, in the order of the columns of `budget_buckets`. */
export function bucketSums(rows: readonly AttemptRow[], bucketsOf: BucketsOf): BucketSum[] {
  const groups = new Map<string, BucketSum>()
  let latest: readonly BucketSum[] = []
  let lineage = ''
  let buckets: ReturnType<BucketsOf> = []
  for (const row of rows) {
    const cost = row.costNanoUsd ?? 0
    if (cost === 0) continue
    const named = bucketsOf(row)
    // neighbours mostly belong together
    if (named !== buckets || row.lineage !== lineage) {
      lineage = row.lineage
      buckets = named
      latest = named.map(bucket => groupOf(groups, lineage, bucket))
    }
    for (const group of latest) group[3] += cost
  }
  return [...groups.values()]
}

/** Each attempt once, but none of those that are known. */
function fresh(rows: readonly AttemptRow[], known: ReadonlySet<SqlValue | undefined>): AttemptRow[] {
  const byId = new Map<string, AttemptRow>()
  for (const row of rows) if (!known.has(row.id) && !byId.has(row.id)) byId.set(row.id, row)
  return [...byId.values()]
}

const present = (rows: readonly AttemptRow[]): Statement => {
  const places = JSON.stringify(rows.map(row => [row.createdAtMs, row.id]))
  const query = sql`select id from ${attempts} where (created_at_ms, id) in
    (select value ->> 0, value ->> 1 from json_each(${places}))`
  return dialect.sqlToQuery(query) as Statement
}

/** Adds sums to what a roll-up has: its names are its primary key, its sums are the columns that are no names. */
export function rollUp(driver: SqlDriver, table: RollUp): Bulk {
  const columns = Object.entries(getTableColumns(table))
  const target = columns.filter(([name]) => !SUMMED.has(name)).map(([, column]) => column)
  const summed = columns.filter(([name]) => SUMMED.has(name))
  const set = Object.fromEntries(summed.map(([name, column]) => [name, added(column)]))
  return createBulk(driver.bulk, table, { target, set })
}

/** Adds to the total of each key. */
export const addKeyUse = (driver: SqlDriver): Bulk =>
  createBulk(driver.bulk, keyUse, {
    target: [keyUse.keyId],
    set: { lastUsedAtMs: larger(keyUse.lastUsedAtMs), spentNanoUsd: added(keyUse.spentNanoUsd) },
  })

/**
 * Creates `Store.fold` over a driver. It bets that all rows are new, each another, and inserts them plainly: a row that is
 * there fails the whole batch, which then leaves nothing, and what is left without the known rows is folded instead. So the
 * usual case asks nothing, and a replay after a crash, or two writers with the same rows, still count each attempt once.
 */
export function createFold(driver: SqlDriver): Store['fold'] {
  const insertAttempts = createBulk(driver.bulk, attempts)
  const addHours = rollUp(driver, spendHourly)
  const addDays = rollUp(driver, spendDaily)
  const addPartHours = rollUp(driver, partsHourly)
  const addPartDays = rollUp(driver, partsDaily)
  const addUse = addKeyUse(driver)
  const addBuckets = createBulk(driver.bulk, budgetBuckets, {
    target: [budgetBuckets.lineage, budgetBuckets.window, budgetBuckets.bucketStartMs],
    set: { spentNanoUsd: added(budgetBuckets.spentNanoUsd) },
  })

  function write(rows: readonly AttemptRow[], bucketsOf: BucketsOf, detailOf: DetailOf): Maybe<void> {
    if (rows.length === 0) return
    const foldTheRest = (error: unknown) => {
      const rest = (found: readonly (readonly SqlValue[])[]): Maybe<void> => {
        const left = fresh(rows, new Set(found.map(([id]) => id)))
        if (left.length === rows.length) throw error
        return write(left, bucketsOf, detailOf)
      }
      const found = driver.all(present(rows))
      return found instanceof Promise ? found.then(rest) : rest(found)
    }
    const hours = hourlySums(rows)
    const parts = partSums(rows)
    const statements = [
      ...insertAttempts(rows.map(row => valuesOfAttempt(row, detailOf?.(row)))),
      ...addHours(valuesOf(hours)),
      ...addDays(valuesOf(daily(hours))),
      ...addPartHours(valuesOf(parts)),
      ...addPartDays(valuesOf(daily(parts))),
      ...addUse(keySums(rows)),
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
  return (rows, bucketsOf, detailOf) => {
    for (const row of rows) checkAttempt(row)
    return write(rows, bucketsOf, detailOf)
  }
}

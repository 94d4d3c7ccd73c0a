/** Another cost for rows that stand in the ledger already: the row, every sum that counted it and its budget buckets, all or nothing. Part of the SQL store. */
import { type SQL, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  attempts,
  budgetBuckets,
  partsDaily,
  partsHourly,
  spendDaily,
  spendHourly,
} from '../../drizzle/sqlite/schema.ts'
import { reopenDay } from './closing.ts'
import { addKeyUse, bucketSums, rollUp } from './fold.ts'
import { DETAIL_NAMES, packDetail } from './packed.ts'
import type { Maybe, SqlDriver, Statement } from './sql.ts'
import type { Correction } from './store.ts'
import { daily, dayOf, type Group, hourlySums, keySums, partSums, valuesOf } from './sums.ts'

const dialect = new SQLiteSyncDialect()
const statement = (query: SQL): Statement => dialect.sqlToQuery(query) as Statement

/** What the second sums are above the first; both are of the same rows, so their groups are the same. */
function difference(before: readonly Group[], after: readonly Group[]): Group[] {
  return after.map(({ names, sums }, at) => ({
    names,
    sums: sums.map((sum, i) => sum - (before[at]?.sums[i] ?? 0)),
  }))
}

const placeOf = (name: (typeof DETAIL_NAMES)[number]) => `$[${DETAIL_NAMES.indexOf(name)}]`
const CERTAINTY = placeOf('certainty')
const COST = placeOf('costNanoUsd')

/** Null where the row is no longer what it was: the column takes none, and the whole batch leaves nothing. */
const rowStatement = ({ from, to }: Correction): Statement =>
  statement(sql`update ${attempts}
    set detail = case when detail ->> ${CERTAINTY} = ${from.certainty} and detail ->> ${COST} is ${from.costNanoUsd}
      then ${packDetail(to)} end
    where created_at_ms = ${from.createdAtMs} and id = ${from.id}`)

/** A bucket that was forgotten since is not made anew. */
function bucketStatements({ from, to, buckets }: Correction): Statement[] {
  const change = (to.costNanoUsd ?? 0) - (from.costNanoUsd ?? 0)
  return bucketSums([{ ...to, costNanoUsd: change }], () => buckets).map(
    ([lineage, window, startMs, nanoUsd]) =>
      statement(sql`update ${budgetBuckets} set spent_nano_usd = spent_nano_usd + ${nanoUsd}
      where lineage = ${lineage} and window = ${window} and bucket_start_ms = ${startMs}`),
  )
}

/** Creates `Store.correct` over a driver; `also` runs in the same transaction. */
export function createCorrect(
  driver: SqlDriver,
): (all: readonly Correction[], also: readonly Statement[]) => Maybe<void> {
  const addHours = rollUp(driver, spendHourly)
  const addDays = rollUp(driver, spendDaily)
  const addPartHours = rollUp(driver, partsHourly)
  const addPartDays = rollUp(driver, partsDaily)
  const addUse = addKeyUse(driver)
  return (all, also) => {
    const statements = all.flatMap(correction => {
      const { from, to } = correction
      const hours = difference(hourlySums([from]), hourlySums([to]))
      const parts = difference(partSums([from]), partSums([to]))
      const use = keySums([{ ...to, costNanoUsd: (to.costNanoUsd ?? 0) - (from.costNanoUsd ?? 0) }])
      return [
        rowStatement(correction),
        ...addHours(valuesOf(hours)),
        ...addDays(valuesOf(daily(hours))),
        ...addPartHours(valuesOf(parts)),
        ...addPartDays(valuesOf(daily(parts))),
        ...addUse(use),
        ...bucketStatements(correction),
        reopenDay(dayOf(from.createdAtMs)),
      ]
    })
    return driver.batch([...statements, ...also])
  }
}

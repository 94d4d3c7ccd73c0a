/** Slices of budget windows: what each of several processes has set aside for itself, so that all of them together never pass a limit. */
import { eq, sql } from 'drizzle-orm'
import { SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import { budgetBuckets, budgetSlices } from '../../drizzle/sqlite/schema.ts'
import type { SqlDriver, Statement } from './sql.ts'
import type { Op, SliceAnswer, SliceAsk } from './store.ts'

/** A grant takes at most this share of what is left, so that the last of a budget goes round. */
export const SHARE = 8

/**
 * What an ask is given, nano-USD. `free` = the limit less what is spent and less all slices; `alone` = nobody else has a
 * slice, so that a rest that is too small for the ask goes to who may use it for less.
 */
export function grantOf(free: number, ask: Pick<SliceAsk, 'needNanoUsd' | 'wantNanoUsd'>, alone: boolean) {
  if (free <= 0) return 0
  const { needNanoUsd: need, wantNanoUsd: want } = ask
  if (free >= need) return Math.max(need, Math.min(want, Math.floor(free / SHARE)))
  return alone ? free : 0
}

const dialect = new SQLiteSyncDialect()

/** One statement, so that nobody comes in between: SQLite takes the write lock before it reads. */
function grant(ask: SliceAsk): Statement {
  const { holder, owner, window, sinceMs, limitNanoUsd, needNanoUsd: need, wantNanoUsd: want } = ask
  const query = sql`insert into ${budgetSlices} (owner, window, holder, nano_usd, expires_at_ms)
    select ${owner}, ${window}, ${holder}, case
        when free <= 0 then 0
        when free >= ${need} then max(${need}, min(${want}, cast(free / ${SHARE} as integer)))
        when others = 0 then free
        else 0 end, ${ask.expiresAtMs}
      from (select others, ${limitNanoUsd} - spent - mine - others as free from (select
        (select coalesce(sum(spent_nano_usd), 0) from ${budgetBuckets}
          where lineage = ${owner} and window = ${window} and bucket_start_ms >= ${sinceMs}) as spent,
        (select coalesce(sum(nano_usd), 0) from ${budgetSlices}
          where owner = ${owner} and window = ${window} and holder = ${holder}) as mine,
        (select coalesce(sum(nano_usd), 0) from ${budgetSlices}
          where owner = ${owner} and window = ${window} and holder <> ${holder}) as others))
      where true
    on conflict (owner, window, holder) do update
      set nano_usd = nano_usd + excluded.nano_usd, expires_at_ms = excluded.expires_at_ms
    returning nano_usd,
      (select coalesce(sum(spent_nano_usd), 0) from ${budgetBuckets}
        where lineage = ${owner} and window = ${window} and bucket_start_ms >= ${sinceMs}),
      (select coalesce(sum(nano_usd), 0) from ${budgetSlices}
        where owner = ${owner} and window = ${window} and holder <> ${holder})`
  return dialect.sqlToQuery(query) as Statement
}

export async function leaseFrom(driver: SqlDriver, ask: SliceAsk): Promise<SliceAnswer> {
  const [row] = await driver.all(grant(ask))
  const [sliceNanoUsd, spentNanoUsd, othersNanoUsd] = (row ?? []).map(Number) as [number, number, number]
  return { sliceNanoUsd, spentNanoUsd, othersNanoUsd }
}

/** Holders and when the last of their slices expires, epoch ms. */
export async function holdersIn(driver: SqlDriver): Promise<ReadonlyMap<string, number>> {
  const query = sql`select holder, max(expires_at_ms) from ${budgetSlices} group by holder`
  const rows = await driver.all(dialect.sqlToQuery(query) as Statement)
  return new Map(rows.map(([holder, expiresAtMs]) => [String(holder), Number(expiresAtMs)]))
}

/** The statement of a write that concerns slices. */
export function sliceStatement(
  op: Extract<Op, { op: 'return_slice' | 'renew_slices' | 'release_slices' }>,
): Statement {
  const mine = eq(budgetSlices.holder, op.holder)
  const query =
    op.op === 'release_slices'
      ? sql`delete from ${budgetSlices} where ${mine}`
      : op.op === 'renew_slices'
        ? sql`update ${budgetSlices} set expires_at_ms = ${op.expiresAtMs} where ${mine}`
        : sql`update ${budgetSlices} set nano_usd = max(0, nano_usd - ${op.nanoUsd})
            where ${mine} and owner = ${op.owner} and window = ${op.window}`
  return dialect.sqlToQuery(query) as Statement
}

/** A log with a real keyed chain, and hands that write its database without the key. */
import { createHmac } from 'node:crypto'
import { type AuditHmac, chained, type Entry, GENESIS, type Mark } from '../../src/audit/entry.ts'
import type { ReadRows } from '../../src/audit/verify.ts'
import type { AuditRow } from '../../src/store/store.ts'

export const keyed =
  (key: string): AuditHmac =>
  text =>
    createHmac('sha256', key).update(text).digest('hex')

export const hmac = keyed('the audit key of these tests')

export const entryAt = (n: number): Entry => ({
  atMs: 1_795_000_000_000 + n * 1000,
  actor: n % 3 === 0 ? 'local' : 'admin',
  address: n % 3 === 0 ? null : `203.0.113.${n % 200}`,
  action: n % 2 === 0 ? 'key.change' : 'key.create',
  target: `key:k${n % 7}`,
  detail: { after: { name: `name ${n}`, budgets: [{ window: 'day', limit_usd: String(n) }] } },
})

/** An honest log of so many rows. */
export const logOf = (count: number, key = hmac): AuditRow[] =>
  chained(
    key,
    GENESIS,
    Array.from({ length: count }, (_, i) => entryAt(i + 1)),
  )

/** Rows as a store reads them: by number, in small pages. */
export const reading =
  (rows: readonly AuditRow[], page = 7): ReadRows =>
  async after => {
    const sorted = rows.filter(({ seq }) => seq > after).sort((a, b) => a.seq - b.seq)
    return sorted.slice(0, page)
  }

export const markOf = ({ seq, hash }: AuditRow): Mark => ({ seq, hash })

/** The rows in this order, numbered anew from 1: nothing shows in the numbers. */
export const renumbered = (rows: readonly AuditRow[]): AuditRow[] =>
  rows.map((row, i) => ({ ...row, seq: i + 1 }))

/** xorshift32: the same throws for the same seed. */
export function createDice(seed: number): (below: number) => number {
  let state = seed | 0 || 1
  return below => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Ledger rows to the columns that are written, and back. */
import type { AttemptRow } from '../terms.ts'
import { packDetail, unpackDetail } from './packed.ts'
import type { SqlValue } from './sql.ts'

/** The written columns of `attempts`, as they are read back. */
export interface StoredAttempt {
  readonly createdAtMs: number
  readonly id: string
  readonly keyId: string
  readonly answerId: string | null
  readonly detail: string
}

/** The row's values in the order of the table's written columns. `detail` when it is already made. */
export const valuesOfAttempt = (row: AttemptRow, detail = packDetail(row)): SqlValue[] => [
  row.createdAtMs,
  row.id,
  row.keyId,
  row.answerId,
  row.model,
  row.last ? row.status : null,
  detail,
]

const amounts = [
  'createdAtMs',
  'costNanoUsd',
  'heldNanoUsd',
  'overrunNanoUsd',
] as const satisfies readonly (keyof AttemptRow)[]
const texts = ['id', 'keyId', 'lineage'] as const satisfies readonly (keyof AttemptRow)[]

/** Throws RangeError naming row and field when an amount is no whole number or an identity is empty: a sum must stay exact. */
export function checkAttempt(row: AttemptRow): void {
  for (const name of amounts) {
    const amount = row[name]
    if (!Number.isSafeInteger(amount) && !(name === 'costNanoUsd' && amount === null))
      throw new RangeError(`attempt ${row.id}: ${name} is not a whole number: ${amount}`)
  }
  for (const name of texts)
    if (typeof row[name] !== 'string' || row[name] === '')
      throw new RangeError(`attempt ${row.id}: ${name} is empty`)
}

/** A stored row as the rest of the program knows it. Throws when its detail is not one. */
export function attemptOf({ detail, ...named }: StoredAttempt): AttemptRow {
  const row = unpackDetail(named, JSON.parse(detail))
  if (row === undefined) throw new Error(`the ledger's row ${named.id} cannot be read`)
  return row
}

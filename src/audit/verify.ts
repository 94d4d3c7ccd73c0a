/** Walks the audit log and says whether it is whole; if not, where it goes wrong first and how. Pure. */
import type { AuditRow } from '../store/store.ts'
import { type AuditHmac, GENESIS, hashOf, type Mark } from './entry.ts'

/**
 * `edit` = a row that says something else now · `delete` = rows are missing before it · `insert` = a row that was never
 * written, or a copy · `reorder` = a genuine row in a wrong place · `truncate` = the newest rows are missing · `rollback` = the log
 * is whole but not the one that the checkpoints saw · `checkpoint` = the file of checkpoints itself was changed.
 */
export type FaultKind = 'edit' | 'delete' | 'insert' | 'reorder' | 'truncate' | 'rollback' | 'checkpoint'

export interface Fault {
  /** Number of the first row that is wrong or missing. */
  readonly seq: number
  readonly kind: FaultKind
  readonly message: string
}

export interface Verdict {
  readonly ok: boolean
  /** How many rows were found good, all of them when `ok`. */
  readonly rows: number
  /** The last good row. */
  readonly head: Mark | undefined
  readonly fault: Fault | undefined
}

/** Reads rows after a number, oldest first; empty = there are no more. */
export type ReadRows = (afterSeq: number) => Promise<readonly AuditRow[]>

interface Walk {
  readonly hmac: AuditHmac
  readonly read: ReadRows
  /** What stood where, according to those outside the database: hash by number. */
  readonly marks: ReadonlyMap<number, string>
  /** The newest row that the running gateway knows to have written; what follows it must be genuine too. */
  readonly head?: Mark | undefined
  /** Called between pages, so that a long log holds nobody up. */
  readonly pause?: (() => Promise<void>) | undefined
}

const MESSAGES: Readonly<Record<FaultKind, string>> = {
  edit: 'this row was changed after it was written',
  delete: 'rows that were written before this one are missing',
  insert: 'this row was never written by the gateway, or is a copy',
  reorder: 'this row does not belong here: rows were put in another order',
  truncate: 'the newest rows are missing: a checkpoint outside the database has seen them',
  rollback:
    'another row stood here when the checkpoint was written: the log was replaced, or the database was put back to an earlier state',
  checkpoint: 'the file of checkpoints was changed',
}

const faultAt = (seq: number, kind: FaultKind): Fault => ({ seq, kind, message: MESSAGES[kind] })

const isGenuine = (hmac: AuditHmac, row: AuditRow): boolean => hashOf(hmac, row) === row.hash

/** A whole log that ends before what was seen of it. */
function cutShort(last: Mark, { marks, head }: Walk): Fault | undefined {
  const seen = Math.max(head?.seq ?? 0, ...marks.keys())
  return seen > last.seq ? faultAt(last.seq + 1, 'truncate') : undefined
}

/** Which of the ways it went wrong at `row`, the first that does not follow `last`. Looks at every other row. */
async function kindOf({ hmac, read, head, pause }: Walk, last: Mark, row: AuditRow): Promise<FaultKind> {
  const genuine = isGenuine(hmac, row)
  if (genuine && row.prev === last.hash) return 'edit'
  let successorComes = false
  for (let at = 0; ; ) {
    const page = await read(at)
    if (page.length === 0) break
    for (const other of page) {
      if (other.seq !== row.seq && other.hash === row.hash) return 'insert'
      // The row that belongs here stands further on: this one was put before it.
      if (other.seq > row.seq && other.prev === last.hash && isGenuine(hmac, other)) successorComes = true
      at = other.seq
    }
    await pause?.()
  }
  if (successorComes) return genuine ? 'reorder' : 'insert'
  if (genuine) return 'delete'
  return head !== undefined && last.seq >= head.seq ? 'insert' : 'edit'
}

/** Whole = rows 1, 2, 3, … each genuine and each following the one before, every mark met, and nothing behind the head. */
export async function verifyLog(walk: Walk): Promise<Verdict> {
  const { hmac, read, marks, head, pause } = walk
  let last = GENESIS
  const verdict = (fault: Fault | undefined): Verdict => ({
    ok: fault === undefined,
    rows: last.seq,
    head: last.seq === 0 ? undefined : last,
    fault,
  })
  for (;;) {
    const page = await read(last.seq)
    if (page.length === 0) return verdict(cutShort(last, walk))
    for (const row of page) {
      const seq = last.seq + 1
      if (row.seq !== seq || row.prev !== last.hash || !isGenuine(hmac, row))
        return verdict(faultAt(seq, await kindOf(walk, last, row)))
      const marked = marks.get(seq) ?? (head?.seq === seq ? head.hash : undefined)
      if (marked !== undefined && marked !== row.hash) return verdict(faultAt(seq, 'rollback'))
      last = { seq, hash: row.hash }
    }
    await pause?.()
  }
}

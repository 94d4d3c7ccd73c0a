/** The audit log of the store in memory. */
import { GatewayError } from '../errors.ts'
import type { AuditQuery, AuditRow, Op } from './store.ts'

/** As the primary key of the table does it, and before anything is applied. */
export function refuseSameSeq(audit: ReadonlyMap<number, AuditRow>, ops: readonly Op[]): void {
  const taken = new Set(audit.keys())
  for (const op of ops) {
    if (op.op !== 'put_audit') continue
    if (taken.has(op.row.seq))
      throw new GatewayError('storage_unavailable', 'Two audit rows with the same number.')
    taken.add(op.row.seq)
  }
}

/** The rows that a query names, in its order. */
export function auditPageOf(audit: ReadonlyMap<number, AuditRow>, query: AuditQuery): AuditRow[] {
  const { order, seq, limit, actor, action, targets, fromMs, toMs } = query
  const isNewest = order === 'newest'
  return [...audit.values()]
    .filter(
      row =>
        (seq === undefined || (isNewest ? row.seq < seq : row.seq > seq)) &&
        (actor === undefined || row.actor === actor) &&
        (action === undefined ||
          (action.includes('.') ? row.action === action : row.action.startsWith(`${action}.`))) &&
        (targets === undefined || (row.target !== null && targets.includes(row.target))) &&
        (fromMs === undefined || row.atMs >= fromMs) &&
        (toMs === undefined || row.atMs < toMs),
    )
    .sort((a, b) => (isNewest ? b.seq - a.seq : a.seq - b.seq))
    .slice(0, limit)
}

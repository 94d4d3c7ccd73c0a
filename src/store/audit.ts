/** Rows of the audit log as SQL. Part of the SQL store. */
import { and, asc, desc, eq, gt, gte, inArray, lt } from 'drizzle-orm'
import { audit } from '../../drizzle/sqlite/schema.ts'
import type { Database } from './requests.ts'
import type { AuditQuery, AuditRow } from './store.ts'

/** `key` is every action of keys, `key.rotate` is one. `/` comes right after `.`. */
const actionIs = (action: string) =>
  action.includes('.')
    ? eq(audit.action, action)
    : and(gte(audit.action, `${action}.`), lt(audit.action, `${action}/`))

/** The rows that a query names, in its order. */
export function auditPage(db: Database, query: AuditQuery): PromiseLike<AuditRow[]> {
  const { order, seq, limit, actor, action, targets, fromMs, toMs } = query
  const isNewest = order === 'newest'
  return db
    .select()
    .from(audit)
    .where(
      and(
        seq === undefined ? undefined : isNewest ? lt(audit.seq, seq) : gt(audit.seq, seq),
        actor === undefined ? undefined : eq(audit.actor, actor),
        action === undefined ? undefined : actionIs(action),
        targets === undefined ? undefined : inArray(audit.target, [...targets]),
        fromMs === undefined ? undefined : gte(audit.atMs, fromMs),
        toMs === undefined ? undefined : lt(audit.atMs, toMs),
      ),
    )
    .orderBy(isNewest ? desc(audit.seq) : asc(audit.seq))
    .limit(limit)
}

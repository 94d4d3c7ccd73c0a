/** The store in memory, for tests: the rows themselves, and every view computed from them. Nothing survives the process. */
import { GatewayError } from '../errors.ts'
import type { AttemptRow, Key, Project } from '../terms.ts'
import { checkAttempt } from './attempts.ts'
import { auditPageOf, refuseSameSeq } from './memory-audit.ts'
import { encodeCursor, parseCursor } from './cursor.ts'
import { type BucketsOf, bucketSums } from './fold.ts'
import { correctRows } from './memory-correct.ts'
import { applySlice, type HeldSlice, holdersOf, leaseOf } from './memory-slices.ts'
import { spendView } from './memory-view.ts'
import { SUMMED_BY } from './spend.ts'
import type {
  AuditRow,
  BudgetBucket,
  Endings,
  KeyUse,
  Op,
  RequestQuery,
  Store,
  StoredCredential,
  StoredRequest,
} from './store.ts'
import { dayOf } from './sums.ts'
import { SCHEMA_VERSION } from './version.ts'

/** Newest first: by time, then by id. */
const newestFirst = (a: AttemptRow, b: AttemptRow): number =>
  b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1)

interface Tables {
  readonly keys: Map<string, Key>
  readonly projects: Map<string, Project>
  readonly credentials: Map<string, StoredCredential>
  readonly settings: Map<string, string>
  readonly rows: Map<string, AttemptRow>
  /** By lineage, window and start as JSON. */
  readonly buckets: Map<string, BudgetBucket>
  readonly slices: Map<string, HeldSlice>
  readonly audit: Map<number, AuditRow>
}

function apply({ keys, projects, credentials, settings, buckets, slices, audit }: Tables, op: Op): void {
  switch (op.op) {
    case 'put_key':
      keys.set(
        op.key.id,
        keys.get(op.key.id)?.status === 'revoked' ? { ...op.key, status: 'revoked' } : op.key,
      )
      return
    case 'set_key_status': {
      const key = keys.get(op.id)
      if (key && key.status !== 'revoked') keys.set(op.id, { ...key, status: op.status })
      return
    }
    case 'put_project':
      projects.set(op.project.id, op.project)
      return
    case 'put_credential':
      credentials.set(op.credential.id, op.credential)
      return
    case 'delete_credential':
      credentials.delete(op.id)
      return
    case 'put_setting':
      settings.set(op.name, op.value)
      return
    case 'put_setting_once':
      if (!settings.has(op.name)) settings.set(op.name, op.value)
      return
    case 'forget_buckets':
      for (const [at, bucket] of buckets)
        if (bucket.bucketStartMs < op.beforeMs && bucket.window !== 'total') buckets.delete(at)
      return
    case 'put_audit':
      audit.set(op.row.seq, op.row)
      return
    default:
      applySlice(slices, op)
  }
}

/** As the unique index of the tables does it, and before anything is applied: all or nothing. */
function refuseSameHash({ keys }: Tables, ops: readonly Op[]): void {
  const owners = new Map(Array.from(keys.values(), key => [key.hash, key.id]))
  for (const op of ops) {
    if (op.op !== 'put_key') continue
    const { hash, id } = op.key
    if ((owners.get(hash) ?? id) !== id)
      throw new GatewayError('storage_unavailable', 'Two keys with the same hash.')
    owners.set(hash, id)
  }
}

function fold({ rows, buckets }: Tables, folded: readonly AttemptRow[], bucketsOf: BucketsOf): void {
  const fresh = new Map<string, AttemptRow>()
  for (const row of folded) {
    if (rows.has(row.id) || fresh.has(row.id)) continue
    checkAttempt(row)
    fresh.set(row.id, { ...row, tags: [...new Set(row.tags)] })
  }
  const sums = bucketSums([...fresh.values()], bucketsOf)
  for (const [id, row] of fresh) rows.set(id, row)
  for (const [lineage, window, bucketStartMs, spentNanoUsd] of sums) {
    const at = JSON.stringify([lineage, window, bucketStartMs])
    const before = buckets.get(at)?.spentNanoUsd ?? 0
    buckets.set(at, { lineage, window, bucketStartMs, spentNanoUsd: before + spentNanoUsd })
  }
}

function requestOf({ rows }: Tables, id: string): StoredRequest | undefined {
  const attempts = [...rows.values()].filter(row => row.requestId === id)
  return attempts.length === 0 ? undefined : { id, attempts: attempts.sort((a, b) => a.attempt - b.attempt) }
}

function page(tables: Tables, query: RequestQuery): Awaited<ReturnType<Store['requests']>> {
  const { keyIds, model, status } = query
  const after = query.cursor === undefined ? undefined : parseCursor(query.cursor)
  const limit = Math.max(1, Math.floor(query.limit))
  const found = [...tables.rows.values()]
    .filter(
      row =>
        row.last &&
        (keyIds === undefined || keyIds.includes(row.keyId)) &&
        (model === undefined || row.model === model) &&
        (status === undefined || status === (status < 10 ? Math.floor(row.status / 100) : row.status)) &&
        (after === undefined ||
          row.createdAtMs < after.createdAtMs ||
          (row.createdAtMs === after.createdAtMs && row.id < after.id)),
    )
    .sort(newestFirst)
  const last = found.length > limit ? found[limit - 1] : undefined
  return {
    data: found.slice(0, limit).flatMap(row => requestOf(tables, row.requestId) ?? []),
    nextCursor: last === undefined ? null : encodeCursor(last),
  }
}

function oneRequest(tables: Tables, id: string, keyIds?: readonly string[]): StoredRequest | undefined {
  const mine = (row: AttemptRow) => keyIds === undefined || keyIds.includes(row.keyId)
  const direct = requestOf(tables, id)
  if (direct?.attempts.every(mine)) return direct
  const [answered] = [...tables.rows.values()]
    .filter(row => row.answerId === id && mine(row))
    .sort(newestFirst)
  return answered && requestOf(tables, answered.requestId)
}

function endingsIn({ rows }: Tables, fromMs: number, toMs: number): Endings {
  const inSpan = [...rows.values()].filter(row => row.createdAtMs >= fromMs && row.createdAtMs < toMs)
  const byRequest = Map.groupBy(inSpan, row => row.requestId)
  const counted = Array.from(byRequest, ([id, list]) => ({
    id,
    endings: list.filter(row => row.last).length,
    createdAtMs: Math.min(...list.map(row => row.createdAtMs)),
  }))
  return { requests: byRequest.size, wrong: counted.filter(({ endings }) => endings !== 1) }
}

/** Here views are computed from rows, so that sums of forgotten ones go with them. */
function forgetRows({ rows }: Tables, beforeMs: number, most: number): number {
  const old = [...rows.values()].filter(row => row.createdAtMs < beforeMs).sort(newestFirst)
  const gone = old.slice(Math.max(0, old.length - most))
  for (const { id } of gone) rows.delete(id)
  return gone.length
}

function oldestDay({ rows }: Tables): number | undefined {
  const times = Array.from(rows.values(), row => row.createdAtMs)
  return times.length === 0 ? undefined : dayOf(Math.min(...times))
}

function useOfKeys({ rows }: Tables): KeyUse[] {
  const uses = new Map<string, KeyUse>()
  for (const { keyId, createdAtMs, costNanoUsd } of rows.values()) {
    const use = uses.get(keyId) ?? { keyId, lastUsedAtMs: createdAtMs, spentNanoUsd: 0 }
    uses.set(keyId, {
      keyId,
      lastUsedAtMs: Math.max(use.lastUsedAtMs, createdAtMs),
      spentNanoUsd: use.spentNanoUsd + (costNanoUsd ?? 0),
    })
  }
  return [...uses.values()]
}

/** An empty store that lives as long as the object. */
export function createMemoryStore(): Store {
  const tables: Tables = {
    keys: new Map(),
    projects: new Map(),
    credentials: new Map(),
    settings: new Map(),
    rows: new Map(),
    buckets: new Map(),
    slices: new Map(),
    audit: new Map(),
  }
  const oldestFirst = <T extends { createdAtMs: number; id: string }>(items: Map<string, T>): T[] =>
    [...items.values()].sort((a, b) => a.createdAtMs - b.createdAtMs || (a.id < b.id ? -1 : 1))
  return {
    schemaVersion: SCHEMA_VERSION,
    async commit(ops) {
      refuseSameHash(tables, ops)
      refuseSameSeq(tables.audit, ops)
      for (const op of ops) apply(tables, op)
    },
    fold: (rows, bucketsOf) => fold(tables, rows, bucketsOf),
    async correct(all, also = []) {
      refuseSameSeq(tables.audit, also)
      correctRows(tables.rows, tables.buckets, all)
      for (const op of also) apply(tables, op)
    },
    lease: async ask => leaseOf(tables.slices, tables.buckets.values(), ask),
    sliceHolders: async () => holdersOf(tables.slices),
    keys: async () => oldestFirst(tables.keys),
    keyByHash: async hash => [...tables.keys.values()].find(key => key.hash === hash),
    keyById: async id => tables.keys.get(id),
    origins: async () => [
      ...new Set(
        [...tables.keys.values()].flatMap(key => (key.status === 'active' ? (key.originAllow ?? []) : [])),
      ),
    ],
    projects: async () => oldestFirst(tables.projects),
    credentials: async () => oldestFirst(tables.credentials),
    setting: async name => tables.settings.get(name),
    buckets: async sinceMs =>
      [...tables.buckets.values()].filter(
        bucket => bucket.bucketStartMs >= sinceMs || bucket.window === 'total',
      ),
    spend: async query => spendView([...tables.rows.values()], query),
    requests: async query => page(tables, query),
    request: async (id, keyIds) => oneRequest(tables, id, keyIds),
    summed: async (_from, fromMs, toMs) =>
      SUMMED_BY.flatMap(groupBy => spendView([...tables.rows.values()], { fromMs, toMs, groupBy })),
    endings: async (fromMs, toMs) => endingsIn(tables, fromMs, toMs),
    forgetRequests: async (beforeMs, most) => forgetRows(tables, beforeMs, most),
    oldestDay: async () => oldestDay(tables),
    closeDays: async () => 0,
    keyUse: async () => useOfKeys(tables),
    auditRows: async query => auditPageOf(tables.audit, query),
    backup: async () => {
      throw new Error('The store in memory has nothing to back up.')
    },
    ping: async () => {},
    close: async () => {},
  }
}

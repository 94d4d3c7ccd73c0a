/** `/admin/v1/audit`: who changed what, newest first, and whether the log is whole. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import type { AuditQuery, AuditRow } from '../store/store.ts'
import { isoTime, parseTime } from '../wire/plain.ts'
import { csvCell } from '../wire/spend.ts'
import type { AdminDeps } from './deps.ts'
import { parseLimit } from './page.ts'
import type { AdminAnswer, AdminCall, AdminRoute } from './route.ts'
import { listOf } from './shapes.ts'

const mark = z.object({ seq: z.int(), hash: z.string() })

const rowShape = z.object({
  seq: z.int(),
  at: z.string(),
  actor: z.enum(['admin', 'dashboard', 'local', 'gateway', 'caller', 'stranger']),
  address: z.string().nullable(),
  action: z.string(),
  target: z.string().nullable(),
  detail: z.record(z.string(), z.unknown()),
  prev: z.string(),
  hash: z.string(),
})

const verdictShape = z.object({
  ok: z.boolean(),
  rows: z.int(),
  head: mark.nullable(),
  first_bad: z
    .object({
      seq: z.int(),
      kind: z.enum(['edit', 'delete', 'insert', 'reorder', 'truncate', 'rollback', 'checkpoint']),
      message: z.string(),
    })
    .optional(),
})

/** What a target may be called by its bare id. */
const KINDS = ['key', 'project', 'credential', 'request'] as const

/** `key:1a2b`, or `1a2b` for whatever is called so. */
const targetsOf = (text: string): readonly string[] =>
  text.includes(':') ? [text] : [text, ...KINDS.map(kind => `${kind}:${text}`)]

/** Somebody else's text in the database is no reason to fail: it is shown as it is, and `verify` says what it is. */
function detailOf({ detail }: AuditRow): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(detail)
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
  } catch {
    // not ours
  }
  return { unreadable: detail }
}

/** A row as the admin plane shows it. */
export function auditWire(row: AuditRow): Record<string, unknown> {
  const { seq, atMs, actor, address, action, target, prev, hash } = row
  return { seq, at: isoTime(atMs), actor, address, action, target, detail: detailOf(row), prev, hash }
}

function seqOf(cursor: string): number {
  if (/^[1-9]\d{0,14}$/.test(cursor)) return Number(cursor)
  throw new GatewayError('invalid_request', '`cursor` is not one of ours: start without it', {
    param: 'cursor',
  })
}

/** Query of an audit view → the store's. Throws `invalid_request`. */
export function parseAuditQuery(query: URLSearchParams): AuditQuery {
  const [actor, action, target, from, to, cursor] = ['actor', 'action', 'target', 'from', 'to', 'cursor'].map(
    name => query.get(name),
  )
  return {
    order: 'newest',
    limit: parseLimit(query),
    ...(actor && { actor }),
    ...(action && { action }),
    ...(target && { targets: targetsOf(target) }),
    ...(from && { fromMs: parseTime(from, 'from') }),
    ...(to && { toMs: parseTime(to, 'to') }),
    ...(cursor && { seq: seqOf(cursor) }),
  }
}

/** One page, newest first; `nextCursor` null = there is no more. */
export async function auditPage(
  deps: AdminDeps,
  query: AuditQuery,
): Promise<{ readonly data: readonly AuditRow[]; readonly nextCursor: string | null }> {
  const rows = await deps.store.auditRows({ ...query, limit: query.limit + 1 })
  const data = rows.slice(0, query.limit)
  const last = data.at(-1)
  return { data, nextCursor: rows.length > data.length && last ? String(last.seq) : null }
}

const COLUMNS = ['seq', 'at', 'actor', 'address', 'action', 'target', 'detail', 'prev', 'hash']

async function list(deps: AdminDeps, call: AdminCall<unknown>): Promise<AdminAnswer> {
  const { data, nextCursor } = await auditPage(deps, parseAuditQuery(call.query))
  if (!call.wantsCsv) return { json: { data: data.map(auditWire), next_cursor: nextCursor } }
  const lines = data.map(row => [
    row.seq,
    isoTime(row.atMs),
    row.actor,
    row.address ?? '',
    row.action,
    row.target ?? '',
    row.detail,
    row.prev,
    row.hash,
  ])
  return {
    text: `${[COLUMNS, ...lines].map(line => line.map(csvCell).join(',')).join('\r\n')}\r\n`,
    contentType: 'text/csv; charset=utf-8',
    filename: 'audit.csv',
  }
}

async function verify(deps: AdminDeps): Promise<AdminAnswer> {
  const { ok, rows, head, fault } = await deps.audit.verify()
  return { json: { ok, rows, head: head ?? null, ...(fault && { first_bad: fault }) } }
}

export const auditRoutes: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: '/audit',
    summary: 'Who changed what, newest first, JSON or CSV by `Accept`.',
    query: {
      actor: 'admin, dashboard, local (command line), gateway, caller or stranger',
      action: 'a whole action, as in key.rotate, or its beginning: key',
      target: 'as in key:<id>, or the id alone',
      from: 'inclusive, ISO 8601',
      to: 'exclusive',
      cursor: 'next_cursor of the page before',
      limit: '1–500, default 50',
    },
    response: listOf(rowShape),
    csv: true,
    handle: list,
  },
  {
    method: 'GET',
    path: '/audit/verify',
    summary:
      'Walks the whole log and compares it with the checkpoints outside the database; `first_bad` says where it goes wrong first.',
    response: verdictShape,
    handle: verify,
  },
]

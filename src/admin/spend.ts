/** `GET /admin/v1/spend`: money by key, model, provider, time, user or tag. */
import type { SpendGroup, SpendQuery, SpendRow } from '../store/store.ts'
import {
  parseSpendQuery,
  SPEND_PARAMETERS,
  spendCsv,
  spendText,
  spendWire,
  totalOf,
} from '../wire/account.ts'
import { SET_OUT_MAX } from './answer.ts'
import type { AdminDeps } from './deps.ts'
import type { AdminAnswer, AdminCall, AdminRoute } from './route.ts'
import { spendShape } from './shapes.ts'

export { SPEND_PARAMETERS }

/** A spend view with its ungrouped total, up to this moment. */
export async function readSpend(
  deps: AdminDeps,
  query: SpendQuery,
): Promise<{ readonly rows: readonly SpendRow[]; readonly total: SpendRow | undefined }> {
  await deps.ledger.fold()
  const rows = await deps.store.spend(query)
  const total = totalOf(query, rows) ?? (await deps.store.spend({ ...query, groupBy: [] }))[0]
  return { rows, total }
}

/** Answers a spend query as JSON, or CSV when asked for. */
export async function spendAnswer(
  deps: AdminDeps,
  call: AdminCall<unknown>,
  defaultGroup: readonly SpendGroup[],
  keyIds?: readonly string[],
): Promise<AdminAnswer> {
  const parsed = parseSpendQuery(call.query, deps.clock.now(), defaultGroup)
  const query = keyIds === undefined ? parsed : { ...parsed, keyIds }
  const { rows, total } = await readSpend(deps, query)
  const keyName = (id: string) => deps.keys.get(id)?.name
  if (!call.wantsCsv && rows.length > SET_OUT_MAX) {
    const text = `${spendText(query, rows, total, keyName)}\n`
    return { text, contentType: 'application/json; charset=utf-8' }
  }
  if (!call.wantsCsv) return { json: spendWire(query, rows, total, keyName) }
  return {
    text: spendCsv(query, rows, keyName),
    contentType: 'text/csv; charset=utf-8',
    filename: 'spend.csv',
  }
}

export const spendRoutes: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: '/spend',
    summary: 'Spend by group, JSON or CSV by `Accept`.',
    query: SPEND_PARAMETERS,
    response: spendShape,
    csv: true,
    handle: (deps, call) => spendAnswer(deps, call, ['key']),
  },
]

/** `GET /admin/v1/ledger/check`: the ledger's invariants, looked at now. */
import { z } from 'zod'
import { type Check, checkLedger, isAmount } from '../ledger/check.ts'
import { ORGANISATION } from '../ledger/owners.ts'
import { isoOrNull, parseTime } from '../wire/plain.ts'
import type { AdminDeps } from './deps.ts'
import type { AdminCall, AdminRoute } from './route.ts'

const checkShape = z.object({
  ok: z.boolean(),
  checks: z.array(
    z.object({
      name: z.string(),
      compared: z.int(),
      is_note: z.boolean(),
      not_looked_at_from: z.iso
        .datetime()
        .nullable()
        .describe('What is younger changes while a gateway works, and was not looked at; null = all was'),
      differences: z.array(
        z.object({
          at: z.string(),
          figure: z.string(),
          expected: z.number(),
          found: z.number(),
          unit: z.literal('nano-USD').optional().describe('Absent = a count'),
        }),
      ),
    }),
  ),
})

const holds = ({ differences, isNote }: Check): boolean => isNote === true || differences.length === 0

async function check(deps: AdminDeps, call: AdminCall<unknown>) {
  const from = call.query.get('from')
  const organisation = deps.projects?.get(ORGANISATION)
  const checks = await checkLedger({
    store: deps.store,
    ledger: deps.ledger,
    keys: deps.keys.list(),
    projects: [...(deps.projects?.list() ?? []), ...(organisation ? [organisation] : [])],
    nowMs: deps.clock.now(),
    sinceMs: from === null ? undefined : parseTime(from, 'from'),
    isAlone: deps.isAlone,
    pause: () => new Promise(resolve => setTimeout(resolve, 0)),
  })
  const wire = checks.map(({ name, compared, differences, isNote, notLookedAtFromMs }) => ({
    name,
    compared,
    is_note: isNote === true,
    not_looked_at_from: isoOrNull(notLookedAtFromMs ?? null),
    differences: differences.map(each => ({
      ...each,
      ...(isAmount(each.figure) && { unit: 'nano-USD' }),
    })),
  }))
  return { json: { ok: checks.every(holds), checks: wire } }
}

export const ledgerRoutes: readonly AdminRoute[] = [
  {
    method: 'GET',
    path: '/ledger/check',
    summary:
      'Checks the ledger against itself: rows, sums, totals, budgets, holds. Takes its time, in small steps.',
    query: { from: 'only rows since then, ISO 8601; default: all that are kept' },
    response: checkShape,
    handle: check,
  },
]

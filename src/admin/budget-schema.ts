/** `budgets` of keys, projects and the organisation: what the admin plane accepts and how it becomes the program's. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { isSameBudget, limitAt } from '../ledger/owners.ts'
import { canonicalWindow } from '../ledger/windows.ts'
import { nanoFromUsd } from '../price.ts'
import type { Budget, BudgetScope, BudgetWindow } from '../terms.ts'

const WINDOWS = 'must be day, week, month (in a zone: day@Europe/Berlin), total, or rolling as in 5h or 30d'
const BUDGETS_MAX = 64
const NAME_MAX = 256

/** `5h`, `30d`: at most about a year, so that 60 buckets stay meaningful. */
function isWindow(text: string): boolean {
  const [, count, unit] = /^(\d+)([hd])$/.exec(text) ?? []
  if (count !== undefined && Number(count) > (unit === 'h' ? 8784 : 366)) return false
  return canonicalWindow(text) !== undefined
}

const named = (text: string): string => canonicalWindow(text) ?? text

/** An amount as admin bodies have it. */
export const usdAmount = z
  .number({ error: 'must be an amount in USD, as in 25 or 0.5' })
  .min(0, 'must not be negative')
  .max(9_000_000, 'must be at most 9000000')
  .refine(
    usd => usd === 0 || usd >= 1e-9,
    'must be 0 or at least 0.000000001 (one nano-USD): less would round to nothing',
  )

const name = z
  .string({ error: 'must be a name, or null' })
  .min(1, 'must not be empty')
  .max(NAME_MAX, `must be at most ${NAME_MAX} characters`)
  .nullish()

const raise = z.strictObject({
  usd: usdAmount,
  until: z.iso.datetime({ offset: true, error: 'must be ISO 8601 with a zone, as in 2027-01-31T00:00:00Z' }),
})

const budget = z
  .strictObject({
    window: z.string({ error: WINDOWS }).refine(isWindow, WINDOWS).overwrite(named),
    usd: usdAmount,
    soft_usd: usdAmount.nullish(),
    per: z.enum(['user', 'tag', 'model'], { error: 'must be user, tag or model, or null' }).nullish(),
    user: name,
    tag: name,
    model: name,
    raise: raise.nullish(),
    // What an answer holds beside them, so that a budget can be sent back as it came.
    spent_usd: z.unknown().optional(),
    held_usd: z.unknown().optional(),
    remaining_usd: z.unknown().optional(),
    resets_at: z.unknown().optional(),
    fullest: z.unknown().optional(),
  })
  .refine(entry => (entry.soft_usd ?? 0) <= entry.usd, {
    path: ['soft_usd'],
    message: 'must not be above `usd`',
  })
  .refine(entry => entry.raise == null || entry.raise.usd > entry.usd, {
    path: ['raise', 'usd'],
    message: 'must be above the budget’s own `usd`: it stands in its place until then',
  })
  .refine(entry => [entry.per, entry.user, entry.tag, entry.model].filter(set => set != null).length < 2, {
    path: ['per'],
    message: 'a budget is for all, `per` each of a kind, or one `user`, `tag` or `model`',
  })

type Entry = z.output<typeof budget>

function scopeOf({ per, user, tag, model }: Entry): BudgetScope | undefined {
  if (per != null) return { kind: per, name: null }
  if (user != null) return { kind: 'user', name: user }
  if (tag != null) return { kind: 'tag', name: tag }
  return model == null ? undefined : { kind: 'model', name: model }
}

const placeOf = (entry: Entry) => JSON.stringify([entry.window, scopeOf(entry)])

/** `budgets` as it comes: a whole list, null for none. */
export const budgetsSchema = z
  .array(budget, { error: 'must be a list of budgets, as in [{"window": "month", "usd": 25}], or null' })
  .max(BUDGETS_MAX)
  .refine(list => new Set(list.map(placeOf)).size === list.length, 'has a window twice')
  .nullish()

type Wire = z.output<typeof budgetsSchema>

/** The budget that this entry changes. One that was made under another name of its zone keeps that name, and with it what was spent. */
const presentOf = ({ window }: Entry, scope: BudgetScope | undefined, present: readonly Budget[]) =>
  present.find(other => isSameBudget({ window: named(other.window), scope: other.scope }, { window, scope }))

/**
 * Wire → budgets. `present` = the holder's budgets now. A raise that has ended is left out where it comes back as it was
 * shown. Throws `invalid_request` for a new one that has.
 */
export function budgetsOf(
  list: NonNullable<Wire> | null,
  nowMs: number,
  present: readonly Budget[] = [],
): Budget[] {
  return (list ?? []).map((entry, i) => {
    const scope = scopeOf(entry)
    const before = presentOf(entry, scope, present)
    const untilMs = entry.raise == null ? 0 : Date.parse(entry.raise.until)
    if (entry.raise != null && untilMs <= nowMs && untilMs !== before?.raise?.untilMs) {
      const param = `budgets[${i}].raise.until`
      throw new GatewayError('invalid_request', `\`${param}\`: must be in the future`, { param })
    }
    return {
      window: before?.window ?? (entry.window as BudgetWindow),
      limitNanoUsd: nanoFromUsd(entry.usd),
      softNanoUsd: entry.soft_usd == null ? null : nanoFromUsd(entry.soft_usd),
      ...(scope !== undefined && { scope }),
      ...(entry.raise != null &&
        untilMs > nowMs && { raise: { limitNanoUsd: nanoFromUsd(entry.raise.usd), untilMs } }),
    }
  })
}

const nanoOf = (value: unknown): number => (typeof value === 'number' ? Math.round(value * 1e9) : Number.NaN)

/**
 * What an answer shows of a budget cannot be set: it may come back as it was shown, beside a new `usd` or not, and anything
 * else is refused, since it would change nothing. `present` = the holder's budgets now. Throws `invalid_request`.
 */
export function checkShown(list: Wire, present: readonly Budget[], nowMs: number): void {
  list?.forEach((entry, i) => {
    const { spent_usd: spent, held_usd: held, remaining_usd: remaining } = entry
    if (spent === undefined && held === undefined && remaining === undefined) return
    const budget = presentOf(entry, scopeOf(entry), present)
    // Spending goes on between an answer and the change: figures that belong together were shown.
    const left = budget === undefined ? Number.NaN : limitAt(budget, nowMs) - nanoOf(spent) - nanoOf(held)
    if (nanoOf(spent) >= 0 && nanoOf(held) >= 0 && nanoOf(remaining) === Math.max(0, left)) return
    const param = `budgets[${i}].${spent === undefined ? (held === undefined ? 'remaining_usd' : 'held_usd') : 'spent_usd'}`
    throw new GatewayError(
      'invalid_request',
      `\`${param}\` is shown and cannot be set: leave spent_usd, held_usd and remaining_usd out, or send them back as they came`,
      { param },
    )
  })
}

/** Body of a top-up. */
export const topUpSchema = z.strictObject({
  usd: usdAmount.refine(usd => usd > 0, 'must be more than 0'),
})

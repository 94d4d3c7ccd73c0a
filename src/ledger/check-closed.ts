/** The check's look at days that are closed: what views of months read against what the days have. Used by check.ts. */
import type { SpendGroup, SpendRow } from '../store/store.ts'
import type { CheckInput } from './check.ts'
import { compareSums, createTally, summedBy, type Tally } from './tally.ts'

const DAY_MS = 86_400_000
const WEEK_MS = 7 * DAY_MS
const USER_TAG: readonly SpendGroup[] = ['user', 'tag']

/** Views that are read from open days, as they name both keys and models, and those of the same rows that closed days answer. */
const CLOSED: readonly (readonly [
  open: readonly SpendGroup[],
  closed: readonly (readonly SpendGroup[])[],
])[] = [
  [['user', 'tag', 'key', 'provider'], [USER_TAG]],
  [
    ['key', 'model', 'provider', 'project'],
    [['key'], ['model', 'provider', 'project']],
  ],
  [
    ['hour', 'key', 'model', 'provider', 'project'],
    [['hour'], ['hour', 'key'], ['hour', 'model', 'provider', 'project']],
  ],
]

/** Closed days against open ones, and the weeks that are added up from them against theirs. */
export async function closedAgree(
  { store, pause }: Pick<CheckInput, 'store' | 'pause'>,
  days: readonly number[],
): Promise<Tally> {
  const tally = createTally()
  const view = (fromMs: number, sizeMs: number, groupBy: readonly SpendGroup[]) =>
    store.spend({ fromMs, toMs: fromMs + sizeMs, groupBy })
  const weeks = Map.groupBy(days, dayMs => dayMs - (dayMs % WEEK_MS))
  for (const [weekMs, those] of weeks) {
    const byUser: SpendRow[] = []
    for (const dayMs of those) {
      for (const [open, closed] of CLOSED) {
        const rows = await view(dayMs, DAY_MS, open)
        if (open[0] === 'user') byUser.push(...rows)
        for (const names of closed)
          compareSums(tally, dayMs, summedBy(rows, names), await view(dayMs, DAY_MS, names))
      }
      await pause()
    }
    // all days of the week that have sums are among those
    if (weekMs >= (days[0] ?? 0) && weekMs + WEEK_MS <= (days.at(-1) ?? 0) + DAY_MS)
      compareSums(tally, weekMs, summedBy(byUser, USER_TAG), await view(weekMs, WEEK_MS, USER_TAG))
  }
  return tally
}

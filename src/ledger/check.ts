/** Is the ledger what it says it is? Its invariants, checked against each other in small steps while the gateway works. Called by the admin plane. */
import type { Store, SummedFrom } from '../store/store.ts'
import type { Key, Project } from '../terms.ts'
import { closedAgree } from './check-closed.ts'
import type { OpenMoney } from './ledger.ts'
import { type Holder, holderOfKey, holderOfProject } from './owners.ts'
import { KEPT_SINCE } from './retention.ts'
import {
  compare,
  compareSums,
  createTally,
  DIFFERENCES_MAX,
  type Difference,
  summedBy,
  type Tally,
} from './tally.ts'
import { asWindow, bucketLeaves, parseWindow } from './windows.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 86_400_000
const LOOKS = 3

export type { Difference }

const AMOUNT = /NanoUsd$|^(spent|held|above the limit)$/

/** Is the figure of a difference an amount in nano-USD? Else it is a count. */
export const isAmount = (figure: string): boolean => AMOUNT.test(figure)

export interface Check {
  readonly name: string
  /** How many things were compared. */
  readonly compared: number
  /** At most a hundred. */
  readonly differences: readonly Difference[]
  /** Not a fault by itself: a limit may have been lowered, a provider may have billed beyond a hold. */
  readonly isNote?: boolean
  /** Epoch ms: what is younger was not looked at, since it changes under the hand that counts it. Absent = all was. */
  readonly notLookedAtFromMs?: number
}

/** Of a budget as it stands; `scope` undefined = it counts all traffic. */
interface Use {
  readonly window: string
  readonly scope?: unknown
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
}

export interface CheckInput {
  readonly store: Store
  readonly ledger: {
    fold(): void | Promise<void>
    usageOf(key: Key): readonly Use[]
    usageOfProject(project: Project): readonly Use[]
    openMoney(): readonly OpenMoney[]
  }
  readonly keys: readonly Key[]
  readonly projects: readonly Project[]
  readonly nowMs: number
  /** Only rows since then, epoch ms; undefined = all that are kept. */
  readonly sinceMs?: number | undefined
  /** Nobody works with this ledger meanwhile: what has just been written is looked at too. */
  readonly isAlone?: boolean | undefined
  /** Between two steps, so that what else runs is not held up. */
  readonly pause: () => Promise<void>
}

/** Steps through a span; each step compares what one source has with what the other has. */
async function sumsAgree(
  { store, pause }: CheckInput,
  sources: readonly [expected: SummedFrom, found: SummedFrom],
  starts: readonly number[],
  stepMs: number,
): Promise<Tally> {
  const tally = createTally()
  for (const fromMs of starts) {
    const [expected, found] = [
      await store.summed(sources[0], fromMs, fromMs + stepMs),
      await store.summed(sources[1], fromMs, fromMs + stepMs),
    ]
    compareSums(tally, fromMs, expected, found)
    await pause()
  }
  return tally
}

const range = (fromMs: number, toMs: number, stepMs: number): number[] =>
  Array.from({ length: Math.max(0, Math.ceil((toMs - fromMs) / stepMs)) }, (_, n) => fromMs + n * stepMs)

/** Where time ends for a Date: rows may lie ahead of a clock that was wrong when they were made. */
const END_MS = 100_000_000 * DAY_MS

/** A request that still runs has no last row yet: those that began lately may be such. */
const RUNNING_MS = 3_600_000

async function endedOnce(input: CheckInput, hours: readonly number[]): Promise<Tally> {
  const tally = createTally()
  for (const fromMs of hours) {
    const { requests, wrong } = await input.store.endings(fromMs, fromMs + HOUR_MS)
    tally.compared += requests
    for (const { id, endings, createdAtMs } of wrong)
      if (endings > 1 || createdAtMs < input.nowMs - RUNNING_MS)
        if (tally.differences.length < DIFFERENCES_MAX)
          tally.differences.push({ at: id, figure: 'last rows', expected: 1, found: endings })
    await input.pause()
  }
  return tally
}

async function keyTotals({ store }: CheckInput, days: readonly number[]): Promise<Tally> {
  const tally = createTally()
  const [first = 0, last = 0] = [days[0], days.at(-1)]
  const [totals, sums] = await Promise.all([
    store.keyUse(),
    store.spend({ fromMs: first, toMs: last + DAY_MS, groupBy: ['key', 'model'] }),
  ])
  const uses = new Map(totals.map(use => [use.keyId, use.spentNanoUsd]))
  for (const { group, costNanoUsd } of summedBy(sums, ['key'])) {
    const id = group.key ?? ''
    compare(tally, `key=${id}`, 'costNanoUsd', costNanoUsd, uses.get(id) ?? 0)
    uses.delete(id)
  }
  for (const [id, spent] of uses) compare(tally, `key=${id}`, 'costNanoUsd', 0, spent)
  return tally
}

/** A request may settle between the look at the store and the look at memory: what is wrong stays wrong. */
async function budgetsAgree(input: CheckInput): Promise<Check[]> {
  let checks: Check[] = []
  for (let look = 0; look < LOOKS; look++) {
    checks = await lookAtBudgets(input)
    if (checks.every(check => check.isNote || check.differences.length === 0)) break
  }
  return checks
}

/** Memory against the store, and held money against the holds. */
async function lookAtBudgets({ store, ledger, keys, projects, nowMs }: CheckInput): Promise<Check[]> {
  await ledger.fold()
  const buckets = await store.buckets(0)
  const spentIn = new Map<string, number>()
  for (const { lineage, window, bucketStartMs, spentNanoUsd } of buckets) {
    const known = asWindow(window)
    if (known === undefined || bucketLeaves(parseWindow(known), bucketStartMs) <= nowMs) continue
    const at = `${lineage} ${window}`
    spentIn.set(at, (spentIn.get(at) ?? 0) + spentNanoUsd)
  }
  const heldIn = new Map<string, number>()
  for (const { owner, window, nanoUsd, chargedNanoUsd } of ledger.openMoney()) {
    const at = `${owner} ${window}`
    heldIn.set(at, (heldIn.get(at) ?? 0) + nanoUsd)
    // spent, and not in the store before its row is
    spentIn.set(at, (spentIn.get(at) ?? 0) + chargedNanoUsd)
  }
  const [spent, held, within] = [createTally(), createTally(), createTally()]
  const look = ({ owner, budgets }: Holder, uses: readonly Use[]) => {
    for (const use of uses) {
      if (use.scope !== undefined) continue
      const at = `${owner} ${use.window}`
      compare(spent, at, 'spent', spentIn.get(at) ?? 0, use.spentNanoUsd)
      compare(held, at, 'held', heldIn.get(at) ?? 0, use.heldNanoUsd)
      const budget = budgets.find(({ window, scope }) => window === use.window && scope === undefined)
      const raised = budget?.raise && budget.raise.untilMs > nowMs ? budget.raise : budget
      const over = Math.max(0, use.spentNanoUsd + use.heldNanoUsd - (raised?.limitNanoUsd ?? 0))
      compare(within, at, 'above the limit', 0, over)
    }
  }
  const lineages = new Map(keys.map(key => [key.lineage, key]))
  for (const key of lineages.values()) look(holderOfKey(key), ledger.usageOf(key))
  for (const project of projects) look(holderOfProject(project), ledger.usageOfProject(project))
  return [
    { name: 'spent in every budget = its buckets in the store', ...spent },
    { name: 'held in every budget = its open holds', ...held },
    { name: 'spent + held ≤ limit', ...within, isNote: true },
  ]
}

/** All invariants, each with what does not agree. Rejects with `storage_unavailable` when the store cannot be read. */
export async function checkLedger(input: CheckInput): Promise<Check[]> {
  const { store, ledger, nowMs } = input
  await ledger.fold()
  // With keys and models, because a view with fewer names is read from closed days, which are looked at here.
  const named = await store.spend({ fromMs: 0, toMs: END_MS, nowMs, groupBy: ['day', 'key', 'model'] })
  const dayStarts = [...new Set(named.map(row => Date.parse(row.group.day ?? '')))]
  const since = Math.max(
    (await store.oldestDay()) ?? nowMs,
    Number(await store.setting(KEPT_SINCE)) || 0,
    Math.floor((input.sinceMs ?? 0) / HOUR_MS) * HOUR_MS,
  )
  // The running hour changes under the hand that counts it, and so does its day.
  const alone = input.isAlone === true
  const [hour, today] = [HOUR_MS, DAY_MS].map(ms => Math.floor(nowMs / ms) * ms) as [number, number]
  const hours = range(since, alone ? hour + HOUR_MS : hour, HOUR_MS)
  const days = dayStarts.filter(startMs => startMs + DAY_MS > since && (alone || startMs < today))
  const until = (fromMs: number) => (alone ? {} : { notLookedAtFromMs: fromMs })
  return [
    {
      name: 'rows = hourly sums',
      ...(await sumsAgree(input, ['rows', 'hours'], hours, HOUR_MS)),
      ...until(hour),
    },
    {
      name: 'hourly sums = daily sums',
      ...(await sumsAgree(input, ['hours', 'days'], days, DAY_MS)),
      ...until(today),
    },
    { name: 'daily sums = closed days', ...(await closedAgree(input, days)) },
    { name: 'key totals = daily sums', ...(await keyTotals(input, dayStarts)) },
    { name: 'every request ended once', ...(await endedOnce(input, hours)), ...until(hour) },
    ...(await budgetsAgree(input)),
  ]
}

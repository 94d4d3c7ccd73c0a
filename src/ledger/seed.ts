/** Daily request limits live in memory only: a start fills them with what the last day's sums tell. Part of recovery. */
import type { SpendGroup, SpendRow, Store } from '../store/store.ts'
import type { Key, Limits, Project } from '../terms.ts'
import { DAY_MS } from './lanes.ts'
import { laneId, type Rates } from './rates.ts'

/** One who sets limits. */
interface Holder {
  readonly kind: 'key' | 'project' | 'organisation'
  readonly id: string
  readonly limits: Limits
}

interface Level {
  used: number
  atMs: number
  readonly rpd: number
}

const daily = ({ rpd, perUser, perModel }: Limits): boolean =>
  rpd !== null || perUser?.rpd != null || Object.values(perModel ?? {}).some(part => part.rpd !== null)

/** Who has daily limits that a row of the sums counts against. */
function createHolders(keys: readonly Key[], projects: readonly Project[], organisation: string) {
  const byKey = new Map<string, Holder>()
  const byProject = new Map<string, Holder>()
  let above: Holder | undefined
  for (const { id, lineage, limits } of keys)
    if (daily(limits)) byKey.set(id, { kind: 'key', id: lineage, limits })
  for (const { id, limits } of projects) {
    if (!daily(limits)) continue
    if (id === organisation) above = { kind: 'organisation', id: '', limits }
    else byProject.set(id, { kind: 'project', id, limits })
  }
  const all = [...byKey.values(), ...byProject.values(), ...(above ? [above] : [])]
  const of = ({ group }: SpendRow): Holder[] =>
    [byKey.get(group.key ?? ''), byProject.get(group.project ?? ''), above].filter(one => one !== undefined)
  return { all, of }
}

/** The buckets that a row of the sums counts in, each with its limit. */
function* lanesOf({ kind, id, limits }: Holder, { group }: SpendRow): Generator<[lane: string, rpd: number]> {
  if (limits.rpd !== null) yield [laneId(kind, id), limits.rpd]
  const model = group.model ?? ''
  const ofModel =
    limits.perModel && Object.hasOwn(limits.perModel, model) ? limits.perModel[model] : undefined
  if (ofModel?.rpd != null) yield [laneId(kind, id, 'model', model), ofModel.rpd]
  if (group.user && limits.perUser?.rpd != null)
    yield [laneId(kind, id, 'user', group.user), limits.perUser.rpd]
}

const HOUR_MS = 3_600_000
/** Of the running hour the rows tell more than its sum: five minutes drain a third of a percent of a daily limit. */
const STEP_MS = 300_000

/** What was used and when, the oldest first: by hour, at its start; of the running hour by step, at its end. */
async function usedSince(store: Store, fromMs: number, nowMs: number, groupBy: readonly SpendGroup[]) {
  const hourMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS
  const whole = await store.spend({ fromMs, toMs: hourMs, nowMs, groupBy: ['hour', ...groupBy] })
  const used = whole.map(row => ({ row, atMs: Date.parse(row.group.hour ?? '') }))
  for (let startMs = hourMs; startMs <= nowMs; startMs += STEP_MS) {
    const endMs = Math.min(startMs + STEP_MS, nowMs + 1)
    for (const row of await store.spend({ fromMs: startMs, toMs: endMs, groupBy }))
      used.push({ row, atMs: Math.min(endMs, nowMs) })
  }
  return used
}

/** Replays the day hour by hour, since a bucket drains while it fills. */
export async function seedDailyRates(input: {
  store: Store
  rates: Rates
  keys: readonly Key[]
  projects: readonly Project[]
  /** Id of the project that stands above all. */
  organisation: string
  nowMs: number
}): Promise<void> {
  const { store, rates, nowMs } = input
  const holders = createHolders(input.keys, input.projects, input.organisation)
  if (holders.all.length === 0) return
  const groupBy: SpendGroup[] = ['key', 'project']
  if (holders.all.some(({ limits }) => limits.perModel)) groupBy.push('model')
  if (holders.all.some(({ limits }) => limits.perUser)) groupBy.push('user')
  const used = await usedSince(store, nowMs - DAY_MS, nowMs, groupBy)
  const levels = new Map<string, Level>()
  const drain = (level: Level, atMs: number): void => {
    level.used = Math.max(0, level.used - ((atMs - level.atMs) * level.rpd) / DAY_MS)
    level.atMs = atMs
  }
  for (const { row, atMs } of used)
    for (const holder of holders.of(row))
      for (const [lane, rpd] of lanesOf(holder, row)) {
        const level = levels.get(lane) ?? { used: 0, atMs, rpd }
        levels.set(lane, level)
        drain(level, atMs)
        level.used += row.requests
      }
  for (const [lane, level] of levels) {
    drain(level, nowMs)
    if (level.used > 0) rates.seed(lane, level.used)
  }
}

/**
 * Budgets of a key's lineage, its project and the organisation: money held and spent in every window of every level at
 * once, or in none. The deciding core of the ledger, in memory.
 */
import type { Shortfall } from '../deps.ts'
import type { Budget, BudgetWindow, Key, Project } from '../terms.ts'
import type { Bucket, BucketRef, Lease } from './lease.ts'
import { createLeases } from './leases.ts'
import {
  countedNames,
  type Holder,
  holderOfKey,
  holderOfProject,
  limitAt,
  limitName,
  ORGANISATION,
  partOf,
  type Scoped,
  scopedOf,
  type Who,
} from './owners.ts'
import type { Slices } from './slices.ts'
import { type BudgetUse, usageIn } from './use.ts'

export type { BudgetUse }

/** One budget that a request falls under and the lease that it draws on. Of two plain budgets for one window the smaller is kept. */
interface Purse {
  readonly lease: Lease
  readonly budget: Budget
  readonly holder: Holder
  /** The user, tag or model whose part this is. */
  readonly name: string | undefined
}

/** A window that is now past its soft limit. Nano-USD. */
export interface SoftPassed {
  /** As in `project.budget.month`. */
  readonly limit: string
  readonly owner: string
  readonly window: BudgetWindow
  readonly spentNanoUsd: number
  readonly softNanoUsd: number
}

/** Money of one hold: in which buckets, and by which budgets it was judged. Opaque to others but for the names of the buckets. */
export interface Taken {
  readonly purses: readonly Purse[]
  readonly buckets: readonly Bucket[]
  readonly refs: readonly BucketRef[]
}

const NONE_PASSED: readonly SoftPassed[] = []
const NO_PURSES: readonly Purse[] = []
const NOTHING_TAKEN: Taken = { purses: NO_PURSES, buckets: [], refs: [] }
const NO_WHO: Who = {}

export interface Budgets {
  /** The projects and the organisation as they are from now on. Holds that are open keep the limits that they were made under. */
  adopt(projects: readonly Project[]): void
  /** The buckets that now hold the amount (none where no budget applies), or why not. */
  take(key: Key, nanoUsd: number, nowMs: number, who?: Who): Taken | Shortfall
  /** More into the buckets of an earlier `take`; false = nothing changed. */
  extend(taken: Taken, nanoUsd: number, nowMs: number): boolean
  /** `nanoUsd` = what `heldByOthers` is asked about. */
  available(key: Key, nowMs: number, who?: Who, nanoUsd?: number): Shortfall | undefined
  /** Does any budget count this? */
  applies(key: Key, who: Who): boolean
  usage(holder: Holder, nowMs: number): readonly BudgetUse[]
  /**
   * Held becomes spent in every bucket of an earlier `take`; more spent than held (an overrun) is allowed here and stops
   * what comes next. Returns the windows whose spend this took past their soft limit, each once a window.
   */
  settle(taken: Taken, heldNanoUsd: number, spentNanoUsd: number, nowMs: number): readonly SoftPassed[]
  /** Sets what is spent in a bucket, as the store remembers it. */
  restore(owner: string, window: BudgetWindow, bucketStartMs: number, spentNanoUsd: number): void
  /** Adds to what is spent in a bucket, below zero to take away. */
  correct(owner: string, ref: BucketRef, changeNanoUsd: number): void
}

function settleIn(
  { purses, buckets }: Taken,
  heldNanoUsd: number,
  spentNanoUsd: number,
  nowMs: number,
): readonly SoftPassed[] {
  let passed: SoftPassed[] | undefined
  for (let i = 0; i < buckets.length; i++) {
    const bucket = buckets[i] as Bucket
    const { lease, budget, holder, name } = purses[i] as Purse
    lease.settle(bucket, heldNanoUsd, spentNanoUsd)
    const { softNanoUsd, scope } = budget
    if (softNanoUsd === null) continue
    const spent = lease.spentBeside(bucket, nowMs)
    if (spent === undefined || spent <= softNanoUsd || spent - spentNanoUsd > softNanoUsd) continue
    if (!lease.tellSoft(bucket, softNanoUsd)) continue
    passed ??= []
    const owner = scope && name !== undefined ? partOf(holder.owner, scope.kind, name) : holder.owner
    const limit = limitName(holder.level, scope, lease.window)
    passed.push({ limit, owner, window: lease.window, spentNanoUsd: spent, softNanoUsd })
  }
  return passed ?? NONE_PASSED
}

/** The tightest budget, seen from a request of this amount. */
function shortfall(list: readonly Purse[], nanoUsd: number, nowMs: number): Shortfall | undefined {
  let tightest: Purse | undefined
  let availableNanoUsd = Number.POSITIVE_INFINITY
  let wholeNanoUsd = Number.POSITIVE_INFINITY
  let heldByOthers = true
  let asked: Purse | undefined
  for (const purse of list) {
    const limit = limitAt(purse.budget, nowMs)
    const left = purse.lease.left(limit, nowMs)
    wholeNanoUsd = Math.min(wholeNanoUsd, limit)
    // One budget that is really spent makes waiting for the others useless.
    if (left < nanoUsd && purse.lease.isSpent(nanoUsd, limit, nowMs)) heldByOthers = false
    if (purse.lease.isAsked(nanoUsd, limit)) asked ??= purse
    if (left < availableNanoUsd) {
      availableNanoUsd = left
      tightest = purse
    }
  }
  if (tightest === undefined) return undefined
  const { lease, budget, holder } = tightest
  return {
    limit: limitName(holder.level, budget.scope, lease.window),
    // What other processes have is known in a moment: then whoever waits for the answer looks again.
    owner: (asked ?? tightest).lease.owner,
    availableNanoUsd,
    wholeNanoUsd,
    heldByOthers: heldByOthers || asked !== undefined,
    others: lease.others,
    resetsAtMs: lease.resetsAt(nowMs),
  }
}

/** What a key falls under whoever calls with it, and what depends on the request. */
interface Standing {
  readonly plain: readonly Purse[]
  readonly scoped: readonly Scoped[]
  /** What the hold before took: mostly the next one's buckets are the same. */
  latest: Taken
}
/** The usual key has nothing above it and pays for nothing. */
const FREE: Standing = { plain: NO_PURSES, scoped: [], latest: NOTHING_TAKEN }

/** The buckets that these purses fill at this instant: `before`, if they are the same. */
function openAll(purses: readonly Purse[], nowMs: number, before: Taken): Taken {
  const isSame = ({ lease }: Purse, i: number) => lease.open(nowMs) === before.buckets[i]
  if (purses === before.purses && purses.every(isSame)) return before
  const buckets = purses.map(({ lease }) => lease.open(nowMs))
  return { purses, buckets, refs: buckets.map(({ ref }) => ref) }
}

const noBudgets = (project: Project | undefined) => project === undefined || project.budgets.length === 0

/** `slices` where several processes share the windows. */
export function createBudgets(slices?: Slices): Budgets {
  const leases = createLeases(slices)
  let projects: ReadonlyMap<string, Project> = new Map()
  let organisation: Project | undefined
  // Keys are immutable values, so what follows from one is worked out once, until a project changes.
  let standings = new WeakMap<Key, Standing>()

  function standingOf(key: Key): Standing {
    if (key.budgets.length === 0 && key.project === null && organisation === undefined) return FREE
    let found = standings.get(key)
    if (found !== undefined) return found
    const holders = [holderOfKey(key)]
    const project = key.project === null ? undefined : projects.get(key.project)
    for (const above of [project, organisation]) if (above !== undefined) holders.push(holderOfProject(above))
    const plain: Purse[] = []
    for (const holder of holders) {
      const byWindow = new Map<BudgetWindow, Budget>()
      for (const budget of holder.budgets) {
        const twin = byWindow.get(budget.window)
        const isSmaller = twin === undefined || budget.limitNanoUsd < twin.limitNanoUsd
        if (budget.scope === undefined && isSmaller) byWindow.set(budget.window, budget)
      }
      for (const budget of byWindow.values()) {
        // The owner of a key's own buckets goes without saying: its rows name the lineage.
        const said = holder.level === 'key' ? undefined : holder.owner
        plain.push({ lease: leases.get(holder.owner, budget.window, said), budget, holder, name: undefined })
      }
    }
    found = { plain, scoped: holders.flatMap(scopedOf), latest: NOTHING_TAKEN }
    standings.set(key, found)
    return found
  }

  function pursesOf({ plain, scoped }: Standing, who: Who): readonly Purse[] {
    if (scoped.length === 0) return plain
    const list = [...plain]
    for (const entry of scoped) {
      const { holder, budget, scope } = entry
      for (const name of countedNames(entry, who)) {
        const lease = leases.part(partOf(holder.owner, scope.kind, name), budget.window)
        list.push({ lease, budget, holder, name })
      }
    }
    return list
  }

  return {
    adopt(list) {
      projects = new Map(list.map(project => [project.id, project]))
      const above = projects.get(ORGANISATION)
      organisation = noBudgets(above) ? undefined : above
      standings = new WeakMap()
    },
    take(key, nanoUsd, nowMs, who = NO_WHO) {
      const standing = standingOf(key)
      const purses = pursesOf(standing, who)
      if (purses.length === 0) return NOTHING_TAKEN
      // Nothing is always affordable: a model that costs nothing works with an empty budget.
      if (nanoUsd > 0)
        for (const { lease, budget } of purses)
          if (!lease.fits(nanoUsd, limitAt(budget, nowMs), nowMs))
            return shortfall(purses, nanoUsd, nowMs) as Shortfall
      const taken = openAll(purses, nowMs, standing.latest)
      standing.latest = taken
      for (let i = 0; i < purses.length; i++) {
        const { lease, name } = purses[i] as Purse
        lease.hold(taken.buckets[i] as Bucket, nanoUsd, true)
        if (name !== undefined) leases.began(lease, nowMs)
      }
      return taken
    },
    extend({ purses, buckets }, nanoUsd, nowMs) {
      for (let i = 0; i < buckets.length; i++) {
        const { lease, budget } = purses[i] as Purse
        if (!lease.fitsBeside(buckets[i] as Bucket, nanoUsd, limitAt(budget, nowMs), nowMs)) return false
      }
      for (let i = 0; i < buckets.length; i++)
        (purses[i] as Purse).lease.hold(buckets[i] as Bucket, nanoUsd, false)
      return true
    },
    settle(taken, heldNanoUsd, spentNanoUsd, nowMs) {
      for (const { lease, name } of taken.purses) if (name !== undefined) leases.ended(lease)
      return settleIn(taken, heldNanoUsd, spentNanoUsd, nowMs)
    },
    available(key, nowMs, who = NO_WHO, nanoUsd = 0) {
      const list = pursesOf(standingOf(key), who)
      const state = shortfall(list, nanoUsd, nowMs)
      if (state === undefined) return undefined
      return { ...state, heldByOthers: state.heldByOthers && list.some(({ lease }) => lease.held(nowMs) > 0) }
    },
    applies(key, who) {
      const { plain, scoped } = standingOf(key)
      return plain.length > 0 || scoped.some(entry => countedNames(entry, who).length > 0)
    },
    usage: (holder, nowMs) => usageIn(leases, holder, nowMs),
    restore(owner, window, bucketStartMs, spentNanoUsd) {
      leases.restored(owner, window).restore(bucketStartMs, spentNanoUsd)
    },
    correct: (owner, { window, bucketStartMs }, change) =>
      leases.find(owner, window)?.correct(bucketStartMs, change),
  }
}

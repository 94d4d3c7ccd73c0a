/** All leases of this process by owner and window, and the forgetting of parts (users, tags, models) that have nothing left to count. Part of budgets.ts. */
import type { BudgetWindow } from '../terms.ts'
import { Lease } from './lease.ts'
import type { Slices } from './slices.ts'

/** Parts kept before those that count nothing are looked for. */
const PARTS_MIN = 10_000

export interface Leases {
  /** Made if need be. `said` = owner in the refs of its buckets. */
  get(owner: string, window: BudgetWindow, said: string | undefined): Lease
  find(owner: string, window: BudgetWindow): Lease | undefined
  /** A part's; a new one is remembered once there is a hold on it. */
  part(owner: string, window: BudgetWindow): Lease
  /** A hold begins, or ends, on this lease of a part. */
  began(lease: Lease, nowMs: number): void
  ended(lease: Lease): void
  /** As the store knows it: what an owner is shows in its name. */
  restored(owner: string, window: BudgetWindow): Lease
  /** Name and lease of every part whose owner begins so. */
  parts(prefix: string, window: BudgetWindow): Iterable<readonly [name: string, lease: Lease]>
}

interface Part {
  readonly windows: Map<BudgetWindow, Lease>
  holds: number
}

const isPart = (owner: string) => owner.includes('/')

/**
 * Whoever may name end users may name new ones for ever. Parts are remembered while money of theirs counts or may come to
 * count, so what is kept is bounded by what was really spent in the windows.
 */
export function createLeases(slices?: Slices): Leases {
  const whole = new Map<string, Map<BudgetWindow, Lease>>()
  const parts = new Map<string, Part>()
  let sweepAt = PARTS_MIN

  function sweep(nowMs: number): void {
    for (const [owner, { windows, holds }] of parts)
      if (holds === 0 && [...windows.values()].every(lease => lease.isIdle(nowMs))) parts.delete(owner)
    sweepAt = Math.max(PARTS_MIN, parts.size * 2)
  }

  function get(owner: string, window: BudgetWindow, said: string | undefined): Lease {
    let windows = whole.get(owner)
    if (windows === undefined) {
      windows = new Map()
      whole.set(owner, windows)
    }
    let lease = windows.get(window)
    if (lease === undefined) {
      lease = new Lease(window, said, slices, owner)
      windows.set(window, lease)
    }
    return lease
  }

  function remember(lease: Lease): Part {
    const owner = lease.owner as string
    let found = parts.get(owner)
    if (found === undefined) {
      found = { windows: new Map(), holds: 0 }
      parts.set(owner, found)
    }
    if (!found.windows.has(lease.window)) found.windows.set(lease.window, lease)
    return found
  }

  const find = (owner: string, window: BudgetWindow): Lease | undefined =>
    isPart(owner) ? parts.get(owner)?.windows.get(window) : whole.get(owner)?.get(window)
  const part = (owner: string, window: BudgetWindow): Lease =>
    parts.get(owner)?.windows.get(window) ?? new Lease(window, owner, slices, owner)

  return {
    get,
    find,
    part,
    began(lease, nowMs) {
      if (parts.size >= sweepAt) sweep(nowMs)
      remember(lease).holds++
    },
    ended(lease) {
      const found = parts.get(lease.owner as string)
      if (found !== undefined) found.holds--
    },
    restored(owner, window) {
      if (!isPart(owner)) return get(owner, window, owner.startsWith('project:') ? owner : undefined)
      const lease = part(owner, window)
      remember(lease)
      return lease
    },
    *parts(prefix, window) {
      for (const [owner, { windows }] of parts) {
        const lease = owner.startsWith(prefix) ? windows.get(window) : undefined
        if (lease !== undefined) yield [owner.slice(prefix.length), lease]
      }
    },
  }
}

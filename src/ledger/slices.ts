/**
 * Slices: where several processes share a store, each decides inside the part of a window that it has leased, asks for
 * more when that is short, and gives back what it does not need. Part of the ledger; one process alone has none of this.
 */
import type { Clock, Log } from '../deps.ts'
import { reasonOf } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { BudgetWindow } from '../terms.ts'
import type { Settled } from './fold.ts'
import { createLeasing, SLICE_TTL_MS, Slice } from './slice.ts'
import { windowStart } from './windows.ts'

/** What is not used for so long is given back, and slices are renewed. */
const TICK_MS = 100
/** A refusal is believed for so long; then those who wait for money of another process look again. */
const LOOK_MS = 50
/** A slice is meant to serve so many requests like the one that was short. */
const AHEAD = 4

export interface Slices {
  /** The same object as long as something draws on it. */
  of(owner: string, window: BudgetWindow): Slice
  /** May so much be held now? If not, more is being asked for, unless the whole is known to be short. */
  fits(slice: Slice, nanoUsd: number, limitNanoUsd: number): boolean
  /** Holds it; `fits` has said yes. */
  hold(slice: Slice, nanoUsd: number): void
  /** Is it not known yet whether the whole window is short of this? Then an ask is under way. */
  isUnknown(slice: Slice, nanoUsd: number, limitNanoUsd: number): boolean
  /** Is it known that the whole window is short of this, whatever others give back? */
  isSpent(slice: Slice, nanoUsd: number, limitNanoUsd: number): boolean
  /** So much of the spent money of this owner's window is in the store now. */
  folded(owner: string, window: string, nanoUsd: number): void
  /** Reads again where the windows stand, for views. */
  refresh(): Promise<void>
  /** Gives back what nothing is held of. */
  close(): Promise<void>
}

/** Tells of rows that are in the store now. */
export function noteFolded(slices: Slices, part: readonly Settled[]): void {
  for (const { row, buckets } of part)
    for (const { owner = row.lineage, window } of buckets) slices.folded(owner, window, row.costNanoUsd ?? 0)
}

/** `wake` = those who wait for this owner's money should look again. */
export function createSlices(input: {
  store: Store
  holder: string
  clock: Clock
  log: Log
  wake: (owner: string) => void
}): Slices {
  const { clock, log, wake } = input
  const { giveBack, lease } = createLeasing(input.store, input.holder, clock)
  const all = new Map<string, Slice>()
  let renewAtMs = 0
  const timer = setInterval(() => void tick(), TICK_MS)
  // A process that has nothing else to do must not stay for this; Workers have no such thing.
  ;(timer as { unref?: () => void }).unref?.()
  let ticking: Promise<void> | undefined

  const keyOf = (owner: string, window: string) => `${window}\n${owner}`

  function of(owner: string, window: BudgetWindow): Slice {
    const key = keyOf(owner, window)
    let slice = all.get(key)
    if (slice === undefined) {
      slice = new Slice(owner, window)
      all.set(key, slice)
    }
    return slice
  }

  async function send(slice: Slice): Promise<void> {
    try {
      // What is already in the store, or was leased under a higher limit, would count twice.
      await giveBack(slice, false)
      const need = slice.needNanoUsd === Number.POSITIVE_INFINITY ? 0 : slice.needNanoUsd
      const want = slice.wantNanoUsd
      slice.needNanoUsd = Number.POSITIVE_INFINITY
      slice.wantNanoUsd = 0
      // The part of it that is there already need not be asked for.
      const missing = Math.max(0, need - Math.max(0, slice.spareNanoUsd))
      const sinceMs = await lease(slice, missing, Math.max(missing, want))
      const isShort = slice.spareNanoUsd < need
      slice.denied = isShort ? { nanoUsd: need, sinceMs } : undefined
      if (isShort) setTimeout(look, LOOK_MS, slice)
    } catch (error) {
      log('warn', 'ledger.lease_failed', { reason: reasonOf(error) })
      setTimeout(look, LOOK_MS, slice)
    } finally {
      slice.asking = false
      wake(slice.owner)
    }
  }

  function look(slice: Slice): void {
    slice.denied = undefined
    wake(slice.owner)
  }

  function ask(slice: Slice, nanoUsd: number, ahead: number): void {
    if (nanoUsd > 0) slice.needNanoUsd = Math.min(slice.needNanoUsd, nanoUsd)
    slice.wantNanoUsd += ahead
    if (slice.asking) return
    slice.asking = true
    // At the end of the turn, so that all who are short in it ask together.
    queueMicrotask(() => void send(slice))
  }

  /** One at a time talks to the store about a slice. */
  async function alone(slice: Slice, work: () => Promise<unknown>): Promise<void> {
    if (slice.asking) return
    slice.asking = true
    try {
      await work()
    } finally {
      slice.asking = false
      // Who was short meanwhile could only leave a note.
      if (slice.wantNanoUsd > 0) ask(slice, slice.needNanoUsd, 0)
    }
  }

  const isDenied = ({ denied, span }: Slice, nanoUsd: number): boolean =>
    denied !== undefined && nanoUsd >= denied.nanoUsd && denied.sinceMs === windowStart(span, clock.now())

  function fits(slice: Slice, nanoUsd: number, limitNanoUsd: number): boolean {
    if (limitNanoUsd < slice.limitNanoUsd) {
      // What was leased under the higher limit may be too much now.
      if (slice.asking) return false
      slice.limitNanoUsd = limitNanoUsd
      const done = () => wake(slice.owner)
      alone(slice, () => giveBack(slice, true)).then(done, done)
      return false
    }
    slice.limitNanoUsd = limitNanoUsd
    if (slice.spareNanoUsd >= nanoUsd && clock.now() < slice.untilMs) return true
    if (!isDenied(slice, nanoUsd)) ask(slice, nanoUsd, nanoUsd * AHEAD)
    return false
  }

  async function tick(): Promise<void> {
    if (ticking !== undefined) return
    ticking = settleUp().finally(() => {
      ticking = undefined
    })
    await ticking
  }

  async function settleUp(): Promise<void> {
    try {
      const nowMs = clock.now()
      if (nowMs >= renewAtMs) {
        renewAtMs = nowMs + SLICE_TTL_MS / 3
        await renew()
      }
      for (const [key, slice] of all) {
        const wasUsed = slice.used
        slice.used = false
        await alone(slice, () => giveBack(slice, !wasUsed))
        // Whoever may name end users may name new ones for ever; the others are few, and views read them.
        if (!wasUsed && !slice.used && slice.isIdle() && slice.owner.includes('/')) all.delete(key)
      }
    } catch (error) {
      log('warn', 'ledger.lease_failed', { reason: reasonOf(error) })
    }
  }

  /** An ask for nothing renews, and tells what is left of a slice that others took for dead. */
  async function renew(): Promise<void> {
    for (const slice of all.values())
      if (slice.leasedNanoUsd > 0) await alone(slice, () => lease(slice, 0, 0))
  }

  return {
    of,
    fits,
    hold(slice, nanoUsd) {
      slice.heldNanoUsd += nanoUsd
      slice.used = true
      // A running stream cannot wait: what it may need next is asked for now.
      if (slice.spareNanoUsd < nanoUsd && slice.denied === undefined) ask(slice, 0, nanoUsd * AHEAD)
    },
    isUnknown(slice, nanoUsd, limitNanoUsd) {
      if (limitNanoUsd < slice.limitNanoUsd) return true
      slice.limitNanoUsd = limitNanoUsd
      if (slice.spareNanoUsd >= nanoUsd && clock.now() < slice.untilMs) return false
      if (isDenied(slice, nanoUsd)) return false
      ask(slice, nanoUsd, nanoUsd * AHEAD)
      return true
    },
    isSpent: (slice, nanoUsd, limitNanoUsd) =>
      isDenied(slice, nanoUsd) &&
      (slice.othersNanoUsd === 0 || slice.spentNanoUsd + slice.unfoldedNanoUsd >= limitNanoUsd) &&
      slice.spentNanoUsd + slice.unfoldedNanoUsd + nanoUsd > limitNanoUsd,
    folded(owner, window, nanoUsd) {
      const slice = all.get(keyOf(owner, window))
      if (slice === undefined) return
      const mine = Math.min(nanoUsd, slice.unfoldedNanoUsd)
      slice.unfoldedNanoUsd -= mine
      slice.foldedNanoUsd += mine
      slice.spentNanoUsd += nanoUsd
    },
    async refresh() {
      await settleUp()
      for (const slice of all.values()) await alone(slice, () => lease(slice, 0, 0))
    },
    async close() {
      clearInterval(timer)
      await ticking
      for (const slice of all.values()) await alone(slice, () => giveBack(slice, true))
    },
  }
}

/** One process's part of a budget window, and the talk with the store about it. Part of slices.ts. */
import type { Clock } from '../deps.ts'
import type { Store } from '../store/store.ts'
import type { BudgetWindow } from '../terms.ts'
import { parseWindow, type Span, windowStart } from './windows.ts'

/** A process that is silent for so long may be dead: then its journal decides, and what it did not hold comes back. */
export const SLICE_TTL_MS = 30_000

/** One process's part of one window, nano-USD. A class because it is the hot path's mutable state. */
export class Slice {
  readonly owner: string
  readonly window: BudgetWindow
  readonly span: Span
  /** As the store has it. */
  leasedNanoUsd = 0
  heldNanoUsd = 0
  /** Settled, and not yet in the store. */
  unfoldedNanoUsd = 0
  /** Of the lease, but in the store as spent: to be given back. */
  foldedNanoUsd = 0
  /** Spent by everybody and leased by others, as the store last said. */
  spentNanoUsd = 0
  othersNanoUsd = 0
  /** The limit that the lease was granted under. */
  limitNanoUsd = 0
  /** Epoch ms from which others may take it for dead. */
  untilMs = 0
  /** Asks to be sent: the least that helps somebody, and all together. */
  needNanoUsd = Number.POSITIVE_INFINITY
  wantNanoUsd = 0
  asking = false
  /** An ask that was not granted a moment ago: how much, and of the window that began when. */
  denied: { readonly nanoUsd: number; readonly sinceMs: number } | undefined
  used = false
  /** Attempts that draw on it. */
  holds = 0

  constructor(owner: string, window: BudgetWindow) {
    this.owner = owner
    this.window = window
    this.span = parseWindow(window)
  }

  /** What may be held at once. */
  get spareNanoUsd(): number {
    return this.leasedNanoUsd - this.foldedNanoUsd - this.heldNanoUsd - this.unfoldedNanoUsd
  }

  isIdle(): boolean {
    return this.holds === 0 && this.leasedNanoUsd === 0 && this.unfoldedNanoUsd === 0 && !this.asking
  }
}

/** What is said to the store about slices; one at a time of each (`asking`). */
export interface Leasing {
  /** First what is spent anyway, so that it does not count twice; `withSpare` = what is not needed too. */
  giveBack(slice: Slice, withSpare: boolean): Promise<void>
  /** Asks for more. Resolves with the start of the window that the answer is about. */
  lease(slice: Slice, needNanoUsd: number, wantNanoUsd: number): Promise<number>
}

export function createLeasing(store: Store, holder: string, clock: Clock): Leasing {
  async function giveBack(slice: Slice, withSpare: boolean): Promise<void> {
    const { owner, window, foldedNanoUsd } = slice
    const spare = withSpare ? Math.max(0, slice.spareNanoUsd) : 0
    const nanoUsd = foldedNanoUsd + spare
    if (nanoUsd <= 0) return
    // Taken away before the store knows: whoever asks meanwhile must not hold it once more.
    slice.leasedNanoUsd -= spare
    try {
      await store.commit([{ op: 'return_slice', holder, owner, window, nanoUsd }])
      slice.leasedNanoUsd = Math.max(0, slice.leasedNanoUsd - foldedNanoUsd)
      slice.foldedNanoUsd -= foldedNanoUsd
    } catch (error) {
      slice.leasedNanoUsd += spare
      throw error
    }
  }

  async function lease(slice: Slice, needNanoUsd: number, wantNanoUsd: number): Promise<number> {
    const nowMs = clock.now()
    const expiresAtMs = nowMs + SLICE_TTL_MS
    const { owner, window, limitNanoUsd } = slice
    const sinceMs = windowStart(slice.span, nowMs)
    const ask = { holder, owner, window, sinceMs, limitNanoUsd, needNanoUsd, wantNanoUsd, expiresAtMs }
    const answer = await store.lease(ask)
    slice.leasedNanoUsd = answer.sliceNanoUsd
    slice.spentNanoUsd = answer.spentNanoUsd
    slice.othersNanoUsd = answer.othersNanoUsd
    slice.untilMs = expiresAtMs
    return sinceMs
  }

  return { giveBack, lease }
}

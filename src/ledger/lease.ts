/**
 * The part of one budget window that this process may spend, in time buckets of spent and held money. One process alone
 * leases the whole of every window; of several, each draws on a slice (slices.ts).
 */
import type { BudgetWindow } from '../terms.ts'
import type { Slice } from './slice.ts'
import type { Slices } from './slices.ts'
import { bucketLeaves, bucketStart, parseWindow, type Span } from './windows.ts'

/** Which bucket of which window an amount belongs to; what the store adds it up by. */
export interface BucketRef {
  /** Whose budget; undefined = the lineage of the row that it goes with. See owners.ts. */
  readonly owner?: string | undefined
  readonly window: BudgetWindow
  readonly bucketStartMs: number
}

/** Money of one bucket, nano-USD. It counts in its window until `leavesAtMs`. */
export interface Bucket {
  readonly ref: BucketRef
  readonly leavesAtMs: number
  spentNanoUsd: number
  heldNanoUsd: number
}

/** Enough to survive a clock that jumps and comes back; older ones have left their window for good. */
const KEPT_CALENDAR = 4
const KEPT_ROLLING = 128

/** A crowd that has gone is forgotten over so many requests. */
const CROWD_FADES = 16

/** State of one owner's window. A class because it is the hot path's mutable state. */
export class Lease {
  readonly window: BudgetWindow
  readonly span: Span
  /** As in the refs of its buckets. */
  readonly owner: string | undefined
  /** Oldest first. */
  private readonly buckets: Bucket[] = []
  /** The soft limit that was last told of, and until when that counts. */
  private toldSoft: { readonly softNanoUsd: number; readonly untilMs: number } | undefined

  private running = 0
  /** The most that ran at once, fading. */
  private crowd = 0

  /** Where the slice of this window is found; undefined = all of it is ours. */
  private readonly shared: { readonly slices: Slices; readonly name: string } | undefined

  /** `name` = the owner in full. */
  constructor(window: BudgetWindow, owner?: string, slices?: Slices, name?: string) {
    this.window = window
    this.owner = owner
    this.span = parseWindow(window)
    if (slices !== undefined && name !== undefined) this.shared = { slices, name }
  }

  /** What the store remembers of a bucket. Where a window is shared it is only a first figure for views. */
  restore(startMs: number, spentNanoUsd: number): void {
    this.at(startMs).spentNanoUsd = spentNanoUsd
    const slice = this.slice()
    if (slice !== undefined && startMs >= (this.buckets.at(-1)?.ref.bucketStartMs ?? 0))
      slice.spentNanoUsd = spentNanoUsd
  }

  /** Another figure for what was spent in a bucket that is still known. Where a window is shared the next ask brings it. */
  correct(startMs: number, changeNanoUsd: number): void {
    const bucket = this.buckets.find(({ ref }) => ref.bucketStartMs === startMs)
    if (bucket !== undefined) bucket.spentNanoUsd += changeNanoUsd
  }

  private slice(): Slice | undefined {
    return this.shared?.slices.of(this.shared.name, this.window)
  }

  /** May so much more be held under this limit? */
  fits(nanoUsd: number, limitNanoUsd: number, nowMs: number): boolean {
    if (this.shared === undefined) return this.used(nowMs) + nanoUsd <= limitNanoUsd
    return this.shared.slices.fits(this.slice() as Slice, nanoUsd, limitNanoUsd)
  }

  /** The same for a hold that was opened in this bucket. Where a window is shared, one that has ended takes no more. */
  fitsBeside(bucket: Bucket, nanoUsd: number, limitNanoUsd: number, nowMs: number): boolean {
    if (this.shared !== undefined) return bucket.leavesAtMs > nowMs && this.fits(nanoUsd, limitNanoUsd, nowMs)
    const beside = this.usedBeside(bucket, nowMs)
    return beside !== undefined && beside + nanoUsd <= limitNanoUsd
  }

  /** Sets money aside in a bucket; `isNew` = for an attempt that had none here. */
  hold(bucket: Bucket, nanoUsd: number, isNew: boolean): void {
    bucket.heldNanoUsd += nanoUsd
    if (isNew) this.crowd = Math.max(++this.running, this.crowd - (this.crowd - this.running) / CROWD_FADES)
    if (this.shared === undefined) return
    const slice = this.slice() as Slice
    if (isNew) slice.holds++
    this.shared.slices.hold(slice, nanoUsd)
  }

  /** Some of what is held in a bucket is free again. */
  lower(bucket: Bucket, nanoUsd: number): void {
    bucket.heldNanoUsd -= nanoUsd
    const slice = this.slice()
    if (slice !== undefined) slice.heldNanoUsd -= nanoUsd
  }

  /** What an attempt held becomes what it spent. */
  settle(bucket: Bucket, heldNanoUsd: number, spentNanoUsd: number): void {
    bucket.heldNanoUsd -= heldNanoUsd
    bucket.spentNanoUsd += spentNanoUsd
    this.running--
    const slice = this.slice()
    if (slice === undefined) return
    slice.holds--
    slice.heldNanoUsd -= heldNanoUsd
    slice.unfoldedNanoUsd += spentNanoUsd
  }

  /** Attempts that another one has to share with: those that run, or as many as have lately run beside one another; undefined = other processes have some too. */
  get others(): number | undefined {
    return this.shared === undefined ? Math.max(this.running, this.crowd - 1) : undefined
  }

  /** What could be held at once, nano-USD. */
  left(limitNanoUsd: number, nowMs: number): number {
    const slice = this.slice()
    return Math.max(0, slice === undefined ? limitNanoUsd - this.used(nowMs) : slice.spareNanoUsd)
  }

  /** Is it being asked whether so much can be had? Nobody asks where the whole is ours. */
  isAsked(nanoUsd: number, limitNanoUsd: number): boolean {
    return this.shared?.slices.isUnknown(this.slice() as Slice, nanoUsd, limitNanoUsd) ?? false
  }

  /** Would it not fit even if all that is held came back? */
  isSpent(nanoUsd: number, limitNanoUsd: number, nowMs: number): boolean {
    if (this.shared === undefined) return this.spent(nowMs) + nanoUsd > limitNanoUsd
    return this.shared.slices.isSpent(this.slice() as Slice, nanoUsd, limitNanoUsd)
  }

  /** The bucket that money held at this instant belongs to. */
  open(nowMs: number): Bucket {
    return this.newest(nowMs) ?? this.at(bucketStart(this.span, nowMs))
  }

  /** The newest bucket, if this instant lies in it: the usual case, without calendar arithmetic. A rolling one takes new money for its width only. */
  private newest(nowMs: number): Bucket | undefined {
    const last = this.buckets[this.buckets.length - 1]
    if (last === undefined || nowMs < last.ref.bucketStartMs) return undefined
    const until = this.span.kind === 'rolling' ? last.ref.bucketStartMs + this.span.widthMs : last.leavesAtMs
    return nowMs < until ? last : undefined
  }

  /** The bucket that starts at this instant, made if need be. */
  at(startMs: number): Bucket {
    let place = this.buckets.length
    while (place > 0) {
      const before = this.buckets[place - 1] as Bucket
      if (before.ref.bucketStartMs === startMs) return before
      if (before.ref.bucketStartMs < startMs) break
      place--
    }
    const bucket: Bucket = {
      ref: { owner: this.owner, window: this.window, bucketStartMs: startMs },
      leavesAtMs: bucketLeaves(this.span, startMs),
      spentNanoUsd: 0,
      heldNanoUsd: 0,
    }
    this.buckets.splice(place, 0, bucket)
    const kept = this.span.kind === 'rolling' ? KEPT_ROLLING : KEPT_CALENDAR
    if (this.buckets.length > kept) this.buckets.shift()
    return bucket
  }

  /** Nano-USD spent in the window. Buckets ahead of a clock that jumped back count too: time never refills a budget backwards. */
  spent(nowMs: number): number {
    const slice = this.slice()
    if (slice !== undefined) return slice.spentNanoUsd + slice.unfoldedNanoUsd
    let sum = 0
    for (const bucket of this.buckets) if (bucket.leavesAtMs > nowMs) sum += bucket.spentNanoUsd
    return sum
  }

  /** Nano-USD held by running attempts in the window. */
  held(nowMs: number): number {
    let sum = 0
    for (const bucket of this.buckets) if (bucket.leavesAtMs > nowMs) sum += bucket.heldNanoUsd
    return sum
  }

  /** Spent and held together. */
  used(nowMs: number): number {
    if (this.shared !== undefined) return this.spent(nowMs) + this.held(nowMs)
    let sum = 0
    for (const bucket of this.buckets)
      if (bucket.leavesAtMs > nowMs) sum += bucket.spentNanoUsd + bucket.heldNanoUsd
    return sum
  }

  /**
   * What counts against more money for a hold that was opened in this bucket. A calendar window that has ended is
   * its bucket alone; undefined = a rolling bucket that has left: what its windows held can no longer be told.
   */
  usedBeside(bucket: Bucket, nowMs: number): number | undefined {
    if (bucket.leavesAtMs > nowMs) return this.used(nowMs)
    return this.span.kind === 'rolling' ? undefined : bucket.spentNanoUsd + bucket.heldNanoUsd
  }

  /** What is spent in the window that a hold was opened in: an ended calendar window is its bucket alone; undefined = a rolling bucket that has left. */
  spentBeside(bucket: Bucket, nowMs: number): number | undefined {
    if (bucket.leavesAtMs > nowMs) return this.spent(nowMs)
    if (this.shared !== undefined) return undefined
    return this.span.kind === 'rolling' ? undefined : bucket.spentNanoUsd
  }

  /** True once in the life of a bucket's money for each soft limit: a rolling window that hovers around it is told of once a period. */
  tellSoft(bucket: Bucket, softNanoUsd: number): boolean {
    const told = this.toldSoft
    if (told?.softNanoUsd === softNanoUsd && bucket.ref.bucketStartMs < told.untilMs) return false
    this.toldSoft = { softNanoUsd, untilMs: bucket.leavesAtMs }
    return true
  }

  /** Nothing spent or held counts any more. */
  isIdle(nowMs: number): boolean {
    for (const bucket of this.buckets)
      if (bucket.heldNanoUsd !== 0 || (bucket.leavesAtMs > nowMs && bucket.spentNanoUsd !== 0)) return false
    return true
  }

  /** Epoch ms at which money comes back by time: a calendar window's end, or when the oldest used bucket leaves; null = never or nothing used. */
  resetsAt(nowMs: number): number | null {
    if (this.span.kind === 'total') return null
    if (this.span.kind !== 'rolling')
      return this.newest(nowMs)?.leavesAtMs ?? bucketLeaves(this.span, bucketStart(this.span, nowMs))
    for (const bucket of this.buckets)
      if (bucket.leavesAtMs > nowMs && bucket.spentNanoUsd + bucket.heldNanoUsd > 0) return bucket.leavesAtMs
    return null
  }
}

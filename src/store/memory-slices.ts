/** Slices of budget windows for the store in memory: the same rules as in slices.ts, without SQL. */
import { grantOf } from './slices.ts'
import type { BudgetBucket, Op, SliceAnswer, SliceAsk } from './store.ts'

export type HeldSlice = Pick<SliceAsk, 'owner' | 'window' | 'holder'> & {
  nanoUsd: number
  expiresAtMs: number
}

/** By owner, window and holder as JSON. */
type Slices = Map<string, HeldSlice>

export function leaseOf(slices: Slices, buckets: Iterable<BudgetBucket>, ask: SliceAsk): SliceAnswer {
  const { owner, window, holder, expiresAtMs } = ask
  let spentNanoUsd = 0
  for (const bucket of buckets)
    if (bucket.lineage === owner && bucket.window === window && bucket.bucketStartMs >= ask.sinceMs)
      spentNanoUsd += bucket.spentNanoUsd
  let othersNanoUsd = 0
  for (const slice of slices.values())
    if (slice.owner === owner && slice.window === window && slice.holder !== holder)
      othersNanoUsd += slice.nanoUsd
  const at = JSON.stringify([owner, window, holder])
  const before = slices.get(at)?.nanoUsd ?? 0
  const free = ask.limitNanoUsd - spentNanoUsd - othersNanoUsd - before
  const sliceNanoUsd = before + grantOf(free, ask, othersNanoUsd === 0)
  slices.set(at, { owner, window, holder, nanoUsd: sliceNanoUsd, expiresAtMs })
  return { sliceNanoUsd, spentNanoUsd, othersNanoUsd }
}

export function holdersOf(slices: Slices): ReadonlyMap<string, number> {
  const found = new Map<string, number>()
  for (const { holder, expiresAtMs } of slices.values())
    found.set(holder, Math.max(expiresAtMs, found.get(holder) ?? 0))
  return found
}

export function applySlice(
  slices: Slices,
  op: Extract<Op, { op: 'return_slice' | 'renew_slices' | 'release_slices' }>,
): void {
  for (const [at, slice] of slices) {
    if (slice.holder !== op.holder) continue
    if (op.op === 'release_slices') slices.delete(at)
    else if (op.op === 'renew_slices') slice.expiresAtMs = op.expiresAtMs
    else if (slice.owner === op.owner && slice.window === op.window)
      slice.nanoUsd = Math.max(0, slice.nanoUsd - op.nanoUsd)
  }
}

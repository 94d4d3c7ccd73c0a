/** Slices over a real store in memory whose asks are noted and can be held up or refused, for the tests of slices.ts. Time is played. */
import { vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import type { Slice } from '../../src/ledger/slice.ts'
import { createSlices } from '../../src/ledger/slices.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { SliceAsk, Store } from '../../src/store/store.ts'
import { keyOf, rowOf } from './parts.ts'

export const OWNER = 'line00000001'
export const LIMIT = 80_000

/** `talk` = what was said to the store, in order: asks as `ask need+want`, returns as `back nanoUsd`. */
export function rig(store: Store = createMemoryStore()) {
  const talk: string[] = []
  const asks: SliceAsk[] = []
  const woken: string[] = []
  const said: [string, string, LogFields | undefined][] = []
  const state = { broken: undefined as unknown, gate: undefined as Promise<void> | undefined, jumpMs: 0 }
  const slices = createSlices({
    store: {
      ...store,
      async lease(ask) {
        talk.push(`ask ${ask.needNanoUsd}+${ask.wantNanoUsd}`)
        asks.push(ask)
        await state.gate
        if (state.broken !== undefined) throw state.broken
        return store.lease(ask)
      },
      async commit(ops) {
        for (const op of ops) if (op.op === 'return_slice') talk.push(`back ${op.nanoUsd}`)
        await state.gate
        if (state.broken !== undefined) throw state.broken
        await store.commit(ops)
      },
    },
    holder: 'me',
    clock: { now: () => Date.now() + state.jumpMs, monotonic: () => performance.now() },
    log: (level, event, fields) => void said.push([level, event, fields]),
    wake: owner => void woken.push(owner),
  })
  /** What another process has of the same window. */
  const others = (nanoUsd: number, holder = 'other') =>
    store.lease({
      holder,
      owner: OWNER,
      window: 'total',
      sinceMs: 0,
      limitNanoUsd: LIMIT,
      needNanoUsd: nanoUsd,
      wantNanoUsd: nanoUsd,
      expiresAtMs: Date.now() + 1e9,
    })
  let rows = 0
  /** A settled attempt of anybody is in the store now. */
  const spend = (costNanoUsd: number) =>
    store.fold(
      [rowOf({ attemptId: `r${rows++}.1`, key: keyOf({ lineage: OWNER }) }, { costNanoUsd })],
      () => [{ window: 'total', bucketStartMs: 0 }],
    )
  /** Leases enough for this and holds it. */
  async function have(nanoUsd: number, slice: Slice = slices.of(OWNER, 'total')): Promise<Slice> {
    if (!slices.fits(slice, nanoUsd, LIMIT)) await turn()
    if (!slices.fits(slice, nanoUsd, LIMIT)) throw new Error('not granted')
    slices.hold(slice, nanoUsd)
    slice.holds++
    talk.length = 0
    woken.length = 0
    return slice
  }
  return { store, slices, talk, asks, woken, said, state, others, spend, have }
}

/** Everything that needs no time. */
export async function turn(): Promise<void> {
  for (let n = 0; n < 30; n++) await Promise.resolve()
}

export const later = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** A gate that is opened by hand. */
export function gate() {
  let open = () => {}
  const shut = new Promise<void>(resolve => {
    open = resolve
  })
  return { shut, open }
}

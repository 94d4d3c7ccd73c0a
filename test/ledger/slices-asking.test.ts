/** How a process asks for its slice of a window: together, for what is missing, not again while it is refused. Real store in memory, time is played. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { noteFolded } from '../../src/ledger/slices.ts'
import { SLICE_TTL_MS } from '../../src/ledger/slice.ts'
import { settlement } from '../../src/ledger/journal.ts'
import { keyOf, NOON, rowOf } from './parts.ts'
import { gate, later, LIMIT, OWNER, rig, turn } from './slicing.ts'

beforeEach(() => void vi.useFakeTimers({ now: NOON }))
afterEach(() => void vi.useRealTimers())

describe('asking', () => {
  it('whoever is short in one turn asks once: for the least that helps one, and four times what all were short of', async () => {
    const { slices, talk, asks, woken } = rig()
    const slice = slices.of(OWNER, 'total')
    expect(slices.fits(slice, 100, LIMIT)).toBe(false)
    expect(slices.fits(slice, 40, LIMIT)).toBe(false)
    expect(talk).toEqual([])
    await turn()
    expect(talk).toEqual(['ask 40+560'])
    expect(asks).toEqual([
      {
        holder: 'me',
        owner: OWNER,
        window: 'total',
        sinceMs: 0,
        limitNanoUsd: LIMIT,
        needNanoUsd: 40,
        wantNanoUsd: 560,
        expiresAtMs: NOON + SLICE_TTL_MS,
      },
    ])
    expect(woken).toEqual([OWNER])
    expect(slice.spareNanoUsd).toBe(560)
    expect(slices.fits(slice, 560, LIMIT)).toBe(true)
    await later(60)
    expect(talk).toEqual(['ask 40+560'])
    expect(woken).toEqual([OWNER])
    // the next ask begins anew
    expect(slices.fits(slice, 600, LIMIT)).toBe(false)
    await turn()
    expect(talk.slice(1)).toEqual(['ask 40+2400'])
  })

  it('windows and owners are apart, and each stays the same object', () => {
    const { slices } = rig()
    const slice = slices.of('a', 'day')
    expect(slices.of('a', 'day')).toBe(slice)
    expect([slices.of('a', 'total'), slices.of('b', 'day')]).not.toContain(slice)
  })

  it('who asks while an answer is on its way is served by the next question', async () => {
    const { slices, talk, state } = rig()
    const slice = slices.of(OWNER, 'total')
    const { shut, open } = gate()
    state.gate = shut
    slices.fits(slice, 100, LIMIT)
    await turn()
    slices.fits(slice, 30_000, LIMIT)
    slices.fits(slice, 20_000, LIMIT)
    await turn()
    expect(talk).toEqual(['ask 100+400'])
    open()
    await turn()
    expect(slice.spareNanoUsd).toBe(400)
    slices.fits(slice, 20_000, LIMIT)
    await turn()
    expect(talk.slice(1)).toEqual([`ask ${20_000 - 400}+280000`])
  })

  it('what is spent beyond the slice is not asked for twice', async () => {
    const { slices, talk, have } = rig()
    const slice = await have(100)
    // an overrun: more is used than was leased
    slice.unfoldedNanoUsd += 1_000
    expect(slice.spareNanoUsd).toBeLessThan(0)
    slices.fits(slice, 50, LIMIT)
    await turn()
    expect(talk).toEqual(['ask 50+200'])
  })

  it('what is in the store already is given back before more is asked for', async () => {
    const { slices, talk, have, spend } = rig()
    const slice = await have(100)
    slice.heldNanoUsd -= 100
    slice.unfoldedNanoUsd += 100
    await spend(100)
    noteFolded(slices, [
      settlement(rowOf({ attemptId: 'a.1', key: keyOf({ lineage: OWNER }) }, { costNanoUsd: 100 }), [
        { window: 'total', bucketStartMs: 0 },
      ]),
    ])
    expect([slice.unfoldedNanoUsd, slice.foldedNanoUsd, slice.spentNanoUsd]).toEqual([0, 100, 100])
    slices.fits(slice, 1_000, LIMIT)
    await turn()
    expect(talk).toEqual(['back 100', 'ask 700+4000'])
    expect([slice.leasedNanoUsd, slice.foldedNanoUsd]).toEqual([4_300, 0])
  })

  it('a stream that holds the last of it asks ahead, without a need of its own', async () => {
    const { slices, talk, have } = rig()
    const slice = await have(100)
    // 300 are left
    slices.hold(slice, 150)
    await turn()
    expect(talk).toEqual([])
    slices.hold(slice, 100)
    await turn()
    expect(talk).toEqual(['ask 0+400'])
    expect(slice.denied).toBeUndefined()
  })

  it('who waits counts more than a stream that asks ahead beside it', async () => {
    const { slices, talk, have } = rig()
    const slice = await have(100)
    slices.hold(slice, 250)
    slices.fits(slice, 100, LIMIT)
    await turn()
    // 50 are there of the 100
    expect(talk).toEqual(['ask 50+1400'])
  })

  it('a lease that nobody has renewed in time is worth nothing until it is asked for again', async () => {
    const { slices, talk, state, have } = rig()
    const slice = await have(100)
    state.jumpMs = SLICE_TTL_MS - 1
    expect(slices.fits(slice, 10, LIMIT)).toBe(true)
    state.jumpMs = SLICE_TTL_MS
    expect(slices.isUnknown(slice, 10, LIMIT)).toBe(true)
    expect(slices.fits(slice, 10, LIMIT)).toBe(false)
    await turn()
    expect(talk).toEqual(['ask 0+80'])
    expect(slices.fits(slice, 10, LIMIT)).toBe(true)
  })
})

describe('a refusal', () => {
  const REST = LIMIT - 70_000
  it('is believed for a moment for as much and for more; less is asked for at once, and then all look again', async () => {
    const { slices, talk, woken, others } = rig()
    await others(70_000)
    const slice = slices.of(OWNER, 'total')
    slices.fits(slice, REST + 1, LIMIT)
    await turn()
    expect(talk).toEqual([`ask ${REST + 1}+${4 * (REST + 1)}`])
    expect(slice.denied).toEqual({ nanoUsd: REST + 1, sinceMs: 0 })
    expect(slices.fits(slice, REST + 1, LIMIT)).toBe(false)
    expect(slices.fits(slice, REST + 2, LIMIT)).toBe(false)
    // nobody who cannot wait asks meanwhile either
    slices.hold(slice, REST)
    await turn()
    expect(talk).toHaveLength(1)
    slice.heldNanoUsd = 0
    expect(slices.fits(slice, REST, LIMIT)).toBe(false)
    await turn()
    expect(talk.slice(1)).toEqual([`ask ${REST}+${4 * REST}`])
    expect(slices.fits(slice, REST, LIMIT)).toBe(true)
    woken.length = 0
    slices.fits(slice, REST + 1, LIMIT)
    await turn()
    expect(woken).toEqual([OWNER])
    await later(49)
    expect(woken).toEqual([OWNER])
    await later(1)
    // once for each refusal
    expect(woken).toEqual([OWNER, OWNER, OWNER])
    expect(slice.denied).toBeUndefined()
    expect(slices.fits(slice, REST + 1, LIMIT)).toBe(false)
    await turn()
    expect(talk).toHaveLength(4)
  })

  it('belongs to its window: the next one is asked about at once', async () => {
    const { slices, talk, state } = rig()
    const slice = slices.of(OWNER, 'day')
    slices.fits(slice, 50, 10)
    await turn()
    expect(slices.fits(slice, 50, 10)).toBe(false)
    await turn()
    expect(talk).toHaveLength(1)
    state.jumpMs = 12 * 3_600_000
    slices.fits(slice, 50, 10)
    await turn()
    expect(talk).toHaveLength(2)
  })

  it('is unknown until the store has answered, and then it is known', async () => {
    const { slices, talk, others } = rig()
    await others(70_000)
    const slice = slices.of(OWNER, 'total')
    expect(slices.isUnknown(slice, 20_000, LIMIT)).toBe(true)
    await turn()
    expect(talk).toEqual(['ask 20000+80000'])
    expect(slices.isUnknown(slice, 20_000, LIMIT)).toBe(false)
    expect(slices.isUnknown(slice, 10_000, LIMIT)).toBe(true)
    await turn()
    expect(slices.isUnknown(slice, 10_000, LIMIT)).toBe(false)
    await turn()
    expect(talk).toHaveLength(2)
    // a lowered limit says nothing yet of what is there; a raised one is asked with
    expect(slices.isUnknown(slice, 1, LIMIT - 1)).toBe(true)
    expect(slice.limitNanoUsd).toBe(LIMIT)
    expect(slices.isUnknown(slice, 10_000, LIMIT + 1)).toBe(false)
    expect(slice.limitNanoUsd).toBe(LIMIT + 1)
  })

  it('means that the window is spent only where neither others nor what is held could still give it back', async () => {
    const { slices, others, spend, store } = rig()
    await spend(30_000)
    const slice = slices.of(OWNER, 'total')
    const ask = async (nanoUsd: number) => {
      slices.fits(slice, nanoUsd, LIMIT)
      await turn()
    }
    expect(slices.isSpent(slice, 60_000, LIMIT)).toBe(false)
    await ask(60_000)
    // alone, and so much is gone: it will not come back
    expect(slices.isSpent(slice, 60_000, LIMIT)).toBe(true)
    expect(slices.isSpent(slice, 50_000, LIMIT)).toBe(false)
    slice.unfoldedNanoUsd += 10_001
    expect(slices.isSpent(slice, 60_000, LIMIT + 20_001)).toBe(false)
    expect(slices.isSpent(slice, 60_000, LIMIT + 20_000)).toBe(true)
    slice.unfoldedNanoUsd = 0
    await store.commit([{ op: 'return_slice', holder: 'me', owner: OWNER, window: 'total', nanoUsd: 50_000 }])
    await others(40_000)
    await later(50)
    await ask(60_000)
    // others have some of it: they may give it back, unless everything is spent
    expect(slices.isSpent(slice, 60_000, LIMIT)).toBe(false)
    slice.unfoldedNanoUsd = 49_999
    expect(slices.isSpent(slice, 60_000, LIMIT)).toBe(false)
    slice.unfoldedNanoUsd = 50_000
    expect(slices.isSpent(slice, 60_000, LIMIT)).toBe(true)
  })

  it('by a store that fails is told of; those who wait look at once and a moment later', async () => {
    const { slices, talk, said, state, woken } = rig()
    state.broken = new Error('database is locked')
    const slice = slices.of(OWNER, 'total')
    slices.fits(slice, 100, LIMIT)
    await turn()
    expect(said).toEqual([['warn', 'ledger.lease_failed', { reason: 'database is locked' }]])
    expect(woken).toEqual([OWNER])
    await later(50)
    expect(woken).toEqual([OWNER, OWNER])
    state.broken = undefined
    slices.fits(slice, 100, LIMIT)
    await turn()
    expect(talk).toHaveLength(2)
    expect(slices.fits(slice, 100, LIMIT)).toBe(true)
  })
})

describe('a lowered limit', () => {
  it('gives back what was leased under the higher one, then asks under the new one', async () => {
    const { slices, talk, asks, woken, have } = rig()
    const slice = await have(100)
    expect(slices.fits(slice, 10, 500)).toBe(false)
    await turn()
    expect(talk).toEqual(['back 300'])
    expect(woken).toEqual([OWNER])
    expect([slice.leasedNanoUsd, slice.limitNanoUsd]).toEqual([100, 500])
    expect(slices.fits(slice, 10, 500)).toBe(false)
    await turn()
    expect(talk.slice(1)).toEqual(['ask 10+40'])
    expect(asks.at(-1)?.limitNanoUsd).toBe(500)
    // and a raised one is asked with at once
    expect(slices.fits(slice, 1_000, 9_000)).toBe(false)
    await turn()
    expect(asks.at(-1)?.limitNanoUsd).toBe(9_000)
  })

  it('waits for an answer that is on its way under the higher one', async () => {
    const { slices, talk, state, have } = rig()
    const slice = await have(100)
    const { shut, open } = gate()
    state.gate = shut
    slices.fits(slice, 5_000, LIMIT)
    await turn()
    expect(slices.fits(slice, 10, 500)).toBe(false)
    expect(slice.limitNanoUsd).toBe(LIMIT)
    open()
    await turn()
    expect(slices.fits(slice, 10, 500)).toBe(false)
    await turn()
    expect(talk).toEqual(['ask 4700+20000', 'back 10250'])
  })

  it('wakes those who wait even if the store refuses it', async () => {
    const { slices, state, woken, have } = rig()
    const slice = await have(100)
    state.broken = new Error('locked')
    slices.fits(slice, 10, 500)
    await turn()
    expect(woken).toEqual([OWNER])
    // what could not be given back is still there
    expect(slice.leasedNanoUsd).toBe(400)
    expect(slice.asking).toBe(false)
  })
})

/** What a process gives back of its slices, how it keeps them, what it forgets, and how it ends. Real store in memory, time is played. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryJournal, settlement } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { SLICE_TTL_MS } from '../../src/ledger/slice.ts'
import { noteFolded } from '../../src/ledger/slices.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { budget, createTestLog, held, keyOf, NOON, rowOf } from './parts.ts'
import { gate, later, LIMIT, OWNER, rig, turn } from './slicing.ts'

beforeEach(() => void vi.useFakeTimers({ now: NOON }))
afterEach(() => void vi.useRealTimers())

/** 400 leased, 100 of it held; the first look is over, and the first renewal with it. */
async function looked(parts: ReturnType<typeof rig>) {
  const slice = await parts.have(100)
  await later(100)
  expect(parts.talk).toEqual(['ask 0+0'])
  parts.talk.length = 0
  return slice
}

describe('every 100 ms', () => {
  it('what nobody has used since the last time is given back, and what is held stays', async () => {
    const parts = rig()
    const { talk, slices } = parts
    const slice = await looked(parts)
    await later(99)
    expect(talk).toEqual([])
    await later(1)
    expect(talk).toEqual(['back 300'])
    expect([slice.leasedNanoUsd, slice.spareNanoUsd]).toEqual([100, 0])
    await later(1_000)
    expect(talk).toHaveLength(1)
    // used again and again it stays
    slice.heldNanoUsd = 0
    slices.hold(slice, 20)
    await later(100)
    slices.hold(slice, 20)
    await later(100)
    expect(talk).toHaveLength(1)
    await later(100)
    expect(talk.slice(1)).toEqual(['back 60'])
  })

  it('what is in the store as spent is given back, whether or not the rest is used', async () => {
    const parts = rig()
    const { talk, slices } = parts
    const slice = await looked(parts)
    slice.heldNanoUsd = 0
    slice.unfoldedNanoUsd = 100
    slices.hold(slice, 0)
    slices.folded(OWNER, 'total', 60)
    expect([slice.unfoldedNanoUsd, slice.foldedNanoUsd, slice.spentNanoUsd]).toEqual([40, 60, 60])
    expect(slice.spareNanoUsd).toBe(300)
    await later(100)
    expect(talk).toEqual(['back 60'])
    expect([slice.leasedNanoUsd, slice.foldedNanoUsd, slice.spareNanoUsd]).toEqual([340, 0, 300])
    // more than was waited for is somebody else's: it is spent, and not ours to give back
    slices.folded(OWNER, 'total', 50)
    expect([slice.unfoldedNanoUsd, slice.foldedNanoUsd, slice.spentNanoUsd]).toEqual([0, 40, 110])
    slices.folded('nobody', 'total', 50)
    slices.folded(OWNER, 'day', 50)
    expect(slices.of('nobody', 'total').spentNanoUsd).toBe(0)
    expect(slice.spentNanoUsd).toBe(110)
  })

  it('rows that are in the store are told to whose money they were; an unknown cost is none', async () => {
    const { slices } = rig()
    const [mine, above] = [slices.of(OWNER, 'total'), slices.of('project:blue', 'day')]
    const key = keyOf({ lineage: OWNER })
    const buckets = [
      { window: 'total', bucketStartMs: 0 },
      { owner: 'project:blue', window: 'day', bucketStartMs: 0 },
    ] as const
    noteFolded(slices, [
      settlement(rowOf({ attemptId: 'a.1', key }, { costNanoUsd: 7 }), buckets),
      settlement(rowOf({ attemptId: 'b.1', key }, { costNanoUsd: null }), buckets),
    ])
    expect([mine.spentNanoUsd, above.spentNanoUsd]).toEqual([7, 7])
  })

  it('one after another: while the store has not answered nothing else begins', async () => {
    const parts = rig()
    const { talk, state, have, slices } = parts
    await looked(parts)
    await have(40, slices.of('project:blue', 'total'))
    const { shut, open } = gate()
    state.gate = shut
    await later(1_000)
    expect(talk).toEqual(['back 300'])
    open()
    await turn()
    expect(talk).toEqual(['back 300'])
    await later(100)
    expect(talk).toEqual(['back 300', 'back 120'])
  })

  it('who is short while something is given back is asked for right after', async () => {
    const parts = rig()
    const { talk, state, slices } = parts
    const slice = await looked(parts)
    const { shut, open } = gate()
    state.gate = shut
    await later(100)
    expect(talk).toEqual(['back 300'])
    // what is on its way back cannot be held once more
    expect(slices.fits(slice, 300, LIMIT)).toBe(false)
    await turn()
    expect(talk).toHaveLength(1)
    open()
    await turn()
    expect(talk.slice(1)).toEqual(['ask 300+1200'])
    expect(slices.fits(slice, 300, LIMIT)).toBe(true)
  })

  it('a stream that takes the last of it meanwhile is asked ahead for, right after', async () => {
    const parts = rig()
    const { talk, state, slices } = parts
    const slice = await looked(parts)
    const { shut, open } = gate()
    state.gate = shut
    await later(100)
    slices.hold(slice, 20)
    await turn()
    expect(talk).toEqual(['back 300'])
    open()
    await turn()
    expect(talk.slice(1)).toEqual(['ask 0+80'])
  })

  it('a store that fails is told of, loses nothing, and is asked again', async () => {
    const parts = rig()
    const { talk, state, said } = parts
    const slice = await looked(parts)
    state.broken = 'locked'
    await later(100)
    expect(said).toEqual([['warn', 'ledger.lease_failed', { reason: 'locked' }]])
    expect([slice.leasedNanoUsd, slice.asking]).toEqual([400, false])
    state.broken = undefined
    await later(100)
    expect(talk).toEqual(['back 300', 'back 300'])
    expect(slice.leasedNanoUsd).toBe(100)
  })
})

describe('a lease', () => {
  it('is renewed every ten seconds, and only where there is one', async () => {
    const parts = rig()
    const { asks, store, slices } = parts
    await looked(parts)
    slices.of('bare', 'total')
    const before = asks.length
    for (const turn of [1, 2]) {
      await later(9_900)
      expect(asks).toHaveLength(before + turn - 1)
      await later(100)
      expect(asks).toHaveLength(before + turn)
      const expiresAtMs = NOON + 100 + turn * 10_000 + SLICE_TTL_MS
      expect(asks.at(-1)).toMatchObject({ owner: OWNER, needNanoUsd: 0, wantNanoUsd: 0, expiresAtMs })
      expect((await store.sliceHolders()).get('me')).toBe(expiresAtMs)
    }
  })

  it('that others took for dead is known to be gone at the renewal', async () => {
    const parts = rig()
    const { store, state } = parts
    const slice = await looked(parts)
    await store.commit([{ op: 'release_slices', holder: 'me' }])
    state.jumpMs = 10_000
    await later(100)
    expect(slice.leasedNanoUsd).toBe(0)
  })

  it('tells where the window stands when a view asks, of all slices', async () => {
    const { slices, others, spend, asks } = rig()
    const [slice] = [slices.of(OWNER, 'total'), slices.of('bare', 'total')]
    slice.limitNanoUsd = LIMIT
    await others(7_000)
    await spend(900)
    await slices.refresh()
    expect([slice.spentNanoUsd, slice.othersNanoUsd]).toEqual([900, 7_000])
    expect(asks.map(({ owner, needNanoUsd, wantNanoUsd }) => [owner, needNanoUsd, wantNanoUsd])).toEqual([
      [OWNER, 0, 0],
      ['bare', 0, 0],
    ])
  })
})

describe('what is forgotten', () => {
  it('is a named part of the traffic that nobody uses; windows of keys and projects are few, and stay', async () => {
    const { slices } = rig()
    const [user, owner] = [slices.of(`${OWNER}/user:ann`, 'day'), slices.of(OWNER, 'day')]
    await later(100)
    expect(slices.of(OWNER, 'day')).toBe(owner)
    expect(slices.of(`${OWNER}/user:ann`, 'day')).not.toBe(user)
  })

  it.each([{ holds: 1 }, { unfoldedNanoUsd: 1 }, { asking: true }])('is not what has %o', async state => {
    const { slices } = rig()
    const slice = slices.of('a/user:ann', 'day')
    Object.assign(slice, state)
    expect(slice.isIdle()).toBe(false)
    await later(300)
    expect(slices.of('a/user:ann', 'day')).toBe(slice)
  })

  it('nor what has a lease', async () => {
    const { slices, have } = rig()
    const slice = await have(100, slices.of('a/user:ann', 'total'))
    slice.holds = 0
    expect(slice.isIdle()).toBe(false)
    await later(300)
    expect(slices.of('a/user:ann', 'total')).toBe(slice)
    expect(slice.leasedNanoUsd).toBe(100)
  })

  it('nor what was used since the last time', async () => {
    const { slices } = rig()
    const slice = slices.of('a/user:ann', 'day')
    slice.used = true
    await later(100)
    expect(slices.of('a/user:ann', 'day')).toBe(slice)
    await later(100)
    expect(slices.of('a/user:ann', 'day')).not.toBe(slice)
  })
})

it('does not keep a process that has nothing else to do, and starts where a timer is a number, as on Workers', () => {
  vi.useRealTimers()
  const started = vi.spyOn(globalThis, 'setInterval')
  rig()
  const timer = started.mock.results[0]?.value as NodeJS.Timeout
  expect(timer.hasRef()).toBe(false)
  clearInterval(timer)
  started.mockReturnValue(7 as never)
  expect(() => rig()).not.toThrow()
  started.mockRestore()
})

describe('the end', () => {
  it('gives back all that is not held, waits for what is under way, and looks no more', async () => {
    const { slices, talk, have } = rig()
    const slice = await have(100)
    await slices.close()
    expect(talk).toEqual(['back 300'])
    expect(slice.leasedNanoUsd).toBe(100)
    slice.heldNanoUsd = 0
    await later(60_000)
    expect(talk).toHaveLength(1)
  })

  it('comes after what is under way', async () => {
    const parts = rig()
    const { slices, talk, state } = parts
    await looked(parts)
    const { shut, open } = gate()
    state.gate = shut
    await later(100)
    expect(talk).toEqual(['back 300'])
    let isClosed = false
    const closed = slices.close().then(() => {
      isClosed = true
    })
    await turn()
    expect(isClosed).toBe(false)
    open()
    await closed
    expect(talk).toEqual(['back 300'])
  })

  it('of a ledger leaves nothing to wait for: another has all of it at once', async () => {
    const store = createMemoryStore()
    const key = keyOf({ budgets: [budget('total', 1_000)] })
    const start = (holder: string) =>
      createLedger({
        store,
        journal: createMemoryJournal(),
        clock: { now: () => Date.now(), monotonic: () => performance.now() },
        log: createTestLog(),
        holder,
      })
    const [one, two] = [start('one'), start('two')]
    expect(one.hold(key, 'a.1', 300)).toMatchObject({ heldByOthers: true })
    await turn()
    const hold = held(one.hold(key, 'a.1', 300))
    one.settle(hold, rowOf(hold, { costNanoUsd: 300 }))
    // a view of the other sees what is spent, without asking for money
    await one.fold()
    two.hold(key, 'b.1', 0)
    await two.fold()
    expect(two.usageOf(key)).toMatchObject([{ spentNanoUsd: 300 }])
    await one.close()
    expect(two.hold(key, 'b.2', 700)).toMatchObject({ heldByOthers: true })
    await turn()
    expect(two.hold(key, 'b.2', 700)).toMatchObject({ heldNanoUsd: 700 })
    await two.close()
  })
})

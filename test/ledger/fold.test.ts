/** How settled rows move into the store: when, in what pieces, and who waits for what. Time is played. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { settlement } from '../../src/ledger/journal.ts'
import { chargeName } from '../../src/ledger/release.ts'
import { addTo, BUCKETS, key, later, one, rig, spent } from './folding.ts'
import { rowOf } from './parts.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('rows on their way into the store', () => {
  it('a few wait for company, for 150 ms after the first', async () => {
    const { folder, batches, store, folded, emptied } = rig()
    addTo(folder, 1)
    await later(100)
    addTo(folder, 1, 1)
    await later(49)
    expect(batches).toEqual([])
    await later(1)
    expect(batches).toEqual([{ atMs: 150, ids: ['r0.1', 'r1.1'], details: [one(0).detail, one(1).detail] }])
    expect(folder.pending()).toBe(0)
    expect(await spent(store)).toBe(20)
    expect(folded).toEqual(['r0.1', 'r1.1'])
    expect(emptied()).toBe(1)
    // and the next ones as those before
    addTo(folder, 1, 2)
    await later(150)
    expect(batches.map(({ atMs }) => atMs)).toEqual([150, 300])
    expect(emptied()).toBe(2)
  })

  it('a full batch goes at once, and none has more than 256 rows', async () => {
    const { folder, batches, folded, emptied } = rig()
    addTo(folder, 255)
    await later(1)
    expect(batches).toEqual([])
    addTo(folder, 328, 255)
    await later(0)
    expect(batches.map(({ ids }) => ids.length)).toEqual([256])
    expect(emptied()).toBe(0)
    await later(2)
    expect(batches.map(({ ids }) => ids.length)).toEqual([256, 256, 71])
    expect(folded).toEqual(Array.from({ length: 583 }, (_, n) => `r${n}.1`))
    expect(emptied()).toBe(1)
  })

  it('a store may ask of the rows in any order, as often as it likes, and of none that is there', async () => {
    const { folder, store } = rig()
    const asked = vi.spyOn(store, 'fold')
    addTo(folder, 5)
    await later(150)
    const bucketsOf = asked.mock.calls[0]?.[1]
    for (const n of [4, 0, 0, 3, 1, 2, 4]) expect(bucketsOf?.(one(n).row)).toBe(BUCKETS)
    expect(bucketsOf?.(one(5).row)).toEqual([])
    expect(bucketsOf?.(one(2).row)).toBe(BUCKETS)
  })

  it('nobody’s rows are written twice or forgotten, whoever asks while a batch is under way', async () => {
    const { folder, batches, state, folded, store } = rig()
    let open = () => {}
    state.gate = new Promise(resolve => {
      open = resolve
    })
    addTo(folder, 3)
    await later(150)
    addTo(folder, 2, 3)
    const both = [folder.fold(), folder.fold()]
    await later(1_000)
    expect(batches).toHaveLength(1)
    open()
    await later(1)
    await Promise.all(both)
    expect(batches.map(({ ids }) => ids)).toEqual([
      ['r0.1', 'r1.1', 'r2.1'],
      ['r3.1', 'r4.1'],
    ])
    expect(folded).toHaveLength(5)
    expect(await spent(store)).toBe(50)
  })

  it('who asks for it waits for what was there, and for no timer when that is one batch', async () => {
    const { folder, batches, emptied } = rig()
    await folder.fold()
    expect(batches).toEqual([])
    addTo(folder, 256)
    await folder.fold()
    expect(folder.pending()).toBe(0)
    // only a fold in the background tidies up
    expect(emptied()).toBe(0)
    addTo(folder, 257, 256)
    let isDone = false
    const done = folder.fold().then(() => {
      isDone = true
    })
    // no timer fires in this time
    for (let n = 0; n < 50; n++) await Promise.resolve()
    expect([batches.length, isDone]).toEqual([2, false])
    await later(1)
    await done
    expect(batches.map(({ ids }) => ids.length)).toEqual([256, 256, 1])
  })

  it('after the end they move only when somebody asks', async () => {
    const { folder, batches } = rig()
    addTo(folder, 1)
    folder.stop()
    addTo(folder, 300, 1)
    await later(10_000)
    expect(batches).toEqual([])
    const done = folder.fold()
    await later(10)
    await done
    expect(folder.pending()).toBe(0)
  })

  it('that the database is still there is asked before every batch where that is cheap, and nowhere else', async () => {
    const checked = rig({ isChecked: true })
    addTo(checked.folder, 258)
    await later(200)
    expect(checked.calls).toEqual(['ping', 'fold', 'ping', 'fold'])
    const bare = rig()
    addTo(bare.folder, 258)
    await later(200)
    expect(bare.calls).toEqual(['fold', 'fold'])
  })

  it('where nobody can tell a cost, it is noted first which budgets it counts in', async () => {
    const { folder, calls, store } = rig()
    folder.add(one(0))
    folder.add(one(1, { certainty: 'unknown' }))
    folder.add(settlement(rowOf({ attemptId: 'r2.1', key }, { certainty: 'unknown' }), []))
    await later(150)
    expect(calls).toEqual([`commit ${chargeName('r1.1')}`, 'fold'])
    expect(await store.setting(chargeName('r1.1'))).toBe(JSON.stringify(BUCKETS))
    folder.add(settlement(rowOf({ attemptId: 'r3.1', key }, { certainty: 'unknown' }), []))
    await later(150)
    expect(calls.slice(2)).toEqual(['fold'])
  })
})

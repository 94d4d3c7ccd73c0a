/** What happens while the store refuses rows, all of them or one: how often it is asked, when new work stops, and that nothing is lost. Time is played. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { addTo, later, rig, spent } from './folding.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('a store that refuses', () => {
  it('is asked again after 0.3, 0.6 and then every second, however much waits; smaller pieces each time', async () => {
    const { folder, batches, state, log, store, folded, emptied } = rig()
    state.broken = new Error('database is locked')
    addTo(folder, 100)
    await later(150)
    // more than a batch waits: that is no reason to hurry now
    addTo(folder, 200, 100)
    await later(3_000)
    expect(batches.map(({ atMs, ids }) => [atMs, ids.length])).toEqual([
      [150, 100],
      [450, 50],
      [1_050, 25],
      [2_050, 12],
      [3_050, 6],
    ])
    expect(log.map(([level, event, fields]) => [level, event, fields?.rows, fields?.failures])).toEqual([
      ['error', 'ledger.fold_failed', 100, 1],
      ['error', 'ledger.fold_failed', 300, 2],
      ['error', 'ledger.fold_failed', 300, 3],
      ['error', 'ledger.fold_failed', 300, 4],
      ['error', 'ledger.fold_failed', 300, 5],
    ])
    expect(log[0]?.[2]).toMatchObject({ reason: 'database is locked' })
    expect(emptied()).toBe(0)
    state.broken = undefined
    await later(1_100)
    // what worked is doubled up to a full batch
    expect(batches.slice(5).map(({ ids }) => ids.length)).toEqual([3, 6, 12, 24, 48, 96, 111])
    expect(await spent(store)).toBe(3_000)
    // in the order in which they came
    expect(folded).toEqual(Array.from({ length: 300 }, (_, n) => `r${n}.1`))
    expect(emptied()).toBe(1)
    expect(folder.failure()).toBeUndefined()
    // as if nothing had been
    addTo(folder, 256, 300)
    await later(1)
    expect(folder.pending()).toBe(0)
  })

  it('tells who asks, and keeps the rows', async () => {
    const { folder, state } = rig()
    state.broken = new Error('database is locked')
    addTo(folder, 2)
    await expect(folder.fold()).rejects.toThrow('database is locked')
    expect(folder.pending()).toBe(2)
    state.broken = undefined
    const done = folder.fold()
    await later(1)
    await done
    expect(folder.pending()).toBe(0)
  })

  it('one row that is refused is found, waits at the end, and stops neither the others nor new work', async () => {
    const { folder, store, batches, log, emptied } = rig({ poison: 'r3.1' })
    addTo(folder, 8)
    await later(12_000)
    expect(folder.pending()).toBe(1)
    expect(await spent(store)).toBe(70)
    expect(folder.failure()).toBeUndefined()
    expect(log.some(([, event]) => event === 'ledger.store_stuck')).toBe(false)
    expect(emptied()).toBe(0)
    addTo(folder, 2, 8)
    await later(3_000)
    expect(await spent(store)).toBe(90)
    expect(batches.at(-1)?.ids).toEqual(['r3.1'])
  })

  it('takes nothing from anybody for five seconds: new work is refused, told once; then it is asked one question at a time', async () => {
    const { folder, state, log, calls, store } = rig()
    state.broken = new Error('disk I/O error')
    addTo(folder, 4)
    await later(150 + 4_999)
    expect(folder.failure()).toBeUndefined()
    await later(1_000)
    expect(folder.failure()?.message).toBe('disk I/O error')
    const stuck = () => log.filter(([, event]) => event === 'ledger.store_stuck')
    expect(stuck()).toEqual([['error', 'ledger.store_stuck', { rows: 4 }]])
    calls.length = 0
    await later(3_000)
    expect(calls).toEqual(Array.from({ length: 3 }, () => 'commit ledger_probe'))
    expect(stuck()).toHaveLength(1)
    state.broken = undefined
    await later(1_000)
    expect(folder.failure()).toBeUndefined()
    expect(folder.pending()).toBe(0)
    expect(await store.setting('ledger_probe')).toBe('')
    expect(await spent(store)).toBe(40)
    // the next time is another time: five seconds are waited again
    state.broken = 'not even an error'
    addTo(folder, 1, 4)
    await later(5_000)
    expect(folder.failure()).toBeUndefined()
    await later(2_000)
    expect(folder.failure()?.message).toBe('not even an error')
    expect(stuck()).toHaveLength(2)
  })

  it('answers questions and takes no rows: that is the rows’ fault, and new work goes on', async () => {
    const { folder, calls, log } = rig({ poison: 'r0.1' })
    addTo(folder, 1)
    await later(9_000)
    expect(folder.pending()).toBe(1)
    expect(folder.failure()).toBeUndefined()
    expect(calls).toContain('commit ledger_probe')
    expect(calls).toContain('ping')
    expect(log.some(([, event]) => event === 'ledger.store_stuck')).toBe(false)
  })

  it('five seconds are five seconds, and of two questions the second waits for the answer of the first', async () => {
    let nowMs = 1_000
    const { folder, state, calls } = rig({ monotonic: () => nowMs })
    state.broken = new Error('disk I/O error')
    addTo(folder, 1)
    await later(150)
    nowMs = 5_999
    await later(300)
    expect(folder.failure()).toBeUndefined()
    nowMs = 6_000
    await later(600)
    expect(folder.failure()?.message).toBe('disk I/O error')
    calls.length = 0
    let open = () => {}
    state.gate = new Promise(resolve => {
      open = resolve
    })
    await later(1_000)
    addTo(folder, 1, 1)
    await later(10_000)
    expect(calls).toEqual(['commit ledger_probe'])
    state.broken = undefined
    open()
    await later(1)
    expect([folder.failure(), folder.pending()]).toEqual([undefined, 0])
  })
})

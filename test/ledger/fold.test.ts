/** How settled rows move into the store: when, in what pieces, and what happens while it refuses. Time is played. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createFolder, type Folder, type Settled } from '../../src/ledger/fold.ts'
import { settlement } from '../../src/ledger/journal.ts'
import { chargeName } from '../../src/ledger/release.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { keyOf, rowOf } from './parts.ts'

const key = keyOf()
const BUCKETS = [{ window: 'total', bucketStartMs: 0 }] as const

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** A folder over a store in memory; `broken` is thrown by its writes, `poison` alone is refused. */
function rig(options: { isChecked?: boolean; poison?: string } = {}) {
  const store = createMemoryStore()
  const state = { broken: undefined as unknown, gate: undefined as Promise<void> | undefined }
  const batches: { atMs: number; ids: string[]; details: (string | undefined)[] }[] = []
  const calls: string[] = []
  const folded: string[] = []
  const log: [string, string, LogFields | undefined][] = []
  let emptied = 0
  const startMs = Date.now()
  const watched: Store = {
    ...store,
    async commit(ops) {
      calls.push(`commit ${ops.map(op => ('name' in op ? op.name : op.op)).join(' ')}`)
      if (state.broken !== undefined) throw state.broken
      await store.commit(ops)
    },
    async ping() {
      calls.push('ping')
      if (state.broken !== undefined) throw state.broken
    },
    async fold(rows, bucketsOf, detailOf) {
      const ids = rows.map(row => row.id)
      calls.push('fold')
      batches.push({ atMs: Date.now() - startMs, ids, details: rows.map(row => detailOf?.(row)) })
      await state.gate
      if (state.broken !== undefined) throw state.broken
      if (options.poison && ids.includes(options.poison)) throw new Error('no such row')
      await store.fold(rows, bucketsOf)
    },
  }
  const folder = createFolder({
    store: watched,
    log: (level, event, fields) => void log.push([level, event, fields]),
    onEmpty: () => void emptied++,
    onFolded: part => void folded.push(...part.map(({ row }) => row.id)),
    monotonic: () => Date.now(),
    isChecked: options.isChecked ?? false,
  })
  return { store, state, folder, batches, calls, folded, log, emptied: () => emptied }
}

const one = (n: number, changes = {}): Settled =>
  settlement(rowOf({ attemptId: `r${n}.1`, key }, { costNanoUsd: 10, ...changes }), BUCKETS)
const addTo = (folder: Folder, count: number, from = 0) => {
  for (let n = from; n < from + count; n++) folder.add(one(n))
}
const spent = async (store: Store) => (await store.buckets(0))[0]?.spentNanoUsd ?? 0
const later = (ms: number) => vi.advanceTimersByTimeAsync(ms)

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

  it('a full batch goes at once, and none has more than 128 rows', async () => {
    const { folder, batches, folded, emptied } = rig()
    addTo(folder, 127)
    await later(1)
    expect(batches).toEqual([])
    addTo(folder, 200, 127)
    await later(0)
    expect(batches.map(({ ids }) => ids.length)).toEqual([128])
    expect(emptied()).toBe(0)
    await later(2)
    expect(batches.map(({ ids }) => ids.length)).toEqual([128, 128, 71])
    expect(folded).toEqual(Array.from({ length: 327 }, (_, n) => `r${n}.1`))
    expect(emptied()).toBe(1)
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
    addTo(folder, 128)
    await folder.fold()
    expect(folder.pending()).toBe(0)
    // only a fold in the background tidies up
    expect(emptied()).toBe(0)
    addTo(folder, 129, 128)
    let isDone = false
    const done = folder.fold().then(() => {
      isDone = true
    })
    // no timer fires in this time
    for (let n = 0; n < 50; n++) await Promise.resolve()
    expect([batches.length, isDone]).toEqual([2, false])
    await later(1)
    await done
    expect(batches.map(({ ids }) => ids.length)).toEqual([128, 128, 1])
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
    addTo(checked.folder, 130)
    await later(200)
    expect(checked.calls).toEqual(['ping', 'fold', 'ping', 'fold'])
    const bare = rig()
    addTo(bare.folder, 130)
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

describe('a store that refuses', () => {
  it('is asked again after 0.3, 0.6 and then every second, however much waits; smaller pieces each time', async () => {
    const { folder, batches, state, log, store, emptied } = rig()
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
    expect(emptied()).toBe(1)
    expect(folder.failure()).toBeUndefined()
    // as if nothing had been
    addTo(folder, 128, 300)
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
    const { folder, state, calls, log } = rig()
    addTo(folder, 1)
    // refused from the start, and the only one: everything that is asked of the store itself is answered
    state.gate = Promise.reject(new Error('refused'))
    state.gate.catch(() => {})
    await later(9_000)
    expect(folder.pending()).toBe(1)
    expect(folder.failure()).toBeUndefined()
    expect(calls).toContain('commit ledger_probe')
    expect(calls).toContain('ping')
    expect(log.some(([, event]) => event === 'ledger.store_stuck')).toBe(false)
  })
})

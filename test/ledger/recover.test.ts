/** What a start makes of the lines that the process before it left: rows, charges, windows, and what it cannot use. */
import { describe, expect, it, vi } from 'vitest'
import type { LogFields } from '../../src/deps.ts'
import { createBudgets } from '../../src/ledger/budgets.ts'
import {
  createMemoryJournal,
  type Entry,
  formatEntry,
  interruptedRow,
  type HoldEntry,
  settlement,
} from '../../src/ledger/journal.ts'
import { holderOfKey, holderOfProject } from '../../src/ledger/owners.ts'
import { createRates } from '../../src/ledger/rates.ts'
import { inheritLedger, recoverLedger, replay } from '../../src/ledger/recover.ts'
import { chargeName } from '../../src/ledger/release.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { budget, keyOf, NOON, project, rowOf } from './parts.ts'

const HOUR = 3_600_000
const BUCKETS = [{ window: 'day', bucketStartMs: NOON - 12 * HOUR }] as const
const key = keyOf({ budgets: [budget('day', 10_000)] })

const hold = (id: string, nanoUsd: number, changes: Partial<HoldEntry> = {}): HoldEntry => ({
  say: 'hold',
  id,
  atMs: NOON,
  keyId: key.id,
  lineage: key.lineage,
  project: null,
  nanoUsd,
  buckets: BUCKETS,
  facts: { model: 'gpt-5' },
  ...changes,
})
const extend = (id: string, nanoUsd: number): Entry => ({ say: 'extend', id, nanoUsd })
const settle = (id: string, changes: Partial<AttemptRow> = {}): Entry =>
  settlement(rowOf({ attemptId: id, key }, changes), BUCKETS)
const linesOf = (...entries: (Entry | string)[]) =>
  entries.map(entry => (typeof entry === 'string' ? entry : formatEntry(entry)))

describe('what the lines say', () => {
  const endsOf = (...entries: Entry[]) =>
    replay(linesOf(...entries)).interrupted.map(({ row }) => [row.id, row.costNanoUsd, row.last])

  it('what was running is charged at the last sum told, in its buckets, with its text made', () => {
    const found = replay(linesOf(hold('a.1', 10), extend('a.1', 30), extend('gone.1', 5), extend('a.1', 20)))
    expect(found).toEqual({
      settled: [],
      interrupted: [settlement(interruptedRow(hold('a.1', 10), 20, true), BUCKETS)],
      damaged: 0,
    })
  })

  it('a hold and its settlement may come in any order, and said twice they count once', () => {
    const { settled, interrupted } = replay(
      linesOf(settle('a.1'), hold('a.1', 10), hold('b.1', 10), settle('b.1'), settle('b.1')),
    )
    expect(settled).toEqual([settle('a.1'), settle('b.1')])
    expect(interrupted).toEqual([])
  })

  it('a request ends with its last attempt, in whatever order they were told, and only once', () => {
    expect(endsOf(hold('a.2', 2), hold('a.10', 10), hold('a.1', 1), hold('b.1', 1))).toEqual([
      ['a.2', 2, false],
      ['a.10', 10, true],
      ['a.1', 1, false],
      ['b.1', 1, true],
    ])
    expect(endsOf(hold('a.1', 1), hold('a.2', 2), settle('a.2', { last: true }))).toEqual([['a.1', 1, false]])
    expect(endsOf(hold('a.1', 1), hold('a.2', 2), settle('a.1', { last: false }))).toEqual([['a.2', 2, true]])
  })
})

function rig(lines: readonly string[]) {
  const store = createMemoryStore()
  const said: [string, string, LogFields | undefined][] = []
  const kept = [...lines]
  const journal = createMemoryJournal(kept)
  const budgets = createBudgets()
  const log = (level: string, event: string, fields?: LogFields) => void said.push([level, event, fields])
  const common = { store, journal, nowMs: NOON, log }
  const recover = (changes: { holder?: string; journal?: undefined } = {}) =>
    recoverLedger({ ...common, budgets, rates: createRates(() => 0), ...changes })
  const inherit = (holder: string, nowMs: number) => inheritLedger({ ...common, holder, nowMs })
  const stored = async () =>
    (await store.requests({ limit: 500 })).data.flatMap(request => request.attempts.map(({ id }) => id))
  return { store, said, kept, journal, budgets, recover, inherit, stored }
}

describe('a start', () => {
  it('brings into the store what ended and what was running, says so, and forgets the lines', async () => {
    const { recover, store, said, kept, stored } = rig(
      linesOf(
        hold('a.1', 10),
        settle('a.1', { costNanoUsd: 7 }),
        hold('b.1', 50),
        'torn',
        hold('free.1', 0, { buckets: [], facts: {} }),
      ),
    )
    const found = { settled: 1, interrupted: 2, chargedNanoUsd: 50, damaged: 1 }
    expect(await recover()).toEqual(found)
    expect(said).toEqual([
      ['error', 'ledger.journal_damaged', { lines: 1 }],
      ['info', 'ledger.recovered', found],
    ])
    expect((await stored()).sort()).toEqual(['a.1', 'b.1', 'free.1'])
    expect(await store.buckets(0)).toEqual([{ lineage: key.lineage, ...BUCKETS[0], spentNanoUsd: 57 }])
    // who corrects the charge later has to know where it was counted
    expect(await store.setting(chargeName('b.1'))).toBe(JSON.stringify(BUCKETS))
    expect(await store.setting(chargeName('a.1'))).toBeUndefined()
    expect(kept).toEqual([])
  })

  it('after a quiet end says nothing and writes nothing', async () => {
    const { recover, store, said } = rig([])
    const commit = vi.spyOn(store, 'commit')
    const fold = vi.spyOn(store, 'fold')
    expect(await recover()).toEqual({ settled: 0, interrupted: 0, chargedNanoUsd: 0, damaged: 0 })
    expect(said).toEqual([])
    expect([commit.mock.calls, fold.mock.calls]).toEqual([[], []])
  })

  it('says what it found of either kind alone', async () => {
    const settled = rig(linesOf(settle('a.1')))
    await settled.recover()
    expect(settled.said.map(([, event]) => event)).toEqual(['ledger.recovered'])
    const running = rig(linesOf(hold('a.1', 1)))
    await running.recover()
    expect(running.said.map(([, event]) => event)).toEqual(['ledger.recovered'])
    const damaged = rig(['torn'])
    await damaged.recover()
    expect(damaged.said.map(([, event]) => event)).toEqual(['ledger.journal_damaged'])
  })

  it('writes in pieces of 64, each row with its own buckets and text', async () => {
    const { recover, store } = rig(
      linesOf(...Array.from({ length: 130 }, (_, n) => settle(`r${n}.1`, { costNanoUsd: n }))),
    )
    const fold = vi.spyOn(store, 'fold')
    await recover()
    expect(fold.mock.calls.map(([rows]) => rows.length)).toEqual([64, 64, 2])
    const [rows = [], bucketsOf, detailOf] = fold.mock.calls[1] ?? []
    for (const row of rows) {
      expect(bucketsOf?.(row)).toEqual(BUCKETS)
      expect(detailOf?.(row)).toBe(settlement(row, BUCKETS).detail)
    }
  })

  it('what the store refuses by itself is told of and stays; all the others are in it', async () => {
    const lines = linesOf(settle('a.1'), settle('bad.1', { lineage: '' }), settle('c.1'))
    const { recover, said, kept, stored } = rig(lines)
    await recover()
    expect((await stored()).sort()).toEqual(['a.1', 'c.1'])
    expect(kept).toEqual([lines[1]])
    const [level, event, fields] = said[0] ?? []
    expect([level, event, fields?.attempt]).toEqual(['error', 'ledger.row_refused', 'bad.1'])
    expect(String(fields?.reason)).toMatch(/lineage/)
  })

  it('a store that does not work is no row’s fault: it fails, and every line stays', async () => {
    const lines = linesOf(settle('a.1'), settle('b.1'))
    const { recover, store, kept } = rig(lines)
    vi.spyOn(store, 'fold').mockImplementation(() => {
      throw new Error('locked')
    })
    vi.spyOn(store, 'ping').mockRejectedValue(new Error('disk gone'))
    await expect(recover()).rejects.toThrow('disk gone')
    expect(kept).toEqual(lines)
  })

  it('reads back the windows that somebody looks at, from the start of the oldest, and none that it does not know', async () => {
    const { recover, store, budgets } = rig([])
    const blue = project('blue', [budget('week', 10_000), budget('total', 10_000)])
    await store.commit([
      { op: 'put_key', key },
      { op: 'put_project', project: blue },
    ])
    // 2026-01-15 is a Thursday
    const monday = NOON - 12 * HOUR - 72 * HOUR
    const row = rowOf({ attemptId: 'a.1', key }, { costNanoUsd: 40 })
    await store.fold([row], () => [
      ...BUCKETS,
      { window: 'fortnight', bucketStartMs: NOON },
      { owner: 'project:blue', window: 'week', bucketStartMs: monday },
      { owner: 'project:blue', window: 'total', bucketStartMs: 0 },
    ])
    const buckets = vi.spyOn(store, 'buckets')
    await recover()
    expect(buckets.mock.calls).toEqual([[monday]])
    const spent = [holderOfKey(key), holderOfProject(blue)].flatMap(holder =>
      budgets.usage(holder, NOON).map(use => [use.window, use.spentNanoUsd]),
    )
    expect(spent).toEqual([
      ['day', 40],
      ['week', 40],
      ['total', 40],
    ])
    // projects count from now on, without being told again
    expect(budgets.take(keyOf({ id: 'k2', lineage: 'k2', project: 'blue' }), 9_961, NOON)).toMatchObject({
      limit: 'project.budget.week',
    })
  })

  it('where several share the store its slices come back, and where it is alone there are none', async () => {
    const { recover, store } = rig([])
    const ask = {
      owner: key.lineage,
      window: 'day',
      sinceMs: 0,
      limitNanoUsd: 100,
      needNanoUsd: 10,
      wantNanoUsd: 10,
      expiresAtMs: NOON,
    } as const
    await store.lease({ ...ask, holder: 'a' })
    await store.lease({ ...ask, holder: 'b' })
    await recover()
    expect([...(await store.sliceHolders()).keys()]).toEqual(['a', 'b'])
    await recover({ holder: 'a' })
    expect([...(await store.sliceHolders()).keys()]).toEqual(['b'])
  })

  it('without a journal only the store is read', async () => {
    const { recover, kept, said } = rig(linesOf(settle('a.1')))
    expect(await recover({ journal: undefined })).toMatchObject({ settled: 0 })
    expect([kept.length, said]).toEqual([1, []])
  })
})

describe('an inheritance', () => {
  const leased = async (lines: readonly string[]) => {
    const parts = rig(lines)
    await parts.store.lease({
      holder: 'dead',
      owner: key.lineage,
      window: 'day',
      sinceMs: 0,
      limitNanoUsd: 100,
      needNanoUsd: 10,
      wantNanoUsd: 10,
      expiresAtMs: NOON,
    })
    return parts
  }

  it('is taken five seconds after its slices have expired, not before, and of nobody who has none', async () => {
    const { inherit, kept, store, stored } = await leased(linesOf(hold('a.1', 10), settle('b.1')))
    expect(await inherit('nobody', NOON + HOUR)).toBeUndefined()
    expect(await inherit('dead', NOON + 4_999)).toBeUndefined()
    expect([kept.length, await stored()]).toEqual([2, []])
    expect(await inherit('dead', NOON + 5_000)).toEqual({
      settled: 1,
      interrupted: 1,
      chargedNanoUsd: 10,
      damaged: 0,
    })
    expect((await stored()).sort()).toEqual(['a.1', 'b.1'])
    expect(kept).toEqual([])
    expect([...(await store.sliceHolders()).keys()]).toEqual([])
    expect(await inherit('dead', NOON + 5_000)).toBeUndefined()
  })

  it('what the store refuses of it stays in the journal that was left', async () => {
    const lines = linesOf(settle('bad.1', { lineage: '' }), settle('b.1'))
    const { inherit, kept } = await leased(lines)
    await inherit('dead', NOON + HOUR)
    expect(kept).toEqual([lines[0]])
  })
})

/** How the check holds budgets in memory against the store and the open holds: what counts, raises, lineages, a second and a third look. */
import { describe, expect, it } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import type { Budget } from '../../src/terms.ts'
import { type CheckedLedger, check, DAY, HOUR, key, MIDNIGHT, use } from './checking.ts'
import { budget, keyOf, NOON, project } from './parts.ts'

describe('budgets', () => {
  const buckets = (...all: (readonly [string, Budget['window'] | 'fortnight', number, number])[]) => ({
    bent: (): Partial<Store> => ({
      buckets: async () =>
        all.map(([lineage, window, bucketStartMs, spentNanoUsd]) => ({
          lineage,
          window,
          bucketStartMs,
          spentNanoUsd,
        })),
    }),
  })
  const differencesOf = ({ checks }: Awaited<ReturnType<typeof check>>) =>
    checks
      .slice(-3)
      .map(one => one.differences.map(({ at, figure, expected, found }) => [at, figure, expected, found]))

  it('spent is the sum of the buckets that still count, and what was charged before its row', async () => {
    const setup = buckets(
      ['key000000001', '5h', NOON, 100],
      ['key000000001', '5h', NOON + HOUR, 20],
      ['key000000001', '5h', NOON - 10 * HOUR, 4_000],
      ['key000000001', 'day', MIDNIGHT, 7],
      ['key000000001', 'day', MIDNIGHT - DAY, 5_000],
      ['key000000001', 'fortnight', NOON, 6_000],
      ['another', 'day', MIDNIGHT, 8_000],
    )
    const ledger: Partial<CheckedLedger> = {
      usageOf: () => [
        use({ window: '5h', spentNanoUsd: 123, heldNanoUsd: 30 }),
        use({ spentNanoUsd: 7, heldNanoUsd: 11 }),
      ],
      openMoney: () => [
        { owner: 'key000000001', window: '5h', nanoUsd: 10, chargedNanoUsd: 0 },
        { owner: 'key000000001', window: '5h', nanoUsd: 20, chargedNanoUsd: 0 },
        { owner: 'key000000001', window: '5h', nanoUsd: 0, chargedNanoUsd: 3 },
        { owner: 'key000000001', window: 'day', nanoUsd: 10, chargedNanoUsd: 0 },
      ],
    }
    const keys = [keyOf({ budgets: [budget('5h', 50_000), budget('day', 50_000)] })]
    const found = await check({ ...setup, ledger, keys })
    expect(differencesOf(found)).toEqual([[], [['key000000001 day', 'held', 10, 11]], []])
    expect(found.checks.slice(-3)).toMatchObject([
      { name: 'spent in every budget = its buckets in the store', compared: 2 },
      { name: 'held in every budget = its open holds', compared: 2 },
      { name: 'spent + held ≤ limit', compared: 2, isNote: true },
    ])
  })

  it('a bucket counts until the moment at which its window has passed', async () => {
    const setup = buckets(['key000000001', 'day', MIDNIGHT - DAY, 5])
    const ledger = (spentNanoUsd: number) => ({ ledger: { usageOf: () => [use({ spentNanoUsd })] } })
    expect(differencesOf(await check({ ...setup, ...ledger(5), nowMs: MIDNIGHT - 1 }))).toEqual([[], [], []])
    expect(differencesOf(await check({ ...setup, ...ledger(0), nowMs: MIDNIGHT }))).toEqual([[], [], []])
  })

  it('what differs is looked at three times, and from the beginning: it may have been a request between two looks', async () => {
    let looks = 0
    const settling: Partial<CheckedLedger> = { usageOf: () => [use({ spentNanoUsd: looks++ < 2 ? 5 : 0 })] }
    expect(differencesOf(await check({ ledger: settling }))).toEqual([[], [], []])
    expect(looks).toBe(3)
    looks = -10
    const found = await check({ ledger: settling })
    expect(differencesOf(found)).toEqual([[['key000000001 day', 'spent', 0, 5]], [], []])
    expect(looks).toBe(-7)
    // once for the sums, once for each look
    expect(found.folds).toBe(4)
  })

  it('what is above its limit is a note: it is looked at once', async () => {
    const keys = [keyOf({ budgets: [budget('day', 100)] })]
    const openMoney = [{ owner: 'key000000001', window: 'day', nanoUsd: 30, chargedNanoUsd: 0 }]
    const ledger: Partial<CheckedLedger> = {
      usageOf: () => [use({ spentNanoUsd: 80, heldNanoUsd: 30 })],
      openMoney: () => openMoney,
    }
    const found = await check({ ...buckets(['key000000001', 'day', MIDNIGHT, 80]), ledger, keys })
    expect(differencesOf(found)).toEqual([[], [], [['key000000001 day', 'above the limit', 0, 10]]])
    expect(found.folds).toBe(2)
  })

  it('a raise counts until it ends; a budget that is gone allows nothing; parts of the traffic are not compared', async () => {
    const raised = (untilMs: number) => [
      keyOf({
        budgets: [
          { ...budget('day', 1), scope: { kind: 'user', name: null } },
          budget('total', 7),
          { ...budget('day', 100), raise: { limitNanoUsd: 300, untilMs } },
        ],
      }),
    ]
    const setup = buckets(['key000000001', 'day', MIDNIGHT, 250])
    const ledger: Partial<CheckedLedger> = {
      usageOf: () => [use({ spentNanoUsd: 250 }), use({ spentNanoUsd: 99, scope: { kind: 'user' } })],
    }
    const nowMs = NOON + 2 * HOUR
    const during = await check({ ...setup, ledger, nowMs, keys: raised(nowMs + 1) })
    expect(differencesOf(during)).toEqual([[], [], []])
    expect(during.named('spent in').compared).toBe(1)
    const after = await check({ ...setup, ledger, nowMs, keys: raised(nowMs) })
    expect(differencesOf(after)).toEqual([[], [], [['key000000001 day', 'above the limit', 0, 150]]])
    const gone = await check({ ...setup, ledger, nowMs, keys: [keyOf()] })
    expect(differencesOf(gone)).toEqual([[], [], [['key000000001 day', 'above the limit', 0, 250]]])
  })

  it('keys of one lineage have one budget; projects and the organisation have theirs', async () => {
    const keys = [key, { ...key, id: 'key000000002' }, keyOf({ id: 'other', lineage: 'other' })]
    const asked: string[] = []
    const ledger: Partial<CheckedLedger> = {
      usageOf: ({ id }) => {
        asked.push(id)
        return []
      },
      usageOfProject: ({ id }) => {
        asked.push(id)
        return [use({ window: 'month', spentNanoUsd: 9 })]
      },
    }
    const found = await check({
      ...buckets(['project:blue', 'month', MIDNIGHT - 14 * DAY, 9]),
      ledger,
      keys,
      projects: [project('blue', [budget('month', 10)])],
    })
    expect(asked).toEqual(['key000000002', 'other', 'blue'])
    expect(differencesOf(found)).toEqual([[], [], []])
    expect(found.named('spent in').compared).toBe(1)
  })
})

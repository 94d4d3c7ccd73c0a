/** Folding rows into real SQLite: what is added to which sum, each attempt once, and all of a batch or nothing, at once and over promises. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { createSqliteDriver, openSqlite } from '../../src/runtime/node/sqlite.ts'
import { bucketSums, createFold } from '../../src/store/fold.ts'
import { packDetail } from '../../src/store/packed.ts'
import type { SqlDriver, Statement } from '../../src/store/sql.ts'
import { createSqliteStore } from '../../src/store/sqlite.ts'
import type { SummedFrom } from '../../src/store/store.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { createFolderFor } from '../ledger/parts.ts'
import { attemptRow, HOUR, T0 } from './rows.ts'

const DAY_0 = T0 - 13 * HOUR
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

/** A migrated database whose batches are noted, and fold over it: answers at once, or later as D1 does. */
async function rig(answers: 'at once' | 'later' = 'at once') {
  const path = join(createFolderFor(cleanups), 'fold.db')
  await openSqlite(path).close()
  const database = new Database(path)
  cleanups.push(() => void database.close())
  const sqlite = createSqliteDriver(database, path)
  const batches: number[] = []
  let asked = 0
  const noted: SqlDriver = {
    ...sqlite,
    all(statement) {
      asked++
      return sqlite.all(statement)
    },
    batch(statements: readonly Statement[]) {
      batches.push(statements.length)
      return sqlite.batch(statements)
    },
  }
  const late: SqlDriver = {
    ...noted,
    bulk: 'json',
    all: async statement => noted.all(statement),
    batch: async statements => noted.batch(statements),
  }
  const fold = createFold(answers === 'at once' ? noted : late)
  const store = createSqliteStore(sqlite)
  const sums = async (from: SummedFrom, toMs = DAY_0 + 24 * HOUR) => {
    const rows = await store.summed(from, DAY_0, toMs)
    return rows.map(row => JSON.stringify(row, Object.keys({ ...row, ...row.group }).sort())).sort()
  }
  return { fold, store, sums, batches, asked: () => asked }
}

const none = () => []
/** Two of one request and one of another: every sum of them is above nothing. */
const rows = (tag: string) => [
  attemptRow({ requestId: `req_${tag}a`, last: false, user: 'ann', tags: ['x'], certainty: 'estimated' }),
  attemptRow({ requestId: `req_${tag}a`, attempt: 2, user: 'ann', tags: ['x'], certainty: 'unknown' }),
  attemptRow({ requestId: `req_${tag}b`, user: 'ann', tags: ['x'], costNanoUsd: null, priceId: null }),
]

describe.each(['at once', 'later'] as const)('fold, answered %s', answers => {
  it('adds to every sum of hours and days what the rows come to, as often as there are new ones', async () => {
    const { fold, sums, store, batches, asked } = await rig(answers)
    await fold(rows('1'), none)
    await fold([...rows('2'), attemptRow({ requestId: 'req_late', createdAtMs: T0 + HOUR })], none)
    const expected = await sums('rows')
    expect(expected.length).toBeGreaterThan(1)
    expect(await sums('hours')).toEqual(expected)
    expect(await sums('days')).toEqual(expected)
    const [total] = await store.spend({ fromMs: T0, toMs: T0 + HOUR, groupBy: [] })
    expect(total).toMatchObject({
      requests: 4,
      attempts: 6,
      costNanoUsd: 4_000,
      estimatedNanoUsd: 2_000,
      unknownNanoUsd: 2_000,
      unpricedRequests: 2,
    })
    for (const figure of ['inputTokens', 'outputTokens', 'cachedTokens'] as const)
      expect(total?.[figure]).toBeGreaterThan(0)
    expect(await store.keyUse()).toEqual([
      { keyId: 'key000000001', lastUsedAtMs: T0 + HOUR, spentNanoUsd: 5_000 },
    ])
    // the usual case is one batch, and asks nothing
    expect([batches.length, asked()]).toEqual([2, 0])
  })

  it('an older row moves no last use back', async () => {
    const { fold, store } = await rig(answers)
    await fold([attemptRow({ createdAtMs: T0 + 5 })], none)
    await fold([attemptRow({ requestId: 'req_old', createdAtMs: T0 - 5 })], none)
    expect(await store.keyUse()).toMatchObject([{ lastUsedAtMs: T0 + 5, spentNanoUsd: 2_000 }])
  })

  it('money goes to its buckets: by owner, window and start; of the lineage where none is named; nothing is no bucket', async () => {
    const { fold, store } = await rig(answers)
    const day = { window: 'day', bucketStartMs: 5 }
    const all = [
      attemptRow({ requestId: 'req_1', costNanoUsd: 3 }),
      attemptRow({ requestId: 'req_2', costNanoUsd: 4 }),
      attemptRow({ requestId: 'req_3', costNanoUsd: 0 }),
      attemptRow({ requestId: 'req_4', costNanoUsd: null }),
      attemptRow({ requestId: 'req_5', costNanoUsd: 9, lineage: 'other' }),
    ]
    const bucketsOf = ({ requestId }: { requestId: string }) =>
      requestId === 'req_3' || requestId === 'req_4'
        ? [{ window: 'month', bucketStartMs: 0 }]
        : [
            day,
            { ...day, owner: 'project:blue' },
            { ...day, window: 'total' },
            { ...day, bucketStartMs: requestId === 'req_1' ? 6 : 7 },
          ]
    await fold(all, bucketsOf)
    await fold([attemptRow({ requestId: 'req_6', costNanoUsd: 1 })], () => [day])
    const found = (await store.buckets(0)).map(
      ({ lineage, window, bucketStartMs, spentNanoUsd }) =>
        `${lineage} ${window} ${bucketStartMs}: ${spentNanoUsd}`,
    )
    expect(found.sort()).toEqual([
      'key000000001 day 5: 8',
      'key000000001 day 6: 3',
      'key000000001 day 7: 4',
      'key000000001 total 5: 7',
      'other day 5: 9',
      'other day 7: 9',
      'other total 5: 9',
      'project:blue day 5: 16',
    ])
  })

  it('money is added up by bucket whoever comes after whom', () => {
    const refs = (owner: string | undefined, starts: readonly number[]) =>
      starts.map(bucketStartMs => ({ owner, window: 'day' as const, bucketStartMs }))
    const lists = [refs(undefined, [5, 7]), refs('project:blue', [5]), [], refs(undefined, [7])]
    const picks = Array.from({ length: 200 }, (_, n) => ({
      row: attemptRow({
        requestId: `req_${n}`,
        lineage: `line${(n >> 1) % 3}`,
        costNanoUsd: n % 5 === 0 ? null : n,
      }),
      buckets: lists[(n >> 2) % 4] ?? [],
    }))
    const expected = new Map<string, number>()
    for (const { row, buckets } of picks)
      for (const { owner = row.lineage, bucketStartMs } of row.costNanoUsd ? buckets : []) {
        const at = `${owner} ${bucketStartMs}`
        expected.set(at, (expected.get(at) ?? 0) + (row.costNanoUsd ?? 0))
      }
    const bucketsOf = (row: AttemptRow) => picks.find(pick => pick.row === row)?.buckets ?? []
    const found = bucketSums(
      picks.map(({ row }) => row),
      bucketsOf,
    )
    expect(new Map(found.map(([owner, , startMs, nanoUsd]) => [`${owner} ${startMs}`, nanoUsd]))).toEqual(
      expected,
    )
  })

  it('an attempt counts once: twice in a batch, or again after a crash, beside new ones or alone', async () => {
    const { fold, sums, store, batches, asked } = await rig(answers)
    const [first, second, third] = rows('1')
    if (!first || !second || !third) throw new Error('three rows')
    await fold([first, { ...first, costNanoUsd: 9 }, second], none)
    expect((await store.request('req_1a'))?.attempts).toHaveLength(2)
    await fold([third, second, first], none)
    await fold([first, second], none)
    const once = await rig(answers)
    await once.fold(rows('1'), none)
    for (const from of ['rows', 'hours', 'days'] as const)
      expect(await sums(from)).toEqual(await once.sums(from))
    // twice one that failed and one with the rest; then one that failed, and nothing was left
    expect([batches.length, asked()]).toEqual([5, 3])
  })

  it('nothing is written of a batch that has one bad row, or that the database refuses for another reason', async () => {
    const { fold, sums, store } = await rig(answers)
    const bad = attemptRow({ requestId: 'req_bad', costNanoUsd: 0.5 })
    await expect(async () => fold([attemptRow(), bad], none)).rejects.toThrow(RangeError)
    const broken = () => [{ window: 'day', bucketStartMs: null as unknown as number }]
    await expect(async () => fold([attemptRow()], broken)).rejects.toThrow(/NOT NULL/)
    expect(await sums('hours')).toEqual([])
    expect(await store.buckets(0)).toEqual([])
    expect(await store.keyUse()).toEqual([])
  })

  it('no rows are no batch, and the text of a row is taken where it is made', async () => {
    const { fold, store, batches } = await rig(answers)
    await fold([], none)
    expect(batches).toEqual([])
    const other = attemptRow({ model: 'told-by-text' })
    await fold([attemptRow()], none, () => packDetail(other))
    expect((await store.request('req_0001'))?.attempts[0]).toMatchObject({ model: 'told-by-text' })
  })
})

it('what is answered at once is written at once', async () => {
  const { fold } = await rig()
  expect(fold([attemptRow()], none)).toBeUndefined()
  expect(fold([attemptRow(), attemptRow({ requestId: 'req_2' })], none)).toBeUndefined()
})

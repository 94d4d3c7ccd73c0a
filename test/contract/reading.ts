/** What reading a large ledger relies on, against the store that computes every view from the rows: filters, pages, sums of users and tags, what is forgotten. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { RequestQuery, SpendGroup, SpendQuery, Store } from '../../src/store/store.ts'
import { dayOf } from '../../src/store/sums.ts'
import { attemptRow, createDice, HOUR, randomRows, T0 } from '../store/rows.ts'

const DAY = 24 * HOUR
const noBuckets = () => []

async function allPages(store: Store, query: RequestQuery): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Store['requests']>> = await store.requests({
      ...query,
      ...(cursor !== null && { cursor }),
    })
    expect(page.data.length).toBeLessThanOrEqual(query.limit)
    ids.push(...page.data.map(request => request.id))
    cursor = page.nextCursor
  } while (cursor !== null)
  return ids
}

const GROUPINGS: readonly (readonly SpendGroup[])[] = [
  ['user'],
  ['tag'],
  ['user', 'tag'],
  ['tag', 'key', 'model'],
  ['user', 'day'],
  ['tag', 'hour'],
  ['user', 'tag', 'provider', 'project', 'hour'],
  ['model', 'day'],
]

/** Every store must pass it. `open` gives an empty one each time. */
export function describeReading(name: string, open: () => Promise<Store>): void {
  describe(`reading: ${name}`, () => {
    let store: Store
    let reference: Store
    beforeEach(async () => {
      store = await open()
      reference = createMemoryStore()
    })
    afterEach(() => store.close())
    const fold = async (rows: ReturnType<typeof randomRows>) => {
      await store.fold(rows, noBuckets)
      await reference.fold(rows, noBuckets)
    }

    it('lists the same requests for every filter, whole and page by page', async () => {
      await fold([
        ...randomRows(150, 21),
        attemptRow({ requestId: 'req_none', status: 0, model: 'model-1' }),
        attemptRow({ requestId: 'req_odd', status: 302, model: 'model-1' }),
        attemptRow({ requestId: 'req_rare', status: 413, model: 'rare', createdAtMs: T0 - 20 * HOUR }),
      ])
      const models = [undefined, 'model-1', 'rare', 'never']
      const statuses = [undefined, 0, 2, 3, 4, 5, 200, 302, 413, 429, 418]
      const keys = [undefined, ['key000000001'], ['key000000000', 'key000000003'], []]
      for (const model of models)
        for (const status of statuses)
          for (const keyIds of keys) {
            const query = {
              ...(model !== undefined && { model }),
              ...(status !== undefined && { status }),
              ...(keyIds !== undefined && { keyIds }),
            }
            const expected = await allPages(reference, { ...query, limit: 1_000 })
            expect(await allPages(store, { ...query, limit: 7 }), JSON.stringify(query)).toEqual(expected)
          }
    })

    it('lists the requests of a model that was used often in one day and seldom in others', async () => {
      const rows = Array.from({ length: 210 }, (_, n) =>
        attemptRow({
          requestId: `req_${String(n).padStart(4, '0')}`,
          createdAtMs: T0 - (n % 3 === 2 && n % 7 === 0 ? DAY * (1 + (n % 4)) : (n % 5) * HOUR + n),
          keyId: `key00000000${n % 4}`,
          model: n % 3 ? 'often' : 'other',
          status: n % 6 ? 200 : 503,
        }),
      )
      await fold([
        ...rows,
        // tried first and never the one that answered, a hundred times in a day
        ...Array.from({ length: 100 }, (_, n) =>
          attemptRow({ requestId: `req_b${n}`, createdAtMs: T0 - 2 * DAY, model: 'broken', last: false }),
        ),
      ])
      for (const query of [
        { model: 'often' },
        { model: 'often', status: 200 },
        { model: 'often', keyIds: ['key000000002'] },
        { model: 'other', keyIds: ['key000000001', 'key000000003'], status: 2 },
        { model: 'broken' },
      ]) {
        const expected = await allPages(reference, { ...query, limit: 1_000 })
        for (const limit of [50, 200])
          expect(await allPages(store, { ...query, limit }), JSON.stringify(query)).toEqual(expected)
      }
      expect(await allPages(store, { model: 'broken', limit: 5 })).toEqual([])
    })

    it('a page that ends in the middle of one millisecond goes on there', async () => {
      const rows = Array.from({ length: 30 }, (_, n) =>
        attemptRow({
          requestId: `req_${String(n).padStart(4, '0')}`,
          createdAtMs: T0 + (n % 2),
          model: n % 3 ? 'a' : 'b',
          status: n % 5 ? 200 : 500,
        }),
      )
      await fold(rows)
      for (const query of [{}, { model: 'a' }, { status: 5 }, { model: 'b', status: 200 }]) {
        const expected = await allPages(reference, { ...query, limit: 100 })
        expect(await allPages(store, { ...query, limit: 1 })).toEqual(expected)
      }
    })

    it('sums users and tags as the rows do, over any span, also the running hour and day', async () => {
      const rows = [
        ...randomRows(200, 22),
        attemptRow({ requestId: 'req_empty', user: '', tags: ['', 'red', ''] }),
        attemptRow({ requestId: 'req_blank', user: '', tags: [''] }),
      ]
      await fold(rows)
      const dice = createDice(5)
      for (const groupBy of GROUPINGS)
        for (let round = 0; round < 6; round++) {
          const fromMs = T0 - 2 * DAY + dice(3 * DAY)
          const span = { fromMs, toMs: fromMs + 1 + dice(3 * DAY) }
          const keyIds = round % 2 === 0 ? undefined : ['key000000002', 'key000000004']
          const query = { ...span, groupBy, ...(keyIds && { keyIds }) }
          expect(await store.spend(query), JSON.stringify(query)).toEqual(await reference.spend(query))
        }
      const nowMs = Math.max(...rows.map(row => row.createdAtMs)) + 1
      for (const groupBy of [...GROUPINGS, [], ['hour']] as const) {
        const query = { fromMs: T0 - 3 * DAY, toMs: nowMs + 90_000, nowMs, groupBy }
        expect(await store.spend(query)).toEqual(await reference.spend(query))
      }
    })

    it('sums spans that cross an hour or a day and cover none whole', async () => {
      const rows = randomRows(300, 24)
      await fold(rows)
      const times = rows.map(row => row.createdAtMs)
      const lastMs = Math.max(...times)
      const dice = createDice(6)
      for (let round = 0; round < 32; round++) {
        const groupBy = [[], ['hour'], ['tag', 'user'], ['model', 'day']][round % 4] as SpendGroup[]
        const boundaryMs = Math.ceil((times[dice(times.length)] as number) / HOUR) * HOUR
        const span = { fromMs: boundaryMs - dice(HOUR), toMs: boundaryMs + dice(HOUR) }
        for (const nowMs of [undefined, lastMs + 1, lastMs + 10 * DAY]) {
          const query = { ...span, groupBy, ...(nowMs !== undefined && { nowMs }) }
          expect(await store.spend(query), JSON.stringify(query)).toEqual(await reference.spend(query))
        }
      }
    })

    it('sums days that are closed as it does open ones, also when a row comes late or is corrected', async () => {
      const rows = randomRows(80, 25)
      const midnight = T0 - (T0 % DAY)
      const months = { fromMs: midnight - 30 * DAY, toMs: midnight + 30 * DAY }
      const same = async (when: string) => {
        for (const query of [
          { ...months, groupBy: [] },
          { ...months, groupBy: ['user'] },
          { ...months, groupBy: ['tag', 'day'] },
          { ...months, groupBy: ['key', 'user'] },
          { fromMs: T0 - 20 * HOUR, toMs: T0 + 2 * HOUR, groupBy: ['user', 'tag'] },
        ] satisfies SpendQuery[])
          expect(await store.spend(query), `${when} ${query.groupBy}`).toEqual(await reference.spend(query))
      }
      await fold(rows)
      const close = () => store.closeDays(midnight + DAY, async () => true)
      // of three days two have ended
      expect(await close()).toBe(name === 'memory' ? 0 : 2)
      await same('closed')
      expect(await close()).toBe(0)
      const late = attemptRow({
        requestId: 'req_late',
        createdAtMs: T0,
        user: 'user-9',
        tags: ['red', 'new'],
      })
      await fold([late])
      await same('late')
      expect(await close()).toBe(name === 'memory' ? 0 : 1)
      await same('closed again')
      const paid = { from: late, to: { ...late, costNanoUsd: 77_000 }, buckets: [] }
      await store.correct([paid])
      await reference.correct([paid])
      await same('corrected')
      expect(await close()).toBe(name === 'memory' ? 0 : 1)
      await same('closed for good')
    })

    it('sums closed hours, days and weeks in every grouping, over any span, also when some days are open again', async () => {
      const midnight = T0 - (T0 % DAY)
      const dice = createDice(9)
      // every question to D1 goes through another process: one week and the views that are read in one way each
      const isSlow = name === 'D1'
      const days = isSlow ? 14 : 26
      const rows = randomRows(isSlow ? 24 : 260, 28).map(row => {
        const createdAtMs = midnight - dice(days) * DAY + dice(DAY)
        return { ...row, createdAtMs }
      })
      await fold(rows)
      const nowMs = midnight + DAY + HOUR
      const few: readonly (readonly SpendGroup[])[] = [['user', 'tag'], ['key', 'hour'], ['model'], ['day']]
      const all: readonly (readonly SpendGroup[])[] = [
        [],
        ...(['key', 'project', 'model', 'provider', 'day', 'hour', 'user', 'tag'] as const).map(one => [one]),
        ['user', 'tag'],
        ['key', 'hour'],
        ['hour', 'model'],
        ['day', 'provider', 'project'],
        ['day', 'key'],
        ['tag', 'day'],
        ['user', 'hour'],
        ['key', 'model'],
        ['user', 'key'],
        ['tag', 'user', 'model'],
      ]
      const groupings = isSlow ? few : all
      const same = async (when: string) => {
        for (const groupBy of groupings)
          for (let round = 0; round < (isSlow ? 1 : 3); round++) {
            const fromMs =
              midnight - dice(27 * 24) * (round === 0 ? DAY / 24 : HOUR) - (round === 2 ? dice(HOUR) : 0)
            const sizeMs = round === 0 ? (1 + dice(30)) * DAY : 1 + dice(30 * DAY)
            const span = { fromMs, toMs: fromMs + sizeMs }
            const query = { ...span, groupBy, ...(round === 1 && { nowMs }) }
            expect(await store.spend(query), `${when}: ${JSON.stringify(query)}`).toEqual(
              await reference.spend(query),
            )
          }
        for (const groupBy of groupings) {
          const query = { fromMs: midnight - 40 * DAY, toMs: midnight + DAY, groupBy }
          expect(await store.spend(query), `${when}: ${groupBy}`).toEqual(await reference.spend(query))
        }
      }
      const close = () => store.closeDays(nowMs, async () => true)
      expect(await close()).toBe(
        name === 'memory' ? 0 : new Set(rows.map(row => dayOf(row.createdAtMs))).size,
      )
      await same('closed')
      // late rows in two of the weeks, and a correction in the third
      const late = [3, 10].map((ago, n) =>
        attemptRow({
          requestId: `req_late${n}`,
          createdAtMs: midnight - ago * DAY,
          user: 'late',
          tags: ['red'],
        }),
      )
      await fold(late)
      const wrong = rows.find(row => row.createdAtMs < midnight - 7 * DAY) ?? attemptRow()
      const change = { from: wrong, to: { ...wrong, costNanoUsd: (wrong.costNanoUsd ?? 0) + 5 }, buckets: [] }
      await store.correct([change])
      await reference.correct([change])
      await same('late')
      // stopped after any number of steps, until all is closed again
      for (let steps = 0, open = name !== 'memory'; open; steps += isSlow ? 500 : 7) {
        let left = steps
        await store.closeDays(nowMs, async () => left-- > 0)
        open = left < 0
        const query = { fromMs: midnight - 30 * DAY, toMs: midnight + DAY, groupBy: ['user', 'tag'] as const }
        expect(await store.spend(query), `after ${steps} steps`).toEqual(await reference.spend(query))
      }
      await same('closed again')
      expect(await close()).toBe(0)
    }, 120_000)

    it('a day whose closing was stopped, or outdated in the middle, stays open', async () => {
      if (name === 'memory') return
      const midnight = T0 - (T0 % DAY)
      await fold(randomRows(40, 26))
      let late = 0
      const lateRow = () =>
        attemptRow({ requestId: `req_late${late}`, user: `user-${late++}`, tags: ['red'], createdAtMs: T0 })
      const query = { fromMs: midnight - 3 * DAY, toMs: midnight + DAY, groupBy: ['user', 'tag'] as const }
      const same = async () => expect(await store.spend(query)).toEqual(await reference.spend(query))
      // stopped after each step in turn
      for (let steps = 0; steps < 4; steps++) {
        let left = steps
        expect(await store.closeDays(midnight, async () => left-- > 0)).toBe(0)
        await same()
      }
      // corrected between two steps: what was added up before has the old cost
      const first = lateRow()
      await fold([first])
      let costNanoUsd = first.costNanoUsd ?? 0
      for (let step = 0; step < 6; step++) {
        let left = step
        await fold([lateRow()])
        await store.closeDays(midnight + DAY, async () => {
          if (left-- !== 0) return true
          const from = { ...first, costNanoUsd }
          costNanoUsd += 1_000
          const change = { from, to: { ...first, costNanoUsd }, buckets: [] }
          await store.correct([change])
          await reference.correct([change])
          await store.closeDays(midnight + DAY, async () => false)
          return true
        })
        expect(left).toBeLessThan(0)
        await same()
      }
      // outdated: a row comes when part of its day is added up
      await fold([lateRow()])
      await store.closeDays(midnight + DAY, async () => {
        await fold([lateRow()])
        return true
      })
      await same()
      await store.closeDays(midnight + DAY, async () => true)
      await same()
      expect(await store.closeDays(midnight + DAY, async () => true)).toBe(0)
    })

    it('forgets the oldest rows, so many at a time, and keeps every sum', async () => {
      await store.fold(randomRows(60, 23), noBuckets)
      const view = { fromMs: T0 - 3 * DAY, toMs: T0 + 3 * DAY, groupBy: ['key', 'day'] as const }
      const sums = await store.spend({
        ...view,
        fromMs: T0 - (T0 % DAY) - 2 * DAY,
        toMs: T0 - (T0 % DAY) + 3 * DAY,
      })
      const use = await store.keyUse()
      const newest = (await store.requests({ limit: 5 })).data
      expect(await store.oldestDay()).toBeLessThan(T0)
      const beforeMs = T0 + 10 * HOUR
      let gone = 0
      for (let count = -1; count !== 0; gone += count) {
        count = await store.forgetRequests(beforeMs, 16)
        expect(count).toBeLessThanOrEqual(16)
      }
      expect(gone).toBeGreaterThan(16)
      const left = await allPages(store, { limit: 100 })
      for (const id of left) {
        const request = await store.request(id)
        expect(request?.attempts[0]?.createdAtMs).toBeGreaterThanOrEqual(beforeMs)
      }
      expect((await store.requests({ limit: 5 })).data).toEqual(newest)
      if (name !== 'memory') {
        expect(
          await store.spend({ ...view, fromMs: T0 - (T0 % DAY) - 2 * DAY, toMs: T0 - (T0 % DAY) + 3 * DAY }),
        ).toEqual(sums)
        expect(await store.keyUse()).toEqual(use)
      }
      expect(await store.forgetRequests(beforeMs, 16)).toBe(0)
    })

    it('an answer’s id is found in the newest day that has it, a request’s own id wherever it is', async () => {
      await store.fold(
        [
          attemptRow({ requestId: 'req_old', answerId: 'chatcmpl-1', createdAtMs: T0 - 3 * DAY }),
          attemptRow({ requestId: 'req_new', answerId: 'chatcmpl-1', createdAtMs: T0 }),
          attemptRow({ requestId: 'req_sly', answerId: 'req_old', createdAtMs: T0 }),
        ],
        noBuckets,
      )
      expect((await store.request('chatcmpl-1'))?.id).toBe('req_new')
      expect((await store.request('req_old'))?.id).toBe('req_old')
      expect(await store.request('chatcmpl-2')).toBeUndefined()
    })
  })
}

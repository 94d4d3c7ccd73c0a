/** What the check compares with what: every figure, which hours and days, what still runs, how it steps. Rows in memory, one source bent at a time. */
import { describe, expect, it } from 'vitest'
import type { SpendRow, Store } from '../../src/store/store.ts'
import type { AttemptRow } from '../../src/terms.ts'
import { attemptRow } from '../store/rows.ts'
import { check, DAY, HOUR, MIDNIGHT } from './checking.ts'
import { NOON } from './parts.ts'

const GROUP = { key: 'k', model: 'm', project: null, user: '' }
const row = (changes: Partial<SpendRow> = {}): SpendRow => ({
  group: GROUP,
  requests: 1,
  attempts: 2,
  inputTokens: 3,
  outputTokens: 4,
  cachedTokens: 5,
  costNanoUsd: 6,
  estimatedNanoUsd: 7,
  unknownNanoUsd: 8,
  unpricedRequests: 9,
  ...changes,
})
const FIGURES = Object.keys(row()).filter(name => name !== 'group') as Exclude<keyof SpendRow, 'group'>[]
/** `found` in the sums of the hour at noon, beside the row above. */
const hourOfNoon = (found: readonly SpendRow[], expected: readonly SpendRow[] = [row()]) => ({
  bent: (): Partial<Store> => ({
    summed: async (from, fromMs) => (fromMs !== NOON ? [] : from === 'rows' ? expected : found),
  }),
})

describe('rows and their sums', () => {
  it('that agree are counted, figure by figure', async () => {
    const { named } = await check(hourOfNoon([row()]))
    expect(named('rows = hourly sums')).toEqual({
      name: 'rows = hourly sums',
      compared: FIGURES.length,
      differences: [],
      notLookedAtFromMs: NOON + 2 * 3_600_000,
    })
  })

  it.each(FIGURES)('%s that differ are told, both sides of them', async figure => {
    const { named } = await check(hourOfNoon([row({ [figure]: 100 })]))
    expect(named('rows = hourly sums').differences).toEqual([
      { at: '2026-01-15T12:00:00.000Z key=k model=m', figure, expected: row()[figure], found: 100 },
    ])
  })

  it('what only one side has is compared with nothing', async () => {
    const other = { key: 'other' }
    const { named } = await check(hourOfNoon([row({ group: other })]))
    const { differences, compared } = named('rows = hourly sums')
    expect(compared).toBe(2 * FIGURES.length)
    const at = '2026-01-15T12:00:00.000Z'
    expect(differences).toEqual([
      ...FIGURES.map(figure => ({ at: `${at} key=k model=m`, figure, expected: row()[figure], found: 0 })),
      ...FIGURES.map(figure => ({ at: `${at} key=other`, figure, expected: 0, found: row()[figure] })),
    ])
  })

  it('a hundred differences say enough, and all the rest is still counted', async () => {
    const many = Array.from({ length: 20 }, (_, n) => row({ group: { key: `k${n}` } }))
    const { named } = await check(hourOfNoon([], many))
    expect(named('rows = hourly sums').differences).toHaveLength(100)
    expect(named('rows = hourly sums').compared).toBe(20 * FIGURES.length)
  })
})

describe('hours and days', () => {
  it('are those from the oldest row’s day to the hour that runs and the day that runs, one step each with a pause', async () => {
    const rows = [-25, 1, 13].map((hour, n) =>
      attemptRow({ requestId: `req_${n}`, createdAtMs: MIDNIGHT + hour * HOUR }),
    )
    const { of, pauses, folds } = await check({ rows, nowMs: NOON + 2 * HOUR + 59 })
    const hours = Array.from({ length: 48 + 14 }, (_, n) => `${n - 48}-${n - 47}`)
    expect(of('rows')).toEqual(hours)
    expect(of('endings')).toEqual(hours)
    // days without a row have no sums; today's grows while it is read
    expect(of('days')).toEqual(['-48--24'])
    expect(of('hours')).toEqual([...hours, '-48--24'])
    expect(pauses).toBe(2 * hours.length + 2)
    expect(folds).toBe(2)
  })

  it('of no rows there are none', async () => {
    const { of, checks } = await check({ rows: [] })
    expect([of('rows'), of('days'), of('endings')]).toEqual([[], [], []])
    expect(checks.map(({ name, compared }) => [name, compared])).toEqual([
      ['rows = hourly sums', 0],
      ['hourly sums = daily sums', 0],
      ['daily sums = closed days', 0],
      ['key totals = daily sums', 0],
      ['every request ended once', 0],
      ['spent in every budget = its buckets in the store', 0],
      ['held in every budget = its open holds', 0],
      ['spent + held ≤ limit', 0],
    ])
  })

  it('begin where rows are whole since others were forgotten, or where somebody asks from, at the full hour', async () => {
    const keptSince = async (name: string) => (name === 'requests_kept_since_ms' ? String(NOON) : undefined)
    const kept = await check({ bent: () => ({ setting: keptSince }) })
    expect(kept.of('rows')).toEqual(['12-13', '13-14'])
    const asked = await check({ sinceMs: NOON + HOUR + 7 })
    expect(asked.of('rows')).toEqual(['13-14'])
    const later = await check({ sinceMs: NOON + HOUR, bent: () => ({ setting: keptSince }) })
    expect(later.of('rows')).toEqual(['13-14'])
    const ahead = await check({ sinceMs: NOON + DAY })
    expect(ahead.of('rows')).toEqual([])
  })

  it('a day that is cut by where it begins is compared whole; earlier ones and today are not', async () => {
    const rows = [-49, -30, -1, 13].map((hour, n) =>
      attemptRow({ requestId: `req_${n}`, createdAtMs: MIDNIGHT + hour * HOUR }),
    )
    const { of } = await check({ rows, sinceMs: MIDNIGHT - 5 * HOUR })
    expect(of('days')).toEqual(['-24-0'])
    expect((await check({ rows, sinceMs: MIDNIGHT })).of('days')).toEqual([])
    const all = await check({ rows })
    expect(all.of('days')).toEqual(['-72--48', '-48--24', '-24-0'])
  })
})

describe('closed days', () => {
  const at = (requestId: string, changes: Partial<AttemptRow>) =>
    attemptRow({ requestId, createdAtMs: MIDNIGHT - HOUR, user: 'ann', tags: ['x'], ...changes })
  const rows = [
    at('req_1', { provider: 'one' }),
    at('req_2', { provider: 'two' }),
    at('req_3', { provider: 'two', user: null, tags: [] }),
    at('req_4', { createdAtMs: MIDNIGHT }),
  ]
  /** As a view of users and tags alone is answered, one figure of ann's more than there is. */
  const more = (requests: number) => ({
    bent: (store: Store): Partial<Store> => ({
      async spend(query) {
        const found = await store.spend(query)
        if (query.groupBy.join() !== 'user,tag') return found
        return found.map(row => (row.group.user ? { ...row, requests: row.requests + requests } : row))
      },
    }),
  })

  it('are as their providers come to, for each user and tag', async () => {
    const { named, pauses } = await check({ rows, ...more(0) })
    expect(named('daily sums = closed')).toMatchObject({ compared: 9 * FIGURES.length, differences: [] })
    // 38 hours twice, and the day before today twice
    expect(pauses).toBe(2 * 38 + 2)
  })

  it('that are not are told, with the user and the tag', async () => {
    const { named } = await check({ rows, ...more(5) })
    expect(named('daily sums = closed').differences).toEqual([
      { at: '2026-01-14T00:00:00.000Z user=ann tag=x', figure: 'requests', expected: 2, found: 7 },
    ])
  })
})

describe('what else is added up of closed days', () => {
  const rows = Array.from({ length: 12 }, (_, n) =>
    attemptRow({ requestId: `req_${n}`, createdAtMs: MIDNIGHT - n * DAY + 1, user: 'ann', tags: ['x'] }),
  )
  const wrongAs = async (groups: string, sizeMs: number) => {
    const bent = (store: Store): Partial<Store> => ({
      async spend(query) {
        const found = await store.spend(query)
        if (query.groupBy.join() !== groups || query.toMs - query.fromMs !== sizeMs) return found
        return found.map(row => ({ ...row, outputTokens: row.outputTokens + 1 }))
      },
    })
    const { named } = await check({ rows, bent })
    return named('daily sums = closed').differences
  }

  it.each(['key', 'model,provider,project', 'hour', 'hour,key', 'hour,model,provider,project'])(
    'a day by %s is told where it is wrong',
    async groups => {
      const differences = await wrongAs(groups, DAY)
      expect(differences.length).toBeGreaterThan(5)
      for (const { figure, expected, found } of differences)
        expect([figure, found]).toEqual(['outputTokens', expected + 1])
    },
  )

  it('a week is as its days come to, and told where it is not', async () => {
    const weekMs = 7 * DAY
    const [wrong, ...rest] = await wrongAs('user,tag', weekMs)
    expect(rest).toEqual([])
    const start = new Date(Math.floor((MIDNIGHT - 3 * DAY) / weekMs) * weekMs).toISOString()
    expect(wrong).toMatchObject({ at: `${start} user=ann tag=x`, figure: 'outputTokens' })
  })
})

describe('totals of keys', () => {
  const uses = (...all: (readonly [string, number])[]) => ({
    bent: (): Partial<Store> => ({
      keyUse: async () => all.map(([keyId, spentNanoUsd]) => ({ keyId, lastUsedAtMs: NOON, spentNanoUsd })),
    }),
  })
  const rows = [
    attemptRow({ createdAtMs: NOON, keyId: 'a', costNanoUsd: 5 }),
    attemptRow({ createdAtMs: NOON - 40 * DAY, requestId: 'req_old', keyId: 'a', costNanoUsd: 2 }),
    // when it was made the clock was wrong
    attemptRow({ createdAtMs: NOON + 40 * DAY, requestId: 'req_new', keyId: 'b', costNanoUsd: 3 }),
  ]

  it('are the sums of all their days, those ahead of the clock too', async () => {
    const { named } = await check({ rows, ...uses(['a', 7], ['b', 3]), sinceMs: NOON })
    expect(named('key totals')).toEqual({ name: 'key totals = daily sums', compared: 2, differences: [] })
  })

  it('that differ, or are only on one side, are told', async () => {
    const { named } = await check({ rows, ...uses(['a', 8], ['c', 1]), sinceMs: NOON })
    expect(named('key totals').differences).toEqual([
      { at: 'key=a', figure: 'costNanoUsd', expected: 7, found: 8 },
      { at: 'key=b', figure: 'costNanoUsd', expected: 3, found: 0 },
      { at: 'key=c', figure: 'costNanoUsd', expected: 0, found: 1 },
    ])
  })
})

describe('ends of requests', () => {
  const nowMs = NOON + 2 * HOUR
  const wrongOf = async (wrong: Awaited<ReturnType<Store['endings']>>['wrong']) => {
    const atNoon: Store['endings'] = async fromMs => ({ requests: 3, wrong: fromMs === NOON ? wrong : [] })
    return (await check({ nowMs, bent: () => ({ endings: atNoon }) })).named('every request')
  }

  it('none is missing of what may still run; what began over an hour ago has ended', async () => {
    const { differences, compared } = await wrongOf([
      { id: 'running', endings: 0, createdAtMs: nowMs - HOUR },
      { id: 'lost', endings: 0, createdAtMs: nowMs - HOUR - 1 },
      { id: 'twice', endings: 2, createdAtMs: nowMs - 1 },
    ])
    expect(differences).toEqual([
      { at: 'lost', figure: 'last rows', expected: 1, found: 0 },
      { at: 'twice', figure: 'last rows', expected: 1, found: 2 },
    ])
    // three in each of the fourteen hours of the day
    expect(compared).toBe(3 * 14)
  })

  it('of more than a hundred that are wrong a hundred are named', async () => {
    const many = Array.from({ length: 150 }, (_, n) => ({ id: `r${n}`, endings: 2, createdAtMs: NOON }))
    expect((await wrongOf(many)).differences).toHaveLength(100)
  })
})

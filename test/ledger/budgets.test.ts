/** The deciding core of the ledger by itself: which budgets a request falls under, which of them refuses, and what is told of them. */
import { describe, expect, it, test } from 'vitest'
import type { Shortfall } from '../../src/deps.ts'
import { createBudgets, type Taken } from '../../src/ledger/budgets.ts'
import { holderOfKey, holderOfProject } from '../../src/ledger/owners.ts'
import type { Budget } from '../../src/terms.ts'
import { budget, keyOf, NOON, part, project } from './parts.ts'

const HOUR = 3_600_000
const soft = (given: Budget, softNanoUsd: number): Budget => ({ ...given, softNanoUsd })
const taken = (value: Taken | Shortfall): Taken => {
  if ('limit' in value) throw new Error(`refused by ${value.limit}`)
  return value
}
const short = (value: Taken | Shortfall): Shortfall => {
  if (!('limit' in value)) throw new Error('not refused')
  return value
}

describe('whom a budget counts', () => {
  it('a key without budgets, and without any above it, pays into nothing', () => {
    const budgets = createBudgets()
    const bare = keyOf()
    expect(taken(budgets.take(bare, 1e15, NOON)).buckets).toEqual([])
    expect(budgets.applies(bare, {})).toBe(false)
    expect(budgets.available(bare, NOON)).toBeUndefined()
    // an organisation that says nothing, a project that nobody knows
    budgets.adopt([project('organisation', [])])
    expect(taken(budgets.take(bare, 1e15, NOON)).buckets).toEqual([])
    expect(budgets.applies(bare, {})).toBe(false)
    expect(budgets.applies(keyOf({ project: 'gone' }), {})).toBe(false)
  })

  it('one of the key, of its project, of the organisation; after a change of the projects as they are then', () => {
    const budgets = createBudgets()
    expect(budgets.applies(keyOf({ budgets: [budget('day', 1)] }), {})).toBe(true)
    const member = keyOf({ project: 'p' })
    const bare = keyOf()
    budgets.adopt([project('p', [budget('day', 5)]), project('q', [budget('day', 5)])])
    expect([member, bare].map(key => budgets.applies(key, {}))).toEqual([true, false])
    expect(short(budgets.take(member, 6, NOON)).limit).toBe('project.budget.day')
    budgets.adopt([project('p', []), project('organisation', [budget('total', 7)])])
    expect([member, bare].map(key => budgets.applies(key, {}))).toEqual([true, true])
    for (const key of [member, bare])
      expect(short(budgets.take(key, 8, NOON)).limit).toBe('organisation.budget.total')
    taken(budgets.take(member, 6, NOON))
    budgets.adopt([])
    expect([member, bare].map(key => budgets.applies(key, {}))).toEqual([false, false])
  })

  it('one for a part counts that part alone', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [part('model', 'gpt-5', 10)] })
    expect(budgets.applies(key, { model: 'gpt-5' })).toBe(true)
    expect(budgets.applies(key, { model: 'other' })).toBe(false)
    expect(taken(budgets.take(key, 11, NOON, { model: 'other' })).buckets).toEqual([])
    expect(short(budgets.take(key, 11, NOON, { model: 'gpt-5' })).limit).toBe('key.model.budget.day')
    const mixed = keyOf({ budgets: [budget('total', 100), part('tag', null, 10)], lineage: 'mixed' })
    expect(taken(budgets.take(mixed, 5, NOON, { tags: ['a', 'b'] })).buckets).toHaveLength(3)
  })

  it.each([[[30, 50]], [[50, 30]]])(
    'of two plain ones for the same window the smaller counts, whichever stands first: %j',
    limits => {
      const key = keyOf({ budgets: limits.map(limit => budget('day', limit)) })
      const budgets = createBudgets()
      expect(short(budgets.take(key, 31, NOON)).availableNanoUsd).toBe(30)
      expect(taken(budgets.take(key, 30, NOON)).buckets).toHaveLength(1)
      // one for a part is no twin of one for all
      const beside = keyOf({ budgets: [part('user', null, 5), budget('day', 50)], lineage: 'beside' })
      expect(short(budgets.take(beside, 6, NOON)).limit).toBe('key.user.budget.day')
      expect(short(budgets.take(beside, 51, NOON, { user: 'ada' }))).toMatchObject({ availableNanoUsd: 5 })
    },
  )
})

describe('a refusal', () => {
  it('names the tightest, of equals the first', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('week', 10), budget('day', 10), budget('month', 9)] })
    expect(short(budgets.take(key, 20, NOON))).toMatchObject({
      limit: 'key.budget.month',
      availableNanoUsd: 9,
      owner: undefined,
    })
    const equals = keyOf({ budgets: [budget('week', 10), budget('day', 10)], lineage: 'equals' })
    expect(short(budgets.take(equals, 20, NOON)).limit).toBe('key.budget.week')
  })

  it('is for held money only if nothing that refuses is spent', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 100), budget('total', 60)] })
    const first = taken(budgets.take(key, 60, NOON))
    expect(short(budgets.take(key, 50, NOON))).toMatchObject({ heldByOthers: true, availableNanoUsd: 0 })
    budgets.settle(first, 60, 20, NOON)
    taken(budgets.take(key, 40, NOON))
    // of the total 20 are spent and 40 held: 50 would not fit if all came back, 40 would
    expect(short(budgets.take(key, 50, NOON)).heldByOthers).toBe(false)
    expect(short(budgets.take(key, 40, NOON)).heldByOthers).toBe(true)
    expect(short(budgets.take(key, 1, NOON)).resetsAtMs).toBeNull()
  })

  it('what is available says whether others hold any of it', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 100), budget('5h', 200)] })
    expect(budgets.available(key, NOON)).toMatchObject({ availableNanoUsd: 100, heldByOthers: false })
    const hold = taken(budgets.take(key, 30, NOON))
    expect(budgets.available(key, NOON)).toMatchObject({ availableNanoUsd: 70, heldByOthers: true })
    // the day has turned, the rolling window still has it
    expect(budgets.available(key, NOON + 12 * HOUR - 1)).toMatchObject({ availableNanoUsd: 70 })
    budgets.settle(hold, 30, 10, NOON)
    expect(budgets.available(key, NOON)).toMatchObject({ availableNanoUsd: 90, heldByOthers: false })
    const late = NOON + 11 * HOUR
    taken(budgets.take(key, 5, late))
    expect(budgets.available(key, late + 2 * HOUR)).toMatchObject({
      availableNanoUsd: 100,
      heldByOthers: true,
    })
  })

  it('more for a hold is judged by every budget, and changes none when one refuses', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 100), budget('total', 60)] })
    const hold = taken(budgets.take(key, 50, NOON))
    expect(budgets.extend(hold, 11, NOON)).toBe(false)
    expect(budgets.available(key, NOON)?.availableNanoUsd).toBe(10)
    expect(budgets.extend(hold, 10, NOON)).toBe(true)
    expect(budgets.usage(holderOfKey(key), NOON).map(use => use.heldNanoUsd)).toEqual([60, 60])
  })
})

describe('soft limits', () => {
  const buy = (budgets: ReturnType<typeof createBudgets>, key: ReturnType<typeof keyOf>, amount: number) =>
    budgets.settle(taken(budgets.take(key, amount, NOON)), amount, amount, NOON)

  it('are told of by the settlement that passes them, and by no other', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [soft(budget('day', 100), 50), budget('total', 100)] })
    expect(buy(budgets, key, 50)).toEqual([])
    expect(buy(budgets, key, 1)).toEqual([
      { limit: 'key.budget.day', owner: key.lineage, window: 'day', spentNanoUsd: 51, softNanoUsd: 50 },
    ])
    expect(buy(budgets, key, 1)).toEqual([])
    expect(buy(createBudgets(), keyOf({ budgets: [budget('day', 100)] }), 100)).toEqual([])
  })

  it('of a window that rolls around them are told of once in a period', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [soft(budget('5h', 100), 10)] })
    const at = (hours: number, amount: number) => {
      const nowMs = NOON + hours * HOUR
      return budgets.settle(taken(budgets.take(key, amount, nowMs)), amount, amount, nowMs).length
    }
    expect([at(0, 8), at(1, 8)]).toEqual([0, 1])
    // the first 8 have left, the next take it past the limit again, within the life of those that told of it
    expect([at(5.5, 1), at(5.6, 4)]).toEqual([0, 0])
    // and after it
    expect([at(20, 8), at(20.5, 8)]).toEqual([0, 1])
  })

  it('that are set below what is spent already are not passed by what comes after', () => {
    const budgets = createBudgets()
    buy(budgets, keyOf({ budgets: [budget('day', 100)] }), 60)
    expect(buy(budgets, keyOf({ budgets: [soft(budget('day', 100), 50)] }), 5)).toEqual([])
  })

  it('name whose part it is, and of a window that has rolled on nothing is told', () => {
    const budgets = createBudgets()
    const key = keyOf({ project: 'p' })
    budgets.adopt([project('p', [soft(part('user', null, 100), 10), soft(budget('5h', 100), 10)])])
    const one = taken(budgets.take(key, 20, NOON, { user: 'ada' }))
    const two = taken(budgets.take(key, 20, NOON, { user: 'bob' }))
    expect(budgets.settle(one, 20, 20, NOON)).toMatchObject([
      { limit: 'project.budget.5h', owner: 'project:p' },
      { limit: 'project.user.budget.day', owner: 'project:p/user:ada', spentNanoUsd: 20 },
    ])
    expect(budgets.settle(two, 20, 20, NOON + 6 * HOUR)).toMatchObject([
      { limit: 'project.user.budget.day', owner: 'project:p/user:bob' },
    ])
  })
})

describe('how budgets stand', () => {
  it('what remains is neither spent nor held, and never less than nothing', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 100)] })
    const first = taken(budgets.take(key, 60, NOON))
    taken(budgets.take(key, 10, NOON))
    budgets.settle(first, 60, 45, NOON)
    const use = () => budgets.usage(holderOfKey(key), NOON)
    expect(use()).toMatchObject([{ spentNanoUsd: 45, heldNanoUsd: 10, remainingNanoUsd: 45 }])
    const over = taken(budgets.take(key, 10, NOON))
    budgets.settle(over, 10, 500, NOON)
    expect(use()).toMatchObject([{ spentNanoUsd: 545, heldNanoUsd: 10, remainingNanoUsd: 0 }])
  })

  it('of one for each name the fullest, of equals the first, without those that have their own', () => {
    const budgets = createBudgets()
    const weekly: Budget = { ...part('user', 'eve', 9), window: 'week' }
    // a tag of the same name is somebody else
    const namesake = part('tag', 'dan', 7)
    const key = keyOf({ budgets: [part('user', null, 100), part('user', 'ada', 50), weekly, namesake] })
    const use = () => budgets.usage(holderOfKey(key), NOON)
    const buy = (user: string, amount: number) => taken(budgets.take(key, amount, NOON, { user }))
    expect(use()).toMatchObject([{ fullest: null, spentNanoUsd: 0 }, { spentNanoUsd: 0 }, {}, {}])
    buy('ada', 40)
    expect(use()).toMatchObject([{ fullest: null, heldNanoUsd: 0 }, { heldNanoUsd: 40 }, {}, {}])
    expect(use()[1]?.fullest).toBeUndefined()
    buy('bob', 20)
    buy('cid', 20)
    expect(use()[0]).toMatchObject({ fullest: 'bob', heldNanoUsd: 20, remainingNanoUsd: 80 })
    // her own budget is for the week: in that of the day she is one of all
    buy('eve', 9)
    expect(use()).toMatchObject([{ fullest: 'bob' }, {}, { heldNanoUsd: 9 }, {}])
    buy('dan', 21)
    expect(use()[0]).toMatchObject({ fullest: 'dan', heldNanoUsd: 21 })
    // hers of the day alone is more than anybody's, though her week's is full
    const late = NOON + 24 * HOUR
    const week = keyOf({ budgets: [part('user', null, 100), weekly], lineage: 'week' })
    taken(budgets.take(week, 5, late, { user: 'eve' }))
    expect(budgets.usage(holderOfKey(week), late)[0]).toMatchObject({ fullest: 'eve', heldNanoUsd: 5 })
  })

  it('a budget that was restored is as full as the store says, at every level and for every part', () => {
    const budgets = createBudgets()
    const key = keyOf({ project: 'p', budgets: [budget('total', 100), part('tag', null, 100)] })
    const day = NOON - 12 * HOUR
    budgets.restore(key.lineage, 'total', 0, 70)
    budgets.restore(`${key.lineage}/tag:batch`, 'day', day, 95)
    budgets.restore('project:p', 'day', day, 30)
    const above = project('p', [budget('day', 50)])
    budgets.adopt([above])
    expect(budgets.usage(holderOfKey(key), NOON)).toMatchObject([
      { spentNanoUsd: 70 },
      { spentNanoUsd: 95, fullest: 'batch' },
    ])
    expect(budgets.usage(holderOfProject(above), NOON)).toMatchObject([{ spentNanoUsd: 30 }])
    expect(short(budgets.take(key, 6, NOON, { tags: ['batch'] })).limit).toBe('key.tag.budget.day')
    expect(short(budgets.take(key, 21, NOON)).limit).toBe('project.budget.day')
    expect(taken(budgets.take(key, 20, NOON)).buckets.map(({ ref }) => ref.owner)).toEqual([
      undefined,
      'project:p',
      `${key.lineage}/tag:`,
    ])
  })
})

test.each([10, 25])('a request that costs nothing is refused by nobody, with %i of 10 spent', spent => {
  const budgets = createBudgets()
  const key = keyOf({ budgets: [budget('total', 10)] })
  budgets.settle(taken(budgets.take(key, 10, NOON)), 10, spent, NOON)
  expect(short(budgets.take(key, 1, NOON)).availableNanoUsd).toBe(0)
  expect(taken(budgets.take(key, 0, NOON)).buckets).toHaveLength(1)
})

test('money above keys is booked under its owner’s name, a key’s own goes without saying', () => {
  const budgets = createBudgets()
  budgets.adopt([project('p', [budget('day', 9)]), project('organisation', [budget('day', 9)])])
  const { buckets } = taken(budgets.take(keyOf({ project: 'p', budgets: [budget('day', 9)] }), 1, NOON))
  expect(buckets.map(({ ref }) => ref.owner)).toEqual([undefined, 'project:p', 'project:organisation'])
})

describe('what is told of a budget that is short', () => {
  it('how many draw on it: attempts, whatever they hold, and as many as began', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 1_000)] })
    const others = () => budgets.available(key, NOON)?.others
    expect(others()).toBe(0)
    const first = taken(budgets.take(key, 100, NOON))
    expect(budgets.extend(first, 50, NOON)).toBe(true)
    expect(others()).toBe(1)
    const second = taken(budgets.take(key, 0, NOON))
    expect(others()).toBe(2)
    expect(short(budgets.take(key, 2_000, NOON)).others).toBe(2)
    budgets.settle(first, 150, 100, NOON)
    budgets.settle(second, 0, 0, NOON)
    // two have lately run beside one another
    expect(others()).toBe(1)
  })

  it('whether waiting helps, is asked about an amount; by default whether anything is held', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 1_000)] })
    const helps = (nanoUsd?: number) => budgets.available(key, NOON, {}, nanoUsd)?.heldByOthers
    expect(helps()).toBe(false)
    budgets.settle(taken(budgets.take(key, 400, NOON)), 400, 400, NOON)
    const open = taken(budgets.take(key, 300, NOON))
    expect(helps()).toBe(true)
    // 300 are left, and 600 once all that is held has come back
    expect([helps(300), helps(600), helps(601)]).toEqual([true, true, false])
    budgets.settle(open, 300, 0, NOON)
    expect(helps(600)).toBe(false)
  })

  it('of two plain budgets for one window the smaller counts, whichever stands first', () => {
    for (const list of [
      [budget('day', 500), budget('day', 200)],
      [budget('day', 200), budget('day', 500)],
    ])
      expect(createBudgets().available(keyOf({ budgets: list }), NOON)?.availableNanoUsd).toBe(200)
  })

  it('a cost that a person states changes what is spent where it was spent, and nothing that nobody knows', () => {
    const budgets = createBudgets()
    const key = keyOf({ budgets: [budget('day', 1_000)] })
    budgets.settle(taken(budgets.take(key, 400, NOON)), 400, 400, NOON)
    const ref = { window: 'day' as const, bucketStartMs: NOON - 12 * HOUR }
    budgets.correct(key.lineage, ref, -150)
    budgets.correct('nobody', ref, -150)
    expect(budgets.available(key, NOON)?.availableNanoUsd).toBe(750)
  })
})

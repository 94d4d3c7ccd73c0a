/** Whose money a request spends: names, parts, exceptions, limits in force. */
import { describe, expect, it, test } from 'vitest'
import {
  countedNames,
  holderOfKey,
  holderOfProject,
  isSameBudget,
  limitAt,
  limitName,
  namesOf,
  partOf,
  type Scoped,
  scopedOf,
} from '../../src/ledger/owners.ts'
import type { Budget, BudgetScope } from '../../src/terms.ts'
import { budget, keyOf, NOON } from './parts.ts'

const part = (kind: BudgetScope['kind'], name: string | null, window: Budget['window'] = 'day'): Budget => ({
  ...budget(window, 10),
  scope: { kind, name },
})
const none = { limits: { rpm: null, tpm: null, rpd: null, concurrency: null }, metadata: {} }
const project = (id: string, budgets: readonly Budget[] = []) =>
  ({ id, name: 'n', status: 'active', createdAtMs: 1, budgets, ...none }) as const

test('a key’s money is its lineage’s, a project’s its own, the organisation’s everybody’s', () => {
  const budgets = [budget('day', 1)]
  expect(holderOfKey(keyOf({ lineage: 'first', budgets }))).toEqual({ level: 'key', owner: 'first', budgets })
  expect(holderOfProject(project('p', budgets))).toEqual({ level: 'project', owner: 'project:p', budgets })
  expect(holderOfProject(project('organisation'))).toMatchObject({ level: 'organisation' })
  expect(partOf('project:p', 'user', 'a/b')).toBe('project:p/user:a/b')
})

test('a name that is left out is the empty one; a tag that is given twice is one', () => {
  expect(namesOf('user', {})).toEqual([''])
  expect(namesOf('user', { user: null })).toEqual([''])
  expect(namesOf('user', { user: 'ada', model: 'm' })).toEqual(['ada'])
  expect(namesOf('model', { user: 'ada', model: 'm' })).toEqual(['m'])
  expect(namesOf('model', { user: 'ada' })).toEqual([''])
  expect(namesOf('tag', {})).toEqual([''])
  expect(namesOf('tag', { tags: [] })).toEqual([''])
  expect(namesOf('tag', { tags: ['a', 'b', 'a'] })).toEqual(['a', 'b'])
})

describe('budgets for a part', () => {
  const scopes = (...budgets: Budget[]) => scopedOf(holderOfKey(keyOf({ budgets })))
  it('are those with a scope; of two for the same money the first', () => {
    const [first, second] = [part('user', null), { ...part('user', null), limitNanoUsd: 99 }]
    const found = scopes(budget('day', 1), first, second, part('user', null, 'week'))
    expect(found.map(({ budget: { window, limitNanoUsd } }) => [window, limitNanoUsd])).toEqual([
      ['day', 10],
      ['week', 10],
    ])
  })

  it('of each by itself count all but those that have their own of the same kind and window', () => {
    const [each, ada] = scopes(
      part('user', null),
      part('user', 'ada'),
      part('user', 'bob', 'week'),
      part('tag', 'cid'),
    ) as [Scoped, Scoped]
    expect([...each.except]).toEqual(['ada'])
    const counted = (user: string) => [countedNames(each, { user }), countedNames(ada, { user })]
    expect(counted('ada')).toEqual([[], ['ada']])
    for (const user of ['bob', 'cid', '']) expect(counted(user)).toEqual([[user], []])
    const [tags] = scopes(part('tag', null), part('tag', 'own')) as [Scoped]
    expect(countedNames(tags, { tags: ['a', 'own', 'b'] })).toEqual(['a', 'b'])
  })

  it('count the same money only with the same window, kind and name', () => {
    expect(isSameBudget(budget('day', 1), budget('day', 2))).toBe(true)
    expect(isSameBudget(budget('day', 1), budget('week', 1))).toBe(false)
    expect(isSameBudget(part('user', 'a'), part('user', 'a'))).toBe(true)
    expect(isSameBudget(part('user', 'a'), part('user', 'b'))).toBe(false)
    expect(isSameBudget(part('user', 'a'), part('tag', 'a'))).toBe(false)
    expect(isSameBudget(part('user', null), budget('day', 1))).toBe(false)
    expect(isSameBudget(budget('day', 1), part('user', null))).toBe(false)
  })
})

test('limits are named by level, part and window', () => {
  expect(limitName('key', undefined, 'day')).toBe('key.budget.day')
  expect(limitName('project', { kind: 'user', name: null }, '5h')).toBe('project.user.budget.5h')
})

test('a raise is in force until its end, and not a moment longer', () => {
  const raised = { ...budget('day', 10), raise: { limitNanoUsd: 30, untilMs: NOON } }
  expect([limitAt(raised, NOON - 1), limitAt(raised, NOON)]).toEqual([30, 10])
  expect(limitAt(budget('day', 10), NOON)).toBe(10)
})

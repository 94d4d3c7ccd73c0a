/** Who waits for money: woken by their own lineage or by everybody's, or at the end of their time; and judged by the newest limits. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBudgets } from '../../src/ledger/budgets.ts'
import { withRenewals } from '../../src/ledger/renewals.ts'
import { createWaiters } from '../../src/ledger/waiters.ts'
import { budget, keyOf, NOON, project } from './parts.ts'

describe('waiting', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** Waiters by name; `back` names those whose wait is over, in order. */
  function rig() {
    const waiters = createWaiters()
    const back: string[] = []
    const wait = (name: string, lineage: string, withinMs: number) =>
      void waiters.wait(lineage, withinMs).then(() => back.push(name))
    const pass = async (ms: number) => {
      await vi.advanceTimersByTimeAsync(ms)
      return back.splice(0)
    }
    return { waiters, wait, pass }
  }

  it('ends when the lineage is woken, for all who wait for it and nobody else', async () => {
    const { waiters, wait, pass } = rig()
    wait('a1', 'a', 1_000)
    wait('a2', 'a', 1_000)
    wait('b1', 'b', 1_000)
    waiters.wake('c')
    expect(await pass(0)).toEqual([])
    waiters.wake('a')
    expect(await pass(0)).toEqual(['a1', 'a2'])
    // who was woken is not woken again, by time neither
    expect(vi.getTimerCount()).toBe(1)
    expect(await pass(1_000)).toEqual(['b1'])
    waiters.wake('a')
    waiters.wake('b')
    expect(await pass(1_000)).toEqual([])
  })

  it('ends at its own time, and takes nobody along', async () => {
    const { waiters, wait, pass } = rig()
    wait('long', 'a', 1_000)
    wait('short', 'a', 10)
    expect(await pass(9)).toEqual([])
    expect(await pass(1)).toEqual(['short'])
    waiters.wake('a')
    expect(await pass(0)).toEqual(['long'])
    // who comes after all have left waits like the first
    wait('next', 'a', 1_000)
    waiters.wake('a')
    expect(await pass(0)).toEqual(['next'])
    wait('late', 'a', -5)
    expect(await pass(1)).toEqual(['late'])
  })

  it('ends for everybody when a limit was changed', async () => {
    const { waiters, wait, pass } = rig()
    for (const name of ['a', 'b', 'c']) wait(name, name, 1_000)
    waiters.wakeAll()
    expect(await pass(0)).toEqual(['a', 'b', 'c'])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('limits that are raised meanwhile', () => {
  const small = keyOf({ budgets: [budget('day', 100)] })
  const large = { ...small, budgets: [budget('day', 1_000)] }

  function rig() {
    let woken = 0
    const budgets = withRenewals(createBudgets(), () => {
      woken++
    })
    const take = (key: typeof small, nanoUsd: number) => budgets.take(key, nanoUsd, NOON)
    return { budgets, take, woken: () => woken }
  }

  it('count for a request that began under the old ones', () => {
    const { budgets, take, woken } = rig()
    expect(take(small, 500)).toMatchObject({ limit: 'key.budget.day', availableNanoUsd: 100 })
    budgets.renew(large)
    expect(woken()).toBe(1)
    expect(budgets.available(small, NOON)).toMatchObject({ availableNanoUsd: 1_000 })
    expect(take(small, 500)).toMatchObject({ buckets: [{}] })
    expect(budgets.available(small, NOON)).toMatchObject({ availableNanoUsd: 500 })
    // refused by the new one, it is told what the new one says
    expect(take(small, 501)).toMatchObject({ availableNanoUsd: 500 })
    expect(take(large, 501)).toMatchObject({ availableNanoUsd: 500 })
  })

  it('do not refuse what the old ones let through', () => {
    const { budgets, take } = rig()
    budgets.renew({ ...small, budgets: [budget('day', 10)] })
    expect(take(small, 60)).toMatchObject({ buckets: [{}] })
    // what is taken is taken once
    expect(take(small, 41)).toMatchObject({ limit: 'key.budget.day' })
    expect(take(small, 40)).toMatchObject({ buckets: [{}] })
  })

  it('of one key say nothing of another', () => {
    const { budgets, take } = rig()
    budgets.renew(large)
    const other = keyOf({ id: 'key000000002', lineage: 'key000000002', budgets: [budget('day', 100)] })
    expect(take(other, 500)).toMatchObject({ availableNanoUsd: 100 })
    expect(budgets.available(other, NOON)).toMatchObject({ availableNanoUsd: 100 })
  })

  it('of a project wake those who wait too, who are judged as who they are', () => {
    const { budgets, woken } = rig()
    const member = keyOf({ project: 'p', budgets: [] })
    budgets.adopt([project('p', [{ ...budget('day', 50), scope: { kind: 'user', name: 'ann' } }])])
    expect(woken()).toBe(1)
    expect(budgets.take(member, 60, NOON, { user: 'bob' })).toMatchObject({ buckets: [] })
    expect(budgets.take(member, 60, NOON, { user: 'ann' })).toMatchObject({
      limit: 'project.user.budget.day',
    })
    expect(budgets.available(member, NOON, { user: 'ann' })).toMatchObject({ availableNanoUsd: 50 })
    expect(budgets.available(member, NOON, { user: 'bob' })).toBeUndefined()
    // the key is renewed, and the refused request still names its user
    budgets.renew({ ...member, name: 'renamed' })
    expect(budgets.take(member, 60, NOON, { user: 'ann' })).toMatchObject({
      limit: 'project.user.budget.day',
    })
  })
})

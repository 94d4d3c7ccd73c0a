/** Parts of a budget (users, tags, models) that anybody may name: none is forgotten while money of it counts, and the rest does not grow for ever. */
import { expect, test } from 'vitest'
import { createBudgets } from '../../src/ledger/budgets.ts'
import { createLeases } from '../../src/ledger/leases.ts'
import { keyOf, NOON, part } from './parts.ts'

const DAY = 86_400_000
/** As many parts as are kept before any is looked for. */
const CROWD = 10_000
const users = ['day', 'month'].map(window => ({
  ...part('user', null, 10),
  window: window as 'day' | 'month',
}))

test('a user whose day is over keeps what was spent of the month, however many others come', () => {
  const budgets = createBudgets()
  const key = keyOf({ budgets: users })
  const take = (user: string, nanoUsd: number, nowMs: number) => budgets.take(key, nanoUsd, nowMs, { user })
  const spend = (user: string, nanoUsd: number, nowMs: number) => {
    const taken = take(user, nanoUsd, nowMs)
    if ('limit' in taken) throw new Error(`refused by ${taken.limit}`)
    budgets.settle(taken, nanoUsd, nanoUsd, nowMs)
  }
  for (let i = 0; i < CROWD - 1; i++) spend(`u${i}`, 8, NOON)
  expect(take('u5', 3, NOON)).toMatchObject({ limit: 'key.user.budget.day' })
  for (let i = 0; i < 2; i++) spend(`new${i}`, 1, NOON + DAY)
  expect(take('u5', 3, NOON + DAY)).toMatchObject({ limit: 'key.user.budget.month', availableNanoUsd: 2 })
  expect(take('u5', 2, NOON + DAY)).toMatchObject({ buckets: [{}, {}] })
})

test('who has nothing that counts is forgotten when the crowd has come together, and who holds something is not', () => {
  const leases = createLeases()
  const count = () => [...leases.parts('k/user:', 'day')].length
  const come = (name: string, nowMs: number, nanoUsd = 0) => {
    const lease = leases.part(`k/user:${name}`, 'day')
    if (nanoUsd > 0) lease.hold(lease.open(nowMs), nanoUsd, true)
    leases.began(lease, nowMs)
    return lease
  }
  for (let i = 0; i < CROWD; i++) leases.ended(come(`u${i}`, NOON))
  // one that waits holds nothing yet, and is in use
  const inUse = come('waits', NOON + DAY)
  expect(count()).toBe(1)
  come('holds', NOON + DAY, 5)
  for (let i = 2; i < CROWD; i++) leases.ended(come(`v${i}`, NOON + DAY))
  expect(count()).toBe(CROWD)
  come('last', NOON + DAY)
  expect([...leases.parts('k/user:', 'day')].map(([name]) => name)).toEqual(['waits', 'holds', 'last'])
  expect(leases.find('k/user:waits', 'day')).toBe(inUse)
})

test('where all of a crowd counts, it is looked through again when it has doubled, not at every step', () => {
  const leases = createLeases()
  let looked = 0
  const come = (i: number) => {
    const lease = leases.part(`k/user:${i}`, 'day')
    lease.hold(lease.open(NOON), 1, true)
    leases.began(lease, NOON)
    leases.ended(lease)
    const isIdle = lease.isIdle.bind(lease)
    lease.isIdle = nowMs => {
      looked++
      return isIdle(nowMs)
    }
  }
  for (let i = 0; i < CROWD; i++) come(i)
  expect(looked).toBe(0)
  come(CROWD)
  expect(looked).toBe(CROWD)
  for (let i = CROWD + 1; i < 2 * CROWD; i++) come(i)
  expect(looked).toBe(CROWD)
  come(2 * CROWD)
  expect(looked).toBe(3 * CROWD)
})

test('a budget of its own has one lease a window, and is told from a part by its name', () => {
  const leases = createLeases()
  const own = leases.get('k', 'day', undefined)
  expect(leases.get('k', 'day', undefined)).toBe(own)
  expect(leases.find('k', 'day')).toBe(own)
  expect(leases.restored('k', 'day')).toBe(own)
  expect(leases.get('k', 'month', undefined)).not.toBe(own)
  expect([leases.find('k/user:a', 'day'), leases.find('nobody', 'day')]).toEqual([undefined, undefined])
  const restored = leases.restored('k/user:a', 'day')
  expect(leases.find('k/user:a', 'day')).toBe(restored)
  expect(leases.part('k/user:a', 'day')).toBe(restored)
  // one that is known for another window only is none of this
  leases.restored('k/user:b', 'month')
  expect([...leases.parts('k/user:', 'day')]).toEqual([['a', restored]])
  leases.ended(leases.part('k/user:gone', 'day'))
  // the owner of a key's own money goes without saying, that of a project does not
  expect(own.open(NOON).ref).toMatchObject({ owner: undefined, window: 'day' })
  expect(leases.restored('key000000009', 'day').open(NOON).ref).toMatchObject({ owner: undefined })
  expect(leases.restored('project:p', 'day').open(NOON).ref).toMatchObject({ owner: 'project:p' })
  expect(restored.open(NOON).ref).toMatchObject({ owner: 'k/user:a' })
})

/** Budgets above and within keys, at the ledger itself: all levels or none, parts by name, raises, and memory that stays bounded. */
import { expect, test } from 'vitest'
import type { Shortfall } from '../../src/deps.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLeases } from '../../src/ledger/leases.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import { budget, createTestClock, createTestLog, held, keyOf, NOON, part, project, rowOf } from './parts.ts'

const HOUR = 3_600_000

function rig() {
  const clock = createTestClock()
  const store = createMemoryStore()
  const journal = createMemoryJournal()
  const open = () => createLedger({ store, journal, clock, log: createTestLog() })
  return { clock, store, ledger: open(), open }
}
const short = (value: object) => value as Shortfall

test('a refusal by any level leaves every other as it was, and names the level, its part and the window', () => {
  const { ledger } = rig()
  const key = keyOf({ project: 'p', budgets: [budget('day', 1_000), part('user', null, 500)] })
  ledger.adopt([
    project('p', [budget('month', 800), part('tag', 'batch', 300)]),
    project('organisation', [budget('week', 700), part('model', null, 400)]),
  ])
  const limits = [
    [1_001, {}, 'organisation.model.budget.day'],
    [350, { tags: ['batch', 'x'] }, 'project.tag.budget.day'],
    [401, { user: 'ada', model: 'gpt-5' }, 'organisation.model.budget.day'],
  ] as const
  for (const [amount, facts, limit] of limits)
    expect(short(ledger.hold(key, 'a.1', amount, facts)).limit).toBe(limit)
  expect(ledger.usageOf(key)).toMatchObject([{ heldNanoUsd: 0 }, { heldNanoUsd: 0, fullest: null }])
  const one = held(ledger.hold(key, 'b.1', 400, { user: 'ada', model: 'gpt-5' }))
  const two = held(ledger.hold(key, 'c.1', 300, { user: 'bob', model: 'other' }))
  expect(short(ledger.hold(key, 'd.1', 1, { user: 'cid', model: 'third' }))).toMatchObject({
    limit: 'organisation.budget.week',
    heldByOthers: true,
  })
  expect(ledger.extend(one, 1)).toBe(false)
  ledger.settle(one, rowOf(one, { costNanoUsd: 400 }))
  ledger.settle(two, rowOf(two, { costNanoUsd: 100 }))
  expect(ledger.usageOf(key)).toMatchObject([{ spentNanoUsd: 500 }, { spentNanoUsd: 400, fullest: 'ada' }])
  expect(short(ledger.hold(key, 'e.1', 101, { user: 'ada', model: 'new' })).limit).toBe('key.user.budget.day')
})

test('who waits for a project’s money is woken by another key of it', async () => {
  const { ledger } = rig()
  ledger.adopt([project('p', [budget('day', 100)])])
  const [one, two] = [
    keyOf({ project: 'p' }),
    keyOf({ project: 'p', id: 'key000000002', lineage: 'key000000002' }),
  ]
  const hold = held(ledger.hold(one, 'a.1', 100))
  const no = short(ledger.hold(two, 'b.1', 50))
  expect(no).toMatchObject({ limit: 'project.budget.day', heldByOthers: true })
  let woken = false
  const waiting = ledger.freed(two, 60_000, no).then(() => {
    woken = true
  })
  ledger.settle(hold, rowOf(hold, { costNanoUsd: 10 }))
  await waiting
  expect(woken).toBe(true)
  held(ledger.hold(two, 'b.1', 50))
})

test('a raise counts until it ends, a changed project at once, and a hold keeps what it was made under', () => {
  const { ledger, clock } = rig()
  const raised = { ...budget('total', 100), raise: { limitNanoUsd: 300, untilMs: NOON + HOUR } }
  const key = keyOf({ budgets: [raised], project: 'p' })
  const hold = held(ledger.hold(key, 'a.1', 250))
  ledger.settle(hold, rowOf(hold, { costNanoUsd: 250 }))
  expect(ledger.usageOf(key)).toMatchObject([{ limitNanoUsd: 300, remainingNanoUsd: 50 }])
  clock.advance(HOUR)
  expect(ledger.usageOf(key)).toMatchObject([{ limitNanoUsd: 100, remainingNanoUsd: 0 }])
  expect(short(ledger.hold(key, 'b.1', 1)).availableNanoUsd).toBe(0)
  const bare = keyOf({ project: 'p', id: 'key000000002', lineage: 'key000000002' })
  const before = held(ledger.hold(bare, 'c.1', 10))
  ledger.adopt([project('p', [budget('day', 5)])])
  expect(short(ledger.hold(bare, 'd.1', 6)).limit).toBe('project.budget.day')
  ledger.settle(before, rowOf(before, { costNanoUsd: 10 }))
  expect(ledger.usageOfProject(project('p', [budget('day', 5)]))).toMatchObject([{ spentNanoUsd: 0 }])
})

test('a restart knows every level and part, settled or still running', async () => {
  const first = rig()
  const key = keyOf({ project: 'p', budgets: [part('user', null, 1_000)] })
  const above = [project('p', [budget('month', 1_000)]), project('organisation', [budget('total', 1_000)])]
  await first.store.commit([
    { op: 'put_key', key },
    ...above.map(each => ({ op: 'put_project', project: each }) as const),
  ])
  first.ledger.adopt(above)
  const hold = held(first.ledger.hold(key, 'a.1', 300, { user: 'ada/model:x' }))
  first.ledger.settle(hold, rowOf(hold, { costNanoUsd: 200 }))
  await first.ledger.fold()
  const second = createLedger({
    store: first.store,
    journal: undefined,
    clock: first.clock,
    log: createTestLog(),
  })
  await second.recover()
  expect(second.usageOf(key)).toMatchObject([{ spentNanoUsd: 200, fullest: 'ada/model:x' }])
  for (const each of above) expect(second.usageOfProject(each)).toMatchObject([{ spentNanoUsd: 200 }])
})

test('users who are only named, or cost nothing, are not remembered', () => {
  const leases = createLeases()
  for (let i = 0; i < 50_000; i++) {
    const lease = leases.part(`k/user:${i}`, 'day')
    // every fourth is held for and spends nothing, every fiftieth spends
    if (i % 4 !== 0) continue
    leases.began(lease, NOON)
    if (i % 50 === 0) lease.open(NOON).spentNanoUsd += 1
    leases.ended(lease)
  }
  const kept = [...leases.parts('k/user:', 'day')].length
  expect(kept).toBeLessThanOrEqual(10_000)
  for (let i = 0; i < 50_000; i += 100) expect(leases.find(`k/user:${i}`, 'day')?.spent(NOON)).toBe(1)
})

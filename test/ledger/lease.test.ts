/** A window's money by itself: what counts when, beside whom, and what time gives back. */
import { afterEach, beforeEach, describe, expect, it, test, vi } from 'vitest'
import { Lease } from '../../src/ledger/lease.ts'
import { createLeases } from '../../src/ledger/leases.ts'
import { createSlices } from '../../src/ledger/slices.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { BudgetWindow } from '../../src/terms.ts'
import { createTestClock, createTestLog, NOON } from './parts.ts'

const HOUR = 3_600_000
const MIDNIGHT = NOON + 12 * HOUR

/** A lease with so much spent and held in the bucket of noon. */
function leaseOf(window: BudgetWindow, spent: number, held = 0) {
  const lease = new Lease(window, 'project:p')
  const bucket = lease.open(NOON)
  lease.hold(bucket, spent + held, true)
  lease.settle(bucket, spent, spent)
  return { lease, bucket }
}

test('spent and held count together, and each by itself', () => {
  const { lease, bucket } = leaseOf('day', 30, 20)
  expect([lease.spent(NOON), lease.held(NOON), lease.used(NOON)]).toEqual([30, 20, 50])
  expect([lease.left(60, NOON), lease.left(50, NOON), lease.left(40, NOON)]).toEqual([10, 0, 0])
  expect([lease.fits(10, 60, NOON), lease.fits(11, 60, NOON)]).toEqual([true, false])
  expect([lease.isSpent(30, 60, NOON), lease.isSpent(31, 60, NOON)]).toEqual([false, true])
  expect(lease.isAsked(1_000, 1)).toBe(false)
  expect(bucket).toEqual({
    ref: { owner: 'project:p', window: 'day', bucketStartMs: NOON - 12 * HOUR },
    leavesAtMs: MIDNIGHT,
    spentNanoUsd: 30,
    heldNanoUsd: 20,
  })
  // the instant at which the window ends is the next one's
  expect([lease.used(MIDNIGHT - 1), lease.used(MIDNIGHT)]).toEqual([50, 0])
  expect([lease.held(MIDNIGHT - 1), lease.held(MIDNIGHT)]).toEqual([20, 0])
  expect([lease.spent(MIDNIGHT - 1), lease.spent(MIDNIGHT)]).toEqual([30, 0])
})

describe('beside a hold', () => {
  it('while its window runs all of it counts, and then its bucket alone', () => {
    const { lease, bucket } = leaseOf('day', 30, 20)
    const next = lease.open(MIDNIGHT)
    lease.hold(next, 7, true)
    lease.settle(next, 3, 3)
    expect([lease.usedBeside(bucket, MIDNIGHT - 1), lease.usedBeside(bucket, MIDNIGHT)]).toEqual([57, 50])
    expect([lease.spentBeside(bucket, MIDNIGHT - 1), lease.spentBeside(bucket, MIDNIGHT)]).toEqual([33, 30])
    expect([lease.fitsBeside(bucket, 10, 60, MIDNIGHT), lease.fitsBeside(bucket, 11, 60, MIDNIGHT)]).toEqual([
      true,
      false,
    ])
    expect(lease.fitsBeside(bucket, 4, 60, MIDNIGHT - 1)).toBe(false)
  })

  it('of a rolling bucket that has left nothing can be told, and nothing more is given', () => {
    const { lease, bucket } = leaseOf('5h', 30, 20)
    const leaves = NOON + 5 * HOUR
    expect([lease.usedBeside(bucket, leaves - 1), lease.usedBeside(bucket, leaves)]).toEqual([50, undefined])
    expect([lease.spentBeside(bucket, leaves - 1), lease.spentBeside(bucket, leaves)]).toEqual([
      30,
      undefined,
    ])
    expect([lease.fitsBeside(bucket, 1, 99, leaves - 1), lease.fitsBeside(bucket, 1, 99, leaves)]).toEqual([
      true,
      false,
    ])
  })
})

describe('buckets', () => {
  it('a rolling one takes new money for its width, a calendar one to its end, one ahead of the clock none', () => {
    const rolling = new Lease('5h')
    const first = rolling.open(NOON)
    expect(rolling.open(NOON + 5 * 60_000 - 1)).toBe(first)
    const second = rolling.open(NOON + 5 * 60_000)
    expect(second.ref.bucketStartMs).toBe(NOON + 5 * 60_000)
    expect(rolling.open(NOON + 1)).toBe(first)
    expect(rolling.open(NOON - 1).ref.bucketStartMs).toBe(NOON - 5 * 60_000)
    expect(rolling.at(NOON)).toBe(first)
    const day = new Lease('day')
    const today = day.open(NOON)
    expect(day.open(MIDNIGHT - 1)).toBe(today)
    expect(day.open(NOON - 12 * HOUR)).toBe(today)
    expect(day.open(NOON - 12 * HOUR - 1)).not.toBe(today)
  })

  it.each([
    ['day', 4, 24 * HOUR],
    ['5h', 128, 5 * 60_000],
  ] as const)('%s: %i are kept, the oldest goes first', (window, kept, stepMs) => {
    const lease = new Lease(window)
    const made = Array.from({ length: kept + 1 }, (_, n) => lease.open(NOON + n * stepMs))
    for (const bucket of made.slice(1)) expect(lease.at(bucket.ref.bucketStartMs)).toBe(bucket)
    expect(lease.at(made[0]?.ref.bucketStartMs ?? 0)).not.toBe(made[0])
  })

  it('restored, they stand in their order whatever the order of the store', () => {
    const lease = new Lease('5h')
    for (const step of [2, 0, 1]) lease.restore(NOON + step * 5 * 60_000, 10 ** step)
    expect(lease.spent(NOON + 5 * HOUR - 1)).toBe(111)
    expect(lease.spent(NOON + 5 * HOUR)).toBe(110)
    expect(lease.spent(NOON + 5 * HOUR + 5 * 60_000)).toBe(100)
    lease.restore(NOON, 5)
    expect(lease.spent(NOON)).toBe(115)
  })
})

describe('when money comes back by time', () => {
  it('calendar windows at their end, whatever is used; total never', () => {
    expect(new Lease('day').resetsAt(NOON)).toBe(MIDNIGHT)
    expect(leaseOf('day', 1).lease.resetsAt(MIDNIGHT)).toBe(MIDNIGHT + 24 * HOUR)
    expect(leaseOf('total', 1).lease.resetsAt(NOON)).toBeNull()
  })

  it('rolling ones when the oldest used bucket leaves, held or spent', () => {
    const lease = new Lease('5h')
    lease.open(NOON)
    const used = lease.open(NOON + HOUR)
    expect(lease.resetsAt(NOON + HOUR)).toBeNull()
    lease.hold(used, 1, true)
    expect(lease.resetsAt(NOON + HOUR)).toBe(NOON + 6 * HOUR)
    lease.settle(used, 1, 1)
    expect(lease.resetsAt(NOON + 6 * HOUR - 1)).toBe(NOON + 6 * HOUR)
    expect(lease.resetsAt(NOON + 6 * HOUR)).toBeNull()
  })
})

test('a window is idle when nothing of it counts or may come to count', () => {
  expect(new Lease('day').isIdle(NOON)).toBe(true)
  const { lease, bucket } = leaseOf('day', 0, 5)
  expect([lease.isIdle(NOON), lease.isIdle(MIDNIGHT)]).toEqual([false, false])
  lease.settle(bucket, 5, 3)
  expect([lease.isIdle(MIDNIGHT - 1), lease.isIdle(MIDNIGHT)]).toEqual([false, true])
  const free = leaseOf('day', 0, 5)
  free.lease.settle(free.bucket, 5, 0)
  expect(free.lease.isIdle(NOON)).toBe(true)
})

test('a soft limit is told of once in the life of a bucket’s money, and a new one at once', () => {
  const { lease, bucket } = leaseOf('day', 1)
  expect([lease.tellSoft(bucket, 5), lease.tellSoft(bucket, 5)]).toEqual([true, false])
  expect([lease.tellSoft(bucket, 6), lease.tellSoft(bucket, 6)]).toEqual([true, false])
  const next = lease.open(MIDNIGHT)
  expect([lease.tellSoft(next, 6), lease.tellSoft(next, 6)]).toEqual([true, false])
})

describe('all leases of a process', () => {
  it('one for each owner and window, found again by both', () => {
    const leases = createLeases()
    const lease = leases.get('k', 'day', undefined)
    expect(leases.get('k', 'day', undefined)).toBe(lease)
    expect(leases.find('k', 'day')).toBe(lease)
    expect(leases.find('k', 'week')).toBeUndefined()
    expect(leases.find('other', 'day')).toBeUndefined()
    expect(leases.get('k', 'week', 'said').owner).toBe('said')
  })

  it('parts are found from their first hold on, by the names that their owner has', () => {
    const leases = createLeases()
    const ada = leases.part('k/user:ada', 'day')
    expect(leases.find('k/user:ada', 'day')).toBeUndefined()
    expect(leases.part('k/user:ada', 'day')).not.toBe(ada)
    leases.began(ada, NOON)
    expect(leases.find('k/user:ada', 'day')).toBe(ada)
    expect(leases.part('k/user:ada', 'day')).toBe(ada)
    const week = leases.part('k/user:ada', 'week')
    leases.began(week, NOON)
    leases.began(leases.part('k/tag:ada', 'day'), NOON)
    leases.began(leases.part('kk/user:bob', 'day'), NOON)
    expect([...leases.parts('k/user:', 'day')]).toEqual([['ada', ada]])
    expect([...leases.parts('k/user:', 'week')]).toEqual([['ada', week]])
    expect([...leases.parts('k/user:', 'month')]).toEqual([])
  })

  it('what the store remembers is found by its name: a key’s, a project’s, a part’s', () => {
    const leases = createLeases()
    expect(leases.restored('k', 'day').owner).toBeUndefined()
    expect(leases.restored('project:p', 'day').owner).toBe('project:p')
    const part = leases.restored('project:p/user:ada', 'day')
    expect(part.owner).toBe('project:p/user:ada')
    expect(leases.find('project:p/user:ada', 'day')).toBe(part)
    expect(leases.find('project:p', 'day')).not.toBe(part)
  })

  it('a part with an open hold is never forgotten, one that has ended and cost nothing is', () => {
    const leases = createLeases()
    const kept = leases.part('k/user:kept', 'day')
    leases.began(kept, NOON)
    leases.began(kept, NOON)
    leases.ended(kept)
    for (let i = 0; i < 25_000; i++) {
      const passing = leases.part(`k/user:${i}`, 'day')
      leases.began(passing, NOON)
      leases.ended(passing)
    }
    expect(leases.find('k/user:kept', 'day')).toBe(kept)
    expect(leases.find('k/user:0', 'day')).toBeUndefined()
    // nobody began with it: nothing to end
    leases.ended(leases.part('k/user:never', 'day'))
  })
})

describe('those who share the money that is left', () => {
  const run = (lease: Lease, atOnce: number) => {
    const buckets = Array.from({ length: atOnce }, () => lease.open(NOON))
    for (const bucket of buckets) lease.hold(bucket, 1, true)
    const others = lease.others
    for (const bucket of buckets) lease.settle(bucket, 1, 1)
    return others
  }

  it('are those that run, and one after the other has nobody to share with', () => {
    const lease = new Lease('day')
    expect(lease.others).toBe(0)
    for (let i = 0; i < 3; i++) expect(run(lease, 1)).toBe(1)
    expect(lease.others).toBe(0)
    const bucket = lease.open(NOON)
    lease.hold(bucket, 5, true)
    lease.hold(bucket, 5, false)
    expect(lease.others, 'more for the same one').toBe(1)
  })

  it('a crowd is remembered when all of it has ended, and fades', () => {
    const lease = new Lease('day')
    expect(run(lease, 20)).toBe(20)
    expect(lease.others).toBe(19)
    run(lease, 1)
    expect(lease.others).toBeCloseTo(19 - 19 / 16)
    for (let i = 0; i < 200; i++) run(lease, 1)
    expect(lease.others).toBeLessThan(0.1)
  })
})

describe('a window that several processes share', () => {
  // what is not used is given back after a while: here no time passes
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  async function shared() {
    const clock = createTestClock()
    const store = createMemoryStore()
    const slices = createSlices({ store, holder: 'a', clock, log: createTestLog(), wake: () => undefined })
    const lease = new Lease('day', 'project:p', slices, 'project:p')
    return { clock, store, slices, lease, slice: slices.of('project:p', 'day') }
  }

  it('is drawn on by slices: nothing at first, then what was leased, and what is settled waits to be folded', async () => {
    const { slices, lease, slice } = await shared()
    try {
      expect(lease.fits(10, 100, NOON)).toBe(false)
      // the store is in memory: its answer needs no time, only turns
      for (let turn = 0; turn < 50; turn++) await Promise.resolve()
      expect(lease.fits(10, 100, NOON)).toBe(true)
      expect(lease.others, 'nobody here knows of all').toBeUndefined()
      expect(lease.left(100, NOON)).toBe(slice.spareNanoUsd)
      const bucket = lease.open(NOON)
      lease.hold(bucket, 10, true)
      lease.hold(bucket, 5, false)
      expect([slice.holds, slice.heldNanoUsd, lease.held(NOON)]).toEqual([1, 15, 15])
      lease.settle(bucket, 15, 7)
      expect([slice.holds, slice.heldNanoUsd, slice.unfoldedNanoUsd]).toEqual([0, 0, 7])
      lease.hold(bucket, 3, true)
      expect([lease.spent(NOON), lease.used(NOON)]).toEqual([7, 10])
      expect([lease.spentBeside(bucket, NOON), lease.spentBeside(bucket, MIDNIGHT)]).toEqual([7, undefined])
      // a window that has ended gives nothing more, however much of the next one is there
      expect(lease.fitsBeside(bucket, 1, 100, NOON)).toBe(true)
      expect([
        lease.fitsBeside(bucket, 1, 100, MIDNIGHT),
        lease.fitsBeside(bucket, 1, 100, MIDNIGHT - 1),
      ]).toEqual([false, true])
    } finally {
      await slices.close()
    }
  })

  it('remembers of the store what its newest bucket says', async () => {
    const { slices, lease, slice } = await shared()
    try {
      lease.restore(MIDNIGHT - 24 * HOUR, 40)
      expect(slice.spentNanoUsd).toBe(40)
      lease.restore(MIDNIGHT - 48 * HOUR, 90)
      expect(slice.spentNanoUsd).toBe(40)
      lease.restore(MIDNIGHT - 24 * HOUR, 50)
      expect(slice.spentNanoUsd).toBe(50)
    } finally {
      await slices.close()
    }
  })

  it('without a name, or without slices, all of it is ours', async () => {
    const { slices } = await shared()
    try {
      for (const lease of [
        new Lease('day', 'project:p', slices),
        new Lease('day', undefined, undefined, 'k'),
      ])
        expect([lease.fits(100, 100, NOON), lease.fits(101, 100, NOON), lease.others]).toEqual([
          true,
          false,
          0,
        ])
    } finally {
      await slices.close()
    }
  })
})

test('another figure for what was spent changes the bucket that it was spent in, and no other', () => {
  const { lease } = leaseOf('day', 30)
  lease.restore(MIDNIGHT - 48 * HOUR, 5)
  lease.correct(MIDNIGHT - 24 * HOUR, -12)
  lease.correct(MIDNIGHT - 72 * HOUR, -1)
  expect([lease.spent(NOON), lease.spent(NOON - 24 * HOUR)]).toEqual([18, 23])
})

/** The token buckets of one limited thing by themselves: what drains when, what comes back, and when all of it can be forgotten. */
import { describe, expect, it } from 'vitest'
import type { RatePolicy } from '../../src/deps.ts'
import {
  addPolicies,
  advanceAll,
  createLanes,
  giveBack,
  type Meter,
  take,
  worstWait,
} from '../../src/ledger/lanes.ts'
import type { RateLimits } from '../../src/terms.ts'

const MINUTE = 60_000
const DAY = 86_400_000

function meterOf(limits: Partial<RateLimits>): Meter {
  return {
    name: 'key',
    limits: { rpm: null, tpm: null, rpd: null, concurrency: null, ...limits },
    lanes: createLanes(),
  }
}
const policiesOf = (meter: Meter): RatePolicy[] => {
  const list: RatePolicy[] = []
  addPolicies(meter, list)
  return list
}

describe('when a thing can be forgotten', () => {
  const emptyAfter = (limits: Partial<RateLimits>, tokens = 0) => {
    const meter = meterOf(limits)
    advanceAll(meter, 1_000)
    take(meter, tokens, 1_000)
    return meter.lanes.emptyAtMs - 1_000
  }

  it('once the slowest of its buckets has drained', () => {
    expect(emptyAfter({ rpm: 60 })).toBe(1_000)
    expect(emptyAfter({ tpm: 600 }, 300)).toBe(MINUTE / 2)
    expect(emptyAfter({ rpd: 24 })).toBe(DAY / 24)
    expect(emptyAfter({ rpm: 60, tpm: 600, rpd: 24 }, 300)).toBe(DAY / 24)
    expect(emptyAfter({ rpm: 1, tpm: 600, rpd: 86_400 }, 300)).toBe(MINUTE)
    expect(emptyAfter({ concurrency: 5 })).toBe(0)
    expect(emptyAfter({ tpm: 0 })).toBe(Number.POSITIVE_INFINITY)
  })

  it('and sooner where tokens come back', () => {
    const meter = meterOf({ tpm: 600 })
    const taken = take(meter, 600, 0)
    expect(meter.lanes.emptyAtMs).toBe(MINUTE)
    giveBack(taken, 600, 300, 0)
    expect(meter.lanes.emptyAtMs).toBe(MINUTE / 2)
  })
})

describe('what comes back', () => {
  const usedAfter = (actual: number | undefined, taken = 100) => {
    const meter = meterOf({ tpm: 1_000 })
    giveBack(take(meter, taken, 0), taken, actual, 0)
    expect(meter.lanes.open).toBe(0)
    return meter.lanes.tpm.used
  }

  it('the truth, also that nothing was used; what nobody knows leaves the estimate', () => {
    expect([usedAfter(40), usedAfter(0), usedAfter(100), usedAfter(250)]).toEqual([40, 0, 100, 250])
    for (const nonsense of [undefined, Number.NaN, Number.POSITIVE_INFINITY, -5])
      expect(usedAfter(nonsense)).toBe(100)
  })

  it('into a bucket that is limited, and into no other', () => {
    const meter = meterOf({ rpm: 60 })
    giveBack(take(meter, 100, 0), 100, 500, 0)
    expect([meter.lanes.tpm.used, meter.lanes.rpm.used, meter.lanes.rpd.used]).toEqual([0, 1, 0])
    const daily = meterOf({ rpd: 10, tpm: 10 })
    take(daily, 7, 0)
    expect([daily.lanes.tpm.used, daily.lanes.rpm.used, daily.lanes.rpd.used]).toEqual([7, 0, 1])
  })
})

describe('what is shown', () => {
  it('how much is left, when the next one fits, and when all of it is back', () => {
    const meter = meterOf({ rpm: 60, rpd: 24, tpm: 600, concurrency: 3, burst: 2 })
    for (let i = 0; i < 2; i++) take(meter, 150, 0)
    expect(policiesOf(meter)).toEqual([
      {
        name: 'key.rpm',
        unit: 'requests',
        limit: 60,
        remaining: 0,
        periodMs: MINUTE,
        resetMs: 2_000,
        nextMs: 1_000,
      },
      {
        name: 'key.rpd',
        unit: 'requests',
        limit: 24,
        remaining: 22,
        periodMs: DAY,
        resetMs: DAY / 12,
        nextMs: 0,
      },
      {
        name: 'key.tpm',
        unit: 'tokens',
        limit: 600,
        remaining: 300,
        periodMs: MINUTE,
        resetMs: MINUTE / 2,
        nextMs: 0,
      },
      {
        name: 'key.concurrency',
        unit: 'concurrent-requests',
        limit: 3,
        remaining: 1,
        periodMs: 0,
        resetMs: 0,
        nextMs: 0,
      },
    ])
    advanceAll(meter, 500)
    expect(policiesOf(meter)[0]).toMatchObject({ remaining: 0, resetMs: 1_500, nextMs: 500 })
    expect(worstWait(meter, 0)).toMatchObject({ limit: 'key.burst', ms: 500, never: false })
    advanceAll(meter, 1_000)
    expect(worstWait(meter, 0)).toBeUndefined()
    expect(worstWait(meter, 601)).toEqual({ limit: 'key.tpm', ms: DAY, never: true })
  })

  it('a limit of nothing is shown as one, with a period that is finite', () => {
    const [policy] = policiesOf(meterOf({ rpm: 0 }))
    expect(policy).toMatchObject({ limit: 0, remaining: 0, resetMs: 0, nextMs: MINUTE })
  })
})

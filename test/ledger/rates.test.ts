/** Rates against an independent model: admitted within one, a refusal consumes nothing, slots never leak. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Admission, RateRefusal } from '../../src/deps.ts'
import { createRates } from '../../src/ledger/rates.ts'
import type { Limits } from '../../src/terms.ts'
import { keyOf } from './parts.ts'

const NONE: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }
const limited = (limits: Partial<Limits>) => keyOf({ limits: { ...NONE, ...limits } })
const ok = (given: Admission | RateRefusal): Admission => {
  if ('limit' in given) throw new Error(`refused by ${given.limit}`)
  return given
}
const refused = (given: Admission | RateRefusal): RateRefusal => {
  if (!('limit' in given)) throw new Error('admitted')
  return given
}

function setup(limits: Partial<Limits>) {
  const clock = { ms: 5_000 }
  return { clock, rates: createRates(() => clock.ms), key: limited(limits) }
}

/** A bucket in exact integers: used counts in 1/60,000 of a request, drained by `limit` each ms. */
function createModel(limit: number) {
  let used = 0n
  let at = 5_000
  return (nowMs: number): boolean => {
    const gone = BigInt(nowMs - at) * BigInt(limit)
    at = nowMs
    used = used > gone ? used - gone : 0n
    if (used + 60_000n > BigInt(limit) * 60_000n) return false
    used += 60_000n
    return true
  }
}

describe('requests per minute', () => {
  it('admits what an exact model admits, within one, over simulated minutes', () => {
    const steps = fc.array(fc.nat({ max: 2_000 }), { minLength: 300, maxLength: 600 })
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), steps, (rpm, gaps) => {
        const { clock, rates, key } = setup({ rpm })
        const model = createModel(rpm)
        let admitted = 0
        let expected = 0
        for (const gap of gaps) {
          clock.ms += gap
          if (!('limit' in rates.admit(key, 0))) admitted++
          if (model(clock.ms)) expected++
          expect(Math.abs(admitted - expected)).toBeLessThanOrEqual(1)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('a burst takes the whole limit and no more; the wait it names is the wait it needs', () => {
    const { clock, rates, key } = setup({ rpm: 5 })
    for (let i = 0; i < 5; i++) ok(rates.admit(key, 0))
    const no = refused(rates.admit(key, 0))
    expect(no).toMatchObject({ limit: 'key.rpm', retryAfterMs: 12_000 })
    clock.ms += no.retryAfterMs - 1
    refused(rates.admit(key, 0))
    clock.ms += 1
    ok(rates.admit(key, 0))
    refused(rates.admit(key, 0))
  })

  it('hammering while refused changes nothing', () => {
    const { clock, rates, key } = setup({ rpm: 60, tpm: 1_000, rpd: 1_000, concurrency: 100 })
    for (let i = 0; i < 60; i++) ok(rates.admit(key, 1))
    for (let i = 0; i < 5_000; i++) refused(rates.admit(key, 1))
    clock.ms += 1_000
    const next = ok(rates.admit(key, 1))
    expect(next.state.requests).toMatchObject({ limit: 60, remaining: 0, resetMs: 60_000 })
    refused(rates.admit(key, 1))
  })
})

describe('all dimensions or none', () => {
  it('whichever refuses, the others keep what they had', () => {
    const limits = fc.record({
      rpm: fc.option(fc.integer({ min: 1, max: 20 }), { nil: null }),
      tpm: fc.option(fc.integer({ min: 10, max: 500 }), { nil: null }),
      rpd: fc.option(fc.integer({ min: 1, max: 40 }), { nil: null }),
      concurrency: fc.option(fc.integer({ min: 1, max: 8 }), { nil: null }),
    })
    const step = fc.record({
      gap: fc.nat({ max: 3_000 }),
      tokens: fc.integer({ min: 1, max: 80 }),
      end: fc.boolean(),
    })
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 200 }), (drawn, steps) => {
        const clock = { ms: 5_000 }
        // The twin never sees the requests that the first one refuses: both must agree for ever.
        const first = createRates(() => clock.ms)
        const twin = createRates(() => clock.ms)
        const key = limited(drawn)
        const open: [Admission, Admission][] = []
        for (const { gap, tokens, end } of steps) {
          clock.ms += gap
          const given = first.admit(key, tokens)
          if (!('limit' in given)) {
            const same = ok(twin.admit(key, tokens))
            const families = [
              same.state.requests,
              given.state.requests,
              same.state.tokens,
              given.state.tokens,
            ]
            expect(families[0]?.remaining).toBe(families[1]?.remaining)
            expect(families[2]?.remaining).toBe(families[3]?.remaining)
            open.push([given, same])
            if (drawn.concurrency !== null) expect(open.length).toBeLessThanOrEqual(drawn.concurrency)
          }
          if (end) for (const one of open.shift() ?? []) one.release(undefined)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('names the limit that takes longest', () => {
    const { rates, key } = setup({ rpm: 1, rpd: 1, concurrency: 1 })
    ok(rates.admit(key, 0))
    expect(refused(rates.admit(key, 0))).toMatchObject({ limit: 'key.rpd', retryAfterMs: 86_400_000 })
  })
})

describe('tokens per minute', () => {
  it('settles to what was used: an estimate that was too high comes back', () => {
    const { rates, key } = setup({ tpm: 1_000 })
    const first = ok(rates.admit(key, 900))
    expect(first.state.tokens).toMatchObject({ limit: 1_000, remaining: 100, resetMs: 54_000 })
    refused(rates.admit(key, 200))
    first.release(100)
    expect(ok(rates.admit(key, 200)).state.tokens?.remaining).toBe(700)
  })

  it('an estimate that was too low is a debt that the next request waits for', () => {
    const { clock, rates, key } = setup({ tpm: 1_000 })
    ok(rates.admit(key, 100)).release(3_000)
    const no = refused(rates.admit(key, 1_000))
    expect(no).toMatchObject({ limit: 'key.tpm', retryAfterMs: 180_000 })
    clock.ms += 179_999
    refused(rates.admit(key, 1_000))
    clock.ms += 1
    ok(rates.admit(key, 1_000))
  })

  it('a bucket is never further behind than an hour, whatever one request is said to have used', () => {
    const { clock, rates, key } = setup({ tpm: 1_000 })
    const [one, two] = [ok(rates.admit(key, 100)), ok(rates.admit(key, 100))]
    one.release(900_000_000)
    two.release(900_000_000)
    expect(refused(rates.admit(key, 1_000)).retryAfterMs).toBe(61 * 60_000)
    clock.ms += 61 * 60_000
    ok(rates.admit(key, 1_000))
  })

  it('what drained already does not come back twice', () => {
    const { clock, rates, key } = setup({ tpm: 1_000 })
    const long = ok(rates.admit(key, 1_000))
    clock.ms += 60_000
    ok(rates.admit(key, 1_000))
    long.release(0)
    refused(rates.admit(key, 1))
  })

  it('unknown usage keeps the estimate; the second release is nothing', () => {
    const { rates, key } = setup({ tpm: 1_000, concurrency: 1 })
    const one = ok(rates.admit(key, 600))
    one.release(undefined)
    one.release(0)
    const two = ok(rates.admit(key, 100))
    expect(two.state.tokens?.remaining).toBe(300)
    one.release(0)
    expect(refused(rates.admit(key, 100)).limit).toBe('key.concurrency')
  })

  it('a request above the whole limit is told that waiting is useless', () => {
    const { rates, key } = setup({ tpm: 100 })
    expect(refused(rates.admit(key, 663))).toMatchObject({ limit: 'key.tpm', neverFits: true })
    ok(rates.admit(key, 100))
  })
})

describe('a request that goes no further', () => {
  it('consumes nothing, in any dimension, and is told how it stands then', () => {
    const { rates, key } = setup({ rpm: 2, rpd: 2, tpm: 1_000, concurrency: 1 })
    const before = ok(rates.admit(key, 300))
    before.release(300)
    for (let i = 0; i < 10; i++) {
      const one = ok(rates.admit(key, 600))
      const state = one.withdraw()
      expect(state.policies?.map(({ remaining }) => remaining)).toEqual([1, 1, 700, 1])
      // once is enough
      one.withdraw()
      one.release(900)
    }
    ok(rates.admit(key, 700)).release(700)
    expect(refused(rates.admit(key, 0)).limit).toBe('key.rpd')
  })

  it('what drained meanwhile does not come back twice', () => {
    for (const limits of [{ rpm: 2 }, { tpm: 1_000 }]) {
      const { clock, rates, key } = setup(limits)
      const long = ok(rates.admit(key, 1_000))
      clock.ms += 60_000
      ok(rates.admit(key, 500))
      ok(rates.admit(key, 500))
      long.withdraw()
      refused(rates.admit(key, 1))
    }
  })
})

describe('concurrency and lineage', () => {
  it('slots never leak over any order of ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10 }),
        fc.array(fc.nat(), { maxLength: 400 }),
        (concurrency, dice) => {
          const { rates, key } = setup({ concurrency })
          const open: Admission[] = []
          for (const die of dice) {
            if (die % 2 === 0) {
              const given = rates.admit(key, 0)
              expect('limit' in given).toBe(open.length >= concurrency)
              if (!('limit' in given)) open.push(given)
            } else open.splice(die % Math.max(1, open.length), 1)[0]?.release(die)
          }
          for (const one of open) one.release(undefined)
          for (let i = 0; i < concurrency; i++) ok(rates.admit(key, 0))
          expect(refused(rates.admit(key, 0))).toMatchObject({
            limit: 'key.concurrency',
            retryAfterMs: 1_000,
          })
        },
      ),
      { numRuns: 200 },
    )
  })

  it('a rotated key shares its lineage, and keys with different limits mint nothing by turns', () => {
    const { rates } = setup({})
    const old = limited({ rpm: 10 })
    const heir = { ...limited({ rpm: 100 }), id: 'key000000002' }
    let admitted = 0
    for (let i = 0; i < 1_000; i++) if (!('limit' in rates.admit(i % 2 === 0 ? old : heir, 0))) admitted++
    expect(admitted).toBe(100)
    ok(rates.admit(limited({ rpm: 5 }) && { ...limited({ rpm: 5 }), lineage: 'other' }, 0))
  })

  it('a zero limit refuses everything, forever, with a finite wait', () => {
    for (const limits of [{ rpm: 0 }, { rpd: 0 }, { concurrency: 0 }, { tpm: 0 }]) {
      const { rates, key } = setup(limits)
      const no = refused(rates.admit(key, 1))
      expect(no.retryAfterMs).toBe(86_400_000)
    }
  })

  it('a daily limit remembers an earlier process', () => {
    const { rates, key } = setup({ rpd: 10 })
    rates.seed(key.lineage, 9)
    ok(rates.admit(key, 0))
    expect(refused(rates.admit(key, 0)).limit).toBe('key.rpd')
  })

  it('no limits, no headers', () => {
    const { rates, key } = setup({})
    expect(ok(rates.admit(key, 1e12)).state).toEqual({})
    expect(ok(rates.admit(key, Number.NaN)).state).toEqual({})
  })
})

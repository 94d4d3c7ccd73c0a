/** The arithmetic behind the benchmark's claims: medians, spreads, ratios round by round, bars. */
import { describe, expect, it } from 'vitest'
import { bars, median, percentile, type Row, ratio, spread } from '../../bench/figures.ts'
import type { TargetName } from '../../bench/targets.ts'

const row = (id: string, rounds: Partial<Record<TargetName, number[]>>): Row => ({
  id,
  title: id,
  unit: 'µs',
  rounds: new Map(Object.entries(rounds) as [TargetName, number[]][]),
})

describe('figures', () => {
  it('takes the middle, of an even count the mean of both', () => {
    expect(median([9, 1, 5])).toBe(5)
    expect(median([4, 1, 3, 2])).toBe(2.5)
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(3)
    expect(percentile([1, 2, 3, 4], 0.99)).toBe(4)
    expect(spread([100, 90, 150])).toBeCloseTo(0.5)
  })

  it('compares neighbours in time: a slow minute of the machine cancels out', () => {
    const found = ratio(row('x', { switchgate: [100, 300, 110], raw: [50, 150, 55] }), 'switchgate', 'raw')
    expect(found?.value).toBe(2)
    expect(found?.min).toBe(2)
    expect(found?.max).toBe(2)
  })

  it('says so when the rounds of one side spread too far, and never invents a missing side', () => {
    expect(ratio(row('x', { switchgate: [100, 101], raw: [50, 51] }), 'switchgate', 'raw')?.isSteady).toBe(
      true,
    )
    expect(
      ratio(row('x', { switchgate: [100, 100, 140], raw: [50, 50, 50] }), 'switchgate', 'raw')?.isSteady,
    ).toBe(false)
    expect(ratio(row('x', { switchgate: [100] }), 'switchgate', 'portkey')).toBeUndefined()
  })

  it('judges many rounds by their middle half: one slow second of the machine is no spread', () => {
    const rounds = [...Array.from({ length: 11 }, (_, i) => 100 + i), 900]
    expect(spread(rounds)).toBeCloseTo(3.5 / 105.5)
    const found = ratio(row('x', { switchgate: rounds, raw: rounds.map(() => 64) }), 'switchgate', 'raw')
    expect(found).toMatchObject({
      value: 105.5 / 64,
      rounds: 12,
      min: 103 / 64,
      max: 109 / 64,
      isSteady: true,
    })
    const few = ratio(row('x', { switchgate: [100, 900], raw: [50, 50] }), 'switchgate', 'raw')
    expect(few).toMatchObject({ rounds: 2, min: 2, max: 18, isSteady: false })
  })

  it('judges the four bars, and leaves open what was not measured', () => {
    const rows = [
      row('cpu_32', { raw: [50], switchgate: [80], portkey: [900] }),
      row('burst_32', { raw: [3], switchgate: [6], portkey: [20] }),
    ]
    expect(bars(rows).map(bar => bar.isPassed)).toEqual([true, true, false, false])
    const alone = [row('cpu_32', { raw: [50], switchgate: [80] })]
    expect(bars(alone).map(bar => bar.isPassed)).toEqual([true, undefined])
  })
})

/** The bars of `npm run simulate` in their quick form: two half days that nothing was tuned on, and drills. All dice are seeded. */
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { type Bar, beating, dayBars, drillBars } from '../../bench/simulate/bars.ts'
import { type Comparison, compare, ORACLE, POLICIES } from '../../bench/simulate/compare.ts'
import { OURS } from '../../bench/simulate/ours.ts'
import { markdown, picture } from '../../bench/simulate/report.ts'
import { HOUR_MS } from '../../bench/simulate/world.ts'

const missed = (bars: readonly Bar[]) =>
  bars.filter(({ isPassed }) => !isPassed).map(({ title, found }) => `${title}: ${found}`)

describe('quick bars', () => {
  let comparison: Comparison
  beforeAll(() => {
    comparison = compare([1001, 1002], { lengthMs: 12 * HOUR_MS })
  }, 240_000)

  test('every policy has been through the same traffic, and it was not an easy one', () => {
    expect(comparison.figures.size).toBe(POLICIES.length)
    expect(comparison.requests).toBeGreaterThan(10_000)
    for (const { requests } of comparison.figures.values()) expect(requests).toBe(comparison.requests)
    const roundRobin = comparison.figures.get('round-robin')
    expect(roundRobin?.faultShare).toBeGreaterThan(0.01)
  })

  test('failures, cost, first tokens and the default are within the bars', () => {
    // half days have few failures: under the other strategies one unlucky target decides them, which twenty days even out
    const judged = dayBars(comparison).filter(({ title }) => !/^(price|latency): failures/.test(title))
    expect(judged).toHaveLength(4)
    expect(missed(judged)).toEqual([])
  })

  test('the bars can be missed: by those who do not look at health', () => {
    const figures = new Map(comparison.figures)
    const naive = figures.get('round-robin')
    if (naive) for (const { name } of OURS) figures.set(name, { ...naive, name })
    const worse = { ...comparison, figures }
    expect(beating(worse, 'balanced').length).toBeGreaterThan(0)
    expect(missed(dayBars(worse)).length).toBeGreaterThanOrEqual(3)
  })

  test('an oracle is not beaten by anyone on failures', () => {
    const best = comparison.figures.get(ORACLE.name)?.faultShare ?? 1
    for (const { name, faultShare } of comparison.figures.values())
      if (!name.startsWith('oracle')) expect(faultShare, name).toBeGreaterThanOrEqual(best)
  })

  test('table and picture show every policy', () => {
    const results = { comparison, bars: dayBars(comparison) }
    for (const { name } of POLICIES) {
      expect(markdown(results)).toContain(name)
      expect(picture(results)).toContain(`>${name}</text>`)
    }
    expect(picture(results)).not.toContain('NaN')
  })
})

describe('ROUTING.md', () => {
  const page = readFileSync(new URL('../../ROUTING.md', import.meta.url), 'utf8')
  const svg = readFileSync(new URL('../../bench/simulate/routing.svg', import.meta.url), 'utf8')

  test('shows every policy and every bar, in its table and its picture', () => {
    for (const { name } of POLICIES) {
      expect(page).toMatch(new RegExp(`^\\| (\\*\\*)?${name}(\\*\\*)? \\|`, 'm'))
      expect(svg).toContain(`>${name}</text>`)
    }
    expect(page.match(/ \| (passed|\*\*missed\*\*) \|$/gm)).toHaveLength(12)
    expect(page).toContain('Days 1001–1020')
  })
})

describe('drills', () => {
  test('brown-outs are left in time, and equals do not take turns as favourites', {
    timeout: 240_000,
  }, () => {
    expect(missed(drillBars([1001]))).toEqual([])
  })
})

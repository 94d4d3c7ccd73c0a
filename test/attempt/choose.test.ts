/** Once more at the same target, before another model answers: only where that costs the caller little. */
import { expect, it } from 'vitest'
import { onceMore, type Tried } from '../../src/attempt/choose.ts'
import type { Target } from '../../src/route/plan.ts'

const target = (site: string, model: string) =>
  ({
    key: `${site}/${model}`,
    listing: { site: { name: site }, offer: { model, upstream: model } },
  }) as unknown as Target

const here = target('alpha', 'large')
const tried = (more: Partial<Tried>): Tried[] => [{ target: here, failure: 'overloaded', ...more }]

it('a quick failure is asked again, one that took long is not', () => {
  const lesser = target('beta', 'small')
  expect(onceMore(tried({}), lesser, 2)).toBe(here)
  expect(onceMore(tried({ tookMs: 900 }), lesser, 2)).toBe(here)
  expect(onceMore(tried({ tookMs: 30_100 }), lesser, 2)).toBeUndefined()
})

it('the same model elsewhere is as good, and the last attempt is the other model’s', () => {
  expect(onceMore(tried({}), target('beta', 'large'), 2)).toBeUndefined()
  expect(onceMore(tried({}), target('beta', 'small'), 1)).toBeUndefined()
})

it('a rate limit is waited for when the provider says that it is short', () => {
  const lesser = target('beta', 'small')
  expect(onceMore(tried({ failure: 'rate_limited' }), lesser, 2)).toBeUndefined()
  expect(onceMore(tried({ failure: 'rate_limited', retryAfterMs: 2_000 }), lesser, 2)).toBe(here)
  expect(onceMore(tried({ failure: 'rate_limited', retryAfterMs: 9_000 }), lesser, 2)).toBeUndefined()
})

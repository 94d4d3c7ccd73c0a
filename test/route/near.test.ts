/** Near names: what a key is told when a name means nothing, and never what it may not use. */
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createHealth } from '../../src/route/health.ts'
import { didYouMean } from '../../src/route/near.ts'
import { route } from '../../src/route/plan.ts'
import type { Key } from '../../src/terms.ts'
import { KEY, wanted } from './goods.ts'
import { marketFrom } from './world.ts'

const CONFIG = `
providers:
  alpha:
    kind: openai
    base_url: https://models.example/v1
    region: eu
    models:
      house-one: { upstream: h1 }
      house-two: { upstream: h2 }
      house-six: { upstream: h6 }
      house-ten: { upstream: h10 }
  beta:
    kind: openai
    base_url: https://models.example/v1
    models:
      house-own: { upstream: own }
aliases:
  house-all: { models: [house-one] }
`
const market = marketFrom(CONFIG)
const told = (name: string, policy: Partial<Key> = {}): string => {
  const key = { ...KEY, ...policy } as Key
  const deps = {
    market,
    health: createHealth(),
    nowMs: 0,
    random: Math.random,
    strategy: 'balanced',
  } as const
  try {
    route(wanted({ model: name }), key, deps)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    // the page of one model says the same
    expect(error.message).toContain(didYouMean(name, market.resolve(name), key, market))
    return error.message.replace(/^.*does not exist here\.\s*/, '')
  }
  throw new Error(`${name} was found`)
}

describe('near names', () => {
  test('three at most, the nearest first, for a key that may use all', () => {
    expect(told('house-onw')).toMatch(/^Did you mean house-(own|one), house-(own|one), house-\w+\?$/)
    expect(told('nothing-like-it')).toBe('')
  })

  test('only what the key may use, though others are nearer', () => {
    expect(told('house-onw', { models: ['house-ten'] })).toBe('Did you mean house-ten?')
    expect(told('house-onw', { models: ['house-all'] })).toBe('Did you mean house-all?')
    expect(told('house-onw', { providers: ['beta'] })).toBe('Did you mean house-own?')
    expect(told('house-onw', { models: ['*@beta', 'house-two'] })).toBe('Did you mean house-own, house-two?')
    expect(told('house-onw', { regions: ['eu'] })).not.toContain('house-own')
    expect(told('house-onw', { models: [] })).toBe('')
  })

  test('what the catalogue knows and nobody sells here is told to keys without a policy', () => {
    expect(told('gpt-4o-minj')).toContain('gpt-4o-mini')
    expect(told('gpt-4o-minj', { models: ['house-one'] })).toBe('')
  })
})

/** The corners of a bill that whole recordings seldom reach: billed units, units beside tokens, thoughts at their own price, estimates. */
import { describe, expect, it } from 'vitest'
import { billFor, estimateUsage, holdFor, isStated } from '../src/meter.ts'
import type { Price } from '../src/price.ts'
import type { Units, Usage } from '../src/terms.ts'

const usage = (changes: Partial<Usage> = {}): Usage => ({
  inputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
  ...changes,
})
const flat: Price = { id: 'p', inputPico: 1_000, outputPico: 10_000 }
const cost = (changes: Partial<Usage>, price: Price = flat) =>
  billFor(usage(changes), price, 'exact').costNanoUsd
const images = (count: number): Units => ({ kind: 'image', count })
const perImage: Price = { ...flat, units: { image: 40_000_000 } }

describe('what is paid for', () => {
  it('billed units stand for what was read and written, each by itself', () => {
    expect(cost({ inputTokens: 100, outputTokens: 50, billedInputTokens: 7 })).toBe(7 + 500)
    expect(cost({ inputTokens: 100, outputTokens: 50, billedOutputTokens: 3 })).toBe(100 + 30)
    expect(cost({ inputTokens: 100, outputTokens: 50, billedInputTokens: 7, billedOutputTokens: 3 })).toBe(37)
    expect(cost({ inputTokens: 100, outputTokens: 50, billedInputTokens: 0, billedOutputTokens: 0 })).toBe(0)
    expect(cost({ inputTokens: 100, outputTokens: 50 })).toBe(600)
  })

  it('nothing of billed input is a cache of what was read', () => {
    const cached = { ...flat, cacheReadPico: 1, cacheWritePico: 2, cacheWrite1hPico: 3 }
    const read = {
      inputTokens: 100,
      cacheReadInputTokens: 40,
      cacheCreationInputTokens: 30,
      cacheCreation1hInputTokens: 20,
    }
    expect(cost({ ...read, billedInputTokens: 60 }, cached)).toBe(60)
    expect(cost({ ...read, billedOutputTokens: 0 }, cached)).toBe(
      Math.round((30 * 1_000 + 40 * 1 + 10 * 2 + 20 * 3) / 1_000),
    )
  })

  it('what is cached is never more than what was read, nor what is written for an hour more than written', () => {
    const cached = { ...flat, cacheReadPico: 100_000, cacheWritePico: 200_000, cacheWrite1hPico: 300_000 }
    expect(cost({ inputTokens: 10, cacheReadInputTokens: 99 }, cached)).toBe(1_000)
    expect(cost({ inputTokens: 10, cacheReadInputTokens: 4, cacheCreationInputTokens: 99 }, cached)).toBe(
      400 + 6 * 200,
    )
    const hour = { cacheCreationInputTokens: 5, cacheCreation1hInputTokens: 9 }
    expect(cost({ inputTokens: 10, ...hour }, cached)).toBe(5 + 5 * 300)
  })

  it('thoughts have their own price and are part of the output', () => {
    const thinking = { ...flat, reasoningPico: 70_000 }
    expect(cost({ outputTokens: 10, reasoningOutputTokens: 4 }, thinking)).toBe(60 + 280)
    expect(cost({ outputTokens: 10, reasoningOutputTokens: 40 }, thinking)).toBe(700)
    expect(cost({ outputTokens: 10, reasoningOutputTokens: 4 })).toBe(100)
  })

  it('nonsense counts as none', () => {
    expect(cost({ inputTokens: -5, outputTokens: Number.NaN })).toBe(0)
    expect(cost({ inputTokens: 1.9, outputTokens: 0 })).toBe(1)
    expect(billFor(usage({ inputTokens: Number.POSITIVE_INFINITY }), flat, 'exact')).toEqual({
      costNanoUsd: undefined,
      certainty: 'unknown',
      priceId: 'p',
    })
  })
})

describe('units beside tokens', () => {
  it('are added where the price knows them and cost nothing where it does not', () => {
    expect(cost({ inputTokens: 1_000, units: images(3) }, perImage)).toBe(1_000 + 120_000)
    expect(cost({ inputTokens: 1_000, units: images(3) })).toBe(1_000)
    expect(cost({ inputTokens: 1_000 }, perImage)).toBe(1_000)
    expect(cost({ units: { kind: 'second', count: 3 } }, perImage)).toBe(0)
  })

  it('are held for as well', () => {
    const size = { inputTokensBound: 10, outputTokens: 2, price: perImage }
    expect(holdFor(size)).toBe(10 + 20)
    expect(holdFor({ ...size, units: images(2) })).toBe(30 + 80_000)
    expect(holdFor({ ...size, price: flat, units: images(2) })).toBe(30)
  })

  it('say something to a price by the unit only; tokens say it to every price', () => {
    expect(isStated(usage(), flat)).toBe(true)
    expect(isStated(usage({ units: images(1) }), undefined)).toBe(true)
    expect(isStated(usage({ units: images(1) }), perImage)).toBe(true)
    expect(isStated(usage({ units: images(1) }), flat)).toBe(false)
    expect(isStated(usage({ units: images(1), inputTokens: 1 }), flat)).toBe(true)
    expect(isStated(usage({ units: images(1), outputTokens: 1 }), flat)).toBe(true)
    expect(isStated(usage({ units: images(1), inputTokens: 1, outputTokens: 1 }), flat)).toBe(true)
  })
})

describe('holds', () => {
  it('take a tier only when the prompt can reach beyond its bound', () => {
    const tiers = [{ overInputTokens: 100, inputPico: 3_000, outputPico: 30_000 }]
    const at = (inputTokensBound: number, tierTokensBound?: number) =>
      holdFor({
        inputTokensBound,
        outputTokens: 1,
        price: { ...flat, tiers },
        ...(tierTokensBound && { tierTokensBound }),
      })
    expect([at(99), at(100), at(101)]).toEqual([109, 110, 333])
    expect([at(0, 100), at(0, 101)]).toEqual([10, 30])
  })

  it('are for the dearest way that a prompt can be read, and the dearer of words and thoughts', () => {
    const dear = {
      ...flat,
      cacheReadPico: 2_000,
      cacheWritePico: 3_000,
      cacheWrite1hPico: 4_000,
      reasoningPico: 20_000,
    }
    expect(holdFor({ inputTokensBound: 10, outputTokens: 1, price: dear })).toBe(40 + 20)
    expect(holdFor({ inputTokensBound: 10, outputTokens: 1, price: { ...dear, cacheWrite1hPico: 1 } })).toBe(
      50,
    )
    expect(holdFor({ inputTokensBound: 1e12, outputTokens: 0, price: { ...flat, inputPico: 1e9 } })).toBe(
      Number.MAX_SAFE_INTEGER,
    )
  })
})

describe('estimates', () => {
  const seen = { likelyInputTokens: 10.2, outputBytes: 10, contentEvents: 0 }

  it('go by bytes or events, whichever is more, and never below what was stated', () => {
    expect(estimateUsage(seen)).toEqual(usage({ inputTokens: 11, outputTokens: 4 }))
    expect(estimateUsage({ ...seen, contentEvents: 9 }).outputTokens).toBe(9)
    expect(estimateUsage({ ...seen, stated: { outputTokens: 30 } }).outputTokens).toBe(30)
    expect(estimateUsage({ ...seen, stated: { outputTokens: 1 } }).outputTokens).toBe(4)
  })

  it('keep what the provider stated of the input, and no more members than it stated', () => {
    const stated = {
      inputTokens: 77,
      cacheReadInputTokens: 5,
      cacheCreationInputTokens: 6,
      cacheCreation1hInputTokens: 2,
    }
    expect(estimateUsage({ ...seen, stated })).toEqual(usage({ ...stated, outputTokens: 4 }))
    expect(Object.keys(estimateUsage(seen))).not.toContain('cacheCreation1hInputTokens')
  })

  it('thoughts are part of the output', () => {
    expect(estimateUsage({ ...seen, reasoningBytes: 5 })).toMatchObject({
      outputTokens: 4,
      reasoningOutputTokens: 2,
    })
    expect(estimateUsage({ ...seen, reasoningBytes: 500 })).toMatchObject({ reasoningOutputTokens: 4 })
    expect(estimateUsage({ ...seen, stated: { reasoningOutputTokens: 3 } })).toMatchObject({
      reasoningOutputTokens: 3,
    })
  })
})

describe("a provider's own statement of cost", () => {
  it('wins when it is an amount', () => {
    const stated: Price = { ...flat, isStatedByHost: true }
    expect(billFor(usage({ inputTokens: 5, reportedCostNanoUsd: 12.5 }), stated, 'exact')).toEqual({
      costNanoUsd: 13,
      certainty: 'exact',
      priceId: 'reported',
    })
    expect(billFor(usage({ inputTokens: 5, reportedCostNanoUsd: 0 }), stated, 'exact').costNanoUsd).toBe(0)
    for (const nonsense of [-1, Number.NaN, 1e300])
      expect(
        billFor(usage({ inputTokens: 5, reportedCostNanoUsd: nonsense }), stated, 'exact').costNanoUsd,
      ).toBe(5)
    expect(billFor(usage({ inputTokens: 5 }), undefined, 'estimated')).toEqual({
      costNanoUsd: undefined,
      certainty: 'estimated',
      priceId: undefined,
    })
  })
})

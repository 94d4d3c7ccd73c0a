/** Bills and holds: exact arithmetic, tiers, caches, and the law that an honest bill never exceeds its hold. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { billFor, estimateUsage, holdFor } from '../src/meter.ts'
import { type Price, priceIn } from '../src/price.ts'
import type { Usage } from '../src/terms.ts'

const usage = (changes: Partial<Usage> = {}): Usage => ({
  inputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
  ...changes,
})
const price: Price = {
  id: 'p',
  inputPico: 3_000_000,
  outputPico: 15_000_000,
  cacheReadPico: 300_000,
  cacheWritePico: 3_750_000,
  cacheWrite1hPico: 6_000_000,
  tiers: [{ overInputTokens: 200_000, inputPico: 6_000_000, outputPico: 22_500_000, cacheReadPico: 600_000 }],
}

describe('billFor', () => {
  it('a million tokens each way cost the listed USD', () => {
    const flat = { ...price, tiers: [] }
    expect(billFor(usage({ inputTokens: 1e6, outputTokens: 1e6 }), flat, 'exact')).toEqual({
      costNanoUsd: 18_000_000_000,
      certainty: 'exact',
      priceId: 'p',
    })
  })

  it('a price of units only does not bill a text: unknown is not zero', () => {
    const pictures: Price = { id: 'u', inputPico: 0, outputPico: 0, units: { image: 4e10 }, onlyUnits: true }
    expect(billFor(usage({ inputTokens: 5 }), pictures, 'exact').costNanoUsd).toBeUndefined()
    const shown = billFor(usage({ inputTokens: 5, units: { kind: 'image', count: 2 } }), pictures, 'exact')
    expect(shown.costNanoUsd).toBe(80_000_000)
    expect(billFor(usage(), pictures, 'exact').costNanoUsd).toBe(0)
    const heard = usage({ inputTokens: 5, units: { kind: 'second', count: 2 } })
    expect(billFor(heard, pictures, 'exact').costNanoUsd).toBeUndefined()
  })

  it('takes the parts of the prompt at their own prices', () => {
    const bill = billFor(
      usage({
        inputTokens: 1_000,
        cacheReadInputTokens: 400,
        cacheCreationInputTokens: 300,
        cacheCreation1hInputTokens: 100,
        outputTokens: 10,
        reasoningOutputTokens: 9,
      }),
      price,
      'exact',
    )
    const pico = 300 * 3_000_000 + 400 * 300_000 + 200 * 3_750_000 + 100 * 6_000_000 + 10 * 15_000_000
    expect(bill.costNanoUsd).toBe(pico / 1_000)
  })

  it('a tier begins above its bound and covers every token, cached ones included in the count', () => {
    const at = (inputTokens: number, cacheReadInputTokens = 0) =>
      billFor(usage({ inputTokens, cacheReadInputTokens, outputTokens: 1 }), price, 'exact').costNanoUsd
    expect(at(200_000)).toBe((200_000 * 3_000_000 + 15_000_000) / 1_000)
    expect(at(200_001)).toBe((200_001 * 6_000_000 + 22_500_000) / 1_000)
    expect(at(200_001, 200_000)).toBe((6_000_000 + 200_000 * 600_000 + 22_500_000) / 1_000)
  })

  it('rounds half up once, on the sum', () => {
    const cheap: Price = { id: 'c', inputPico: 250, outputPico: 249 }
    expect(billFor(usage({ inputTokens: 1, outputTokens: 1 }), cheap, 'exact').costNanoUsd).toBe(0)
    expect(billFor(usage({ inputTokens: 2 }), cheap, 'exact').costNanoUsd).toBe(1)
    expect(billFor(usage({ inputTokens: 1, outputTokens: 2 }), cheap, 'exact').costNanoUsd).toBe(1)
  })

  it('prefers what the provider says it costs, never what it says in nonsense', () => {
    const told = (reportedCostNanoUsd: number) =>
      billFor(usage({ inputTokens: 10, reportedCostNanoUsd }), { ...price, isStatedByHost: true }, 'exact')
    expect(told(42)).toEqual({ costNanoUsd: 42, certainty: 'exact', priceId: 'reported' })
    expect(told(0).costNanoUsd).toBe(0)
    for (const bad of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e300])
      expect(told(bad)).toEqual({ costNanoUsd: 30_000, certainty: 'exact', priceId: 'p' })
  })

  it('believes nobody who is not known to state a cost, and no slip of units', () => {
    const told = (reportedCostNanoUsd: number, stated?: true) => {
      const listed: Price = { ...price, ...(stated && { isStatedByHost: true }) }
      return billFor(usage({ inputTokens: 10, reportedCostNanoUsd }), listed, 'exact')
    }
    const list = { costNanoUsd: 30_000, certainty: 'exact', priceId: 'p' }
    for (const nanoUsd of [0, 42, 1e15]) expect(told(nanoUsd)).toEqual(list)
    // a fee by the request may be many times what the tokens cost, but not more than a dollar
    expect(told(1_000_000_000, true).costNanoUsd).toBe(1_000_000_000)
    expect(told(1_000_000_001, true)).toEqual(list)
    const much = (nanoUsd: number) => {
      const listed: Price = { ...price, isStatedByHost: true }
      const large = usage({ inputTokens: 100_000, reportedCostNanoUsd: nanoUsd })
      return billFor(large, listed, 'exact').costNanoUsd
    }
    expect(much(30_000_000_000)).toBe(30_000_000_000)
    expect(much(30_000_000_001)).toBe(300_000_000)
    // where there is no price there is nothing else
    const alone = usage({ inputTokens: 10, reportedCostNanoUsd: 5 })
    expect(billFor(alone, undefined, 'exact').costNanoUsd).toBe(5)
  })

  it('bills the tier that the answer was made in; one without a price is a guess', () => {
    const tiered: Price = { ...price, byTier: { priority: { inputPico: 6_000_000, outputPico: 1 } } }
    const served = (serviceTier: string, listed: Price = tiered) =>
      billFor(usage({ inputTokens: 10, serviceTier }), listed, 'exact')
    expect(served('priority')).toEqual({ costNanoUsd: 60_000, certainty: 'exact', priceId: 'p#priority' })
    expect(served('scale')).toEqual({ costNanoUsd: 30_000, certainty: 'estimated', priceId: 'p' })
    expect(served('default')).toEqual({ costNanoUsd: 30_000, certainty: 'exact', priceId: 'p' })
    expect(served('scale', { ...price, isOwn: true }).certainty).toBe('exact')
    const asked = priceIn(tiered, 'priority')
    expect(billFor(usage({ inputTokens: 10 }), asked, 'exact').costNanoUsd).toBe(60_000)
    expect(served('default', asked)).toMatchObject({ costNanoUsd: 30_000, certainty: 'exact' })
    expect(holdFor({ inputTokensBound: 10, outputTokens: 0, price: asked })).toBe(60_000)
  })

  it('an unknown price is not zero', () => {
    expect(billFor(usage({ inputTokens: 10 }), undefined, 'exact').costNanoUsd).toBeUndefined()
  })

  it('survives any usage: nonsense is never a bill that is too low to be honest, nor a crash', () => {
    for (const inputTokens of [1e18, Number.POSITIVE_INFINITY, Number.MAX_VALUE])
      expect(billFor(usage({ inputTokens }), price, 'exact')).toEqual({
        costNanoUsd: undefined,
        certainty: 'unknown',
        priceId: 'p',
      })
    expect(billFor(usage({ inputTokens: -5, outputTokens: Number.NaN }), price, 'exact').costNanoUsd).toBe(0)
    expect(billFor(usage({ inputTokens: 10, cacheReadInputTokens: 99 }), price, 'exact').costNanoUsd).toBe(
      3_000,
    )
  })
})

describe('holdFor', () => {
  const rate = fc.integer({ min: 0, max: 100_000_000 })
  const rates = fc.record({
    inputPico: rate,
    outputPico: rate,
    cacheReadPico: fc.option(rate, { nil: undefined }),
    cacheWritePico: fc.option(rate, { nil: undefined }),
    cacheWrite1hPico: fc.option(rate, { nil: undefined }),
  })
  const prices = fc.record({
    base: rates,
    tiers: fc.array(fc.record({ over: fc.integer({ min: 0, max: 50_000 }), rates }), { maxLength: 3 }),
  })

  it('is never below an honest bill within its bounds', () => {
    const tokens = fc.nat({ max: 60_000 })
    fc.assert(
      fc.property(
        prices,
        fc.tuple(tokens, tokens, tokens, tokens, tokens),
        tokens,
        tokens,
        (drawn, parts, slackIn, slackOut) => {
          const tiers = drawn.tiers
            .sort((a, b) => a.over - b.over)
            .map(tier => ({ ...tier.rates, overInputTokens: tier.over }))
          const drawnPrice = { ...drawn.base, id: 'x', tiers } as Price
          const [plain, read, written, written1h, outputTokens] = parts
          const honest = usage({
            inputTokens: plain + read + written + written1h,
            cacheReadInputTokens: read,
            cacheCreationInputTokens: written + written1h,
            cacheCreation1hInputTokens: written1h,
            outputTokens,
          })
          const hold = holdFor({
            inputTokensBound: honest.inputTokens + slackIn,
            outputTokens: outputTokens + slackOut,
            price: drawnPrice,
          })
          expect(billFor(honest, drawnPrice, 'exact').costNanoUsd as number).toBeLessThanOrEqual(hold)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('is exact when there is one price, and rounds up', () => {
    const flat: Price = { id: 'f', inputPico: 1_500, outputPico: 1 }
    expect(holdFor({ inputTokensBound: 2, outputTokens: 0, price: flat })).toBe(3)
    expect(holdFor({ inputTokensBound: 2, outputTokens: 1, price: flat })).toBe(4)
  })

  it('a later slice of a long prompt costs what the long prompt makes it cost', () => {
    const slice = { inputTokensBound: 0, outputTokens: 1_000, price }
    expect(holdFor(slice)).toBe(15_000_000)
    expect(holdFor({ ...slice, tierTokensBound: 200_001 })).toBe(22_500_000)
  })

  it('an absurd size is an absurd hold, not an overflow', () => {
    expect(holdFor({ inputTokensBound: 1e15, outputTokens: 1e15, price })).toBe(Number.MAX_SAFE_INTEGER)
  })
})

describe('estimateUsage', () => {
  it('counts bytes or events, whichever is more, and never below what was stated', () => {
    const seen = { likelyInputTokens: 12.2, outputBytes: 10, contentEvents: 2 }
    expect(estimateUsage(seen)).toEqual(usage({ inputTokens: 13, outputTokens: 4 }))
    expect(estimateUsage({ ...seen, contentEvents: 9 }).outputTokens).toBe(9)
    expect(
      estimateUsage({
        ...seen,
        reasoningBytes: 6,
        stated: { inputTokens: 50, cacheReadInputTokens: 40, outputTokens: 8 },
      }),
    ).toEqual(usage({ inputTokens: 50, cacheReadInputTokens: 40, outputTokens: 8, reasoningOutputTokens: 2 }))
  })

  it('adds what was on its way when a budget ended the stream, as far as it is held, and never takes from what came', () => {
    const outputOf = (outputBytes: number, cutAtTokens?: number) =>
      estimateUsage({ likelyInputTokens: 1, outputBytes, contentEvents: 1, cutAtTokens }).outputTokens
    expect(outputOf(3_000)).toBe(1_000)
    expect(outputOf(3_000, 2_048)).toBe(1_256)
    expect(outputOf(3_000, 1_100)).toBe(1_100)
    expect(outputOf(3_000, 900)).toBe(1_000)
    const stated = { inputTokens: 50, outputTokens: 7 }
    const seen = { likelyInputTokens: 1, outputBytes: 1, contentEvents: 1, cutAtTokens: 512 }
    expect(estimateUsage({ ...seen, stated })).toEqual(usage({ inputTokens: 50, outputTokens: 263 }))
  })
})

/** Bills and holds for what comes beside text: sound among the tokens, tools that the provider runs, least lengths, and what nobody saw. */
import { describe, expect, it } from 'vitest'
import { billFor, estimateUsage, holdFor } from '../../src/meter.ts'
import type { Price } from '../../src/price.ts'
import type { Certainty, Usage } from '../../src/terms.ts'

const usage = (changes: Partial<Usage> = {}): Usage => ({
  inputTokens: 0,
  cacheReadInputTokens: 0,
  cacheCreationInputTokens: 0,
  outputTokens: 0,
  reasoningOutputTokens: 0,
  ...changes,
})
/** 1 nano-USD a token read, 10 a token written. */
const text: Price = { id: 'p', inputPico: 1_000, outputPico: 10_000 }
const bill = (changes: Partial<Usage>, price: Price, certainty: Certainty = 'exact') =>
  billFor(usage(changes), price, certainty)
const cost = (changes: Partial<Usage>, price: Price) => bill(changes, price).costNanoUsd

describe('sound', () => {
  const sound: Price = { ...text, audioInputPico: 5_000, audioOutputPico: 50_000 }
  const dear: Price = { ...sound, cacheReadPico: 3_000, cacheWritePico: 2_000, reasoningPico: 20_000 }

  it('is a part of what was read, beside what came from the cache and what went into it', () => {
    const read = { inputTokens: 10, cacheReadInputTokens: 3, cacheCreationInputTokens: 2 }
    expect(cost({ ...read, audioInputTokens: 4 }, dear)).toBe(1 * 1 + 4 * 5 + 3 * 3 + 2 * 2)
    // more sound than there is room for is no more than the rest
    expect(cost({ ...read, audioInputTokens: 99 }, dear)).toBe(5 * 5 + 3 * 3 + 2 * 2)
    expect(cost(read, dear)).toBe(5 * 1 + 3 * 3 + 2 * 2)
  })

  it('is a part of what was written, beside thoughts', () => {
    const written = { outputTokens: 10, reasoningOutputTokens: 4 }
    expect(cost({ ...written, audioOutputTokens: 3 }, dear)).toBe(3 * 10 + 3 * 50 + 4 * 20)
    expect(cost({ ...written, audioOutputTokens: 99 }, dear)).toBe(6 * 50 + 4 * 20)
  })

  it.each([
    ['heard', { inputTokens: 10, audioInputTokens: 4 }, 10, { ...sound, audioInputPico: undefined }],
    ['spoken', { outputTokens: 10, audioOutputTokens: 4 }, 100, { ...sound, audioOutputPico: undefined }],
  ])(
    'that is %s costs what text costs where its price is not known, and the bill says so',
    (_, said, nano, given) => {
      expect(bill(said, given as Price)).toEqual({ costNanoUsd: nano, certainty: 'estimated', priceId: 'p' })
      expect(bill(said, sound).certainty).toBe('exact')
      // none was heard: nothing was guessed
      expect(bill({ ...said, audioInputTokens: 0, audioOutputTokens: 0 }, text).certainty).toBe('exact')
    },
  )

  it('is held for at its price if there may be any, at the dearer price if that is the text’s', () => {
    const size = { inputTokensBound: 10, outputTokens: 2, price: sound }
    expect(holdFor({ ...size, sound: true })).toBe(10 * 5 + 2 * 50)
    expect(holdFor({ ...size, sound: false })).toBe(10 * 1 + 2 * 10)
    expect(holdFor({ ...size, price: text, sound: true })).toBe(10 * 1 + 2 * 10)
    const cheap = { ...text, audioInputPico: 1, audioOutputPico: 1 }
    expect(holdFor({ ...size, price: cheap, sound: true })).toBe(10 * 1 + 2 * 10)
  })
})

describe('tools that the provider runs', () => {
  const tools: Price = { ...text, calls: { web_search: 10_000_000, file_search: 2_000_000, code: 0 } }
  const search = (count: number) => ({ kind: 'web_search', count })
  const file = (count: number) => ({ kind: 'file_search', count })

  it('are billed by the call, all kinds together, beside tokens', () => {
    expect(bill({ inputTokens: 7, toolCalls: [search(3), file(2)] }, tools)).toEqual({
      costNanoUsd: 7 + 3 * 10_000 + 2 * 2_000,
      certainty: 'exact',
      priceId: 'p',
    })
    expect(bill({ inputTokens: 7, toolCalls: [{ kind: 'code', count: 9 }] }, tools)).toMatchObject({
      costNanoUsd: 7,
      certainty: 'exact',
    })
    expect(cost({ inputTokens: 7, toolCalls: [] }, tools)).toBe(7)
    expect(cost({ inputTokens: 7, toolCalls: [search(-3)] }, tools)).toBe(7)
  })

  it('whose price is not known are not billed, and the bill says that something is missing', () => {
    const unknown = { kind: 'sail', count: 1 }
    for (const price of [tools, text])
      expect(bill({ inputTokens: 7, toolCalls: [unknown] }, price)).toEqual({
        costNanoUsd: 7,
        certainty: 'estimated',
        priceId: 'p',
      })
    expect(bill({ inputTokens: 7, toolCalls: [search(1), unknown] }, tools)).toMatchObject({
      costNanoUsd: 10_007,
      certainty: 'estimated',
    })
    // one that did not run costs nothing
    expect(bill({ inputTokens: 7, toolCalls: [{ ...unknown, count: 0 }] }, tools).certainty).toBe('exact')
  })

  it('are held for by the call', () => {
    const size = { inputTokensBound: 10, outputTokens: 2, price: tools }
    expect(holdFor({ ...size, calls: [search(2), file(1)] })).toBe(30 + 20_000 + 2_000)
    expect(holdFor({ ...size, calls: [] })).toBe(30)
    expect(holdFor({ ...size, price: text, calls: [search(2)] })).toBe(30)
  })
})

describe('how sure a bill is', () => {
  const guessed = { inputTokens: 7, toolCalls: [{ kind: 'sail', count: 1 }] }

  it('is never made surer, nor less sure than it was', () => {
    for (const certainty of ['estimated', 'unknown', 'recovered'] as const)
      for (const usage of [guessed, { inputTokens: 7 }])
        expect(bill(usage, text, certainty).certainty).toBe(certainty)
  })

  it('what is free is free for sure, whatever else is in it', () => {
    const free: Price = { id: 'f', inputPico: 0, outputPico: 0 }
    expect(bill({ ...guessed, audioInputTokens: 1, audioOutputTokens: 1 }, free)).toEqual({
      costNanoUsd: 0,
      certainty: 'exact',
      priceId: 'f',
    })
    // free to read only is not free
    expect(bill(guessed, { ...free, outputPico: 1 }).certainty).toBe('estimated')
  })

  it('a price of units only bills no text, be it read or written', () => {
    const units: Price = { id: 'u', inputPico: 0, outputPico: 0, units: { image: 1 }, onlyUnits: true }
    for (const tokens of [{ inputTokens: 5 }, { outputTokens: 5 }, { inputTokens: 5, outputTokens: 5 }])
      expect(bill(tokens, units)).toEqual({ costNanoUsd: undefined, certainty: 'exact', priceId: undefined })
  })
})

describe('units', () => {
  const seconds: Price = { ...text, units: { second: 30_000 }, leastUnits: { second: 10 } }
  const of = (count: number, kind = 'second') => ({ units: { kind, count } })

  it('are billed and held for at their least number', () => {
    expect([0, 2, 10, 12].map(count => cost(of(count), seconds))).toEqual([300, 300, 300, 360])
    const size = { inputTokensBound: 0, outputTokens: 0, price: seconds }
    expect([2, 12].map(count => holdFor({ ...size, ...of(count) }))).toEqual([300, 360])
  })

  it('without end of a kind that this price does not know cost nothing', () => {
    expect(cost(of(Number.POSITIVE_INFINITY, 'image'), seconds)).toBe(0)
  })
})

it('a model that worked unseen on an answer nobody waited for wrote 100 tokens a second, within what was asked for', () => {
  const outputOf = (unseenMs: number, cutAtTokens?: number) =>
    estimateUsage({ likelyInputTokens: 1, outputBytes: 0, contentEvents: 0, unseenMs, cutAtTokens })
      .outputTokens
  expect(outputOf(10_000, 5_000)).toBe(256 + 1_000)
  expect(outputOf(11, 5_000)).toBe(256 + 2)
  expect(outputOf(60_000, 5_000)).toBe(5_000)
  expect(outputOf(10_000)).toBe(0)
})

/** What the ledger makes sure of in a row: each of its own figures, and numbers that sums survive. */
import { describe, expect, it, test } from 'vitest'
import { vouchFor } from '../../src/ledger/vouch.ts'
import type { AttemptRow, Usage } from '../../src/terms.ts'
import { keyOf, rowOf } from './parts.ts'

const hold = { attemptId: 'a.1', key: keyOf(), createdAtMs: 1_000, heldNanoUsd: 500 }
/** As record.ts makes it when everything is right. */
const right = (changes: Partial<AttemptRow> = {}): AttemptRow =>
  rowOf(hold, {
    createdAtMs: 1_000,
    heldNanoUsd: 500,
    overrunNanoUsd: 0,
    costNanoUsd: 400,
    certainty: 'exact',
    ...changes,
  })
const vouched = (changes: Partial<AttemptRow>, budgeted = true) => vouchFor(right(changes), hold, budgeted)

test('a row that is right is the same object', () => {
  const row = right()
  expect(vouchFor(row, hold, true)).toBe(row)
})

describe('each figure of the ledger’s own is put right alone', () => {
  it.each([
    [{ createdAtMs: 999 }, { createdAtMs: 1_000 }],
    [{ heldNanoUsd: 499 }, { heldNanoUsd: 500 }],
    [{ overrunNanoUsd: 7 }, { overrunNanoUsd: 0 }],
    [{ costNanoUsd: 501 }, { costNanoUsd: 501, overrunNanoUsd: 1 }],
    [{ costNanoUsd: 500 }, { costNanoUsd: 500, overrunNanoUsd: 0 }],
    [{ costNanoUsd: null }, { costNanoUsd: 500, certainty: 'unknown' }],
    [{ costNanoUsd: -1 }, { costNanoUsd: 500, certainty: 'unknown' }],
    [{ costNanoUsd: 0.5 }, { costNanoUsd: 500, certainty: 'unknown' }],
    [{ costNanoUsd: 2 ** 53 }, { costNanoUsd: 500, certainty: 'unknown' }],
  ] as const)('%j', (wrong, put) => {
    expect(vouched(wrong)).toEqual(right({ ...wrong, ...put }))
  })
})

test('without a budget nothing is over, and a cost that nobody could tell of nothing held stays untold', () => {
  expect(vouched({ costNanoUsd: 501 }, false)).toMatchObject({ costNanoUsd: 501, overrunNanoUsd: 0 })
  const free = { ...hold, heldNanoUsd: 0 }
  const untold = right({ heldNanoUsd: 0, costNanoUsd: null, certainty: 'estimated' })
  expect(vouchFor(untold, free, true)).toBe(untold)
  // a number that is none was told by nobody: that is not the same as saying nothing
  expect(vouchFor({ ...untold, costNanoUsd: Number.NaN }, free, true)).toEqual({
    ...untold,
    costNanoUsd: null,
    certainty: 'unknown',
  })
})

describe('usage that no sum survives is no usage', () => {
  const usage: Usage = {
    inputTokens: 10,
    cacheReadInputTokens: 1,
    cacheCreationInputTokens: 2,
    cacheCreation1hInputTokens: 1,
    outputTokens: 5,
    reasoningOutputTokens: 3,
    billedInputTokens: 10,
    billedOutputTokens: 5,
    reportedCostNanoUsd: 9,
  }
  it('what counts stays as it is, zero and what is absent too', () => {
    const zero = { ...usage, outputTokens: 0, cacheCreation1hInputTokens: 0 }
    for (const fine of [usage, zero]) expect(vouched({ usage: fine }).usage).toBe(fine)
    const { billedInputTokens: _, reportedCostNanoUsd: __, ...less } = usage
    expect(vouched({ usage: less }).usage).toBe(less)
  })
  const counts = Object.keys(usage).filter(name => name !== 'reportedCostNanoUsd')
  it.each(counts)('%s', name => {
    for (const nonsense of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])
      expect(vouched({ usage: { ...usage, [name]: nonsense } })).toEqual(right({ usage: null }))
  })
  it('a stated cost that is nonsense goes alone', () => {
    expect(vouched({ usage: { ...usage, reportedCostNanoUsd: -1 } }).usage).toEqual({
      ...usage,
      reportedCostNanoUsd: undefined,
    })
  })
})

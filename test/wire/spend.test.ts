/** Spend views as text: a long one is written row by row, and must be what the short one would be. */
import { expect, it } from 'vitest'
import type { SpendGroup, SpendRow } from '../../src/store/store.ts'
import { NOTHING, spendText, spendWire, sumOf } from '../../src/wire/spend.ts'

const NAMES = ['plain', null, '', 'quo"te', 'back\\slash', 'line\nbreak', '__proto__', 'Ω🙂', '\ud800', '12']
const GROUPINGS: readonly (readonly SpendGroup[])[] = [[], ['key'], ['hour', 'key'], ['user', 'tag', 'model']]

it.each(GROUPINGS)('is written as one by one objects would be, grouped by %s', (...groupBy) => {
  const rows = Array.from({ length: 40 }, (_, n): SpendRow => {
    const names = groupBy.map((group, at) => [group, NAMES[(n + at) % NAMES.length] ?? null])
    return {
      ...NOTHING,
      group: Object.fromEntries(names),
      requests: n,
      attempts: n + 1,
      inputTokens: 7 ** (n % 18),
      costNanoUsd: n === 3 ? -5 : 11 ** (n % 15),
      estimatedNanoUsd: n % 2 ? 1 : 1_000_000_000,
      unknownNanoUsd: n === 4 ? Number.MAX_SAFE_INTEGER : 0,
      unpricedRequests: n % 3,
    }
  })
  const query = { fromMs: 0, toMs: 1_000, groupBy }
  const keyName = (id: string) => (id === 'plain' ? 'a "name"' : undefined)
  for (const total of [undefined, sumOf(rows)])
    for (const some of [rows, []])
      expect(spendText(query, some, total, keyName)).toBe(
        JSON.stringify(spendWire(query, some, total, keyName)),
      )
})

/** Recorded lists of models as discovery reads them: every id that a host lists is found, in its order, with prices where it states them. */
import { describe, expect, test } from 'vitest'
import { parseList } from '../../src/catalog/lists.ts'
import { HOME, jsonOf, readCorpus } from './corpus.ts'

const lists = readCorpus(HOME).cases.filter(one => one.wire === 'models')

test.runIf(lists.length === 0)('no recordings are here', () => {
  process.stdout.write(`replay: skipped, no recorded lists of models at ${HOME}\n`)
})

interface Listed {
  readonly id: string
  readonly pricing?: { readonly input?: number; readonly output?: number; readonly unit?: string }
}

describe.skipIf(lists.length === 0)('lists of models', () => {
  test.each(lists)('$provider $id: ids and prices are the host’s', one => {
    const { data } = jsonOf(one.body) as { data: readonly Listed[] }
    expect(data.length).toBeGreaterThan(0)
    const read = parseList(jsonOf(one.body), one.provider) ?? []
    expect(read.map(model => model.id)).toEqual(data.map(model => model.id))
    for (const [i, { pricing }] of data.entries()) {
      if (pricing?.unit !== 'usd_per_1m_tokens') continue
      // pico-USD a token are millionths of a USD per million
      const price = {
        input: Math.round((pricing.input ?? 0) * 1e6),
        output: Math.round((pricing.output ?? 0) * 1e6),
      }
      if (price.input + price.output > 0) expect(read[i]?.price).toMatchObject(price)
    }
  })
})

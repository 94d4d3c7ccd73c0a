/** What `/v1/models` says that a model takes. */
import { expect, test } from 'vitest'
import { createHealth } from '../../src/route/health.ts'
import { endpointsOf, modelList } from '../../src/http/models.ts'
import type { Capability, OfferType } from '../../src/terms.ts'
import { KEY, listing, marketOf } from '../route/goods.ts'

const sold = (model: string, type: OfferType | undefined, supports: readonly Capability[] = []) =>
  listing('p', 1, { model, supports: new Set(supports), ...(type && { type }) })
const market = marketOf({
  talker: [sold('talker', 'chat', ['tools'])],
  unknown: [sold('unknown', undefined)],
  painter: [sold('painter', 'image', ['images'])],
  vectors: [sold('vectors', 'embedding')],
})
const parametersOf = (id: string) =>
  modelList(market, KEY).find(model => model.id === id)?.supported_parameters

test('parameters of chat belong to models that chat', () => {
  expect(parametersOf('talker')).toEqual(
    expect.arrayContaining(['max_tokens', 'temperature', 'stream', 'tools', 'tool_choice']),
  )
  expect(parametersOf('unknown')).toContain('temperature')
  expect(parametersOf('painter')).toEqual([])
  expect(parametersOf('vectors')).toEqual([])
  const { endpoints } = endpointsOf('painter', market, KEY, createHealth(), 0) as { endpoints: unknown[] }
  expect(endpoints).toMatchObject([{ supported_parameters: [] }])
})

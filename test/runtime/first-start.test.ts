/** The model that the first start's `curl` line asks for: one that answers a text. */
import { expect, it } from 'vitest'
import { modelForCurl } from '../../src/runtime/node/first-start.ts'
import type { Gateway } from '../../src/runtime/node/open.ts'

const rates = (pico: number) => ({ id: 'p', inputPico: pico, outputPico: pico })
const offer = (model: string, more: object = {}) => ({ site: { builtIn: false }, offer: { model, ...more } })
const chosen = (...listings: unknown[]) =>
  modelForCurl({ deps: { market: () => ({ listings }) } } as unknown as Gateway)

it('is the cheapest that chats; a price for pictures is none for text, an unknown price comes last', () => {
  const pictures = offer('pictures', { price: { ...rates(0), units: { image: 4e10 }, onlyUnits: true } })
  const vectors = offer('vectors', { type: 'embedding', price: rates(1) })
  const unknown = offer('unknown')
  const [dear, cheap] = [offer('dear', { price: rates(9) }), offer('cheap', { price: rates(5) })]
  expect(chosen(pictures, vectors, unknown, dear, cheap)).toBe('cheap')
  expect(chosen(pictures, vectors, unknown)).toBe('unknown')
})

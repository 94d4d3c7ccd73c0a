/** What is counted where tokens are not. The names are the keys of a price's `units`; `/` narrows, and the narrower price wins. */
import type { Units } from '../../terms.ts'
import type { Body } from '../body.ts'
import { isObject } from '../extensions.ts'

const word = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w-]{1,32}$/.test(value) && value !== 'auto' ? value : undefined

/**
 * `image`, `image/1024x1792`, `image/1024x1792/hd`: what the request says of size and quality, and where it leaves them open
 * (`auto`) what the answer does, as GPT's do ("Create image": `size`, `quality`). `image/auto` = the host chooses.
 */
export function imageUnits(request: Body['json'], count: number, answer: Body['json'] = {}): Units {
  const quality = word(request.quality) ?? word(answer.quality)
  const size = word(request.size) ?? word(answer.size)
  const open = request.size === 'auto' || quality !== undefined ? 'auto' : undefined
  return { kind: ['image', size ?? open, quality].filter(Boolean).join('/'), count }
}

/**
 * Searches that a reranking answer says it is billed for: Cohere's `meta.billed_units.search_units` (docs.cohere.com, "Rerank
 * API"), or the same in `usage`. Undefined = not said; 0 is none either, since there is no answer without a search.
 */
export function searchUnits({ meta, usage }: Readonly<Record<string, unknown>>): Units | undefined {
  const billed = isObject(meta) ? meta.billed_units : undefined
  for (const place of [billed, usage]) {
    const count = isObject(place) ? place.search_units : undefined
    if (typeof count === 'number' && Number.isSafeInteger(count) && count > 0)
      return { kind: 'search', count }
  }
  return undefined
}

/** What is counted where tokens are not. The names are the keys of a price's `units`; `/` narrows, and the narrower price wins. */
import type { Units } from '../../terms.ts'
import type { Body } from '../body.ts'

const word = (value: unknown): string | undefined =>
  typeof value === 'string' && /^[\w-]{1,32}$/.test(value) && value !== 'auto' ? value : undefined

/** `image`, `image/1024x1792`, `image/1024x1792/hd`: what the request says of size and quality. */
export function imageUnits(request: Body['json'], count: number): Units {
  const [size, quality] = [word(request.size), word(request.quality)]
  return { kind: ['image', size ?? (quality && 'auto'), quality].filter(Boolean).join('/'), count }
}

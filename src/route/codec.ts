/** Which of a provider's codecs serves an operation. Used by route (who is able) and attempt (how). */
import type { ChatCodec, Provider } from '../../providers/provider.ts'
import type { Operation } from '../terms.ts'
import type { Listing } from './market.ts'

/** Undefined = this provider does not offer it. Wires that are translated go through chat. */
export function codecFor(provider: Provider, operation: Operation): ChatCodec | undefined {
  if (operation === 'embeddings') return provider.embeddings
  return operation === 'text_completion' ? provider.completions : provider.chat
}

/** Is the offer of that kind, and does its provider take the operation? */
export function serves({ offer, site }: Listing, operation: Operation): boolean {
  const type = operation === 'embeddings' ? 'embedding' : 'chat'
  return (offer.type ?? type) === type && codecFor(site.provider, operation) !== undefined
}

/** What a caller would call it. */
export function nameOf(operation: Operation): string {
  if (operation === 'embeddings') return 'embeddings'
  return operation === 'text_completion' ? '/v1/completions' : 'chat'
}

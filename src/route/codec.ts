/** Which of a provider's codecs serves an operation. Used by route (who is able) and attempt (how). */
import type { ChatCodec, NativeCodec, Provider } from '../../providers/provider.ts'
import type { OfferType, Operation } from '../terms.ts'
import type { Listing } from './market.ts'

/** Operations beside chat: what a model for them is called, and how its provider serves them. */
const METERED: Readonly<
  Partial<
    Record<Operation, readonly [type: OfferType, codec: (provider: Provider) => NativeCodec | undefined]>
  >
> = {
  image_generation: ['image', provider => provider.images],
  speech: ['speech', provider => provider.speech],
  transcription: ['transcription', provider => provider.transcriptions],
  rerank: ['rerank', provider => provider.rerank],
  moderation: ['moderation', provider => provider.moderations],
}

/** Undefined = this provider does not offer it. Wires that are translated go through chat; a native codec is never asked to. */
export function codecFor(provider: Provider, operation: Operation): ChatCodec | undefined {
  const metered = METERED[operation]
  if (metered !== undefined) return metered[1](provider)
  if (operation === 'embeddings') return provider.embeddings
  return operation === 'text_completion' ? provider.completions : provider.chat
}

/** Is the offer of that kind, and does its provider take the operation? */
export function serves({ offer, site }: Listing, operation: Operation): boolean {
  const type = METERED[operation]?.[0] ?? (operation === 'embeddings' ? 'embedding' : 'chat')
  return (offer.type ?? type) === type && codecFor(site.provider, operation) !== undefined
}

const NAMES: Readonly<Partial<Record<Operation, string>>> = {
  embeddings: 'embeddings',
  text_completion: '/v1/completions',
  image_generation: 'making images',
  speech: 'speech',
  transcription: 'transcriptions',
  rerank: 'reranking',
  moderation: 'moderations',
}

/** What a caller would call it. */
export const nameOf = (operation: Operation): string => NAMES[operation] ?? 'chat'

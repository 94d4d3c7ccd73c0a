/** Which models somebody means by a few words: one rule for `GET /v1/models`, the admin plane and `switchgate models`. */
import { authorsOf } from '../../providers/catalog/authors.ts'
import type { Capability, OfferType } from '../terms.ts'

/** What can be searched of an offer. */
export interface Findable {
  readonly provider: string
  readonly model: string
  readonly upstream: string
  readonly type?: OfferType | undefined
  readonly supports: ReadonlySet<Capability>
  readonly variant?: string | undefined
}

/** Words that people use for a capability beside its own name. */
const SYNONYMS: Readonly<Record<Capability, string>> = {
  tools: 'tools functions',
  json_schema: 'json_schema structured',
  images: 'images vision',
  reasoning: 'reasoning thinking',
  audio: 'audio',
  pdf: 'pdf files',
}

function wordsOf(offer: Findable): string {
  const capabilities = [...offer.supports].map(capability => SYNONYMS[capability])
  return [
    offer.model,
    offer.upstream,
    offer.provider,
    offer.type,
    offer.variant,
    ...authorsOf(offer.model),
    ...capabilities,
  ]
    .join(' ')
    .toLowerCase()
}

/** A test for offers: every word of `text` must stand somewhere in their ids, author, provider or capabilities; case does not count. */
export function matching(text: string | null | undefined): (offer: Findable) => boolean {
  const wanted = (text ?? '').toLowerCase().split(/\s+/).filter(Boolean)
  if (wanted.length === 0) return () => true
  return offer => {
    const words = wordsOf(offer)
    return wanted.every(word => words.includes(word))
  }
}

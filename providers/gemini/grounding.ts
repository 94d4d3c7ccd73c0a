/** What Google searched for an answer, as calls that have a price. Fed by decode, stream and native, read by usage. */
import type { Units } from '../../src/terms.ts'
import { factsOf } from './model.ts'
import type { Candidate } from './wire.ts'

type Grounding = Candidate['groundingMetadata']

/**
 * Searches of one answer, told by its grounding. From Gemini 3 on each query is billed, empty and repeated ones left out; older
 * models pay once for an answer that was grounded, whatever it took. An answer for which nothing was searched is billed nothing.
 * Sources: ai.google.dev/gemini-api/docs/google-search "Pricing"; recorded answers (`webSearchQueries: ["", "…"]`).
 */
export class Searches {
  readonly #byQuery: boolean
  readonly #queries = new Set<string>()
  #hasSources = false
  #hasMaps = false

  constructor(upstream: string) {
    this.#byQuery = factsOf(upstream).modern
  }

  /** One candidate's grounding, whole or so far. */
  add(grounding: Grounding): void {
    if (grounding == null) return
    for (const query of grounding.webSearchQueries ?? []) if (query.trim() !== '') this.#queries.add(query)
    for (const chunk of grounding.groundingChunks ?? []) {
      if (chunk.web != null) this.#hasSources = true
      if (chunk.maps != null) this.#hasMaps = true
    }
  }

  /** Undefined = nothing that has a price. */
  get calls(): readonly Units[] | undefined {
    const calls: Units[] = []
    if (this.#byQuery && this.#queries.size > 0) calls.push({ kind: 'web_search', count: this.#queries.size })
    // places are found by queries too: which of the two they were, an old answer says by its sources alone
    else if (this.#hasSources || (this.#queries.size > 0 && !this.#hasMaps))
      calls.push({ kind: 'grounded_prompt', count: 1 })
    if (this.#hasMaps) calls.push({ kind: 'google_maps', count: 1 })
    return calls.length > 0 ? calls : undefined
  }
}

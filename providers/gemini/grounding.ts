/** What Google searched for an answer, as calls that have a price, and what is cited of it. Fed by decode, stream and native, read by usage and choice. */
import type { Units } from '../../src/terms.ts'
import { factsOf } from './model.ts'
import type { Json } from '../provider.ts'
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

/** Search citations. Gemini counts a segment in UTF-8 bytes, OpenAI in characters. */
export function readCitations(grounding: Candidate['groundingMetadata'], text: string): Json[] {
  const chunks = grounding?.groundingChunks ?? []
  if (chunks.length === 0) return []
  const bytes = new TextEncoder().encode(text)
  const place = (offset: number | null | undefined): number =>
    new TextDecoder().decode(bytes.subarray(0, offset ?? 0)).length
  const cite = (at: number, start: number, end: number): Json[] => {
    const web = chunks[at]?.web
    if (typeof web?.uri !== 'string') return []
    const url_citation = { url: web.uri, title: web.title ?? '', start_index: start, end_index: end }
    return [{ type: 'url_citation', url_citation }]
  }
  const supports = grounding?.groundingSupports ?? []
  if (supports.length === 0) return chunks.flatMap((_, at) => cite(at, 0, 0))
  return supports.flatMap(({ segment, groundingChunkIndices }) => {
    const [start, end] = [place(segment?.startIndex), place(segment?.endIndex)]
    return (groundingChunkIndices ?? []).flatMap(at => cite(at, start, end))
  })
}

/** Cohere's citations → OpenAI's `annotations`. */
import type { Json } from '../provider.ts'
import type { WireCitation } from './wire.ts'

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

const fields = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})

/**
 * One annotation for each source. `startsAt` is where the cited block begins in the content. A source with an address
 * is a `url_citation`; a document or a tool result without one is a `file_citation`, the name that OpenAI's other wire
 * has for it. Citations of the plan or of the thinking have no place in the content and are left out.
 */
export function annotationsOf(citation: WireCitation, startsAt: number): Json[] {
  const { start, end, type, sources } = citation
  if (typeof start !== 'number' || typeof end !== 'number') return []
  if (type !== undefined && type !== null && type !== 'TEXT_CONTENT') return []
  const place = { start_index: startsAt + start, end_index: startsAt + end }
  return (sources ?? []).map(source => {
    const what = fields(source.document ?? source.tool_output)
    const id = text(source.id) ?? ''
    const url = [text(what.url), id].find(one => one !== undefined && /^https?:\/\//.test(one))
    const title = text(what.title) ?? id
    if (url !== undefined) return { type: 'url_citation', url_citation: { url, title, ...place } }
    return { type: 'file_citation', file_citation: { file_id: id, filename: title, ...place } }
  })
}

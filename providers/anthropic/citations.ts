/** Citations of web pages → OpenAI's `annotations`. */
import type { Json } from '../provider.ts'
import { citationSchema } from './wire.ts'

/** Citations of one text block, which stands at [start, end) of the content. Those without an address are left out. */
export function annotationsOf(citations: readonly unknown[], start: number, end: number): Json[] {
  const annotations: Json[] = []
  for (const citation of citations) {
    const read = citationSchema.safeParse(citation)
    if (!read.success) continue
    const { url, title } = read.data
    annotations.push({
      type: 'url_citation',
      url_citation: { url, title: title ?? url, start_index: start, end_index: end },
    })
  }
  return annotations
}

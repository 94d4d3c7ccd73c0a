/** A conversation that holds signed thoughts stays with those who can read them, while one of them is able. Part of planning, pure. */
import type { Candidate } from './strategy.ts'

/** OpenRouter speaks reasoning details itself and hands them to whoever wrote them. */
const reads = ({ listing: { site, offer } }: Candidate, format: string): boolean =>
  site.quirks.keepsExtensions === true || site.provider.readsSignature?.(format, offer.upstream) === true

/** Those who can read most of `signed` (formats of reasoning details) first, else the order as it is. `signed` is asked only if it can matter. */
export function readersFirst(
  ordered: readonly Candidate[],
  signed: (() => ReadonlySet<string>) | undefined,
): readonly Candidate[] {
  const [first] = ordered
  const alike = ordered.every(({ listing }) => listing.site.provider === first?.listing.site.provider)
  if (signed === undefined || (alike && first?.listing.site.provider.readsSignature === undefined))
    return ordered
  const formats = [...signed()]
  if (formats.length === 0) return ordered
  const unread = (candidate: Candidate) => formats.filter(format => !reads(candidate, format)).length
  return [...ordered].sort((a, b) => unread(a) - unread(b))
}

/** A conversation that holds signed thoughts stays with those who can read them, while one of them is able. Part of planning, pure. */
import type { Listing } from './market.ts'

/** OpenRouter speaks reasoning details itself and hands them to whoever wrote them. */
const reads = ({ site, offer }: Listing, format: string): boolean =>
  site.quirks.keepsExtensions === true || site.provider.readsSignature?.(format, offer.upstream) === true

/** Those who can read most of `signed` (formats of reasoning details) first, else the order as it is. `signed` is asked only if it can matter. */
export function readersFirst<T>(
  ordered: readonly T[],
  signed: (() => ReadonlySet<string>) | undefined,
  listingOf: (item: T) => Listing,
): readonly T[] {
  const [first] = ordered
  if (signed === undefined || first === undefined) return ordered
  const { provider } = listingOf(first).site
  const alike = ordered.every(item => listingOf(item).site.provider === provider)
  if (alike && provider.readsSignature === undefined) return ordered
  const formats = [...signed()]
  if (formats.length === 0) return ordered
  const unread = (item: T) => formats.filter(format => !reads(listingOf(item), format)).length
  return [...ordered].sort((a, b) => unread(a) - unread(b))
}

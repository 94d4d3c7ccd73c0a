/** What somebody probably meant whose name means nothing here: of the near names those that his key may use. Pure; told by choice.ts and by the pages of the account. */
import type { Key } from '../terms.ts'
import { keyAllows } from './able.ts'
import type { Market, Resolution } from './market.ts'

const TOLD_MAX = 3

/** May it be called with this key? What nobody sells here is told to keys without a policy alone. */
function isOpenTo(key: Key, name: string, { resolve }: Pick<Market, 'resolve'>): boolean {
  if (!key.models && !key.providers && !key.regions) return true
  const found = resolve(name)
  return found.kind === 'found' && found.listings.some(listing => keyAllows(key, listing, found.alias))
}

/** " Did you mean a, b?", or '' where nothing is near. */
export function didYouMean(
  asked: string,
  found: Resolution,
  key: Key,
  market: Pick<Market, 'resolve'>,
): string {
  if (found.kind !== 'unknown') return ''
  const names = found.near.filter(name => name !== asked && isOpenTo(key, name, market)).slice(0, TOLD_MAX)
  return names.length > 0 ? ` Did you mean ${names.join(', ')}?` : ''
}

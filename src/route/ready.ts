/** Listings with the names that health knows them by, made once for each list that the market hands out. Read by plan.ts for every request. */
import type { Credential, Listing } from './market.ts'

/** A listing at one credential; undefined = the site has none and needs none. */
export interface Spot {
  readonly credential: Credential | undefined
  /** Health key of the target. */
  readonly key: string
}

export interface Ready {
  readonly listing: Listing
  /** Health key of the offer. */
  readonly offerKey: string
  readonly spots: readonly Spot[]
}

export function targetKey(listing: Listing, credential: Credential | undefined): string {
  return `${offerKey(listing)}/${credential?.id ?? '-'}`
}

export const offerKey = (listing: Listing): string => `${listing.site.name}/${listing.offer.upstream}`

/** Falls away with the market that made the list. */
const known = new WeakMap<readonly Listing[], readonly Ready[]>()

function ready(listing: Listing): Ready {
  const { credentials } = listing.site
  const all = credentials.length > 0 ? credentials : [undefined]
  return {
    listing,
    offerKey: offerKey(listing),
    spots: all.map(credential => ({ credential, key: targetKey(listing, credential) })),
  }
}

/** The same answer for the same list: strings that are made once have their hash made once. */
export function readyOf(listings: readonly Listing[]): readonly Ready[] {
  const before = known.get(listings)
  if (before) return before
  const made = listings.map(ready)
  known.set(listings, made)
  return made
}

/** Listings with the names that health knows them by, made once for each list that the market hands out. Read by plan.ts for every request. */
import type { Credential, Listing } from './market.ts'

/** A listing at one credential; undefined = the site has none and needs none. */
export interface Spot {
  readonly credential: Credential | undefined
  /** Health key of the target. */
  readonly key: string
}

/** What its text costs, in pico-USD per token, where that does not depend on how long the request is. */
export interface Quote {
  readonly inputPico: number
  readonly cacheReadPico: number
  readonly outputPico: number
  /** Infinity = not known. */
  readonly maxOutputTokens: number
}

export interface Ready {
  readonly listing: Listing
  /** Undefined = without a price, or with tiers: to be asked of the price itself. */
  readonly quote: Quote | undefined
  /** Health key of the offer. */
  readonly offerKey: string
  readonly spots: readonly Spot[]
  /** All keys of health that concern it: of the offer, its targets and their credentials. */
  readonly names: readonly string[]
}

/** So many targets are known at once at most; past them equal keys are other objects for a while, which is only slower. */
const KEYS_MAX = 20_000
const keys = new Map<string, string>()

/** The same object for equal texts: a look-up by it need not compare them letter by letter, in the book of health above all. */
function once(text: string): string {
  const known = keys.get(text)
  if (known !== undefined) return known
  if (keys.size >= KEYS_MAX) keys.clear()
  keys.set(text, text)
  return text
}

export function targetKey(listing: Listing, credential: Credential | undefined): string {
  return once(`${offerKey(listing)}/${credential?.id ?? '-'}`)
}

export const offerKey = (listing: Listing): string => `${listing.site.name}/${listing.offer.upstream}`

/** Falls away with the market that made the list. */
const known = new WeakMap<readonly Listing[], readonly Ready[]>()

function quoteOf({ offer: { price, maxOutputTokens } }: Listing): Quote | undefined {
  if (price === undefined || price.tiers !== undefined) return undefined
  const { inputPico, outputPico, cacheReadPico = inputPico } = price
  return {
    inputPico,
    cacheReadPico,
    outputPico,
    maxOutputTokens: maxOutputTokens ?? Number.POSITIVE_INFINITY,
  }
}

function ready(listing: Listing): Ready {
  const { credentials } = listing.site
  const all = credentials.length > 0 ? credentials : [undefined]
  const spots = all.map(credential => ({ credential, key: targetKey(listing, credential) }))
  const offer = once(offerKey(listing))
  const names = [offer, ...spots.map(({ key }) => key), ...credentials.map(({ id }) => id)]
  return { listing, quote: quoteOf(listing), offerKey: offer, spots, names }
}

/** The same answer for the same list: strings that are made once have their hash made once. */
export function readyOf(listings: readonly Listing[]): readonly Ready[] {
  const before = known.get(listings)
  if (before) return before
  const made = listings.map(ready)
  known.set(listings, made)
  return made
}

/** Who can serve a request at all, and why the others are out. Part of planning, pure. */
import type { Capability, Key } from '../terms.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { Group } from './choice.ts'
import { nameOf, serves } from './codec.ts'
import { isPriced, tooDear } from './cost.ts'
import type { Listing, Site } from './market.ts'
import type { Wanted } from './plan.ts'

export const NOT_FOR = 'it is not for'
export const FORBIDDEN = 'this key may not use it'
export const ELSEWHERE = 'not in the regions of this key'
export const UNPRICED = 'its price is unknown and this key has a budget'
export const CONTEXT = 'its context is too short'
export const HOSTED = 'it does not speak the Responses wire, whose own tools were asked for'

/** `eu` holds for `eu` and `eu-west-1`; a provider whose region is not known is in none. */
const isIn = ({ region }: Site, regions: readonly string[]): boolean =>
  region !== undefined && regions.some(wish => region === wish || region.startsWith(`${wish}-`))

/** The contract's `models` and `providers` of a key: canonical id, `model@provider`, `*@provider`, alias, which may have its provider too. */
function keyNames(key: Key, listing: Listing, alias: string | undefined): boolean {
  const { provider, model } = listing.offer
  if (key.providers && !key.providers.includes(provider)) return false
  if (!key.models) return true
  return key.models.some(
    entry =>
      entry === model ||
      entry === alias ||
      entry === `${model}@${provider}` ||
      entry === `*@${provider}` ||
      (alias !== undefined && entry === `${alias}@${provider}`),
  )
}

/** The contract's `regions` of a key, by the rule of `provider.regions`. */
const keyReaches = ({ regions }: Key, { site }: Listing): boolean => !regions || isIn(site, regions)

/** Why a key may not be served there, whatever the request says; undefined = it may. */
export function whyForbidden(key: Key, listing: Listing, alias: string | undefined): string | undefined {
  if (!keyNames(key, listing, alias)) return FORBIDDEN
  return keyReaches(key, listing) ? undefined : ELSEWHERE
}

export const keyAllows = (key: Key, listing: Listing, alias: string | undefined): boolean =>
  whyForbidden(key, listing, alias) === undefined

/** What policy says against a site: the caller's and the file's wishes. */
function whyUnwanted({ site, offer }: Listing, p: Preferences): string | undefined {
  if (p.only && !p.only.includes(offer.provider)) return 'not in provider.only'
  if (p.allowFallbacks === false && p.order && !p.order.includes(offer.provider))
    return 'not in provider.order'
  if (p.ignore?.includes(offer.provider)) return 'in provider.ignore'
  if (p.regions && !isIn(site, p.regions)) return 'not in provider.regions'
  if (p.dataCollection === 'deny' && site.data?.collects !== false)
    return 'it may keep what is sent for itself, and provider.data_collection is "deny"'
  if (p.zdr === true && site.data?.retains !== false)
    return 'it may retain what is sent, and provider.zdr is set'
  return undefined
}

/** Undefined = it can serve the request. `needs` are the request's, as a list: this is asked of every listing. */
export function whyOut(
  listing: Listing,
  { alias, preferences }: Pick<Group, 'alias' | 'preferences'>,
  wanted: Wanted,
  needs: readonly Capability[],
  key: Key,
): string | undefined {
  const { offer } = listing
  const forbidden = whyForbidden(key, listing, alias)
  if (forbidden) return forbidden
  const operation = wanted.operation ?? 'chat'
  if (!serves(listing, operation)) return `${NOT_FOR} ${nameOf(operation)}`
  const unwanted = preferences && whyUnwanted(listing, preferences)
  if (unwanted) return unwanted
  if (!isPriced(offer.price, wanted) && (wanted.budgeted?.(offer.model) ?? key.budgets.length > 0))
    return UNPRICED
  if (preferences?.maxPrice && tooDear(listing, preferences.maxPrice, wanted))
    return 'above provider.max_price'
  if (wanted.hosted && !speaksResponses(listing)) return HOSTED
  for (const need of needs) if (!takes(listing, need)) return `does not take ${need}`
  const context = wanted.longestPromptTokens ?? wanted.likelyInputTokens
  if (offer.contextTokens !== undefined && context > offer.contextTokens) return CONTEXT
  return undefined
}

const speaksResponses = ({ site }: Listing): boolean =>
  site.quirks.speaksResponses === true && site.provider.responses !== undefined

/** A host that can be told a schema in words is told so. */
export const takes = ({ offer, site }: Listing, need: Capability): boolean =>
  offer.supports.has(need) || (need === 'json_schema' && site.quirks.jsonSchema !== undefined)

/** It would answer, but shorter than was asked for: out only while somebody is there who need not. */
export function whyShort({ offer }: Listing, wanted: Wanted): string | undefined {
  const { maxOutputTokens: asked, likelyInputTokens } = wanted
  if (asked === undefined || wanted.metering) return undefined
  if (offer.maxOutputTokens !== undefined && asked > offer.maxOutputTokens)
    return `it writes at most ${offer.maxOutputTokens} tokens`
  if (offer.contextTokens !== undefined && likelyInputTokens + asked > offer.contextTokens)
    return 'its context has no room for that much output'
  return undefined
}

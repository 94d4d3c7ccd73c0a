/** Model names → listings: the contract's five rules over maps that are built once, so that a request costs a few look-ups. */
import type { Catalog } from '../../providers/catalog/loader.ts'
import type { Kind } from '../../providers/index.ts'
import { kinOf, nearest } from '../config/nearest.ts'
import type { AliasConfig, StrategyName } from '../config/schema.ts'
import { createAliasesAt } from './alias-at.ts'
import type { Choice } from './choice.ts'
import type { Listing, Resolution, Site } from './market.ts'
import { type Goods, unknownListing } from './offers.ts'
import { createSellers } from './sellers.ts'

type Found = Extract<Resolution, { kind: 'found' }>
type Shelf = Map<string, Listing[]>

export interface ResolverInput {
  readonly goods: readonly Goods[]
  readonly sites: readonly Site[]
  /** Configured, but without a credential that works: they sell nothing, and a name that only they would sell says why. */
  readonly shut: {
    readonly goods: readonly Goods[]
    readonly sites: readonly Site[]
    why(site: Site): string
  }
  readonly kinds: ReadonlyMap<string, Kind>
  readonly catalog: Catalog
  readonly aliases: Readonly<Record<string, AliasConfig>>
}

/** Suffixes that choose a strategy when the whole name matched nothing; OpenRouter's. */
const STRATEGY_SUFFIXES: Readonly<Record<string, StrategyName>> = { floor: 'price', nitro: 'latency' }
const REFUSED_SUFFIXES: Readonly<Record<string, string>> = {
  free: 'there is no free tier here; ":floor" asks for the cheapest target',
  online: 'web search is not added by a model name; use a model with search of its own',
  thinking: 'ask for reasoning with "reasoning_effort" or "reasoning" instead',
}

/** So many near names are found, the nearest first: not every key may use each of them (near.ts). */
const NEAR_MAX = 24

/** Names go into URLs and logs as they are: no white space, no control characters, at most 256 characters. */
const SENDABLE = /^[^\s\p{Cc}]{1,256}$/u

function put(shelf: Shelf, name: string, listing: Listing) {
  const there = shelf.get(name)
  if (there === undefined) shelf.set(name, [listing])
  else if (!there.includes(listing)) there.push(listing)
}

const found = (listings: readonly Listing[], alias?: string, strategy?: StrategyName): Found => ({
  kind: 'found',
  listings,
  strategy,
  alias,
})

/** Seals a shelf: the same object answers every request for the name. */
const sealed = (shelf: Shelf): Map<string, Found> =>
  new Map([...shelf].map(([name, listings]) => [name, found(listings)]))

/** Canonical id of a name that the catalogue knows in any form: canonical, with author, or an upstream id. */
export function canonicalOf(name: string, catalog: Catalog): string | undefined {
  if (catalog.byModel.has(name)) return name
  return catalog.byAuthor.get(name) ?? catalog.byUpstream.get(name)?.[0]?.model
}

/** Rules 2 to 4 as maps. Deprecated and trial offers stand only under their exact upstream id. */
function stock(goods: readonly Goods[], catalog: Catalog) {
  const authored = new Map<string, string[]>()
  for (const [name, model] of catalog.byAuthor) authored.set(model, [...(authored.get(model) ?? []), name])

  const bare: Shelf = new Map()
  const at = new Map<string, Shelf>()
  const exact: Shelf = new Map()
  for (const { listing, exactOnly } of goods) {
    const { provider, model, upstream } = listing.offer
    const here = at.get(provider) ?? new Map<string, Listing[]>()
    at.set(provider, here)
    put(exact, upstream, listing)
    if (exactOnly && upstream !== model) continue
    for (const name of [model, ...(exactOnly ? [] : (authored.get(model) ?? []))]) {
      put(bare, name, listing)
      put(here, name, listing)
    }
  }
  // An upstream id names its offer where no model has that name at this provider.
  for (const { listing } of goods) {
    const here = at.get(listing.offer.provider)
    const { model, upstream } = listing.offer
    const taken = here?.get(upstream)
    if (taken === undefined) here?.set(upstream, [listing])
    else if (taken.every(other => other.offer.upstream === upstream && other.offer.model === model))
      put(here as Shelf, upstream, listing)
  }
  return { bare, at, exact }
}

/** Rule 5: an upstream id of the catalogue → its canonical model anywhere, and the offer that has exactly this id. */
function upstreamIds(bare: Shelf, exact: Shelf, catalog: Catalog): Shelf {
  const shelf: Shelf = new Map()
  for (const [upstream, offers] of catalog.byUpstream) {
    for (const listing of exact.get(upstream) ?? []) put(shelf, upstream, listing)
    // One id may stand for different weights at different providers: what is sold under it here decides.
    const sold = new Set(shelf.get(upstream)?.map(listing => listing.offer.model))
    for (const offer of offers)
      if (sold.size === 0 || sold.has(offer.model))
        for (const listing of bare.get(offer.model) ?? []) put(shelf, upstream, listing)
  }
  return shelf
}

/** Rules 2 to 5 over the goods of these sites: `sold` is what stands in the shelves, `asItIs` what may be asked for unseen. */
function createRules(goods: readonly Goods[], sites: readonly Site[], catalog: Catalog) {
  const shelves = stock(goods, catalog)
  const bare = sealed(shelves.bare)
  const at = new Map([...shelves.at].map(([provider, shelf]) => [provider, sealed(shelf)]))
  const upstream = sealed(upstreamIds(shelves.bare, shelves.exact, catalog))
  const byName = new Map(sites.map(site => [site.name, site]))

  const asItIs = (name: string): Found | undefined => {
    const sign = name.lastIndexOf('@')
    const site = sign < 1 ? undefined : byName.get(name.slice(sign + 1))
    const wanted = name.slice(0, sign)
    if (site === undefined || canonicalOf(wanted, catalog) !== undefined || bare.has(wanted)) return undefined
    return SENDABLE.test(wanted) ? found([unknownListing(site, wanted)]) : undefined
  }

  const sold = (name: string): Found | undefined => {
    const anywhere = bare.get(name)
    if (anywhere) return anywhere
    const sign = name.lastIndexOf('@')
    const shop = sign < 0 ? undefined : at.get(name.slice(sign + 1))
    const there = shop?.get(name.slice(0, sign))
    if (there) return there
    const slash = name.indexOf('/')
    const below = slash < 0 ? undefined : at.get(name.slice(0, slash))?.get(name.slice(slash + 1))
    return below ?? upstream.get(name)
  }
  return { sold, asItIs, find: (name: string) => sold(name) ?? asItIs(name), bare, at }
}

type Rules = ReturnType<typeof createRules>

/** An alias: the listings of all its models, and by which of its choices they are asked. */
function aliased(
  alias: string,
  config: AliasConfig,
  byRules: (name: string) => Found | undefined,
  refuse: (name: string) => Resolution,
): Resolution {
  const reasons: string[] = []
  const choices: Choice[] = [...(config.rules ?? []), config].map(rule => {
    const parts = rule.models.map(model => {
      const part = byRules(model) ?? refuse(model)
      if (part.kind === 'not_sold') reasons.push(part.message)
      const listings = part.kind === 'found' ? part.listings : []
      return { listings, weight: rule.weights && (rule.weights[model] ?? 0) }
    })
    const listings = [...new Set(parts.flatMap(part => part.listings))]
    const { when, strategy, preferences } = rule
    return { when, strategy, preferences, listings, parts }
  })
  const listings = [...new Set(choices.flatMap(choice => choice.listings))]
  if (listings.length > 0) return { ...found(listings, alias, config.strategy), choices }
  const told = [`no model of the alias ${alias} is for sale here`, ...new Set(reasons)].join('; ')
  return { kind: 'not_sold', message: told }
}

/** Builds `Market.resolve`. A name that is known but sold by nobody here does not stop the later rules; only what none of them finds is refused. */
export function createResolver(input: ResolverInput): (name: string) => Resolution {
  const rules = createRules(input.goods, input.sites, input.catalog)
  const byRules = rules.find
  const refuse = createRefusals(input, rules)

  const aliases = new Map(
    Object.entries(input.aliases).map(([alias, config]) => [alias, aliased(alias, config, byRules, refuse)]),
  )

  const { aliasAt, signed } = createAliasesAt(aliases, input.sites)
  const whole = (name: string): Resolution | undefined =>
    aliases.get(name) ?? rules.sold(name) ?? aliasAt(name) ?? rules.asItIs(name)

  return name => {
    const match = whole(name)
    if (match) return match
    const colon = name.lastIndexOf(':')
    const base = name.slice(0, colon)
    const suffix = colon < 1 ? '' : name.slice(colon + 1)
    const strategy = Object.hasOwn(STRATEGY_SUFFIXES, suffix) ? STRATEGY_SUFFIXES[suffix] : undefined
    if (strategy !== undefined) {
      const cut = whole(base)
      if (cut?.kind !== 'found') return cut ?? refuse(signed(base))
      const choices = cut.choices?.map(choice => ({ ...choice, strategy }))
      return { ...cut, strategy, ...(choices && { choices }) }
    }
    if (Object.hasOwn(REFUSED_SUFFIXES, suffix))
      return { kind: 'refused', message: `":${suffix}" is not supported: ${REFUSED_SUFFIXES[suffix]}` }
    return refuse(signed(name))
  }
}

/** What to say about a name that nothing sold here answers to. */
function createRefusals(input: ResolverInput, { bare, at }: Rules): (name: string) => Resolution {
  const { catalog, kinds, shut } = input
  const closed = createRules(shut.goods, shut.sites, catalog)
  const configured = new Set([...input.sites, ...shut.sites].map(site => site.name))
  const { cure, notThere, notSold } = createSellers(input, configured)

  /** Sold by configured providers alone that have no credential that works. */
  const shutOut = (name: string): Resolution | undefined => {
    // one provider may stand at several addresses
    const shops = closed.find(name)?.listings.map(({ site }) => [site.name, site] as const)
    const sites = [...new Map(shops).values()]
    if (sites.length === 0) return undefined
    const reasons = sites.slice(0, 3).map(site => `${site.name} is configured, but ${shut.why(site)}`)
    return { kind: 'not_sold', message: `${name} cannot be called now: ${reasons.join('; ')}` }
  }

  let here: ReadonlySet<string> | undefined
  /** Names like this one: of what can be called here, else of all that the catalogue knows. */
  const like = (name: string): readonly string[] => {
    here ??= new Set([
      ...Object.keys(input.aliases),
      ...input.goods.filter(good => !good.exactOnly).map(good => good.listing.offer.model),
    ])
    const among = (all: Iterable<string>) => [...nearest(name, all, NEAR_MAX), ...kinOf(name, all, NEAR_MAX)]
    const own = among(here)
    return own.length > 0 ? own : among([...catalog.byModel.keys()])
  }

  /** `alpha:ok`, as some clients write `ok@alpha`. */
  const addressed = (name: string): readonly string[] => {
    const colon = name.indexOf(':')
    const [shop, model] = [name.slice(0, colon), name.slice(colon + 1)]
    return colon > 0 && at.get(shop)?.has(model) ? [`${model}@${shop}`] : []
  }

  return name => {
    if (name === 'demo/echo')
      return { kind: 'not_sold', message: 'demo/echo answers only while no provider is configured' }
    const out = shutOut(name)
    if (out !== undefined) return out
    const canonical = canonicalOf(name, catalog)
    if (canonical !== undefined) return notSold(name, canonical)
    const sign = name.lastIndexOf('@')
    const provider = name.slice(sign + 1)
    const wanted = sign < 1 ? undefined : canonicalOf(name.slice(0, sign), catalog)
    if (
      wanted !== undefined &&
      (configured.has(provider) || kinds.has(provider) || catalog.byProvider.has(provider))
    )
      return notSold(name.slice(0, sign), wanted, provider)
    const sold = sign < 1 ? undefined : bare.get(name.slice(0, sign))
    const sellers = [...new Set(sold?.listings.map(listing => listing.site.name))]
    if (sold !== undefined && configured.has(provider))
      return notThere(name.slice(0, sign), provider, sellers.slice(0, 5).join(', '))
    if (sign >= 1 && kinds.has(provider) && !configured.has(provider))
      return { kind: 'not_sold', message: `${provider} is not configured: ${cure([provider])}` }
    const plain = sign < 1 ? name : name.slice(0, sign)
    const shops =
      sign < 1 || !SENDABLE.test(plain) ? [] : nearest(provider, at.keys()).map(shop => `${plain}@${shop}`)
    const there = sold === undefined ? [] : sellers.map(shop => `${plain}@${shop}`)
    const last = there.length > 0 ? [plain] : like(plain.slice(plain.indexOf('/') + 1))
    const near = plain.includes('/') ? [...like(plain), ...last] : last
    const others = new Set([...addressed(name), ...shops, ...there, ...near].filter(other => other !== name))
    return { kind: 'unknown', near: [...others].slice(0, NEAR_MAX) }
  }
}

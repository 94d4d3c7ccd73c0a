/** What a site sells: the catalogue's offers of its kind, the file's own models, or both. Part of building the market. */
import { thinksUnseen } from '../../providers/catalog/authors.ts'
import type { Catalog, CatalogOffer } from '../../providers/catalog/loader.ts'
import type { Kind } from '../../providers/index.ts'
import type { Provider } from '../../providers/provider.ts'
import type { Config, ModelConfig, Timeouts } from '../config/schema.ts'
import { type Price, picoFromUsdPerMtok, picoFromUsdPerUnit } from '../price.ts'
import type { Capability, Offer } from '../terms.ts'
import type { Listing, Site } from './market.ts'
import { kindOfSite } from './sites.ts'

/** A listing with what the name rules need to know about it. */
export interface Goods {
  readonly listing: Listing
  /** Deprecated and trial offers: found only by their exact upstream id. */
  readonly exactOnly: boolean
}

/** Nothing is known against a model that nobody has described: it is never filtered out. */
const EVERYTHING: ReadonlySet<Capability> = new Set([
  'tools',
  'json_schema',
  'images',
  'reasoning',
  'audio',
  'pdf',
])

function fromCatalog(site: Site, entry: CatalogOffer): Goods {
  const offer: Offer = {
    provider: site.name,
    model: entry.model,
    upstream: entry.upstream,
    type: entry.type,
    price: entry.price,
    contextTokens: entry.contextTokens,
    maxOutputTokens: entry.maxOutputTokens,
    supports: entry.supports,
    thinksUnseen: entry.thinksUnseen,
  }
  return {
    listing: { offer, site, ...(entry.doubtful && { doubtful: true }) },
    exactOnly: entry.deprecated || entry.trial,
  }
}

/** The catalogue's facts about a model by any of its names; those of the same kind first, then the author's own, then the dearest. */
function factsOf(id: string, kind: string | undefined, catalog: Catalog): CatalogOffer | undefined {
  const canonical = catalog.byModel.has(id)
    ? id
    : (catalog.byAuthor.get(id) ?? catalog.byUpstream.get(id)?.[0]?.model)
  if (canonical === undefined) return undefined
  const offers = (catalog.byModel.get(canonical) ?? []).filter(offer => !offer.trial)
  const sound = offers.filter(offer => !offer.doubtful)
  const known = offers.find(offer => offer.provider === kind) ?? offers.find(offer => offer.firstParty)
  if (known !== undefined) return known
  // A bill may be too high for a host that nobody has listed, but never too low.
  const dearest = (sound.length > 0 ? sound : offers).toSorted(
    (a, b) => b.price.inputPico + b.price.outputPico - a.price.inputPico - a.price.outputPico,
  )[0]
  // What the same weights take anywhere they may take there; what that seller lacks says nothing.
  return dearest && { ...dearest, supports: new Set(offers.flatMap(offer => [...offer.supports])) }
}

function ownPrice(provider: string, id: string, model: ModelConfig): Price | undefined {
  const { unitUsd: units } = model
  const none = units === undefined ? undefined : 0
  const { inputUsdPerMtok: input = none, outputUsdPerMtok: output = none } = model
  if (input === undefined || output === undefined) return undefined
  const { cacheReadUsdPerMtok: read, cacheWriteUsdPerMtok: write } = model
  const { audioInputUsdPerMtok: heard, audioOutputUsdPerMtok: spoken } = model
  const cache = `${read === undefined ? '' : `,read=${read}`}${write === undefined ? '' : `,write=${write}`}`
  const sound = `${heard === undefined ? '' : `,heard=${heard}`}${spoken === undefined ? '' : `,spoken=${spoken}`}`
  const each =
    units === undefined
      ? ''
      : Object.entries(units)
          .map(([kind, usd]) => `,${kind}=${usd}`)
          .join('')
  return {
    // The numbers are part of the id: a changed file is a different price.
    id: `${provider}/${id}@config:${input}/${output}${cache}${sound}${each}`,
    isOwn: true,
    inputPico: picoFromUsdPerMtok(input),
    outputPico: picoFromUsdPerMtok(output),
    ...(read !== undefined && { cacheReadPico: picoFromUsdPerMtok(read) }),
    ...(write !== undefined && {
      cacheWritePico: picoFromUsdPerMtok(write),
      cacheWrite1hPico: picoFromUsdPerMtok(Math.max(write, 2 * input)),
    }),
    ...(heard !== undefined && { audioInputPico: picoFromUsdPerMtok(heard) }),
    ...(spoken !== undefined && { audioOutputPico: picoFromUsdPerMtok(spoken) }),
    ...(units && {
      units: Object.fromEntries(Object.entries(units).map(([kind, usd]) => [kind, picoFromUsdPerUnit(usd)])),
    }),
    ...(model.inputUsdPerMtok === undefined && model.outputUsdPerMtok === undefined && { onlyUnits: true }),
  }
}

/** Without the author before a slash. */
const bareOf = (id: string): string => id.slice(id.lastIndexOf('/') + 1)

function ownModel(site: Site, id: string, model: ModelConfig, facts: CatalogOffer | undefined): Goods {
  const offer: Offer = {
    provider: site.name,
    model: id,
    upstream: model.upstream,
    type: facts?.type,
    price: ownPrice(site.name, id, model) ?? facts?.price,
    contextTokens: model.contextTokens ?? facts?.contextTokens,
    maxOutputTokens: model.maxOutputTokens ?? facts?.maxOutputTokens,
    supports: facts?.supports ?? EVERYTHING,
    thinksUnseen: facts?.thinksUnseen ?? (thinksUnseen(bareOf(id)) || thinksUnseen(bareOf(model.upstream))),
  }
  return { listing: { offer, site }, exactOnly: false }
}

/** A site with an own base URL sells only its `models`; else the catalogue's offers of its kind too, each replaced by an own model of the same name. */
export function goodsOf(
  site: Site,
  config: Config,
  kinds: ReadonlyMap<string, Kind>,
  catalog: Catalog,
): readonly Goods[] {
  const kind = kindOfSite(site.name, config, kinds)?.kind ?? ''
  const settings = config.providers[site.name]
  // One deployment is one model, which only the file can name.
  const isOwn = settings?.baseUrl !== undefined || site.options?.deployment !== undefined
  const listed = isOwn ? [] : (catalog.byProvider.get(kind) ?? [])
  const own = Object.entries(settings?.models ?? {}).map(([id, model]) => {
    const same = listed.find(entry => entry.upstream === model.upstream)
    return ownModel(site, id, model, same ?? factsOf(id, kind, catalog))
  })
  const replaced = new Set(own.map(({ listing: { offer } }) => `${offer.model} ${offer.upstream}`))
  return [
    ...own,
    ...listed
      .filter(entry => !replaced.has(`${entry.model} ${entry.upstream}`))
      .map(entry => fromCatalog(site, entry)),
  ].flatMap(good => placed(site.quirks.statesCost ? statedByHost(good) : good))
}

/** Where the host states its own cost, the list price is what its statement is held against. */
function statedByHost(good: Goods): Goods {
  const { offer } = good.listing
  if (offer.price === undefined) return good
  const price: Price = { ...offer.price, isStatedByHost: true }
  return { ...good, listing: { ...good.listing, offer: { ...offer, price } } }
}

/** In a cloud each model has its own wire and address; one that has none with these options is not sold. */
function placed(good: Goods): readonly Goods[] {
  const { offer, site } = good.listing
  if (site.at === undefined) return [good]
  const here = site.at(offer)
  return here === undefined ? [] : [{ ...good, listing: { ...good.listing, site: here } }]
}

/** `<unknown>@<provider>`: sent as it is, unpriced. */
export function unknownListing(site: Site, upstream: string): Listing {
  const offer: Offer = {
    provider: site.name,
    model: upstream,
    upstream,
    price: site.free ? { id: `${site.name}/${upstream}@free`, inputPico: 0, outputPico: 0 } : undefined,
    contextTokens: undefined,
    maxOutputTokens: undefined,
    supports: EVERYTHING,
    thinksUnseen: thinksUnseen(bareOf(upstream)),
  }
  return { offer, site: site.at?.(offer) ?? site }
}

/** The built-in that answers while no provider is configured. */
export function demoListing(provider: Provider, timeouts: Timeouts): Goods {
  const site: Site = {
    name: 'demo',
    provider,
    origin: '',
    basePath: '',
    auth: 'none',
    quirks: {},
    headers: [],
    onDisconnect: 'abort',
    timeouts,
    credentials: [{ id: 'demo', name: 'demo', weight: 1, headers: [] }],
    builtIn: true,
  }
  const offer: Offer = {
    provider: 'demo',
    model: 'demo/echo',
    upstream: 'echo',
    price: { id: 'demo/echo@free', inputPico: 0, outputPico: 0 },
    contextTokens: undefined,
    maxOutputTokens: undefined,
    supports: EVERYTHING,
    thinksUnseen: false,
  }
  return { listing: { offer, site }, exactOnly: false }
}

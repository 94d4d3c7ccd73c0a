/** What can be bought now: every offer of every configured provider, and the name rules that find them. An immutable snapshot. */
import type { Catalog } from '../../providers/catalog/loader.ts'
import type { Kind } from '../../providers/index.ts'
import type { AuthScheme, Provider, Quirks } from '../../providers/provider.ts'
import type { Sign } from '../authorize/authorize.ts'
import type { Authorization, SigningDeps } from '../authorize/schemes.ts'
import type { Config, DataPolicy, StrategyName, Timeouts } from '../config/schema.ts'
import type { Offer } from '../terms.ts'
import type { Choice } from './choice.ts'
import { canonicalOf, createResolver } from './names.ts'
import { demoListing, type Goods, goodsOf } from './offers.ts'
import { createSites, kindsOf, whyShut } from './sites.ts'

/** A credential with its secret in clear, on its way into the market. */
export interface OpenCredential {
  readonly id: string
  readonly name: string
  readonly weight: number
  readonly secret: string
  /** Id of the credential for which it stands in where that one is refused; asked at no other time. */
  readonly standsInFor?: string
}

/** A credential ready for use. `headers` is the finished authorization, flat; it is the only place where the secret stands. */
export interface Credential {
  readonly id: string
  readonly name: string
  readonly weight: number
  readonly headers: readonly string[]
  /** Signs each request, for schemes that compute something; `headers` is empty then. */
  readonly sign?: Sign
  /** As in OpenCredential. */
  readonly standsInFor?: string
}

/** A configured provider: an adapter at an address. */
export interface Site {
  /** Configured name. */
  readonly name: string
  readonly provider: Provider
  /** `https://host[:port]`. */
  readonly origin: string
  /** Path of the base URL without a trailing slash, as in `/v1`. */
  readonly basePath: string
  readonly auth: AuthScheme
  readonly quirks: Quirks
  /** Region, project, …: from the file, else the environment, else the kind's default. */
  readonly options?: Readonly<Record<string, string>>
  readonly headers: readonly string[]
  readonly onDisconnect: 'abort' | 'drain'
  readonly timeouts: Timeouts
  readonly credentials: readonly Credential[]
  /** Answered in process, nothing is sent: only `demo/echo`. */
  readonly builtIn: boolean
  /** What the file says of it for choosing: absent = 1, 0, not known, not known. */
  readonly weight?: number
  readonly priority?: number
  readonly region?: string
  readonly data?: DataPolicy
  /** A server of one's own: what it serves costs nothing, listed or not. */
  readonly free?: boolean
  /** How another secret would get onto requests here, or why it cannot. */
  readonly authorize?: (secret: string) => Authorization
  /** Clouds: this site with the adapter and address of one model; undefined = it cannot be sold with these options. */
  readonly at?: (offer: Pick<Offer, 'model' | 'upstream'>) => Site | undefined
}

/** An offer at a site, before a credential is chosen. */
export interface Listing {
  readonly offer: Offer
  readonly site: Site
  /** The list price is far off its peers' (or unknown there): billed as listed, but ranked by price behind the others. */
  readonly doubtful?: boolean
}

/** What a model name came to. */
export type Resolution =
  | {
      readonly kind: 'found'
      readonly listings: readonly Listing[]
      readonly strategy: StrategyName | undefined
      readonly alias: string | undefined
      /** An alias: the first that holds decides which of the listings are asked, and how. */
      readonly choices?: readonly Choice[]
    }
  /** Known, but no configured provider sells it now. `message` says who does and the cure: a variable to set, a credential to mend. */
  | { readonly kind: 'not_sold'; readonly message: string }
  | { readonly kind: 'unknown'; readonly near: readonly string[] }
  /** `:free`, `:online`, `:thinking`. */
  | { readonly kind: 'refused'; readonly message: string }

export interface Market {
  /** The contract's five rules, first match wins. */
  resolve(name: string): Resolution
  /** Canonical id of a name that the catalogue knows in any form, for sale here or not. */
  canonical(name: string): string | undefined
  /** Everything for sale, for `/v1/models`. */
  readonly listings: readonly Listing[]
  readonly aliases: readonly string[]
  readonly sites: readonly Site[]
}

export interface MarketInput {
  /** With what the environment adds: `discover(config, …)`. */
  readonly config: Config
  /** The built-in kinds; the file's `hosts` are added here. */
  readonly kinds: ReadonlyMap<string, Kind>
  readonly catalog: Catalog
  /** By configured provider name; a kind's name that is not configured makes a provider of its own. */
  readonly credentials: Readonly<Record<string, readonly OpenCredential[]>>
  /** Told of each credential that no header can carry; it is left out. `reason` shows no secret. */
  readonly refused?: (provider: string, credential: string, reason: string) => void
  /** What signing schemes need from outside; undefined = their credentials are refused. */
  readonly signing?: SigningDeps
  /** Answers `demo/echo` while no provider is configured. */
  readonly demo: Provider
}

/** Builds the snapshot: some 10 ms for the whole catalogue. */
export function createMarket(input: MarketInput): Market {
  const kinds = kindsOf(input.kinds, input.config.hosts)
  const configured = createSites(input, kinds)
  const sites = configured.filter(site => site.credentials.length > 0)
  const shut = configured.filter(site => site.credentials.length === 0)
  const goods: Goods[] =
    sites.length === 0 && Object.keys(input.config.providers).length === 0
      ? [demoListing(input.demo, input.config.timeouts)]
      : sites.flatMap(site => goodsOf(site, input.config, kinds, input.catalog))
  return {
    resolve: createResolver({
      goods,
      sites,
      shut: {
        sites: shut,
        goods: shut.flatMap(site => goodsOf(site, input.config, kinds, input.catalog)),
        why: site => whyShut(site.name, input.config, kinds),
      },
      kinds,
      catalog: input.catalog,
      aliases: input.config.aliases,
    }),
    canonical: name => canonicalOf(name, input.catalog),
    listings: goods.filter(good => !good.exactOnly).map(good => good.listing),
    aliases: Object.keys(input.config.aliases),
    sites: distinct([...sites, ...goods.map(good => good.listing.site)]),
  }
}

/** One for each name and address: several wires may be spoken there. The first is the one that was configured. */
function distinct(sites: readonly Site[]): readonly Site[] {
  const byPlace = new Map<string, Site>()
  for (const site of new Set(sites)) {
    const place = `${site.name} ${site.origin}${site.basePath}`
    if (!byPlace.has(place)) byPlace.set(place, site)
  }
  return [...byPlace.values()]
}

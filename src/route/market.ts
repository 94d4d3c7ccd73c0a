/** What can be bought now: every offer of every configured provider, and the name rules that find them. An immutable snapshot. */
import type { AuthScheme, Provider, Quirks } from '../../providers/provider.ts'
import type { StrategyName, Timeouts } from '../config/schema.ts'
import type { Offer } from '../terms.ts'

/** A credential ready for use. `headers` is the finished authorization, flat; it is the only place where the secret stands. */
export interface Credential {
  readonly id: string
  readonly name: string
  readonly weight: number
  readonly headers: readonly string[]
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
  readonly headers: readonly string[]
  readonly onDisconnect: 'abort' | 'drain'
  readonly timeouts: Timeouts
  readonly credentials: readonly Credential[]
  /** Answered in process, nothing is sent: only `demo/echo`. */
  readonly builtIn: boolean
}

/** An offer at a site, before a credential is chosen. */
export interface Listing {
  readonly offer: Offer
  readonly site: Site
}

/** What a model name came to. */
export type Resolution =
  | {
      readonly kind: 'found'
      readonly listings: readonly Listing[]
      readonly strategy: StrategyName | undefined
      readonly alias: string | undefined
    }
  /** Known, but no configured provider sells it. `message` says who does and which variable to set. */
  | { readonly kind: 'not_sold'; readonly message: string }
  | { readonly kind: 'unknown'; readonly near: readonly string[] }
  /** `:free`, `:online`, `:thinking`. */
  | { readonly kind: 'refused'; readonly message: string }

export interface Market {
  /** The contract's five rules, first match wins. */
  resolve(name: string): Resolution
  /** Everything for sale, for `/v1/models`. */
  readonly listings: readonly Listing[]
  readonly aliases: readonly string[]
  readonly sites: readonly Site[]
}

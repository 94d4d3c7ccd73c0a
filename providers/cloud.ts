/** What a cloud adds to the provider contract: models of several makers, each in its maker's wire at an address of its own. */
import type { Provider } from './provider.ts'

/** One model of a cloud that is to be placed. */
export interface PlaceRequest {
  /** The provider's `options`, filled in. */
  readonly options: Readonly<Record<string, string>>
  /** The operator's own `base_url`, instead of the cloud's. */
  readonly baseUrl: string | undefined
  /** Canonical id, or the operator's own name for it. */
  readonly model: string
  /** Id that the cloud knows. */
  readonly upstream: string
}

/** Where one model is sold: the adapter that speaks its wire, and what that adapter's paths are appended to. */
export interface Place {
  readonly provider: Provider
  readonly baseUrl: string
}

/** Places one model, or says what is missing (`the option "project" …`). Pure; asked while the market is built, not per request. */
export type Cloud = (request: PlaceRequest) => Place | { readonly why: string }

/** Is this one of Anthropic's models, by its canonical id or by what the cloud calls it? */
export const isClaude = ({ model, upstream }: Pick<PlaceRequest, 'model' | 'upstream'>): boolean =>
  /(?:^|[^a-z])claude-/i.test(model) || /(?:^|[^a-z])claude-/i.test(upstream)

/** One of a provider's `options` (region, project, …): what its address or its codec needs to know. */
export interface OptionRow {
  /** Variables that give it when the file does not, first set wins. */
  readonly env: readonly string[]
  /** Used when neither says. */
  readonly default?: string
  /** The kind works without it. */
  readonly optional?: true
  /** A host name, or from the environment a whole address. */
  readonly isAddress?: true
}

/** A cloud's own way of naming credentials, used without a word in the file when one of these variables is set. */
export interface Ambient {
  /** As in `aws://default`. */
  readonly reference: string
  readonly env: readonly string[]
  /** Options without which it is of no use: the variables may be meant for other programs. */
  readonly needs?: readonly string[]
}

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

/** The configuration as the program uses it (camelCase, defaults filled in). The zod schema that reads `switchgate.yaml` makes exactly this. */
import type { HostRow } from '../../providers/provider.ts'

export interface Timeouts {
  readonly connectMs: number
  readonly firstByteMs: number
  readonly firstTokenMs: number
  readonly idleMs: number
  readonly stallMs: number
  readonly keepaliveMs: number
  readonly totalMs: number
}

export interface BodyLimits {
  readonly bodyBytes: number
  readonly uploadBytes: number
  readonly answerBytes: number
  readonly eventBytes: number
  readonly defaultMaxOutputTokens: number
  /** How long a request may wait for its turn at a rate limit before it is refused; 0 = not at all. */
  readonly throttleMs: number
}

export type StrategyName = 'balanced' | 'price' | 'latency'

export interface ModelConfig {
  readonly upstream: string
  readonly inputUsdPerMtok: number | undefined
  readonly outputUsdPerMtok: number | undefined
  readonly cacheReadUsdPerMtok: number | undefined
  readonly cacheWriteUsdPerMtok: number | undefined
  /** USD per `image`, `character`, `second`, `search`, `moderation`, by kind. */
  readonly unitUsd?: Readonly<Record<string, number>> | undefined
  readonly contextTokens: number | undefined
  readonly maxOutputTokens: number | undefined
}

export interface CredentialConfig {
  readonly name: string
  /** `env://NAME` or `file:///path`; a literal secret is refused. */
  readonly secret: string
  readonly weight: number
}

export interface ProviderConfig {
  /** A host row's or a native adapter's name; default: the provider's own name, if one has it. */
  readonly kind: string
  readonly baseUrl: string | undefined
  readonly credentials: readonly CredentialConfig[]
  readonly models: Readonly<Record<string, ModelConfig>>
  readonly options: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly onDisconnect: 'abort' | 'drain'
  readonly timeouts: Partial<Timeouts>
}

export interface AliasConfig {
  readonly models: readonly string[]
  readonly strategy: StrategyName | undefined
}

export interface Config {
  readonly providers: Readonly<Record<string, ProviderConfig>>
  readonly hosts: Readonly<Record<string, HostRow>>
  readonly aliases: Readonly<Record<string, AliasConfig>>
  readonly routing: { readonly strategy: StrategyName }
  readonly retries: { readonly attempts: number }
  readonly timeouts: Timeouts
  readonly limits: BodyLimits
  readonly budgets: { readonly refusalStatus: 402 | 429 }
  readonly egress: { readonly allow: readonly string[] }
  readonly discoverEnv: boolean
}

/** The configuration as the program uses it (camelCase, defaults filled in). The zod schema that reads `switchgate.yaml` makes exactly this. */
import type { HostRow } from '../../providers/provider.ts'
import type { StreamGuarantee } from '../terms.ts'
import type { Preferences } from '../wire/extensions.ts'

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
  /** Requests at once from which on keys are refused by their priority; absent = never. */
  readonly concurrency?: number
}

export type StrategyName = 'balanced' | 'price' | 'latency' | 'throughput' | 'weighted' | 'priority'

/** What is known of what a provider does with what is sent; absent = it may. */
export interface DataPolicy {
  readonly collects?: boolean | undefined
  readonly retains?: boolean | undefined
}

/** Every member that is there must hold; of a list, one entry. */
export interface Condition {
  readonly keys?: readonly string[]
  readonly tags?: readonly string[]
  readonly models?: readonly string[]
  readonly metadata?: Readonly<Record<string, readonly string[]>>
  readonly tools?: boolean
  readonly images?: boolean
  readonly jsonSchema?: boolean
  readonly stream?: boolean
  readonly inputTokens?: { readonly min?: number; readonly max?: number }
  /** Minutes of the day in UTC, the end not included; over midnight when the first is the larger. */
  readonly between?: readonly [number, number]
  /** 0 = Sunday. */
  readonly days?: readonly number[]
}

export interface RoutingConfig {
  readonly strategy: StrategyName
  readonly rules?: readonly RoutingRule[]
  readonly streamGuarantee: StreamGuarantee
  /** `settled` holds content back for so long, or so many tokens, whichever comes first. */
  readonly settleMs: number
  readonly settleTokens: number
  /** Ask another target after a content filter's refusal. */
  readonly aroundContentFilter: boolean
  /** Share of requests that may be sent to a second target when the first is late. */
  readonly hedge: { readonly share: number }
}

export interface ModelConfig {
  readonly upstream: string
  readonly inputUsdPerMtok: number | undefined
  readonly outputUsdPerMtok: number | undefined
  readonly cacheReadUsdPerMtok: number | undefined
  readonly cacheWriteUsdPerMtok: number | undefined
  readonly audioInputUsdPerMtok?: number | undefined
  readonly audioOutputUsdPerMtok?: number | undefined
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
  readonly weight?: number | undefined
  readonly priority?: number | undefined
  readonly region?: string | undefined
  readonly data?: DataPolicy | undefined
}

export interface ChoiceConfig {
  readonly models: readonly string[]
  readonly strategy: StrategyName | undefined
  /** Shares of the traffic by model; a model without one gets none of its own. */
  readonly weights?: Readonly<Record<string, number>> | undefined
  readonly preferences?: Preferences | undefined
}

export interface AliasConfig extends ChoiceConfig {
  /** Undefined = for every request: the alias itself. */
  readonly when?: undefined
  /** The first that holds decides instead. */
  readonly rules?: readonly (ChoiceConfig & { readonly when: Condition })[]
}

/** How some requests are routed, whatever their model. */
export interface RoutingRule {
  readonly when: Condition
  readonly strategy: StrategyName | undefined
  readonly preferences: Preferences | undefined
}

export interface Config {
  readonly providers: Readonly<Record<string, ProviderConfig>>
  readonly hosts: Readonly<Record<string, HostRow>>
  readonly aliases: Readonly<Record<string, AliasConfig>>
  readonly routing: RoutingConfig
  readonly retries: { readonly attempts: number }
  readonly timeouts: Timeouts
  readonly limits: BodyLimits
  /** What a promise of the ledger survives: the death of the process, or a power cut too. */
  readonly durability: 'process' | 'power'
  readonly budgets: {
    readonly refusalStatus: 402 | 429
    /** What a budget makes of a model without a known price. */
    readonly unpriced: 'refuse' | 'allow'
  }
  readonly alerts: {
    /** Address, or `env://NAME` of one; undefined = alerts are only logged. */
    readonly webhook: string | undefined
  }
  /** Beside providers and models, what `/metrics` names. */
  readonly metrics: { readonly by: readonly ('key' | 'project')[] }
  readonly egress: { readonly allow: readonly string[] }
  /** Days that single requests are kept; undefined = for good. */
  readonly retention: { readonly requestsDays: number | undefined }
  readonly discoverEnv: boolean
}

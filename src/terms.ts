/** The nouns that the stages of a request share. Types only: no behaviour, no imports but types. */
import type { Failure } from './errors.ts'
import type { Hours, Scope } from './keys/access.ts'
import type { Price } from './price.ts'
import type { Usage } from './usage.ts'

export type { Day, Hours, HoursWindow, Scope } from './keys/access.ts'
export type { Units, Usage } from './usage.ts'

/** Inbound wire formats: in which shape the caller speaks and wants its errors. */
export type Wire = 'openai' | 'anthropic' | 'gemini' | 'responses'

/** What the caller wants done; names follow OpenTelemetry's `gen_ai.operation.name` where it has one. */
export type Operation =
  | 'chat'
  | 'text_completion'
  | 'embeddings'
  | 'responses'
  | 'messages'
  | 'generate_content'
  | 'count_tokens'
  | 'image_generation'
  | 'speech'
  | 'transcription'
  | 'rerank'
  | 'moderation'

/** One row of the data-plane table: method and path → wire and operation. `{model}` in a path is any model's name. */
export interface Endpoint {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly wire: Wire
  readonly operation: Operation
  readonly scope: Scope
}

/** One inbound exchange. Header names are asked for in lower case. */
export interface Call {
  /** `x-request-id` of the answer; time-ordered and unique. */
  readonly id: string
  readonly method: string
  /** Path without the query. */
  readonly path: string
  /** Query without `?`, or ''. */
  readonly query: string
  header(name: string): string | undefined
  /**
   * Reads the whole body once; throws GatewayError('too_large') above `bytesMax`. Not read before the caller is known. A
   * promise only where the body, or what is to be said of it, is still to come.
   */
  read(bytesMax: number): Uint8Array | Promise<Uint8Array>
  /** Client address after trusted proxies, textual IPv4 or IPv6. */
  readonly peer: string
  /** Monotonic milliseconds at which the request's head arrived. */
  readonly startedAtMs: number
}

/** Where the answer goes; push-shaped, the same on Node and Workers. `headers` is a flat name, value, name, value list. */
export interface Sink {
  head(status: number, headers: readonly string[]): void
  /** False means: wait for `onDrain` before writing more. */
  write(bytes: Uint8Array): boolean
  onDrain(resume: () => void): void
  end(bytes?: Uint8Array): void
  /** Called once when the client leaves before `end`. */
  onClose(left: () => void): void
  /** Breaks the answer off so that its reader sees it: for bytes that can say no error. */
  abort?(): void
}

/** A finished upstream request; `authorize/` has added the credential. `headers` is flat, names in lower case. */
export interface UpstreamRequest {
  /** Scheme, host and port, as in `https://api.openai.com`. */
  readonly origin: string
  readonly path: string
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly headers: readonly string[]
  readonly body?: Uint8Array
}

/** What `deps.send` reports. Chunks may arrive before the relay attaches: the receiver queues. */
export interface Receiver {
  head(status: number, headers: Record<string, string | string[] | undefined>): void
  /** All bytes of one read together; never called after `end` or `fail`. */
  chunk(bytes: Uint8Array): void
  end(): void
  /** Connect, TLS, reset, egress refusal: an `UpstreamError` or a runtime error. */
  fail(error: unknown): void
}

export interface Upstream {
  pause(): void
  resume(): void
  /** Closes the connection; no further callbacks. */
  abort(): void
  /** True once the request was given to a connection: whoever breaks off then may have read it. Undefined = not known. */
  readonly sent?: boolean
  /** True = it failed on a connection kept from an earlier exchange that had been closed meanwhile: that says nothing of the upstream. */
  readonly stale?: boolean
}

/** The only way out. */
export type Send = (request: UpstreamRequest, to: Receiver) => Upstream

/** Capabilities of an offer that filter candidates. */
export type Capability = 'tools' | 'json_schema' | 'images' | 'reasoning' | 'audio' | 'pdf'

/** What a model is for. */
export type OfferType = 'chat' | 'embedding' | 'image' | 'speech' | 'transcription' | 'rerank' | 'moderation'

/** A model sold by a configured provider at a price. */
export interface Offer {
  /** Configured provider name, as in `x-switchgate-provider`. */
  readonly provider: string
  /** Canonical model id (an own model's key for own models). */
  readonly model: string
  /** Id that the upstream knows. */
  readonly upstream: string
  /** What it is for; absent = not known: it serves what it is asked for. */
  readonly type?: OfferType
  /** Undefined = unknown price, which is never zero. */
  readonly price: Price | undefined
  readonly contextTokens: number | undefined
  readonly maxOutputTokens: number | undefined
  readonly supports: ReadonlySet<Capability>
  /** True when the model can spend output tokens on reasoning that is not streamed. */
  readonly thinksUnseen: boolean
}

/** What a caller is promised of a stream that breaks (contract section 6). */
export type StreamGuarantee = 'fast' | 'settled' | 'complete'

/** How sure a bill is. exact = provider's usage · recovered = drained after a disconnect · estimated · unknown. */
export type Certainty = 'exact' | 'recovered' | 'estimated' | 'unknown'

/** Money for one attempt. `costNanoUsd` undefined = the price is unknown. */
export interface Bill {
  readonly costNanoUsd: number | undefined
  readonly certainty: Certainty
  readonly priceId: string | undefined
}

type CalendarWindow = 'day' | 'week' | 'month'
/** Calendar windows are in UTC, or in the IANA zone behind the `@`. */
export type BudgetWindow =
  | CalendarWindow
  | `${CalendarWindow}@${string}`
  | 'total'
  | `${number}h`
  | `${number}d`

/** What part of the traffic a budget counts: that of one end user, tag or model, or (`name` null) of each by itself. */
export interface BudgetScope {
  readonly kind: 'user' | 'tag' | 'model'
  readonly name: string | null
}

export interface Budget {
  readonly window: BudgetWindow
  readonly limitNanoUsd: number
  readonly softNanoUsd: number | null
  /** Absent = all of it. */
  readonly scope?: BudgetScope
  /** Another limit in place of `limitNanoUsd` until then, epoch ms. */
  readonly raise?: { readonly limitNanoUsd: number; readonly untilMs: number }
}

/** How fast: requests and tokens a minute, requests a day, requests at the same time. null = no limit. */
export interface RateLimits {
  readonly rpm: number | null
  readonly tpm: number | null
  readonly rpd: number | null
  readonly concurrency: number | null
  /** How many of a minute's requests may come at once; absent or null = all of them. Needs `rpm`. */
  readonly burst?: number | null
}

/** The limits of a key's lineage, a project or the whole gateway: its own, and those of each of its models and end users. */
export interface Limits extends RateLimits {
  /** How long a request may wait for its turn before it is refused, ms, at most 2,000; absent or null = the config's. */
  readonly throttleMs?: number | null
  /** Under pressure the lowest are refused first: 0 to 10, absent or null = 0. Of keys only. */
  readonly priority?: number | null
  /** By canonical model id. */
  readonly perModel?: Readonly<Record<string, RateLimits>> | null
  /** For each end user (`user` of the request) by itself. */
  readonly perUser?: RateLimits | null
}

export type KeyStatus = 'active' | 'suspended' | 'revoked'
export type Environment = 'live' | 'staging' | 'test'

/** A platform key as kept in memory and in the store. Times are epoch milliseconds. The secret is not here. */
export interface Key {
  /** Public id: the 12 base62 characters inside the key text. */
  readonly id: string
  /** Keys rotated from one another share a lineage (the first one's id); budgets and limits belong to it. */
  readonly lineage: string
  /** HMAC-SHA-256 of the whole key text, hex. */
  readonly hash: string
  readonly pepperVersion: number
  readonly name: string
  readonly env: Environment
  readonly status: KeyStatus
  readonly project: string | null
  readonly owner: string | null
  readonly createdAtMs: number
  readonly expiresAtMs: number | null
  /** Allow-list entries: canonical id, `model@provider`, `*@provider`, alias. null = all, [] = none. */
  readonly models: readonly string[] | null
  readonly providers: readonly string[] | null
  readonly limits: Limits
  readonly budgets: readonly Budget[]
  readonly ipAllow: readonly string[] | null
  readonly ipDeny: readonly string[] | null
  readonly maxOutputTokens: number | null
  readonly defaultModel: string | null
  readonly tags: readonly string[]
  readonly metadata: Readonly<Record<string, string>>
  /** Only providers of these regions, by the rule of `provider.regions`; null = all, [] = none. */
  readonly regions: readonly string[] | null
  /** Only these routes; null = all, [] = none. */
  readonly scopes?: readonly Scope[] | null
  /** Only browser pages of these origins: exact, `https://*.example.com` or `*`; null = not asked, [] = none. */
  readonly originAllow?: readonly string[] | null
  /** Only in these hours; null = at any time. */
  readonly hours?: Hours | null
}

/** Budgets and limits above keys: of a project's keys together, or (id `organisation`) of all keys. Times are epoch ms. */
export interface Project {
  readonly id: string
  readonly name: string
  /** A closed project has no working keys and gets none. */
  readonly status: 'active' | 'closed'
  readonly createdAtMs: number
  readonly limits: Limits
  readonly budgets: readonly Budget[]
  readonly metadata: Readonly<Record<string, string>>
}

/** Who is calling. */
export interface Caller {
  readonly key: Key
}

/** One finished attempt, as the ledger keeps it. Times are epoch ms for `createdAtMs`, durations in ms. */
export interface AttemptRow {
  /** `<request id>.<n>`, n from 1. */
  readonly id: string
  readonly requestId: string
  readonly attempt: number
  /** True on the row that ended the request; it alone carries the request's status. */
  readonly last: boolean
  readonly createdAtMs: number
  readonly keyId: string
  readonly lineage: string
  readonly project: string | null
  /** Model name as the caller wrote it. */
  readonly requestedModel: string
  readonly provider: string
  readonly model: string
  readonly upstreamModel: string
  readonly credential: string
  readonly operation: Operation
  readonly stream: boolean
  /** Status that the caller saw (last row) or the upstream's (earlier rows); 0 = no answer at all. */
  readonly status: number
  /** The upstream's, where it is not `status`. */
  readonly upstreamStatus?: number | undefined
  /** Failure kind, or null when the attempt succeeded. */
  readonly error: string | null
  readonly finishReason: string | null
  readonly usage: Usage | null
  readonly costNanoUsd: number | null
  readonly heldNanoUsd: number
  /** What the provider billed beyond what was held. */
  readonly overrunNanoUsd: number
  readonly certainty: Certainty
  readonly priceId: string | null
  readonly ttftMs: number | null
  readonly totalMs: number
  readonly peer: string
  readonly user: string | null
  readonly tags: readonly string[]
  /** The answer's own id (`chatcmpl-…`), for `/v1/generation?id=`. */
  readonly answerId: string | null
  /** Why this target: the router's one-line reason. */
  readonly why: string | null
}

/** How a request ended, for the access line. */
export interface Outcome {
  readonly status: number
  readonly failure: Failure | undefined
  readonly attempts: number
}

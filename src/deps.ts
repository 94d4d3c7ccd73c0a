/** What the core needs from outside. Runtimes build it once; tests build it from fakes with a seeded clock and dice. */
import type { AuthGuard } from './authenticate.ts'
import type { Placed } from './bag.ts'
import type { Config } from './config/schema.ts'
import type { GatewayError } from './errors.ts'
import type { Experience } from './route/experience.ts'
import type { Health } from './route/health.ts'
import type { Market } from './route/market.ts'
import type { Pressure } from './route/pressure.ts'
import type { Store } from './store/store.ts'
import type { AccessFields } from './telemetry.ts'
import type { AttemptRow, Caller, Endpoint, Environment, Key, Send } from './terms.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'

/** Byte work that runtimes do natively (Node: Buffer). `from` and results are offsets; -1 = not found. */
export interface Bytes {
  find(hay: Uint8Array, needle: Uint8Array, from?: number): number
  findLast(hay: Uint8Array, needle: Uint8Array): number
  concat(parts: readonly Uint8Array[]): Uint8Array
  isUtf8(bytes: Uint8Array): boolean
  /** UTF-8 decoding; invalid sequences become U+FFFD. */
  text(bytes: Uint8Array): string
  /** UTF-8 encoding. */
  of(text: string): Uint8Array
}

export interface Clock {
  /** Wall clock, epoch ms: for windows, rows, expiry. */
  now(): number
  /** Monotonic ms: for durations and deadlines. */
  monotonic(): number
}

/** One structured log line. Fields are flat and already free of secrets; sinks scrub once more. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>
export interface Log {
  (level: LogLevel, event: string, fields?: LogFields): void
  /** The access line, where the sink has a quicker way for it: the same text as `log('info', 'request', fields)`. */
  request?(fields: AccessFields): void
}

/** Something with a deadline, swept about every 50 ms; cheaper than a timer per phase. */
export interface Watched extends Placed {
  /** The process is going down: end honestly, now. */
  stop?(): void
  /** Monotonic ms at which `expire` is due; Infinity = not now. */
  dueMs: number
  expire(nowMs: number): void
}
export interface Watch {
  add(item: Watched): void
  remove(item: Watched): void
}

/** Who a presented credential belongs to. Sync on Node (memory); a Promise on Workers (D1). */
export interface KeyRing {
  find(credential: string): Key | undefined | Promise<Key | undefined>
  /** Does some working key allow browser pages of this origin? Absent = none does. */
  allowsOrigin?(origin: string): boolean | Promise<boolean>
}

/** Money set aside for one attempt. Opaque to everyone but the ledger. */
export interface Hold {
  readonly attemptId: string
  readonly key: Key
  /** When its request began, epoch ms: the time of the attempt's row. */
  readonly createdAtMs: number
  /** Grows by `extend`, shrinks by `lower`. 0 for keys without budgets. */
  readonly heldNanoUsd: number
}

/** What the row of an attempt says if the process dies before it settles; members left out read '' or null there. */
export type HoldFacts = Partial<
  Pick<
    AttemptRow,
    | 'requestedModel'
    | 'provider'
    | 'model'
    | 'upstreamModel'
    | 'credential'
    | 'operation'
    | 'stream'
    | 'peer'
    | 'user'
    | 'tags'
    | 'priceId'
    | 'why'
  >
>

export interface Shortfall {
  /** Which limit refused, as in `key.budget.day`, `project.user.budget.month`. */
  readonly limit: string
  /** Whose money is short; undefined = the key's lineage. */
  readonly owner?: string | undefined
  /** What could be held right now, nano-USD. */
  readonly availableNanoUsd: number
  /** True when money that others merely hold would make it fit: worth waiting for. */
  readonly heldByOthers: boolean
  /** Epoch ms when the window resets, null for `total`. */
  readonly resetsAtMs: number | null
  /** The smallest of the whole limits that it falls under, nano-USD: what is above never fits. */
  readonly wholeNanoUsd: number
  /** Attempts that share that money, now or a little while ago; undefined = not known: other processes have some too. */
  readonly others?: number | undefined
}

export interface RateRefusal {
  /** `key.rpm`, `key.concurrency`, `project.user.tpm`, `model.rpd`, … */
  readonly limit: string
  readonly retryAfterMs: number
  /** True when the request is larger than the whole limit: waiting never helps. */
  readonly neverFits?: boolean
  /** What stands at the moment of the refusal. */
  readonly state: RateState
}

/** One limit as it stands. Names are those of refusals. */
export interface RatePolicy {
  readonly name: string
  readonly unit: 'requests' | 'tokens' | 'concurrent-requests'
  readonly limit: number
  readonly remaining: number
  /** 0 = none: a slot comes back when a request ends. */
  readonly periodMs: number
  /** Until all of it is back. */
  readonly resetMs: number
  /** Until one more unit fits; 0 = now. */
  readonly nextMs: number
}

/** State of the families in `x-ratelimit-*`; a family is absent when that limit does not exist. */
export interface RateState {
  readonly requests?: RatePolicy | undefined
  readonly tokens?: RatePolicy | undefined
  /** Every limit that the request was measured against. */
  readonly policies?: readonly RatePolicy[]
}

/** What a request counts against beside its key and its project. */
export interface RateFacts {
  /** Canonical model id. */
  readonly model: string
  /** The end user that the caller names. */
  readonly user: string | null
}

/** Rate tokens and a concurrency slot, given back by `release`. */
export interface Admission {
  readonly state: RateState
  /** Corrects the token bucket to what was really used, and frees the slot. Exactly once. */
  release(actualTokens: number | undefined): void
  /** In place of `release`, where nothing was sent: all of it comes back, as if the request had never been let in. How it stands then. */
  withdraw(): RateState
}

export interface Ledger {
  /** Checks all rate dimensions, then takes them all: a refused request consumes nothing. */
  admit(key: Key, likelyTokens: number, facts?: RateFacts): Admission | RateRefusal
  /**
   * Sets money aside in every budget of the key's lineage, its project and the organisation, or in none. In memory; make it durable with `durable()`.
   * Throws GatewayError `storage_unavailable` while nothing can be made durable.
   */
  hold(key: Key, attemptId: string, nanoUsd: number, facts?: HoldFacts): Hold | Shortfall
  /** Does any budget count what this is? `user`, `tags` and `model` decide where a budget is for a part of the traffic. */
  applies(key: Key, facts: Pick<HoldFacts, 'user' | 'tags' | 'model'>): boolean
  /** What `hold` could take now; undefined = no budget applies. `nanoUsd` = what `heldByOthers` is asked about, by default nothing. */
  available(key: Key, facts?: HoldFacts, nanoUsd?: number): Shortfall | undefined
  /** More money for a running stream; false = refused, nothing changed. */
  extend(hold: Hold, nanoUsd: number): boolean
  /** So much of what is held turned out not to be needed, nano-USD: others may have it at once. In memory, like `hold`. */
  lower(hold: Hold, nanoUsd: number): void
  /**
   * An attempt has ended and cost this, nano-USD, but its row waits until it is known whether another follows: the cost is
   * spent now and the rest of the hold is free. In memory, like `hold`; after a crash it is what the attempt is charged.
   * What `settle` is told later can no longer change it.
   */
  charge(hold: Hold, costNanoUsd: number): void
  /** Moves the hold to spent and queues the row. The only caller is record.ts. A key without budgets still gets its row. */
  settle(hold: Hold, row: AttemptRow): void
  /** Resolves when everything said so far survives `kill -9`; rejects with GatewayError `storage_unavailable`. One write for all callers of a turn. */
  durable(): Promise<void>
  /** Why new work is refused with `storage_unavailable` at the moment; undefined = it is taken. */
  failure(): Error | undefined
  /** Resolves when some held money came back to who was short of it (without a shortfall: the key's lineage), or after `withinMs`. */
  freed(key: Key, withinMs: number, short?: Shortfall): Promise<void>
}

/** Thought signatures of tool calls, for clients that lose them; by key lineage, so that no caller meets another's. */
export interface Signatures {
  keep(lineage: string, callId: string, signature: string): void
  find(lineage: string, callId: string): string | undefined
}

/** The tokenizer, loaded when it is first asked for; undefined = it is not to be had. Beside the request's way only. */
export type Tokens = () => Tokenizer | undefined

/** Counts what ends, in numbers alone: called on the way of every request. */
export interface Tally {
  /** `status` 0 = the caller left before an answer. */
  ended(endpoint: Endpoint, status: number, totalMs: number, failure: GatewayError | undefined): void
  /** Time to the head of an answer that was not spent waiting for a provider. */
  overhead(ms: number): void
}

export interface Deps {
  readonly config: () => Config
  /** Snapshot of what can be bought now; replaced whole on reload. */
  readonly market: () => Market
  readonly keys: KeyRing
  /** Keys of another environment are refused. */
  readonly env: Environment
  /** Counts failed attempts by address. */
  readonly guard: AuthGuard
  /** Told of every key that was refused and why, for the audit log. Does not wait. Absent = nobody asks. */
  readonly refused?: (reason: string, keyId: string | undefined, peer: string) => void
  readonly ledger: Ledger
  readonly health: Health
  /** Absent = every request is routed as if it were the first. */
  readonly experience?: Experience
  /** Absent = requests under way are not counted. */
  readonly pressure?: Pressure
  readonly store: Store
  readonly send: Send
  readonly bytes: Bytes
  readonly clock: Clock
  readonly watch: Watch
  /** Resolves after so many milliseconds. */
  readonly pause: (ms: number) => Promise<void>
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Time-ordered unique id with this prefix. */
  readonly newId: (prefix: string) => string
  readonly log: Log
  /** Absent = nobody counts. */
  readonly tally?: Tally
  /** Absent = signatures that a client loses are lost. */
  readonly signatures?: Signatures
  /** Absent = tokens are guessed by the kinds of characters. */
  readonly tokens?: Tokens
  /** Last-line scrubber for texts that come from upstreams. */
  readonly scrub: (text: string) => string
  /** Workers: keeps the isolate alive until this is done. */
  readonly background?: (work: Promise<unknown>) => void
  /** Set while draining or sealed: new work is refused with this. */
  readonly closed: () => 'draining' | 'sealed' | undefined
}

export type { Caller }

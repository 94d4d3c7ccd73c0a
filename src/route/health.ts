/** Health of targets and credentials from live traffic: a pure fold, and the small in-memory book that keeps it. */

/** Key of a target: `<provider>/<upstream>/<credential id>`; of an offer: `<provider>/<upstream>`; of a credential: its id. */
export type HealthKey = string

export type Observation =
  | {
      readonly kind: 'ok'
      readonly ttftMs: number | undefined
      readonly totalMs: number
      readonly outputTokens: number | undefined
    }
  | { readonly kind: 'fault' }
  /** Their 429: out until then. */
  | { readonly kind: 'cool_down'; readonly untilMs: number }

export interface HealthState {
  /** Exponentially weighted share of failures, 0–1. */
  readonly errorRate: number
  readonly ttftMs: number | undefined
  readonly tokensPerSecond: number | undefined
  readonly samples: number
  readonly consecutiveFaults: number
  /** Epoch ms until which nothing is sent there; 0 = open for traffic. */
  readonly outUntilMs: number
}

export interface Health {
  observe(key: HealthKey, what: Observation, nowMs: number): void
  state(key: HealthKey): HealthState | undefined
  /** May a request be sent there now? After a cool-down one probe at a time is let through. */
  usable(key: HealthKey, nowMs: number): boolean
  /** Everything known, for `/admin/v1/targets` and for keeping across restarts. */
  entries(): Iterable<readonly [HealthKey, HealthState]>
  restore(entries: Iterable<readonly [HealthKey, HealthState]>): void
}

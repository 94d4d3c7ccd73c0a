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
  /** Out until then. `told` = the provider named the time itself (Retry-After): nothing is sent there before, even if nobody else is left. */
  | { readonly kind: 'cool_down'; readonly untilMs: number; readonly told: boolean }

export interface HealthState {
  /** Exponentially weighted share of failures, 0–1. */
  readonly errorRate: number
  readonly ttftMs: number | undefined
  readonly tokensPerSecond: number | undefined
  readonly samples: number
  readonly consecutiveFaults: number
  /** Epoch ms until which others are preferred; 0 = open for traffic. */
  readonly outUntilMs: number
  /** Epoch ms until which nothing is sent there at all. */
  readonly closedUntilMs: number
}

export interface Health {
  observe(key: HealthKey, what: Observation, nowMs: number): void
  state(key: HealthKey): HealthState | undefined
  /** May a request be sent there now? After a cool-down one probe at a time is let through. */
  usable(key: HealthKey, nowMs: number): boolean
  /** Epoch ms until which the provider itself asked to be left alone; 0 = it did not. */
  closedUntil(key: HealthKey, nowMs: number): number
  /** A request is being sent there: if the target is half open, it is the probe. */
  probe(key: HealthKey, nowMs: number): void
  /** May the same target be asked again for the same request? At most 10% of its traffic, floor 10 per 10 s; true counts one. */
  repeat(key: HealthKey, nowMs: number): boolean
  /** Everything known, for `/admin/v1/targets` and for keeping across restarts. */
  entries(): Iterable<readonly [HealthKey, HealthState]>
  restore(entries: Iterable<readonly [HealthKey, HealthState]>): void
}

const FRESH: HealthState = {
  errorRate: 0,
  ttftMs: undefined,
  tokensPerSecond: undefined,
  samples: 0,
  consecutiveFaults: 0,
  outUntilMs: 0,
  closedUntilMs: 0,
}

/** Weight of the newest sample. About the last ten requests speak. */
const ALPHA = 0.2
/** So many faults in a row take a target out. */
const FAULTS_TO_OPEN = 3
const OPEN_MS_MIN = 2_000
const OPEN_MS_MAX = 30_000
/** A probe that never comes back frees its place after this. */
const PROBE_MS = 10_000
const COOL_DOWN_MS_MAX = 60_000
const ENTRIES_MAX = 20_000
const REPEAT_WINDOW_MS = 10_000
const REPEATS_FLOOR = 10
const REPEATS_SHARE = 0.1

/** One observation folded into a state. Pure. */
export function foldHealth(state: HealthState | undefined, what: Observation, nowMs: number): HealthState {
  const s = state ?? FRESH
  const blend = (old: number | undefined, value: number) =>
    old === undefined ? value : old + ALPHA * (value - old)
  switch (what.kind) {
    case 'ok': {
      const seconds = (what.totalMs - (what.ttftMs ?? 0)) / 1000
      const speed = what.outputTokens && seconds > 0.05 ? what.outputTokens / seconds : undefined
      return {
        errorRate: blend(s.errorRate, 0),
        ttftMs: what.ttftMs === undefined ? s.ttftMs : blend(s.ttftMs, what.ttftMs),
        tokensPerSecond: speed === undefined ? s.tokensPerSecond : blend(s.tokensPerSecond, speed),
        samples: s.samples + 1,
        consecutiveFaults: 0,
        outUntilMs: 0,
        closedUntilMs: 0,
      }
    }
    case 'fault': {
      const faults = s.consecutiveFaults + 1
      const pause = Math.min(OPEN_MS_MAX, OPEN_MS_MIN * 2 ** Math.max(0, faults - FAULTS_TO_OPEN))
      return {
        ...s,
        errorRate: blend(s.errorRate, 1),
        samples: s.samples + 1,
        consecutiveFaults: faults,
        outUntilMs: faults >= FAULTS_TO_OPEN ? nowMs + pause : s.outUntilMs,
      }
    }
    case 'cool_down': {
      const untilMs = Math.min(what.untilMs, nowMs + COOL_DOWN_MS_MAX)
      return {
        ...s,
        outUntilMs: Math.max(s.outUntilMs, untilMs),
        closedUntilMs: what.told ? Math.max(s.closedUntilMs, untilMs) : s.closedUntilMs,
      }
    }
  }
}

/** The book of this process. Bounded: the oldest entry goes when it is full. */
export function createHealth(): Health {
  const states = new Map<HealthKey, HealthState>()
  const probes = new Map<HealthKey, number>()
  const traffic = new Map<HealthKey, { sinceMs: number; requests: number; repeats: number }>()
  const trafficOf = (key: HealthKey, nowMs: number) => {
    let t = traffic.get(key)
    if (!t || nowMs - t.sinceMs >= REPEAT_WINDOW_MS) {
      if (!t && traffic.size >= ENTRIES_MAX) traffic.clear()
      t = { sinceMs: nowMs, requests: 0, repeats: 0 }
      traffic.set(key, t)
    }
    return t
  }
  return {
    observe(key, what, nowMs) {
      if (!states.has(key) && states.size >= ENTRIES_MAX) {
        const oldest = states.keys().next().value
        if (oldest !== undefined) states.delete(oldest)
      }
      probes.delete(key)
      states.set(key, foldHealth(states.get(key), what, nowMs))
    },
    state: key => states.get(key),
    usable(key, nowMs) {
      const state = states.get(key)
      if (!state || state.outUntilMs === 0) return true
      if (nowMs < state.outUntilMs) return false
      // half open: one request at a time finds out
      const probing = probes.get(key)
      return probing === undefined || nowMs - probing > PROBE_MS
    },
    closedUntil(key, nowMs) {
      const until = states.get(key)?.closedUntilMs ?? 0
      return until > nowMs ? until : 0
    },
    probe(key, nowMs) {
      trafficOf(key, nowMs).requests++
      const state = states.get(key)
      if (state && state.outUntilMs !== 0) probes.set(key, nowMs)
    },
    repeat(key, nowMs) {
      const t = trafficOf(key, nowMs)
      if (t.repeats >= Math.max(REPEATS_FLOOR, t.requests * REPEATS_SHARE)) return false
      t.repeats++
      return true
    },
    entries: () => states.entries(),
    restore(entries) {
      for (const [key, state] of entries) states.set(key, state)
    },
  }
}

/** Health of targets and credentials from live traffic: a pure fold, and the small in-memory book that keeps it. */
import type { Durations } from './durations.ts'
import { createStates } from './states.ts'
import { ALPHA, afterAnswer, afterSilence, blended, speedOf, weightSince } from './timing.ts'
import { createTraffic } from './traffic.ts'

/** Key of a target: `<provider>/<upstream>/<credential id>`; of an offer: `<provider>/<upstream>`; of a credential: its id. */
export type HealthKey = string

export type Observation =
  | {
      readonly kind: 'ok'
      /** Undefined = nothing to learn about speed. */
      readonly ttftMs: number | undefined
      readonly totalMs: number
      readonly outputTokens: number | undefined
      /** False = a whole answer, whose first content is its end. Absent = a stream. */
      readonly stream?: boolean
      /** Its beginning was observed as `content`: new is only how fast it went on, and that it ended well. */
      readonly begun?: boolean
    }
  /** A stream's first content came. Told at once: failures are, and successes that come later would outvote them. */
  | { readonly kind: 'content'; readonly ttftMs: number }
  /** Nothing was heard for so long, and it is waited for no longer: at least this late. No failure by itself. */
  | {
      readonly kind: 'late'
      readonly waitedMs: number
      readonly stream: boolean
      /** Cut off because another had answered. Else a time limit ended it: that follows from the percentiles, and must not raise them. */
      readonly raced: boolean
    }
  /** `begun` = after content, which was counted as a success. */
  | { readonly kind: 'fault'; readonly begun?: boolean }
  /** Out until then. `told` = the provider named the time itself (Retry-After): nothing is sent there before, even if nobody else is left. */
  | { readonly kind: 'cool_down'; readonly untilMs: number; readonly told: boolean }

export interface HealthState {
  /** Exponentially weighted share of failures, 0–1. */
  readonly errorRate: number
  /** Of streams; of whole answers while no stream was seen. */
  readonly ttftMs: number | undefined
  /** First content of streams, and whole answers, each with percentiles. */
  readonly ttft?: Durations | undefined
  readonly whole?: Durations | undefined
  /** Tokens a second of streams, in the same form. */
  readonly speeds?: Durations | undefined
  readonly tokensPerSecond: number | undefined
  readonly samples: number
  readonly consecutiveFaults: number
  /** Epoch ms until which others are preferred; 0 = open for traffic. */
  readonly outUntilMs: number
  /** Epoch ms until which nothing is sent there at all. */
  readonly closedUntilMs: number
  /** Epoch ms of the last sample; 0 = none yet. */
  readonly seenAtMs: number
  /** Of whole answers; undefined = none was seen. */
  readonly wholeMs: number | undefined
  /** Epoch ms of the last sample of `ttft`, and of `whole`; 0 = none yet. */
  readonly ttftAtMs: number
  readonly wholeAtMs: number
}

/** The keys of one target: what happens there may concern any of them. */
export interface Place {
  readonly target: HealthKey
  readonly offer: HealthKey
  readonly credential: HealthKey | undefined
}

export interface Health {
  observe(key: HealthKey, what: Observation, nowMs: number): void
  /** Nobody is out: everything is usable. */
  readonly calm: boolean
  /** Who was taken out and has not answered since: everybody else is usable. */
  readonly out: ReadonlySet<HealthKey>
  /** With `nowMs`, failures that nobody has seen again since count less (`asOf`). */
  state(key: HealthKey, nowMs?: number): HealthState | undefined
  /** May a request be sent there now? After a cool-down one probe at a time is let through. */
  usable(key: HealthKey, nowMs: number): boolean
  /** Epoch ms until which the provider itself asked to be left alone; 0 = it did not. */
  closedUntil(key: HealthKey, nowMs: number): number
  /**
   * A request wants to be sent there. False = the provider asked to be left alone, or it is half open and another request is
   * finding out (which `anyway` overrules: there is nobody else to ask). True counts it as traffic and as in flight until
   * `done`; after a cool-down it is the one probe, of the target, of the offer and of the credential.
   */
  probe(place: Place, nowMs: number, anyway?: boolean): boolean
  /** The request that `probe` let through has ended, however it ended. */
  done(place: Place): void
  /** Requests that are there now. */
  inFlight(key: HealthKey): number
  /** May one more request be sent twice? At most this share of all; true counts one. */
  hedge(share: number): boolean
  /** May the same target be asked again for the same request? At most 10% of its traffic, floor 10 per 10 s; true counts one. */
  repeat(key: HealthKey, nowMs: number): boolean
  /** The credential of this id has another secret now: what happened with the one before is forgotten, there and at its targets. */
  renew(credential: HealthKey): void
  /** Everything known, for `/admin/v1/targets` and for keeping across restarts. */
  entries(): Iterable<readonly [HealthKey, HealthState]>
  restore(entries: Iterable<readonly [HealthKey, HealthState]>): void
}

/** Every state has all of these members, in this order: states of several forms would be slower to read and to write. */
const FRESH: HealthState = {
  errorRate: 0,
  ttftMs: undefined,
  ttft: undefined,
  whole: undefined,
  speeds: undefined,
  tokensPerSecond: undefined,
  samples: 0,
  consecutiveFaults: 0,
  outUntilMs: 0,
  closedUntilMs: 0,
  seenAtMs: 0,
  wholeMs: undefined,
  ttftAtMs: 0,
  wholeAtMs: 0,
}

/** Failures are forgiven by half in this time: a target that nobody dares to ask must not stay bad for ever. */
const FORGIVE_MS = 60_000
/** So large a share of failures takes a target out even if some requests succeed between. */
const RATE_TO_OPEN = 0.6
const SAMPLES_TO_OPEN = 10
/** So many faults in a row take a target out. */
const FAULTS_TO_OPEN = 3
const OPEN_MS_MIN = 2_000
const OPEN_MS_MAX = 15_000
/** A probe that never comes back frees its place after this. */
const PROBE_MS = 10_000
/** Longer than a guess may last; a provider's own word is kept up to an hour. */
const COOL_DOWN_MS_MAX = 60_000
const TOLD_MS_MAX = 3_600_000

/** Share of failures as it reads now: those that nobody has seen again since count less. */
export function errorRateNow({ errorRate, seenAtMs }: HealthState, nowMs: number): number {
  const quietMs = nowMs - seenAtMs
  // half after each FORGIVE_MS; asked of every candidate of every request
  return errorRate === 0 || quietMs < 1_000
    ? errorRate
    : errorRate * Math.exp((-Math.LN2 * quietMs) / FORGIVE_MS)
}

/** The state as it reads now. Pure. */
export function asOf(state: HealthState, nowMs: number): HealthState {
  const errorRate = errorRateNow(state, nowMs)
  return errorRate === state.errorRate ? state : { ...state, errorRate }
}

/** One observation folded into a state. Pure. */
export function foldHealth(state: HealthState | undefined, what: Observation, nowMs: number): HealthState {
  const s = state ?? FRESH
  switch (what.kind) {
    case 'content': {
      const timed = afterAnswer(s, what.ttftMs, undefined, true, nowMs)
      // only an answer that ended well lets a target in again: one may begin every stream and finish none
      timed.consecutiveFaults = s.consecutiveFaults
      timed.outUntilMs = s.outUntilMs
      timed.closedUntilMs = s.closedUntilMs
      return timed
    }
    case 'ok': {
      const { ttftMs, stream = true } = what
      if (!what.begun) return afterAnswer(s, ttftMs, speedOf(what), stream, nowMs)
      // the end of a stream whose beginning is known
      const ended = afterAnswer(s, undefined, speedOf(what), true, nowMs)
      ended.errorRate = errorRateNow(s, nowMs)
      ended.samples = s.samples
      return ended
    }
    case 'late':
      return afterSilence(s, what, nowMs)
    case 'fault': {
      const faults = s.consecutiveFaults + 1
      // a beginning that counted as a success is taken back
      const errorRate = what.begun
        ? Math.min(1, errorRateNow(s, nowMs) + ALPHA)
        : blended(errorRateNow(s, nowMs), 1, weightSince(s.seenAtMs, nowMs))
      const opens = faults >= FAULTS_TO_OPEN || (s.samples >= SAMPLES_TO_OPEN && errorRate >= RATE_TO_OPEN)
      const pause = Math.min(OPEN_MS_MAX, OPEN_MS_MIN * 2 ** Math.max(0, faults - FAULTS_TO_OPEN))
      return {
        ...s,
        errorRate,
        samples: s.samples + 1,
        consecutiveFaults: faults,
        outUntilMs: opens ? Math.max(s.outUntilMs, nowMs + pause) : s.outUntilMs,
        seenAtMs: nowMs,
      }
    }
    case 'cool_down': {
      const untilMs = Math.min(what.untilMs, nowMs + (what.told ? TOLD_MS_MAX : COOL_DOWN_MS_MAX))
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
  const { states, out, put } = createStates()
  const probes = new Map<HealthKey, number>()
  const traffic = createTraffic()
  const busyProbing = (key: HealthKey, nowMs: number) => {
    const probing = probes.get(key)
    return probing !== undefined && nowMs - probing <= PROBE_MS
  }
  const isOut = (key: HealthKey | undefined): key is HealthKey => key !== undefined && out.has(key)
  return {
    get calm() {
      return out.size === 0
    },
    out,
    observe(key, what, nowMs) {
      if (probes.size > 0 && what.kind !== 'content' && what.kind !== 'late') probes.delete(key)
      put(key, foldHealth(states.get(key), what, nowMs))
    },
    state(key, nowMs) {
      const state = states.get(key)
      return state && nowMs !== undefined ? asOf(state, nowMs) : state
    },
    usable(key, nowMs) {
      const state = out.has(key) ? states.get(key) : undefined
      if (!state) return true
      // half open: one request at a time finds out
      return nowMs >= state.outUntilMs && !busyProbing(key, nowMs)
    },
    closedUntil(key, nowMs) {
      const until = out.has(key) ? (states.get(key)?.closedUntilMs ?? 0) : 0
      return until > nowMs ? until : 0
    },
    probe({ target, offer, credential }, nowMs, anyway = false) {
      const troubled = out.size > 0 ? [target, offer, credential].filter(isOut) : []
      for (const key of troubled) {
        const state = states.get(key)
        if (state && state.closedUntilMs > nowMs) return false
        if (!anyway && state && nowMs >= state.outUntilMs && busyProbing(key, nowMs)) return false
      }
      for (const key of troubled) probes.set(key, nowMs)
      traffic.begin(target, nowMs)
      return true
    },
    done({ target, offer, credential }) {
      traffic.end(target)
      if (probes.size === 0) return
      probes.delete(target)
      probes.delete(offer)
      if (credential !== undefined) probes.delete(credential)
    },
    inFlight: traffic.inFlight,
    repeat: traffic.repeat,
    hedge: traffic.hedge,
    renew(credential) {
      for (const [key, state] of states) {
        if (key !== credential && !key.endsWith(`/${credential}`)) continue
        probes.delete(key)
        put(key, { ...state, errorRate: 0, consecutiveFaults: 0, outUntilMs: 0, closedUntilMs: 0 })
      }
    },
    entries: () => states.entries(),
    restore(entries) {
      // an older program's entries lack the newer members
      for (const [key, state] of entries) put(key, { ...FRESH, ...state })
    },
  }
}

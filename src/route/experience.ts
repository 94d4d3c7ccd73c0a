/** What this process has learned from its own traffic beside health: sessions, habits, peaks, and who leads a group. Read by plan.ts, fed when a request has ended. */
import type { Usage } from '../terms.ts'
import { createHabits, type Habits } from './habits.ts'
import type { Past } from './rank.ts'
import { createSessions, type Sessions } from './sticky.ts'
import type { Sort } from './strategy.ts'

/** What a plan leaves behind for `learn`. */
export interface Trace {
  /** The list of candidates that was ranked: the same object for every request of the same name. */
  readonly group: object
  readonly strategy: Sort
  /** Who leads if this goes well; undefined = nothing changes. */
  readonly leader: string | undefined
  /** How the places were ranked: where the next ranking begins. */
  readonly byScore?: readonly number[] | undefined
  readonly session: string | undefined
}

export interface Ended {
  readonly trace: Trace
  readonly lineage: string
  readonly model: string
  /** Who answered; undefined = nobody did. */
  readonly target: string | undefined
  readonly ttftMs: number | undefined
  readonly usage: Usage | undefined
}

export interface Experience {
  readonly habits: Pick<Habits, 'expect'>
  readonly sessions: Pick<Sessions, 'find'>
  /** Worst recent time to first content, fading; undefined = never measured. */
  peakMs(target: string, nowMs: number): number | undefined
  past(group: object, strategy: Sort): Past
  learn(ended: Ended, nowMs: number): void
  /** A request that says nothing of anybody: one more, or whoever refuses it would be looked at again and again. */
  count(trace: Trace): void
}

interface Lead {
  leader: string | undefined
  requests: number
  order: readonly number[] | undefined
}

interface Peak {
  ms: number
  atMs: number
}

/** A bad moment is half forgotten after this. */
const PEAK_HALF_MS = 10_000
const PEAKS_MAX = 20_000

const fadedMs = ({ ms, atMs }: Peak, nowMs: number): number =>
  (ms * PEAK_HALF_MS) / (PEAK_HALF_MS + Math.max(0, nowMs - atMs))

const UNLED: Past = { leader: undefined, requests: 0 }

export function createExperience(): Experience {
  const habits = createHabits()
  const sessions = createSessions()
  const peaks = new Map<string, Peak>()
  // held by the list itself: a new market begins anew
  const leads = new WeakMap<object, Map<Sort, Lead>>()

  const peakMs = (target: string, nowMs: number) => {
    const peak = peaks.get(target)
    return peak && fadedMs(peak, nowMs)
  }
  const leadOf = ({ group, strategy }: Trace): Lead => {
    let all = leads.get(group)
    if (all === undefined) {
      all = new Map()
      leads.set(group, all)
    }
    let lead = all.get(strategy)
    if (lead === undefined) {
      lead = { leader: undefined, requests: 0, order: undefined }
      all.set(strategy, lead)
    }
    return lead
  }
  const timed = (target: string, ttftMs: number, nowMs: number) => {
    const peak = peaks.get(target)
    if (peak !== undefined) {
      peak.ms = Math.max(ttftMs, fadedMs(peak, nowMs))
      peak.atMs = nowMs
      return
    }
    if (peaks.size >= PEAKS_MAX) peaks.clear()
    peaks.set(target, { ms: Math.max(ttftMs, 0), atMs: nowMs })
  }
  return {
    habits,
    sessions,
    peakMs,
    count(trace) {
      leadOf(trace).requests++
    },
    past: (group, strategy) => leads.get(group)?.get(strategy) ?? UNLED,
    learn({ trace, lineage, model, target, ttftMs, usage }, nowMs) {
      const lead = leadOf(trace)
      lead.requests++
      lead.order = trace.byScore
      if (target === undefined) {
        if (trace.session !== undefined) sessions.forget(trace.session)
        return
      }
      if (trace.leader === target) lead.leader = target
      if (ttftMs !== undefined) timed(target, ttftMs, nowMs)
      if (!usage) return
      habits.learn(lineage, model, usage)
      if (trace.session !== undefined)
        sessions.keep(
          trace.session,
          target,
          { input: usage.inputTokens, cacheRead: usage.cacheReadInputTokens },
          nowMs,
        )
    },
  }
}

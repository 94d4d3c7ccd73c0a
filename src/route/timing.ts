/** How late an answer was, folded into the state of its target; and how late at least, where none came. Pure; part of the fold of health. */
import { withSample } from './durations.ts'
import { errorRateNow, type HealthState, type Observation } from './health.ts'

/** Weight of the newest sample when traffic is dense: about the last ten requests speak. */
export const ALPHA = 0.2
/** What was learned this long ago weighs a third beside a new sample, however few came between. */
const MEMORY_MS = 300_000

/** Weight of a new sample, 0.2–1: the longer nothing was heard, the more it says. */
export const weightSince = (seenAtMs: number, nowMs: number): number =>
  seenAtMs === 0 ? ALPHA : 1 - (1 - ALPHA) * Math.exp(-Math.max(0, nowMs - seenAtMs) / MEMORY_MS)

export const blended = (old: number, value: number, weight: number): number => old + weight * (value - old)

/** Tokens a second; undefined = too little of it to say. */
export function speedOf({ ttftMs, totalMs, outputTokens }: Observation & { kind: 'ok' }): number | undefined {
  const seconds = (totalMs - (ttftMs ?? 0)) / 1000
  return outputTokens && seconds > 0.05 ? outputTokens / seconds : undefined
}

type Changing = { -readonly [Name in keyof HealthState]: HealthState[Name] }

/** A new state, of one more answer that went well; undefined = nothing to learn about that. */
export function afterAnswer(
  s: HealthState,
  ttftMs: number | undefined,
  speed: number | undefined,
  stream: boolean,
  nowMs: number,
): Changing {
  const weight = weightSince(s.seenAtMs, nowMs)
  const since = nowMs - s.seenAtMs
  const isFirst = stream && ttftMs !== undefined
  const whole = stream ? undefined : ttftMs
  // a whole answer is no measure of a first token, but better than none
  const first = stream || !s.ttft ? ttftMs : undefined
  const past = stream && !s.ttft ? undefined : s.ttftMs
  // what the provider itself asked for stands: this answer may have been asked for before it did
  const told = s.closedUntilMs > nowMs
  return {
    errorRate: blended(errorRateNow(s, nowMs), 0, weight),
    ttftMs: first === undefined ? s.ttftMs : mean(past, first, s.ttftAtMs || s.seenAtMs, nowMs),
    ttft: isFirst ? withSample(s.ttft, ttftMs, since) : s.ttft,
    whole: whole === undefined ? s.whole : withSample(s.whole, whole, since),
    speeds: speed === undefined ? s.speeds : withSample(s.speeds, speed, since),
    tokensPerSecond:
      speed === undefined || s.tokensPerSecond === undefined
        ? (speed ?? s.tokensPerSecond)
        : blended(s.tokensPerSecond, speed, weight),
    samples: s.samples + 1,
    consecutiveFaults: 0,
    outUntilMs: told ? s.outUntilMs : 0,
    closedUntilMs: told ? s.closedUntilMs : 0,
    seenAtMs: nowMs,
    wholeMs: whole === undefined ? s.wholeMs : mean(s.wholeMs, whole, s.wholeAtMs || s.seenAtMs, nowMs),
    ttftAtMs: isFirst ? nowMs : s.ttftAtMs,
    wholeAtMs: whole === undefined ? s.wholeAtMs : nowMs,
  }
}

const mean = (past: number | undefined, value: number, seenAtMs: number, nowMs: number): number =>
  past === undefined ? value : blended(past, value, weightSince(seenAtMs, nowMs))

/**
 * Nothing came while it was waited for: the least that it would have taken (a censored sample). One below the mean says
 * nothing new, and alone it says nothing at all: who was called off at once would look fast.
 */
export function afterSilence(
  s: HealthState,
  { waitedMs, stream, raced }: Observation & { kind: 'late' },
  nowMs: number,
): HealthState {
  const known = stream ? s.ttft && s.ttftMs : s.wholeMs
  if (known === undefined || waitedMs <= known) return s
  const late = afterAnswer(s, waitedMs, undefined, stream, nowMs)
  if (!raced) {
    late.ttft = s.ttft
    late.whole = s.whole
  }
  // being late is neither a success nor a failure
  late.errorRate = errorRateNow(s, nowMs)
  late.samples = s.samples
  late.consecutiveFaults = s.consecutiveFaults
  late.outUntilMs = s.outUntilMs
  late.closedUntilMs = s.closedUntilMs
  return late
}

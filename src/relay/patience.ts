/** How long an exchange waits for what: pure questions about time that exchange.ts asks. All in ms. */
import type { Timeouts } from '../config/schema.ts'
import type { ExchangeInput } from './contract.ts'
import { hasEnded } from './endings.ts'
import type { StreamState } from './reader.ts'

/** A finished stream's connection gets this long to end by itself, so that it can be used again. */
export const LINGER_MS = 1_000
/** After a disconnect with `on_disconnect: drain`. Who loses a race is cut off: nobody has left. */
export const DRAIN_MS_MAX = 60_000
/** A stream that said how it ended and what it used has nothing more to say: its terminator is waited for so long. */
const FINISH_MS = 5_000

/** How long a caller may read nothing of what waits for it: a minute at least, for this silence is not the upstream's. */
export const callersPauseMs = (stallMs: number): number => Math.max(60_000, stallMs)

/** When the caller is next to hear a sign of life, told from the request's start: its patience does not begin anew with each target. */
export function keepAliveDue({ requestedMs, timeouts }: ExchangeInput, nowMs: number): number {
  const everyMs = timeouts.keepaliveMs
  const waitedMs = Math.max(0, nowMs - requestedMs)
  return requestedMs + (Math.floor(waitedMs / everyMs) + 1) * everyMs
}

/** How long a stream may now say nothing; undefined = this read has changed nothing about that. `isFree` = another target may still answer. */
export function silenceMs(state: StreamState, isFree: boolean, timeouts: Timeouts): number | undefined {
  if (state.usage && hasEnded(state)) return Math.min(FINISH_MS, timeouts.stallMs)
  if (isFree) return timeouts.idleMs
  return state.content ? timeouts.stallMs : undefined
}

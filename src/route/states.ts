/** States of health by key, and who of them is out: mostly nobody, and every target of every request is asked about. Part of the book of health. */
import type { HealthKey, HealthState } from './health.ts'

const ENTRIES_MAX = 20_000

/** Bounded: the oldest entry goes when it is full. */
export function createStates() {
  const states = new Map<HealthKey, HealthState>()
  // whose `outUntilMs` is not 0
  const out = new Set<HealthKey>()
  return {
    states,
    out,
    put(key: HealthKey, state: HealthState) {
      if (states.size >= ENTRIES_MAX && !states.has(key)) {
        const oldest = states.keys().next().value as HealthKey
        states.delete(oldest)
        out.delete(oldest)
      }
      states.set(key, state)
      if (state.outUntilMs !== 0) out.add(key)
      else if (out.size > 0) out.delete(key)
    },
  }
}

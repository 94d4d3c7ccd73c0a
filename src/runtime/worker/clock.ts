/** Time and identity on Workers: both clocks stand still while code runs and go on at each input or output. */
import type { Clock } from '../../deps.ts'
import { timeText } from '../../ids.ts'

const startedMs = Date.now()
let latestMs = 0

export const workerClock: Clock = {
  now: () => Date.now(),
  monotonic() {
    // The platform has one clock, and it may be set back.
    latestMs = Math.max(latestMs, Date.now() - startedMs)
    return latestMs
  },
}

/** Bytes of the platform's CSPRNG. */
export const randomBytes = (count: number): Uint8Array => crypto.getRandomValues(new Uint8Array(count))

/** Time first, so that rows are appended; then 64 random bits, because isolates know nothing of each other. */
export function newId(prefix: string): string {
  const time = timeText(Date.now())
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
  return `${prefix}${time}${high.toString(36).padStart(7, '0')}${low.toString(36).padStart(7, '0')}`
}

/** Time and identity on Node: wall and monotonic clock, and the ids of requests and answers. */
import { performance } from 'node:perf_hooks'
import type { Clock } from '../../deps.ts'
import { timeText } from '../../ids.ts'

/** `performance` is imported: the global of this name is a getter that is asked anew at every call, a quarter of the whole. */
export const nodeClock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }

const COUNTER_DIGITS = 4
const INSTANCE_DIGITS = 6
let sequence = 0
/** Tells this process from others. */
const INSTANCE = Math.floor(Math.random() * 36 ** INSTANCE_DIGITS)
  .toString(36)
  .padStart(INSTANCE_DIGITS, '0')

/** Time first, so that rows are appended; then a counter and the process, so that ids are unique. */
export function newId(prefix: string): string {
  sequence = (sequence + 1) % 36 ** COUNTER_DIGITS
  return `${prefix}${timeText(Date.now())}${sequence.toString(36).padStart(COUNTER_DIGITS, '0')}${INSTANCE}`
}

/** What the process says of itself on Node: memory, CPU, the delay of its event loop. For `/metrics`. */
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Vitals } from '../../metrics/states.ts'

type LoopDelay = ReturnType<typeof monitorEventLoopDelay>

/** The loop is looked at so often: finer costs more than it shows. */
const RESOLUTION_MS = 20
const NANO = 1e9
const MICRO = 1e6
const STARTED_AT_SECONDS = Math.round(performance.timeOrigin) / 1_000

/** Descriptors of this process; undefined where the system does not tell (/proc is Linux'). */
function openFiles(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return undefined
  }
}

/** Delay beyond the resolution itself, which a loop that is idle has too; seconds. */
function delayOf(seen: LoopDelay) {
  const beyond = (nano: number) => (seen.count === 0 ? 0 : Math.max(0, nano / NANO - RESOLUTION_MS / 1_000))
  const { mean, max } = seen
  return {
    mean: beyond(mean),
    p50: beyond(seen.percentile(50)),
    p99: beyond(seen.percentile(99)),
    max: beyond(max),
  }
}

/** The event loop is watched from the first reading on: who never asks never pays. */
export function createVitals(): () => Vitals {
  let delay: LoopDelay | undefined
  return () => {
    const { rss, heapUsed, external } = process.memoryUsage()
    const { user, system } = process.cpuUsage()
    if (delay === undefined) {
      delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
      delay.enable()
    }
    const loopDelay = delayOf(delay)
    delay.reset()
    return {
      startedAtSeconds: STARTED_AT_SECONDS,
      cpuSeconds: (user + system) / MICRO,
      residentBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external,
      loopDelay,
      openFiles: openFiles(),
    }
  }
}

/** The Watch port: one unreferenced interval sweeps every deadline of the process, instead of a timer per phase of a request. */
import { Bag } from '../../bag.ts'
import type { Log, Watch, Watched } from '../../deps.ts'

export interface WatchOptions {
  /** Monotonic ms, the same clock as `dueMs`. */
  readonly monotonic: () => number
  readonly log: Log
  readonly everyMs?: number
}

/** Sweeps about every 50 ms while something is watched. An `expire` that throws is logged and hurts nobody else. */
export function createWatch({ monotonic, log, everyMs = 50 }: WatchOptions): Watch & { stopAll(): void } {
  const items = new Bag<Watched>()
  let timer: NodeJS.Timeout | undefined

  const sweep = (): void => {
    // Stopped here and not in `remove`: a lone client would else start and stop the timer with each request.
    if (items.size === 0) {
      clearInterval(timer)
      timer = undefined
      return
    }
    const nowMs = monotonic()
    // Backwards: an item that goes is replaced by one that was already looked at.
    for (let i = items.size - 1; i >= 0; i--) {
      const item = items.items[i]
      if (item === undefined || item.dueMs > nowMs) continue
      try {
        item.expire(nowMs)
      } catch (error) {
        items.remove(item)
        log('error', 'watch_failed', { error: error instanceof Error ? error.message : 'not an error' })
      }
    }
  }

  return {
    add(item) {
      items.add(item)
      if (timer === undefined) timer = setInterval(sweep, everyMs).unref()
    },
    remove(item) {
      items.remove(item)
    },
    stopAll() {
      for (const item of [...items.items]) item.stop?.()
    },
  }
}

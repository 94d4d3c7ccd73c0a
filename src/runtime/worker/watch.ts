/** The Watch port on Workers, one per request: a timer belongs to the request that set it and dies with it. */
import { Bag } from '../../bag.ts'
import type { Log, Watch, Watched } from '../../deps.ts'

export interface WatchOptions {
  /** Monotonic ms, the same clock as `dueMs`. */
  readonly monotonic: () => number
  readonly log: Log
  readonly everyMs?: number
}

/** Looks at its few items about every 50 ms while there are any. An `expire` that throws is logged and hurts nobody else. */
export function createWatch({ monotonic, log, everyMs = 50 }: WatchOptions): Watch {
  const items = new Bag<Watched>()
  let timer: ReturnType<typeof setInterval> | undefined

  const sweep = (): void => {
    const nowMs = monotonic()
    // Backwards: an item that goes is replaced by one that was already looked at.
    for (let i = items.size - 1; i >= 0; i--) {
      const item = items.items[i]
      if (item === undefined || item.dueMs > nowMs) continue
      try {
        item.expire(nowMs)
      } catch (error) {
        remove(item)
        log('error', 'watch_failed', { error: error instanceof Error ? error.message : 'not an error' })
      }
    }
  }
  const remove = (item: Watched): void => {
    items.remove(item)
    if (items.size > 0) return
    clearInterval(timer)
    timer = undefined
  }

  return {
    add(item) {
      items.add(item)
      timer ??= setInterval(sweep, everyMs)
    },
    remove,
  }
}

/** The Watch port on Workers, one per request: a timer belongs to the request that set it and dies with it. */
import type { Log, Watch, Watched } from '../../deps.ts'

export interface WatchOptions {
  /** Monotonic ms, the same clock as `dueMs`. */
  readonly monotonic: () => number
  readonly log: Log
  readonly everyMs?: number
}

/** Looks at its few items about every 50 ms while there are any. An `expire` that throws is logged and hurts nobody else. */
export function createWatch({ monotonic, log, everyMs = 50 }: WatchOptions): Watch {
  const items = new Set<Watched>()
  let timer: ReturnType<typeof setInterval> | undefined

  const sweep = (): void => {
    const nowMs = monotonic()
    for (const item of items) {
      if (item.dueMs > nowMs) continue
      try {
        item.expire(nowMs)
      } catch (error) {
        remove(item)
        log('error', 'watch_failed', { error: error instanceof Error ? error.message : 'not an error' })
      }
    }
  }
  const remove = (item: Watched): void => {
    items.delete(item)
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

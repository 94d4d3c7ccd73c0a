/** Forgets old requests in the background, in pieces too small to be felt; their sums stay for good. Runs beside the ledger. */
import type { Clock, Log } from '../deps.ts'
import { reasonOf } from '../errors.ts'
import type { Store } from '../store/store.ts'

const DAY_MS = 86_400_000
/** At about 15 µs a row (two trees, overwritten with zeros) a piece stays below a few milliseconds of the event loop. */
const ROWS_AT_ONCE = 200
const PAUSE_MS = 25
const LOOK_MS = 60_000
/** The setting that says from when on rows are whole: what is summed before has no rows to be checked against. */
export const KEPT_SINCE = 'requests_kept_since_ms'

export interface Retention {
  /** Forgets what is due now; resolves with how many rows it were. Rejects when the store does not take it. */
  forget(): Promise<number>
  stop(): void
}

/** Looks every minute while started. `days` = how long requests are kept; undefined = for good. */
export function createRetention(input: {
  store: Store
  clock: Clock
  log: Log
  days: () => number | undefined
  pause?: (ms: number) => Promise<void>
}): Retention {
  const { store, clock, log, days } = input
  const pause = input.pause ?? (ms => new Promise<void>(resolve => setTimeout(resolve, ms)))
  let stopped = false
  let running: Promise<number> | undefined

  async function work(): Promise<number> {
    const kept = days()
    if (kept === undefined) return 0
    // Whole UTC days, so that a day's sums and its rows agree or the rows are gone.
    const beforeMs = Math.floor(clock.now() / DAY_MS) * DAY_MS - kept * DAY_MS
    const oldest = await store.oldestDay()
    if (oldest === undefined || oldest >= beforeMs) return 0
    await store.commit([{ op: 'put_setting', name: KEPT_SINCE, value: String(beforeMs) }])
    let gone = 0
    while (!stopped) {
      const count = await store.forgetRequests(beforeMs, ROWS_AT_ONCE)
      gone += count
      if (count < ROWS_AT_ONCE) break
      await pause(PAUSE_MS)
    }
    log('info', 'ledger.requests_forgotten', { rows: gone, before: new Date(beforeMs).toISOString() })
    return gone
  }

  function forget(): Promise<number> {
    running ??= work().finally(() => {
      running = undefined
    })
    return running
  }

  const look = () =>
    forget().catch((error: unknown) => {
      log('warn', 'ledger.requests_not_forgotten', { reason: reasonOf(error) })
    })
  const timer = setInterval(() => void look(), LOOK_MS)
  // A process that has nothing else to do must not stay for this; Workers have no such thing.
  ;(timer as { unref?: () => void }).unref?.()

  return {
    forget,
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}

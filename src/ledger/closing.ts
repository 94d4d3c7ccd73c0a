/** Closes days that are over, in the background and in pieces too small to be felt, so that views of months read little. Runs beside the ledger. */
import type { Clock, Log } from '../deps.ts'
import type { Store } from '../store/store.ts'

const HOUR_MS = 3_600_000
const LOOK_MS = 600_000
/** Between two steps of about a millisecond. */
const PAUSE_MS = 25

export interface Closing {
  /** Closes what is due now; resolves with how many days it were. Rejects when the store does not take it. */
  close(): Promise<number>
  stop(): void
}

/** Looks every ten minutes while started. A day is due an hour after its end, when few rows of it are still to come; one that comes later opens it again. */
export function createClosing(input: {
  store: Store
  clock: Clock
  log: Log
  pause?: (ms: number) => Promise<void>
}): Closing {
  const { store, clock, log } = input
  const pause = input.pause ?? (ms => new Promise<void>(resolve => setTimeout(resolve, ms)))
  let stopped = false
  let running: Promise<number> | undefined

  async function goOn(): Promise<boolean> {
    await pause(PAUSE_MS)
    return !stopped
  }

  function close(): Promise<number> {
    running ??= store.closeDays(clock.now() - HOUR_MS, goOn).finally(() => {
      running = undefined
    })
    return running
  }

  const look = () =>
    close().catch((error: unknown) => {
      // Days that stay open are read as they were: nothing is wrong, only slower.
      const reason = error instanceof Error ? error.message : String(error)
      if (!stopped) log('warn', 'ledger.days_not_closed', { reason })
    })
  const timer = setInterval(() => void look(), LOOK_MS)
  // A process that has nothing else to do must not stay for this; Workers have no such thing.
  ;(timer as { unref?: () => void }).unref?.()

  return {
    close,
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}

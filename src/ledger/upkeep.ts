/** What is done to the stored ledger beside the requests: old ones are forgotten, days that are over are closed. */
import type { Clock, Log } from '../deps.ts'
import type { Store } from '../store/store.ts'
import { createClosing } from './closing.ts'
import { createRetention } from './retention.ts'

/** Runs until it is stopped. `days` = how long requests are kept; undefined = for good. */
export function startUpkeep(input: {
  store: Store
  clock: Clock
  log: Log
  days: () => number | undefined
}): { stop(): void } {
  const parts = [createRetention(input), createClosing(input)]
  return {
    stop() {
      for (const part of parts) part.stop()
    },
  }
}

/** The end in a hurry, on a second signal: what runs is broken off and settled at what came, and callers are told. Part of the process. */
import type { Log } from '../../deps.ts'
import type { Gateway } from './open.ts'

/** Somebody is in a hurry: what is not settled by then is charged in full by the next start. */
const HURRY_MS_MAX = 500
const LOOK_MS = 5
/** From the settlement to the caller's socket. */
const LAST_WORDS_MS = 30

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Resolves within about half a second, mostly much earlier; then the process may end. Never rejects. */
export async function endNow(
  { ledger, breakOff }: Pick<Gateway, 'ledger' | 'breakOff'>,
  log: Log,
): Promise<void> {
  const running = ledger.openHolds()
  breakOff()
  const untilMs = Date.now() + HURRY_MS_MAX
  while (ledger.openHolds() > 0 && Date.now() < untilMs) await pause(LOOK_MS)
  await Promise.race([ledger.durable(), pause(HURRY_MS_MAX)]).catch(() => undefined)
  if (running > 0) await pause(LAST_WORDS_MS)
  log('info', 'stopped', { broken_off: running - ledger.openHolds(), left: ledger.openHolds() })
}

/** Ends the grace of previous secrets of credentials at its time: the vault forgets them, and the market is rebuilt without them. */
import type { Log } from '../../deps.ts'
import type { Vault } from '../../vault/vault.ts'
import { otherOf } from '../../vault/versions.ts'

/** Timers count in 31 bits. */
const WAIT_MS_MAX = 2_000_000_000
const AGAIN_MS = 60_000

/** Sets its clock by what is stored, now and after each change. A sealed vault has nothing to end. */
export function watchGraces(vault: Vault, log: Log): { stop(): void } {
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function wait(ms: number): void {
    clearTimeout(timer)
    if (!stopped) timer = setTimeout(() => void end(), Math.min(Math.max(0, ms), WAIT_MS_MAX)).unref()
  }
  async function look(): Promise<void> {
    const ends = (await vault.list()).flatMap(each => otherOf(each, 'previous')?.endsAtMs ?? [])
    if (ends.length > 0) wait(Math.min(...ends) - Date.now())
    else clearTimeout(timer)
  }
  async function end(): Promise<void> {
    if (vault.sealed) return
    try {
      await vault.forgetEnded()
      await look()
    } catch (error) {
      log('warn', 'credential.grace_not_ended', {
        message: error instanceof Error ? error.message : 'unknown',
      })
      wait(AGAIN_MS)
    }
  }
  vault.onChange(() => void look().catch(() => wait(AGAIN_MS)))
  void end()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

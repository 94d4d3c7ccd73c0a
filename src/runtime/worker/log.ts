/** Log sink on Workers: one scrubbed JSON line each, to the console, which is where the platform collects logs. */
import type { Log, LogLevel } from '../../deps.ts'

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Lines below `level` are left out; an unknown level counts as `info`. */
export function createLog(level: string | undefined, scrub: (text: string) => string): Log {
  const found = ORDER.indexOf(level as LogLevel)
  const least = found < 0 ? ORDER.indexOf('info') : found
  return (at, event, fields) => {
    if (ORDER.indexOf(at) < least) return
    const line = JSON.stringify({ time: new Date().toISOString(), level: at, event, ...fields })
    // biome-ignore lint/suspicious/noConsole: a Worker has no other way to say something
    console.log(scrub(line))
  }
}

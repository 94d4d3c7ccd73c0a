/** vitest's workers and who holds what they write to, as Linux tells. Elsewhere none. For guard.ts. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const OUTPUTS = ['1', '2']

function all(): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
}

/** Whatever a process that ends meanwhile cannot tell is left out. */
function told<T>(ask: () => T): T | undefined {
  try {
    return ask()
  } catch {
    return undefined
  }
}

const commandOf = (pid: number): string =>
  told(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.replaceAll('\0', ' ') ?? ''

const parentOf = (pid: number): number =>
  Number(/^PPid:\s+(\d+)/m.exec(told(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '')?.[1])

/** Their process ids. */
export const workers = (): number[] =>
  all().filter(pid => parentOf(pid) === process.pid && commandOf(pid).includes('forks.js'))

/** Names of the sockets that these processes write to, as `socket:[1234]`. */
export function outputsOf(pids: readonly number[]): string[] {
  return pids.flatMap(pid =>
    OUTPUTS.flatMap(fd => told(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? []).filter(name =>
      name.startsWith('socket:'),
    ),
  )
}

/** Processes, other than workers, that hold one of them. */
export function holdersOf(outputs: ReadonlySet<string>): { pid: number; command: string }[] {
  const own = new Set([process.pid, ...workers()])
  return all()
    .filter(pid => !own.has(pid) && outputsOf([pid]).some(name => outputs.has(name)))
    .map(pid => ({ pid, command: commandOf(pid) }))
}

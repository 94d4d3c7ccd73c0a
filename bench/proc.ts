/** Processes of the benchmark: started on a core, their CPU time and memory read from Linux' /proc, ended by id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'

/** The measured process has this core to itself; mock upstream and load generator share the other. */
export const TARGET_CORE = 0
export const LOAD_CORE = 1

const STOP_MS_MAX = 20_000

/** Path of a program, if it is installed; `/usr/sbin` is looked into too, where servers live and users' PATH does not go. */
export function programPath(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.map(folder => join(folder, name)).find(path => existsSync(path))
}

const taskset = availableParallelism() >= 2 ? programPath('taskset') : undefined
export const isPinned = taskset !== undefined
export const hasProc = existsSync('/proc/self/task')

/** Moves this process, with all its threads, to the load generator's core. */
export function pinSelf(): void {
  if (taskset) execFileSync(taskset, ['-a', '-c', '-p', String(LOAD_CORE), String(process.pid)])
}

export interface Start {
  readonly core: number
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Where stdout and stderr go: a descriptor; default nowhere. */
  readonly output?: number
  /** With an IPC channel: one of the benchmark's own programs. */
  readonly talks?: boolean
}

const running = new Set<ChildProcess>()

/** Starts a program on a core. */
export function start(program: string, args: readonly string[], at: Start): ChildProcess {
  const output = at.output ?? 'ignore'
  const [file, line] = taskset ? [taskset, ['-c', String(at.core), program, ...args]] : [program, [...args]]
  // taskset becomes the program: the id is the program's own
  const child = spawn(file, line, {
    stdio: at.talks ? ['ignore', output, 'inherit', 'ipc'] : ['ignore', output, output],
    env: { ...process.env, ...at.env },
    ...(at.cwd ? { cwd: at.cwd } : {}),
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** The next message of a child; rejects when the child ends instead. */
export function message<T>(child: ChildProcess, ms = 30_000): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('a helper process did not answer in time')), ms)
    const over = (code: number | null) => reject(new Error(`a helper process ended with code ${code}`))
    child.once('exit', over)
    child.once('message', value => {
      clearTimeout(late)
      child.removeListener('exit', over)
      resolve(value as T)
    })
  })
}

export function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise(resolve => {
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX)
    child.once('exit', () => {
      clearTimeout(late)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map(stop))
}

/** For the last moment of the process, when nothing can be waited for. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** A process and its descendants. */
function family(pid: number): number[] {
  const found = [pid]
  for (const parent of found) {
    try {
      for (const task of readdirSync(`/proc/${parent}/task`)) {
        const children = readFileSync(`/proc/${parent}/task/${task}/children`, 'utf8')
        for (const child of children.split(' ')) if (child.trim()) found.push(Number(child))
      }
    } catch {
      // it ended while we looked
    }
  }
  return found
}

/** CPU time in µs that a process, its threads and its descendants have used. `stat` has ticks of 10 ms; `schedstat` has ns. */
export function cpuMicros(pid: number): number {
  let nanos = 0
  for (const member of family(pid)) {
    try {
      for (const task of readdirSync(`/proc/${member}/task`))
        nanos += Number(readFileSync(`/proc/${member}/task/${task}/schedstat`, 'utf8').split(' ')[0])
    } catch {
      // it ended while we looked
    }
  }
  return nanos / 1000
}

/** Resident memory of a process and its descendants, MB (10⁶ bytes). */
export function residentMb(pid: number): number {
  let kib = 0
  for (const member of family(pid)) {
    try {
      kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${member}/status`, 'utf8'))?.[1] ?? 0)
    } catch {
      // it ended while we looked
    }
  }
  return (kib * 1024) / 1e6
}

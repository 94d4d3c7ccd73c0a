/**
 * A test file that never ends: it is named, with what it runs and where it stands, and the run fails. Test time-outs cannot
 * do that for a loop that never rests, because they are timers of the process that runs it.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Reporter, TestModule } from 'vitest/node'
import { z } from 'zod'
import { holdersOf, outputsOf, workers } from './processes.ts'

/** Longer than a test and a hook may take together. */
const SILENT_MS = 400_000
/** Ten times what the longest file takes: beyond it, one test after another runs out of its time. */
const FILE_MS = 900_000
const LOOKED_AT_EVERY_MS = 5_000
/** All files have ended, and yet the run goes on. */
const ENDING_MS = 60_000
const SETTLE_MS = 3_000
/** Node's port for its debugger; workers are asked one after another, and ended. */
const DEBUGGERS = 'http://127.0.0.1:9229/json/list'
const PORT_MS = 500
const FRAMES_MAX = 12
const PLACES_MAX = 60

interface Running {
  readonly beganMs: number
  sinceMs: number
  test: string
}

const parsedShape = z.object({
  method: z.literal('Debugger.scriptParsed'),
  params: z.object({ scriptId: z.string(), url: z.string() }),
})
const frameShape = z.object({
  functionName: z.string(),
  location: z.object({ scriptId: z.string(), lineNumber: z.number() }),
})
const pausedShape = z.object({
  method: z.literal('Debugger.paused'),
  params: z.object({ callFrames: z.array(frameShape) }),
})

/** Where a process stands that does not rest, looked at a few times; its debugger says so, whose port the signal opens. */
async function whereIs(pid: number): Promise<string> {
  process.kill(pid, 'SIGUSR1')
  await pause(SETTLE_MS)
  const [target] = z
    .array(z.object({ webSocketDebuggerUrl: z.string() }))
    .parse(await (await fetch(DEBUGGERS, { signal: AbortSignal.timeout(SETTLE_MS) })).json())
  const socket = new WebSocket(target?.webSocketDebuggerUrl ?? '')
  const places = new Set<string>()
  const scripts = new Map<string, string>()
  const send = (id: number, method: string) => socket.send(JSON.stringify({ id, method }))
  socket.onopen = () => {
    send(1, 'Debugger.enable')
    send(2, 'Debugger.pause')
  }
  socket.onmessage = ({ data }) => {
    const said = z.union([parsedShape, pausedShape]).safeParse(JSON.parse(String(data))).data
    if (said?.method === 'Debugger.scriptParsed') scripts.set(said.params.scriptId, said.params.url)
    if (said?.method !== 'Debugger.paused') return
    for (const { functionName, location } of said.params.callFrames.slice(0, FRAMES_MAX))
      places.add(`  ${functionName} ${scripts.get(location.scriptId)}:${location.lineNumber + 1}`)
    send(3, 'Debugger.stepInto')
  }
  await pause(SETTLE_MS)
  socket.close()
  return places.size === 0 ? '  it waits' : [...places].slice(0, PLACES_MAX).join('\n')
}

async function stacks(): Promise<string> {
  const said: string[] = []
  for (const pid of workers()) {
    said.push(`worker ${pid}:`, await whereIs(pid).catch(error => `  ${error}`))
    process.kill(pid, 'SIGKILL')
    await pause(PORT_MS)
  }
  return said.join('\n')
}

const seconds = (ms: number): string => `${Math.round(ms / 1_000)} s`

export function guardAgainstHanging(silentMs = SILENT_MS, endingMs = ENDING_MS): Reporter {
  const running = new Map<string, Running>()
  const waiting = new Set<string>()
  // events of a file may come after its end
  const ended = new Set<string>()
  /** What workers write to. Whoever still holds one of them when its worker is gone keeps the runner waiting for more. */
  const outputs = new Set<string>()
  let heardMs = performance.now()
  let isOver = false
  let timer: NodeJS.Timeout | undefined

  const seen = ({ relativeModuleId, moduleId }: TestModule, test: string) => {
    heardMs = performance.now()
    waiting.delete(moduleId)
    if (ended.has(relativeModuleId)) return
    const beganMs = running.get(relativeModuleId)?.beganMs ?? heardMs
    running.set(relativeModuleId, { beganMs, sinceMs: heardMs, test })
  }

  function endLeftovers(): void {
    for (const { pid, command } of holdersOf(outputs)) {
      process.stderr.write(`\nleft behind by a test that has ended, and ended now: ${pid} ${command}\n`)
      process.kill(pid, 'SIGKILL')
    }
  }

  async function look(): Promise<void> {
    const now = performance.now()
    for (const output of outputsOf(workers())) outputs.add(output)
    if (running.size + waiting.size === 0 && now - heardMs > endingMs) endLeftovers()
    const hung = [...running].filter(
      ([, { beganMs, sinceMs }]) => now - sinceMs > silentMs || now - beganMs > FILE_MS,
    )
    const isSilent = now - heardMs > silentMs
    if (hung.length === 0 && !isSilent) return
    clearInterval(timer)
    for (const [file, { beganMs, sinceMs, test }] of hung)
      process.stderr.write(
        `\n${file} hangs: running for ${seconds(now - beganMs)}, silent for ${seconds(now - sinceMs)}, at: ${test}\n`,
      )
    if (isSilent)
      process.stderr.write(
        `\nnothing was heard for ${seconds(silentMs)}${isOver ? ' after the end' : ''}; not begun: ${[...waiting].join(' ')}\n`,
      )
    process.stderr.write(`${await stacks().catch(String)}\n`)
    // all has been judged: only the runner itself does not end
    process.exit(isOver ? process.exitCode : 1)
  }

  return {
    onTestRunStart(files) {
      for (const { moduleId } of files) waiting.add(moduleId)
      timer = setInterval(() => void look(), LOOKED_AT_EVERY_MS)
      timer.unref()
    },
    onTestModuleQueued(module) {
      seen(module, 'its beginning')
      for (const output of outputsOf(workers())) outputs.add(output)
    },
    onTestModuleStart: module => seen(module, 'its first test'),
    onTestCaseReady: test => seen(test.module, test.fullName),
    onTestCaseResult(test) {
      seen(test.module, `after ${test.fullName}`)
      // told at once: a run that is ended from outside shows no list of failures
      const [error] = test.result().errors ?? []
      if (error)
        process.stderr.write(`\n✗ ${test.module.relativeModuleId} > ${test.fullName}: ${error.message}\n`)
    },
    onTestModuleEnd(module) {
      seen(module, 'its end')
      ended.add(module.relativeModuleId)
      running.delete(module.relativeModuleId)
    },
    onTestRunEnd() {
      heardMs = performance.now()
      isOver = true
    },
  }
}

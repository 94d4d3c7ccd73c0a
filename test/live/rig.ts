/** What the live test stands on: the gateway as its own process over a temporary folder, and a transcript that counts. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const START_MS = 15_000
const STOP_MS = 35_000

export type Json = Record<string, unknown>

/** A port on which nobody listens, to stand for a provider that is down. */
export async function deadPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface ServedGateway {
  readonly url: string
  readonly adminToken: string
  /** Everything that it has logged so far. */
  log(): string
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>
  remove(): void
}

/** `switchgate serve` as a user runs it. Rejects with its output when it does not come up. */
export async function startServe(
  config: string,
  env: Readonly<Record<string, string>>,
): Promise<ServedGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'switchgate-live-'))
  const configPath = join(folder, 'switchgate.yaml')
  writeFileSync(configPath, config)
  const adminToken = `live-test-${crypto.randomUUID()}`
  const child = spawn(process.execPath, [join(ROOT, 'src/switchgate.cjs'), 'serve'], {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      ...env,
      PORT: '0',
      SWITCHGATE_CONFIG: configPath,
      SWITCHGATE_DATA: join(folder, 'data'),
      SWITCHGATE_ADMIN_TOKEN: adminToken,
      LOG_FORMAT: 'json',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', part => {
      log += String(part)
    })
  const remove = () => rmSync(folder, { recursive: true, force: true })
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  try {
    const url = await listeningAt(() => log, child)
    return { url, adminToken, log: () => log, stop: () => stopped(child, exited), remove }
  } catch (error) {
    child.kill('SIGKILL')
    remove()
    throw error
  }
}

async function listeningAt(log: () => string, child: ChildProcess): Promise<string> {
  const untilMs = Date.now() + START_MS
  while (Date.now() < untilMs && child.exitCode === null) {
    const found = /"listening".*?"url":"([^"]+)"/.exec(log())?.[1]
    if (found !== undefined) return found
    await sleep(50)
  }
  throw new Error(`switchgate serve did not come up:\n${log()}`)
}

async function stopped(child: ChildProcess, exited: Promise<number | null>): Promise<number | null> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
  const code = await exited
  clearTimeout(timer)
  return code
}

export const sleep = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** Asks until the answer is there; undefined when it never came. */
export async function eventually<T>(ask: () => Promise<T | undefined>, ms = 5_000): Promise<T | undefined> {
  const untilMs = Date.now() + ms
  for (;;) {
    const found = await ask()
    if (found !== undefined || Date.now() > untilMs) return found
    await sleep(50)
  }
}

export interface Transcript {
  title(text: string): void
  say(text: string): void
  /** One claim: a line with a tick, or a cross and what was found instead. */
  check(claim: string, holds: boolean, found?: unknown): void
  equal(claim: string, found: unknown, expected: unknown): void
  /** Runs one part; what it throws is one failed check, and the next part still runs. */
  part(title: string, run: () => Promise<unknown>): Promise<void>
  /** The last line; returns the exit code. */
  end(): number
}

const short = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 600)

export function createTranscript(write: (line: string) => void): Transcript {
  let passed = 0
  let failed = 0
  const check: Transcript['check'] = (claim, holds, found) => {
    if (holds) passed++
    else failed++
    write(`  ${holds ? '✓' : '✗'} ${claim}${holds || found === undefined ? '' : `; found ${short(found)}`}`)
  }
  return {
    title: text => write(`\n${text}`),
    say: text => write(`    ${text}`),
    check,
    equal: (claim, found, expected) =>
      check(`${claim} = ${short(expected)}`, short(found) === short(expected), found),
    async part(title, run) {
      write(`\n${title}`)
      try {
        await run()
      } catch (error) {
        check('runs to its end', false, error instanceof Error ? error.message : String(error))
      }
    },
    end() {
      write(`\n${passed} passed, ${failed} failed`)
      return failed === 0 && passed > 0 ? 0 : 1
    },
  }
}

/** A local token endpoint that writes down what it is asked, and what signing schemes need around it: real sockets, a clock by hand. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SigningDeps } from '../../src/authorize/schemes.ts'
import { createTokens } from '../../src/authorize/tokens.ts'
import { createGuard } from '../../src/egress/guard.ts'
import { createSend } from '../../src/runtime/node/send.ts'

export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  readonly form: URLSearchParams
}

export type Answer = (
  asked: Asked,
  n: number,
) => { status?: number; body: unknown } | Promise<{ status?: number; body: unknown }>

export interface TokenServer {
  readonly origin: string
  readonly host: string
  readonly asked: Asked[]
  answer: Answer
  close(): Promise<void>
}

export async function startTokenServer(answer: Answer): Promise<TokenServer> {
  const asked: Asked[] = []
  const state = { answer }
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts).toString('utf8')
    const entry: Asked = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body,
      form: new URLSearchParams(body),
    }
    asked.push(entry)
    const { status = 200, body: told } = await state.answer(entry, asked.length)
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(typeof told === 'string' ? told : JSON.stringify(told))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    origin: `http://${host}`,
    host,
    asked,
    get answer() {
      return state.answer
    },
    set answer(next: Answer) {
      state.answer = next
    },
    close: () =>
      new Promise<void>(resolve => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

export interface Rig {
  readonly deps: SigningDeps
  /** Everything that was to be kept out of logs. */
  readonly remembered: string[]
  readonly logs: string[]
  nowMs: number
  close(): Promise<void>
}

export interface RigOptions {
  readonly env?: Record<string, string>
  readonly files?: Record<string, string>
  /** `host:port` of servers that the guarded way out may reach. */
  readonly allow?: readonly string[]
  /** The same for the way to metadata services; undefined = there are none here. */
  readonly metadata?: readonly string[]
}

export function createRig({ env = {}, files = {}, allow = [], metadata }: RigOptions): Rig {
  const remembered: string[] = []
  const logs: string[] = []
  const log = (level: string, event: string, fields?: object) =>
    void logs.push(JSON.stringify({ level, event, ...fields }))
  const send = createSend({ guard: createGuard(allow), connectTimeoutMs: 1_000, log })
  const inside = metadata && createSend({ guard: createGuard(metadata), connectTimeoutMs: 1_000, log })
  const rig = { remembered, logs, nowMs: 1_700_000_000_000 }
  const now = () => rig.nowMs
  return Object.assign(rig, {
    deps: {
      now,
      send,
      metadata: inside,
      pause: (ms: number) => new Promise<void>(resolve => void setTimeout(resolve, ms).unref()),
      env: (name: string) => env[name],
      readFile: async (path: string) => files[path],
      tokens: createTokens({ now }),
      remember: (secret: string) => void remembered.push(secret),
      log,
    } as SigningDeps,
    close: async () => {
      await Promise.all([send.destroy(), inside?.destroy()])
    },
  })
}

/** No line shows any of these. */
export const shows = (lines: readonly string[], secrets: readonly string[]): string[] =>
  secrets.filter(secret => lines.some(line => line.includes(secret)))

/** A real gateway over a temporary folder, and an upstream whose every answer is scripted. Real sockets on both sides. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyDraft } from '../../src/keys/book.ts'
import { createRedactor } from '../../src/redact.ts'
import { makeServer } from '../../src/runtime/node/lane/server.ts'
import { type Gateway, openGateway } from '../../src/runtime/node/open.ts'
import { readSettings } from '../../src/runtime/node/settings.ts'
import { createPeerOf } from '../../src/runtime/node/trust.ts'
import type { AttemptRow } from '../../src/terms.ts'

export { quickest, settled, sleep, until } from '../waiting.ts'

/** As the gateway's own listener has it: within Node's 5 s a busy machine ends a connection while its client uses it again. */
const KEEP_ALIVE_MS = 65_000

export interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  json(): Record<string, unknown>
}

export type Script = (response: ServerResponse, seen: Seen, n: number) => void | Promise<void>

export interface ScriptedUpstream {
  readonly port: number
  readonly seen: Seen[]
  /** How many connections of this upstream were closed by the gateway before the answer ended. */
  readonly aborted: number
  script: Script
  close(): Promise<void>
}

export async function startUpstream(script: Script): Promise<ScriptedUpstream> {
  const seen: Seen[] = []
  const state = { script, aborted: 0 }
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString('utf8')
      const entry: Seen = {
        method: request.method ?? '',
        url: request.url ?? '',
        headers: request.headers,
        body,
        json: () => JSON.parse(body) as Record<string, unknown>,
      }
      seen.push(entry)
      response.on('close', () => {
        if (!response.writableFinished) state.aborted++
      })
      void state.script(response, entry, seen.length)
    })
  })
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await listening(server)
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    get aborted() {
      return state.aborted
    },
    get script() {
      return state.script
    },
    set script(next: Script) {
      state.script = next
    },
    close: () => closed(server),
  }
}

const listening = (server: Server) => new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
const closed = (server: Server) =>
  new Promise<void>(resolve => {
    server.closeAllConnections()
    server.close(() => resolve())
  })

export interface TestGateway {
  readonly gateway: Gateway
  readonly url: string
  readonly folder: string
  readonly logs: string[]
  /** Makes a key and returns its text. */
  key(draft?: KeyDraft): Promise<string>
  post(key: string, body: unknown, more?: RequestInit): Promise<Response>
  /** Every ledger row so far, oldest first. */
  rows(): Promise<AttemptRow[]>
  close(): Promise<void>
}

export interface GatewayOptions {
  readonly config?: string
  readonly env?: Record<string, string>
  readonly folder?: string
}

export async function startGateway({
  config = '',
  env = {},
  folder,
}: GatewayOptions = {}): Promise<TestGateway> {
  const root = folder ?? mkdtempSync(join(tmpdir(), 'switchgate-test-'))
  const configPath = join(root, 'switchgate.yaml')
  writeFileSync(configPath, config)
  const settings = readSettings({
    SWITCHGATE_CONFIG: configPath,
    SWITCHGATE_DATA: join(root, 'data'),
    ...env,
  })
  const logs: string[] = []
  const log = (level: string, event: string, fields?: object) =>
    void logs.push(JSON.stringify({ level, event, ...fields }))
  const gateway = await openGateway({ settings, log, redactor: createRedactor() })
  const server = makeServer({ deps: gateway.deps, app: gateway.whole, peerOf: createPeerOf([]) })
  await listening(server)
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    gateway,
    url,
    folder: root,
    logs,
    key: async draft => (await gateway.keys.create({ name: 'test', ...draft })).text,
    post: (key, body, more) =>
      fetch(`${url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
        ...more,
      }),
    async rows() {
      await gateway.ledger.fold()
      const { data } = await gateway.deps.store.requests({ limit: 1000 })
      return data.flatMap(request => request.attempts).sort((a, b) => a.id.localeCompare(b.id))
    },
    async close() {
      await closed(server)
      await gateway.close()
      if (folder === undefined) rmSync(root, { recursive: true, force: true })
    },
  }
}

/** `providers:` of a config file for scripted upstreams, all selling `house-model` at 1 and 2 USD per million tokens. */
export function configFor(ports: Readonly<Record<string, number>>, more = ''): string {
  const providers = Object.entries(ports).map(
    ([name, port]) => `  ${name}:
    kind: openai
    base_url: http://127.0.0.1:${port}/v1
    models:
      house-model: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, cache_read_usd_per_mtok: 0.1, context_tokens: 128000, max_output_tokens: 8192 }`,
  )
  const allow = Object.values(ports).map(port => `"127.0.0.1:${port}"`)
  return `providers:\n${providers.join('\n')}\negress: { allow: [${allow.join(', ')}] }\n${more}`
}

export const CHAT = { model: 'house-model', messages: [{ role: 'user', content: 'Say hello.' }] }

export const completion = (
  text = 'Hello there.',
  usage: object | null = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
) => ({
  id: 'chatcmpl-upstream1',
  object: 'chat.completion',
  created: 1,
  model: 'house-model',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: text, refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  ...(usage ? { usage } : {}),
})

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(text)
}

const frame = { id: 'chatcmpl-upstream1', object: 'chat.completion.chunk', created: 1, model: 'house-model' }
export const event = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
export const delta = (content: string) =>
  event({ ...frame, choices: [{ index: 0, delta: { content }, finish_reason: null }] })
export const role = event({
  ...frame,
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
})
export const finish = (reason = 'stop') =>
  event({ ...frame, choices: [{ index: 0, delta: {}, finish_reason: reason }] })
export const usageEvent = event({
  ...frame,
  choices: [],
  usage: { prompt_tokens: 10, completion_tokens: 3, total_tokens: 13 },
})
export const DONE = 'data: [DONE]\n\n'

export function sse(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  return response
}

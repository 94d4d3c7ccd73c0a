/** A fake provider on a real socket that answers with recorded bytes, and a real gateway in front of it. */
import type { ServerResponse } from 'node:http'
import {
  type ScriptedUpstream,
  type Seen,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'
import type { Tokens } from './reading.ts'
import { errorIn, type Recording, recordings, seedOf } from './recordings.ts'

/** How the bytes of an answer arrive: at once, an event a write, or in random pieces of 1 to 7 bytes. */
export const MODES = ['whole', 'event', 'pieces'] as const
export type Mode = (typeof MODES)[number]

/** Fakes that may stand in no answer and no log. */
export const SECRET = 'sk-upstream-canary-7f3a9c51e2'
export const CANARY = 'org-canary-51aa07'

/** Price of every replayed model, USD per million tokens. */
const PRICE = { input: 3, cached: 0.3, written: 3.75, output: 15 }

/** Nano-USD of these tokens, reckoned apart from the gateway: 1 USD per million tokens is 1,000 nano-USD a token. */
export function costOf(tokens: Tokens): number {
  const { input, cached, written, output } = tokens
  const read = Math.min(cached, input)
  const wrote = Math.min(written, input - read)
  const pico =
    BigInt(input - read - wrote) * BigInt(PRICE.input * 1e6) +
    BigInt(read) * BigInt(PRICE.cached * 1e6) +
    BigInt(wrote) * BigInt(PRICE.written * 1e6) +
    BigInt(output) * BigInt(PRICE.output * 1e6)
  return Number((pico + 500n) / 1000n)
}

export interface Replay {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
  readonly key: string
  /** Upstream exchanges for one replay. */
  callsOf(mark: string): readonly Seen[]
  close(): Promise<void>
}

/** The words in a prompt that choose a recording, and a mark of which call it was. */
export const promptFor = (one: Recording, mode: Mode, mark: string): string =>
  `replay ${one.id} ${mode} ${mark}.`

/** Recordings of a failure have a provider each: what one does to a target's health is no other's business. */
export const siteOf = (one: Recording): string =>
  errorIn(one) === undefined ? one.provider : `failing-${one.id}`

const UPSTREAM: Readonly<Record<string, string>> = {
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
  openai: 'gpt-4.1-mini',
}

function configOf(port: number): string {
  const kinds = new Map(recordings.map(one => [siteOf(one), one.kind]))
  const price = `input_usd_per_mtok: ${PRICE.input}, output_usd_per_mtok: ${PRICE.output}, cache_read_usd_per_mtok: ${PRICE.cached}, cache_write_usd_per_mtok: ${PRICE.written}`
  const rows = [...kinds].map(
    ([name, kind]) => `  ${name}:
    kind: ${kind}
    base_url: http://127.0.0.1:${port}/${name}/${kind === 'gemini' ? 'v1beta' : 'v1'}
    credentials: [{ name: main, secret: env://REPLAY_SECRET }]
    models: { replayed: { upstream: ${UPSTREAM[kind] ?? `${kind}-model`}, ${price}, context_tokens: 1000000, max_output_tokens: 32000 } }`,
  )
  return `providers:
${rows.join('\n')}
hosts:
  unfinished: { base_url: "http://127.0.0.1:${port}/v1", quirks: { sends_finish_reason: false } }
egress: { allow: ["127.0.0.1:${port}"] }
limits: { event_bytes: 8388608 }
discover_env: false
`
}

/** Starts both. The key has a budget, so that every replay is held for and settled. */
export async function startReplay(): Promise<Replay> {
  const byId = new Map(recordings.map(one => [one.id, one]))
  const calls = new Map<string, Seen[]>()
  const upstream = await startUpstream(async (response, seen) => {
    const [, id, mode, mark] = /replay ([0-9a-f]{12}) (whole|event|pieces) ([\w-]+)\./.exec(seen.body) ?? []
    const one = byId.get(id ?? '')
    if (one === undefined || mark === undefined) return void response.writeHead(599).end()
    calls.set(mark, [...(calls.get(mark) ?? []), seen])
    await play(response, one, mode as Mode)
  })
  const gateway = await startGateway({
    config: configOf(upstream.port),
    env: { REPLAY_SECRET: SECRET },
  })
  const key = await gateway.key({
    budgets: [{ window: 'total', limitNanoUsd: 9_000_000_000_000, softNanoUsd: null }],
  })
  return {
    gateway,
    upstream,
    key,
    callsOf: mark => calls.get(mark) ?? [],
    async close() {
      await gateway.close()
      await upstream.close()
    },
  }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

async function play(response: ServerResponse, one: Recording, mode: Mode): Promise<void> {
  const type = one.stream && one.status === 200 ? 'text/event-stream' : 'application/json'
  response.writeHead(one.status, {
    'content-type': type,
    'openai-organization': CANARY,
    'set-cookie': CANARY,
    ...(one.retryAfter === undefined ? {} : { 'retry-after': one.retryAfter }),
  })
  response.socket?.setNoDelay(true)
  const bytes = Buffer.from(one.body)
  if (mode === 'whole') return void response.end(bytes)
  let written = 0
  for (const piece of mode === 'event' ? eventPieces(one.body) : randomPieces(bytes, seedOf(one.id))) {
    if (response.destroyed) return
    response.write(piece)
    if (mode === 'event' || ++written % 4 === 0) await turn()
  }
  response.end()
}

const eventPieces = (body: string): string[] => body.split(/(?<=\r?\n\r?\n)/)

/** Pieces of 1 to 7 bytes, the same ones for the same seed (xorshift32). */
function* randomPieces(bytes: Buffer, seed: number): Generator<Buffer> {
  let state = seed | 1
  for (let at = 0; at < bytes.length; ) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const size = 1 + ((state >>> 0) % 7)
    yield bytes.subarray(at, at + size)
    at += size
  }
}

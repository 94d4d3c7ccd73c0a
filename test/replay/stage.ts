/** A fake provider on a real socket that answers with recorded bytes, and a real gateway before it: one site a provider and wire. */
import type { ServerResponse } from 'node:http'
import { HOSTS } from '../../providers/hosts.ts'
import { KINDS } from '../../providers/index.ts'
import { type ScriptedUpstream, startGateway, startUpstream, type TestGateway } from '../gateway/harness.ts'
import { type Case, failed } from './corpus.ts'
import { IN_WIRES, type InWire } from './judges.ts'

export interface Stage {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
  readonly key: string
  /** Upstream exchanges of one asking. */
  callsOf(mark: string): number
  close(): Promise<void>
}

/** Stands in no answer. */
export const SECRET = 'sk-upstream-canary-7f3a9c51e2'

/** Price of every replayed model, USD per million tokens. */
const PRICE =
  'input_usd_per_mtok: 3, output_usd_per_mtok: 15, cache_read_usd_per_mtok: 0.3, cache_write_usd_per_mtok: 3.75'

/** USD per unit, for what is billed by it. */
export const UNIT_USD = { search: 0.002, image: 0.04, second: 0.0001 }

/** What a failure does to a target's health is no other asking's business: each has a site of its own. */
export const siteOf = (one: Case, inWire: InWire): string =>
  failed(one)
    ? `failing-${one.id}-${inWire}`
    : (isForeign(one) ? `${one.wire}-${upstreamOf(one)}` : `${one.provider}-${one.wire}`)
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-')

/** Each embedding model of a cloud has a form of its own. */
const isForeign = ({ wire }: Case): boolean => wire.endsWith('-embeddings')

const isMetered = ({ wire }: Case): boolean =>
  wire === 'rerank' || wire === 'images' || wire === 'transcriptions'

/** The model that was asked, by the path of the request or its body. */
function upstreamOf({ asked, wire }: Case): string {
  const [, model] = /\/models?\/([^/]+?)(?::[a-zA-Z]+|\/invoke)$/.exec(asked?.path ?? '') ?? []
  const { model: named } = (asked?.body ?? {}) as { model?: string }
  return decodeURIComponent(
    model ?? named ?? (wire === 'vertex-embeddings' ? 'text-embedding-004' : 'embed-v4.0'),
  )
}

/** The words in a prompt that choose a recording, and a mark of which asking it was. */
export const promptFor = (one: Case, mark: string): string => `replay ${one.id} as ${mark}.`

/** `kind:` of a recording's provider; undefined = no adapter here reads its wire. */
export function kindOf({ wire, provider }: Case): string | undefined {
  if (wire === 'responses') return 'speaker'
  if (wire === 'chat') return Object.hasOwn(HOSTS, provider) ? provider : 'openai'
  if (wire.endsWith('-embeddings')) return wire.slice(0, -'-embeddings'.length)
  if (wire === 'rerank') return provider === 'cohere' ? 'cohere' : 'openai'
  if (wire === 'images' || wire === 'transcriptions') return 'openai'
  if (wire === 'completions' || wire === 'embeddings') return 'openai'
  return KINDS.has(wire) ? wire : undefined
}

const UPSTREAM: Readonly<Record<string, string>> = {
  anthropic: 'claude-sonnet-4-5',
  gemini: 'gemini-2.5-flash',
  bedrock: 'us.amazon.nova-lite-v1:0',
}

/** The version segment that a kind's address ends with. */
const VERSION: Readonly<Record<string, string>> = {
  gemini: '/v1beta',
  cohere: '/v2',
  bedrock: '',
  vertex: '',
}

const OPTIONS: Readonly<Record<string, string>> = {
  bedrock: 'options: { region: us-east-1, inference_profile: none }, ',
  vertex: 'options: { project: p, location: us-central1 }, ',
}
const SECRETS: Readonly<Record<string, string>> = { bedrock: 'aws://default' }

function configOf(cases: readonly Case[], port: number): string {
  const kinds = new Map<string, { kind: string; one: Case }>()
  for (const one of cases) {
    const kind = kindOf(one)
    if (kind !== undefined) for (const inWire of IN_WIRES) kinds.set(siteOf(one, inWire), { kind, one })
  }
  const rows = [...kinds].map(([name, { kind, one }]) => {
    const address =
      kind === 'speaker' ? '' : `base_url: "http://127.0.0.1:${port}${VERSION[kind] ?? '/v1'}", `
    const options = OPTIONS[kind] ?? ''
    const upstream = isForeign(one) ? upstreamOf(one) : (UPSTREAM[kind] ?? 'recorded')
    const secret = SECRETS[kind] ?? 'env://REPLAY_SECRET'
    return `  ${name}: { kind: ${kind}, ${address}${options}credentials: [{ name: main, secret: ${secret} }], models: { replayed: { upstream: "${upstream}", ${PRICE}, ${isMetered(one) ? `unit_usd: ${JSON.stringify(UNIT_USD)}, ` : ''}context_tokens: 1000000, max_output_tokens: 32000 } } }`
  })
  return `providers:
${rows.join('\n')}
hosts:
  speaker: { base_url: "http://127.0.0.1:${port}/v1", quirks: { speaks_responses: true, responses_only: ["*"], states_cost: true } }
egress: { allow: ["127.0.0.1:${port}"] }
limits: { event_bytes: 8388608 }
discover_env: false
`
}

/** Starts both. The key has a budget, so that every asking is held for and settled. */
export async function startStage(cases: readonly Case[]): Promise<Stage> {
  const byId = new Map(cases.map(one => [one.id, one]))
  const calls = new Map<string, number>()
  const upstream = await startUpstream(async (response, seen) => {
    const [, id, mark] = /replay ([\w-]+) as ([\w-]+)\./.exec(seen.body) ?? []
    const one = byId.get(id ?? '')
    if (one === undefined || mark === undefined) return void response.writeHead(599).end()
    calls.set(mark, (calls.get(mark) ?? 0) + 1)
    await play(response, one)
  })
  const gateway = await startGateway({
    config: configOf(cases, upstream.port),
    env: { REPLAY_SECRET: SECRET, AWS_ACCESS_KEY_ID: 'AKIAREPLAYREPLAYREPL', AWS_SECRET_ACCESS_KEY: SECRET },
  })
  const key = await gateway.key({
    budgets: [{ window: 'total', limitNanoUsd: 9_000_000_000_000, softNanoUsd: null }],
  })
  return {
    gateway,
    upstream,
    key,
    callsOf: mark => calls.get(mark) ?? 0,
    async close() {
      await gateway.close()
      await upstream.close()
    },
  }
}

/** Sizes of the pieces in which an answer arrives, one after the other: ends of lines, of events and of characters fall everywhere. */
const PIECES = [1, 7, 61, 3, 1_460, 17, 5, 257, 2]

async function play(response: ServerResponse, one: Case): Promise<void> {
  const passed = Object.entries(one.headers).filter(
    ([name]) => name === 'retry-after' || name.startsWith('x-amzn-bedrock-'),
  )
  response.writeHead(one.status, {
    'content-type': one.type,
    ...Object.fromEntries(passed),
  })
  response.socket?.setNoDelay(true)
  for (let at = 0, n = 0; at < one.bytes.length && !response.destroyed; n++) {
    const size = one.stream ? (PIECES[n % PIECES.length] ?? 1) : one.bytes.length
    response.write(one.bytes.subarray(at, at + size))
    at += size
    if (n % 8 === 7) await new Promise(resolve => setImmediate(resolve))
  }
  response.end()
}

/** A real gateway with one provider of each wire behind it, for Anthropic's client. */
import Anthropic, { type APIError } from '@anthropic-ai/sdk'
import type { MessageCreateParamsNonStreaming, Tool } from '@anthropic-ai/sdk/resources/messages'
import type { Json } from '../../providers/provider.ts'
import type { AttemptRow } from '../../src/terms.ts'
import {
  completion,
  event,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

const PRICE =
  'input_usd_per_mtok: 1, output_usd_per_mtok: 2, cache_read_usd_per_mtok: 0.1, context_tokens: 200000, max_output_tokens: 64000'

const configOf = (openai: ScriptedUpstream, gemini: ScriptedUpstream, claude: ScriptedUpstream) => `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${openai.port}/v1
    models: { house: { ${PRICE} }, shared: { ${PRICE} } }
  deep:
    kind: deepseek
    base_url: http://127.0.0.1:${openai.port}/v1
    models: { deep: { ${PRICE} } }
  google:
    kind: gemini
    base_url: http://127.0.0.1:${gemini.port}/v1beta
    models: { flash: { upstream: gemini-3-flash, ${PRICE} } }
  claude:
    kind: anthropic
    base_url: http://127.0.0.1:${claude.port}/v1
    models: { sonnet: { upstream: claude-sonnet-4-5, ${PRICE} }, shared: { upstream: claude-sonnet-4-5, ${PRICE} } }
egress: { allow: ["127.0.0.1:${openai.port}", "127.0.0.1:${gemini.port}", "127.0.0.1:${claude.port}"] }
timeouts: { first_token_ms: 5000, idle_ms: 5000, stall_ms: 3000, keepalive_ms: 150, total_ms: 30000 }
discover_env: false
`

export interface MessagesRig {
  readonly openai: ScriptedUpstream
  readonly gemini: ScriptedUpstream
  readonly claude: ScriptedUpstream
  readonly gateway: TestGateway
  client(key?: string, over?: typeof fetch): Anthropic
  post(body: unknown, headers?: Record<string, string>, query?: string): Promise<Response>
  lastRow(): Promise<AttemptRow | undefined>
  forget(): void
  close(): Promise<void>
}

/** Starts all of it. The rig's own key has a budget, so that every request is held for and settled. */
export async function startRig(): Promise<MessagesRig> {
  const openai = await startUpstream(response => sendJson(response, 200, completion()))
  const gemini = await startUpstream(response => sendJson(response, 500, {}))
  const claude = await startUpstream(response => sendJson(response, 500, {}))
  const gateway = await startGateway({ config: configOf(openai, gemini, claude) })
  const budgets = [{ window: 'day', limitNanoUsd: 1_000_000_000_000, softNanoUsd: null }] as const
  const key = await gateway.key({ budgets })
  const upstreams = [openai, gemini, claude]
  return {
    openai,
    gemini,
    claude,
    gateway,
    client: (apiKey = key, over = fetch) =>
      new Anthropic({ apiKey, baseURL: gateway.url, maxRetries: 0, fetch: over }),
    post: (body, headers = {}, query = '') =>
      fetch(`${gateway.url}/v1/messages${query}`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    lastRow: async () => (await gateway.rows()).at(-1),
    forget() {
      for (const upstream of upstreams) upstream.seen.length = 0
    },
    async close() {
      await gateway.close()
      for (const upstream of upstreams) await upstream.close()
    },
  }
}

export const ASK = {
  model: 'house',
  max_tokens: 500,
  messages: [{ role: 'user', content: 'Say hello.' }],
} satisfies MessageCreateParamsNonStreaming
export const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error as APIError & { error?: { type: string; error: Json } },
  )

export const chunkOf = (delta: Json, reason: string | null = null) =>
  event({
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: reason }],
  })
export const callChunk = (index: number, id: string | undefined, name: string | undefined, args: string) =>
  chunkOf({
    tool_calls: [
      {
        index,
        ...(id ? { id, type: 'function' } : {}),
        function: { ...(name ? { name } : {}), arguments: args },
      },
    ],
  })

export const WEATHER = {
  name: 'weather',
  description: 'Tells the weather.',
  input_schema: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
} satisfies Tool

/** One gateway for the named faults of translation, in front of one scripted upstream that plays every provider. Real sockets on both sides. */
import type { ServerResponse } from 'node:http'
import {
  CHAT,
  type ScriptedUpstream,
  type Seen,
  sendJson,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
} from '../gateway/harness.ts'

export type Json = Record<string, unknown>

/** Provider → its kind and the model that it sells as `m`. */
export type Cast = Readonly<Record<string, readonly [kind: string, upstream: string]>>

export const CAST = {
  chat: ['openai', 'gpt-4.1-mini'],
  claude: ['anthropic', 'claude-sonnet-4-5'],
  gemini: ['gemini', 'gemini-3-flash-preview'],
  groq: ['groq', 'openai/gpt-oss-120b'],
  mistral: ['mistral', 'mistral-large-latest'],
  deepseek: ['deepseek', 'deepseek-chat'],
  alibaba: ['alibaba', 'qwen3-max'],
  ollama: ['ollama', 'qwen3'],
  minimax: ['minimax', 'MiniMax-M2'],
  zai: ['zai', 'glm-4.7'],
  moonshot: ['moonshot', 'kimi-k2'],
  perplexity: ['perplexity', 'sonar-reasoning'],
  snowflake: ['snowflake', 'claude-4-sonnet'],
} as const satisfies Cast

export interface Rig {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
  readonly key: string
  /** What this provider answers to the next requests; requests since then are in `seen`. */
  plays(script: (response: ServerResponse, seen: Seen) => void | Promise<void>): void
  readonly seen: readonly Seen[]
  post(path: string, body: Json, headers?: Record<string, string>): Promise<Response>
  /** A chat request to `m@<provider>`. */
  chat(provider: string, more?: Json): Promise<Response>
  messages(provider: string, more?: Json, headers?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

export async function startRig(cast: Cast = CAST): Promise<Rig> {
  const upstream = await startUpstream(response => void response.writeHead(599).end())
  const rows = Object.entries(cast).map(
    ([name, [kind, model]]) => `  ${name}:
    kind: ${kind}
    base_url: http://127.0.0.1:${upstream.port}/${name}
    models: { m: { upstream: "${model}", input_usd_per_mtok: 1, output_usd_per_mtok: 2, cache_read_usd_per_mtok: 0.1, cache_write_usd_per_mtok: 1.25, context_tokens: 200000, max_output_tokens: 64000 } }`,
  )
  const gateway = await startGateway({
    config: `providers:\n${rows.join('\n')}\nretries: { attempts: 2 }\negress: { allow: ["127.0.0.1:${upstream.port}"] }\ndiscover_env: false\n`,
  })
  const key = await gateway.key()
  let from = 0
  const post = (path: string, body: Json, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  return {
    gateway,
    upstream,
    key,
    plays(script) {
      from = upstream.seen.length
      upstream.script = script
    },
    get seen() {
      return upstream.seen.slice(from)
    },
    post,
    chat: (provider, more = {}) => post('/v1/chat/completions', { ...CHAT, model: `m@${provider}`, ...more }),
    messages: (provider, more = {}, headers = {}) =>
      post(
        '/v1/messages',
        { model: `m@${provider}`, max_tokens: 500, messages: [{ role: 'user', content: 'Hi.' }], ...more },
        { 'anthropic-version': '2023-06-01', ...headers },
      ),
    async close() {
      await gateway.close()
      await upstream.close()
    },
  }
}

const frame = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' }

/** A chat chunk with one choice. */
export const chunk = (delta: Json, finish: string | null | undefined = null, more: Json = {}): string =>
  `data: ${JSON.stringify({
    ...frame,
    choices: [{ index: 0, delta, ...(finish === undefined ? {} : { finish_reason: finish }) }],
    ...more,
  })}\n\n`

export const usageChunk = (usage: Json): string =>
  `data: ${JSON.stringify({ ...frame, choices: [], usage })}\n\n`
export const USAGE = { prompt_tokens: 100, completion_tokens: 20, total_tokens: 120 }
export const DONE = 'data: [DONE]\n\n'

/** Answers with these events, each in a write of its own. */
export const streams =
  (...events: readonly string[]) =>
  async (response: ServerResponse): Promise<void> => {
    sse(response)
    for (const event of events) {
      response.write(event)
      await new Promise(resolve => setImmediate(resolve))
    }
    response.end()
  }

export const answers =
  (body: unknown, status = 200) =>
  (response: ServerResponse): void =>
    sendJson(response, status, body)

/** A whole chat answer. */
export const whole = (message: Json, finish: string | null = 'stop', usage: Json = USAGE): Json => ({
  ...frame,
  object: 'chat.completion',
  choices: [{ index: 0, message: { role: 'assistant', content: null, ...message }, finish_reason: finish }],
  usage,
})

/** Anthropic's events; names are their types. */
export const claudeEvents = (...events: readonly Json[]): readonly string[] =>
  events.map(event => `event: ${String(event.type)}\ndata: ${JSON.stringify(event)}\n\n`)

export const claudeStart = (usage: Json = { input_tokens: 100, output_tokens: 1 }): Json => ({
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [],
    usage,
  },
})

export const claudeEnd = (reason = 'end_turn', usage: Json = { output_tokens: 20 }): readonly Json[] => [
  { type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage },
  { type: 'message_stop' },
]

/** One content block with its deltas. */
export const block = (index: number, start: Json, ...deltas: readonly Json[]): readonly Json[] => [
  { type: 'content_block_start', index, content_block: start },
  ...deltas.map(delta => ({ type: 'content_block_delta', index, delta })),
  { type: 'content_block_stop', index },
]

export interface Read {
  readonly text: string
  /** Events that are JSON, in order. */
  readonly events: readonly Json[]
  readonly status: number
  readonly headers: Headers
}

export async function read(response: Response): Promise<Read> {
  const text = await response.text()
  const events = text
    .split(/\r?\n/)
    .filter(line => line.startsWith('data:') && !line.includes('[DONE]'))
    .map(line => JSON.parse(line.slice(5)) as Json)
  return { text, events, status: response.status, headers: response.headers }
}

/** The first choice of each chunk. */
export const choices = (events: readonly Json[]): readonly Json[] =>
  events.flatMap(event =>
    Array.isArray(event.choices) && event.choices[0] ? [event.choices[0] as Json] : [],
  )

export const deltas = (events: readonly Json[]): readonly Json[] =>
  choices(events).map(choice => (choice.delta ?? {}) as Json)

/** A string field of all deltas, joined. */
export const joined = (events: readonly Json[], name: string): string =>
  deltas(events)
    .map(delta => (typeof delta[name] === 'string' ? delta[name] : ''))
    .join('')

export const finishes = (events: readonly Json[]): readonly unknown[] =>
  choices(events)
    .map(choice => choice.finish_reason)
    .filter(reason => reason != null)

/** Body of the first request since `plays`. */
export function sentBy(rig: Rig): Json {
  const [first] = rig.seen
  if (first === undefined) throw new Error('nothing was sent')
  return first.json()
}

export interface Call {
  id: unknown
  name: unknown
  arguments: string
}

/** Tool calls as a client by the book puts them together: index decides, id and name may come once. */
export function callsOf(events: readonly Json[]): readonly Call[] {
  const calls: Call[] = []
  for (const delta of deltas(events)) {
    for (const piece of (delta.tool_calls ?? []) as Json[]) {
      if (typeof piece.index !== 'number') throw new Error('a piece of a call without an index')
      const own = (piece.function ?? {}) as Json
      const call = calls[piece.index] ?? { id: undefined, name: undefined, arguments: '' }
      calls[piece.index] = call
      if ('id' in piece) {
        if (call.id !== undefined) throw new Error('an id came twice')
        call.id = piece.id
      }
      if ('name' in own) {
        if (call.name !== undefined) throw new Error('a name came twice')
        call.name = own.name
      }
      call.arguments += String(own.arguments ?? '')
    }
  }
  return calls
}

/** The newest attempt, its tokens beside the rest. */
export async function lastRow(rig: Rig) {
  const rows = await rig.gateway.rows()
  const row = rows.at(-1)
  if (row === undefined) throw new Error('no row')
  return { ...row, ...row.usage }
}

export const TOOLS = [
  {
    type: 'function',
    function: { name: 'add', parameters: { type: 'object', properties: { a: { type: 'number' } } } },
  },
  { type: 'function', function: { name: 'sub', parameters: { type: 'object', properties: {} } } },
]

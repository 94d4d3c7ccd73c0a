/** The columns of the fidelity matrix: one target of each kind that answers differently, behind one scripted upstream. */
import type { ServerResponse } from 'node:http'
import type { Json } from '../../providers/provider.ts'
import { KINDS } from '../../providers/index.ts'
import { chunkFrame, eventFrame } from '../wire/frames.ts'
import { completion, DONE, delta, finish, role, sendJson, sse, usageEvent } from '../gateway/harness.ts'

/** Wires that a target may speak. */
export type Speech =
  | 'chat'
  | 'cohere'
  | 'messages'
  | 'gemini'
  | 'responses'
  | 'completions'
  | 'embeddings'
  | 'embed'
  | 'batchEmbedContents'
  | 'converse'

export interface TargetRow {
  /** Configured provider name and head of the column. */
  readonly name: string
  readonly kind: string
  /** How its models are known upstream. */
  readonly upstream: string
  readonly basePath: string
  readonly title: string
  /** Stands for the provider's own address: a host row of the config with these quirks, since an own address speaks chat only. */
  readonly quirks?: string
  readonly options?: string
}

/** One row a column. A kind that does not exist yet makes no column. */
const ROWS: readonly TargetRow[] = [
  {
    name: 'openai',
    kind: 'openai',
    upstream: 'gpt-5.1',
    basePath: '/v1',
    title: 'OpenAI',
    quirks: '{ speaks_responses: true, tool_ids: 40_chars }',
  },
  {
    name: 'openrouter',
    kind: 'openrouter',
    upstream: 'openai/gpt-5.1',
    basePath: '/api/v1',
    title: 'OpenRouter',
  },
  { name: 'deepseek', kind: 'deepseek', upstream: 'deepseek-v4', basePath: '/v1', title: 'DeepSeek' },
  { name: 'mistral', kind: 'mistral', upstream: 'mistral-large', basePath: '/v1', title: 'Mistral' },
  {
    name: 'claude45',
    kind: 'anthropic',
    upstream: 'claude-sonnet-4-5',
    basePath: '/v1',
    title: 'Claude 4.5',
  },
  { name: 'claude5', kind: 'anthropic', upstream: 'claude-opus-5', basePath: '/v1', title: 'Claude 5' },
  {
    name: 'gemini25',
    kind: 'gemini',
    upstream: 'gemini-2.5-flash',
    basePath: '/v1beta',
    title: 'Gemini 2.5',
  },
  {
    name: 'gemini3',
    kind: 'gemini',
    upstream: 'gemini-3-flash-preview',
    basePath: '/v1beta',
    title: 'Gemini 3',
  },
  {
    name: 'vertex',
    kind: 'vertex',
    upstream: 'claude-sonnet-4-5',
    basePath: '/v1',
    options: '{ project: p }',
    title: 'Claude on Vertex',
  },
  {
    name: 'bedrockclaude',
    kind: 'bedrock',
    upstream: 'anthropic.claude-sonnet-4-5-20250929-v1:0',
    basePath: '',
    options: '{ region: us-east-1 }',
    title: 'Claude on Bedrock',
  },
  {
    name: 'nova',
    kind: 'bedrock',
    upstream: 'amazon.nova-pro-v1:0',
    basePath: '',
    options: '{ region: us-east-1 }',
    title: 'Nova on Bedrock',
  },
  { name: 'azure', kind: 'azure', upstream: 'gpt-5.1', basePath: '/openai/v1', title: 'Azure' },
  { name: 'cohere', kind: 'cohere', upstream: 'command-a-03-2025', basePath: '/v2', title: 'Cohere' },
]

export const TARGETS: readonly TargetRow[] = ROWS.filter(({ kind }) => KINDS.has(kind))

const PRICE =
  'input_usd_per_mtok: 1, output_usd_per_mtok: 2, context_tokens: 400000, max_output_tokens: 64000'

/** The config of a gateway before all of them; each sells one model, called as its column. */
export function configFor(port: number): string {
  const url = ({ name, basePath }: TargetRow) => `http://127.0.0.1:${port}/${name}${basePath}`
  const hosts = TARGETS.filter(({ quirks }) => quirks !== undefined).map(
    row => `  ${row.name}-host: { base_url: "${url(row)}", auth: none, quirks: ${row.quirks} }`,
  )
  const providers = TARGETS.map(
    row => `  ${row.name}:
    ${row.quirks === undefined ? `kind: ${row.kind}\n    base_url: ${url(row)}\n    options: ${row.options ?? '{}'}` : `kind: ${row.name}-host`}
    models: { ${row.name}: { upstream: ${row.upstream}, ${PRICE} } }`,
  )
  return `hosts:\n${hosts.join('\n')}\nproviders:\n${providers.join('\n')}
egress: { allow: ["127.0.0.1:${port}"] }\ndiscover_env: false\n`
}

/** The wire that a request upstream is written in, by its path. */
export function speechOf(url: string): Speech {
  if (url.includes('enerateContent')) return 'gemini'
  if (url.endsWith(':batchEmbedContents')) return 'batchEmbedContents'
  if (/\/messages(\?|$)|[rR]awPredict$|\/invoke(-with-response-stream)?$/.test(url)) return 'messages'
  if (/\/converse(-stream)?$/.test(url)) return 'converse'
  if (url.endsWith('/v2/chat')) return 'cohere'
  if (url.endsWith('/v2/embed')) return 'embed'
  if (url.endsWith('/chat/completions')) return 'chat'
  if (url.endsWith('/responses')) return 'responses'
  return url.endsWith('/embeddings') ? 'embeddings' : 'completions'
}

const message = {
  id: 'msg_up',
  type: 'message',
  role: 'assistant',
  model: 'claude',
  content: [{ type: 'text', text: 'Hello there.' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 },
}
const candidate = {
  candidates: [
    { index: 0, content: { role: 'model', parts: [{ text: 'Hello there.' }] }, finishReason: 'STOP' },
  ],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
  modelVersion: 'gemini',
  responseId: 'r1',
}

const response = {
  id: 'resp_up',
  object: 'response',
  created_at: 1,
  status: 'completed',
  model: 'gpt-5.1',
  output: [
    {
      type: 'message',
      id: 'msg_1',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: 'Hello there.', annotations: [] }],
    },
  ],
  usage: {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 5,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 15,
  },
}

const named = (type: string, more: Json) => `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`

const STREAMS: Readonly<Partial<Record<Speech, string>>> = {
  chat: role + delta('Hello there.') + finish() + usageEvent + DONE,
  cohere:
    named('message-start', { id: 'c1', delta: { message: { role: 'assistant' } } }) +
    named('content-start', { index: 0, delta: { message: { content: { type: 'text', text: '' } } } }) +
    named('content-delta', { index: 0, delta: { message: { content: { text: 'Hello there.' } } } }) +
    named('content-end', { index: 0 }) +
    named('message-end', {
      delta: { finish_reason: 'COMPLETE', usage: { tokens: { input_tokens: 10, output_tokens: 5 } } },
    }),
  messages:
    named('message_start', { message: { ...message, content: [], stop_reason: null } }) +
    named('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
    named('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hello there.' } }) +
    named('content_block_stop', { index: 0 }) +
    named('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: 5 },
    }) +
    named('message_stop', {}),
  gemini: `data: ${JSON.stringify(candidate)}\n\n`,
  responses:
    named('response.created', { response: { ...response, status: 'in_progress', output: [], usage: null } }) +
    named('response.output_text.delta', { output_index: 0, content_index: 0, delta: 'Hello there.' }) +
    named('response.completed', { response }),
}

const WHOLE: Readonly<Record<Speech, unknown>> = {
  chat: completion(),
  cohere: {
    id: 'c1',
    finish_reason: 'COMPLETE',
    message: { role: 'assistant', content: [{ type: 'text', text: 'Hello there.' }] },
    usage: {
      billed_units: { input_tokens: 10, output_tokens: 5 },
      tokens: { input_tokens: 10, output_tokens: 5 },
    },
  },
  messages: message,
  gemini: candidate,
  converse: {
    output: { message: { role: 'assistant', content: [{ text: 'Hello there.' }] } },
    stopReason: 'end_turn',
    usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 },
    metrics: { latencyMs: 1 },
  },
  responses: response,
  completions: {
    id: 'cmpl-1',
    object: 'text_completion',
    created: 1,
    model: 'm',
    choices: [{ index: 0, text: 'Hello there.', logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  },
  embed: {
    id: 'e1',
    embeddings: { float: [[0.1, 0.2]] },
    texts: ['Once'],
    meta: { billed_units: { input_tokens: 3 } },
  },
  batchEmbedContents: { embeddings: [{ values: [0.1, 0.2] }], usageMetadata: { promptTokenCount: 3 } },
  embeddings: {
    object: 'list',
    model: 'm',
    data: [{ object: 'embedding', index: 0, embedding: [0.1, 0.2] }],
    usage: { prompt_tokens: 3, total_tokens: 3 },
  },
}

const framed = (response: ServerResponse, frames: readonly Uint8Array[]): void =>
  void response
    .writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
    .end(Buffer.concat(frames))

/** Amazon's binary frames. */
const CONVERSE = [
  eventFrame('messageStart', { role: 'assistant' }),
  eventFrame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hello there.' } }),
  eventFrame('contentBlockStop', { contentBlockIndex: 0 }),
  eventFrame('messageStop', { stopReason: 'end_turn' }),
  eventFrame('metadata', { usage: { inputTokens: 10, outputTokens: 5, totalTokens: 15 } }),
]
const CLAUDE = (STREAMS.messages ?? '')
  .split('\n')
  .filter(line => line.startsWith('data: '))
  .map(line => JSON.parse(line.slice('data: '.length)) as Json)

/** The shortest good answer in the wire that was spoken. */
export function answer(response: ServerResponse, url: string, body: string): void {
  const speech = speechOf(url)
  if (url.endsWith('/converse-stream')) return framed(response, CONVERSE)
  if (url.endsWith('/invoke-with-response-stream')) return framed(response, CLAUDE.map(chunkFrame))
  const streams = url.includes(':streamGenerateContent') || /"stream": ?true/.test(body)
  const events = streams ? STREAMS[speech] : undefined
  if (events === undefined) sendJson(response, 200, WHOLE[speech])
  else sse(response).end(events)
}

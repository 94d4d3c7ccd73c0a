/**
 * Recorded answers of real providers, read from a folder of `*.jsonl` files: one interaction a line. What each one is, and why
 * some cannot be asked for here. The recordings are other people's; they are read where they lie and none is part of this repository.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { Json } from '../../providers/provider.ts'
import { eventsOf } from '../clients/recordings.ts'
import { eventFrame } from '../wire/frames.ts'

/** The wire that an answer is in, by the name of the adapter that reads it. */
export type AnswerWire =
  | 'chat'
  | 'anthropic'
  | 'gemini'
  | 'responses'
  | 'cohere'
  | 'bedrock'
  | 'completions'
  | 'embeddings'
  | ForeignEmbeddings
  | Metered
  /** Counts of a prompt, and lists of models: held against what we say and read ourselves. */
  | 'count'
  | 'models'

/** Embeddings in a wire of the host's own. */
export type ForeignEmbeddings =
  | 'bedrock-embeddings'
  | 'cohere-embeddings'
  | 'gemini-embeddings'
  | 'vertex-embeddings'

/** Operations that pass with their bytes untouched. */
export type Metered = 'rerank' | 'images' | 'transcriptions'

export interface Case {
  readonly id: string
  readonly provider: string
  readonly scenario: string
  readonly wire: AnswerWire
  readonly stream: boolean
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** As recorded: text, or bytes where the wire is binary. */
  readonly body: string
  readonly bytes: Uint8Array
  readonly type: string
  /** What was asked, where that was kept. */
  readonly asked: { readonly path?: string; readonly body?: unknown } | undefined
}

interface Line {
  readonly id: string
  readonly provider: string
  readonly protocol?: string
  readonly stream: boolean
  readonly scenario: string
  readonly request?: { readonly path?: string; readonly body?: unknown }
  readonly response: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
    readonly body_b64?: string
  }
}

export interface Corpus {
  readonly cases: readonly Case[]
  /** What is not replayed: the reason → ids. */
  readonly left: ReadonlyMap<string, readonly string[]>
}

/** Folder of the recordings: SWITCHGATE_FIXTURES, or beside the repository. */
export const HOME = (
  process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
).replace(/\/$/, '')

const PROTOCOLS: Readonly<Record<string, AnswerWire>> = {
  chat: 'chat',
  messages: 'anthropic',
  gemini: 'gemini',
  responses: 'responses',
  cohere: 'cohere',
  converse: 'bedrock',
  completions: 'completions',
  rerank: 'rerank',
  count_tokens: 'count',
  models: 'models',
}

/** Recordings without a protocol are told by words that stand in every answer of the wire, the first that fits. */
const SIGNS: readonly (readonly [RegExp, AnswerWire | undefined])[] = [
  [/"object": ?"chat\.completion/, 'chat'],
  [/"object": ?"response"/, 'responses'],
  [/"object": ?"text_completion"/, 'completions'],
  [/"object": ?"list",\s*"data": ?\[\s*\{\s*"object": ?"embedding"/, 'embeddings'],
  [/"(?:candidates|promptFeedback)": ?[[{]/, 'gemini'],
  [/"type": ?"message(?:_start)?"/, 'anthropic'],
  [/"chat_history": ?\[|"language_probability"/, undefined],
  [/"relevance_score"/, 'rerank'],
  [/"b64_json"/, 'images'],
  [/"task": ?"transcribe"/, 'transcriptions'],
  [/"finish_reason": ?"(?:COMPLETE|MAX_TOKENS|TOOL_CALL)"/, 'cohere'],
  [/^data: \{"id":[^\n]*"choices":\[\{"index":0,"delta"/, 'chat'],
]

/** Why an answer in no wire of ours is left, by words that stand in it, the first that fits. */
const FOREIGN: readonly (readonly [RegExp, string])[] = [
  [
    /"outputText": ?"|"generations?": ?["[]|"type": ?"completion"|application\/json/,
    "InvokeModel in the model's own wire (Titan, Llama 2, Command, Claude 2, Nova's chunks): Bedrock is asked by Converse, or by Claude's Messages",
  ],
  [
    /"event_type": ?"interaction\.|"total_input_tokens": ?\d/,
    "Google's Interactions, for which there is no route",
  ],
  [/"language_probability"/, "a transcript in ElevenLabs' own form, for which there is no host"],
  [
    /"result_url"|"created_on"/,
    'a job that is asked after later (Gladia, Rev.ai), for which there is no route',
  ],
]

const isError = ({ response }: Pick<Line, 'response'>): boolean =>
  /^\s*\{\s*"error":/.test(response.body ?? '')

/** Why an interaction is not replayed; undefined = it is. */
function whyLeft(line: Line, wire: AnswerWire | undefined, body: string): string | undefined {
  const { protocol, provider, response } = line
  if (wire === undefined)
    return (
      FOREIGN.find(([sign]) => sign.test(body))?.[1] ??
      `no route here answers with it (${protocol ?? 'unknown'})`
    )
  if (body === '') return 'recorded without its body'
  if (response.status >= 400 || isError(line))
    return wire === 'count' ? 'an error of a counter: nobody else is asked to count here' : undefined
  if (wire === 'count' && /embedding/.test(line.request?.path ?? ''))
    return 'a count for an embedding model: chat prompts alone are counted here'
  if (wire === 'responses' && !line.stream && ['queued', 'in_progress'].includes(String(jsonOf(body).status)))
    return 'a response in the background, which is not offered here'
  if (wire === 'cohere' && line.request?.path === '/v1/chat' && provider === 'cohere')
    return "Cohere's first chat wire (`message`, `chat_history`, `text`), which /v2/chat has replaced: no adapter asks in it"
  if (wire === 'completions' && /^data: \{"value"/.test(body))
    return "a stream of Writer's own (`{value}` events without an ending or usage), which no adapter claims"
  return undefined
}

/** What was kept of an answer's status: vercel/ai has bodies of errors alone. */
function statusOf({ response }: Line, body: string): number {
  if (response.status !== 200 || !/^\s*\{\s*"error":/.test(body)) return response.status
  const { error } = JSON.parse(body) as { error?: { code?: unknown } }
  return typeof error?.code === 'number' && error.code >= 400 ? error.code : 429
}

/** Some recordings of vercel/ai hold several answers of one conversation in one body; the first ends at its last event. */
const firstAnswer = (wire: AnswerWire | undefined, body: string): string =>
  wire === 'anthropic' || wire === 'responses'
    ? (body.split(/(?<="type": ?"(?:message_stop|response\.completed)"[^\n]*\n\n)(?=.)/)[0] ?? body)
    : body

/** Told by what the answer is made of, since four hosts share a name for it. */
function embeddingsOf({ provider, request, response }: Line): AnswerWire | undefined {
  const { body = '' } = response
  if (/^\/model\/[^/]*(?:embed|titan-embed)/.test(request?.path ?? '')) return 'bedrock-embeddings'
  if (/"predictions": ?\[/.test(body) || /^\/v1beta1\/projects/.test(request?.path ?? ''))
    return 'vertex-embeddings'
  if (/"data": ?\[/.test(body) || (isError({ response }) && provider !== 'cohere')) return 'embeddings'
  return /"values": ?\[/.test(body) ? 'gemini-embeddings' : 'cohere-embeddings'
}

function wireOf(line: Line): AnswerWire | undefined {
  const { protocol, provider, request, response } = line
  if (protocol === 'embeddings') return embeddingsOf(line)
  if (protocol === 'bedrock-invoke' && /embed/.test(request?.path ?? '')) return embeddingsOf(line)
  // InvokeModel's answers of Claude are Anthropic's own
  if (protocol === 'bedrock-invoke' && /"type": ?"message"/.test(response.body ?? '')) return 'anthropic'
  // and those of Nova, whole, are what Converse answers
  if (protocol === 'bedrock-invoke' && /^\{"output": ?\{"message"/.test(response.body ?? '')) return 'bedrock'
  // Writer's chat lies under the name of Cohere's wire in the index
  if (protocol === 'cohere' && provider === 'writer') return 'chat'
  if (protocol !== undefined) return PROTOCOLS[protocol]
  const { body = '' } = response
  if (/"(?:embeddings|predictions)": ?[[{]/.test(body)) return embeddingsOf(line)
  if (provider === 'amazon-bedrock') return 'bedrock'
  if (/^\s*\{\s*"error":/.test(body)) return provider === 'google' ? 'gemini' : 'responses'
  return SIGNS.find(([sign]) => sign.test(body))?.[1]
}

/** A binary stream that was kept as text, an event a line, in frames again. */
function framed(body: string): Uint8Array {
  const events = eventsOf(body).flatMap(text => Object.entries(JSON.parse(text) as Json))
  return Buffer.concat(events.map(([name, json]) => eventFrame(name, json)))
}

function caseOf(line: Line, wire: AnswerWire, body: string): Case {
  const { id, provider, scenario, stream, response } = line
  const isText = response.body_b64 === undefined
  const isFramed = isText && wire === 'bedrock' && stream
  const bytes = isFramed
    ? framed(body)
    : isText
      ? new TextEncoder().encode(body)
      : Buffer.from(response.body_b64 ?? '', 'base64')
  const binary = (isFramed || !isText) && stream
  const status = statusOf(line, body)
  const type = binary
    ? 'application/vnd.amazon.eventstream'
    : stream && status < 400
      ? 'text/event-stream'
      : 'application/json'
  const headers = response.headers ?? {}
  return { id, provider, scenario, wire, stream, status, headers, body, bytes, type, asked: line.request }
}

/** Every interaction of a folder. Throws with the file and the line for what is no recording. */
export function readCorpus(folder: string): Corpus {
  const cases: Case[] = []
  const left = new Map<string, string[]>()
  if (!existsSync(folder)) return { cases, left }
  for (const file of readdirSync(folder)
    .filter(name => name.endsWith('.jsonl'))
    .sort()) {
    const lines = readFileSync(`${folder}/${file}`, 'utf8').split('\n')
    for (const [n, text] of lines.entries()) {
      if (text.trim() === '') continue
      const line = parsed(text, `${file}:${n + 1}`)
      const wire = wireOf(line)
      const body = firstAnswer(wire, line.response.body ?? textOf(line.response.body_b64))
      const why = whyLeft(line, wire, body)
      if (why !== undefined) left.set(why, [...(left.get(why) ?? []), line.id])
      else if (wire !== undefined) cases.push(caseOf(line, wire, body))
    }
  }
  return { cases, left }
}

const textOf = (base64: string | undefined): string =>
  base64 === undefined ? '' : Buffer.from(base64, 'base64').toString('latin1')

function parsed(text: string, place: string): Line {
  try {
    const line = JSON.parse(text) as Line
    if (typeof line.id === 'string' && typeof line.response?.status === 'number') return line
  } catch {
    // said below
  }
  throw new Error(
    `${place}: not a recording: {id, provider, protocol?, stream, scenario, response: {status, body}}`,
  )
}

/** Does the answer report an error, by its status or inside a 200? */
export function failed(one: Case): boolean {
  if (one.status >= 400) return true
  if (one.type === 'application/vnd.amazon.eventstream') return false
  const values = one.stream ? eventsOf(one.body) : [one.body]
  return values.some(value => {
    if (!value.includes('"error"') && !value.includes('failed')) return false
    const json = jsonOf(value)
    return (
      json.error != null ||
      json.type === 'error' ||
      json.type === 'response.failed' ||
      json.status === 'failed'
    )
  })
}

/** A JSON object; {} for what is none. */
export function jsonOf(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return {}
  }
}

/** Recorded answers of real providers, as material for replay: which there are, and which wire each one speaks. */
import { existsSync, readFileSync } from 'node:fs'
import { KINDS } from '../../providers/index.ts'
import type { Json } from '../../providers/provider.ts'

export type RecordedWire = 'chat' | 'anthropic' | 'gemini'

export interface Recording {
  readonly id: string
  /** The configured provider that answers with it; its recordings share one. */
  readonly provider: string
  /** `kind:` of that provider. */
  readonly kind: string
  readonly wire: RecordedWire
  readonly stream: boolean
  readonly scenario: string
  readonly status: number
  readonly body: string
  readonly retryAfter: string | undefined
  /** What was sent for it, where it was recorded. */
  readonly request: Json | undefined
}

interface Line {
  readonly id: string
  readonly provider: string
  readonly protocol?: string
  readonly stream: boolean
  readonly scenario: string
  readonly request?: { readonly body?: Json | null }
  readonly response: {
    readonly status: number
    readonly headers?: Readonly<Record<string, string>>
    readonly body?: string
  }
}

/** Folder of the recordings: beside the repository, or SWITCHGATE_FIXTURES. They are not part of it. */
export const home = (
  process.env.SWITCHGATE_FIXTURES ?? new URL('../../../shared/fixtures', import.meta.url).pathname
).replace(/\/$/, '')

const CHAT_FILES = [
  'openai',
  'azure',
  'bedrock-mantle',
  'cerebras',
  'crusoe',
  'deepseek',
  'gpustack',
  'groq',
  'heroku',
  'huggingface',
  'mistral',
  'ollama',
  'openrouter',
  'perplexity',
  'snowflake',
  'zai',
]
const FILES = [...CHAT_FILES, 'anthropic', 'google', 'vertex', 'vercel-ai'].map(
  name => `${home}/${name}.jsonl`,
)

export const present = FILES.every(file => existsSync(file))

/** The wire that an answer is in; undefined = none that a chat request can be answered with here. */
function wireOf(line: Line): RecordedWire | undefined {
  if (line.protocol === 'chat') return 'chat'
  if (line.protocol === 'messages') return 'anthropic'
  if (line.protocol === 'gemini') return 'gemini'
  if (line.protocol !== undefined) return undefined
  const { body = '' } = line.response
  if (line.provider === 'anthropic') return 'anthropic'
  // Other Google wires share the file; these words begin every answer of this one.
  if (line.provider === 'google' && /"(?:candidates|promptFeedback)"|^\s*\{\s*"error"/.test(body))
    return 'gemini'
  return /"object": ?"chat\.completion/.test(body) ? 'chat' : undefined
}

function kindOf(line: Line, wire: RecordedWire): string {
  if (wire !== 'chat') return wire
  // Snowflake is no built-in host; its row stands in the config of the replay.
  if (line.provider === 'snowflake') return 'unfinished'
  return KINDS.has(line.provider) ? line.provider : 'openai'
}

/**
 * Two recordings of vercel/ai (tool-search-bm25 and -regex) hold two answers of one conversation in one body. A stream
 * is over at message_stop, so the first one is the answer.
 */
function bodyOf(line: Line, wire: RecordedWire): string {
  const { body = '' } = line.response
  if (wire !== 'anthropic' || !line.stream) return body
  return body.split(/(?<="message_stop"[^\n]*\n\n)/)[0] ?? body
}

function recordingOf(line: Line): Recording | undefined {
  const wire = wireOf(line)
  if (wire === undefined) return undefined
  const body = bodyOf(line, wire)
  // vercel/ai has kept the body of Google's 429 without its status.
  const stated = /^\s*\{\s*"error":\s*\{\s*"code":\s*(\d{3})/.exec(body)?.[1]
  return {
    id: line.id,
    provider: line.provider,
    kind: kindOf(line, wire),
    wire,
    stream: line.stream,
    scenario: line.scenario,
    status: wire === 'gemini' && stated !== undefined ? Number(stated) : line.response.status,
    body,
    retryAfter: line.response.headers?.['retry-after'],
    request: line.request?.body ?? undefined,
  }
}

/** All recordings that answer a chat request, in the order of the files. */
export const recordings: readonly Recording[] = present
  ? FILES.flatMap(file => readFileSync(file, 'utf8').trim().split('\n'))
      .map(line => recordingOf(JSON.parse(line) as Line))
      .filter(one => one !== undefined)
  : []

/** The `data:` of every event of a recorded stream, `[DONE]` left out. */
export function eventsOf(sse: string): string[] {
  return sse
    .split(/\r?\n\r?\n/)
    .map(event =>
      event
        .split(/\r?\n/)
        .filter(line => line.startsWith('data:'))
        .map(line => line.slice(5).trimStart())
        .join('\n')
        .trimEnd(),
    )
    .filter(data => data !== '' && data !== '[DONE]')
}

/** The error that an answer reports, by its status or inside a 200; undefined = a good answer. */
export function errorIn(one: Recording): Json | undefined {
  const values = one.stream && one.status === 200 ? eventsOf(one.body) : [one.body]
  if (one.status >= 400) return { status: one.status }
  for (const value of values) {
    const json = JSON.parse(value) as Json
    if (json.error != null) return json.error as Json
  }
  return undefined
}

/** A number that stays the same for a text: seeds and rotations. */
export function seedOf(text: string): number {
  let hash = 2_166_136_261
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619)
  return hash >>> 0
}

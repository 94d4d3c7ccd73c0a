/** OpenAI's chat request as the gateway reads it: quick checks of the handful of fields that routing and money need. */
import type { Capability, StreamGuarantee, Units, Usage } from '../terms.ts'
import type { Body, Member } from './body.ts'
import { isObject, modelsOf, type Preferences, readExtensions, wrong } from './extensions.ts'
import { type Media, type MediaKind, readPart } from './media.ts'

export type { Media, MediaKind }

/** What an operation beside chat uses. */
export interface Metering {
  /** Counted beside tokens, never too low. */
  readonly units: Units
  /** Stands for the usage of an answer that states none. */
  readonly likely: Usage
  /** The units of `likely` are what is billed: the request alone decides them (characters). */
  readonly certain: boolean
}

/** What the stages need to know of a chat request. The body itself travels on as bytes. */
export interface ChatFacts {
  /** Undefined = not named: the key's default applies. */
  readonly model: string | undefined
  readonly stream: boolean
  /** The caller wants the usage event of a stream (`stream_options.include_usage` or `usage: {include: true}`). */
  readonly wantsUsageEvent: boolean
  /** The caller wants `usage.cost`. */
  readonly wantsCost: boolean
  /** The caller's own output limit; the larger one if both names are given. */
  readonly maxOutputTokens: number | undefined
  /** Number of answers asked for. */
  readonly n: number
  readonly fallbackModels: readonly string[]
  readonly preferences: Preferences | undefined
  readonly sessionId: string | undefined
  readonly user: string | undefined
  readonly tags: readonly string[]
  readonly needs: ReadonlySet<Capability>
  /** What only a host of the caller's own wire can do: its place, and the words for a caller who cannot be served. */
  readonly hosted?: { readonly param: string; readonly message: string }
  readonly messageCount: number
  readonly toolCount: number
  /** Upper bound of the prompt's UTF-8 text: the JSON of messages, tools and schemas, less inline media. */
  readonly textBytes: number
  readonly media: readonly Media[]
  readonly reasoningEffort: string | undefined
  /** Prompts that are read one by one (embeddings, completions): text, or how many token ids. Absent = `messages` is the prompt. */
  readonly prompts?: readonly (string | number)[]
  /** Absent = tokens are all that counts. With it the output cannot be limited: `maxOutputTokens` is a bound. */
  readonly metering?: Metering
  /** The answer is neither JSON nor events but this: its bytes pass as they come. */
  readonly raw?: 'sound' | 'text' | undefined
  /** Absent = as configured. */
  readonly streamGuarantee?: StreamGuarantee | undefined
  /** Extension fields that are present (`ChatRequest.extensions`). */
  readonly extensionNames: readonly string[]
  /** The parsed body. */
  readonly json: Body['json']
  /** The body as the caller sent it, where `json` is the chat request made of it and says less. */
  readonly asked?: Body['json']
}

const MESSAGES_MAX = 4_096
const TOOLS_MAX = 1_024
const MODEL_CHARS_MAX = 512
const ANSWERS_MAX = 128
/** Members whose text the model reads. Others are settings. */
const PROMPT_MEMBERS: ReadonlySet<string> = new Set([
  'messages',
  'tools',
  'functions',
  'response_format',
  'prediction',
  // Cohere's and vLLM's: texts to answer from
  'documents',
])

function positive(value: unknown, param: string, max = Number.MAX_SAFE_INTEGER): number | undefined {
  if (value == null) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw wrong(
      param,
      max < Number.MAX_SAFE_INTEGER
        ? `must be a whole number, 1 to ${max}.`
        : 'must be a whole number, 1 or more.',
    )
  }
  return value
}

function boolean(value: unknown, param: string): boolean {
  if (value == null) return false
  if (typeof value !== 'boolean') throw wrong(param, 'must be true or false.')
  return value
}

function readModel(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '' || value.length > MODEL_CHARS_MAX) {
    throw wrong('model', 'must be the name of a model, as in "gpt-5".')
  }
  return value
}

interface Found {
  readonly media: Media[]
  mediaChars: number
}

function readMessages(value: unknown, found: Found): number {
  if (!Array.isArray(value) || value.length === 0) {
    throw wrong(
      'messages',
      'must be an array with at least one message, as in [{"role": "user", "content": "Hi"}].',
    )
  }
  if (value.length > MESSAGES_MAX) throw wrong('messages', `must hold at most ${MESSAGES_MAX} messages.`)
  for (let i = 0; i < value.length; i++) {
    const message: unknown = value[i]
    if (!isObject(message)) throw wrong(`messages[${i}]`, 'must be an object with role and content.')
    if (typeof message.role !== 'string')
      throw wrong(`messages[${i}].role`, 'must be a string, as in "user".')
    // an earlier answer's sound, by its id
    if (isObject(message.audio)) found.media.push({ kind: 'unknown', bytes: undefined })
    const { content } = message
    if (typeof content === 'string' || content == null) continue
    if (!Array.isArray(content))
      throw wrong(`messages[${i}].content`, 'must be a string or an array of parts.')
    for (let j = 0; j < content.length; j++) {
      const param = `messages[${i}].content[${j}]`
      const part: unknown = content[j]
      if (!isObject(part)) throw wrong(param, 'must be an object with a type.')
      const read = readPart(part, param)
      if (read === undefined) continue
      found.media.push({ kind: read.kind, bytes: read.bytes })
      found.mediaChars += read.chars
    }
  }
  return value.length
}

function readTools(json: Body['json']): number {
  let count = 0
  for (const name of ['tools', 'functions']) {
    const list = json[name]
    if (list == null) continue
    if (!Array.isArray(list) || list.length > TOOLS_MAX)
      throw wrong(name, `must be an array of at most ${TOOLS_MAX}.`)
    for (let i = 0; i < list.length; i++)
      if (!isObject(list[i])) throw wrong(`${name}[${i}]`, 'must be an object.')
    count += list.length
  }
  return count
}

const CAPABILITY: Readonly<Partial<Record<MediaKind, Capability>>> = {
  image: 'images',
  audio: 'audio',
  pdf: 'pdf',
}

const NO_NEEDS: ReadonlySet<Capability> = new Set()

function readNeeds(json: Body['json'], toolCount: number, media: readonly Media[]): ReadonlySet<Capability> {
  const format = json.response_format
  if (format == null && toolCount === 0 && media.length === 0) return NO_NEEDS
  const needs = new Set<Capability>()
  if (toolCount > 0) needs.add('tools')
  if (format != null && !(isObject(format) && typeof format.type === 'string')) {
    throw wrong('response_format', 'must be an object with a type, as in {"type": "json_object"}.')
  }
  if (isObject(format) && format.type === 'json_schema') needs.add('json_schema')
  for (const { kind } of media) {
    const needed = CAPABILITY[kind]
    if (needed !== undefined) needs.add(needed)
  }
  return needs
}

/** `reasoning_effort`, else what `reasoning` comes to in its words (OpenRouter: `enabled` alone means medium). */
function readEffort(json: Body['json']): string | undefined {
  const { reasoning_effort: effort, reasoning } = json
  if (effort != null) {
    if (typeof effort !== 'string') throw wrong('reasoning_effort', 'must be a string, as in "low".')
    return effort
  }
  if (reasoning == null) return undefined
  if (!isObject(reasoning)) throw wrong('reasoning', 'must be an object, as in {"effort": "low"}.')
  if (reasoning.effort != null && typeof reasoning.effort !== 'string') {
    throw wrong('reasoning.effort', 'must be a string, as in "low".')
  }
  positive(reasoning.max_tokens, 'reasoning.max_tokens')
  return effortOf(reasoning)
}

/** The effort that a `reasoning` object stands for; undefined when it says none (a token budget alone). */
export function effortOf(reasoning: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof reasoning.effort === 'string') return reasoning.effort
  if (reasoning.enabled === false) return 'none'
  return reasoning.enabled === true && reasoning.max_tokens == null ? 'medium' : undefined
}

/** Bytes of the members whose text the model reads, media included. */
export function promptBytes(members: readonly Member[]): number {
  let bytes = 0
  for (const { key, valueStart, valueEnd } of members)
    if (PROMPT_MEMBERS.has(key)) bytes += valueEnd - valueStart
  return bytes
}

function numberOrAbsent(value: unknown, name: string): void {
  if (value != null && typeof value !== 'number') throw wrong(name, 'must be a number.')
}

/**
 * Checks a chat body and says what the stages need. Throws GatewayError('invalid_request') with `param` and the cure.
 * Fields it does not know are left alone: they belong to the upstream.
 */
export function readChat(body: Body): ChatFacts {
  const { json } = body
  const extensions = readExtensions(json)
  const { model, fallbackModels } = modelsOf(readModel(json.model), extensions)
  const found: Found = { media: [], mediaChars: 0 }
  const messageCount = readMessages(json.messages, found)
  const stream = boolean(json.stream, 'stream')
  const options = json.stream_options
  if (options != null && !isObject(options)) throw wrong('stream_options', 'must be an object.')
  const asked = isObject(options) && boolean(options.include_usage, 'stream_options.include_usage')
  numberOrAbsent(json.temperature, 'temperature')
  numberOrAbsent(json.top_p, 'top_p')
  numberOrAbsent(json.frequency_penalty, 'frequency_penalty')
  numberOrAbsent(json.presence_penalty, 'presence_penalty')
  const limit = positive(json.max_tokens, 'max_tokens')
  const completionLimit = positive(json.max_completion_tokens, 'max_completion_tokens')
  const toolCount = readTools(json)
  return {
    model,
    stream,
    wantsUsageEvent: stream && (asked || extensions.includeUsage),
    wantsCost: extensions.includeUsage || (stream && asked),
    maxOutputTokens: Math.max(limit ?? 0, completionLimit ?? 0) || undefined,
    n: positive(json.n, 'n', ANSWERS_MAX) ?? 1,
    fallbackModels,
    preferences: extensions.preferences,
    sessionId: extensions.sessionId,
    user: extensions.user,
    tags: extensions.tags,
    needs: readNeeds(json, toolCount, found.media),
    messageCount,
    toolCount,
    textBytes: Math.max(0, promptBytes(body.members) - found.mediaChars),
    media: found.media,
    reasoningEffort: readEffort(json),
    streamGuarantee: extensions.streamGuarantee,
    extensionNames: extensions.names,
    json,
  }
}

export { type ChatUsageOptions, finishReasonOf, usageFromChat, usageOfAnswer } from './chat-usage.ts'

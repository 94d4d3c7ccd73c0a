/** Anthropic's Messages request as the gateway reads it: quick checks of what routing and money need. Source: docs.claude.com/en/api/messages. */
import type { Capability } from '../../terms.ts'
import type { Body } from '../body.ts'
import { isObject, modelsOf, readExtensions, wrong } from '../extensions.ts'
import type { ChatFacts, Media } from '../openai.ts'

type Json = Readonly<Record<string, unknown>>

const MESSAGES_MAX = 100_000
const TOOLS_MAX = 1_024
const MODEL_CHARS_MAX = 512
/** Members that the model reads. The others are settings. */
const PROMPT_MEMBERS: ReadonlySet<string> = new Set([
  'messages',
  'system',
  'tools',
  'output_config',
  'mcp_servers',
  'context_management',
])
const ROLES: ReadonlySet<unknown> = new Set(['user', 'assistant', 'system'])

interface Found {
  readonly media: Media[]
  /** Characters of the body that are base64. */
  chars: number
}

function whole(value: unknown, param: string, least: number): number | undefined {
  if (value == null) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    throw wrong(param, `must be a whole number, ${least} or more.`)
  return value
}

function readModel(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string' || value === '' || value.length > MODEL_CHARS_MAX)
    throw wrong('model', 'must be the name of a model, as in "claude-sonnet-4-5".')
  return value
}

/** Blocks that say all that the model reads, here and as text; so does every `…_tool_result`. */
const SPOKEN_BLOCKS =
  /^(?:text|thinking|redacted_thinking|(?:server_|mcp_)?tool_use|(?:\w+_)?tool_result|tool_reference|search_result|compaction)$/

/** Images and documents of a block, also of those inside a tool result or a document; and what no bound is known for. */
function readBlock(block: unknown, param: string, found: Found): void {
  if (!isObject(block) || typeof block.type !== 'string') throw wrong(param, 'must be an object with a type.')
  if (block.type === 'text' && typeof block.text !== 'string')
    throw wrong(`${param}.text`, 'must be a string.')
  if (block.type === 'tool_use' && (typeof block.id !== 'string' || typeof block.name !== 'string'))
    throw wrong(param, 'must have an id, a name and an input.')
  if (block.type === 'tool_result') {
    if (typeof block.tool_use_id !== 'string')
      throw wrong(`${param}.tool_use_id`, 'must be the id of a tool_use block.')
    readContent(block.content ?? '', `${param}.content`, found)
  }
  if (block.type !== 'image' && block.type !== 'document') {
    if (!SPOKEN_BLOCKS.test(block.type)) found.media.push({ kind: 'unknown', bytes: undefined })
    return
  }
  const { source } = block
  if (!isObject(source)) throw wrong(`${param}.source`, 'must be an object with a type.')
  if (source.type === 'text') return
  if (source.type === 'content') return readContent(source.content ?? '', `${param}.source.content`, found)
  const kind = block.type === 'image' ? 'image' : 'pdf'
  if (source.type !== 'base64') return void found.media.push({ kind, bytes: undefined })
  if (typeof source.data !== 'string') throw wrong(`${param}.source.data`, 'must be base64.')
  found.media.push({ kind, bytes: Math.ceil(source.data.length * 0.75) })
  found.chars += source.data.length
}

function readContent(content: unknown, param: string, found: Found): void {
  if (typeof content === 'string') return
  if (!Array.isArray(content)) throw wrong(param, 'must be a string or an array of content blocks.')
  for (let i = 0; i < content.length; i++) readBlock(content[i], `${param}[${i}]`, found)
}

function readMessages(value: unknown, found: Found): number {
  if (!Array.isArray(value) || value.length === 0 || value.length > MESSAGES_MAX)
    throw wrong('messages', `must be an array of 1 to ${MESSAGES_MAX} messages.`)
  for (let i = 0; i < value.length; i++) {
    const message: unknown = value[i]
    if (!isObject(message) || !ROLES.has(message.role))
      throw wrong(`messages[${i}]`, 'must be an object with the role "user" or "assistant".')
    readContent(message.content, `messages[${i}].content`, found)
  }
  return value.length
}

function readTools(value: unknown): number {
  if (value == null) return 0
  if (!Array.isArray(value) || value.length > TOOLS_MAX)
    throw wrong('tools', `must be an array of at most ${TOOLS_MAX}.`)
  for (let i = 0; i < value.length; i++)
    if (!isObject(value[i])) throw wrong(`tools[${i}]`, 'must be an object.')
  return value.length
}

/** Words for effort, as chat has them: `output_config.effort`, else that thinking was asked for at all. */
function readEffort(json: Json): string | undefined {
  const { output_config: output, thinking } = json
  if (output != null && !isObject(output)) throw wrong('output_config', 'must be an object.')
  if (thinking != null && !(isObject(thinking) && typeof thinking.type === 'string'))
    throw wrong('thinking', 'must be an object with a type, as in {"type": "adaptive"}.')
  if (isObject(thinking)) whole(thinking.budget_tokens, 'thinking.budget_tokens', 0)
  const effort = isObject(output) ? output.effort : undefined
  if (effort != null && typeof effort !== 'string')
    throw wrong('output_config.effort', 'must be a string, as in "low".')
  if (effort != null) return effort
  return isObject(thinking) && thinking.type !== 'disabled' ? 'medium' : undefined
}

function readNeeds(json: Json, toolCount: number, media: readonly Media[]): Set<Capability> {
  const needs = new Set<Capability>()
  if (toolCount > 0) needs.add('tools')
  const format = isObject(json.output_config) ? json.output_config.format : undefined
  if (isObject(format) && format.type === 'json_schema') needs.add('json_schema')
  for (const { kind } of media) if (kind !== 'unknown') needs.add(kind === 'image' ? 'images' : 'pdf')
  return needs
}

/** `metadata.user_id`: Anthropic's place for the end user. */
function endUser(metadata: unknown): string | undefined {
  if (metadata == null) return undefined
  if (!isObject(metadata)) throw wrong('metadata', 'must be an object, as in {"user_id": "…"}.')
  return typeof metadata.user_id === 'string' ? metadata.user_id : undefined
}

/** What would be billed as something that no price was looked up for. */
function refuseUnpriced(json: Json): void {
  if (json.fallbacks != null)
    throw wrong('fallbacks', 'is not taken. Name other models in models: [], in the order to try them.')
  if (json.inference_geo != null && json.inference_geo !== 'global')
    throw wrong('inference_geo', 'is not taken: it changes the price. Leave it out.')
}

/** As `readMessagesRequest`, for requests that ask for a count and so need no `max_tokens`. */
export function readCountRequest(body: Body): ChatFacts {
  const { json } = body
  refuseUnpriced(json)
  // `metadata` is Anthropic's own here and no extension of ours.
  const { metadata, ...others } = json
  const extensions = readExtensions(others)
  const found: Found = { media: [], chars: 0 }
  const messageCount = readMessages(json.messages, found)
  if (json.system != null) readContent(json.system, 'system', found)
  const { stream } = json
  if (stream != null && typeof stream !== 'boolean') throw wrong('stream', 'must be true or false.')
  const toolCount = readTools(json.tools)
  let textBytes = -found.chars
  for (const { key, valueStart, valueEnd } of body.members)
    if (PROMPT_MEMBERS.has(key)) textBytes += valueEnd - valueStart
  return {
    ...modelsOf(readModel(json.model), extensions),
    stream: stream === true,
    // A stream of this wire tells its usage unasked.
    wantsUsageEvent: stream === true,
    wantsCost: extensions.includeUsage,
    maxOutputTokens: whole(json.max_tokens, 'max_tokens', 1),
    n: 1,
    preferences: extensions.preferences,
    sessionId: extensions.sessionId,
    user: extensions.user ?? endUser(metadata),
    tags: [],
    needs: readNeeds(json, toolCount, found.media),
    messageCount,
    toolCount,
    textBytes: Math.max(0, textBytes),
    media: found.media,
    reasoningEffort: readEffort(json),
    streamGuarantee: extensions.streamGuarantee,
    extensionNames: extensions.names,
    json,
  }
}

/**
 * Checks a Messages body and says what the stages need. Throws GatewayError('invalid_request') with `param` and the cure.
 * Fields it does not know are left alone: they belong to the upstream.
 */
export function readMessagesRequest(body: Body): ChatFacts {
  const facts = readCountRequest(body)
  if (facts.maxOutputTokens === undefined)
    throw wrong('max_tokens', 'is required: the most tokens that the answer may have, as in 4096.')
  return facts
}

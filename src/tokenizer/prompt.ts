/**
 * What of a request a model reads: its texts, and what stands around them. In every wire of a caller, for the tokenizer to
 * count. Media are left out: they have rules of their own.
 */
import type { ChatFacts } from '../wire/openai.ts'
import { noOutline, type Outline, outline } from './outline.ts'

type Json = Readonly<Record<string, unknown>>

export interface Prompt {
  /** Texts of messages and instructions, each read by itself. */
  readonly texts: readonly string[]
  /** Tools, functions and the answer's schema, as JSON. */
  readonly schemas: readonly string[]
  /** The same, word by word. */
  readonly outline: Outline
  /** Token ids that the caller sent in place of text. */
  readonly ids: number
  readonly messages: number
  /** Messages of the model's. */
  readonly replies: number
  /** Calls of tools, and their results. */
  readonly calls: number
  /** Characters of thoughts that only their provider can open, in base64. */
  readonly sealedChars: number
  /** A form is asked of the answer. */
  readonly formatted: boolean
  /** False = something is in it of which nobody here knows how it is read, or how often. */
  readonly known: boolean
}

interface Found {
  readonly texts: string[]
  replies: number
  calls: number
  sealedChars: number
  known: boolean
}

/** Where texts stand, in the wires of chat, Messages, Responses and (as it is read) Gemini. */
const SPOKEN = ['system', 'instructions', 'messages', 'input', 'documents', 'prediction'] as const
const SCHEMAS = [
  'tools',
  'functions',
  'mcp_servers',
  'response_format',
  'output_config',
  'context_management',
  'text',
] as const

const FORMATS = ['response_format', 'output_config', 'text'] as const

/** Members of messages that are frame, a reference, or sealed for the provider alone: none is read as text. */
const FRAME: ReadonlySet<string> = new Set([
  'type',
  'role',
  'id',
  'tool_call_id',
  'tool_use_id',
  'call_id',
  'status',
  'index',
  'is_error',
  'prefix',
  'thought',
  'annotations',
  'phase',
  'cache_control',
  'detail',
  'media_type',
  'mimeType',
])
/** Objects whose bytes are media, and the members that hold them. */
const MEDIA = /^(?:image|image_url|input_image|input_audio|audio|video|video_url|file|input_file|document)$/
const MEDIA_MEMBERS: ReadonlySet<string> = new Set([
  'image_url',
  'video_url',
  'input_audio',
  'image',
  'audio',
  'file',
  'url',
  'file_url',
  'data',
  'file_data',
  'file_id',
  'fileUri',
  'format',
])
const GEMINI_MEDIA = ['inlineData', 'inline_data', 'fileData', 'file_data'] as const
/** Arguments of calls and answers of functions that came as JSON, and are read as its text. */
const AS_JSON: ReadonlySet<string> = new Set(['args', 'arguments', 'response', 'action', 'parameters'])
const CALLS =
  /^(?:function|function_call|function_call_output|tool_use|tool_result|custom_tool_call(?:_output)?|custom)$/
const DEPTH_MAX = 96

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null
const isModel = (role: unknown): boolean => role === 'assistant' || role === 'model'

/** `facts` as the caller's wire read them. Costs little: nothing is counted yet. */
export function readPrompt(facts: ChatFacts): Prompt {
  if (facts.prompts) return promptsOf(facts.prompts)
  const json: Json = facts.asked ?? facts.json
  const found: Found = { texts: [], replies: 0, calls: 0, sealedChars: 0, known: true }
  let messages = 0
  for (const name of SPOKEN) {
    const said = json[name]
    if (said == null) continue
    messages += Array.isArray(said) && name !== 'system' ? said.length : 1
    read(said, found, 0)
  }
  const schemas: string[] = []
  const words = noOutline()
  for (const name of SCHEMAS) {
    const schema = json[name]
    if (schema == null || (Array.isArray(schema) && schema.length === 0)) continue
    schemas.push(JSON.stringify(schema))
    outline(schema, words)
  }
  // a schema that refers to itself may be written out, who knows how often
  const known = found.known && !schemas.some(text => text.includes('"$ref"'))
  const formatted = FORMATS.some(name => json[name] != null)
  return { ...found, schemas, outline: words, ids: 0, messages, formatted, known }
}

function promptsOf(prompts: readonly (string | number)[]): Prompt {
  const texts = prompts.filter(one => typeof one === 'string')
  const ids = prompts.reduce<number>((sum, one) => sum + (typeof one === 'number' ? one : 0), 0)
  return {
    texts,
    schemas: [],
    outline: noOutline(),
    ids,
    messages: 0,
    replies: 0,
    calls: 0,
    sealedChars: 0,
    formatted: false,
    known: true,
  }
}

function read(value: unknown, found: Found, depth: number): void {
  if (typeof value === 'string') found.texts.push(value)
  else if (Array.isArray(value)) for (const one of value) read(one, found, depth + 1)
  else if (isObject(value)) {
    if (depth < DEPTH_MAX) readObject(value, found, depth)
    else found.texts.push(JSON.stringify(value))
  } else if (value != null) found.texts.push(String(value))
}

/** A message, an item, a part of one. Members that nobody here knows are text, with their names. */
function readObject(object: Json, found: Found, depth: number): void {
  const { type, role } = object
  if (isModel(role) || type === 'reasoning') found.replies++
  const isCall = (typeof type === 'string' && CALLS.test(type)) || object.functionCall != null
  if (isCall || role === 'tool' || object.functionResponse != null) found.calls++
  const media = mediaIn(object)
  if (typeof type === 'string' && !KNOWN_TYPES.test(type)) found.known = false
  for (const [name, member] of Object.entries(object)) {
    if (member == null || FRAME.has(name) || media.has(name)) continue
    if (typeof member === 'string' && isSealed(name, type)) {
      found.sealedChars += member.length
      continue
    }
    if (!KNOWN.has(name)) {
      found.texts.push(name)
      found.known = false
    }
    const asJson = isObject(member) && (AS_JSON.has(name) || (name === 'input' && isCall))
    if (asJson) found.texts.push(JSON.stringify(member))
    else read(member, found, depth + 1)
  }
}

/** Members whose names the model does not see as text. */
const KNOWN: ReadonlySet<string> = new Set([
  'content',
  'text',
  'parts',
  'tool_calls',
  'function',
  'name',
  'arguments',
  'args',
  'input',
  'output',
  'source',
  'thinking',
  'summary',
  'functionCall',
  'functionResponse',
  'response',
  'refusal',
  'reasoning_content',
  'reasoning',
  'filename',
])
/** Kinds of parts and items that recordings have shown the reading of. */
const KNOWN_TYPES =
  /^(?:(?:input_|output_)?text|summary_text|reasoning_text|refusal|message|reasoning|thinking|redacted_thinking|(?:image|input)_(?:url|image|audio|file)|image|file|base64|url|document|(?:custom_)?tool_(?:use|result|call|call_output)|custom_tool_call_output|function|custom|function_call(?:_output)?)$/
const SEALED: ReadonlySet<string> = new Set([
  'encrypted_content',
  'signature',
  'thoughtSignature',
  'thought_signature',
])
const isSealed = (name: string, type: unknown): boolean =>
  SEALED.has(name) || (name === 'data' && (type === 'redacted_thinking' || type === 'reasoning.encrypted'))
const NONE: ReadonlySet<string> = new Set()
const GEMINI_MEMBERS: ReadonlySet<string> = new Set(GEMINI_MEDIA)

/** Names of the members that hold media; text that was packed as a document or as inline data is text. */
function mediaIn(object: Json): ReadonlySet<string> {
  const { type, source } = object
  if (typeof type === 'string') {
    if (type === 'base64' || type === 'url' || type === 'file') return MEDIA_MEMBERS
    if (!MEDIA.test(type)) return NONE
    return isObject(source) && (source.type === 'text' || source.type === 'content') ? NONE : MEDIA_MEMBERS
  }
  for (const name of GEMINI_MEDIA) {
    const inline = object[name]
    if (isObject(inline) && !String(inline.mimeType ?? inline.mime_type).startsWith('text/'))
      return GEMINI_MEMBERS
  }
  return NONE
}

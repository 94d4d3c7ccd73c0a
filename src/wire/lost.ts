/**
 * What a chat request says below its top level and a target of another wire has no place for. Adapters that rebuild
 * messages name it with this, so that nothing is left out in silence. Pure; part of encoding.
 */
import { isObject } from './extensions.ts'

type Json = Record<string, unknown>

/** What a wire takes beyond the plain core of chat. */
export interface Taken {
  /** Members of messages, parts, tools and calls (`cache_control`, `detail`, `strict`, …). */
  readonly members: ReadonlySet<string>
  /** Can this entry of `reasoning_details` be handed back? Absent = none can. */
  readsDetail?(detail: Json): boolean
}

const set = (names: string): ReadonlySet<string> => new Set(names.split(' '))

/** The core: every chat target understands these, or refuses them by name. */
const MESSAGE = set('role content refusal tool_calls tool_call_id function_call reasoning_details is_error')
const PART = set('type text image_url input_audio file refusal video_url')
const IMAGE = set('url')
const CALL = set('id type function custom index')
const TOOL = set('type function custom')
const FUNCTION = set('name description parameters')

/** What clients hang on an answer before they hand it back: it says nothing new. */
const ECHOES = set('annotations audio parsed parsed_arguments reasoning reasoning_content')

const isSaid = (value: unknown): boolean =>
  value != null &&
  value !== false &&
  value !== '' &&
  value !== 'auto' &&
  !(Array.isArray(value) && value.length === 0)

/** Names of members that are said and not taken, each once: `name`, `detail`, `cache_control`, `reasoning_content`, … */
export function lostIn(json: Readonly<Json>, taken: Taken): string[] {
  const lost = new Set<string>()
  const look = (value: unknown, core: ReadonlySet<string>): void => {
    if (!isObject(value)) return
    for (const [name, said] of Object.entries(value))
      if (!core.has(name) && !taken.members.has(name) && !ECHOES.has(name) && isSaid(said)) lost.add(name)
  }
  for (const message of listOf(json.messages)) {
    // the name of a tool's result stands in its call already
    const { name, ...others } = message
    look(message.role === 'tool' || message.role === 'function' ? others : message, MESSAGE)
    lookAtThoughts(message, taken, lost)
    for (const part of listOf(message.content)) {
      look(part, PART)
      look(part.image_url, IMAGE)
    }
    for (const call of listOf(message.tool_calls)) look(call, CALL)
  }
  for (const tool of listOf(json.tools)) {
    if (!isObject(tool.function)) continue
    look(tool, TOOL)
    look(tool.function, FUNCTION)
  }
  return [...lost]
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** Thoughts without a signature are no use to those who sign; text that stands in a signed detail too is not lost. */
function lookAtThoughts(message: Json, taken: Taken, lost: Set<string>): void {
  const details = listOf(message.reasoning_details)
  const readable = details.filter(detail => taken.readsDetail?.(detail) === true)
  if (readable.length < details.length) lost.add('reasoning_details')
  if (readable.length > 0 || taken.members.has('reasoning_content')) return
  if (isSaid(message.reasoning_content) || isSaid(message.reasoning)) lost.add('reasoning_content')
}

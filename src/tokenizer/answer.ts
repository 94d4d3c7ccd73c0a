/** The texts that a model wrote, from an answer or an event of one in any wire: what the tokenizer counts where usage is missing. */

type Json = Readonly<Record<string, unknown>>

export interface Written {
  readonly texts: string[]
  /** Calls of tools. */
  calls: number
}

/** Members whose strings the model wrote: chat's, Anthropic's, those of Responses and Gemini. */
const TEXTS: ReadonlySet<string> = new Set([
  'content',
  'text',
  'reasoning_content',
  'refusal',
  'arguments',
  'partial_json',
  'thinking',
  'delta',
  'name',
])
/** Members that such stand in. */
const HOLDERS: ReadonlySet<string> = new Set([
  'choices',
  'delta',
  'message',
  'content',
  'parts',
  'content_block',
  'summary',
  'output',
  'candidates',
  'tool_calls',
  'function',
  'function_call',
  'functionCall',
])
const ARGUMENTS: ReadonlySet<string> = new Set(['args', 'input'])
const DEPTH_MAX = 16

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** Adds what stands in a whole answer or in one event of a stream. */
function gather(answer: unknown, written: Written): void {
  // events of the Responses wire repeat at their end what their deltas have said
  const type = isObject(answer) ? answer.type : undefined
  if (typeof type === 'string' && type.startsWith('response.') && !type.endsWith('.delta')) return
  walk(answer, written, 0)
}

function walk(value: unknown, written: Written, depth: number): void {
  if (depth > DEPTH_MAX || !isObject(value)) return
  if (Array.isArray(value)) {
    for (const one of value) walk(one, written, depth + 1)
    return
  }
  for (const [name, member] of Object.entries(value)) {
    if (typeof member === 'string') {
      // the same thoughts under two names are counted once
      const isText = TEXTS.has(name) || (name === 'reasoning' && value.reasoning_content == null)
      if (!isText || member === '') continue
      if (name === 'name') written.calls++
      written.texts.push(member)
    } else if (HOLDERS.has(name)) walk(member, written, depth + 1)
    else if (ARGUMENTS.has(name) && isObject(member) && Object.keys(member).length > 0)
      written.texts.push(JSON.stringify(member))
  }
}

/** Adds a whole answer; bytes that are no JSON hold nothing that could be counted. */
export function gatherWhole(answer: string, written: Written): void {
  try {
    gather(JSON.parse(answer), written)
  } catch {
    // sound, or a plain text
  }
}

/** Adds the events of a piece of a stream; one that was cut off at its end is left out. */
export function gatherEvents(stream: string, written: Written): void {
  for (const line of stream.split(/\r\n|\n|\r/)) {
    if (!line.startsWith('data:')) continue
    try {
      gather(JSON.parse(line.slice(5)), written)
    } catch {
      // `[DONE]`, or an event that is not all there
    }
  }
}

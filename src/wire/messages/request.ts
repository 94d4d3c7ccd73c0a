/** A Messages request → the same request in the chat wire, for targets that do not speak Messages. */
import { type Body, parseBody } from '../body.ts'
import { isObject, wrong } from '../extensions.ts'
import { onlyClaude } from './blocks.ts'
import { chatMessages } from './turns.ts'

type Json = Record<string, unknown>

/** Members with a place in chat, and settings that ask for nothing there. All others go on under their name, for the adapter to take or to report. */
const TRANSLATED: ReadonlySet<string> = new Set([
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
  'stop_sequences',
  'metadata',
  'service_tier',
])
/** A chat body is a few levels deeper than what it was made of. */
const DEPTH_MAX = 96

/** Throws GatewayError('invalid_request') for what chat cannot say: server tools, files of the Files API, threads. */
export function toChat(body: Body): Body {
  const { json } = body
  if (json.thread != null) throw onlyClaude('threads are kept', 'thread')
  if (Array.isArray(json.mcp_servers) && json.mcp_servers.length > 0)
    throw onlyClaude('MCP servers are called', 'mcp_servers')
  const chat: Json = {}
  for (const [name, value] of Object.entries(json)) if (!TRANSLATED.has(name)) chat[name] = value
  Object.assign(chat, {
    messages: chatMessages(body),
    ...tools(json),
    ...reasoning(json),
    ...responseFormat(json.output_config),
    ...(json.service_tier === 'standard_only' ? { service_tier: 'default' } : {}),
  })
  const stops = json.stop_sequences
  if (Array.isArray(stops) && stops.length > 0) chat.stop = stops
  return bodyOf(chat)
}

/** A chat value as a body: its bytes are what goes on. */
export function bodyOf(chat: Json): Body {
  const text = JSON.stringify(chat)
  return parseBody(new TextEncoder().encode(text), text, { depthMax: DEPTH_MAX })
}

function tools(json: Body['json']): Json {
  const made = Array.isArray(json.tools) ? json.tools.map(tool) : []
  const { tool_choice: choice } = json
  if (choice != null && !isObject(choice))
    throw wrong('tool_choice', 'must be an object, as in {"type": "auto"}.')
  return {
    ...(made.length > 0 ? { tools: made } : {}),
    ...(choice && made.length > 0 ? { tool_choice: choiceOf(choice) } : {}),
    ...(choice?.disable_parallel_tool_use === true && made.length > 0 ? { parallel_tool_calls: false } : {}),
  }
}

function tool(value: unknown, i: number): Json {
  const its = isObject(value) ? value : {}
  if (its.type != null && its.type !== 'custom')
    throw onlyClaude(`the tool ${String(its.type)} is offered`, `tools[${i}]`)
  if (typeof its.name !== 'string' || its.name === '') throw wrong(`tools[${i}].name`, 'must be a name.')
  return {
    type: 'function',
    function: {
      name: its.name,
      ...(typeof its.description === 'string' ? { description: its.description } : {}),
      parameters: isObject(its.input_schema) ? its.input_schema : { type: 'object', properties: {} },
      ...(its.strict === true ? { strict: true } : {}),
    },
    ...(isObject(its.cache_control) ? { cache_control: its.cache_control } : {}),
  }
}

function choiceOf(choice: Json): unknown {
  if (choice.type === 'auto' || choice.type === 'none') return choice.type
  if (choice.type === 'any') return 'required'
  if (choice.type === 'tool' && typeof choice.name === 'string')
    return { type: 'function', function: { name: choice.name } }
  throw wrong('tool_choice.type', 'must be "auto", "any", "tool" with a name, or "none".')
}

/** `thinking` and `output_config.effort` → `reasoning`. */
function reasoning({ thinking, output_config: output, reasoning: own }: Body['json']): Json {
  if (own != null) return { reasoning: own }
  const effort = isObject(output) && typeof output.effort === 'string' ? output.effort : undefined
  const on = isObject(thinking) && thinking.type !== 'disabled'
  if (isObject(thinking) && thinking.type === 'disabled') return { reasoning: { enabled: false } }
  if (effort !== undefined) return { reasoning: { effort } }
  const budget = on ? thinking.budget_tokens : undefined
  if (typeof budget === 'number') return { reasoning: { max_tokens: budget } }
  return on ? { reasoning: { enabled: true } } : {}
}

function responseFormat(output: unknown): Json {
  const format = isObject(output) ? output.format : undefined
  if (!isObject(format) || format.type !== 'json_schema') return {}
  const { schema } = format
  return {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', schema, ...(fitsStrict(schema) ? { strict: true } : {}) },
    },
  }
}

/** OpenAI's strict mode wants every object closed and every member required; asked for more, it refuses the request. */
export function fitsStrict(schema: unknown): boolean {
  if (Array.isArray(schema)) return schema.every(fitsStrict)
  if (!isObject(schema)) return true
  if (isObject(schema.properties)) {
    const required: unknown[] = Array.isArray(schema.required) ? schema.required : []
    if (schema.additionalProperties !== false) return false
    if (!Object.keys(schema.properties).every(name => required.includes(name))) return false
  }
  return Object.values(schema).every(fitsStrict)
}

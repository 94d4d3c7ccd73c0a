/** Tools, tool choice and text format of a Responses request in chat's form. Part of reading the request. */
import { isObject, wrong } from '../extensions.ts'
import type { Names } from './namespaces.ts'

type Json = Record<string, unknown>

const TOOLS_MAX = 1_024
const HOSTED = 'runs at OpenAI and is not offered here. Send a function tool and run it yourself.'

const without = (fields: Json): Json =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))

function named(tool: Json, param: string): string {
  if (typeof tool.name !== 'string' || tool.name === '') throw wrong(`${param}.name`, 'must be a name.')
  return tool.name
}

/** `{type: "grammar", syntax, definition}` has one level more in chat. */
function customFormat(format: unknown): unknown {
  if (!isObject(format) || format.type !== 'grammar') return format
  const { type, ...grammar } = format
  return { type, grammar }
}

/** A model can do without looking something up, so these are left out and reported; coding agents always send them. */
export function isDispensable(tool: unknown): tool is { type: string } {
  return isObject(tool) && typeof tool.type === 'string' && /^web_search(_|$)/.test(tool.type)
}

/** Flat tools → nested ones. Throws for the other tools that OpenAI would run itself. */
export function chatTools(tools: unknown, names: Names): Json[] | undefined {
  if (tools == null) return undefined
  if (!Array.isArray(tools) || tools.length > TOOLS_MAX)
    throw wrong('tools', `must be an array of at most ${TOOLS_MAX}.`)
  return tools.flatMap((tool, i) => {
    const param = `tools[${i}]`
    if (!isObject(tool)) throw wrong(param, 'must be an object.')
    if (isDispensable(tool)) return []
    if (tool.type !== 'namespace') return [chatTool(tool, param, (name: string) => name)]
    const group = named(tool, param)
    if (!Array.isArray(tool.tools)) throw wrong(`${param}.tools`, 'must be an array.')
    return tool.tools.map((one, j) => {
      const place = `${param}.tools[${j}]`
      if (!isObject(one)) throw wrong(place, 'must be an object.')
      return chatTool(one, place, (name: string) => names.flat(name, group))
    })
  })
}

/** Members that chat's tools have no place for are named by `lost`; a cache mark is one that some targets take. */
function chatTool(tool: Json, param: string, flat: (name: string) => string): Json {
  const { type, description, parameters, strict, format, cache_control: mark } = tool
  const marked = mark == null ? {} : { cache_control: mark }
  if (type === 'function') {
    const its = { name: flat(named(tool, param)), description, parameters, strict }
    return { type, function: without(its), ...marked }
  }
  if (type === 'custom') {
    const its = { name: flat(named(tool, param)), description, format: customFormat(format) }
    return { type, custom: without(its), ...marked }
  }
  const said = typeof type === 'string' ? type.slice(0, 64) : 'a tool without a type'
  throw wrong(`${param}.type`, `${said} ${HOSTED}`)
}

/** `{type, name}` → chat's nested form of it. */
function chosen(choice: Json, param: string, names: Names): Json {
  if (choice.type !== 'function' && choice.type !== 'custom') {
    throw wrong(`${param}.type`, `${String(choice.type).slice(0, 64)} ${HOSTED}`)
  }
  return { type: choice.type, [choice.type]: { name: names.flat(named(choice, param), choice.namespace) } }
}

export function chatToolChoice(choice: unknown, names: Names): unknown {
  if (choice == null || typeof choice === 'string') return choice ?? undefined
  if (!isObject(choice)) throw wrong('tool_choice', 'must be "auto", "none", "required" or an object.')
  if (choice.type !== 'allowed_tools') return chosen(choice, 'tool_choice', names)
  const { mode, tools } = choice
  if (!Array.isArray(tools)) throw wrong('tool_choice.tools', 'must be an array.')
  const allowed = tools.map((tool, i) => {
    const param = `tool_choice.tools[${i}]`
    if (!isObject(tool)) throw wrong(param, 'must be an object.')
    return chosen(tool, param, names)
  })
  return { type: 'allowed_tools', allowed_tools: { mode, tools: allowed } }
}

/** `text` → `response_format` and `verbosity`. */
export function chatText(text: unknown): Json {
  if (text == null) return {}
  if (!isObject(text)) throw wrong('text', 'must be an object, as in {"format": {"type": "text"}}.')
  const { format, verbosity } = text
  const said = verbosity == null ? {} : { verbosity }
  if (format == null) return said
  if (!isObject(format) || typeof format.type !== 'string') {
    throw wrong('text.format', 'must be an object with a type, as in {"type": "json_object"}.')
  }
  if (format.type === 'text') return said
  if (format.type === 'json_object') return { ...said, response_format: { type: 'json_object' } }
  if (format.type !== 'json_schema')
    throw wrong('text.format.type', 'must be "text", "json_object" or "json_schema".')
  if (!isObject(format.schema)) throw wrong('text.format.schema', 'must be a JSON schema.')
  const { type, name, description, schema, strict } = format
  if (typeof name !== 'string') throw wrong('text.format.name', 'must be a string.')
  return { ...said, response_format: { type, json_schema: without({ name, description, schema, strict }) } }
}

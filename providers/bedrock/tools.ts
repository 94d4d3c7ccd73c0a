/** `tools`, `tool_choice` and `response_format` → `toolConfig` and `outputConfig`; a forced tool where a model has no JSON mode. */
import { isObject } from '../../src/wire/raw-json.ts'
import type { Json } from '../provider.ts'
import { cachePoint, refuse } from './content.ts'
import type { Turn } from './messages.ts'
import type { ModelFacts } from './model.ts'

export const JSON_INSTRUCTION = 'Answer with one JSON object and nothing else: no prose, no code fence.'

export type JsonMode =
  | { readonly kind: 'native'; readonly name: string; readonly schema: Json }
  | { readonly kind: 'tool'; readonly name: string; readonly description: string; readonly schema: Json }
  /** `schema` undefined = any object. */
  | { readonly kind: 'instruction'; readonly schema: Json | undefined }

/** What `response_format` comes to for this model; undefined = text. Decided alike by encoder and decoders. */
export function jsonMode(request: Readonly<Json>, facts: ModelFacts): JsonMode | undefined {
  const format = request.response_format
  if (format === undefined || format === null) return undefined
  if (isObject(format)) {
    if (format.type === 'text') return undefined
    if (format.type === 'json_object') return { kind: 'instruction', schema: undefined }
    if (format.type === 'json_schema' && isObject(format.json_schema))
      return schemaMode(format.json_schema, request, facts)
  }
  throw refuse('must be text, json_object, or json_schema with a json_schema object', 'response_format')
}

function schemaMode(asked: Json, request: Readonly<Json>, facts: ModelFacts): JsonMode {
  const schema = isObject(asked.schema) ? asked.schema : { type: 'object' }
  const name = typeof asked.name === 'string' && /^[\w-]{1,64}$/.test(asked.name) ? asked.name : 'answer'
  if (facts.nativeJson) return { kind: 'native', name, schema }
  if (facts.forces === 'none') return { kind: 'instruction', schema }
  const taken = new Set(
    listOf(request.tools).map(tool => (isObject(tool.function) ? tool.function.name : undefined)),
  )
  let free = 'json'
  while (taken.has(free)) free = `${free}_`
  const description = typeof asked.description === 'string' ? asked.description : 'Give the answer as JSON.'
  return { kind: 'tool', name: free, description, schema }
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** Name of the forced JSON tool of this request, for the decoders; never throws. */
export function jsonToolName(request: Readonly<Json>, facts: ModelFacts): string | undefined {
  try {
    const mode = jsonMode(request, facts)
    return mode?.kind === 'tool' ? mode.name : undefined
  } catch {
    return undefined
  }
}

export interface Tools {
  readonly toolConfig: Json | undefined
  readonly dropped: readonly string[]
}

type Choice = { readonly kind: 'auto' | 'any' | 'none' } | { readonly kind: 'tool'; readonly name: string }

export function encodeTools(
  json: Readonly<Json>,
  facts: ModelFacts,
  mode: JsonMode | undefined,
  turns: readonly Turn[],
): Tools {
  const dropped: string[] = []
  let choice = readChoice(json.tool_choice)
  const declared = declaredByHistory(turns)
  let tools = readTools(json.tools, facts)
  // There is no "none": without tools none can be called, but a history with calls is refused without them.
  if (choice?.kind === 'none') {
    if (declared.length === 0) tools = []
    else if (tools.length > 0) dropped.push('tool_choice')
  }
  if (tools.length === 0 && declared.length > 0) tools = declared
  if (mode?.kind === 'tool') {
    const inputSchema = { json: mode.schema }
    choice = tools.length > 0 ? { kind: 'any' } : { kind: 'tool', name: mode.name }
    tools.push({ toolSpec: { name: mode.name, description: mode.description, inputSchema } })
  }
  if (tools.length === 0) return { toolConfig: undefined, dropped }
  if (json.parallel_tool_calls === false) dropped.push('parallel_tool_calls')
  const toolChoice = encodeChoice(choice, facts)
  if (toolChoice === 'lost') dropped.push('tool_choice')
  const chosen = toolChoice === undefined || toolChoice === 'lost' ? {} : { toolChoice }
  return { toolConfig: { tools, ...chosen }, dropped }
}

function encodeChoice(choice: Choice | undefined, facts: ModelFacts): Json | 'lost' | undefined {
  switch (choice?.kind) {
    case 'any':
      return facts.forces === 'none' ? 'lost' : { any: {} }
    case 'tool':
      if (facts.forces === 'none') return 'lost'
      return facts.forces === 'any' ? { any: {} } : { tool: { name: choice.name } }
    case 'auto':
      return { auto: {} }
    default:
      return undefined
  }
}

function readTools(tools: unknown, facts: ModelFacts): Json[] {
  if (tools === undefined || tools === null) return []
  if (!Array.isArray(tools)) throw refuse('must be an array', 'tools')
  return tools.flatMap((tool, i) => {
    const at = `tools[${i}]`
    if (!isObject(tool)) throw refuse('must be an object', at)
    // Converse's own (`systemTool: {name: "nova_grounding"}`) go on as they are.
    if (isObject(tool.systemTool) || isObject(tool.toolSpec)) return [tool]
    const its = tool.function
    if (!isObject(its) || typeof its.name !== 'string' || its.name === '')
      throw refuse('must be {type: "function", function: {name, parameters}}', at)
    const parameters = its.parameters ?? { type: 'object', properties: {} }
    if (!isObject(parameters)) throw refuse('must be a JSON schema', `${at}.function.parameters`)
    // The root has to say that it is an object; chat schemas sometimes leave it out.
    const schema = parameters.type === undefined ? { type: 'object', ...parameters } : parameters
    const description =
      typeof its.description === 'string' && its.description.trim() !== ''
        ? { description: its.description }
        : {}
    const strict = facts.nativeJson && its.strict === true ? { strict: true } : {}
    const spec = { name: its.name, ...description, inputSchema: { json: schema }, ...strict }
    const mark = facts.cache === 'all' ? cachePoint(tool.cache_control ?? its.cache_control, facts) : []
    return [{ toolSpec: spec }, ...mark]
  })
}

function readChoice(choice: unknown): Choice | undefined {
  if (choice === undefined || choice === null) return undefined
  if (choice === 'auto' || choice === 'none') return { kind: choice }
  if (choice === 'required' || choice === 'any') return { kind: 'any' }
  if (isObject(choice)) {
    const its = isObject(choice.function) ? choice.function : choice
    if ((choice.type === 'function' || choice.type === 'tool') && typeof its.name === 'string')
      return { kind: 'tool', name: its.name }
  }
  throw refuse('must be none, auto, required or a function', 'tool_choice')
}

/** Tools that the history calls: it is refused when none are declared. */
function declaredByHistory(turns: readonly Turn[]): Json[] {
  const names = new Set<string>()
  for (const { content } of turns)
    for (const { toolUse } of content) if (isObject(toolUse)) names.add(String(toolUse.name))
  const inputSchema = { json: { type: 'object', properties: {} } }
  return [...names].map(name => ({ toolSpec: { name, inputSchema } }))
}

/** `tools`, `tool_choice`, `parallel_tool_calls`, and the forced tool of emulated JSON mode. */
import type { Json } from '../provider.ts'
import { type Block, cacheMark, refuse } from './content.ts'
import type { JsonMode } from './json-mode.ts'
import type { Turn } from './messages.ts'
import type { ModelFacts } from './models.ts'
import { isObject } from './raw.ts'
import { cleanSchema, strictFits } from './schema.ts'

export interface Tools {
  readonly tools: Json[]
  readonly choice: Json | undefined
  /** any or tool. */
  readonly forced: boolean
  readonly dropped: readonly string[]
}

type Choice = { readonly kind: 'auto' | 'any' | 'none' } | { readonly kind: 'tool'; readonly name: string }

export function encodeTools(
  json: Readonly<Json>,
  facts: ModelFacts,
  mode: JsonMode | undefined,
  turns: readonly Turn[],
  upstream: string,
): Tools {
  const asked = encodeOwn(json, facts, mode, turns)
  if (json.web_search_options == null) return asked
  // A model that has to call something else will not search, and another maker's model cannot.
  if (asked.forced || !/claude/i.test(upstream))
    return { ...asked, dropped: [...asked.dropped, 'web_search_options'] }
  const { tool, dropped } = searchTool(json.web_search_options)
  return { ...asked, tools: [...asked.tools, tool], dropped: [...asked.dropped, ...dropped] }
}

/**
 * OpenAI's wish for a search as the tool that Anthropic runs; how often it may search is left to the model, as there.
 * Source: platform.claude.com "Web search tool"; `user_location` has the members of OpenAI's `approximate`.
 */
function searchTool(options: unknown): { tool: Json; dropped: readonly string[] } {
  const { user_location: place, search_context_size: size, ...rest } = isObject(options) ? options : {}
  const where = isObject(place) && isObject(place.approximate) ? place.approximate : undefined
  const tool = {
    type: 'web_search_20250305',
    name: 'web_search',
    ...(where !== undefined && { user_location: { ...where, type: 'approximate' } }),
  }
  const lost = Object.keys(rest)
  if (size != null && size !== 'medium') lost.push('search_context_size')
  return { tool, dropped: lost.map(name => `web_search_options.${name}`) }
}

/** The caller's own tools, and the forced one. */
function encodeOwn(
  json: Readonly<Json>,
  facts: ModelFacts,
  mode: JsonMode | undefined,
  turns: readonly Turn[],
): Tools {
  const dropped: string[] = []
  let tools = readTools(json.tools, facts)
  if (Array.isArray(json.tools) && json.tools.some((tool, i) => isStrict(tool) && tools[i]?.strict !== true))
    dropped.push('strict')
  let { choice, allowed } = readChoice(json.tool_choice)
  if (allowed !== undefined) {
    const only = allowed
    tools = tools.filter(tool => only.has(String(tool.name)))
  }
  if (tools.length === 0) {
    // History with calls is refused when no tools are declared, so the ones it names are, and none may be called.
    tools = declaredByHistory(turns)
    choice = tools.length > 0 ? { kind: 'none' } : undefined
  }
  if (mode?.kind === 'tool') {
    choice =
      tools.length > 0 && (choice === undefined || choice.kind === 'auto' || choice.kind === 'any')
        ? { kind: 'any' }
        : choice?.kind === 'tool'
          ? choice
          : { kind: 'tool', name: mode.name }
    tools = [...tools, { name: mode.name, description: mode.description, input_schema: mode.schema }]
  }
  if (!facts.forcedTools && (choice?.kind === 'any' || choice?.kind === 'tool')) {
    // These models refuse to be forced: the nearest thing is to offer nothing else.
    const named = choice.kind === 'tool' ? choice.name : undefined
    if (named !== undefined) tools = tools.filter(tool => tool.name === named)
    choice = { kind: 'auto' }
    dropped.push('tool_choice')
  }
  if (tools.length === 0) return { tools, choice: undefined, forced: false, dropped }
  const one = json.parallel_tool_calls === false || mode?.kind === 'tool'
  return { tools, choice: encodeChoice(choice, one), forced: isForced(choice), dropped }
}

const isForced = (choice: Choice | undefined): boolean => choice?.kind === 'any' || choice?.kind === 'tool'

function encodeChoice(choice: Choice | undefined, one: boolean): Json | undefined {
  if (choice === undefined && !one) return undefined
  const kind = choice?.kind ?? 'auto'
  const name = choice?.kind === 'tool' ? { name: choice.name } : {}
  return { type: kind, ...name, ...(one && kind !== 'none' ? { disable_parallel_tool_use: true } : {}) }
}

function readTools(tools: unknown, facts: ModelFacts): Json[] {
  if (tools === undefined || tools === null) return []
  if (!Array.isArray(tools)) throw refuse('must be an array', 'tools')
  const strict = facts.nativeJson && strictFits(tools.filter(isStrict).map(tool => tool.function.parameters))
  return tools.map((tool, i) => readTool(tool, strict, `tools[${i}]`))
}

const isStrict = (tool: unknown): tool is { function: Json } =>
  isObject(tool) && isObject(tool.function) && tool.function.strict === true

function readTool(tool: unknown, strict: boolean, at: string): Json {
  if (!isObject(tool)) throw refuse('must be an object', at)
  // Anthropic's own server and client tools (`web_search_20250305`, …) have no `function`.
  if (tool.function === undefined && typeof tool.type === 'string' && /_\d{8}$/.test(tool.type)) return tool
  const its = tool.function
  if (!isObject(its) || typeof its.name !== 'string' || its.name === '') {
    throw refuse('must be {type: "function", function: {name, parameters}}', at)
  }
  const parameters = its.parameters ?? { type: 'object', properties: {} }
  if (!isObject(parameters)) throw refuse('must be a JSON schema', `${at}.function.parameters`)
  const isStrictNow = strict && its.strict === true
  const schema = isStrictNow ? cleanSchema(parameters) : parameters
  return {
    name: its.name,
    ...(typeof its.description === 'string' && its.description !== ''
      ? { description: its.description }
      : {}),
    // The root has to say that it is an object; chat schemas sometimes leave it out.
    input_schema: isObject(schema) && schema.type === undefined ? { type: 'object', ...schema } : schema,
    ...(isStrictNow ? { strict: true } : {}),
    ...cacheMark(tool.cache_control ?? its.cache_control),
  }
}

function readChoice(choice: unknown): { choice: Choice | undefined; allowed?: ReadonlySet<string> } {
  if (choice === undefined || choice === null) return { choice: undefined }
  if (choice === 'auto' || choice === 'none') return { choice: { kind: choice } }
  if (choice === 'required' || choice === 'any') return { choice: { kind: 'any' } }
  if (isObject(choice)) {
    const its = isObject(choice.function) ? choice.function : choice
    if ((choice.type === 'function' || choice.type === 'tool') && typeof its.name === 'string') {
      return { choice: { kind: 'tool', name: its.name } }
    }
    const set = isObject(choice.allowed_tools) ? choice.allowed_tools : undefined
    if (choice.type === 'allowed_tools' && set !== undefined && Array.isArray(set.tools)) {
      const names = set.tools.map(tool =>
        isObject(tool) ? String(isObject(tool.function) ? tool.function.name : tool.name) : '',
      )
      return { choice: { kind: set.mode === 'required' ? 'any' : 'auto' }, allowed: new Set(names) }
    }
  }
  throw refuse('must be none, auto, required, a function, or allowed_tools', 'tool_choice')
}

function declaredByHistory(turns: readonly Turn[]): Json[] {
  const names = new Set<string>()
  for (const turn of turns) {
    for (const block of turn.content as readonly Block[]) {
      if (block.type === 'tool_use') names.add(String(block.name))
    }
  }
  return [...names].map(name => ({ name, input_schema: { type: 'object', properties: {} } }))
}

/** Tools, tool choice and answer format of a chat request → Gemini's. The three are one matter: older models cannot mix them. */
import type { FunctionDeclaration, Tool, ToolConfig } from '@google/genai'
import type { Json } from '../provider.ts'
import type { ModelFacts } from './model.ts'
import { isObject, listAt, objectAt, refusal } from './params.ts'
import { encodeSchema, isEmptySchema } from './schema.ts'
import type { Plain } from './wire.ts'

/** Function names, both ways: Gemini wants `[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}`, OpenAI lets a name begin with a digit. */
export interface ToolNames {
  toWire(name: string): string
  fromWire(name: string): string
}

const GOOD_NAME = /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/

/** The name table of one request; the same request always makes the same table, so that answers can be read back. */
export function toolNames(json: Json): ToolNames {
  const there = new Map<string, string>()
  const back = new Map<string, string>()
  const toWire = (name: string): string => {
    if (GOOD_NAME.test(name)) return name
    const known = there.get(name)
    if (known !== undefined) return known
    const plain = name.replace(/[^a-zA-Z0-9_.:-]/g, '_').replace(/^(?![a-zA-Z_])/, '_')
    let made = plain.slice(0, 64)
    for (let n = 2; taken.has(made) || back.has(made); n++) made = `${plain.slice(0, 60)}_${n}`
    there.set(name, made)
    back.set(made, name)
    return made
  }
  const names = functionsOf(json).map(tool => tool.name)
  const taken = new Set(names)
  for (const name of names) toWire(name)
  return { toWire, fromWire: name => back.get(name) ?? name }
}

interface FunctionTool {
  readonly name: string
  readonly description: string | undefined
  readonly parameters: unknown
  readonly strict: boolean
}

function functionsOf(json: Json): FunctionTool[] {
  return (listAt(json, 'tools') ?? []).map((tool, i) => {
    const param = `tools[${i}]`
    if (!isObject(tool) || tool.type !== 'function') {
      throw refusal(
        `${param}.type`,
        `${param}.type must be "function": Gemini models take function tools only`,
      )
    }
    const spec = tool.function
    if (!isObject(spec) || typeof spec.name !== 'string' || spec.name === '') {
      throw refusal(`${param}.function.name`, `${param}.function needs a name`)
    }
    const { name, description, parameters, strict } = spec
    if (parameters != null && !isObject(parameters)) {
      throw refusal(
        `${param}.function.parameters`,
        `${param}.function.parameters must be a JSON Schema object`,
      )
    }
    return {
      name,
      description: typeof description === 'string' && description !== '' ? description : undefined,
      parameters,
      strict: strict === true,
    }
  })
}

interface Choice {
  readonly mode: 'none' | 'auto' | 'required'
  /** Only these may be called. */
  readonly only: readonly string[] | undefined
}

function choiceOf(json: Json): Choice {
  const choice = json.tool_choice
  if (choice === undefined || choice === null || choice === 'auto') return { mode: 'auto', only: undefined }
  if (choice === 'none' || choice === 'required') return { mode: choice, only: undefined }
  if (isObject(choice) && choice.type === 'function' && isObject(choice.function)) {
    const { name } = choice.function
    if (typeof name === 'string') return { mode: 'required', only: [name] }
  }
  if (isObject(choice) && choice.type === 'allowed_tools' && isObject(choice.allowed_tools)) {
    const { mode, tools } = choice.allowed_tools
    const names = (Array.isArray(tools) ? tools : []).map(tool =>
      isObject(tool) && isObject(tool.function) ? tool.function.name : undefined,
    )
    if (names.length > 0 && names.every(name => typeof name === 'string')) {
      return { mode: mode === 'required' ? 'required' : 'auto', only: names as string[] }
    }
  }
  throw refusal(
    'tool_choice',
    'tool_choice must be "none", "auto", "required", {"type":"function","function":{"name":…}} or allowed_tools',
  )
}

type Format = { readonly json: false } | { readonly json: true; readonly schema: Json | undefined }

function formatOf(json: Json): Format {
  const format = objectAt(json, 'response_format')
  if (format === undefined || format.type === 'text') return { json: false }
  if (format.type === 'json_object') return { json: true, schema: undefined }
  if (format.type !== 'json_schema') {
    throw refusal(
      'response_format.type',
      'response_format.type must be "text", "json_object" or "json_schema"',
    )
  }
  const place = 'response_format.json_schema'
  const schema = objectAt(objectAt(format, 'json_schema', place) ?? {}, 'schema', `${place}.schema`)
  if (schema === undefined) throw refusal(`${place}.schema`, `${place} needs a schema`)
  return { json: true, schema }
}

/**
 * Before Gemini 3 a JSON answer beside functions is refused, so the schema becomes one more function and some call is
 * required; its arguments are the answer. Returns that function's name, or undefined where this is not needed.
 */
export function answerTool(json: Json, facts: ModelFacts): string | undefined {
  if (facts.modern || choiceOf(json).mode !== 'auto') return undefined
  const format = formatOf(json)
  const names = functionsOf(json).map(tool => tool.name)
  if (!format.json || format.schema === undefined || names.length === 0) return undefined
  let name = 'json_answer'
  for (let n = 2; names.includes(name); n++) name = `json_answer_${n}`
  return name
}

export interface EncodedTools {
  readonly tools: Plain<Tool>[] | undefined
  readonly toolConfig: Plain<ToolConfig> | undefined
  readonly format: { responseMimeType?: string; responseJsonSchema?: unknown }
}

/** The whole matter of tools; `dropped` gets what this model cannot have beside them. */
export function encodeTools(
  json: Json,
  facts: ModelFacts,
  names: ToolNames,
  dropped: string[],
): EncodedTools {
  const choice = choiceOf(json)
  const format = formatOf(json)
  const answer = answerTool(json, facts)
  const all = functionsOf(json)
  const { mode, only } = choice
  // Gemini limits names only where a call is required; under `auto` the others are not declared.
  const offered = mode === 'auto' && only !== undefined ? all.filter(tool => only.includes(tool.name)) : all
  for (const name of only ?? []) {
    if (!all.some(tool => tool.name === name)) {
      throw refusal('tool_choice', `tool_choice names "${name}", which is not among tools`)
    }
  }
  const declared: Plain<FunctionDeclaration>[] = offered.map(tool => ({
    name: names.toWire(tool.name),
    ...(tool.description === undefined ? {} : { description: tool.description }),
    ...(isEmptySchema(tool.parameters) ? {} : { parametersJsonSchema: encodeSchema(tool.parameters) }),
  }))
  if (answer !== undefined && format.json) {
    const description = 'Gives the final answer to the user. Call it when no other function is needed.'
    declared.push({ name: answer, description, parametersJsonSchema: encodeSchema(format.schema) })
  }
  // `none` beside a JSON answer: older models refuse the pair, and undeclared functions cannot be called either.
  const jsonAlone = format.json && !facts.modern && mode === 'none'
  const hasFunctions = declared.length > 0 && !jsonAlone
  const tools: Plain<Tool>[] = hasFunctions ? [{ functionDeclarations: declared }] : []
  if (json.web_search_options != null) {
    // Search beside functions needs its calls replayed by the client, which this wire has no place for.
    if (hasFunctions) dropped.push('web_search_options')
    else tools.push({ googleSearch: {} })
  }
  const strict = facts.modern && offered.some(tool => tool.strict)
  // before Gemini 3 nothing checks the arguments
  if (!facts.modern && offered.some(tool => tool.strict)) dropped.push('strict')
  return {
    tools: tools.length > 0 ? tools : undefined,
    toolConfig: hasFunctions ? toolConfigOf(choice, answer !== undefined, strict, names) : undefined,
    format: formatFields(format, facts, { hasFunctions, mode, answer }, dropped),
  }
}

function toolConfigOf(
  { mode, only }: Choice,
  mustAnswer: boolean,
  strict: boolean,
  names: ToolNames,
): Plain<ToolConfig> | undefined {
  if (mode === 'none') return { functionCallingConfig: { mode: 'NONE' } }
  if (mode === 'required') {
    const allowed = only === undefined ? {} : { allowedFunctionNames: only.map(name => names.toWire(name)) }
    return { functionCallingConfig: { mode: 'ANY', ...allowed } }
  }
  if (mustAnswer) return { functionCallingConfig: { mode: 'ANY' } }
  // AUTO is the default; said aloud it has been seen to leak raw JSON into the text.
  return strict ? { functionCallingConfig: { mode: 'VALIDATED' } } : undefined
}

function formatFields(
  format: Format,
  facts: ModelFacts,
  beside: { hasFunctions: boolean; mode: Choice['mode']; answer: string | undefined },
  dropped: string[],
): EncodedTools['format'] {
  if (!format.json || beside.answer !== undefined) return {}
  if (beside.hasFunctions) {
    // A required call leaves no text for the format to shape.
    if (beside.mode === 'required') return {}
    if (!facts.modern) {
      dropped.push('response_format')
      return {}
    }
  }
  const schema = format.schema === undefined ? {} : { responseJsonSchema: encodeSchema(format.schema) }
  return { responseMimeType: 'application/json', ...schema }
}

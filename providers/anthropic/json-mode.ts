/** `response_format` on this wire: native, a forced tool, or an instruction. Decided alike by encoder and decoders. */
import type { Json } from '../provider.ts'
import { refuse } from './content.ts'
import { modelFacts } from './models.ts'
import { isObject } from './raw.ts'
import { cleanSchema, fitsNative } from './schema.ts'

export type JsonMode =
  | { readonly kind: 'native'; readonly schema: unknown }
  | { readonly kind: 'tool'; readonly name: string; readonly description: string; readonly schema: unknown }
  | { readonly kind: 'instruction' }

export const JSON_INSTRUCTION = 'Answer with one JSON object and nothing else: no prose, no code fence.'

/** What `response_format` comes to for this model; undefined = text. Throws on a form that nobody knows. */
export function jsonMode(request: Readonly<Json>, upstream: string): JsonMode | undefined {
  const format = request.response_format
  if (format === undefined || format === null) return undefined
  if (isObject(format)) {
    if (format.type === 'text') return undefined
    if (format.type === 'json_object') return { kind: 'instruction' }
    if (format.type === 'json_schema' && isObject(format.json_schema)) {
      return schemaMode(format.json_schema, request, upstream)
    }
  }
  throw refuse('must be text, json_object, or json_schema with a json_schema object', 'response_format')
}

function schemaMode(asked: Json, request: Readonly<Json>, upstream: string): JsonMode {
  const facts = modelFacts(upstream)
  const schema = isObject(asked.schema) ? asked.schema : { type: 'object' }
  if (facts.nativeJson && (fitsNative(schema) || !facts.forcedTools)) {
    return { kind: 'native', schema: cleanSchema(schema) }
  }
  const taken = new Set(toolNames(request))
  let name = 'json'
  while (taken.has(name)) name = `${name}_`
  const description = typeof asked.description === 'string' ? asked.description : 'Give the answer as JSON.'
  return { kind: 'tool', name, description, schema }
}

function toolNames(request: Readonly<Json>): unknown[] {
  const tools = Array.isArray(request.tools) ? request.tools : []
  return tools.map(tool =>
    isObject(tool) ? (isObject(tool.function) ? tool.function.name : tool.name) : undefined,
  )
}

/** Name of the forced JSON tool of this request, for the decoders; never throws. */
export function jsonToolName(request: Readonly<Json>, upstream: string): string | undefined {
  try {
    const mode = jsonMode(request, upstream)
    return mode?.kind === 'tool' ? mode.name : undefined
  } catch {
    return undefined
  }
}

/** `reasoning: {exclude: true}`: think, but do not show it. */
export function hidesReasoning(request: Readonly<Json>): boolean {
  return isObject(request.reasoning) && request.reasoning.exclude === true
}

/** JSON Schema as Gemini takes it. Used for tool parameters and for `response_format`. */
import { isObject } from './params.ts'

/** Keywords whose value is one schema, a list of them, or a map of them. */
const ONE = new Set([
  'items',
  'additionalProperties',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'propertyNames',
])
const LIST = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems', 'items'])
const MAP = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas'])

/**
 * Copies a schema with `const` written as an `enum` of one: `parametersJsonSchema` and `responseJsonSchema` ignore `const`
 * (https://ai.google.dev/api/generate-content, `responseJsonSchema`). Only schema positions are touched: a property that
 * happens to be called `const` stays.
 */
export function encodeSchema(schema: unknown): unknown {
  if (!isObject(schema)) return schema
  const made: [string, unknown][] = []
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'const') made.push(['enum', [value]])
    else if (LIST.has(key) && Array.isArray(value)) made.push([key, value.map(encodeSchema)])
    else if (ONE.has(key)) made.push([key, encodeSchema(value)])
    else if (MAP.has(key) && isObject(value)) {
      made.push([key, Object.fromEntries(Object.entries(value).map(([k, v]) => [k, encodeSchema(v)]))])
    } else if (!(key === 'enum' && 'const' in schema)) made.push([key, value])
  }
  return Object.fromEntries(made)
}

/** True for a function without parameters: its schema is left out, because an object without properties is refused. */
export function isEmptySchema(schema: unknown): boolean {
  if (!isObject(schema)) return true
  const { properties } = schema
  const open = ['anyOf', 'oneOf', 'allOf', '$ref', 'patternProperties'].some(key => key in schema)
  return !open && (properties === undefined || (isObject(properties) && Object.keys(properties).length === 0))
}

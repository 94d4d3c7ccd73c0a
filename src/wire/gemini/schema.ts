/** Google's own kind of schema (OpenAPI 3.0's, https://ai.google.dev/api/caching#Schema) → JSON Schema. Used for tools and answers. */
import { isObject } from '../extensions.ts'
import { snakeOf } from './proto.ts'

/** Fields whose spelling may be either, and those that hold 64-bit integers, which may be strings. */
const COUNTS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minProperties', 'maxProperties']
const NAMES = [...COUNTS, 'anyOf', 'propertyOrdering', 'prefixItems', 'additionalProperties']
const CAMEL: ReadonlyMap<string, string> = new Map(NAMES.map(name => [snakeOf(name), name]))

/** A copy with lower-case types and numbers as numbers. `propertyOrdering` goes: the order of `properties` says it. */
export function jsonSchema(schema: unknown): unknown {
  if (!isObject(schema)) return schema
  const made: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(schema)) {
    const name = CAMEL.get(key) ?? key
    if (name === 'type') {
      if (value !== 'TYPE_UNSPECIFIED') made.type = typeof value === 'string' ? value.toLowerCase() : value
    } else if (name === 'items' || name === 'additionalProperties') made[name] = jsonSchema(value)
    else if (name === 'properties' && isObject(value))
      made.properties = Object.fromEntries(Object.entries(value).map(([k, v]) => [k, jsonSchema(v)]))
    else if ((name === 'anyOf' || name === 'prefixItems') && Array.isArray(value))
      made[name] = value.map(jsonSchema)
    else if (COUNTS.includes(name)) made[name] = typeof value === 'string' ? Number(value) : value
    else if (name === 'example') made.examples = [value]
    // `enum` is Google's mark of a string that has one, no format of JSON Schema
    else if (name !== 'propertyOrdering' && name !== 'nullable' && !(name === 'format' && value === 'enum'))
      made[name] = value
  }
  return schema.nullable === true ? withNull(made) : made
}

function withNull(schema: Record<string, unknown>): unknown {
  const { type, enum: values, anyOf } = schema
  if (Array.isArray(anyOf)) return { ...schema, anyOf: [...anyOf, { type: 'null' }] }
  return {
    ...schema,
    ...(typeof type === 'string' ? { type: [type, 'null'] } : {}),
    ...(Array.isArray(values) && !values.includes(null) ? { enum: [...values, null] } : {}),
  }
}

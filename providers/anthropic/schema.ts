/** JSON schemas as Anthropic's constrained decoder takes them. */
import type { Json } from '../provider.ts'
import { isObject } from './raw.ts'

/** https://docs.claude.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations */
const FORMATS = new Set('date-time time date duration email hostname uri ipv4 ipv6 uuid'.split(' '))

const KEPT = [
  '$schema',
  '$id',
  '$ref',
  'title',
  'description',
  'default',
  'const',
  'enum',
  'type',
  'required',
]

/** Refused as keywords: they go into the description, where the model still reads them. */
const TOLD = (
  'minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength pattern ' +
  'minItems maxItems uniqueItems minProperties maxProperties not'
).split(' ')

/** Keeps what the decoder knows, closes every object, turns oneOf into anyOf. What is no object comes back as it is. */
export function cleanSchema(schema: unknown): unknown {
  if (!isObject(schema)) return schema
  const definitions: Json = {}
  for (const name of ['definitions', '$defs']) {
    if (isObject(schema[name])) definitions[name] = cleanAll(schema[name])
  }
  if (typeof schema.$ref === 'string') return { $ref: schema.$ref, ...definitions }
  const clean: Json = {}
  for (const name of KEPT) if (schema[name] !== undefined) clean[name] = schema[name]
  const either = schema.anyOf ?? schema.oneOf
  if (Array.isArray(either)) clean.anyOf = either.map(cleanSchema)
  if (Array.isArray(schema.allOf)) clean.allOf = schema.allOf.map(cleanSchema)
  Object.assign(clean, definitions)
  if (isObject(schema.properties)) clean.properties = cleanAll(schema.properties)
  if (isClosable(schema)) clean.additionalProperties = false
  const items = schema.items
  if (items !== undefined) clean.items = Array.isArray(items) ? items.map(cleanSchema) : cleanSchema(items)
  if (typeof schema.format === 'string' && FORMATS.has(schema.format)) clean.format = schema.format
  const told = TOLD.filter(name => schema[name] !== undefined).map(
    name => `${name}: ${JSON.stringify(schema[name])}`,
  )
  if (told.length > 0) {
    const before = typeof schema.description === 'string' ? `${schema.description}\n` : ''
    clean.description = `${before}{${told.join(', ')}}`
  }
  return clean
}

const cleanAll = (schemas: Json): Json =>
  Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, cleanSchema(schema)]))

const isClosable = (schema: Json): boolean => schema.type === 'object' || isObject(schema.properties)

interface Shape {
  /** Properties that are not required, and properties with more than one type. */
  optional: number
  unions: number
  open: boolean
  recursive: boolean
  steps: number
}

/** References may fan out: 30 lines of schema can stand for 2^30 nodes. */
const STEPS_MAX = 20_000

function measure(schema: unknown, root: unknown, refs: readonly string[], shape: Shape): void {
  if (Array.isArray(schema))
    for (const one of shape.steps > STEPS_MAX ? [] : schema) measure(one, root, refs, shape)
  if (!isObject(schema)) return
  if (++shape.steps > STEPS_MAX) {
    shape.recursive = true
    return
  }
  if (typeof schema.$ref === 'string') {
    if (refs.includes(schema.$ref)) shape.recursive = true
    else measure(resolve(root, schema.$ref), root, [...refs, schema.$ref], shape)
    return
  }
  if (Array.isArray(schema.type) || schema.anyOf !== undefined || schema.oneOf !== undefined) shape.unions++
  if (isClosable(schema)) {
    const names = isObject(schema.properties) ? Object.keys(schema.properties) : []
    const required = Array.isArray(schema.required) ? schema.required : []
    shape.optional += names.filter(name => !required.includes(name)).length
    // A free-form object that is closed can only be {}: the model could not say what was asked for.
    if (isObject(schema.additionalProperties) || schema.additionalProperties === true) shape.open = true
    if (names.length === 0 && schema.additionalProperties !== false) shape.open = true
    if (isObject(schema.properties)) measure(Object.values(schema.properties), root, refs, shape)
  }
  // Past the limit nothing below can change the verdict.
  if (shape.steps > STEPS_MAX) return
  for (const name of ['anyOf', 'oneOf', 'allOf', 'items', 'prefixItems'])
    measure(schema[name], root, refs, shape)
}

function resolve(root: unknown, ref: string): unknown {
  if (!ref.startsWith('#')) return undefined
  let at: unknown = root
  for (const step of ref.slice(1).split('/').filter(Boolean)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~')
    if (!isObject(at) || !Object.hasOwn(at, name)) return undefined
    at = at[name]
  }
  return at
}

function shapeOf(schema: unknown): Shape {
  const shape: Shape = { optional: 0, unions: 0, open: false, recursive: false, steps: 0 }
  measure(schema, schema, [], shape)
  return shape
}

// Refused above 24; grammars stop compiling from 11 on (vercel/ai supports-native-structured-output-schema.ts).
const OPTIONAL_MAX = 10

/** Can `output_config.format` hold this schema without refusing it or losing a part of the answer? */
export function fitsNative(schema: unknown): boolean {
  const { optional, open, recursive } = shapeOf(schema)
  return isObject(schema) && optional <= OPTIONAL_MAX && !open && !recursive
}

// pi-ai strict-tool-limits.js: 20 strict tools, 16 optional or union parameters over all of them.
const STRICT_TOOLS_MAX = 20
const STRICT_LOOSE_MAX = 16

/** Which of these `strict` tools may stay strict: all, or none when the compiled grammar would be refused. */
export function strictFits(schemas: readonly unknown[]): boolean {
  if (schemas.length > STRICT_TOOLS_MAX) return false
  const shapes = schemas.map(shapeOf)
  if (shapes.some(shape => shape.open || shape.recursive)) return false
  return shapes.reduce((sum, shape) => sum + shape.optional + shape.unions, 0) <= STRICT_LOOSE_MAX
}

/** Untrusted JSON → typed value, or one clear fault: which field, why, and the nearest known name. */
import { z } from 'zod'
import { GatewayError } from '../errors.ts'
import { nearest } from '../config/nearest.ts'

type JsonSchema = { properties?: Record<string, JsonSchema>; anyOf?: JsonSchema[]; items?: JsonSchema }

/** `['budgets', 0, 'usd']` → `budgets[0].usd`. */
function jsonPath(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part) : `.${String(part)}`
  }
  return text
}

/** Names that the schema knows at this place. */
function knownNames(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let places = [z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema]
  for (const part of [...path, undefined]) {
    places = places.flatMap(place => [place, ...(place.anyOf ?? [])])
    if (part === undefined) break
    const next = (place: JsonSchema) =>
      typeof part === 'number' ? place.items : place.properties?.[String(part)]
    places = places.map(next).filter(place => place !== undefined)
  }
  return places.flatMap(place => Object.keys(place.properties ?? {}))
}

/** "`x` is not a field here; did you mean `y`?" for one unknown name. */
export function unknownName(name: string, where: string, known: readonly string[]): GatewayError {
  const shown = name.slice(0, 60)
  const near = nearest(name, known, 1)[0]
  const hint = near === undefined ? `known are ${known.join(', ') || 'none'}` : `did you mean \`${near}\`?`
  const param = where === '' ? shown : `${where}.${shown}`
  return new GatewayError('invalid_request', `unknown field \`${param}\`: ${hint}`, { param })
}

/** Parses with a strict schema. Throws GatewayError `invalid_request` for the first fault. */
export function parseStrict<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  if (issue === undefined) throw new GatewayError('invalid_request', 'the body is not valid')
  const where = jsonPath(issue.path)
  if (issue.code === 'unrecognized_keys') {
    throw unknownName(issue.keys[0] ?? '', where, knownNames(schema, issue.path))
  }
  const reason = issue.message.replace(/^Invalid input: /, '')
  const message = where === '' ? `the body is not valid: ${reason}` : `\`${where}\`: ${reason}`
  throw new GatewayError('invalid_request', message, where === '' ? {} : { param: where })
}

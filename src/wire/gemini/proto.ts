/**
 * Reads protobuf's JSON as Google's servers do (https://protobuf.dev/programming-guides/json): a field may be written in
 * camelCase or in snake_case, and one value may stand where a list is wanted. Used all over this wire.
 */
import { isObject, wrong } from '../extensions.ts'

export type Json = Readonly<Record<string, unknown>>

const snakes = new Map<string, string>()

/** `inlineData` → `inline_data`. Asked for this wire's own field names only, so the table stays small. */
export function snakeOf(name: string): string {
  let snake = snakes.get(name)
  if (snake === undefined) {
    snake = name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
    snakes.set(name, snake)
  }
  return snake
}

/** The value of a field by its camelCase name; null counts as absent. */
export function field(from: Json, name: string): unknown {
  const value = from[name] ?? from[snakeOf(name)]
  return value === null ? undefined : value
}

/** Is this the name of that field, in either spelling? */
export const isField = (key: string, name: string): boolean => key === name || key === snakeOf(name)

/** A field that holds an object. Throws invalid_request naming `param`. */
export function objectField(from: Json, name: string, param = name): Json | undefined {
  const value = field(from, name)
  if (value === undefined || isObject(value)) return value
  throw wrong(param, 'must be an object.')
}

/** A field that holds a list of objects; a single one is a list of one, as Google's own examples write it. */
export function listField(from: Json, name: string, param = name): readonly Json[] {
  const value = field(from, name)
  if (value === undefined) return []
  if (isObject(value)) return [value]
  if (!Array.isArray(value)) throw wrong(param, 'must be an array of objects.')
  for (let i = 0; i < value.length; i++)
    if (!isObject(value[i])) throw wrong(`${param}[${i}]`, 'must be an object.')
  return value as Json[]
}

/** A field that holds text. */
export function textField(from: Json, name: string, param = name): string | undefined {
  const value = field(from, name)
  if (value === undefined || typeof value === 'string') return value
  throw wrong(param, 'must be a string.')
}

/** A field that holds a number; 64-bit integers may be written as strings. */
export function numberField(from: Json, name: string, param = name): number | undefined {
  const value = field(from, name)
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value
  if (typeof value === 'string' && /^-?\d{1,15}$/.test(value)) return Number(value)
  throw wrong(param, 'must be a number.')
}

/** As `numberField`, whole and not below `least`. */
export function wholeField(from: Json, name: string, param: string, least: number): number | undefined {
  const value = numberField(from, name, param)
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return value
  throw wrong(param, `must be a whole number, ${least} or more.`)
}

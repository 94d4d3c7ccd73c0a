/** Reads the caller's parameters, one at a time, with an error that names the place. First step of encoding. */
import { GatewayError } from '../../src/errors.ts'
import type { Json } from '../provider.ts'

/** A plain JSON object? */
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** What to throw for input that this wire cannot say; `param` is the JSON path. */
export const refusal = (param: string, message: string): GatewayError =>
  new GatewayError('invalid_request', message, { param })

/** A number; absent and null are the default. */
export function numberAt(from: Json, name: string): number | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw refusal(name, `${name} must be a number`)
}

/** A whole number; absent and null are the default. */
export function wholeAt(from: Json, name: string): number | undefined {
  const value = numberAt(from, name)
  if (value === undefined || Number.isSafeInteger(value)) return value
  throw refusal(name, `${name} must be a whole number`)
}

/** A JSON object; absent and null are undefined. */
export function objectAt(from: Json, name: string, param = name): Json | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (isObject(value)) return value
  throw refusal(param, `${param} must be an object`)
}

/** An array; absent and null are undefined. */
export function listAt(from: Json, name: string, param = name): readonly unknown[] | undefined {
  const value = from[name]
  if (value === undefined || value === null) return undefined
  if (Array.isArray(value)) return value
  throw refusal(param, `${param} must be an array`)
}

/** A request's schemas with all digits of their long numbers, before it is translated: numbers of JavaScript end at 2^53. */
import type { Body, Member } from './body.ts'
import { exactIntegers, isObject } from './raw-json.ts'

/** Members that hold schemas, in any of the callers' wires. */
const SCHEMAS: ReadonlySet<string> = new Set([
  'tools',
  'functions',
  'response_format',
  'text',
  'output_config',
  'generationConfig',
  'generation_config',
])
/** 2^53 has sixteen digits. */
const LONG = /\d{16}/

const decoder = new TextDecoder()

/** The body itself when there is none. Its `json` is for whoever writes it again: bytes and places stay. */
export function withLongIntegers(body: Body): Body {
  let json: Record<string, unknown> | undefined
  for (const member of body.members) {
    if (!SCHEMAS.has(member.key)) continue
    const text = textOf(body, member)
    if (!LONG.test(text)) continue
    json ??= { ...body.json }
    json[member.key] = withSettings(JSON.parse(text, exactIntegers), body.json[member.key])
  }
  return json === undefined ? body : { ...body, json }
}

const textOf = ({ bytes }: Body, { valueStart, valueEnd }: Member): string =>
  decoder.decode(bytes.subarray(valueStart, valueEnd))

/** What stands beside a schema is no part of it: a seed is looked at as a number. */
function withSettings(exact: unknown, plain: unknown): unknown {
  if (!isObject(exact) || !isObject(plain)) return exact
  const settings = Object.entries(plain).filter(([, value]) => typeof value === 'number')
  return { ...exact, ...Object.fromEntries(settings) }
}

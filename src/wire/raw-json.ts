/** JSON text with pieces that are already text: tool arguments go upstream exactly as the model once wrote them. Used by adapters. */

type Json = Record<string, unknown>

/** JSON text that is written as it stands; whoever makes one has seen it parse. */
export class RawJson {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** `JSON.stringify` that knows RawJson. Members that are undefined are left out. */
export function writeJson(value: unknown): string {
  if (value instanceof RawJson) return value.text
  if (Array.isArray(value)) return `[${value.map(writeJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members: string[] = []
    for (const [key, member] of Object.entries(value)) {
      if (member !== undefined) members.push(`${JSON.stringify(key)}:${writeJson(member)}`)
    }
    return `{${members.join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

const EMPTY = new RawJson('{}')

/**
 * `function.arguments` → `tool_use.input`, which has to be an object. Nothing said → `{}`; an object stays text, so
 * that key order and numbers like 1.0 or 2^60 survive; an object encoded twice is unwrapped once; anything else,
 * also what does not parse, becomes `{"arguments": …}`: the model sees what it wrote, and nothing crashes.
 */
export function rawArguments(text: unknown): RawJson {
  if (text === undefined || text === null) return EMPTY
  if (typeof text !== 'string') return isObject(text) ? new RawJson(JSON.stringify(text)) : wrapped(text)
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === 'null') return EMPTY
  const value = parsed(trimmed)
  if (isObject(value)) return new RawJson(trimmed)
  if (typeof value === 'string' && isObject(parsed(value))) return new RawJson(value)
  return value === undefined ? wrapped(text) : new RawJson(`{"arguments":${trimmed}}`)
}

function wrapped(value: unknown): RawJson {
  return new RawJson(JSON.stringify({ arguments: value }))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A JSON object: not null, not an array. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

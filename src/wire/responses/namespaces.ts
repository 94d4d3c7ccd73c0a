/**
 * Tools that a Responses caller groups under a namespace, as Codex does with sub-agents and MCP servers. Chat knows no
 * groups: a tool goes by `<namespace>__<name>` there, and a call of it comes back under both. Part of translating.
 */
import { isObject } from '../extensions.ts'

type Json = Record<string, unknown>

/** OpenAI's longest function name. */
const NAME_CHARS_MAX = 64

/** A tool as its caller knows it. */
export interface Place {
  readonly namespace: string
  readonly name: string
}

export interface Names {
  /** The name in chat; as it is for tools without a namespace. */
  flat(name: string, namespace: unknown): string
  /** Undefined = a tool without a namespace. */
  place(flat: string): Place | undefined
}

const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

/** The name table of one request: the same `tools` always make the same one. */
export function namesIn(tools: unknown): Names {
  const places = new Map<string, Place>()
  const taken = new Set(listOf(tools).map(({ name }) => name))
  const known = new Map<string, string>()
  const flat = (name: string, namespace: unknown): string => {
    if (typeof namespace !== 'string' || namespace === '') return name
    const key = JSON.stringify([namespace, name])
    const before = known.get(key)
    if (before !== undefined) return before
    const whole = `${namespace}__${name}`.replace(/[^a-zA-Z0-9_-]/g, '_')
    let made = whole.slice(0, NAME_CHARS_MAX)
    for (let n = 2; taken.has(made); n++) made = `${whole.slice(0, NAME_CHARS_MAX - 4)}_${n}`
    taken.add(made)
    known.set(key, made)
    places.set(made, { namespace, name })
    return made
  }
  for (const group of listOf(tools))
    if (group.type === 'namespace')
      for (const { name } of listOf(group.tools)) if (typeof name === 'string') flat(name, group.name)
  return { flat, place: name => places.get(name) }
}

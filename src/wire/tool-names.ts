/**
 * Names of tools for a target that takes fewer of them than the caller's wire: in a translated request they go out in a
 * form that it takes, and come back as the caller wrote them. Between wires only: where nothing is translated, bytes pass.
 */
import type { Body } from './body.ts'
import { withLongIntegers } from './exact.ts'
import { isObject } from './extensions.ts'
import { bodyOf } from './messages/request.ts'

type Json = Record<string, unknown>

/** OpenAI's (API reference, `tools.function.name`), and so everybody's who speaks its wire; Amazon's and Cohere's too. */
const USUAL = /^[a-zA-Z0-9_-]{1,64}$/
const NAME_CHARS_MAX = 64

/** Both ways between the names of a request and those that a target takes. */
export interface ToolNames {
  toWire(name: string): string
  fromWire(name: string): string
}

/** `json` = a chat request, `takes` = what the target takes; undefined = all names fit. The same request always makes the same table. */
export function toolNames(json: Readonly<Json>, takes: RegExp = USUAL): ToolNames | undefined {
  const names = new Set<string>()
  const look = (name: string) => {
    names.add(name)
    return name
  }
  named(json, look)
  const odd = [...names].filter(name => !takes.test(name))
  if (odd.length === 0) return undefined
  const there = new Map<string, string>()
  const back = new Map<string, string>()
  for (const name of odd) {
    const plain = name.replace(/[^a-zA-Z0-9_-]/g, '_')
    let made = plain.slice(0, NAME_CHARS_MAX) || '_'
    for (let n = 2; names.has(made) || back.has(made); n++)
      made = `${plain.slice(0, NAME_CHARS_MAX - 1 - String(n).length)}_${n}`
    there.set(name, made)
    back.set(made, name)
  }
  return { toWire: name => there.get(name) ?? name, fromWire: name => back.get(name) ?? name }
}

/** The request with other names. */
export function withToolNames(chat: Body, { toWire }: ToolNames): Body {
  return withLongIntegers(bodyOf(named(withLongIntegers(chat).json, toWire)))
}

/** A completion, or a chunk of one, with the caller's names. A call's name comes in one piece. */
export function withCallersNames(answer: Json, { fromWire }: ToolNames): Json {
  if (!Array.isArray(answer.choices)) return answer
  const choices = answer.choices.map((choice: unknown) => {
    if (!isObject(choice)) return choice
    const { message, delta } = choice
    if (isCalling(message)) return { ...choice, message: calling(message, fromWire) }
    return isCalling(delta) ? { ...choice, delta: calling(delta, fromWire) } : choice
  })
  return { ...answer, choices }
}

type Rename = (name: string) => string

const isCalling = (message: unknown): message is Json =>
  isObject(message) && Array.isArray(message.tool_calls)

/** A chat request with each name of a tool put through `rename`: where it is offered, chosen and called. */
function named(json: Readonly<Json>, rename: Rename): Json {
  const { tools, tool_choice: choice, messages } = json
  return {
    ...json,
    ...(Array.isArray(tools) && { tools: tools.map(tool => renamed(tool, rename)) }),
    ...(isObject(choice) && { tool_choice: chosen(choice, rename) }),
    ...(Array.isArray(messages) && {
      messages: messages.map(message => (isCalling(message) ? calling(message, rename) : message)),
    }),
  }
}

const calling = (message: Json, rename: Rename): Json => ({
  ...message,
  tool_calls: (message.tool_calls as unknown[]).map(call => renamed(call, rename)),
})

/** A tool, a choice of one, or a call. */
function renamed(entry: unknown, rename: Rename): unknown {
  if (!isObject(entry)) return entry
  for (const kind of ['function', 'custom']) {
    const its = entry[kind]
    if (isObject(its) && typeof its.name === 'string' && its.name !== '')
      return { ...entry, [kind]: { ...its, name: rename(its.name) } }
  }
  return entry
}

function chosen(choice: Json, rename: Rename): unknown {
  const { allowed_tools: allowed } = choice
  if (!isObject(allowed) || !Array.isArray(allowed.tools)) return renamed(choice, rename)
  return { ...choice, allowed_tools: { ...allowed, tools: allowed.tools.map(tool => renamed(tool, rename)) } }
}

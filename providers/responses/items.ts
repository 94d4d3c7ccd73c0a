/** Chat messages → items of a Responses input: https://platform.openai.com/docs/api-reference/responses/create. Part of encoding. */
import { GatewayError } from '../../src/errors.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import { SEALED_FORMAT } from '../../src/wire/signed.ts'
import type { Json } from '../provider.ts'

/** A fault of the caller's, at its place in the request. */
export function refuse(message: string, param: string): GatewayError {
  return new GatewayError('invalid_request', `${param}: ${message}`, { param })
}

/** `idOf`: call ids in the form that the host takes. */
export function inputItems(messages: unknown, idOf: (id: string) => string): Json[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw refuse('must be an array with at least one message', 'messages')
  const custom = new Set<string>()
  const items = messages.flatMap((message: unknown, i) => {
    const at = `messages[${i}]`
    if (!isObject(message)) throw refuse('must be an object with role and content', at)
    switch (message.role) {
      case 'system':
      case 'developer':
      case 'user':
        return [{ role: message.role, content: contentOf(message.content, `${at}.content`, 'input_text') }]
      case 'assistant':
        return turnOf(message, at, idOf, custom)
      case 'tool':
        return [resultOf(message, at, idOf, custom)]
      default:
        throw refuse('must be system, developer, user, assistant or tool', `${at}.role`)
    }
  })
  return withOutputs(items)
}

/** "No tool output found for function call …" (400): a call that was never answered is said to be. */
function withOutputs(items: readonly Json[]): Json[] {
  const isOutput = ({ type }: Json) => typeof type === 'string' && type.endsWith('_call_output')
  const answered = new Set(items.filter(isOutput).map(item => item.call_id))
  return items.flatMap(item => {
    const { type, call_id: id } = item
    if ((type !== 'function_call' && type !== 'custom_tool_call') || answered.has(id)) return [item]
    return [item, { type: `${type}_output`, call_id: id, output: 'No result was given.' }]
  })
}

type TextType = 'input_text' | 'output_text'

/** A string stays one; parts are named anew, one by one. */
function contentOf(content: unknown, at: string, text: TextType): string | Json[] {
  if (typeof content === 'string') return content
  if (content == null) return ''
  if (!Array.isArray(content)) throw refuse('must be a string or an array of parts', at)
  return content.map((part: unknown, i) => partOf(part, `${at}[${i}]`, text))
}

function partOf(part: unknown, at: string, text: TextType): Json {
  if (!isObject(part)) throw refuse('must be an object with a type', at)
  switch (part.type) {
    case 'text':
      return { type: text, text: part.text }
    case 'refusal':
      return { type: 'refusal', refusal: part.refusal }
    case 'image_url': {
      const { url, detail } = isObject(part.image_url) ? part.image_url : { url: part.image_url }
      return { type: 'input_image', image_url: url, detail: detail ?? 'auto' }
    }
    case 'file':
      return fileOf(part.file, at)
  }
  throw refuse('must be text, image_url or file: the Responses wire has no other parts', `${at}.type`)
}

/** Chat has one member for data and addresses; here each has its own. */
function fileOf(file: unknown, at: string): Json {
  const { file_data: data, file_id: id, filename } = isObject(file) ? file : {}
  if (id != null) return { type: 'input_file', file_id: id }
  if (typeof data !== 'string') throw refuse('must have file_data or file_id', `${at}.file`)
  if (/^https?:\/\//.test(data)) return { type: 'input_file', file_url: data }
  return { type: 'input_file', filename: filename ?? 'file', file_data: data }
}

/** What the model said: its text, then its calls, and among them its sealed thoughts at the places that they came from. */
function turnOf(message: Json, at: string, idOf: (id: string) => string, custom: Set<string>): Json[] {
  const content = contentOf(message.content, `${at}.content`, 'output_text')
  const parts =
    typeof content === 'string' ? (content === '' ? [] : [{ type: 'output_text', text: content }]) : content
  const { refusal } = message
  const all = typeof refusal === 'string' && refusal !== '' ? [...parts, { type: 'refusal', refusal }] : parts
  const said: Json[] = all.length > 0 ? [{ role: 'assistant', content: all }] : []
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls : []
  calls.forEach((call: unknown, i) => void said.push(callOf(call, `${at}.tool_calls[${i}]`, idOf, custom)))
  const items: Json[] = []
  for (const { item, index } of thoughtsIn(message.reasoning_details)) {
    while (items.length < index && said.length > 0) items.push(said.shift() as Json)
    items.push(item)
  }
  return [...items, ...said]
}

function callOf(call: unknown, at: string, idOf: (id: string) => string, custom: Set<string>): Json {
  if (!isObject(call) || typeof call.id !== 'string') throw refuse('must have an id', at)
  const id = idOf(call.id)
  if (call.type === 'custom' && isObject(call.custom)) {
    custom.add(id)
    return { type: 'custom_tool_call', call_id: id, name: call.custom.name, input: call.custom.input }
  }
  if (!isObject(call.function)) throw refuse('must be a function call', at)
  const { name, arguments: args } = call.function
  return { type: 'function_call', call_id: id, name, arguments: args === '' || args == null ? '{}' : args }
}

function resultOf(
  message: Json,
  at: string,
  idOf: (id: string) => string,
  custom: ReadonlySet<string>,
): Json {
  const { tool_call_id: id, content } = message
  if (typeof id !== 'string' || id === '') throw refuse('must be the id of the call', `${at}.tool_call_id`)
  const type = custom.has(idOf(id)) ? 'custom_tool_call_output' : 'function_call_output'
  return { type, call_id: idOf(id), output: contentOf(content, `${at}.content`, 'input_text') }
}

interface Thought {
  readonly item: Json
  /** Which item of its answer it was. */
  readonly index: number
  /** What it is made of. */
  readonly details: readonly Json[]
}

/** Reasoning items as they came, of the details that can be opened again: sealed, or in plain text. A summary alone says nothing to the model. */
function thoughtsIn(details: unknown): readonly Thought[] {
  const items = new Map<unknown, Json[]>()
  for (const detail of Array.isArray(details) ? details : [])
    if (isObject(detail) && detail.format === SEALED_FORMAT) {
      const key = detail.id ?? detail.index
      items.set(key, [...(items.get(key) ?? []), detail])
    }
  return [...items.values()]
    .filter(parts => parts.some(({ data, text }) => typeof data === 'string' || typeof text === 'string'))
    .map(parts => ({ item: itemOf(parts), index: placeIn(parts), details: parts }))
    .sort((a, b) => a.index - b.index)
}

const placeIn = (parts: readonly Json[]): number => {
  const { index } = parts[0] ?? {}
  return typeof index === 'number' ? index : 0
}

function itemOf(parts: readonly Json[]): Json {
  const texts = (member: string, type: string) =>
    parts.filter(part => typeof part[member] === 'string').map(part => ({ type, text: part[member] }))
  const id = parts.find(part => typeof part.id === 'string')?.id
  const data = parts.find(part => typeof part.data === 'string')?.data
  const content = texts('text', 'reasoning_text')
  return {
    type: 'reasoning',
    ...(id !== undefined && { id }),
    summary: texts('summary', 'summary_text'),
    ...(content.length > 0 && { content }),
    ...(data !== undefined && { encrypted_content: data }),
  }
}

/** The entries of `reasoning_details`, in all messages, that go back. */
export function handedBack(messages: unknown): ReadonlySet<unknown> {
  const all = (Array.isArray(messages) ? messages : []).filter(isObject)
  return new Set(all.flatMap(message => thoughtsIn(message.reasoning_details).flatMap(one => one.details)))
}

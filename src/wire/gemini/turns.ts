/** Gemini's contents → chat messages: results become messages of their own, calls keep the text of their arguments, signatures are kept. */
import { type Body, elementsAt, membersAt } from '../body.ts'
import { isObject, wrong } from '../extensions.ts'
import { GOOGLE_FORMAT } from '../signed.ts'
import { chatParts, onlyGemini } from './parts.ts'
import { field, isField, type Json, listField, objectField, textField } from './proto.ts'
import { readSignature } from './signatures.ts'

type Message = Record<string, unknown>

interface OpenCall {
  readonly id: string
  readonly name: string
  answered: boolean
}

/** What the model said, in one or several contents: streaming clients keep each event as a content of its own. */
interface Said {
  readonly parts: Message[]
  thought: string
  readonly details: Json[]
  readonly calls: Message[]
}

interface Talk {
  readonly messages: Message[]
  readonly calls: OpenCall[]
  said: Said | undefined
}

/** `contents` and `systemInstruction` as chat messages. Throws for what only Gemini reads. */
export function chatMessages({ bytes, json, members }: Body): Message[] {
  const talk: Talk = { messages: [], calls: [], said: undefined }
  const system = objectField(json, 'systemInstruction')
  if (system) {
    const parts = listField(system, 'parts', 'systemInstruction.parts')
    const texts = parts.flatMap((part, i) => chatParts(part, `systemInstruction.parts[${i}]`))
    if (texts.length > 0) talk.messages.push({ role: 'system', content: contentOf(texts) })
  }
  const place = members.findLast(({ key }) => key === 'contents')
  const starts = place ? listAt(bytes, place.valueStart) : []
  for (const [i, content] of listField(json, 'contents').entries())
    addContent(talk, content, `contents[${i}]`, { bytes, start: starts[i] ?? 0 })
  closeTurn(talk)
  return talk.messages
}

/** Where the text of a content stands: `args` and `response` go on as they were written. */
interface Source {
  readonly bytes: Uint8Array
  readonly start: number
}

const OPEN_BRACKET = 0x5b

/** Offsets of the elements of a list; a single value is a list of one. */
const listAt = (bytes: Uint8Array, start: number): readonly number[] =>
  bytes[start] === OPEN_BRACKET ? elementsAt(bytes, start) : [start]

const decoder = new TextDecoder()

/** The text of `<member>.<inner>` in the part with this number; undefined = it is not there. */
function textOf({ bytes, start }: Source, part: number, member: string, inner: string): string | undefined {
  const valueAt = (at: number | undefined, name: string) =>
    at === undefined ? undefined : membersAt(bytes, at).findLast(({ key }) => isField(key, name))
  const parts = valueAt(start, 'parts')
  const at = parts && listAt(bytes, parts.valueStart)[part]
  const found = valueAt(valueAt(at, member)?.valueStart, inner)
  return found && decoder.decode(bytes.subarray(found.valueStart, found.valueEnd))
}

function addContent(talk: Talk, content: Json, param: string, source: Source): void {
  const role = field(content, 'role')
  const parts = listField(content, 'parts', `${param}.parts`)
  if (role === 'model') {
    talk.said ??= { parts: [], thought: '', details: [], calls: [] }
    for (const [i, part] of parts.entries())
      addModelPart(talk, talk.said, part, `${param}.parts[${i}]`, () =>
        textOf(source, i, 'functionCall', 'args'),
      )
    return
  }
  closeTurn(talk)
  const said: Message[] = []
  for (const [i, part] of parts.entries()) {
    const place = `${param}.parts[${i}]`
    const result = objectField(part, 'functionResponse')
    if (result)
      addResult(talk, result, `${place}.functionResponse`, textOf(source, i, 'functionResponse', 'response'))
    else said.push(...chatParts(part, place))
  }
  if (said.length > 0)
    talk.messages.push({ role: role === 'system' ? 'system' : 'user', content: contentOf(said) })
}

function addModelPart(
  talk: Talk,
  said: Said,
  part: Json,
  param: string,
  args: () => string | undefined,
): void {
  const signed = readSignature(field(part, 'thoughtSignature'))
  if (signed?.by === 'other') for (const { index: _, ...detail } of signed.details) said.details.push(detail)
  const google = signed?.by === 'google' ? signed.signature : undefined
  if (field(part, 'thought') === true) {
    const text = textField(part, 'text') ?? ''
    said.thought += text
    if (google !== undefined)
      said.details.push({ type: 'reasoning.text', text, signature: google, format: GOOGLE_FORMAT })
    return
  }
  const call = objectField(part, 'functionCall')
  if (call) {
    const name = textField(call, 'name') ?? ''
    const id = textField(call, 'id') || `call_${talk.calls.length + 1}`
    talk.calls.push({ id, name, answered: false })
    said.calls.push({
      id,
      type: 'function',
      function: { name, arguments: args() ?? '{}' },
      ...(google === undefined ? {} : { extra_content: { google: { thought_signature: google } } }),
    })
    return
  }
  for (const made of chatParts(part, param)) {
    if (made.type !== 'text') throw onlyGemini('media that the model made are read', param)
    said.parts.push(made)
  }
  if (google !== undefined)
    said.details.push({ type: 'reasoning.encrypted', data: google, format: GOOGLE_FORMAT })
}

/** The model's turn is over: one assistant message. */
function closeTurn(talk: Talk): void {
  const { said } = talk
  talk.said = undefined
  if (!said) return
  const { calls, details } = said
  const text = said.parts.map(part => String(part.text)).join('')
  const thought =
    said.thought || details.map(each => (typeof each.text === 'string' ? each.text : '')).join('')
  if (text === '' && thought === '' && calls.length === 0 && details.length === 0) return
  talk.messages.push({
    role: 'assistant',
    content: text === '' && calls.length > 0 ? null : text,
    ...(thought === '' ? {} : { reasoning_content: thought }),
    ...(details.length === 0
      ? {}
      : { reasoning_details: details.map((detail, index) => ({ ...detail, index })) }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  })
}

/** A result belongs to the call with its id, or to the first call of its name that waits for one. */
function addResult(talk: Talk, result: Json, param: string, written: string | undefined): void {
  const id = textField(result, 'id', `${param}.id`)
  const name = textField(result, 'name', `${param}.name`)
  const waiting = talk.calls.filter(call => !call.answered)
  const call = (id && waiting.find(each => each.id === id)) || waiting.find(each => each.name === name)
  if (!call) throw wrong(param, 'must answer a functionCall that stands before it and has no answer yet.')
  call.answered = true
  const files = listField(result, 'parts', `${param}.parts`).flatMap((part, i) =>
    chatParts(part, `${param}.parts[${i}]`),
  )
  const text = outputOf(field(result, 'response'), written)
  talk.messages.push({
    role: 'tool',
    tool_call_id: call.id,
    content: files.length === 0 ? text : [{ type: 'text', text }, ...files],
  })
}

/** `output` alone is the function's answer, by Google's convention; anything else is the answer as a whole. */
function outputOf(response: unknown, written: string | undefined): string {
  if (isObject(response) && typeof response.output === 'string' && Object.keys(response).length === 1)
    return response.output
  return written ?? ''
}

/** `content` as short as it can be said: text alone is a string. */
function contentOf(parts: readonly Message[]): unknown {
  const [only] = parts
  return parts.length === 1 && only?.type === 'text' ? only.text : parts
}

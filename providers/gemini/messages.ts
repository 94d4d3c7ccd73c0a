/**
 * Chat messages → Gemini `contents` and `systemInstruction`. Part of encoding.
 * Parts are made as JSON text, so that tool arguments and results go upstream as they were written: no number loses a digit.
 */
import type { Part } from '@google/genai'
import type { Json } from '../provider.ts'
import { encodePart } from './media.ts'
import type { ModelFacts } from './model.ts'
import { isObject, listAt, refusal } from './params.ts'
import { readSignatures, SKIP_SIGNATURE, signatureOf } from './signatures.ts'
import type { ToolNames } from './tools.ts'
import type { Plain } from './wire.ts'

type WirePart = Plain<Part>

/** A function call that waits for its result. */
interface OpenCall {
  readonly id: string
  readonly name: string
  /** The finished functionResponse part as JSON text. */
  result: string | undefined
}

/** One `content` in the making; neighbours of the same role have been merged. */
interface Turn {
  readonly role: 'user' | 'model'
  /** functionResponse parts: they come first, all those of a parallel turn together. */
  readonly results: string[]
  readonly parts: string[]
  /** Place among `parts` of the first call, when that has no signature; undefined while there is no call. */
  unsigned: number | 'none' | undefined
}

interface Conversation {
  readonly turns: Turn[]
  readonly system: string[]
  open: OpenCall[]
  readonly facts: ModelFacts
  readonly names: ToolNames
  readonly signatureFor: SignatureFor
}

/** Signature of a call by its id, when the client has lost it. */
type SignatureFor = ((callId: string) => string | undefined) | undefined

export interface EncodedMessages {
  /** JSON text of the `contents` array. */
  readonly contents: string
  readonly system: readonly string[]
}

/** Reads `messages` whole. Throws invalid_request with the JSON path of what it cannot read. */
export function encodeMessages(
  json: Json,
  facts: ModelFacts,
  names: ToolNames,
  signatureFor?: SignatureFor,
): EncodedMessages {
  const messages = listAt(json, 'messages') ?? []
  const talk: Conversation = { turns: [], system: [], open: [], facts, names, signatureFor }
  messages.forEach((message, i) => {
    const param = `messages[${i}]`
    if (!isObject(message)) throw refusal(param, `${param} must be an object`)
    addMessage(talk, message, param)
  })
  closeCalls(talk)
  let system: readonly string[] = talk.system
  const turns = mergeTurns(talk.turns)
  if (turns.length === 0 || !facts.hasSystem) {
    // Nothing but instructions, or a model without a place for them: they are said by the user.
    const said = system.map(text => partText({ text }))
    const first = turns[0]
    if (first?.role === 'user') first.parts.unshift(...said)
    else if (said.length > 0) turns.unshift({ role: 'user', results: [], parts: said, unsigned: undefined })
    system = []
  }
  if (turns.length === 0) throw refusal('messages', 'messages must hold at least one message with content')
  // A conversation starts with the user; a function call right at the start is refused.
  if (turns[0]?.role === 'model') {
    turns.unshift({ role: 'user', results: [], parts: [partText({ text: ' ' })], unsigned: undefined })
  }
  if (facts.modern) signSteps(turns)
  const contents = turns.map(turn => {
    return `{"role":"${turn.role}","parts":[${[...turn.results, ...turn.parts].join(',')}]}`
  })
  return { contents: `[${contents.join(',')}]`, system }
}

/** Leaves out turns without parts, and joins the neighbours that this brings together. */
function mergeTurns(turns: readonly Turn[]): Turn[] {
  const made: Turn[] = []
  for (const turn of turns) {
    if (turn.parts.length + turn.results.length === 0) continue
    const last = made.at(-1)
    if (last?.role !== turn.role) made.push(turn)
    else {
      last.unsigned ??= typeof turn.unsigned === 'number' ? last.parts.length + turn.unsigned : turn.unsigned
      last.results.push(...turn.results)
      last.parts.push(...turn.parts)
    }
  }
  return made
}

const partText = (part: WirePart): string => JSON.stringify(part)

function addMessage(talk: Conversation, message: Json, param: string): void {
  switch (message.role) {
    case 'system':
    case 'developer': {
      const texts = partsOf(message, param).map(part => {
        if (part.text === undefined) throw refusal(`${param}.content`, `${param}.content must be text only`)
        return part.text
      })
      if (talk.turns.length === 0) talk.system.push(...texts)
      else turnOf(talk, 'user').parts.push(...texts.map(text => partText({ text })))
      return
    }
    case 'user':
      turnOf(talk, 'user').parts.push(...partsOf(message, param).map(partText))
      return
    case 'assistant':
      addAssistant(talk, message, param)
      return
    case 'tool':
    case 'function':
      addResult(talk, message, param)
      return
    default:
      throw refusal(`${param}.role`, `${param}.role must be system, developer, user, assistant or tool`)
  }
}

/** The last turn if it has this role, else a new one. */
function turnOf(talk: Conversation, role: Turn['role']): Turn {
  const last = talk.turns.at(-1)
  if (last?.role === role) return last
  const turn: Turn = { role, results: [], parts: [], unsigned: undefined }
  talk.turns.push(turn)
  return turn
}

function partsOf(message: Json, param: string): WirePart[] {
  const { content } = message
  if (content === undefined || content === null) return []
  if (typeof content === 'string') return content === '' ? [] : [{ text: content }]
  if (!Array.isArray(content)) {
    throw refusal(`${param}.content`, `${param}.content must be a string or an array of parts`)
  }
  return content.flatMap((part, i) => encodePart(part, `${param}.content[${i}]`) ?? [])
}

function addAssistant(talk: Conversation, message: Json, param: string): void {
  if (talk.turns.at(-1)?.role === 'user') closeCalls(talk)
  const turn = turnOf(talk, 'model')
  const signatures = readSignatures(message)
  for (const thought of signatures.thoughts) turn.parts.push(partText({ ...thought, thought: true }))
  const spare = [...signatures.texts]
  for (const part of partsOf(message, param)) {
    const thoughtSignature = part.text === undefined ? undefined : spare.shift()
    turn.parts.push(partText(thoughtSignature === undefined ? part : { ...part, thoughtSignature }))
  }
  if (typeof message.refusal === 'string' && message.refusal !== '')
    turn.parts.push(partText({ text: message.refusal }))
  for (const call of callsOf(message, param)) addCall(talk, turn, call)
  // A signature may come on a last part without text, and must go back: without it later turns end empty.
  for (const thoughtSignature of spare) turn.parts.push(partText({ text: '', thoughtSignature }))
}

interface Call {
  /** `{name, arguments}`. */
  readonly spec: Json
  readonly id: string
  readonly signature: string | undefined
  /** JSON path of `spec`. */
  readonly place: string
}

/** `tool_calls`, or the old `function_call`. */
function callsOf(message: Json, param: string): Call[] {
  const calls = listAt(message, 'tool_calls', `${param}.tool_calls`) ?? []
  if (calls.length === 0 && isObject(message.function_call)) {
    return [{ spec: message.function_call, id: '', signature: undefined, place: `${param}.function_call` }]
  }
  return calls.map((entry, i) => {
    const place = `${param}.tool_calls[${i}]`
    if (!isObject(entry) || !isObject(entry.function)) {
      throw refusal(`${place}.function`, `${place} must be a function call with name and arguments`)
    }
    const id = typeof entry.id === 'string' ? entry.id : ''
    return { spec: entry.function, id, signature: signatureOf(message, entry), place: `${place}.function` }
  })
}

function addCall(talk: Conversation, turn: Turn, call: Call): void {
  const { spec, id, place } = call
  const signature = call.signature ?? (id === '' ? undefined : talk.signatureFor?.(id))
  if (typeof spec.name !== 'string' || spec.name === '') {
    throw refusal(`${place}.name`, `${place}.name must be a string`)
  }
  const name = talk.names.toWire(spec.name)
  const head = JSON.stringify({ ...(talk.facts.modern && id !== '' ? { id } : {}), name })
  turn.unsigned ??= signature === undefined ? turn.parts.length : 'none'
  turn.parts.push(
    signed(`{"functionCall":${head.slice(0, -1)},"args":${argumentsText(spec.arguments)}}}`, signature),
  )
  talk.open.push({ id, name, result: undefined })
}

/** A part's text with a signature beside its content. */
const signed = (part: string, signature: string | undefined): string =>
  signature === undefined ? part : `${part.slice(0, -1)},"thoughtSignature":${JSON.stringify(signature)}}`

/**
 * Gemini 3 refuses a step of the current turn whose first call is unsigned. This value is its documented way out for calls
 * that another model made (https://ai.google.dev/gemini-api/docs/thought-signatures). The turn begins with the last
 * content that holds no result.
 */
function signSteps(turns: readonly Turn[]): void {
  const start = turns.findLastIndex(turn => turn.role === 'user' && turn.results.length === 0)
  for (const turn of turns.slice(start + 1)) {
    if (typeof turn.unsigned !== 'number') continue
    turn.parts[turn.unsigned] = signed(turn.parts[turn.unsigned] ?? '', SKIP_SIGNATURE)
  }
}

/** Arguments as the client wrote them, if they are a JSON object; `{}` for none; anything else wrapped, never lost. */
function argumentsText(written: unknown): string {
  if (isObject(written)) return JSON.stringify(written)
  if (typeof written !== 'string' || written.trim() === '') return '{}'
  return objectText(written) ?? JSON.stringify({ arguments: written })
}

/** The text itself when it is one JSON object. */
function objectText(text: string): string | undefined {
  try {
    return isObject(JSON.parse(text)) ? text : undefined
  } catch {
    return undefined
  }
}

function addResult(talk: Conversation, message: Json, param: string): void {
  const waiting = talk.open.filter(call => call.result === undefined)
  const id = message.tool_call_id
  const call =
    typeof id === 'string' && id !== ''
      ? waiting.find(call => call.id === id)
      : (waiting.find(
          call => typeof message.name === 'string' && call.name === talk.names.toWire(message.name),
        ) ?? (message.role === 'tool' ? waiting[0] : undefined))
  if (call === undefined) {
    const field = message.role === 'tool' ? 'tool_call_id' : 'name'
    throw refusal(
      `${param}.${field}`,
      `${param}.${field} must name a tool call of the assistant message before it that has no result yet`,
    )
  }
  const turn = turnOf(talk, 'user')
  const parts = partsOf(message, param)
  const files = parts.filter(part => part.text === undefined)
  const text = parts.map(part => part.text ?? '').join('')
  const nested = talk.facts.modern && files.length > 0
  const head = JSON.stringify({
    ...(talk.facts.modern && call.id !== '' ? { id: call.id } : {}),
    name: call.name,
  })
  const tail = nested ? `,"parts":${JSON.stringify(files)}` : ''
  call.result = `{"functionResponse":${head.slice(0, -1)},"response":${resultText(text)}${tail}}}`
  // Older models take no files inside a result: they follow it in the same turn.
  if (!nested) turn.parts.push(...files.map(partText))
}

/** `response` must be an object. `$ref` is kept out of it: Gemini reads that as the name of an attached file. */
function resultText(text: string): string {
  const object = text.includes('"$ref"') ? undefined : objectText(text)
  return object ?? JSON.stringify({ output: text })
}

/** Gives every open call its result, in the order of the calls: their number must be the same on both sides. */
function closeCalls(talk: Conversation): void {
  if (talk.open.length === 0) return
  const turn = turnOf(talk, 'user')
  for (const call of talk.open) {
    const { id, name } = call
    const functionResponse = {
      ...(talk.facts.modern && id !== '' ? { id } : {}),
      name,
      response: { error: 'No result was given for this call.' },
    }
    turn.results.push(call.result ?? partText({ functionResponse } as WirePart))
  }
  talk.open = []
}

/** Messages fitted to a host that is particular about them: byte patches inside `messages`, so that all else stays as the caller wrote it. */
import { GatewayError } from '../src/errors.ts'
import { type Body, elementsAt, type Member, membersAt } from '../src/wire/body.ts'
import { type Patch, patchesOf } from '../src/wire/splice.ts'
import { instructionFor } from './openai-schema.ts'
import type { ChatRequest, Json, Quirks } from './provider.ts'
import { toolId } from './tool-ids.ts'

/** The edits of one message. */
interface Edit {
  readonly set: Record<string, string>
  readonly remove: string[]
}

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isEmpty = (value: unknown): boolean => value === null || (Array.isArray(value) && value.length === 0)

/** Do any of these quirks edit members of messages? Asked first, as most hosts have none. */
const editMembers = (quirks: Quirks): boolean =>
  quirks.developerRole !== undefined ||
  quirks.refusesNull === true ||
  quirks.refusesNullContent === true ||
  quirks.messageDrops !== undefined ||
  quirks.pictures !== undefined ||
  quirks.jsonSchema !== undefined ||
  quirks.reasoningField !== undefined

/** Patches inside `messages`, ascending. Names of what was taken out are added to `dropped`. Throws `invalid_request` for what the host cannot read. */
export function messagePatches({ body, quirks }: ChatRequest, dropped: string[]): readonly Patch[] {
  const { messages } = body.json
  const ids = quirks.toolIds
  const edited = editMembers(quirks)
  if ((!edited && ids === undefined) || !Array.isArray(messages)) return []
  const edits = edited ? messages.map((message, at) => editOf(message, at, quirks, dropped)) : []
  const before = quirks.jsonSchema === undefined ? undefined : instruct(body, edits)
  const isWanted = (message: unknown, at: number) =>
    isEdit(edits[at]) || (ids !== undefined && hasIds(message, ids))
  if (before === undefined && !messages.some(isWanted)) return []
  const place = body.members.find(({ key }) => key === 'messages') as Member
  const patches: Patch[] = []
  if (before !== undefined) {
    const at = body.bytes.indexOf(0x5b, place.valueStart) + 1
    patches.push({ start: at, end: at, text: `${before},` })
  }
  const starts = elementsAt(body.bytes, place.valueStart)
  for (let i = 0; i < starts.length; i++) {
    if (isWanted(messages[i], i))
      patches.push(...patched(body, starts[i] as number, messages[i], edits[i], ids))
  }
  return patches
}

const isEdit = (edit: Edit | undefined): boolean =>
  edit !== undefined && (edit.remove.length > 0 || Object.keys(edit.set).length > 0)

function editOf(message: unknown, at: number, quirks: Quirks, dropped: string[]): Edit {
  const edit: Edit = { set: {}, remove: [] }
  if (!isObject(message)) return edit
  const { role } = message
  if (role === 'developer' && quirks.developerRole !== undefined) {
    edit.set.role = JSON.stringify(quirks.developerRole)
  }
  for (const [name, value] of Object.entries(message)) {
    if (name === 'content') continue
    const refused = quirks.messageDrops?.includes(name) === true
    if (!refused && !(quirks.refusesNull === true && isEmpty(value))) continue
    edit.remove.push(name)
    // what says nothing is not missed
    if (refused && !isEmpty(value) && !dropped.includes(name)) dropped.push(name)
  }
  if (message.content === null && quirks.refusesNullContent === true) edit.set.content = '""'
  if (quirks.pictures === 'inline_only') refuseRemotePictures(message.content, at)
  if (role === 'assistant' && quirks.keepsExtensions !== true) replayReasoning(message, quirks, edit, dropped)
  return edit
}

function refuseRemotePictures(content: unknown, at: number): void {
  if (!Array.isArray(content)) return
  for (let i = 0; i < content.length; i++) {
    const part: unknown = content[i]
    if (!isObject(part) || part.type !== 'image_url') continue
    const url = isObject(part.image_url) ? part.image_url.url : part.image_url
    if (typeof url !== 'string' || url.startsWith('data:')) continue
    const param = `messages[${at}].content[${i}].image_url.url`
    const message = `${param}: this provider fetches no pictures. Send the picture itself as data:image/png;base64,…`
    throw new GatewayError('invalid_request', message, { param })
  }
}

const REASONING = ['reasoning_content', 'reasoning', 'reasoning_details'] as const

/** Text of the reasoning that a message hands back, whichever name it has. */
function reasoningText(message: Json): string {
  const { reasoning_content: content, reasoning, reasoning_details: details } = message
  for (const text of [content, reasoning]) if (typeof text === 'string' && text !== '') return text
  if (!Array.isArray(details)) return ''
  return details
    .map(detail => (isObject(detail) && typeof detail.text === 'string' ? detail.text : ''))
    .join('')
}

const isSigned = (detail: unknown): boolean =>
  isObject(detail) && (typeof detail.signature === 'string' || typeof detail.data === 'string')

/** Reasoning came out under names of ours; it goes back under the host's own, or not at all where the host wants none. */
function replayReasoning(message: Json, quirks: Quirks, edit: Edit, dropped: string[]): void {
  const field = quirks.reasoningField
  if (field === undefined || !REASONING.some(name => message[name] !== undefined)) return
  const text = reasoningText(message)
  const kept = field === 'reasoning' || field === 'reasoning_details' ? field : undefined
  for (const name of REASONING) {
    if (message[name] !== undefined && name !== kept && !edit.remove.includes(name)) edit.remove.push(name)
  }
  if (kept !== 'reasoning_details' && Array.isArray(message.reasoning_details)) {
    if (message.reasoning_details.some(isSigned) && !dropped.includes('reasoning_details'))
      dropped.push('reasoning_details')
  }
  if (text === '') return
  if (field === 'reasoning' && typeof message.reasoning !== 'string')
    edit.set.reasoning = JSON.stringify(text)
  if (quirks.replaysReasoning !== true) return
  const said = message.content
  if (field === 'think_tags' && !Array.isArray(said)) {
    edit.set.content = JSON.stringify(`<think>\n${text}\n</think>\n\n${typeof said === 'string' ? said : ''}`)
  }
  if (field === 'content_parts') {
    const thought = { type: 'thinking', thinking: [{ type: 'text', text }] }
    const words = typeof said === 'string' && said !== '' ? [{ type: 'text', text: said }] : []
    edit.set.content = JSON.stringify([thought, ...(Array.isArray(said) ? said : words)])
  }
}

/** The schema joins the first system message (many templates take one only); else the raw system message that goes before all others. */
function instruct(body: Body, edits: readonly Edit[]): string | undefined {
  const instruction = instructionFor(body.json)
  if (instruction === undefined) return undefined
  const [first] = body.json.messages as readonly unknown[]
  const edit = edits[0]
  if (isObject(first) && edit !== undefined && (first.role === 'system' || first.role === 'developer')) {
    const { content } = first
    edit.set.content = JSON.stringify(
      Array.isArray(content)
        ? [...content, { type: 'text', text: instruction }]
        : `${typeof content === 'string' ? content : ''}\n\n${instruction}`,
    )
    return undefined
  }
  return JSON.stringify({ role: 'system', content: instruction })
}

type IdForm = NonNullable<Quirks['toolIds']>

const callsOf = (message: Json): readonly unknown[] =>
  Array.isArray(message.tool_calls) ? message.tool_calls : []

function hasIds(message: unknown, form: IdForm): boolean {
  if (!isObject(message)) return false
  const own = message.tool_call_id
  if (typeof own === 'string' && toolId(own, form) !== own) return true
  if (message.tool_calls === undefined) return false
  return callsOf(message).some(
    call => isObject(call) && typeof call.id === 'string' && toolId(call.id, form) !== call.id,
  )
}

/** Patches of one message: its members, and the ids inside its calls. Arguments stay byte for byte. */
function patched(
  { bytes }: Body,
  start: number,
  message: unknown,
  edit: Edit | undefined,
  ids: IdForm | undefined,
): Patch[] {
  const members = membersAt(bytes, start)
  const own = isObject(message) ? message.tool_call_id : undefined
  const set = { ...edit?.set }
  if (ids !== undefined && typeof own === 'string') set.tool_call_id = JSON.stringify(toolId(own, ids))
  const patches = patchesOf({ bytes, members }, { set, remove: edit?.remove ?? [] })
  const calls = members.find(({ key }) => key === 'tool_calls')
  if (
    ids !== undefined &&
    calls !== undefined &&
    edit?.remove.includes('tool_calls') !== true &&
    isObject(message)
  ) {
    const list = callsOf(message)
    const starts = list.length === 0 ? [] : elementsAt(bytes, calls.valueStart)
    for (let i = 0; i < starts.length; i++) {
      const call = list[i]
      if (!isObject(call) || typeof call.id !== 'string') continue
      for (const { key, valueStart, valueEnd } of membersAt(bytes, starts[i] as number)) {
        if (key !== 'id') continue
        patches.push({ start: valueStart, end: valueEnd, text: JSON.stringify(toolId(call.id, ids)) })
      }
    }
  }
  return patches.sort((a, b) => a.start - b.start || a.end - b.end)
}

/** `instructions` and `input` of a Responses request → chat messages. Part of reading the request. */
import { isObject, wrong } from '../extensions.ts'
import { chatContent } from './content.ts'
import type { Names } from './namespaces.ts'
import { openKept } from './reasoning.ts'

type Json = Record<string, unknown>

/** What the model said between two inputs: one assistant message, whatever the number of items. */
interface Turn {
  readonly parts: Json[]
  readonly calls: Json[]
  readonly details: unknown[]
  readonly extras: Map<string, unknown>
  text: string
  refusal: string
}

const newTurn = (): Turn => ({
  parts: [],
  calls: [],
  details: [],
  extras: new Map(),
  text: '',
  refusal: '',
})

const ITEMS_MAX = 4_096
const STATELESS = 'nothing is stored here: send the items themselves (`store: false` makes SDKs do so)'

/** Items in order → messages. Throws `invalid_request` with the place in the caller's own terms. */
export function chatMessages(instructions: unknown, input: unknown, names: Names): Json[] {
  const messages: Json[] = []
  if (instructions != null) {
    if (typeof instructions !== 'string') throw wrong('instructions', 'must be a string.')
    messages.push({ role: 'system', content: instructions })
  }
  if (typeof input === 'string') {
    messages.push({ role: 'user', content: input })
    return messages
  }
  if (!Array.isArray(input) || input.length === 0) {
    throw wrong('input', 'must be a string, or an array with at least one item.')
  }
  if (input.length > ITEMS_MAX) throw wrong('input', `must hold at most ${ITEMS_MAX} items.`)
  new Conversation(messages, names).take(input)
  if (messages.length === 0) throw wrong('input', 'must hold something to answer.')
  return messages
}

class Conversation {
  private turn: Turn | undefined
  private readonly called = new Set<string>()
  private readonly messages: Json[]
  private readonly names: Names

  constructor(messages: Json[], names: Names) {
    this.messages = messages
    this.names = names
  }

  take(items: readonly unknown[]): void {
    for (const [i, item] of items.entries()) {
      if (!isObject(item))
        throw wrong(`input[${i}]`, 'must be an object, as in {"role": "user", "content": "Hi"}.')
      this.item(item, `input[${i}]`)
    }
    this.close()
  }

  private item(item: Json, param: string): void {
    switch (item.type ?? 'message') {
      case 'message':
        return this.message(item, param)
      case 'function_call':
        return this.call(item, 'arguments', param)
      case 'custom_tool_call':
        return this.call(item, 'input', param)
      case 'function_call_output':
      case 'custom_tool_call_output':
        return this.output(item, param)
      case 'reasoning':
        return this.reasoning(item)
      case 'item_reference':
        throw wrong(`${param}.type`, `item_reference is not offered: ${STATELESS}.`)
    }
    const type = typeof item.type === 'string' ? item.type.slice(0, 64) : 'this'
    const known =
      'message, function_call, function_call_output, custom_tool_call, custom_tool_call_output, reasoning'
    throw wrong(
      `${param}.type`,
      `${type} is not offered here, since other providers have nothing like it. Offered: ${known}.`,
    )
  }

  private message(item: Json, param: string): void {
    const { role } = item
    const content = chatContent(item.content, `${param}.content`)
    if (role !== 'assistant') {
      if (role !== 'user' && role !== 'system' && role !== 'developer') {
        throw wrong(`${param}.role`, 'must be "user", "assistant", "system" or "developer".')
      }
      this.close()
      this.messages.push({ role, content })
      return
    }
    this.turn ??= newTurn()
    for (const part of typeof content === 'string' ? [{ type: 'text', text: content }] : content) {
      if (part.type === 'refusal') this.turn.refusal += String(part.refusal)
      else this.turn.parts.push(part)
    }
  }

  private call(item: Json, member: 'arguments' | 'input', param: string): void {
    const { call_id: id, name: told, namespace } = item
    const given = item[member]
    if (typeof id !== 'string' || id === '') throw wrong(`${param}.call_id`, 'must be the id of the call.')
    if (typeof told !== 'string' || told === '') throw wrong(`${param}.name`, 'must be the name of a tool.')
    if (typeof given !== 'string')
      throw wrong(`${param}.${member}`, 'must be a string, as the model wrote it.')
    const name = this.names.flat(told, namespace)
    this.turn ??= newTurn()
    this.called.add(id)
    this.turn.calls.push(
      member === 'input'
        ? { id, type: 'custom', custom: { name, input: given } }
        : { id, type: 'function', function: { name, arguments: given } },
    )
  }

  private output(item: Json, param: string): void {
    const { call_id: id, output } = item
    if (typeof id !== 'string' || !this.called.has(id)) {
      throw wrong(`${param}.call_id`, `no call with this id comes before it; ${STATELESS}, calls included.`)
    }
    const content = chatContent(output, `${param}.output`)
    this.close()
    this.messages.push({ role: 'tool', tool_call_id: id, content })
  }

  /** Thoughts that did not come from here are left out: only the model that signed them could use them. */
  private reasoning(item: Json): void {
    const kept = openKept(item.encrypted_content)
    if (kept === undefined) return
    this.turn ??= newTurn()
    this.turn.details.push(...(kept.details ?? []))
    this.turn.text += kept.text ?? ''
    for (const [id, extra] of Object.entries(kept.calls ?? {})) this.turn.extras.set(id, extra)
  }

  private close(): void {
    const { turn } = this
    this.turn = undefined
    if (turn === undefined) return
    const { parts, calls, details, extras, text, refusal } = turn
    if (parts.length + calls.length === 0 && refusal === '') return
    const lone = parts.length === 1 && Object.keys(parts[0] ?? {}).length === 2 ? parts[0]?.text : undefined
    const signed = calls.map(call => {
      const extra = extras.get(String(call.id))
      return extra === undefined ? call : { ...call, extra_content: extra }
    })
    this.messages.push({
      role: 'assistant',
      content: lone ?? (parts.length > 0 ? parts : null),
      ...(refusal !== '' && { refusal }),
      ...(text !== '' && { reasoning_content: text }),
      ...(details.length > 0 && { reasoning_details: details }),
      ...(signed.length > 0 && { tool_calls: signed }),
    })
  }
}

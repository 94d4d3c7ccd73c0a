/** Tool calls out of chat deltas, whatever a host does with index, id and name; each becomes one output item. */
import type {
  ResponseCustomToolCall,
  ResponseFunctionToolCallItem,
} from 'openai/resources/responses/responses'
import { isObject } from '../extensions.ts'
import type { Events } from './events.ts'
import type { Ending } from './items.ts'
import type { Names } from './namespaces.ts'

type Json = Record<string, unknown>

/** A call in the making. It is announced when its name is known. */
interface Call {
  readonly custom: boolean
  readonly itemId: string
  callId: string
  name: string
  input: string
  /** `output_index`; undefined = not announced yet. */
  index: number | undefined
  extra: unknown
}

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value)

/** Nothing can follow a complete JSON text. */
function isComplete({ custom, input }: Call): boolean {
  if (custom || input === '') return false
  try {
    JSON.parse(input)
    return true
  } catch {
    return false
  }
}

export class Calls {
  private readonly events: Events
  private readonly names: Names
  /** Open calls by the index that the upstream gave them, or by their id. */
  private readonly open = new Map<number | string, Call>()
  private last: number | string = 0

  constructor(events: Events, names: Names) {
    this.events = events
    this.names = names
  }

  /** One entry of `delta.tool_calls`. */
  add(entry: Json): void {
    // Snowflake sends an empty `custom` beside every function (recording b3b0e620659e)
    const custom = isObject(entry.custom) && !isObject(entry.function)
    const fields = custom ? entry.custom : entry.function
    const inside: Json = isObject(fields) ? fields : {}
    const id = typeof entry.id === 'string' ? entry.id : ''
    const name = typeof inside.name === 'string' ? inside.name : ''
    const call = this.callFor(entry.index, id, name, custom)
    if (call.index === undefined) {
      call.callId ||= id
      call.name ||= name
    }
    if (isObject(entry.extra_content)) call.extra = entry.extra_content
    if (call.index === undefined && call.name !== '') this.announce(call)
    const piece = textOf(custom ? inside.input : inside.arguments)
    if (piece !== '') this.grow(call, piece)
  }

  /** Finishes what is still open; a call that is cut off is `incomplete`. */
  close(ending: Ending): void {
    for (const key of [...this.open.keys()]) this.finish(key, ending)
  }

  /** An index alone names a call, unless another id and name come with it: some hosts count every call as 0. */
  private callFor(index: unknown, id: string, name: string, custom: boolean): Call {
    const key = typeof index === 'number' ? index : id !== '' ? id : this.last
    this.last = key
    const known = this.open.get(key)
    const another =
      known !== undefined && id !== '' && name !== '' && known.callId !== '' && id !== known.callId
    if (known !== undefined && !another) return known
    if (known !== undefined) this.finish(key, 'completed')
    const itemId = this.events.newId(custom ? 'ctc_' : 'fc_')
    const call: Call = { custom, itemId, callId: '', name: '', input: '', index: undefined, extra: undefined }
    this.open.set(key, call)
    return call
  }

  private announce(call: Call): void {
    // earlier calls that can have no more to come are done now: a client may begin with them
    for (const [key, other] of this.open)
      if (other !== call && isComplete(other)) this.finish(key, 'completed')
    call.callId ||= this.events.newId('call_')
    if (call.extra !== undefined) {
      this.events.addKept({ calls: { [call.callId]: call.extra } })
      call.extra = undefined
    }
    call.index = this.events.add(this.item(call, '', 'in_progress'))
    if (call.input !== '') this.delta(call, call.index, call.input)
  }

  private grow(call: Call, piece: string): void {
    call.input += this.events.keep(piece)
    if (call.index !== undefined) this.delta(call, call.index, piece)
  }

  private delta(call: Call, index: number, delta: string): void {
    const type = call.custom
      ? ('response.custom_tool_call_input.delta' as const)
      : ('response.function_call_arguments.delta' as const)
    this.events.emit({ type, item_id: call.itemId, output_index: index, delta })
  }

  private finish(key: number | string, ending: Ending): void {
    const call = this.open.get(key)
    if (call === undefined) return
    if (call.index === undefined) this.announce(call)
    // some hosts write no arguments as nothing; clients parse them
    if (!call.custom && call.input === '' && ending === 'completed') this.grow(call, '{}')
    this.open.delete(key)
    const { custom, itemId, input, callId, extra } = call
    const index = call.index ?? 0
    const place = { item_id: itemId, output_index: index }
    if (custom) this.events.emit({ type: 'response.custom_tool_call_input.done', ...place, input })
    else this.events.emit({ type: 'response.function_call_arguments.done', ...place, arguments: input })
    const status = ending === 'completed' || isComplete(call) ? 'completed' : 'incomplete'
    this.events.finish(index, this.item(call, input, status))
    // it came after the call had been announced
    if (extra !== undefined) this.events.addKept({ calls: { [callId]: extra } })
  }

  private item(
    { custom, itemId, callId, name: flat }: Call,
    input: string,
    status: ResponseFunctionToolCallItem['status'],
  ): ResponseFunctionToolCallItem | ResponseCustomToolCall {
    const place = this.names.place(flat) ?? { name: flat }
    return custom
      ? { id: itemId, type: 'custom_tool_call', call_id: callId, ...place, input }
      : { id: itemId, type: 'function_call', status, call_id: callId, ...place, arguments: input }
  }
}

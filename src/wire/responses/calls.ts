/** Tool calls out of chat deltas, whatever a host does with index, id and name; each becomes one output item. */
import type {
  ResponseCustomToolCall,
  ResponseFunctionToolCallItem,
} from 'openai/resources/responses/responses'
import { isObject } from '../extensions.ts'
import { type StreamedCall, StreamedCalls } from '../streamed-calls.ts'
import type { Events } from './events.ts'
import type { Ending } from './items.ts'
import type { Names } from './namespaces.ts'

type Json = Record<string, unknown>

/** A call in the making. It is announced when its name is known. */
interface Call extends StreamedCall {
  readonly custom: boolean
  readonly itemId: string
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

// Snowflake sends an empty `custom` beside every function (recording b3b0e620659e)
const isCustom = (entry: Json): boolean => isObject(entry.custom) && !isObject(entry.function)

export class Calls {
  private readonly events: Events
  private readonly names: Names
  private readonly streamed: StreamedCalls<Call>
  private readonly open = new Set<Call>()

  constructor(events: Events, names: Names) {
    this.events = events
    this.names = names
    this.streamed = new StreamedCalls(entry => this.begin(isCustom(entry)))
  }

  /** The entries of one `delta.tool_calls`. */
  add(entries: unknown): void {
    for (const { entry, call } of this.streamed.of(entries)) this.piece(entry, call)
  }

  private piece(entry: Json, call: Call): void {
    // nothing follows what was complete
    if (!this.open.has(call)) return
    if (isObject(entry.extra_content)) call.extra = entry.extra_content
    if (call.index === undefined && call.name !== '') this.announce(call)
    const fields = isCustom(entry) ? entry.custom : entry.function
    const inside: Json = isObject(fields) ? fields : {}
    const piece = textOf(call.custom ? inside.input : inside.arguments)
    if (piece !== '') this.grow(call, piece)
  }

  /** Finishes what is still open; a call that is cut off is `incomplete`. */
  close(ending: Ending): void {
    for (const call of this.open) this.finish(call, ending)
  }

  private begin(custom: boolean): Call {
    const itemId = this.events.newId(custom ? 'ctc_' : 'fc_')
    const call: Call = { custom, itemId, id: '', name: '', input: '', index: undefined, extra: undefined }
    this.open.add(call)
    return call
  }

  private announce(call: Call): void {
    // earlier calls that can have no more to come are done now: a client may begin with them
    for (const other of this.open) if (other !== call && isComplete(other)) this.finish(other, 'completed')
    call.id ||= this.events.newId('call_')
    if (call.extra !== undefined) {
      this.events.addKept({ calls: { [call.id]: call.extra } })
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

  private finish(call: Call, ending: Ending): void {
    this.open.delete(call)
    const { index } = call
    // a call that was never named is none
    if (index === undefined) return
    // some hosts write no arguments as nothing; clients parse them
    if (!call.custom && call.input === '' && ending === 'completed') this.grow(call, '{}')
    const { custom, itemId, input, id, extra } = call
    const place = { item_id: itemId, output_index: index }
    if (custom) this.events.emit({ type: 'response.custom_tool_call_input.done', ...place, input })
    else this.events.emit({ type: 'response.function_call_arguments.done', ...place, arguments: input })
    const status = ending === 'completed' || isComplete(call) ? 'completed' : 'incomplete'
    this.events.finish(index, this.item(call, input, status))
    // it came after the call had been announced
    if (extra !== undefined) this.events.addKept({ calls: { [id]: extra } })
  }

  private item(
    { custom, itemId, id, name: flat }: Call,
    input: string,
    status: ResponseFunctionToolCallItem['status'],
  ): ResponseFunctionToolCallItem | ResponseCustomToolCall {
    const place = this.names.place(flat) ?? { name: flat }
    return custom
      ? { id: itemId, type: 'custom_tool_call', call_id: id, ...place, input }
      : { id: itemId, type: 'function_call', status, call_id: id, ...place, arguments: input }
  }
}

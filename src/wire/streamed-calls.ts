/** Tool calls in pieces: which call an entry of `delta.tool_calls` goes on with, whatever a host does with index, id and name. */
import { isObject } from './extensions.ts'

type Json = Record<string, unknown>

/** A call in the making; '' = not said yet. */
export interface StreamedCall {
  id: string
  name: string
}

/** The calls of one answer, in the order in which they began. */
export class StreamedCalls<Call extends StreamedCall> {
  readonly all: Call[] = []
  private readonly open = new Map<number, Call>()
  private last = 0
  private readonly make: () => Call

  constructor(make: () => Call) {
    this.make = make
  }

  /**
   * Deltas of one call belong together by `index`; hosts that leave it out continue the last call, or begin one with an id.
   * Ollama and Gemini's compatible endpoint count every call as 0: an id and a name of its own make another one there.
   */
  of(entry: Json): Call {
    const id = typeof entry.id === 'string' ? entry.id : ''
    const name =
      isObject(entry.function) && typeof entry.function.name === 'string' ? entry.function.name : ''
    const isOther = (call: Call | undefined) =>
      call !== undefined && id !== '' && call.id !== '' && call.id !== id
    const counted = typeof entry.index === 'number' && Number.isInteger(entry.index) ? entry.index : undefined
    const at = counted ?? (isOther(this.open.get(this.last)) ? this.last + 1 : this.last)
    this.last = at
    let call = this.open.get(at)
    if (call === undefined || (name !== '' && isOther(call))) {
      call = this.make()
      this.open.set(at, call)
      this.all.push(call)
    }
    // Both are said once: an empty id in a later delta is no other id.
    if (call.id === '') call.id = id
    if (call.name === '') call.name = name
    return call
  }
}

/** `function.arguments` of an entry as text: some hosts send the object itself. */
export function argumentsIn(entry: Json): string {
  const text = isObject(entry.function) ? entry.function.arguments : undefined
  return typeof text === 'string' ? text : isObject(text) ? JSON.stringify(text) : ''
}

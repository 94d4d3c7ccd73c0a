/** Tool calls in pieces: which call an entry of `delta.tool_calls` goes on with, whatever a host does with index, id and name. */
import { isObject } from './extensions.ts'

type Json = Record<string, unknown>

/** A call in the making; '' = not said yet. */
export interface StreamedCall {
  id: string
  name: string
}

/** A call with what the host itself has said of it: an id of ours in its place is none of the host's. */
interface Heard<Call> {
  readonly call: Call
  id: string
  name: string
}

/** What an entry says of the call that it is a piece of; '' = nothing. */
interface Label {
  readonly index: number | undefined
  readonly id: string
  readonly name: string
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')

function labelOf(entry: Json): Label {
  const { index, id, custom, function: own } = entry
  const inside = isObject(own) ? own : isObject(custom) ? custom : {}
  const counted = typeof index === 'number' && Number.isInteger(index) ? index : undefined
  return { index: counted, id: textOf(id), name: textOf(inside.name) }
}

const isBare = ({ index, id, name }: Label): boolean => index === undefined && id === '' && name === ''

/** The calls of one answer, in the order in which they began. */
export class StreamedCalls<Call extends StreamedCall> {
  readonly all: Call[] = []
  private readonly heard: Heard<Call>[] = []
  private readonly byIndex = new Map<number, Heard<Call>>()
  private last: Heard<Call> | undefined
  private readonly make: (entry: Json) => Call

  constructor(make: (entry: Json) => Call) {
    this.make = make
  }

  /** The entries of one `delta.tool_calls`, whatever stands there, each with its call. */
  of(entries: unknown): { readonly entry: Json; readonly call: Call }[] {
    if (!Array.isArray(entries)) return []
    const pieces = entries.filter(isObject)
    const labels = pieces.map(labelOf)
    // pieces that say nothing of their calls stand in the order in which these began
    const together = pieces.length > 1 && labels.every(isBare) ? pieces.length : 0
    return pieces.map((entry, i) => {
      const label = labels[i] as Label
      const known = together > 0 ? this.heard.at(i - together) : undefined
      return { entry, call: this.piece(entry, label, known ?? this.known(label)) }
    })
  }

  private piece(entry: Json, { index, id, name }: Label, known: Heard<Call> | undefined): Call {
    let heard = known
    if (heard === undefined) {
      heard = { call: this.make(entry), id: '', name: '' }
      this.byIndex.set(index ?? this.heard.length, heard)
      this.heard.push(heard)
      this.all.push(heard.call)
    }
    this.last = heard
    const { call } = heard
    // Both are said once: an empty id in a later delta is no other id.
    heard.id ||= id
    heard.name ||= name
    call.id ||= id
    call.name ||= name
    return call
  }

  /** Undefined = a call begins here. */
  private known(label: Label): Heard<Call> | undefined {
    return label.index === undefined ? this.unnumbered(label) : this.numbered(label.index, label)
  }

  /**
   * Deltas of one call belong together by `index`. Ollama and Gemini's compatible endpoint count every call as 0: an id and a
   * name of its own make another one there, and so does another name alone, for a name is said whole.
   */
  private numbered(index: number, { id, name }: Label): Heard<Call> | undefined {
    const known = this.byIndex.get(index)
    if (known === undefined) return undefined
    if (id !== '' && known.id !== '' && id !== known.id)
      return this.named(id) ?? (name === '' ? known : undefined)
    const isSame = id !== '' && id === known.id
    return isSame || name === '' || known.name === '' || name === known.name ? known : undefined
  }

  /** Hosts that leave the index out go on with the last call, or begin one with an id or, where ids are left out too, with a name. */
  private unnumbered({ id, name }: Label): Heard<Call> | undefined {
    const { last } = this
    const isNamedAnew = name !== '' && last !== undefined && last.name !== ''
    // an id that is told late belongs to the call before it
    if (id !== '') return this.named(id) ?? (last?.id === '' && !isNamedAnew ? last : undefined)
    // who has told an id once may repeat the name alone
    return isNamedAnew && (last.id === '' || name !== last.name) ? undefined : last
  }

  private named(id: string): Heard<Call> | undefined {
    return this.heard.findLast(heard => heard.id === id)
  }
}

/** `function.arguments` of an entry as text: some hosts send the object itself. */
export function argumentsIn(entry: Json): string {
  const text = isObject(entry.function) ? entry.function.arguments : undefined
  return typeof text === 'string' ? text : isObject(text) ? JSON.stringify(text) : ''
}

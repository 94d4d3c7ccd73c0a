/**
 * Knows a chat request that is built as an earlier one of the same caller was: the same members in the same order, with
 * other words in its messages. Its frame was parsed once, so that only the words are read. Asked by gateway.ts before it parses.
 */
import { type Body, elementsAt, type Member, membersAt } from './body.ts'
import { isObject } from './extensions.ts'
import { stringEnd } from './familiar.ts'
import { Learning } from './learning.ts'
import { sameBytes, viewOf } from './same-bytes.ts'

type Json = Record<string, unknown>

/** Larger requests are parsed: their words are most of the work. */
const BYTES_MAX = 4_096
/** A frame is kept for each caller. */
const FRAME_BYTES_MAX = 1_024
const MESSAGES_MAX = 16

/** What stays the same from request to request. */
interface Frame {
  /** All bytes but the words. */
  readonly bytes: DataView
  /** Where the words of each message stand in `bytes`. */
  readonly gaps: readonly number[]
  readonly json: Json
  /** Without their words. */
  readonly messages: readonly Json[]
  /** Members of `json` that are objects of scalars. */
  readonly objects: readonly string[]
  /** Offsets into `bytes`. */
  readonly members: readonly Member[]
  /** Which member is `messages`: all that lies behind it moves with the words. */
  readonly place: number
}

/** The requests of one caller. */
export class FamiliarRequests {
  private frame: Frame | undefined
  private readonly learning = new Learning()

  /** What `parseBody` would say of these bytes, which are UTF-8. Undefined = they have to be parsed. `textOf` = bytes to text. */
  read(bytes: Uint8Array, textOf: (bytes: Uint8Array) => string): Body | undefined {
    const { frame } = this
    const body = frame && bytes.length <= BYTES_MAX ? filled(frame, bytes, textOf) : undefined
    this.learning.saw(body !== undefined)
    return body
  }

  /** `body` = what strange bytes were parsed to. */
  learn(body: Body): void {
    if (this.learning.isDue()) this.frame = body.bytes.length > BYTES_MAX ? undefined : frameOf(body)
  }
}

const FAMILIAR = new WeakMap<object, FamiliarRequests>()

/** `caller` = whose requests are built alike: the object of a key, with which they are forgotten. */
export function familiarTo(caller: object): FamiliarRequests {
  const known = FAMILIAR.get(caller)
  if (known) return known
  const made = new FamiliarRequests()
  FAMILIAR.set(caller, made)
  return made
}

/** The body of bytes that fit the frame. Nothing in it is shared with another request: whoever changes one changes no other. */
function filled(frame: Frame, bytes: Uint8Array, textOf: (bytes: Uint8Array) => string): Body | undefined {
  const { gaps, members, place } = frame
  const view = viewOf(bytes)
  const messages: Json[] = []
  let at = 0
  let from = 0
  for (let i = 0; i < gaps.length; i++) {
    const gap = gaps[i] as number
    if (!sameBytes(frame.bytes, from, gap, view, at)) return undefined
    at += gap - from
    from = gap
    const end = stringEnd(bytes, view, at)
    if (end < 0) return undefined
    // a text of its own: a part of the whole is read twice as slowly by whoever looks at each character
    const words = textOf(bytes.subarray(at, end))
    const content = words.includes('\\') ? (JSON.parse(`"${words}"`) as string) : words
    messages.push({ ...frame.messages[i], content })
    at = end
  }
  const last = frame.bytes.byteLength
  if (bytes.length - at !== last - from || !sameBytes(frame.bytes, from, last, view, at)) return undefined
  const json: Json = { ...frame.json, messages }
  for (const name of frame.objects) json[name] = { ...(json[name] as Json) }
  return { bytes, json, members: moved(members, place, at - from) }
}

/** The members as they lie where the words of the messages take so many bytes. */
function moved(members: readonly Member[], place: number, by: number): Member[] {
  const all: Member[] = []
  for (let i = 0; i < members.length; i++) {
    const { key, start, valueStart, valueEnd } = members[i] as Member
    const ahead = i > place ? by : 0
    all.push({
      key,
      start: start + ahead,
      valueStart: valueStart + ahead,
      valueEnd: valueEnd + (i < place ? 0 : by),
    })
  }
  return all
}

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null
const isFlat = (value: unknown): value is Json => isObject(value) && Object.values(value).every(isScalar)

/** Undefined = not to be learned: words elsewhere than in plain messages, or more than scalars beside them. */
function frameOf({ bytes, json, members }: Body): Frame | undefined {
  const { messages, ...others } = json
  const place = members.findIndex(({ key }) => key === 'messages')
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > MESSAGES_MAX) return undefined
  if (!messages.every(message => isFlat(message) && typeof message.content === 'string')) return undefined
  if (!Object.values(others).every(value => isScalar(value) || isFlat(value))) return undefined
  const spans = spansOf(bytes, (members[place] as Member).valueStart, messages)
  const words = spans.reduce((sum, [start, end]) => sum + end - start, 0)
  if (spans.length !== messages.length || bytes.length - words > FRAME_BYTES_MAX) return undefined
  const kept = new Uint8Array(bytes.length - words)
  const gaps: number[] = []
  let length = 0
  let from = 0
  for (const [start, end] of spans) {
    kept.set(bytes.subarray(from, start), length)
    length += start - from
    gaps.push(length)
    from = end
  }
  kept.set(bytes.subarray(from), length)
  return {
    bytes: viewOf(kept),
    gaps,
    json: { ...json, messages: undefined },
    messages: messages.map(message => ({ ...(message as Json), content: '' })),
    objects: Object.keys(others).filter(name => isObject(others[name])),
    members: moved(members, place, -words),
    place,
  }
}

/** Where the words of each message stand, between their quotes. Fewer than messages = a name is given twice. */
function spansOf(bytes: Uint8Array, open: number, messages: readonly Json[]): [start: number, end: number][] {
  const spans: [number, number][] = []
  const starts = elementsAt(bytes, open)
  for (const [i, message] of messages.entries()) {
    const members = membersAt(bytes, starts[i] as number)
    const content = members.find(({ key }) => key === 'content')
    if (content === undefined || members.length !== Object.keys(message).length) break
    spans.push([content.valueStart + 1, content.valueEnd - 1])
  }
  return spans
}

/** Output items that are open: reasoning and message. Each announces itself, streams its text, and is done once. */
import type {
  ResponseOutputMessage,
  ResponseOutputRefusal,
  ResponseOutputText,
  ResponseReasoningItem,
} from 'openai/resources/responses/responses'
import { isObject } from '../extensions.ts'
import type { Events } from './events.ts'
import { addDetails, sealKept } from './reasoning.ts'

type Json = Record<string, unknown>
export type Ending = 'completed' | 'incomplete'

/** Thoughts: the text as one summary part, and what the model needs back as `encrypted_content`. */
export class ReasoningItem {
  private readonly id: string
  private readonly index: number
  private readonly events: Events
  private readonly details: Json[] = []
  private text = ''
  private open = false
  /** The host sends `reasoning_content`, and may want it back. */
  private plain = false

  constructor(events: Events) {
    this.events = events
    this.id = events.newId('rs_')
    this.index = events.add({ id: this.id, type: 'reasoning', summary: [] })
  }

  think(text: string, plain: boolean): void {
    this.plain ||= plain
    const place = { item_id: this.id, output_index: this.index, summary_index: 0 }
    if (!this.open) {
      this.open = true
      const part = { type: 'summary_text' as const, text: '' }
      this.events.emit({ type: 'response.reasoning_summary_part.added', ...place, part })
    }
    this.text += this.events.keep(text)
    this.events.emit({ type: 'response.reasoning_summary_text.delta', ...place, delta: text })
  }

  addDetails(pieces: unknown): void {
    addDetails(this.details, pieces)
  }

  close(): void {
    const { text, details } = this
    const part = { type: 'summary_text' as const, text }
    if (this.open) {
      const place = { item_id: this.id, output_index: this.index, summary_index: 0 }
      this.events.emit({ type: 'response.reasoning_summary_text.done', ...place, text })
      this.events.emit({ type: 'response.reasoning_summary_part.done', ...place, part })
    }
    // Marked even when nothing is kept: a host of this wire looks up what it does not know by its id, and refuses it.
    const kept = details.length > 0 ? { details } : this.plain ? { text } : {}
    const item: ResponseReasoningItem = {
      id: this.id,
      type: 'reasoning',
      summary: this.open ? [part] : [],
      encrypted_content: this.events.keep(sealKept(kept)),
    }
    this.events.finish(this.index, item)
  }
}

/** A citation: chat keeps its members below `url_citation`, this wire beside the type. */
function flatAnnotation(annotation: unknown): ResponseOutputText.URLCitation | undefined {
  if (!isObject(annotation)) return undefined
  const nested = isObject(annotation.url_citation) ? annotation.url_citation : annotation
  const { url, title, start_index: start, end_index: end } = nested
  if (typeof url !== 'string') return undefined
  return {
    type: 'url_citation',
    start_index: typeof start === 'number' ? start : 0,
    end_index: typeof end === 'number' ? end : 0,
    url,
    title: typeof title === 'string' ? title : '',
  }
}

/** What the assistant says: parts of text and of refusal, one after the other. */
export class MessageItem {
  private readonly id: string
  private readonly index: number
  private readonly events: Events
  private readonly parts: (ResponseOutputText | ResponseOutputRefusal)[] = []

  constructor(events: Events) {
    this.events = events
    this.id = events.newId('msg_')
    this.index = events.add(this.item('in_progress', []))
  }

  /** `logprobs` as chat has them; they are the same in this wire. */
  say(text: string, logprobs: readonly unknown[]): void {
    const part = this.part('output_text')
    const list = logprobs as NonNullable<ResponseOutputText['logprobs']>
    part.text += this.events.keep(text)
    part.logprobs?.push(...list)
    this.events.emit({ type: 'response.output_text.delta', ...this.place(), delta: text, logprobs: list })
  }

  refuse(text: string): void {
    this.part('refusal').refusal += this.events.keep(text)
    this.events.emit({ type: 'response.refusal.delta', ...this.place(), delta: text })
  }

  cite(annotations: readonly unknown[]): void {
    const part = this.part('output_text')
    for (const annotation of annotations) {
      const flat = flatAnnotation(annotation)
      if (flat === undefined) continue
      const at = part.annotations.push(flat) - 1
      const fields = { annotation: flat, annotation_index: at }
      this.events.emit({ type: 'response.output_text.annotation.added', ...this.place(), ...fields })
    }
  }

  close(status: Ending): void {
    this.closePart()
    this.events.finish(this.index, this.item(status, this.parts))
  }

  private item(
    status: ResponseOutputMessage['status'],
    content: ResponseOutputMessage['content'],
  ): ResponseOutputMessage {
    return { id: this.id, type: 'message', status, role: 'assistant', content }
  }

  private place() {
    return { item_id: this.id, output_index: this.index, content_index: this.parts.length - 1 }
  }

  /** The part that is being written; another kind than before begins a new one. */
  private part(type: 'output_text'): ResponseOutputText
  private part(type: 'refusal'): ResponseOutputRefusal
  private part(type: 'output_text' | 'refusal') {
    const last = this.parts.at(-1)
    if (last?.type === type) return last
    this.closePart()
    const part =
      type === 'refusal'
        ? { type, refusal: '' }
        : { type, text: '', annotations: [], logprobs: [] as NonNullable<ResponseOutputText['logprobs']> }
    this.parts.push(part)
    // a copy: the part itself grows
    this.events.emit({ type: 'response.content_part.added', ...this.place(), part: { ...part } })
    return part
  }

  private closePart(): void {
    const part = this.parts.at(-1)
    if (part === undefined) return
    const place = this.place()
    if (part.type === 'refusal') {
      this.events.emit({ type: 'response.refusal.done', ...place, refusal: part.refusal })
    } else {
      const { text, logprobs = [] } = part
      this.events.emit({ type: 'response.output_text.done', ...place, text, logprobs })
    }
    this.events.emit({ type: 'response.content_part.done', ...place, part })
  }
}

/** The event stream of a response in the making: numbered events, and the output items in their order. */
import type {
  ResponseOutputItem,
  ResponseReasoningItem,
  ResponseStreamEvent,
} from 'openai/resources/responses/responses'
import { GatewayError } from '../../errors.ts'
import { type Kept, sealKept } from './reasoning.ts'

type Unnumbered<T> = T extends { sequence_number: number } ? Omit<T, 'sequence_number'> : never
/** Any event of the wire, short of its number. */
export type Event = Unnumbered<ResponseStreamEvent>

/** The last event repeats the whole answer, so it is kept in memory: as much as a whole answer may have. */
const ANSWER_CHARS_MAX = 33_554_432

export class Events {
  /** Finished items, and open ones as they were announced; the place is the `output_index`. */
  readonly output: ResponseOutputItem[] = []
  readonly newId: (prefix: string) => string
  private ready = ''
  private next = 0
  private kept = 0

  constructor(newId: (prefix: string) => string) {
    this.newId = newId
  }

  emit(event: Event): void {
    const { type, ...fields } = event
    const data = JSON.stringify({ type, sequence_number: this.next++, ...fields })
    this.ready += `event: ${type}\ndata: ${data}\n\n`
  }

  /** Text of the events since the last time. */
  take(): string {
    const text = this.ready
    this.ready = ''
    return text
  }

  /** Counts text that stays in memory until the end. */
  keep(text: string): string {
    this.kept += text.length
    if (this.kept > ANSWER_CHARS_MAX) throw new GatewayError('malformed', 'the answer is too large')
    return text
  }

  /** Announces an item; gives back its `output_index`. */
  add(item: ResponseOutputItem): number {
    const index = this.output.push(item) - 1
    this.emit({ type: 'response.output_item.added', output_index: index, item })
    return index
  }

  finish(index: number, item: ResponseOutputItem): void {
    this.output[index] = item
    this.emit({ type: 'response.output_item.done', output_index: index, item })
  }

  /** A reasoning item without a summary: it only carries what the model needs back. */
  addKept(kept: Kept): void {
    const bare: ResponseReasoningItem = { id: this.newId('rs_'), type: 'reasoning', summary: [] }
    this.finish(this.add(bare), { ...bare, encrypted_content: this.keep(sealKept(kept)) })
  }
}

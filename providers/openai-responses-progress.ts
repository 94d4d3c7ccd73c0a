/**
 * What a Responses stream has said so far, kept so that it can be ended properly: its last event repeats the whole answer,
 * and when the money runs out that event is ours to write.
 */
import type { Usage } from '../src/terms.ts'
import { isObject } from '../src/wire/extensions.ts'
import type { Json } from './provider.ts'
import { bytesOf } from './openai-responses-read.ts'

export interface Progress {
  /** Takes one event; false = the answer is larger than anything that is kept. */
  note(type: string, said: Json): boolean
  /** Has text of this event's item come before it? */
  knows(said: Json): boolean
  /** Events that close what is open and end the response as incomplete; `usage` is an estimate. */
  cut(usage: Usage | undefined): string
}

/** As much as a whole answer may have. */
const ANSWER_BYTES_MAX = 33_554_432

/** An item that was announced: as it was then, or as it is now that it is done. */
interface Item {
  json: Json
  done: boolean
  /** Text that has come for it, by the kind of delta and the part it belongs to. */
  readonly pieces: Map<string, Piece>
}

interface Piece {
  readonly type: string
  /** Where it belongs: `item_id`, `output_index`, and the part's index. */
  readonly place: Json
  text: string
}

/** Delta → the member that its `.done` event has the whole text in, and the part that it fills, where there is one. */
const KINDS: Readonly<Record<string, { readonly member: string; readonly part?: string }>> = {
  'response.output_text': { member: 'text', part: 'output_text' },
  'response.refusal': { member: 'refusal', part: 'refusal' },
  'response.reasoning_text': { member: 'text', part: 'reasoning_text' },
  'response.reasoning_summary_text': { member: 'text', part: 'summary_text' },
  'response.function_call_arguments': { member: 'arguments' },
  'response.custom_tool_call_input': { member: 'input' },
}

export const createProgress = (): Progress => new Kept()

const indexOf = (said: Json): number => (typeof said.output_index === 'number' ? said.output_index : 0)

class Kept implements Progress {
  private head: Json = {}
  private sequence = 0
  private bytes = 0
  private readonly items = new Map<number, Item>()

  note(type: string, said: Json): boolean {
    if (typeof said.sequence_number === 'number') this.sequence = said.sequence_number + 1
    if (type === 'response.created' && isObject(said.response)) this.head = said.response
    else if (type === 'response.output_item.added' && isObject(said.item))
      this.items.set(indexOf(said), { json: said.item, done: false, pieces: new Map() })
    else if (type === 'response.output_item.done' && isObject(said.item)) this.finish(said, said.item)
    else if (type.endsWith('.delta') && typeof said.delta === 'string') this.grow(type.slice(0, -6), said)
    return this.bytes <= ANSWER_BYTES_MAX
  }

  knows(said: Json): boolean {
    const item = this.items.get(indexOf(said))
    return item !== undefined && item.pieces.size > 0
  }

  private finish(said: Json, json: Json): void {
    const pieces = this.items.get(indexOf(said))?.pieces ?? new Map<string, Piece>()
    if (pieces.size === 0) this.bytes += bytesOf(JSON.stringify(json))
    this.items.set(indexOf(said), { json, done: true, pieces })
  }

  private grow(type: string, said: Json): void {
    const item = this.items.get(indexOf(said))
    if (item === undefined || !Object.hasOwn(KINDS, type)) return
    const { item_id: id, output_index: index, content_index: content, summary_index: summary } = said
    const key = `${type} ${content ?? summary ?? 0}`
    const part = content === undefined ? { summary_index: summary } : { content_index: content }
    const place = { item_id: id, output_index: index, ...part }
    const piece = item.pieces.get(key) ?? { type, place, text: '' }
    piece.text += String(said.delta)
    this.bytes += String(said.delta).length
    item.pieces.set(key, piece)
  }

  cut(usage: Usage | undefined): string {
    let text = ''
    const emit = (type: string, fields: Json): void => {
      const data = JSON.stringify({ type, sequence_number: this.sequence++, ...fields })
      text += `event: ${type}\ndata: ${data}\n\n`
    }
    const output: Json[] = []
    for (const [index, item] of [...this.items].sort(([a], [b]) => a - b)) {
      const json = item.done ? item.json : closed(item, emit)
      output.push(json)
      if (!item.done) emit('response.output_item.done', { output_index: index, item: json })
    }
    const response = {
      ...this.head,
      status: 'incomplete',
      incomplete_details: { reason: 'max_output_tokens' },
      output,
      usage: usage === undefined ? null : estimated(usage),
    }
    emit('response.incomplete', { response })
    return text
  }
}

/** The item with what came of it, its parts told to be done. */
function closed({ json, pieces }: Item, emit: (type: string, fields: Json) => void): Json {
  const parts: Json[] = []
  const members: Json = {}
  for (const { type, place, text } of pieces.values()) {
    const { member, part } = KINDS[type] ?? { member: 'text' }
    emit(`${type}.done`, { ...place, [member]: text })
    if (part === undefined) members[member] = text
    else {
      const made = partOf(part, member, text)
      const done =
        part === 'summary_text' ? 'response.reasoning_summary_part.done' : 'response.content_part.done'
      emit(done, { ...place, part: made })
      parts.push(made)
    }
  }
  if (json.type === 'message') members.content = parts
  if (json.type === 'reasoning') {
    members.summary = parts.filter(part => part.type === 'summary_text')
    const said = parts.filter(part => part.type === 'reasoning_text')
    if (said.length > 0) members.content = said
  }
  return { ...json, ...members, ...(json.status !== undefined && { status: 'incomplete' }) }
}

const partOf = (type: string, member: string, text: string): Json => ({
  type,
  [member]: text,
  ...(type === 'output_text' && { annotations: [], logprobs: [] }),
})

const estimated = ({
  inputTokens,
  outputTokens,
  cacheReadInputTokens,
  reasoningOutputTokens,
}: Usage): Json => ({
  input_tokens: inputTokens,
  input_tokens_details: { cached_tokens: cacheReadInputTokens },
  output_tokens: outputTokens,
  output_tokens_details: { reasoning_tokens: reasoningOutputTokens },
  total_tokens: inputTokens + outputTokens,
  estimated: true,
})

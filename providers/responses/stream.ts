/** Events of a Responses stream → chat chunks, one by one: https://platform.openai.com/docs/api-reference/responses-streaming. */
import { isObject } from '../../src/wire/raw-json.ts'
import { withTier } from '../../src/wire/tiers.ts'
import { failureOf, finishOf, isCall, keepSeals, usageOf } from '../openai-responses-read.ts'
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { argumentsOf, callOf, chatUsage, citationsOf, listOf, placeOf, sealOf, thoughtsOf } from './parts.ts'

/** An item of the answer, by its place there. */
interface Item {
  /** Which of the tool calls it is; −1 = none. */
  readonly call: number
  /** Text, arguments or thoughts that have been told so far, and what else of it. */
  told: string
  done: boolean
}

export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  return new Decoder(context, out)
}

class Decoder implements StreamDecoder {
  private id = ''
  private begun = false
  private over = false
  private calls = 0
  /** The item whose thoughts were told last. */
  private thinking = -1
  private readonly items = new Map<number, Item>()
  /** Places by the ids of their items: the last event may count them otherwise. */
  private readonly places = new Map<unknown, number>()
  private readonly context: DecodeContext
  private readonly out: ChunkSink

  constructor(context: DecodeContext, out: ChunkSink) {
    this.context = context
    this.out = out
  }

  event(data: string, name: string | undefined): void {
    const text = data.trim()
    // not OpenAI's own; some hosts end with it
    if (this.over || text === '' || text === '[DONE]') return
    let said: unknown
    try {
      said = JSON.parse(text)
    } catch {
      return this.fail('malformed', 'the provider sent an event that is no JSON')
    }
    if (isObject(said)) this.take(typeof said.type === 'string' ? said.type : (name ?? ''), said)
  }

  end(): void {}

  private take(type: string, said: Json): void {
    const id = said.item_id ?? (isObject(said.item) ? said.item.id : undefined)
    if (typeof id === 'string' && id !== '' && !this.places.has(id)) this.places.set(id, indexOf(said))
    switch (type) {
      case 'response.created':
        return this.start(said.response)
      case 'response.output_item.added':
        return this.open(said)
      case 'response.output_item.done':
        return isObject(said.item) ? this.finish(said.item, indexOf(said)) : undefined
      case 'response.output_text.delta':
        return this.text(said, 'content')
      case 'response.refusal.delta':
        return this.text(said, 'refusal')
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return this.grow(said)
      case 'response.reasoning_summary_part.added':
      case 'response.reasoning_summary_text.delta':
        return this.think(said, 'summary')
      case 'response.reasoning_text.delta':
        return this.think(said, 'text')
      case 'response.output_text.annotation.added':
        return this.cite([said.annotation])
      case 'response.completed':
      case 'response.incomplete':
        return this.close(isObject(said.response) ? said.response : {})
      case 'response.failed':
        return this.failed(isObject(said.response) ? said.response.error : undefined)
      case 'error':
        return this.failed(isObject(said.error) ? said.error : said)
    }
    // some hosts break off with a bare error object
    if (type === '' && isObject(said.error)) this.failed(said.error)
  }

  private start(response: unknown): void {
    const { id } = isObject(response) ? response : {}
    if (typeof id === 'string' && this.id === '') this.id = id
    if (!this.begun) this.write({ content: '' })
  }

  private itemAt(index: number, call = -1): Item {
    const known = this.items.get(index)
    if (known !== undefined) return known
    const item = { call, told: '', done: false }
    this.items.set(index, item)
    return item
  }

  private nextPlace(): number {
    return Math.max(-1, ...this.items.keys()) + 1
  }

  /** A call is announced once; other items say nothing by being there. */
  private open(said: Json): void {
    const { item: json } = said
    if (!isObject(json) || !isCall(json) || this.items.has(indexOf(said))) return
    const item = this.itemAt(indexOf(said), this.calls++)
    item.told = argumentsOf(json)
    this.write({ tool_calls: [{ index: item.call, ...callOf(json, item.told) }] })
  }

  private text(said: Json, member: 'content' | 'refusal'): void {
    if (typeof said.delta !== 'string' || said.delta === '') return
    this.itemAt(indexOf(said)).told += said.delta
    const { logprobs } = said
    const told = Array.isArray(logprobs) && logprobs.length > 0 ? { content: logprobs, refusal: null } : null
    this.write({ [member]: said.delta }, null, told)
  }

  private grow(said: Json): void {
    const item = this.items.get(indexOf(said))
    if (item === undefined || item.call < 0 || typeof said.delta !== 'string' || said.delta === '') return
    item.told += said.delta
    const custom = said.type === 'response.custom_tool_call_input.delta'
    const piece = custom ? { custom: { input: said.delta } } : { function: { arguments: said.delta } }
    this.write({ tool_calls: [{ index: item.call, ...piece }] })
  }

  private think(said: Json, member: 'summary' | 'text'): void {
    const index = indexOf(said)
    const item = this.itemAt(index)
    // a part after another: a line between them, as whole answers have it
    const isNext = said.type === 'response.reasoning_summary_part.added'
    const piece = isNext ? (item.told === '' ? '' : '\n\n') : said.delta
    if (typeof piece !== 'string' || piece === '') return
    item.told += piece
    const detail = { type: `reasoning.${member}`, [member]: piece, ...placeOf(said.item_id, index) }
    this.write({ ...this.thought(piece, index), reasoning_details: [detail] })
  }

  /** Thoughts as plain text; a line between those of different items. */
  private thought(text: string, index: number): Json {
    const apart = this.thinking >= 0 && this.thinking !== index ? '\n\n' : ''
    this.thinking = index
    return { reasoning: apart + text, reasoning_content: apart + text }
  }

  /** What of an item has not come piece by piece: hosts that send items whole, and what is sealed. */
  private finish(json: Json, index: number): void {
    this.open({ item: json, output_index: index })
    const item = this.itemAt(index)
    if (item.done) return
    item.done = true
    if (isCall(json)) return this.finishCall(json, item)
    if (json.type === 'reasoning') {
      keepSeals([json], this.context.keepSeal)
      const { text, details } = thoughtsOf(json, index)
      const seal = item.told === '' ? details : sealOf(json, index)
      const plain = item.told === '' && text !== '' ? this.thought(text, index) : {}
      if (seal.length > 0) this.write({ ...plain, reasoning_details: seal })
    }
    if (json.type !== 'message' || item.told !== '') return
    for (const part of listOf(json.content)) {
      if (part.type === 'refusal' && part.refusal) this.write({ refusal: part.refusal })
      if (part.type !== 'output_text' || !part.text) continue
      this.write({ content: part.text })
      this.cite(part.annotations)
    }
  }

  private finishCall(json: Json, item: Item): void {
    const whole = argumentsOf(json)
    if (!whole.startsWith(item.told) || whole.length === item.told.length) return
    const rest = whole.slice(item.told.length)
    const piece =
      json.type === 'custom_tool_call' ? { custom: { input: rest } } : { function: { arguments: rest } }
    this.write({ tool_calls: [{ index: item.call, ...piece }] })
  }

  private cite(annotations: unknown): void {
    const found = citationsOf(annotations)
    if (found.length > 0) this.write({ annotations: found })
  }

  private close(response: Json): void {
    this.start(response)
    const output = listOf(response.output)
    const known = output.map(({ id }) => this.places.get(id))
    for (const [at, item] of output.entries()) {
      // an item that nothing has told of yet has no claim to the place of one that it has
      const index = known[at] ?? (known.includes(at) ? this.nextPlace() : at)
      this.open({ item, output_index: index })
      this.finish(item, index)
    }
    const usage = withTier(usageOf(response.usage), response, this.context.request)
    if (usage) this.out.usage(usage)
    this.write({}, this.calls > 0 && finishOf(response) === 'stop' ? 'tool_calls' : finishOf(response))
    if (usage) this.out.chunk({ ...this.frame(), choices: [], usage: chatUsage(usage) })
    this.over = true
    this.out.done()
  }

  private failed(error: unknown): void {
    const { kind, message } = failureOf(error)
    this.fail(kind, message)
  }

  private fail(...failure: Parameters<ChunkSink['fail']>): void {
    this.over = true
    this.out.fail(...failure)
  }

  private frame(): Json {
    return {
      id: this.id,
      object: 'chat.completion.chunk',
      created: this.context.created,
      model: this.context.offer.upstream,
    }
  }

  private write(delta: Json, finish: string | null = null, logprobs: Json | null = null): void {
    this.id ||= this.context.newId('chatcmpl-')
    const first = this.begun ? {} : { role: 'assistant' }
    this.begun = true
    const choice = { index: 0, delta: { ...first, ...delta }, logprobs, finish_reason: finish }
    this.out.chunk({ ...this.frame(), choices: [choice] })
  }
}

const indexOf = (said: Json): number => (typeof said.output_index === 'number' ? said.output_index : 0)

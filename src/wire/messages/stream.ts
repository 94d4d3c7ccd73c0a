/**
 * Chat chunks → Anthropic stream events, https://docs.claude.com/en/docs/build-with-claude/streaming. One block is open
 * at a time: blocks form a queue whose first one is written as it comes, the others wait with what they have.
 */
import type { Usage } from '../../terms.ts'
import { isObject } from '../extensions.ts'
import type { RenderContext, StreamWriter } from '../inbound.ts'
import { MediaNotes } from '../media-notes.ts'
import { finishReasonOf, usageOfAnswer } from '../openai.ts'
import { usd } from '../plain.ts'
import { argumentsIn, type StreamedCall, StreamedCalls } from '../streamed-calls.ts'
import { callBlock, redactedBlock, signatureFor } from './reasoning.ts'
import { CHARS_PER_TOKEN, detailsOf, messagesUsage, saidIn, stopOf } from './usage.ts'

type Json = Record<string, unknown>

type Kind = 'text' | 'thinking' | 'tool_use' | 'redacted_thinking'

interface Block {
  readonly kind: Kind
  /** `content_block`; of a tool call undefined until its name is known. */
  start: Json | undefined
  /** Deltas that wait for the block's turn. */
  waiting: Json[]
  /** Arguments so far. */
  json: string
  signature: string
  opened: boolean
}

interface Call extends StreamedCall {
  readonly block: Block
}

const event = (type: string, more: Json): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`

export function createMessageWriter(context: RenderContext): StreamWriter {
  return new MessageWriter(context)
}

class MessageWriter implements StreamWriter {
  readonly id: string
  private readonly context: RenderContext
  private out = ''
  private started = false
  private index = 0
  private queue: Block[] = []
  private readonly calls = new StreamedCalls<Call>(() => {
    const block = this.push('tool_use', undefined)
    return { id: '', name: '', block }
  })
  /** Signed details without text: they stand between blocks and must not cut one in two. */
  private later: Block[] = []
  private readonly notes = new MediaNotes()
  private finish: string | undefined
  private lastChoice: Json = {}
  private usage: Usage | undefined
  /** UTF-16 units of the answer, for hosts that do not count. */
  private chars = 0
  private usageIsEstimated = false
  private costNanoUsd: number | undefined

  constructor(context: RenderContext) {
    this.context = context
    this.id = context.newId('msg_')
  }

  chunk(chunk: Json, costNanoUsd: number | undefined): string {
    this.start()
    this.usage = usageOfAnswer(chunk) ?? this.usage
    if (isObject(chunk.usage)) this.usageIsEstimated = chunk.usage.estimated === true
    this.costNanoUsd = costNanoUsd ?? this.costNanoUsd
    const choices: readonly unknown[] = Array.isArray(chunk.choices) ? chunk.choices : []
    const choice = choices[0]
    // this wire has one answer: a host's second one would run into it
    if (isObject(choice) && (choice.index ?? 0) === 0) {
      this.finish = finishReasonOf(chunk) ?? this.finish
      this.lastChoice = { ...this.lastChoice, ...choice }
      if (isObject(choice.delta)) this.delta(choice.delta)
    }
    return this.take()
  }

  end(): string {
    this.start()
    for (const block of this.later.splice(0)) this.queue.push(block)
    this.advance(true)
    const calls = this.calls.all.filter(call => call.block.opened).length
    const usage: Json = this.usage
      ? messagesUsage(this.usage)
      : {
          input_tokens: this.context.likelyInputTokens,
          output_tokens: Math.ceil(this.chars / CHARS_PER_TOKEN),
          estimated: true,
        }
    if (this.usageIsEstimated) usage.estimated = true
    if (this.costNanoUsd !== undefined) usage.cost = usd(this.costNanoUsd)
    const delta = { ...stopOf(this.finish, calls, this.lastChoice, this.context.request) }
    this.out += event('message_delta', { delta, usage }) + event('message_stop', {})
    return this.take()
  }

  private take(): string {
    const text = this.out
    this.out = ''
    return text
  }

  /** The upstream counts at the end; clients show the prompt's size from the beginning, so it is estimated here and put right in message_delta. */
  private start(): void {
    if (this.started) return
    this.started = true
    const message = {
      id: this.id,
      type: 'message',
      role: 'assistant',
      model: this.context.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: {
        input_tokens: Math.max(1, this.context.likelyInputTokens),
        cache_creation_input_tokens: 0,
        cache_read_input_tokens: 0,
        output_tokens: 0,
      },
    }
    this.out += event('message_start', { message })
  }

  private delta(delta: Json): void {
    const { text, thought } = saidIn(delta)
    this.chars += text.length + thought.length
    if (thought !== '') this.append('thinking', { type: 'thinking_delta', thinking: thought })
    for (const detail of detailsOf(delta)) this.sign(detail)
    if (text !== '') this.append('text', { type: 'text_delta', text })
    for (const note of this.notes.of(delta)) this.append('text', { type: 'text_delta', text: note })
    for (const { entry, call } of this.calls.of(delta.tool_calls)) this.call(entry, call)
    this.advance(false)
  }

  private append(kind: 'text' | 'thinking', delta: Json): void {
    let block = this.queue.at(-1)
    // A signature ends its thought: what follows is another block.
    if (block?.kind !== kind || block.signature !== '') {
      const start = kind === 'text' ? { type: kind, text: '' } : { type: kind, thinking: '', signature: '' }
      block = this.push(kind, start)
    }
    block.waiting.push(delta)
  }

  private sign(detail: Json): void {
    const redacted = redactedBlock(detail)
    if (redacted) {
      this.later.push(newBlock('redacted_thinking', redacted))
      return
    }
    const signature = signatureFor(detail)
    if (signature === '') return
    const last = this.queue.at(-1)
    const block =
      last?.kind === 'thinking' && last.signature === ''
        ? last
        : this.push('thinking', { type: 'thinking', thinking: '', signature: '' })
    block.signature = signature
  }

  private push(kind: Kind, start: Json | undefined): Block {
    const block = newBlock(kind, start)
    this.queue.push(...this.later.splice(0), block)
    return block
  }

  private call(entry: Json, call: Call): void {
    if (!call.block.start && call.name !== '') {
      if (call.id === '') call.id = this.context.newId('toolu_')
      call.block.start = { type: 'tool_use', id: call.id, name: call.name, input: {} }
    }
    if (isObject(entry.extra_content) && call.id !== '')
      this.later.push(newBlock('redacted_thinking', callBlock(call.id, entry.extra_content)))
    const text = argumentsIn(entry)
    if (text === '') return
    call.block.json += text
    this.chars += text.length
    call.block.waiting.push({ type: 'input_json_delta', partial_json: text })
  }

  /** Writes what the first block has; when others wait and it is over, the next one comes. */
  private advance(atEnd: boolean): void {
    for (;;) {
      const block = this.queue[0]
      if (!block) return
      if (!block.start) {
        if (!atEnd && this.queue.length === 1) return
        // A call without a name cannot be opened; at the end it is none.
        if (!atEnd) return
        this.queue.shift()
        continue
      }
      this.write(block, block.start)
      const over = atEnd || (this.queue.length > 1 && isOver(block))
      if (!over) return
      this.close(block)
      this.queue.shift()
    }
  }

  private write(block: Block, start: Json): void {
    const { index } = this
    if (!block.opened) this.out += event('content_block_start', { index, content_block: start })
    block.opened = true
    for (const delta of block.waiting) this.out += event('content_block_delta', { index, delta })
    block.waiting = []
  }

  private close(block: Block): void {
    const { index } = this
    if (block.signature !== '')
      this.out += event('content_block_delta', {
        index,
        delta: { type: 'signature_delta', signature: block.signature },
      })
    this.out += event('content_block_stop', { index })
    this.index++
  }
}

const newBlock = (kind: Kind, start: Json | undefined): Block => ({
  kind,
  start,
  waiting: [],
  json: '',
  signature: '',
  opened: false,
})

/** A call whose arguments are a whole object has nothing more to say, whoever else is speaking. */
function isOver(block: Block): boolean {
  if (block.kind !== 'tool_use') return true
  if (!block.json.trimEnd().endsWith('}')) return false
  try {
    return isObject(JSON.parse(block.json))
  } catch {
    return false
  }
}

/** ConverseStream's messages → chat completion chunks. One decoder for one stream. */
import type { Usage } from '../../src/terms.ts'
import type { FramedMessage } from '../../src/wire/eventstream.ts'
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { isServers } from './decode.ts'
import { exceptionOf } from './failure.ts'
import { modelFacts } from './model.ts'
import { hidesReasoning, REASONING_FORMAT } from './reasoning.ts'
import { jsonToolName } from './tools.ts'
import { chatUsage, finishReasonOf, usageOf } from './usage.ts'
import { eventSchema, type WireEvent } from './wire.ts'

/** A message as an event of its own name; an exception keeps its kind and words, so that the decoder need not know of frames. */
export function unframe(message: FramedMessage): string {
  const exception = exceptionOf(message)
  const name = exception === undefined ? message.headers[':event-type'] : 'exception'
  const data = exception === undefined ? message.payload.replace(/[\r\n]+/g, ' ') : JSON.stringify(exception)
  // a name goes on a line of its own
  return /^[\w-]{1,64}$/.test(name ?? '') ? `event: ${name}\ndata: ${data}\n\n` : ''
}

export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  const state = new ConverseStream(context, out)
  return { event: (data, name) => state.event(data, name), end: () => state.end() }
}

/** A block that is open upstream. Text and thinking have no start event; a server's tool is skipped. */
type Open =
  | { readonly kind: 'tool' | 'json'; readonly index: number; started: boolean }
  | { readonly kind: 'thought'; readonly index: number }
  | { readonly kind: 'skipped' }

class ConverseStream {
  private readonly context: DecodeContext
  private readonly out: ChunkSink
  private readonly jsonTool: string | undefined
  private readonly hidden: boolean
  private readonly id: string
  private readonly open = new Map<number, Open>()
  private usage: Usage | undefined
  private stopReason: string | undefined
  private said = false
  private finished = false
  private over = false
  private calls = 0
  private thoughts = 0
  private sawJson = false
  private heldText = '' // in JSON-tool mode: text that is the answer only if the tool never comes

  constructor(context: DecodeContext, out: ChunkSink) {
    this.context = context
    this.out = out
    this.id = context.newId('chatcmpl-')
    this.jsonTool = jsonToolName(context.request, modelFacts(context.offer))
    this.hidden = hidesReasoning(context.request)
  }

  event(data: string, name: string | undefined): void {
    if (this.over) return
    let json: unknown
    try {
      json = JSON.parse(data)
    } catch {
      this.fail('malformed', 'the provider sent an event that is no JSON')
      return
    }
    if (name === 'exception') {
      const { kind, message } = json as { kind: Parameters<ChunkSink['fail']>[0]; message: string }
      this.fail(kind, message)
      return
    }
    const parsed = eventSchema.safeParse(json)
    if (parsed.success) this.take(name, parsed.data)
  }

  /** The connection is closed. With a stop reason the answer is whole, even if the counts never came. */
  end(): void {
    if (this.over) return
    if (this.stopReason !== undefined) this.finish()
    this.over = true
  }

  private take(name: string | undefined, event: WireEvent): void {
    const index = event.contentBlockIndex ?? 0
    switch (name) {
      case 'contentBlockStart':
        if (event.start?.toolUse) this.openTool(index, event.start.toolUse)
        else this.open.set(index, { kind: 'skipped' })
        return
      case 'contentBlockDelta':
        if (event.delta) this.delta(index, event.delta)
        return
      case 'contentBlockStop':
        this.close(index)
        return
      case 'messageStop':
        this.stop(event.stopReason ?? '')
        return
      case 'metadata':
        this.count(event)
        return
    }
    // messageStart and whatever comes to be: no content, no error
  }

  private openTool(index: number, tool: NonNullable<NonNullable<WireEvent['start']>['toolUse']>): void {
    if (isServers(tool)) {
      this.open.set(index, { kind: 'skipped' })
    } else if (this.jsonTool !== undefined && tool.name === this.jsonTool) {
      this.sawJson = true
      this.open.set(index, { kind: 'json', index: -1, started: false })
    } else {
      this.releaseText()
      const its = this.calls++
      this.open.set(index, { kind: 'tool', index: its, started: false })
      const id = tool.toolUseId || this.context.newId('call_')
      const call = { index: its, id, type: 'function', function: { name: tool.name ?? '', arguments: '' } }
      this.chunk({ tool_calls: [call] })
    }
  }

  private delta(index: number, delta: NonNullable<WireEvent['delta']>): void {
    const block = this.open.get(index)
    if (block?.kind === 'skipped') return
    if (delta.text) this.text(delta.text)
    if (delta.reasoningContent) this.think(index, delta.reasoningContent)
    const input = delta.toolUse?.input
    if (input && (block?.kind === 'tool' || block?.kind === 'json')) {
      block.started = true
      this.argument(block, input)
    }
  }

  private close(index: number): void {
    const block = this.open.get(index)
    this.open.delete(index)
    if ((block?.kind === 'tool' || block?.kind === 'json') && !block.started) this.argument(block, '{}')
  }

  private argument(block: { kind: 'tool' | 'json'; index: number }, text: string): void {
    if (block.kind === 'json') this.chunk({ content: text })
    else this.chunk({ tool_calls: [{ index: block.index, function: { arguments: text } }] })
  }

  private text(text: string): void {
    if (this.jsonTool !== undefined) this.heldText += text
    else this.chunk({ content: text })
  }

  /** Another tool was called instead of the JSON one: what was said before it is content after all. */
  private releaseText(): void {
    if (this.heldText !== '') this.chunk({ content: this.heldText })
    this.heldText = ''
  }

  private think(
    index: number,
    piece: NonNullable<NonNullable<WireEvent['delta']>['reasoningContent']>,
  ): void {
    let block = this.open.get(index)
    if (block?.kind !== 'thought') {
      block = { kind: 'thought', index: this.thoughts++ }
      this.open.set(index, block)
    }
    const { text, signature, redactedContent: data } = piece
    const at = { format: REASONING_FORMAT, index: block.index }
    if (text) {
      const detail = { type: 'reasoning.text', text, ...at }
      this.reason({ reasoning: text, reasoning_content: text, reasoning_details: [detail] })
    }
    if (signature) this.reason({ reasoning_details: [{ type: 'reasoning.text', signature, ...at }] })
    if (data) this.reason({ reasoning_details: [{ type: 'reasoning.encrypted', data, ...at }] })
  }

  private reason(delta: Json): void {
    if (!this.hidden) this.chunk(delta)
  }

  /** Usually the counts follow; seen the other way round. The stream is over when both are there. */
  private stop(reason: string): void {
    this.stopReason = reason
    if (finishReasonOf(reason, this.calls) === 'broken') {
      this.fail('malformed', `the provider reported ${reason}`)
      return
    }
    if (this.usage !== undefined) this.complete()
  }

  private count({ usage }: WireEvent): void {
    const now = usageOf(usage)
    if (now !== undefined) {
      this.usage = now
      this.out.usage(now)
    }
    if (this.stopReason !== undefined) this.complete()
  }

  private complete(): void {
    this.finish()
    this.over = true
    this.out.done()
  }

  private finish(): void {
    if (this.finished) return
    this.finished = true
    for (const index of [...this.open.keys()]) this.close(index)
    if (!this.sawJson) this.releaseText()
    const reason = finishReasonOf(this.stopReason, this.calls)
    this.chunk({}, reason)
    if (this.usage !== undefined)
      this.out.chunk({ ...this.frame(), choices: [], usage: chatUsage(this.usage) })
  }

  private fail(...failure: Parameters<ChunkSink['fail']>): void {
    this.over = true
    this.out.fail(...failure)
  }

  /** The role goes out with the first content: until then another target may be tried. */
  private chunk(delta: Json, finishReason: string | null = null): void {
    if (!this.said) {
      this.said = true
      this.emit({ role: 'assistant', content: '' }, null)
    }
    this.emit(delta, finishReason)
  }

  private emit(delta: Json, finishReason: string | null): void {
    this.out.chunk({
      ...this.frame(),
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    })
  }

  private frame(): Json {
    const { created, offer } = this.context
    return { id: this.id, object: 'chat.completion.chunk', created, model: offer.upstream }
  }
}

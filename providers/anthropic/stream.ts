/** Anthropic's stream events → chat completion chunks. One decoder for one stream. */
import type { Usage } from '../../src/terms.ts'
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { annotationsOf } from './citations.ts'
import { classify, errorWords } from './errors.ts'
import { hidesReasoning, jsonToolName } from './json-mode.ts'
import { isObject, RawValue } from './raw.ts'
import { REASONING_FORMAT } from './reasoning.ts'
import { atStart, chatUsage, finishReasonOf, mergeUsage, refusalOf, usageOf } from './usage.ts'
import { eventSchema, type WireBlock, type WireEvent, type WireUsage } from './wire.ts'

/** A block that is open upstream. Kinds that a caller has no use for are `other`: their deltas are skipped. */
type Open =
  | { readonly kind: 'text'; readonly start: number; readonly citations: unknown[] }
  | { readonly kind: 'thinking'; readonly index: number }
  | { readonly kind: 'tool' | 'json'; readonly index: number; readonly input: string; started: boolean }
  | { readonly kind: 'other' }

export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  const state = new AnthropicStream(context, out)
  return { event: (data, name) => state.event(data, name), end: () => state.end() }
}

class AnthropicStream {
  private readonly context: DecodeContext
  private readonly out: ChunkSink
  private readonly jsonTool: string | undefined
  private readonly hidden: boolean
  private head: { id: string; model: string } | undefined
  private readonly open = new Map<number, Open>()
  private wireUsage: WireUsage | undefined
  private usage: Usage | undefined
  private stop: { reason: string | null | undefined; refusal: string | null } | undefined
  private said = false // the role has gone out
  private finished = false // the finish reason has gone out
  private over = false // done or failed
  private contentLength = 0
  private calls = 0
  private thoughts = 0
  private sawJson = false
  private heldText = '' // in JSON-tool mode: text that is the answer only if the tool never comes

  constructor(context: DecodeContext, out: ChunkSink) {
    this.context = context
    this.out = out
    this.jsonTool = jsonToolName(context.request, context.offer.upstream)
    this.hidden = hidesReasoning(context.request)
  }

  event(data: string, name: string | undefined): void {
    if (this.over) return
    const text = data.trim()
    if (text === '') return
    if (text === '[DONE]') {
      // Not Anthropic's own; some hosts of this wire add it, and a few send it instead of message_stop.
      if (this.stop !== undefined) this.complete()
      return
    }
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      this.fail('malformed', 'the provider sent an event that is no JSON')
      return
    }
    const parsed = eventSchema.safeParse(json)
    if (!parsed.success) return
    const event = parsed.data
    const type = event.type ?? name
    if (type === 'error' || (type === undefined && isObject(json) && isObject(json.error))) {
      this.fail(classify(200, json) ?? 'overloaded', errorWords(json))
      return
    }
    try {
      this.take(type, event, text)
    } catch (error) {
      // Only nesting too deep to be written again comes here; a fault of ours must not pass for theirs.
      if (!(error instanceof RangeError)) throw error
      this.fail('malformed', 'the provider sent an event that is nested too deeply')
    }
  }

  /** The connection is closed. With a stop reason the answer is whole even if message_stop never came. */
  end(): void {
    if (this.over) return
    if (this.stop !== undefined) this.finish()
    this.over = true
  }

  /** `source` = the text of the event: arguments that come whole are taken from it. */
  private take(type: string | undefined, event: WireEvent, source: string): void {
    switch (type) {
      case 'message_start':
        this.start(event, source)
        return
      case 'content_block_start':
        if (event.content_block)
          this.openBlock(event.index, event.content_block, () => new RawValue(source).at('content_block'))
        return
      case 'content_block_delta':
        if (event.delta) this.delta(event.index, event.delta)
        return
      case 'content_block_stop':
        this.closeBlock(event.index)
        return
      case 'message_delta':
        this.count(event.usage)
        if (event.delta?.stop_reason) {
          const { stop_reason: reason, stop_details: details } = event.delta
          this.stop = { reason, refusal: refusalOf(reason, details) }
        }
        return
      case 'message_stop':
        this.complete()
        return
    }
    // ping and whatever comes to be: no content, no error.
  }

  /** May come again after a server-side fallback: blocks are counted anew, but an answer keeps its first name. */
  private start(event: WireEvent, source: string): void {
    const { id, model, usage, content } = event.message ?? {}
    this.head ??= {
      id: id || this.context.newId('chatcmpl-'),
      model: model || this.context.offer.upstream,
    }
    for (const index of [...this.open.keys()]) this.closeBlock(index)
    this.stop = undefined
    this.count(atStart(usage))
    for (const [at, block] of (content ?? []).entries()) {
      this.openBlock(-1, block, () => new RawValue(source).at('message')?.at('content')?.at(at))
      this.closeBlock(-1)
    }
  }

  private openBlock(index: number, block: WireBlock, written: () => RawValue | undefined): void {
    if (this.open.has(index)) this.closeBlock(index)
    switch (block.type) {
      case 'text':
        this.open.set(index, {
          kind: 'text',
          start: this.contentLength,
          citations: [...(block.citations ?? [])],
        })
        if (block.text) this.text(block.text)
        return
      case 'thinking': {
        const its = this.thoughts++
        this.open.set(index, { kind: 'thinking', index: its })
        if (block.thinking) this.think(its, block.thinking)
        if (block.signature) this.sign(its, block.signature)
        return
      }
      case 'redacted_thinking':
        this.open.set(index, { kind: 'other' })
        this.reason({ type: 'reasoning.encrypted', data: block.data ?? '', index: this.thoughts++ })
        return
      case 'tool_use': {
        // Usually {} and filled by deltas; deferred calls come filled.
        const input = block.input == null ? '{}' : (written()?.at('input')?.text ?? '{}')
        if (this.jsonTool !== undefined && block.name === this.jsonTool) {
          this.sawJson = true
          this.open.set(index, { kind: 'json', index: -1, input, started: false })
          return
        }
        this.releaseText()
        const its = this.calls++
        this.open.set(index, { kind: 'tool', index: its, input, started: false })
        const id = block.id || this.context.newId('call_')
        const call = { index: its, id, type: 'function', function: { name: block.name ?? '', arguments: '' } }
        this.chunk({ tool_calls: [call] })
        return
      }
      default:
        this.open.set(index, { kind: 'other' })
    }
  }

  private delta(index: number, delta: NonNullable<WireEvent['delta']>): void {
    const block = this.open.get(index)
    if (block === undefined || block.kind === 'other') return
    if (block.kind === 'text') {
      if (delta.type === 'text_delta' && delta.text) this.text(delta.text)
      if (delta.type === 'citations_delta') block.citations.push(delta.citation)
    } else if (block.kind === 'thinking') {
      if (delta.type === 'thinking_delta' && delta.thinking) this.think(block.index, delta.thinking)
      if (delta.type === 'signature_delta' && delta.signature) this.sign(block.index, delta.signature)
    } else if (delta.type === 'input_json_delta' && delta.partial_json) {
      block.started = true
      this.argument(block, delta.partial_json)
    }
  }

  private closeBlock(index: number): void {
    const block = this.open.get(index)
    this.open.delete(index)
    if (block === undefined) return
    if (block.kind === 'text' && block.citations.length > 0 && this.jsonTool === undefined) {
      const annotations = annotationsOf(block.citations, block.start, this.contentLength)
      if (annotations.length > 0) this.chunk({ annotations })
    }
    if ((block.kind === 'tool' || block.kind === 'json') && !block.started) this.argument(block, block.input)
  }

  private argument(block: { kind: 'tool' | 'json'; index: number }, text: string): void {
    if (block.kind === 'json') this.chunk({ content: text })
    else this.chunk({ tool_calls: [{ index: block.index, function: { arguments: text } }] })
  }

  private text(text: string): void {
    this.contentLength += text.length
    if (this.jsonTool !== undefined) this.heldText += text
    else this.chunk({ content: text })
  }

  /** Another tool was called instead of the JSON one: what was said before it is content after all. */
  private releaseText(): void {
    if (this.heldText !== '') this.chunk({ content: this.heldText })
    this.heldText = ''
  }

  private think(index: number, text: string): void {
    this.reason({ type: 'reasoning.text', text, index }, { reasoning: text, reasoning_content: text })
  }

  private sign(index: number, signature: string): void {
    this.reason({ type: 'reasoning.text', signature, index })
  }

  private reason(detail: Json, plain: Json = {}): void {
    if (this.hidden) return
    this.chunk({ ...plain, reasoning_details: [{ ...detail, format: REASONING_FORMAT }] })
  }

  private count(usage: WireUsage | null | undefined): void {
    this.wireUsage = mergeUsage(this.wireUsage, usage)
    const now = usageOf(this.wireUsage)
    if (now === undefined || usage === null || usage === undefined) return
    this.usage = now
    this.out.usage(now)
  }

  private complete(): void {
    this.finish()
    this.over = true
    this.out.done()
  }

  private finish(): void {
    if (this.finished) return
    for (const index of [...this.open.keys()]) this.closeBlock(index)
    if (!this.sawJson) this.releaseText()
    const { reason, refusal } = this.stop ?? { reason: undefined, refusal: null }
    if (refusal !== null) this.chunk({ refusal })
    this.chunk({}, finishReasonOf(reason, this.calls))
    this.finished = true
    if (this.usage !== undefined)
      this.out.chunk({ ...this.frame(), choices: [], usage: chatUsage(this.usage) })
  }

  private fail(...failure: Parameters<ChunkSink['fail']>): void {
    this.over = true
    this.out.fail(...failure)
  }

  /** The role goes out with the first content, not with message_start: until then another target may be tried. */
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
    this.head ??= { id: this.context.newId('chatcmpl-'), model: this.context.offer.upstream }
    const { id, model } = this.head
    return { id, object: 'chat.completion.chunk', created: this.context.created, model }
  }
}

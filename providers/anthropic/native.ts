/** Messages in, Messages out: Anthropic's own wire for callers who speak it. Bytes pass; what is changed stands in `encode`. */
import { GatewayError } from '../../src/errors.ts'
import type { Usage } from '../../src/terms.ts'
import { type Body, elementsAt, type Member, membersAt } from '../../src/wire/body.ts'
import { isForeignThinking } from '../../src/wire/messages/reasoning.ts'
import { type Patch, splice } from '../../src/wire/splice.ts'
import type {
  Encoded,
  Json,
  NativeCodec,
  NativeFacts,
  NativeRequest,
  NativeSign,
  NativeTap,
} from '../provider.ts'
import { classify, errorWords } from './errors.ts'
import { isObject } from './raw.ts'
import { atStart, finishReasonOf, mergeUsage, usageOf } from './usage.ts'
import { eventSchema, messageSchema, type WireBlock, type WireEvent, type WireUsage } from './wire.ts'

/** The Messages codec of Anthropic. */
export const native: NativeCodec = { encode, read, tap: () => new Tap() }

const VERSION = '2023-06-01'

/** Changed: the model's name, our extension fields, `speed`, the limit when one is set, and thinking that Claude never wrote. */
function encode(request: NativeRequest): Encoded {
  const { body, offer, maxOutputTokens, extensions } = request
  const { json } = body
  const set: Record<string, string> = {}
  if (json.model !== offer.upstream) set.model = JSON.stringify(offer.upstream)
  if (maxOutputTokens !== undefined) set.max_tokens = String(maxOutputTokens)
  const remove = [...extensions]
  const dropped: string[] = []
  if (json.reasoning != null) dropped.push('reasoning')
  // Fast mode has a price of its own, which nobody looked up.
  if (json.speed != null && json.speed !== 'standard') {
    remove.push('speed')
    dropped.push('speed')
  }
  const foreign = withoutForeignThinking(body)
  if (foreign.length > 0) dropped.push('thinking')
  if (foreign.length > 0 && needsThinking(json)) remove.push('thinking')
  const version = request.header('anthropic-version') ?? ''
  const betas = betasIn(request.header('anthropic-beta'))
  return {
    path: request.query === 'beta=true' ? '/messages?beta=true' : '/messages',
    body: splice(body, { set, remove, inner: foreign }),
    headers: [
      'anthropic-version',
      /^\d{4}-\d{2}-\d{2}$/.test(version) ? version : VERSION,
      ...(betas.length > 0 ? ['anthropic-beta', betas.join(',')] : []),
    ],
    dropped,
  }
}

/** The caller's betas, each once. Header material: names only. */
function betasIn(header: string | undefined): string[] {
  const names = (header ?? '').split(',').map(name => name.trim())
  return [...new Set(names.filter(name => /^[\w.-]{1,80}$/.test(name)))]
}

/** Thinking of another model, in a conversation that has come back to Claude: its signature would be refused. */
function withoutForeignThinking({ bytes, json, members }: Body): Patch[] {
  const messages = Array.isArray(json.messages) ? (json.messages as Json[]) : []
  const isMixed = ({ content }: Json) => Array.isArray(content) && content.some(isForeignThinking)
  if (!messages.some(isMixed)) return []
  const place = members.find(({ key }) => key === 'messages') as Member
  const starts = elementsAt(bytes, place.valueStart)
  return messages.flatMap((message, i) => {
    if (!isMixed(message)) return []
    const content = membersAt(bytes, starts[i] as number).findLast(({ key }) => key === 'content') as Member
    const blocks = elementsAt(bytes, content.valueStart)
    const kept = blocks.flatMap((start, j) => {
      if (isForeignThinking((message.content as Json[])[j])) return []
      const end = blocks[j + 1] ?? content.valueEnd - 1
      return new TextDecoder().decode(bytes.subarray(start, end)).replace(/[\s,]+$/, '')
    })
    return { start: content.valueStart, end: content.valueEnd, text: `[${kept.join(',')}]` }
  })
}

/**
 * A budget for thinking is refused where the calls that were just answered do not begin with thinking: "Expected `thinking`
 * or `redacted_thinking`, but found `tool_use`". Adaptive thinking takes them so.
 * https://docs.claude.com/en/docs/build-with-claude/extended-thinking#preserving-thinking-blocks
 */
function needsThinking({ thinking, messages }: Readonly<Json>): boolean {
  if (!isObject(thinking) || thinking.type !== 'enabled' || !Array.isArray(messages)) return false
  const blocksOf = (message: unknown): Json[] =>
    isObject(message) && Array.isArray(message.content) ? message.content.filter(isObject) : []
  if (!blocksOf(messages.at(-1)).some(({ type }) => type === 'tool_result')) return false
  const calling = messages.findLast(message => isObject(message) && message.role === 'assistant')
  const first = blocksOf(calling).find(block => !isForeignThinking(block))
  return first !== undefined && first.type !== 'thinking' && first.type !== 'redacted_thinking'
}

function read(answer: unknown): NativeFacts {
  const parsed = messageSchema.safeParse(answer)
  if (!parsed.success) {
    const failure = classify(200, answer)
    if (failure !== undefined) throw new GatewayError(failure, errorWords(answer))
    throw new GatewayError('malformed', 'the provider sent an answer that is no message')
  }
  const { id, content, stop_reason: reason, usage } = parsed.data
  const calls = content.filter(block => block.type === 'tool_use').length
  return {
    usage: usageOf(usage),
    finishReason: finishReasonOf(reason, calls),
    answerId: id || undefined,
    textBytes: bytesOf(content),
  }
}

const bytesOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length

const event = (type: string, more: Json): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`

/** Bytes of the shortest delta event around its text: what is longer counts as text, so that the count is never too low. */
const DELTA_FRAME_BYTES = event('content_block_delta', {
  index: 0,
  delta: { type: 'text_delta', text: '' },
}).length

/** Upper bound of a delta's text. Anthropic fills events up with spaces before their last brace (recorded). */
function saidIn(data: string, eventBytes: number): number {
  let at = data.length - 1
  while (at > 0 && data[at] === '}') at--
  const filled = at
  while (at > 0 && data[at] === ' ') at--
  return Math.max(1, eventBytes - DELTA_FRAME_BYTES - (filled - at))
}

class Tap implements NativeTap {
  private content = false
  private wireUsage: WireUsage | undefined
  private readonly open = new Set<number>()
  private calls = 0
  private reason: string | null | undefined
  private ended = false

  event(data: string, name: string | undefined, eventBytes: number): NativeSign {
    // After the first content a delta can only be more of it, and there are many: they are not parsed.
    if (this.content && name === 'content_block_delta')
      return { content: true, textBytes: saidIn(data, eventBytes) }
    const text = data.trim()
    if (text === '') return {}
    // Not Anthropic's own; some hosts of this wire end with it.
    if (text === '[DONE]') return this.ended ? { done: true } : {}
    let json: unknown
    try {
      json = JSON.parse(text)
    } catch {
      return { failure: { kind: 'malformed', message: 'the provider sent an event that is no JSON' } }
    }
    const parsed = eventSchema.safeParse(json)
    if (!parsed.success) return {}
    const type = parsed.data.type ?? name
    if (type === 'error' || (type === undefined && isObject(json) && isObject(json.error)))
      return { failure: { kind: classify(200, json) ?? 'overloaded', message: errorWords(json) } }
    const sign = this.read(type, parsed.data, data, eventBytes)
    this.content ||= sign.content === true
    return sign
  }

  private read(type: string | undefined, said: WireEvent, data: string, eventBytes: number): NativeSign {
    switch (type) {
      case 'message_start': {
        const content = (said.message?.content ?? []).length > 0
        return {
          ...this.count(atStart(said.message?.usage)),
          answerId: said.message?.id || undefined,
          content,
        }
      }
      case 'content_block_start': {
        this.open.add(said.index)
        const block = said.content_block
        if (block?.type === 'tool_use') this.calls++
        return block && saysSomething(block) ? { content: true, textBytes: bytesOf(block) } : {}
      }
      case 'content_block_delta': {
        const isSaid = said.delta != null && isFilled(said.delta)
        return isSaid ? { content: true, textBytes: saidIn(data, eventBytes) } : {}
      }
      case 'content_block_stop':
        this.open.delete(said.index)
        return {}
      case 'message_delta': {
        const counted = this.count(said.usage)
        if (!said.delta?.stop_reason) return counted
        this.reason = said.delta.stop_reason
        this.ended = true
        return { ...counted, content: true, finishReason: finishReasonOf(this.reason, this.calls) }
      }
      case 'message_stop':
        this.ended = true
        return { done: true, finishReason: finishReasonOf(this.reason, this.calls) }
    }
    // ping and whatever comes to be.
    return {}
  }

  private count(usage: WireUsage | null | undefined): NativeSign {
    if (usage === null || usage === undefined) return {}
    this.wireUsage = mergeUsage(this.wireUsage, usage)
    return { usage: usageOf(this.wireUsage) }
  }

  cut(usage: Usage | undefined): string {
    const stops = [...this.open].map(index => event('content_block_stop', { index }))
    const counts = { output_tokens: usage?.outputTokens ?? 0, estimated: true }
    const delta = { stop_reason: 'max_tokens', stop_sequence: null }
    return stops.join('') + event('message_delta', { delta, usage: counts }) + this.missing()
  }

  missing(): string {
    return event('message_stop', {})
  }
}

/** Blocks of text and thinking begin empty; every other kind says something by being there. */
function saysSomething(block: WireBlock): boolean {
  if (block.type === 'text') return !!block.text
  return block.type === 'thinking' ? !!block.thinking || !!block.signature : true
}

/** `input_json_delta` begins with an empty piece, text may too. */
function isFilled({ type, ...delta }: NonNullable<WireEvent['delta']>): boolean {
  return Object.values(delta).some(value => value !== '' && value !== null && value !== undefined)
}

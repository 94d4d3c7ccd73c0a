/** Cohere's stream events → OpenAI chunks, one by one: https://docs.cohere.com/v2/docs/streaming. */
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { annotationsOf } from './citations.ts'
import { argumentsOf, REASONING_FORMAT } from './decode.ts'
import { chatUsage, finishReasonOf, isBroken, usageOf } from './usage.ts'
import { eventSchema, type WireCall } from './wire.ts'

type WireEvent = ReturnType<typeof eventSchema.parse>

export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  let id = ''
  let begun = false
  let calls = 0
  /** Characters of content so far, and where each content block began. */
  let written = 0
  const starts = new Map<number, number>()
  /** Arguments of the open call: the text "null" for "none" is known only at its end. */
  let held: string | undefined

  const emit = (delta: Json, finish: string | null = null, more: Json = {}): void => {
    id ||= context.newId('chatcmpl-')
    const first = begun ? {} : { role: 'assistant' }
    begun = true
    const choice = { index: 0, delta: { ...first, ...delta }, logprobs: null, finish_reason: finish }
    out.chunk({ ...frame(), choices: [choice], ...more })
  }
  const frame = (): Json => ({
    id,
    object: 'chat.completion.chunk',
    created: context.created,
    model: context.offer.upstream,
  })

  const content = (event: WireEvent): void => {
    const part = event.delta?.message?.content
    if (event.type === 'content-start' && part?.type !== 'thinking') starts.set(event.index ?? 0, written)
    if (part?.thinking) {
      const detail = { type: 'reasoning.text', text: part.thinking, format: REASONING_FORMAT, index: 0 }
      emit({ reasoning: part.thinking, reasoning_content: part.thinking, reasoning_details: [detail] })
    }
    if (part?.text) {
      written += part.text.length
      emit({ content: part.text })
    }
  }
  const argument = (text: string): void => {
    const call = { index: calls - 1, function: { arguments: text } }
    emit({ tool_calls: [call] })
  }
  const callStart = (call: WireCall): void => {
    const text = call.function?.arguments ?? ''
    held = isNullSoFar(text) ? text : undefined
    const its = { name: call.function?.name ?? '', arguments: held === undefined ? text : '' }
    emit({
      tool_calls: [
        { index: calls++, id: call.id || context.newId('call_'), type: 'function', function: its },
      ],
    })
  }
  const callDelta = (text: string): void => {
    if (held === undefined) return argument(text)
    held += text
    if (isNullSoFar(held)) return
    const whole = held
    held = undefined
    argument(whole)
  }
  const callEnd = (): void => {
    if (held === undefined) return
    const text = argumentsOf(held)
    held = undefined
    argument(text)
  }
  const end = (event: WireEvent): void => {
    callEnd()
    const { finish_reason: reason, error, usage: counts } = event.delta ?? {}
    const usage = usageOf(counts)
    if (usage) out.usage(usage)
    if (isBroken(reason))
      return out.fail('overloaded', error ? 'the provider reported an error' : 'the provider broke off')
    emit({}, finishReasonOf(reason, calls))
    if (usage) out.chunk({ ...frame(), choices: [], usage: chatUsage(usage) })
  }

  return {
    event(data) {
      if (data.trim() === '[DONE]') return out.done()
      const event = read(data)
      const message = event?.delta?.message
      switch (event?.type) {
        case 'message-start':
          id = event.id || id
          return emit({ content: '' })
        case 'content-start':
        case 'content-delta':
          return content(event)
        case 'tool-plan-delta':
          return message?.tool_plan ? emit({ tool_plan: message.tool_plan }) : undefined
        case 'tool-call-start':
          return message?.tool_calls ? callStart(message.tool_calls) : undefined
        case 'tool-call-delta':
          return calls > 0 ? callDelta(message?.tool_calls?.function?.arguments ?? '') : undefined
        case 'tool-call-end':
          return callEnd()
        case 'citation-start': {
          const cited = message?.citations
          const at = cited?.content_index ?? lastKey(starts) ?? 0
          const annotations = cited ? annotationsOf(cited, starts.get(at) ?? 0) : []
          return annotations.length > 0 ? emit({ annotations }) : undefined
        }
        case 'message-end':
          return end(event)
      }
    },
    end() {},
  }
}

const isNullSoFar = (text: string): boolean => 'null'.startsWith(text)

function lastKey(starts: ReadonlyMap<number, number>): number | undefined {
  let last: number | undefined
  for (const key of starts.keys()) last = key
  return last
}

/** What is no JSON is skipped: one broken event is no reason to lose the rest. */
function read(data: string): WireEvent | undefined {
  try {
    const parsed = eventSchema.safeParse(JSON.parse(data))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

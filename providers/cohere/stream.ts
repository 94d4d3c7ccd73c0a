/** Cohere's stream events → OpenAI chunks, one by one: https://docs.cohere.com/v2/docs/streaming. */
import type { ChunkSink, DecodeContext, Json, StreamDecoder } from '../provider.ts'
import { annotationsOf } from './citations.ts'
import { argumentsOf, REASONING_FORMAT } from './decode.ts'
import { chatUsage, finishReasonOf, isBroken, usageOf } from './usage.ts'
import { eventSchema, type WireCall } from './wire.ts'

type WireEvent = ReturnType<typeof eventSchema.parse>

/** Writes chunks of one answer; the first says the role. */
function createWriter(context: DecodeContext, out: ChunkSink) {
  let id = ''
  let begun = false
  const frame = (): Json => ({
    id,
    object: 'chat.completion.chunk',
    created: context.created,
    model: context.offer.upstream,
  })
  return {
    name(given: string | null | undefined) {
      id = given || id
    },
    write(delta: Json, finish: string | null = null): void {
      id ||= context.newId('chatcmpl-')
      const first = begun ? {} : { role: 'assistant' }
      begun = true
      const choice = { index: 0, delta: { ...first, ...delta }, logprobs: null, finish_reason: finish }
      out.chunk({ ...frame(), choices: [choice] })
    },
    usage: (usage: Json) => out.chunk({ ...frame(), choices: [], usage }),
  }
}
type Write = ReturnType<typeof createWriter>['write']

/** Tool calls, one after another. Arguments that are the text "null" mean none, which is known only at the call's end. */
function createCalls(context: DecodeContext, write: Write) {
  let count = 0
  let held: string | undefined
  const say = (text: string) => write({ tool_calls: [{ index: count - 1, function: { arguments: text } }] })
  return {
    count: () => count,
    start(call: WireCall): void {
      const text = call.function?.arguments ?? ''
      held = isNullSoFar(text) ? text : undefined
      const its = { name: call.function?.name ?? '', arguments: held === undefined ? text : '' }
      const id = call.id || context.newId('call_')
      write({ tool_calls: [{ index: count++, id, type: 'function', function: its }] })
    },
    delta(text: string): void {
      if (count === 0) return
      const whole = held === undefined ? text : held + text
      held = held !== undefined && isNullSoFar(whole) ? whole : undefined
      if (held === undefined) say(whole)
    },
    end(): void {
      if (held !== undefined) say(argumentsOf(held))
      held = undefined
    },
  }
}

/** Text, thinking and citations; a citation counts from the beginning of its block. */
function createContent(write: Write) {
  let written = 0
  const starts = new Map<number, number>()
  return {
    part({ type, index, delta }: WireEvent): void {
      const part = delta?.message?.content
      if (type === 'content-start' && part?.type !== 'thinking') starts.set(index ?? 0, written)
      if (part?.thinking) {
        const detail = { type: 'reasoning.text', text: part.thinking, format: REASONING_FORMAT, index: 0 }
        write({ reasoning: part.thinking, reasoning_content: part.thinking, reasoning_details: [detail] })
      }
      if (part?.text) {
        written += part.text.length
        write({ content: part.text })
      }
    },
    cite({ delta }: WireEvent): void {
      const cited = delta?.message?.citations
      const at = cited?.content_index ?? [...starts.keys()].at(-1) ?? 0
      const annotations = cited ? annotationsOf(cited, starts.get(at) ?? 0) : []
      if (annotations.length > 0) write({ annotations })
    },
  }
}

export function decodeStream(context: DecodeContext, out: ChunkSink): StreamDecoder {
  const answer = createWriter(context, out)
  const content = createContent(answer.write)
  const calls = createCalls(context, answer.write)

  const end = ({ delta }: WireEvent): void => {
    calls.end()
    const usage = usageOf(delta?.usage)
    if (usage) out.usage(usage)
    if (isBroken(delta?.finish_reason))
      return out.fail(
        'overloaded',
        delta?.error ? 'the provider reported an error' : 'the provider broke off',
      )
    answer.write({}, finishReasonOf(delta?.finish_reason, calls.count()))
    if (usage) answer.usage(chatUsage(usage))
  }
  const take = (event: WireEvent): void => {
    const message = event.delta?.message
    switch (event.type) {
      case 'message-start':
        answer.name(event.id)
        return answer.write({ content: '' })
      case 'content-start':
      case 'content-delta':
        return content.part(event)
      case 'tool-plan-delta':
        return message?.tool_plan ? answer.write({ tool_plan: message.tool_plan }) : undefined
      case 'tool-call-start':
        return message?.tool_calls ? calls.start(message.tool_calls) : undefined
      case 'tool-call-delta':
        return calls.delta(message?.tool_calls?.function?.arguments ?? '')
      case 'tool-call-end':
        return calls.end()
      case 'citation-start':
        return content.cite(event)
      case 'message-end':
        return end(event)
    }
  }
  return {
    event(data) {
      if (data.trim() === '[DONE]') return out.done()
      const event = read(data)
      if (event) take(event)
    },
    end() {},
  }
}

const isNullSoFar = (text: string): boolean => 'null'.startsWith(text)

/** What is no JSON is skipped: one broken event is no reason to lose the rest. */
function read(data: string): WireEvent | undefined {
  try {
    const parsed = eventSchema.safeParse(JSON.parse(data))
    return parsed.success ? parsed.data : undefined
  } catch {
    return undefined
  }
}

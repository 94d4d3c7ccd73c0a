/** Whole Cohere answer → OpenAI chat completion. */
import { GatewayError } from '../../src/errors.ts'
import type { DecodeContext, Decoded, Json } from '../provider.ts'
import { annotationsOf } from './citations.ts'
import { chatUsage, finishReasonOf, isBroken, usageOf } from './usage.ts'
import { answerSchema, type WireCall, type WirePart } from './wire.ts'

/** Marks details as Cohere's. */
export const REASONING_FORMAT = 'cohere-v2'

/** Throws GatewayError: `overloaded` when Cohere says that it broke off, `malformed` for what is no answer. */
export function decode(answer: unknown, context: DecodeContext): Decoded {
  const parsed = answerSchema.safeParse(answer)
  if (!parsed.success) throw new GatewayError('malformed', 'the provider sent an answer that is no message')
  const wire = parsed.data
  if (isBroken(wire.finish_reason)) throw new GatewayError('overloaded', 'the provider broke off its answer')
  const { content, tool_plan: plan, tool_calls: calls, citations } = wire.message
  const said = readParts(typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []))
  const toolCalls = (calls ?? []).map(call => toolCall(call, context))
  const annotations = (citations ?? []).flatMap(one =>
    annotationsOf(one, said.starts.get(one.content_index ?? -1) ?? 0),
  )
  const usage = usageOf(wire.usage)
  const finishReason = finishReasonOf(wire.finish_reason, toolCalls.length)
  const id = wire.id || context.newId('chatcmpl-')
  const message: Json = {
    role: 'assistant',
    content: said.text,
    refusal: null,
    ...(said.thinking !== '' && {
      reasoning: said.thinking,
      reasoning_content: said.thinking,
      reasoning_details: [
        { type: 'reasoning.text', text: said.thinking, format: REASONING_FORMAT, index: 0 },
      ],
    }),
    ...(plan && { tool_plan: plan }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
    ...(annotations.length > 0 && { annotations }),
  }
  return {
    body: {
      id,
      object: 'chat.completion',
      created: context.created,
      model: context.offer.upstream,
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason }],
      ...(usage && { usage: chatUsage(usage) }),
    },
    usage,
    finishReason,
    answerId: id,
  }
}

interface Said {
  text: string | null
  thinking: string
  /** Content index → where that text begins in the whole; citations count from there. */
  readonly starts: Map<number, number>
}

function readParts(parts: readonly WirePart[]): Said {
  const said: Said = { text: null, thinking: '', starts: new Map() }
  for (const [i, part] of parts.entries()) {
    if (part.type === 'thinking') said.thinking += part.thinking ?? ''
    if (part.type !== 'text') continue
    said.starts.set(i, said.text?.length ?? 0)
    said.text = (said.text ?? '') + (part.text ?? '')
  }
  return said
}

function toolCall(call: WireCall, context: DecodeContext): Json {
  return {
    id: call.id || context.newId('call_'),
    type: 'function',
    function: { name: call.function?.name ?? '', arguments: argumentsOf(call.function?.arguments) },
  }
}

/** A tool without arguments is sometimes called with the text "null" (vercel/ai packages/cohere). */
export function argumentsOf(text: string | null | undefined): string {
  return text === undefined || text === null || text === '' || text === 'null' ? '{}' : text
}

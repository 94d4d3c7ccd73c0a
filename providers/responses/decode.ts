/** Whole response → chat completion. */
import { isObject } from '../../src/wire/raw-json.ts'
import { isCall, readResponse } from '../openai-responses-read.ts'
import type { DecodeContext, Decoded, Json } from '../provider.ts'
import { argumentsOf, callOf, chatUsage, citationsOf, listOf, thoughtsOf } from './parts.ts'

/** Throws GatewayError for a response that failed, and for what is none. */
export function decode(answer: unknown, context: DecodeContext): Decoded {
  const { usage, finishReason, answerId } = readResponse(answer, context)
  const said = read(listOf((answer as Json).output))
  const id = answerId ?? context.newId('chatcmpl-')
  const tier = (answer as Json).service_tier
  const message: Json = {
    role: 'assistant',
    content: said.text,
    refusal: said.refusal,
    ...(said.thoughts !== '' && { reasoning: said.thoughts, reasoning_content: said.thoughts }),
    ...(said.details.length > 0 && { reasoning_details: said.details }),
    ...(said.calls.length > 0 && { tool_calls: said.calls }),
    ...(said.annotations.length > 0 && { annotations: said.annotations }),
  }
  const logprobs = said.logprobs.length > 0 ? { content: said.logprobs, refusal: null } : null
  return {
    body: {
      id,
      object: 'chat.completion',
      created: context.created,
      model: context.offer.upstream,
      choices: [{ index: 0, message, logprobs, finish_reason: finishReason }],
      ...(typeof tier === 'string' && { service_tier: tier }),
      ...(usage && { usage: chatUsage(usage) }),
    },
    usage,
    finishReason,
    answerId: id,
  }
}

interface Said {
  text: string | null
  refusal: string | null
  thoughts: string
  readonly details: Json[]
  readonly calls: Json[]
  readonly annotations: Json[]
  readonly logprobs: unknown[]
}

function read(output: readonly Json[]): Said {
  const said: Said = {
    text: null,
    refusal: null,
    thoughts: '',
    details: [],
    calls: [],
    annotations: [],
    logprobs: [],
  }
  for (const [index, item] of output.entries()) {
    if (isCall(item)) said.calls.push(callOf(item, argumentsOf(item)))
    else if (item.type === 'message') readMessage(item, said)
    else if (item.type === 'reasoning') {
      const { text, details } = thoughtsOf(item, index)
      said.thoughts += said.thoughts !== '' && text !== '' ? `\n\n${text}` : text
      said.details.push(...details)
    }
  }
  return said
}

function readMessage({ content }: Json, said: Said): void {
  for (const part of listOf(content)) {
    if (part.type === 'refusal') said.refusal = (said.refusal ?? '') + String(part.refusal ?? '')
    if (part.type !== 'output_text') continue
    // a citation counts from the beginning of its part
    const before = said.text?.length ?? 0
    said.text = (said.text ?? '') + (typeof part.text === 'string' ? part.text : '')
    said.annotations.push(...citationsOf(part.annotations).map(one => moved(one, before)))
    if (Array.isArray(part.logprobs)) said.logprobs.push(...part.logprobs)
  }
}

function moved(citation: Json, by: number): Json {
  const its = citation.url_citation
  if (by === 0 || !isObject(its)) return citation
  const { start_index: start, end_index: end } = its
  if (typeof start !== 'number' || typeof end !== 'number') return citation
  return { ...citation, url_citation: { ...its, start_index: start + by, end_index: end + by } }
}

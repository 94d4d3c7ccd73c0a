/** A whole chat completion → a GenerateContentResponse, https://ai.google.dev/api/generate-content#generatecontentresponse. */
import { isObject } from '../extensions.ts'
import type { RenderContext } from '../inbound.ts'
import { calledIn } from '../messages/answer.ts'
import { detailsOf, saidIn } from '../messages/usage.ts'
import { usageOfAnswer } from '../openai.ts'
import { signatureOf } from './signatures.ts'
import {
  citations,
  estimatedMetadata,
  finishOf,
  isSigned,
  joined,
  logprobsResult,
  mediaParts,
  usageMetadata,
  wantsThoughts,
} from './usage.ts'

type Json = Record<string, unknown>

export function toAnswer(completion: Json, context: RenderContext): Json {
  const choices = Array.isArray(completion.choices) ? completion.choices.filter(isObject) : []
  const usage = usageOfAnswer(completion)
  let chars = 0
  const candidates = choices.map((choice, at) => {
    const message = isObject(choice.message) ? choice.message : {}
    const { text, thought } = saidIn(message)
    chars += text.length + thought.length
    const parts = partsOf(message, text, thought, context)
    return {
      content: { parts: parts.length > 0 ? parts : [{ text: '' }], role: 'model' },
      finishReason: finishOf(choice.finish_reason),
      index: typeof choice.index === 'number' ? choice.index : at,
      ...citations(message.annotations, text),
      ...logprobsResult(choice.logprobs),
    }
  })
  return {
    candidates,
    usageMetadata: usage === undefined ? estimatedMetadata(context, chars) : usageMetadata(usage),
    modelVersion: context.model,
    responseId: context.newId('gen_'),
  }
}

/** Thoughts where they were asked for, what was said, and calls; signatures stand on the first call, else on the text. */
function partsOf(message: Json, text: string, thought: string, context: RenderContext): Json[] {
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isObject) : []
  const details = joined(detailsOf(message)).filter(isSigned)
  const free = details.filter(detail => !calls.some(call => call.id != null && call.id === detail.id))
  let waiting = free.length > 0 ? signatureOf(free) : undefined
  const signed = (): Json => {
    const thoughtSignature = waiting
    waiting = undefined
    return thoughtSignature === undefined ? {} : { thoughtSignature }
  }
  const parts: Json[] = []
  if (thought !== '' && wantsThoughts(context)) parts.push({ text: thought, thought: true })
  if (text !== '') parts.push({ text, ...(calls.length === 0 ? signed() : {}) })
  parts.push(...mediaParts(message))
  for (const call of calls) {
    const own = ownSignature(call, details)
    const functionCall = callOf(call)
    parts.push({ functionCall, ...(own === undefined ? signed() : { thoughtSignature: own }) })
  }
  if (waiting !== undefined) parts.push({ text: '', ...signed() })
  return parts
}

/** `functionCall` of an entry of `tool_calls`; its arguments keep the digits that the model wrote. */
export function callOf(call: Json): Json {
  const { name, input } = calledIn(call)
  return { ...(typeof call.id === 'string' && call.id !== '' ? { id: call.id } : {}), name, args: input }
}

/** Google's signature of a call: from its `extra_content`, or from the detail that has its id. */
export function ownSignature(call: Json, details: readonly Json[]): string | undefined {
  const google = isObject(call.extra_content) ? call.extra_content.google : undefined
  if (isObject(google) && typeof google.thought_signature === 'string') return google.thought_signature
  const bound = details.find(detail => call.id != null && detail.id === call.id)
  return bound && signatureOf([bound])
}

/** Whole Gemini answer → OpenAI `chat.completion`. Stage: relay. */
import { GatewayError } from '../../src/errors.ts'
import { RawValue } from '../../src/wire/raw-json.ts'
import type { DecodeContext, Decoded, Json } from '../provider.ts'
import { assemble, Choice, readingOf, type Step } from './choice.ts'
import { failureOf } from './failure.ts'
import { Searches } from './grounding.ts'
import { readUsage, wireUsage } from './usage.ts'
import { type Answer, answerSchema, errorOf } from './wire.ts'

/**
 * Reads a whole answer. A blocked prompt is an answer with `finish_reason: "content_filter"`, because its tokens are billed.
 * Throws GatewayError: the named failure of an error object, or malformed for what is no answer.
 */
export function decode(answer: unknown, context: DecodeContext): Decoded {
  const error = errorOf(answer)
  if (error !== undefined) throw failureOf(error)
  const read = answerSchema.safeParse(answer)
  if (!read.success) throw new GatewayError('malformed', 'the provider sent no generateContent answer')
  const choices = readChoices(read.data, context)
  const meta = read.data.usageMetadata ?? {}
  const searches = new Searches(context.offer.upstream)
  for (const { groundingMetadata } of read.data.candidates ?? []) searches.add(groundingMetadata)
  const usage = readUsage(meta, searches.calls)
  const id = read.data.responseId || context.newId('chatcmpl-')
  return {
    body: {
      id,
      object: 'chat.completion',
      created: context.created,
      model: read.data.modelVersion || context.offer.upstream,
      choices,
      ...(usage === undefined ? {} : { usage: wireUsage(meta, usage) }),
    },
    usage,
    finishReason: choices[0]?.finish_reason as string | undefined,
    answerId: id,
  }
}

function readChoices(answer: Answer, context: DecodeContext): Json[] {
  const reading = readingOf(context)
  const written = context.source === undefined ? undefined : new RawValue(context.source).at('candidates')
  const made: { choice: Choice; steps: Step[] }[] = []
  for (const [at, candidate] of (answer.candidates ?? []).entries()) {
    const choice = new Choice(candidate.index ?? at, reading)
    made.push({ choice, steps: choice.read(candidate, written?.at(at)) })
  }
  const blockReason = blockReasonOf(answer)
  if (blockReason !== undefined && !made.some(({ choice }) => choice.isFinished)) {
    const choice = new Choice(0, reading)
    choice.block(blockReason, answer.promptFeedback?.blockReasonMessage)
    made.splice(0, made.length, { choice, steps: [] })
  }
  if (made.length === 0) throw new GatewayError('malformed', 'the provider sent an answer without candidates')
  const fault = made[0]?.choice.fault
  if (fault !== undefined && !made.some(({ choice }) => choice.hasContent)) throw fault
  return made.map(({ choice, steps }) => {
    const { message, logprobs } = assemble([...steps, ...choice.close()])
    return { index: choice.index, message, logprobs, finish_reason: choice.finishReason }
  })
}

/** Why the prompt was refused, if it was: "unspecified" says nothing. */
export function blockReasonOf(answer: Answer): string | undefined {
  const reason = answer.promptFeedback?.blockReason
  return reason == null || reason === '' || reason.endsWith('_UNSPECIFIED') ? undefined : reason
}

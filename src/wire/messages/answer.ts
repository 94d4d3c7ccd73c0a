/** A whole chat completion → an Anthropic message. */
import type { Message } from '@anthropic-ai/sdk/resources/messages'
import { isObject } from '../extensions.ts'
import type { RenderContext } from '../inbound.ts'
import { MediaNotes } from '../media-notes.ts'
import { finishReasonOf, usageOfAnswer } from '../openai.ts'
import { exactNumbers } from '../raw-json.ts'
import { callBlock, redactedBlock, signatureFor } from './reasoning.ts'
import { CHARS_PER_TOKEN, detailsOf, messagesUsage, saidIn, stopOf } from './usage.ts'

type Json = Record<string, unknown>

export function toMessage(completion: Json, context: RenderContext): Json {
  const choice = isObject(Array.isArray(completion.choices) ? completion.choices[0] : undefined)
    ? ((completion.choices as Json[])[0] as Json)
    : {}
  const message = isObject(choice.message) ? choice.message : {}
  const calls = Array.isArray(message.tool_calls) ? message.tool_calls.filter(isObject) : []
  const { text, thought } = saidIn(message)
  const content = [
    ...thinkingBlocks(message, thought),
    ...(text === '' ? [] : [{ type: 'text', text }]),
    ...new MediaNotes().of(message).map(note => ({ type: 'text', text: note })),
    ...calls.flatMap(call => callBlocks(call, context)),
  ]
  const usage = usageOfAnswer(completion)
  const counts =
    usage === undefined
      ? {
          input_tokens: context.likelyInputTokens,
          output_tokens: Math.ceil((text.length + thought.length) / CHARS_PER_TOKEN),
          estimated: true,
        }
      : messagesUsage(usage)
  const stop = stopOf(finishReasonOf(completion), calls.length, choice, context.request)
  return {
    id: context.newId('msg_'),
    type: 'message',
    role: 'assistant',
    model: context.model,
    content,
    ...stop,
    usage: counts,
  } satisfies Record<keyof Pick<Message, 'id' | 'type' | 'role' | 'model' | 'content' | 'usage'>, unknown> &
    Json
}

function thinkingBlocks(message: Json, thought: string): Json[] {
  const details = detailsOf(message)
  const texts = details.filter(detail => typeof detail.text === 'string' || signatureFor(detail) !== '')
  const redacted = details.map(redactedBlock).filter(block => block !== undefined)
  // Each signed text is a block of its own; without signatures all the text is one.
  const signed = texts.some(detail => signatureFor(detail) !== '')
  const shown = signed
    ? texts.map(detail => ({
        type: 'thinking',
        thinking: String(detail.text ?? ''),
        signature: signatureFor(detail),
      }))
    : thought === ''
      ? []
      : [{ type: 'thinking', thinking: thought, signature: '' }]
  return [...shown, ...redacted]
}

/** Name and input of an entry of `tool_calls`; the text of a custom tool, which this wire has no word for, is an argument. */
export function calledIn(call: Json): { readonly name: string; readonly input: unknown } {
  if (isObject(call.custom) && !isObject(call.function))
    return { name: String(call.custom.name ?? ''), input: { input: call.custom.input ?? '' } }
  const its = isObject(call.function) ? call.function : {}
  return { name: String(its.name ?? ''), input: inputOf(its.arguments) }
}

function callBlocks(call: Json, context: RenderContext): Json[] {
  const id = typeof call.id === 'string' && call.id !== '' ? call.id : context.newId('toolu_')
  const extra = isObject(call.extra_content) ? [callBlock(id, call.extra_content)] : []
  return [...extra, { type: 'tool_use', id, ...calledIn(call) }]
}

/** Arguments as the object that this wire wants; what is none is wrapped, so that the client sees what was written. */
export function inputOf(text: unknown): unknown {
  if (isObject(text)) return text
  if (typeof text !== 'string' || text.trim() === '' || text.trim() === 'null') return {}
  let value: unknown
  try {
    value = JSON.parse(text, exactNumbers)
  } catch {
    return { arguments: text }
  }
  if (isObject(value) && text.trim().startsWith('{')) return value
  // An object that was encoded twice.
  return typeof value === 'string' && value.trim().startsWith('{') ? inputOf(value) : { arguments: value }
}

/** What a response object says of itself: usage, ending, errors. For whole answers and for the last event of a stream. */
import { type Failure, GatewayError } from '../src/errors.ts'
import type { Usage } from '../src/terms.ts'
import { isObject } from '../src/wire/extensions.ts'
import { usageFromChat } from '../src/wire/openai.ts'
import { withTier } from '../src/wire/tiers.ts'
import { classifyChat } from './openai-failures.ts'
import type { DecodeContext, Json, NativeFacts } from './provider.ts'

const encoder = new TextEncoder()

/** UTF-8 bytes of a text. */
export const bytesOf = (text: string): number => encoder.encode(text).length

/** Usage in this wire's names → Usage; the hosts' own additions (cost, ticks) are named as in chat. Undefined = not stated. */
export function usageOf(usage: unknown): Usage | undefined {
  if (!isObject(usage)) return undefined
  const { input_tokens: input, output_tokens: output, ...more } = usage
  const { input_tokens_details: inputParts, output_tokens_details: outputParts, ...others } = more
  return usageFromChat({
    ...others,
    prompt_tokens: input,
    completion_tokens: output,
    prompt_tokens_details: inputParts,
    completion_tokens_details: outputParts,
  })
}

/** Items of calls that the host ran and charges for, and what the fee is for. Pages that a search opens cost nothing more. */
const FEES: Readonly<Record<string, string>> = {
  web_search_call: 'web_search',
  file_search_call: 'file_search',
  code_interpreter_call: 'code_interpreter',
  image_generation_call: 'image_generation',
}

const feeOf = (item: unknown): string | undefined => {
  if (!isObject(item) || typeof item.type !== 'string' || !Object.hasOwn(FEES, item.type)) return undefined
  const isSearch = !isObject(item.action) || item.action.type === undefined || item.action.type === 'search'
  return isSearch ? FEES[item.type] : undefined
}

/** Usage with the calls of the host's own tools, for prices by the call. */
export function withCalls(usage: Usage | undefined, output: unknown): Usage | undefined {
  if (usage === undefined || !Array.isArray(output)) return usage
  const kinds = output.map(feeOf).filter(kind => kind !== undefined)
  if (kinds.length === 0) return usage
  const toolCalls = [...new Set(kinds)].map(kind => ({
    kind,
    count: kinds.filter(each => each === kind).length,
  }))
  return { ...usage, toolCalls }
}

/** How a finished response ended, in chat's words. */
export function finishOf(response: Json): string {
  if (response.status === 'incomplete') {
    const { reason } = isObject(response.incomplete_details) ? response.incomplete_details : {}
    return reason === 'content_filter' ? 'content_filter' : 'length'
  }
  const output: readonly unknown[] = Array.isArray(response.output) ? response.output : []
  return output.some(isCall) ? 'tool_calls' : 'stop'
}

/** Is this item a call that waits for the caller's result? */
export const isCall = (item: unknown): boolean =>
  isObject(item) && (item.type === 'function_call' || item.type === 'custom_tool_call')

/** The failure that an error object reports, and its words. An error without a known code is a fault of theirs. */
export function failureOf(error: unknown): { readonly kind: Failure; readonly message: string } {
  const message = isObject(error) && typeof error.message === 'string' ? error.message : 'the provider failed'
  return { kind: classifyChat(200, { error }) ?? 'overloaded', message }
}

/** Tells of what is sealed in items of an answer. */
export function keepSeals(items: readonly unknown[], keep: DecodeContext['keepSeal']): void {
  if (keep === undefined) return
  for (const item of items)
    if (isObject(item) && item.type === 'reasoning' && typeof item.encrypted_content === 'string')
      keep(item.encrypted_content)
}

/** A whole answer. Throws GatewayError for one that failed, and for what is no finished response. */
export function readResponse(answer: unknown, context?: DecodeContext): NativeFacts {
  if (!isObject(answer) || !Array.isArray(answer.output))
    throw new GatewayError('malformed', 'the provider sent an answer that is no response')
  const { status, error, output, usage, id } = answer
  if (error != null || status === 'failed') {
    const { kind, message } = failureOf(error)
    throw new GatewayError(kind, message)
  }
  if (status === 'queued' || status === 'in_progress' || status === 'cancelled')
    throw new GatewayError('malformed', `the provider sent a response that is ${status}`)
  keepSeals(output, context?.keepSeal)
  return {
    usage: withTier(withCalls(usageOf(usage), output), answer, context?.request),
    finishReason: finishOf(answer),
    answerId: typeof id === 'string' && id !== '' ? id : undefined,
    textBytes: bytesOf(JSON.stringify(output)),
  }
}

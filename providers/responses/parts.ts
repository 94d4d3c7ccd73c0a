/** What items of a response come to in chat; shared by the whole and the streamed way. */
import type { CompletionUsage } from 'openai/resources/completions'
import type { Usage } from '../../src/terms.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import { SEALED_FORMAT } from '../../src/wire/signed.ts'
import type { Json } from '../provider.ts'

/** Metered counts → chat's `usage`. */
export function chatUsage(usage: Usage): Json {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cacheReadInputTokens,
      cache_write_tokens: usage.cacheCreationInputTokens,
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoningOutputTokens },
  } satisfies CompletionUsage
}

/** Pages that were cited, in chat's form; citations of files have none there. */
export const citationsOf = (annotations: unknown): Json[] =>
  listOf(annotations).flatMap(({ type, ...citation }) =>
    type === 'url_citation' ? [{ type, url_citation: citation }] : [],
  )

/** One call, with as much of its arguments as is known. */
export function callOf(item: Json, args: string): Json {
  const name = item.name ?? ''
  return item.type === 'custom_tool_call'
    ? { id: item.call_id, type: 'custom', custom: { name, input: args } }
    : { id: item.call_id, type: 'function', function: { name, arguments: args } }
}

/** The member that a call's text stands in. */
export const argumentsOf = ({ type, arguments: args, input }: Json): string => {
  const text = type === 'custom_tool_call' ? input : args
  return typeof text === 'string' ? text : ''
}

/** Where a detail belongs: its item's id, and which item of the answer it is. */
export const placeOf = (id: unknown, index: number): Json => ({
  ...(typeof id === 'string' && id !== '' && { id }),
  format: SEALED_FORMAT,
  index,
})

/** The thoughts of an item: text, and details with what is sealed of them. */
export function thoughtsOf(item: Json, index: number): { text: string; details: Json[] } {
  const place = placeOf(item.id, index)
  const summaries = textsOf(item.summary)
  const told = textsOf(item.content)
  const details: Json[] = [
    ...summaries.map(summary => ({ type: 'reasoning.summary', summary, ...place })),
    ...told.map(text => ({ type: 'reasoning.text', text, ...place })),
    ...sealOf(item, index),
  ]
  return { text: [...summaries, ...told].join('\n\n'), details }
}

/** The sealed part alone. */
export const sealOf = ({ id, encrypted_content: data }: Json, index: number): Json[] =>
  typeof data === 'string' && data !== ''
    ? [{ type: 'reasoning.encrypted', data, ...placeOf(id, index) }]
    : []

const textsOf = (parts: unknown): string[] =>
  listOf(parts).flatMap(({ text }) => (typeof text === 'string' && text !== '' ? [text] : []))

export const listOf = (value: unknown): Json[] => (Array.isArray(value) ? value.filter(isObject) : [])

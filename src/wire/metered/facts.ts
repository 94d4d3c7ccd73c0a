/** What the operations beside chat use: bounds for the hold, and the usage that stands for one that no answer states. */
import type { Usage } from '../../terms.ts'
import type { Body } from '../body.ts'
import { wrong } from '../extensions.ts'
import type { ChatFacts, Metering } from '../openai.ts'
import { promptFacts } from '../prompts.ts'

/** Token counts and units as a Usage; the rest is none. */
export function usageOf(inputTokens: number, outputTokens: number, units: Usage['units']): Usage {
  return {
    inputTokens,
    cacheReadInputTokens: 0,
    cacheCreationInputTokens: 0,
    outputTokens,
    reasoningOutputTokens: 0,
    ...(units && { units }),
  }
}

/** The facts of a request that writes at most `outputTokens`, whatever it is asked to keep to. */
export function meteredFacts(
  body: Body,
  prompts: readonly (string | number)[],
  metering: Metering & { readonly outputTokens: number },
): ChatFacts {
  const { outputTokens, ...rest } = metering
  return { ...promptFacts(body, prompts), maxOutputTokens: outputTokens, metering: rest }
}

/** A text that has to be there. */
export function required(json: Body['json'], name: string, example: string): string {
  const value = json[name]
  if (typeof value !== 'string' || value === '') throw wrong(name, `is required, as in ${example}.`)
  return value
}

const encoder = new TextEncoder()
export const utf8Bytes = (text: string): number => encoder.encode(text).length

/**
 * Will a stream show all that it bills? What a model thinks unseen cannot be held for as it is written. Asked before money is
 * held (begin.ts), told of every stream that has ended.
 */
import { thinksInSummary } from '../../providers/catalog/authors.ts'
import { isBelievable } from '../plausible.ts'
import type { Offer, Usage } from '../terms.ts'
import type { ChatFacts } from '../wire/openai.ts'

/**
 * What ended streams have shown of a model: false = it billed tokens that nobody saw. By the market's own objects: another
 * file or catalogue begins anew.
 */
const shown = new WeakMap<Offer, boolean>()

/** Ends of an answer and frames of calls, which are tokens and no text. */
const FRAME_TOKENS = 64

/** A finished stream, with its provider's own usage. */
export function observeThinking(offer: Offer, usage: Usage, textBytes: number): void {
  if (offer.thinksUnseen || shown.get(offer) === false || !isBelievable(usage)) return
  // a token is a byte of text at least
  if (usage.outputTokens > textBytes + FRAME_TOKENS) shown.set(offer, false)
  // it thinks, and whether all of that was to be seen the bytes do not tell
  else if (usage.reasoningOutputTokens > 0) shown.delete(offer)
  else if (usage.outputTokens > 0) shown.set(offer, true)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** Asks this request for thoughts, in the words of chat or Messages? */
function asksForThoughts({ reasoningEffort: effort, json }: ChatFacts): boolean {
  if (effort !== undefined) return effort !== 'none'
  const { thinking, reasoning } = json
  return (isObject(thinking) && thinking.type !== 'disabled') || isObject(reasoning)
}

/** Thoughts that are written, billed and kept from the caller: OpenRouter's `exclude`, Groq's two members. */
function hidesThoughts({ json }: ChatFacts): boolean {
  const { reasoning, include_reasoning: included, reasoning_format: format } = json
  return (isObject(reasoning) && reasoning.exclude === true) || included === false || format === 'hidden'
}

/**
 * May this stream bill tokens that do not come as text? Of a model that nobody has described, whose limit is known, that is
 * believed until a stream of it has shown otherwise.
 */
export function mayThinkUnseen(offer: Offer, facts: ChatFacts): boolean {
  if (offer.thinksUnseen) return true
  if (offer.supports.has('reasoning')) {
    if (hidesThoughts(facts)) return true
    if (thinksInSummary(offer.model) && asksForThoughts(facts)) return true
  }
  const isSeen = shown.get(offer)
  if (isSeen !== undefined) return !isSeen
  return offer.type === undefined && offer.maxOutputTokens !== undefined
}

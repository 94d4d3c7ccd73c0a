/**
 * Tokens counted by the tokenizer, beside the request's way: a tighter bound where a budget is short, counts that a caller
 * asked for, and estimates of what an answer without usage has used. Everywhere else src/estimate.ts is near enough.
 */
import type { Deps } from './deps.ts'
import { boundBeside, boundInputTokens } from './estimate.ts'
import type { Offer } from './terms.ts'
import { boundOf, type Counts } from './tokenizer/bound.ts'
import { familyOf } from './tokenizer/families.ts'
import { readPrompt } from './tokenizer/prompt.ts'
import type { ChatFacts } from './wire/openai.ts'

/** Longer prompts keep the bound of a token for each byte: to count them would take too long for what is left of a budget. */
const BYTES_MAX = 2_097_152
/** Characters counted in one turn of the event loop: some 10 ms. */
const TURN_CHARS = 32_768

/** What is called with may be a slice of a text; ends of slices add a token at most. */
function* slices(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = at + TURN_CHARS >= text.length ? text.length : cut(text, at + TURN_CHARS)
    yield text.slice(at, end)
    at = end
  }
}

/** A place before that offset where no piece goes on, as far as one is near: before a space between two words. */
function cut(text: string, most: number): number {
  for (let at = most; at > most - 1_024; at--)
    if (text[at] === ' ' && /[a-z]/.test(text[at + 1] ?? '') && /[a-z,.]/.test(text[at - 1] ?? '')) return at
  // never between the halves of a character
  return text.charCodeAt(most) >> 10 === 0x37 ? most - 1 : most
}

/**
 * Prompt tokens that this model will not exceed, by the tokenizer and what is known of its family; undefined = nothing
 * tighter than `boundInputTokens` is known. Lets others have their turn between slices of a long prompt.
 */
export async function tightInputTokens(
  facts: ChatFacts,
  { model, upstream }: Offer,
  { tokens, pause }: Pick<Deps, 'tokens' | 'pause'>,
): Promise<number | undefined> {
  const family = facts.metering ? undefined : familyOf(model, upstream)
  if (!family || facts.textBytes > BYTES_MAX) return undefined
  const prompt = readPrompt(facts)
  if (!prompt.known || (family.schemaUnknown && facts.needs.has('json_schema'))) return undefined
  const tokenizer = tokens?.()
  if (!tokenizer) return undefined
  const counts: Counts = { tokens: 0, words: 0, bytes: 0 }
  let turn = 0
  for (const text of [...prompt.texts, ...prompt.schemas])
    for (const slice of slices(text)) {
      if (turn + slice.length > TURN_CHARS) {
        await pause(0)
        turn = 0
      }
      turn += slice.length
      const one = family.factor === undefined ? { tokens: tokenizer.count(slice) } : tokenizer.weigh(slice)
      for (const [name, count] of Object.entries(one)) counts[name as keyof Counts] += count
    }
  const bound = boundOf(counts, prompt, facts, family, upstream) + boundBeside(facts, upstream)
  return Math.min(Math.ceil(bound), boundInputTokens(facts, upstream))
}

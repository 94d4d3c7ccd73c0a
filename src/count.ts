/**
 * Tokens counted by the tokenizer, beside the request's way: a tighter bound where a budget is short, counts that a caller
 * asked for, and estimates of what an answer without usage has used. Everywhere else src/estimate.ts is near enough.
 */
import type { Deps, Tokens } from './deps.ts'
import { boundBeside, boundInputTokens, likelyInputTokens, likelyMediaTokens } from './estimate.ts'
import type { ExchangeResult } from './relay/contract.ts'
import type { Sample } from './relay/sample.ts'
import type { Offer } from './terms.ts'
import { gatherEvents, gatherWhole, type Written } from './tokenizer/answer.ts'
import { boundOf, type Counts, textsOf } from './tokenizer/bound.ts'
import { type Family, familyOf } from './tokenizer/families.ts'
import { readPrompt } from './tokenizer/prompt.ts'
import type { Tokenizer } from './tokenizer/tokenizer.ts'
import type { ChatFacts } from './wire/openai.ts'

/** Longer prompts keep the bound of a token for each byte: to count them would take too long for what is left of a budget. */
const BYTES_MAX = 2_097_152
/** Characters counted in one turn of the event loop: some 10 ms. */
const TURN_CHARS = 32_768

/** Properties within properties: how often Gemini reads what is deeper was not measured. */
const LEVELS_MAX = 2

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

/** What was counted of a request, by how it was counted: offers of one family, and of families that count alike, share it. */
const counts = new WeakMap<ChatFacts, Map<string, Promise<Counts>>>()

function countedOnce(facts: ChatFacts, family: Family, count: () => Promise<Counts>): Promise<Counts> {
  const { factor, vocabulary, node, repeats, spaced } = family
  const how = JSON.stringify([factor === undefined, vocabulary, node === undefined, repeats, spaced])
  let known = counts.get(facts)
  if (known === undefined) {
    known = new Map()
    counts.set(facts, known)
  }
  let found = known.get(how)
  if (found === undefined) {
    found = count()
    known.set(how, found)
  }
  return found
}

/** Lets others have their turn between slices of long texts. */
async function countAll(
  texts: readonly string[],
  tokenizer: Pick<Tokenizer, 'count' | 'weigh'>,
  { factor, vocabulary }: Family,
  pause: Deps['pause'],
): Promise<Counts> {
  const sum: Counts = { tokens: 0, words: 0, bytes: 0 }
  let turn = 0
  for (const text of texts)
    for (const slice of slices(text)) {
      if (turn + slice.length > TURN_CHARS) {
        await pause(0)
        turn = 0
      }
      turn += slice.length
      const one =
        factor === undefined ? { tokens: tokenizer.count(slice) } : tokenizer.weigh(slice, vocabulary)
      for (const [name, count] of Object.entries(one)) sum[name as keyof Counts] += count
    }
  return sum
}

/**
 * Prompt tokens that this model will not exceed, by the tokenizer and what is known of its family; undefined = nothing
 * tighter than `boundInputTokens` is known. A request's texts are counted once, however many offers ask.
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
  if (family.repeats && prompt.outline.levels > LEVELS_MAX) return undefined
  const tokenizer = tokens?.()
  if (!tokenizer) return undefined
  const counted = await countedOnce(facts, family, () =>
    countAll(textsOf(prompt, family), tokenizer, family, pause),
  )
  const bound = boundOf(counted, prompt, facts, family, upstream) + boundBeside(facts, upstream)
  return Math.min(Math.ceil(bound), boundInputTokens(facts, upstream))
}

/** Of a longer text so many parts of so many characters are counted, and the rest is taken to be like them. */
const SAMPLES = 8
const SAMPLE_CHARS = 4_096

/** Counts a text, a long one by samples: near enough for an estimate, and done in a few milliseconds. */
export function sampled(text: string, tokenizer: Pick<Tokenizer, 'count'>): number {
  if (text.length <= SAMPLES * SAMPLE_CHARS) return tokenizer.count(text)
  const step = (text.length - SAMPLE_CHARS) / (SAMPLES - 1)
  let tokens = 0
  for (let i = 0; i < SAMPLES; i++) {
    const at = Math.floor(i * step)
    tokens += tokenizer.count(text.slice(at, at + SAMPLE_CHARS))
  }
  return (tokens * text.length) / (SAMPLES * SAMPLE_CHARS)
}

/** Recorded: 0.10 to 0.15 tokens for a character of a sealed thought. */
const SEALED_TOKENS = 0.12

/** Most probable prompt tokens, by the tokenizer and what is usual in the model's family; undefined = there is no tokenizer. */
export function countedInputTokens(
  facts: ChatFacts,
  { model, upstream }: Offer,
  tokens?: Tokens,
): number | undefined {
  const tokenizer = tokens?.()
  if (!tokenizer) return undefined
  const count = (text: string) => sampled(text, tokenizer)
  const usual = familyOf(model, upstream)?.usual
  if (!usual) return likelyInputTokens(facts, count)
  const prompt = readPrompt(facts)
  const all = (texts: readonly string[]) => texts.reduce((sum, text) => sum + count(text), 0)
  return Math.ceil(
    all(prompt.texts) * usual.text +
      all(prompt.schemas) * usual.schema +
      prompt.ids +
      prompt.sealedChars * SEALED_TOKENS +
      usual.request +
      prompt.messages * usual.message +
      prompt.calls * usual.call +
      (facts.toolCount > 0 ? usual.tools : 0) +
      likelyMediaTokens(facts),
  )
}

/** A call of a tool, and the end of an answer, as models write them beside the text. */
const CALL_TOKENS = 12
const END_TOKENS = 4

/** What an answer without usage has used, as far as it can be counted. */
export interface Counted {
  readonly inputTokens: number
  /** Undefined = its text is not at hand. */
  readonly outputTokens: number | undefined
}

/** `sample` = the beginning of a stream. Undefined = there is no tokenizer. */
export function countedUsage(
  facts: ChatFacts,
  offer: Offer,
  result: ExchangeResult,
  sample: Sample | undefined,
  { tokens, bytes }: Pick<Deps, 'tokens' | 'bytes'>,
): Counted | undefined {
  const tokenizer = tokens?.()
  const inputTokens = countedInputTokens(facts, offer, tokens)
  if (!tokenizer || inputTokens === undefined) return undefined
  const written: Written = { texts: [], calls: 0 }
  let share = 1
  if (result.whole) gatherWhole(bytes.text(result.whole.bytes), written)
  else if (sample) {
    gatherEvents(bytes.text(bytes.concat(sample.parts)), written)
    if (result.textBytes > sample.textBytes) share = sample.textBytes / result.textBytes
  }
  const text = written.texts.join('')
  if (text === '' || share === 0) return { inputTokens, outputTokens: undefined }
  const { factor = 1, usual } = familyOf(offer.model, offer.upstream) ?? {}
  const seen = sampled(text, tokenizer) * (usual?.text ?? (1 + factor) / 2) + written.calls * CALL_TOKENS
  return { inputTokens, outputTokens: Math.ceil(seen / share) + END_TOKENS }
}

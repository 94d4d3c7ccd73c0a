/** The tokens of a prompt at most, from what the tokenizer counted in its texts and what the model's family puts around them. */
import type { ChatFacts } from '../wire/openai.ts'
import type { Family } from './families.ts'
import type { Prompt } from './prompt.ts'

/** Sealed thoughts are encrypted text in base64, twice: recorded 0.10 to 0.35 tokens a character. */
const SEALED_TOKENS = 0.375
/** An answer's schema is read as its JSON; a few words about it, or about JSON alone, come with it. */
const FORMAT_FRAME = 32
/** Ends of slices that were counted by themselves, and roundings. */
const SLACK = 1

/** Tokens, where the vocabulary is the model's own; else a `Weight`. */
export interface Counts {
  tokens: number
  words: number
  bytes: number
}

/** What is counted for this family: everything that was said, and schemas as it reads them. */
export function textsOf({ texts, schemas, outline }: Prompt, family: Family): readonly string[] {
  if (family.node === undefined) return [...texts, ...(family.spaced ? schemas.map(spaced) : schemas)]
  const said = [...texts, ...outline.texts]
  return family.repeats ? [...said, ...outline.again, ...outline.inner] : said
}

/** No string of JSON holds the end of a line, so that each is between two members. */
const spaced = (json: string): string =>
  JSON.stringify(JSON.parse(json), null, 1).replace(/,\n */g, ', ').replace(/\n */g, '')

/** Not rounded. Media and tools that the provider runs are not in it. */
export function boundOf(
  counts: Counts,
  prompt: Prompt,
  facts: ChatFacts,
  family: Family,
  upstreamModel: string,
): number {
  const { toolCount, reasoningEffort, json } = facts
  const thinks =
    reasoningEffort !== undefined ||
    json.thinking != null ||
    json.reasoning != null ||
    upstreamModel.includes('thinking')
  const { request, message, reply, call, tool, thinking, factor = 1 } = family
  return (
    SLACK +
    counts.tokens +
    counts.words * factor +
    counts.bytes +
    prompt.ids +
    prompt.sealedChars * (family.sealed ?? SEALED_TOKENS) +
    request +
    prompt.messages * message +
    prompt.replies * reply +
    prompt.calls * call +
    schemaFrame(prompt, family) +
    (toolCount > 0 ? toolsFrame(family, facts) + toolCount * tool : 0) +
    (prompt.formatted ? FORMAT_FRAME : 0) +
    (thinks ? thinking : 0)
  )
}

const schemaFrame = (
  { outline: { nodes, innerNodes, stated } }: Prompt,
  { node = 0, stated: each = 0, repeats }: Family,
): number => (nodes + (repeats ? innerNodes : 0)) * node + stated * each

const toolsFrame = ({ tools, toolsOfResponses }: Family, { asked }: ChatFacts): number =>
  asked === undefined ? tools : (toolsOfResponses ?? tools)

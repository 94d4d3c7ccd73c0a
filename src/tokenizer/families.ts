/**
 * What providers put around a prompt, by family of models: data for the tighter bound. Measured on 1,065 recorded requests
 * with the provider's own count (test/tokenizer/bound.test.ts compares), rounded up; LEDGER.md has the table.
 */

import type { Elsewhere } from './vocabulary.ts'

/** What a prompt most probably comes to: weights, fitted to the recorded counts. */
export interface Usual {
  /** Tokens of theirs for one of o200k_base in texts; in schemas as JSON. */
  readonly text: number
  readonly schema: number
  /** Tokens around the whole; each message; each call and result; all tools. */
  readonly request: number
  readonly message: number
  readonly call: number
  readonly tools: number
}

export interface Family {
  readonly name: string
  /** Of canonical ids and of the ids that upstreams know, in small letters and without what stands before a slash. */
  readonly models: RegExp
  /** Tokens of theirs for one that is counted; undefined = o200k_base is their own vocabulary, and the count is exact. */
  readonly factor?: number
  /** Their vocabulary, where it is known how it cuts the tokens of o200k_base. */
  readonly vocabulary?: Elsewhere
  /** Tokens around the whole prompt; around each message, each answer of the model's, each call and result. */
  readonly request: number
  readonly message: number
  readonly reply: number
  readonly call: number
  /** Before the first tool; around each. */
  readonly tools: number
  /** The same in requests of the Responses wire, where that differs. */
  readonly toolsOfResponses?: number
  readonly tool: number
  /** Around each place of a schema, which is then read word by word; absent = a schema is read as its JSON. */
  readonly node?: number
  /** Around each description in a schema, each list of values, each format. */
  readonly stated?: number
  /** Names of required properties are said twice, and all that is in an object that is a property; more levels are not known. */
  readonly repeats?: true
  /** A schema is passed on as Python writes JSON: a space behind each comma and colon. */
  readonly spaced?: true
  /** Tokens a character of sealed thoughts; absent = by `SEALED_TOKENS`. */
  readonly sealed?: number
  /** For thinking that was asked for. */
  readonly thinking: number
  /**
   * What a stream says of its prompt when it begins is what is billed, unless tools run there: 19 of 19 recorded. Gemini's first
   * count had grown or shrunk by the end in 2 of 7.
   */
  readonly statesInput?: true
  /** For estimates. Absent = the general rules of src/estimate.ts are near. */
  readonly usual?: Usual
  /** An answer's schema is read in some other way than as its JSON: what it comes to is not known. */
  readonly schemaUnknown?: true
}

const FAMILIES: readonly Family[] = [
  {
    name: 'gpt-oss',
    models: /^gpt-oss/,
    request: 80,
    message: 5,
    reply: 8,
    call: 16,
    tools: 24,
    tool: 8,
    node: 8,
    thinking: 0,
    usual: { text: 0.95, schema: 0.8, request: 69, message: 0, call: 8, tools: 10 },
  },
  {
    name: 'GPT-4o, 4.1',
    models: /^(?:gpt-4o|gpt-4\.|chatgpt-4o)/,
    request: 3,
    message: 5,
    reply: 3,
    call: 8,
    tools: 16,
    // March 2025, the wire's first month: 201 recorded; 16 since then
    toolsOfResponses: 216,
    tool: 8,
    node: 8,
    thinking: 0,
    usual: { text: 1, schema: 0.7, request: 3, message: 4, call: 5, tools: 0 },
  },
  {
    name: 'GPT-5, o series',
    models: /^(?:gpt-5|o1(?!-mini|-preview)|o[34](?:-|$)|codex)/,
    request: 3,
    message: 5,
    reply: 6,
    call: 12,
    tools: 80,
    toolsOfResponses: 24,
    tool: 8,
    node: 8,
    thinking: 0,
    usual: { text: 1, schema: 0.75, request: 3, message: 3.7, call: 6, tools: 0 },
  },
  {
    name: 'GPT-3.5, GPT-4',
    models: /^(?:gpt-3|gpt-4|davinci|babbage|text-embedding)/,
    factor: 1.2,
    request: 3,
    message: 6,
    reply: 3,
    call: 8,
    tools: 16,
    tool: 8,
    node: 8,
    thinking: 0,
    usual: { text: 0.9, schema: 0.9, request: 0, message: 7.5, call: 3, tools: 2 },
  },
  {
    name: 'Claude',
    models: /claude/,
    factor: 1.5,
    request: 8,
    message: 5,
    reply: 5,
    call: 64,
    tools: 620,
    tool: 40,
    thinking: 40,
    schemaUnknown: true,
    statesInput: true,
  },
  {
    name: 'Gemini',
    models: /^gemini/,
    // recorded and other texts came to 0.66 to 1.00 of what is counted
    factor: 1.05,
    vocabulary: 'gemma',
    request: 2,
    message: 1.25,
    reply: 0,
    call: 12,
    tools: 0,
    tool: 4,
    // a tool without properties comes to 18 (2.5) or 13 (3), each property to 9 or 14, a description in 3 to 5
    node: 10,
    stated: 6,
    repeats: true,
    // Gemini 3: 0.12 to 0.20 recorded; 2.5: none
    sealed: 0.27,
    thinking: 0,
    usual: { text: 1, schema: 0.05, request: 0, message: 0.5, call: 0, tools: 20 },
  },
  {
    // of several vocabularies, with the turns of its template in the text
    name: 'Gemma',
    models: /^gemma/,
    factor: 1.25,
    request: 8,
    message: 6,
    reply: 3,
    call: 16,
    tools: 16,
    tool: 16,
    node: 14,
    repeats: true,
    thinking: 0,
    usual: { text: 1, schema: 0.75, request: 3, message: 5, call: 5, tools: 20 },
  },
  {
    name: 'Mistral',
    models:
      /^(?:ministral|magistral|devstral|voxtral|pixtral-12b|open-mistral-nemo|mistral-(?:nemo|saba|(?:small|medium|large)-latest|small-(?:2[5-9]|3|4|24b|creative)|medium-(?:2[5-9]|3)|large-(?:2512|2[6-9]|3)))/,
    // recorded and other texts came to 0.80 to 1.00 of what is counted; frames by mistral-common 1.13.1, which says what 30 recorded requests were billed, to the token
    factor: 1.05,
    vocabulary: 'tekken',
    // the settings of a model that can think: 12
    request: 14,
    message: 2.5,
    reply: 2,
    // with ids, as until version 11 of its templates; later ones need 3
    call: 24,
    tools: 3,
    // members that a tool leaves out and that are written none the less: `strict`, `description`
    tool: 12,
    spaced: true,
    thinking: 8,
    usual: { text: 1.2, schema: 1.45, request: 2, message: 1.5, call: 4, tools: 0 },
  },
  {
    name: 'Mistral, before Tekken',
    models: /^(?:mistral|mixtral|pixtral|codestral|open-mi[sx]tral|mathstral)/,
    factor: 1.5,
    request: 2.5,
    message: 9,
    reply: 6,
    call: 20,
    tools: 24,
    tool: 16,
    node: 16,
    repeats: true,
    thinking: 0,
    usual: { text: 1.2, schema: 1.45, request: 2, message: 1.5, call: 4, tools: 0 },
  },
]

/** The family of a model by its canonical id, else by the upstream's; undefined = none that is known. */
export function familyOf(...ids: readonly string[]): Family | undefined {
  for (const id of ids) {
    const name = id.toLowerCase().replace(/^.*\/|^(?:openai|mistral)\./, '')
    const found = FAMILIES.find(({ models }) => models.test(name))
    if (found) return found
  }
  return undefined
}

/**
 * What providers put around a prompt, by family of models: data for the tighter bound. Measured on 1,065 recorded requests
 * with the provider's own count (test/tokenizer/bound.test.ts compares), rounded up; LEDGER.md has the table.
 */

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
  /** Tokens of theirs for one of o200k_base; undefined = it is their own vocabulary, and the count is exact. */
  readonly factor?: number
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
  /** It is passed on as JSON, names of required properties twice. */
  readonly repeatsNames?: true
  /** For thinking that was asked for. */
  readonly thinking: number
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
  },
  {
    name: 'Gemini',
    models: /^(?:gemini|gemma)/,
    factor: 1.25,
    request: 8,
    message: 3,
    reply: 3,
    call: 16,
    tools: 16,
    tool: 16,
    node: 14,
    repeatsNames: true,
    thinking: 0,
    usual: { text: 1, schema: 0.05, request: 0, message: 0.5, call: 0, tools: 20 },
  },
  {
    name: 'Mistral',
    models: /^(?:mistral|mixtral|ministral|pixtral|magistral|codestral|devstral)/,
    factor: 1.4,
    request: 16,
    message: 6,
    reply: 6,
    call: 20,
    tools: 24,
    tool: 16,
    node: 16,
    repeatsNames: true,
    thinking: 0,
    usual: { text: 1.2, schema: 1.45, request: 2, message: 1.5, call: 4, tools: 0 },
  },
]

/** The family of a model by its canonical id, else by the upstream's; undefined = none that is known. */
export function familyOf(...ids: readonly string[]): Family | undefined {
  for (const id of ids) {
    const name = id.toLowerCase().replace(/^.*\/|^openai\./, '')
    const found = FAMILIES.find(({ models }) => models.test(name))
    if (found) return found
  }
  return undefined
}

/**
 * What models take though the sources of the big table do not say so: told by the sellers' own pages, seen in recorded answers, or
 * done by the adapter in another way (a schema as a forced tool). Data, joined to the table's offers.
 */

interface Taken {
  readonly providers: readonly string[]
  /** Upstream ids. */
  readonly models: RegExp
  /** Only where the row has this mark. */
  readonly beside?: string
  /** Letters of the table's marks. */
  readonly adds: string
}

const CLAUDE = /(?:^|\.)claude-/
const GPT = /^(?:gpt-(?:4o|4\.1|[5-9])|o[134])(?!.*(?:-chat-latest|-2024-05-13|audio|realtime))/
const TAKEN: readonly Taken[] = [
  // platform.openai.com "Structured Outputs", learn.microsoft.com "How to use structured outputs": gpt-4o (2024-08) and later
  { providers: ['openai', 'azure'], models: GPT, adds: 'j' },
  // platform.openai.com "File inputs": every model that sees pictures reads PDFs; recorded: gpt-5-mini, gpt-5-nano, gpt-4.1-nano
  { providers: ['openai'], models: GPT, beside: 'i', adds: 'p' },
  // platform.openai.com "Function calling"; recorded: gpt-3.5-turbo
  { providers: ['openai'], models: /^gpt-3\.5-turbo(?!-instruct)/, adds: 't' },
  // where a model has no format for answers, the adapter makes it call a tool of that form; "PDF support": all active models
  { providers: ['anthropic'], models: CLAUDE, beside: 't', adds: 'j' },
  { providers: ['vertex'], models: /^claude-(?!fable|mythos)/, beside: 't', adds: 'j' },
  { providers: ['anthropic', 'vertex', 'bedrock', 'azure'], models: CLAUDE, beside: 'i', adds: 'p' },
  // the same by Converse; recorded: Gemma 3, Qwen 3, GLM 4.7
  {
    providers: ['bedrock'],
    models: /(?:^|\.)(?:amazon\.nova|meta\.llama|google\.gemma|qwen\.|zai\.)/,
    beside: 't',
    adds: 'j',
  },
  // ai.google.dev "Structured outputs", "Document understanding": every Gemini model
  { providers: ['gemini', 'vertex'], models: /^gemini-/, beside: 't', adds: 'j' },
  { providers: ['gemini', 'vertex'], models: /^gemini-/, beside: 'i', adds: 'p' },
  // docs.mistral.ai "Custom Structured Outputs": all but codestral-mamba
  { providers: ['mistral'], models: /^(?!.*mamba)/, beside: 'F', adds: 'j' },
  // docs.cohere.com "Structured Outputs": Command A, and Command R from 08-2024 on
  { providers: ['cohere'], models: /^command-(?:a|r7b|r-08-2024|r-plus-08-2024)/, adds: 'j' },
  // docs.perplexity.ai "Structured Outputs"; recorded: sonar
  { providers: ['perplexity'], models: /^sonar/, adds: 'j' },
  // openrouter.ai/docs "PDF Inputs": OpenRouter reads them itself for models that cannot; recorded: gpt-5.1-codex-mini
  { providers: ['openrouter'], models: /./, adds: 'p' },
]

/** An offer's marks with those that its row lacks; embeddings take nothing more. */
export function withTaken(provider: string, upstream: string, marks: string): string {
  if (marks.includes('E')) return marks
  let all = marks
  for (const { providers, models, beside, adds } of TAKEN) {
    if (all.includes(adds) || !providers.includes(provider) || !models.test(upstream)) continue
    if (beside === undefined || marks.includes(beside)) all += adds
  }
  return all
}

/** Who made which weights: author prefixes of canonical ids, and which models think where nobody can see it. Used by the catalogue. */

interface Family {
  /** Matches canonical ids. The first matching row decides. */
  readonly models: RegExp
  /** Prefixes as OpenRouter and the Vercel AI Gateway write them (`x-ai/grok-4.3`, `xai/grok-4.3`). */
  readonly authors: readonly string[]
}

/** Spellings: OpenRouter `GET /api/v1/models` slugs, Vercel AI Gateway model ids, Hugging Face organisations where neither lists it. */
const FAMILIES: readonly Family[] = [
  { models: /^llama-3\.3-nemotron|^(nvidia-)?nemotron/, authors: ['nvidia'] },
  { models: /^hermes-/, authors: ['nousresearch'] },
  { models: /^cogito-/, authors: ['deepcogito'] },
  { models: /^(gpt-|o\d|chat-latest|codex-|text-embedding-(3|ada))/, authors: ['openai'] },
  { models: /^claude-/, authors: ['anthropic'] },
  {
    models: /^(gemini-|gemma-\d|text-embedding-|text-multilingual-|multimodalembedding)/,
    authors: ['google'],
  },
  { models: /^(llama-|muse-)/, authors: ['meta-llama', 'meta'] },
  { models: /^deepseek-/, authors: ['deepseek', 'deepseek-ai'] },
  { models: /^(qwen|qwq-|qvq-)/, authors: ['qwen', 'alibaba'] },
  { models: /^kimi-/, authors: ['moonshotai'] },
  { models: /^glm-/, authors: ['z-ai', 'zai'] },
  {
    models: /^(mistral|ministral|mixtral|open-mi|codestral|devstral|magistral|pixtral)/,
    authors: ['mistralai', 'mistral'],
  },
  { models: /^grok-/, authors: ['x-ai', 'xai'] },
  { models: /^minimax-/, authors: ['minimax'] },
  { models: /^mimo-/, authors: ['xiaomi'] },
  { models: /^(command-|embed-|rerank-(v\d|english|multilingual))/, authors: ['cohere'] },
  { models: /^(dall-e-|chatgpt-image|tts-1|whisper-|(omni|text)-moderation)/, authors: ['openai'] },
  { models: /^rerank-2/, authors: ['voyage', 'voyageai'] },
  { models: /^jina-/, authors: ['jina', 'jinaai'] },
  { models: /^sonar/, authors: ['perplexity'] },
  { models: /^(nova-|titan-)/, authors: ['amazon'] },
  { models: /^phi-/, authors: ['microsoft'] },
  { models: /^granite-/, authors: ['ibm-granite', 'ibm'] },
  { models: /^jamba-/, authors: ['ai21'] },
  { models: /^palmyra-/, authors: ['writer'] },
  { models: /^solar-/, authors: ['upstage'] },
  { models: /^step-/, authors: ['stepfun', 'stepfun-ai'] },
  { models: /^(hy\d|hunyuan)/, authors: ['tencent'] },
  { models: /^seed-/, authors: ['bytedance-seed', 'bytedance'] },
  { models: /^ernie-/, authors: ['baidu'] },
  { models: /^inkling/, authors: ['thinkingmachines'] },
  { models: /^laguna-/, authors: ['poolside'] },
  { models: /^longcat-/, authors: ['meituan'] },
  { models: /^trinity-/, authors: ['arcee-ai'] },
  { models: /^beam-/, authors: ['reflection'] },
  { models: /^lfm/, authors: ['liquid', 'liquidai'] },
  { models: /^voyage-/, authors: ['voyage'] },
  { models: /^bge-/, authors: ['baai'] },
]

/** Author prefixes of a canonical id, the usual one first; empty when the author is not known. */
export function authorsOf(model: string): readonly string[] {
  return FAMILIES.find(family => family.models.test(model))?.authors ?? []
}

/**
 * Families that bill for reasoning which the stream does not carry in full, at whichever provider:
 * OpenAI's chat API sends only a count (developers.openai.com/api/docs/guides/reasoning); Grok returns it encrypted or not at all
 * (docs.x.ai, reasoning); Gemini sends summaries, and only if asked (ai.google.dev, thinking); Claude from generation 5 on
 * thinks by default and sends a summary (platform.claude.com, adaptive thinking).
 */
const UNSEEN =
  /^(gpt-(?!oss-|[34])|o\d|chat-latest|codex-|grok-|gemini-(?!1|2\.0)|claude-(fable|mythos|(opus|sonnet|haiku)-[5-9]))/

/**
 * Families that think when they are asked to, and then bill for all of it but send a summary (Claude 4: platform.claude.com,
 * extended thinking, "summarized thinking") or nothing (Nova 2: docs.aws.amazon.com/nova, extended thinking, `[REDACTED]`).
 */
const IN_SUMMARY = /^(claude-|nova-2)/

/** May a model with the reasoning capability spend output tokens on reasoning that is not streamed? */
export function thinksUnseen(model: string): boolean {
  return UNSEEN.test(model)
}

/** Does a model with the reasoning capability keep part of its thoughts to itself where a request asks for them? */
export function thinksInSummary(model: string): boolean {
  return IN_SUMMARY.test(model)
}

/** What Bedrock's models take in Converse, how their ids are written in a path, and which need an inference profile. Data and lookups by id. */
import type { ChatRequest } from '../provider.ts'

/** OpenTelemetry `gen_ai.provider.name`. */
export const NAME = 'aws.bedrock'

export const EVENT_STREAM = 'application/vnd.amazon.eventstream'

/** What the encoder decides by. */
export interface ModelFacts {
  /** Takes `system`; else it goes in front of the first user message. */
  readonly system: boolean
  /** Which `toolChoice` it takes beside auto: any and tool, any alone, or neither. */
  readonly forces: 'tool' | 'any' | 'none'
  /** `outputConfig.textFormat` with a schema. */
  readonly nativeJson: boolean
  /** `cachePoint` in system and messages; in tools as well; or not at all. */
  readonly cache: 'all' | 'messages' | 'none'
  /** How it is told to think: Nova 2's `reasoningConfig`, gpt-oss's `reasoning_effort`, Qwen's `reasoning_config`; none = it cannot be told. */
  readonly reasoning: 'nova' | 'effort' | 'config' | 'none'
  /** Where `top_k` goes in `additionalModelRequestFields`. */
  readonly topK: 'plain' | 'nova'
  /** Images and documents inside a tool's result. */
  readonly resultMedia: boolean
}

const PLAIN: ModelFacts = {
  system: true,
  forces: 'tool',
  nativeJson: false,
  cache: 'none',
  reasoning: 'none',
  topK: 'plain',
  resultMedia: false,
}
const OPEN: ModelFacts = { ...PLAIN, nativeJson: true }
const NOVA: ModelFacts = { ...PLAIN, cache: 'messages', topK: 'nova', resultMedia: true }

/**
 * First match wins. Facts: docs.aws.amazon.com/bedrock "Supported models and model features", "Tool use", "Prompt caching",
 * "Structured outputs"; vercel/ai amazon-bedrock 5.0.101; recorded requests that were answered.
 */
const FAMILIES: readonly (readonly [RegExp, ModelFacts])[] = [
  [/amazon\.nova-2/, { ...NOVA, reasoning: 'nova' }],
  [/amazon\.nova-micro/, { ...NOVA, resultMedia: false }],
  [/amazon\.nova/, NOVA],
  [/amazon\.titan-text/, { ...PLAIN, system: false, forces: 'none' }],
  [/anthropic\.claude|claude-/, { ...PLAIN, cache: 'all', nativeJson: true, resultMedia: true }],
  [/cohere\.command-(light-)?text|ai21\.j2/, { ...PLAIN, system: false, forces: 'none' }],
  [/meta\.llama/, { ...PLAIN, forces: 'none' }],
  [/mistral\.(mistral-7b|mixtral)/, { ...PLAIN, system: false, forces: 'none' }],
  [/mistral\.(mistral-large-3|ministral|magistral|voxtral)/, OPEN],
  [/mistral\./, { ...PLAIN, forces: 'any' }],
  [/openai\.gpt-oss/, { ...OPEN, reasoning: 'effort' }],
  [/deepseek\.r1/, { ...PLAIN, forces: 'none' }],
  [/qwen\./, { ...OPEN, reasoning: 'config' }],
  [/google\.gemma|moonshot|minimax\.|zai\.|deepseek\.v3|nvidia\./, OPEN],
]

/** Facts by upstream id, else by canonical id: an ARN may not say what is behind it. */
export function modelFacts({ upstream, model }: { upstream: string; model: string }): ModelFacts {
  const of = (id: string) => FAMILIES.find(([pattern]) => pattern.test(id.toLowerCase()))?.[1]
  return of(upstream) ?? of(model) ?? PLAIN
}

/** Ids that are sold through an inference profile only (docs "Supported foundation models", column of single-region support). */
const PROFILED =
  /^(?:anthropic\.claude-(?!v2|instant|3-(?:haiku|sonnet|opus)-)|amazon\.nova-(?:2-lite|premier)|meta\.llama(?:3-[123]|4)|deepseek\.r1|mistral\.pixtral|writer\.palmyra)/
const RECENT_CLAUDE = /claude-(?:\w+-)?(?:4-[5-9]|[5-9])|claude-(?:fable|mythos)/

/** The profile of a region's geography; what has none of its own is served by the global one. */
function geographyOf(region: string, id: string): string {
  if (region.startsWith('us-gov-')) return 'us-gov'
  if (/^(us|ca)-/.test(region)) return 'us'
  if (region.startsWith('eu-')) return 'eu'
  if (!RECENT_CLAUDE.test(id)) return region.startsWith('ap-') ? 'apac' : 'us'
  if (region === 'ap-northeast-1' || region === 'ap-northeast-3') return 'jp'
  return region === 'ap-southeast-2' || region === 'ap-southeast-4' ? 'au' : 'global'
}

/**
 * The id that is called. Option `inference_profile` (`us`, `eu`, `global`, … or `none`) decides; without it, models that are
 * not sold by the region alone get the profile of its geography. An ARN, or an id with a prefix, stays as it is.
 */
export function calledId(upstream: string, options: Readonly<Record<string, string>> = {}): string {
  const { inference_profile: profile, region } = options
  if (profile === 'none' || !/^[a-z0-9]+\.[\w.-]+/.test(upstream) || upstream.startsWith('arn:'))
    return upstream
  if (/^(?:us|eu|apac|jp|au|global|us-gov|ca|sa|me|af)\.[a-z0-9]+\./.test(upstream)) return upstream
  if (profile !== undefined) return `${profile}.${upstream}`
  return region !== undefined && PROFILED.test(upstream)
    ? `${geographyOf(region, upstream)}.${upstream}`
    : upstream
}

/** `/model/<id>/<operation>`; the `:` of a version and the `/` of an ARN are escaped, and so they are signed. */
export function pathOf(
  { offer, options }: Pick<ChatRequest, 'offer' | 'options'>,
  operation: string,
): string {
  return `/model/${encodeURIComponent(calledId(offer.upstream, options))}/${operation}`
}

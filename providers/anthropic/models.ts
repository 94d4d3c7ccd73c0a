/** What each Claude family takes: facts that the encoder decides by. Data, looked up by upstream id. */

export interface ModelFacts {
  /** Most output tokens; `max_tokens` is mandatory, so this is its default. The catalogue's figure goes first. */
  readonly maxOutputTokens: number
  /** False: the figure is a careful default, and a caller may ask for more. */
  readonly maxIsKnown: boolean
  /** Which `thinking` it takes: `adaptive` (with effort), `budget` (with budget_tokens), both, or none at all. */
  readonly thinking: 'adaptive' | 'budget' | 'both' | 'none'
  /** May `thinking: {type: 'disabled'}` be sent? */
  readonly canDisable: boolean
  readonly xhighEffort: boolean
  /** Takes temperature, top_p, top_k (while not thinking). */
  readonly sampling: boolean
  /** `output_config.format` and `strict` tools. */
  readonly nativeJson: boolean
  /** `tool_choice` any and tool. */
  readonly forcedTools: boolean
  /** System messages between the others. */
  readonly midSystem: boolean
  /** `thinking.display` has to be asked for, else the text is left out. */
  readonly display: boolean
}

const LEGACY: ModelFacts = {
  maxOutputTokens: 4_096,
  maxIsKnown: true,
  thinking: 'none',
  canDisable: false,
  xhighEffort: false,
  sampling: true,
  nativeJson: false,
  forcedTools: true,
  midSystem: false,
  display: false,
}
const BUDGET: ModelFacts = { ...LEGACY, thinking: 'budget', canDisable: true }
const FOUR_SIX: ModelFacts = { ...BUDGET, maxOutputTokens: 128_000, thinking: 'both', nativeJson: true }
const FOUR_SEVEN: ModelFacts = {
  ...FOUR_SIX,
  thinking: 'adaptive',
  xhighEffort: true,
  sampling: false,
  display: true,
}
const FIVE: ModelFacts = { ...FOUR_SEVEN, midSystem: true }
const ALWAYS_THINKS: ModelFacts = { ...FIVE, canDisable: false, forcedTools: false }

/**
 * First match wins. Facts: platform.claude.com model pages as restated by vercel/ai `anthropic-model-catalog.ts` (4.0.105),
 * pydantic-ai `profiles/anthropic.py` and pi-ai `anthropic-messages.js` (1.5.2); where they differ, the careful side.
 */
const FAMILIES: readonly (readonly [RegExp, ModelFacts])[] = [
  [/claude-(fable|mythos)-/, ALWAYS_THINKS],
  [/claude-(opus|sonnet)-5-5/, ALWAYS_THINKS],
  [/claude-opus-5/, FIVE],
  [/claude-haiku-5/, { ...FIVE, midSystem: false }],
  [/claude-sonnet-5/, { ...FIVE, midSystem: false }],
  [/claude-opus-4-8/, FIVE],
  [/claude-opus-4-7/, FOUR_SEVEN],
  [/claude-(opus|sonnet)-4-6/, FOUR_SIX],
  [/claude-(opus|sonnet|haiku)-4-5/, { ...BUDGET, maxOutputTokens: 64_000, nativeJson: true }],
  [/claude-opus-4-1/, { ...BUDGET, maxOutputTokens: 32_000, nativeJson: true }],
  [/claude-sonnet-4(?![0-9])/, { ...BUDGET, maxOutputTokens: 64_000 }],
  [/claude-opus-4(?![0-9])/, { ...BUDGET, maxOutputTokens: 32_000 }],
  [/claude-3-7-sonnet/, { ...BUDGET, maxOutputTokens: 64_000 }],
  [/claude-3-5-/, { ...LEGACY, maxOutputTokens: 8_192 }],
  [/claude-(3|2|instant|v2)/, LEGACY],
  // A Claude that is newer than this table: what all recent ones take.
  [/claude-/, { ...ALWAYS_THINKS, maxOutputTokens: 64_000, maxIsKnown: false, midSystem: false }],
]

/** Other weights behind an Anthropic-shaped API (MiniMax, DeepSeek, z.ai, local servers): the oldest common ground. */
const OTHER: ModelFacts = { ...BUDGET, maxOutputTokens: 8_192, maxIsKnown: false }

/**
 * Vertex's ids alone have a version behind `@`. It knows `output_config.format` and `strict` for some models, and refuses them for
 * all until an organisation's policy allows it: a forced tool is taken everywhere. Sources: docs.cloud.google.com "Structured
 * outputs with Anthropic Claude models"; anthropics/anthropic-sdk-python#1188, Portkey-AI/gateway#1570.
 */
const atVertex = (facts: ModelFacts): ModelFacts =>
  facts.forcedTools ? { ...facts, nativeJson: false } : facts

/** Facts by upstream id; dots count as dashes (`claude-opus-4.7`). */
export function modelFacts(upstream: string): ModelFacts {
  const id = upstream.toLowerCase().replaceAll('.', '-')
  const facts = FAMILIES.find(([pattern]) => pattern.test(id))?.[1] ?? OTHER
  return id.includes('@') ? atVertex(facts) : facts
}

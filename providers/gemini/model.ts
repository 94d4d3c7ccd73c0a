/** What a Gemini model can take, told from its id, and the thinking settings that follow from it. Used by encoding. */
import type { ThinkingConfig } from '@google/genai'
import type { Json } from '../provider.ts'
import { objectAt, refusal } from './params.ts'
import type { Plain } from './wire.ts'

type Thinking = Plain<ThinkingConfig>
type Level = NonNullable<Thinking['thinkingLevel']>

/** Facts about one model. Unknown `gemini-…` ids count as the newest generation: ids are open-ended, old ones are not. */
export interface ModelFacts {
  /** Gemini 3 or later: call ids, signatures that are enforced, files in tool results, JSON answers beside functions. */
  readonly modern: boolean
  readonly thinking:
    | { readonly by: 'nothing' }
    | { readonly by: 'budget'; readonly min: number; readonly max: number; readonly canStop: boolean }
    | { readonly by: 'level'; readonly lowest: Level; readonly medium: Level }
  /** Gemma up to 3 has no system instruction. */
  readonly hasSystem: boolean
  /** Gemini 2.5 answers 400 "Penalty is not enabled for this model" at the Gemini API. */
  readonly takesPenalties: boolean
}

const OLD = /^gemini-(?:[12](?:[.-]|$)|pro(?:-vision)?$|robotics-er-1)/
const OLD_GEMMA = /^gemma-[123]/

/** Model id as the upstream knows it → facts. Sources: https://ai.google.dev/gemini-api/docs/thinking and /models. */
export function factsOf(upstream: string): ModelFacts {
  const name = upstream.slice(upstream.lastIndexOf('/') + 1).toLowerCase()
  return {
    modern: name.startsWith('gemini-') && !OLD.test(name),
    thinking: thinkingOf(name),
    hasSystem: !OLD_GEMMA.test(name),
    takesPenalties: !name.startsWith('gemini-2.5'),
  }
}

function thinkingOf(name: string): ModelFacts['thinking'] {
  if (/^gemini-(?:1|2(?:\.0|-)|pro)/.test(name) || OLD_GEMMA.test(name)) return { by: 'nothing' }
  // The image model of the first 3 series thinks, but has no switch for it.
  if (name.startsWith('gemini-3-pro-image')) return { by: 'nothing' }
  if (name.startsWith('gemini-') && !OLD.test(name)) {
    const medium = /^gemini-3-pro/.test(name) ? 'HIGH' : 'MEDIUM' // 3 Pro knows LOW and HIGH only
    return { by: 'level', lowest: lowestLevel(name), medium }
  }
  if (name.includes('2.5-pro')) return { by: 'budget', min: 128, max: 32_768, canStop: false }
  // A name of somebody's own says nothing; budgets are understood by 2.5 and by everything after it.
  const min = name.includes('flash-lite') ? 512 : 1
  return { by: 'budget', min, max: 24_576, canStop: true }
}

/** Pro models, and Flash from 3.7 on, refuse MINIMAL. */
function lowestLevel(name: string): Level {
  if (name === 'gemini-flash-latest' || name === 'gemini-pro-latest') return 'LOW'
  const [, major, minor, kind] = /^gemini-(\d+)(?:\.(\d+))?-([a-z]+(?:-lite)?)/.exec(name) ?? []
  if (kind === 'pro' || name.startsWith('gemini-4-hydrogen')) return 'LOW'
  const version = Number(major) + Number(minor ?? 0) / 100
  return kind === 'flash' && version >= 3.07 ? 'LOW' : 'MINIMAL'
}

const EFFORTS = ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'] as const
type Effort = (typeof EFFORTS)[number]

const BUDGETS: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 128,
  low: 2048,
  medium: 8192,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
}

/**
 * `reasoning_effort`, `reasoning` (OpenRouter's) and Google's own `extra_body.google.thinking_config` → `thinkingConfig`.
 * `dropped` gets the names of what a model without thinking cannot take. Thoughts are asked for whenever reasoning is.
 */
export function thinkingConfig(json: Json, facts: ModelFacts, dropped: string[]): Thinking | undefined {
  const own = googleExtra(json).thinking_config
  if (own !== undefined) return ownThinking(own)
  const reasoning = objectAt(json, 'reasoning')
  const place = json.reasoning_effort == null ? 'reasoning.effort' : 'reasoning_effort'
  let effort = effortOf(json.reasoning_effort ?? reasoning?.effort, place)
  if (reasoning?.enabled === false) effort = 'none'
  const tokens = reasoning?.max_tokens
  if (tokens != null && (typeof tokens !== 'number' || !Number.isSafeInteger(tokens) || tokens < 0)) {
    throw refusal('reasoning.max_tokens', 'reasoning.max_tokens must be a whole number of tokens')
  }
  if (effort === undefined && tokens == null && reasoning?.enabled !== true) return undefined
  if (facts.thinking.by === 'nothing') {
    if (json.reasoning_effort != null) dropped.push('reasoning_effort')
    if (reasoning !== undefined) dropped.push('reasoning')
    return undefined
  }
  const includeThoughts = effort !== 'none' && tokens !== 0 && reasoning?.exclude !== true
  const shown = includeThoughts ? { includeThoughts } : {}
  if (effort === undefined && typeof tokens !== 'number') return shown
  const budget = effort === undefined ? Number(tokens) : BUDGETS[effort]
  const kind = facts.thinking
  // it can only think as little as it can
  if (effort === 'none' && !(kind.by === 'budget' && kind.canStop))
    dropped.push(json.reasoning_effort != null ? 'reasoning_effort' : 'reasoning')
  if (kind.by === 'level') return { ...shown, thinkingLevel: levelOf(effort, budget, kind) }
  if (budget === 0 && kind.canStop) return { ...shown, thinkingBudget: 0 }
  return { ...shown, thinkingBudget: Math.min(Math.max(budget, kind.min), kind.max) }
}

/** Levels cannot be mixed with budgets, and thinking cannot be switched off: `none` is the lowest level there is. */
function levelOf(
  effort: Effort | undefined,
  budget: number,
  kind: { readonly lowest: Level; readonly medium: Level },
): Level {
  const wish =
    effort ?? (budget <= 512 ? 'minimal' : budget <= 2048 ? 'low' : budget <= 8192 ? 'medium' : 'high')
  if (wish === 'none' || wish === 'minimal') return kind.lowest
  if (wish === 'low') return 'LOW'
  return wish === 'medium' ? kind.medium : 'HIGH'
}

function effortOf(value: unknown, param: string): Effort | undefined {
  if (value === undefined || value === null) return undefined
  const known = EFFORTS.find(effort => effort === value)
  if (known === undefined) throw refusal(param, `${param} must be one of ${EFFORTS.join(', ')}`)
  return known
}

function ownThinking(value: unknown): Thinking | undefined {
  const param = 'extra_body.google.thinking_config'
  const own = objectAt({ thinking_config: value }, 'thinking_config', param)
  if (own === undefined) return undefined
  const made: Json = {}
  for (const [theirs, ours] of [
    ['include_thoughts', 'includeThoughts'],
    ['thinking_budget', 'thinkingBudget'],
    ['thinking_level', 'thinkingLevel'],
  ] as const) {
    if (own[theirs] != null) made[ours] = own[theirs]
  }
  return made
}

/** Google's own extension place in its OpenAI-compatible wire: https://ai.google.dev/gemini-api/docs/openai. */
export function googleExtra(json: Json): Json {
  const extra = objectAt(json, 'extra_body')
  return extra === undefined ? {} : (objectAt(extra, 'google', 'extra_body.google') ?? {})
}

/** `reasoning_effort` and `reasoning` → `thinking` and `output_config.effort`, by model family. */
import type { Json } from '../provider.ts'
import { refuse } from './content.ts'
import type { ModelFacts } from './models.ts'
import { isObject } from './raw.ts'

export interface Thinking {
  /** Value of `thinking`, or undefined to leave it to the model. */
  readonly thinking: Json | undefined
  readonly effort: string | undefined
  /** Did the request turn thinking on? Sampling parameters are refused then. */
  readonly on: boolean
  /** Parameters that could not be honoured. */
  readonly dropped: readonly string[]
}

/** What else in the request decides. */
export interface ThinkingSetting {
  readonly maxTokens: number
  /** `tool_choice` any or tool: refused together with a thinking budget. */
  readonly forcedTool: boolean
  /** The open tool turn has no thinking block: refused together with a thinking budget. */
  readonly unsignedToolTurn: boolean
}

const NOTHING: Thinking = { thinking: undefined, effort: undefined, on: false, dropped: [] }

/** Levels of both wires, and the budget that stands for each where only budgets are known (pydantic-ai's figures). */
const BUDGETS: Readonly<Record<string, number>> = {
  minimal: 1_024,
  low: 2_048,
  medium: 10_000,
  high: 16_384,
  xhigh: 32_768,
  max: 32_768,
}

const BUDGET_MIN = 1_024
/** Left for the answer itself: thinking counts against `max_tokens`. */
const ANSWER_MIN = 1_024

interface Wish {
  readonly name: 'reasoning_effort' | 'reasoning'
  /** `none` turns thinking off, undefined = on, at the model's own level. */
  readonly effort: string | undefined
  readonly budget: number | undefined
}

export function encodeThinking(json: Readonly<Json>, facts: ModelFacts, setting: ThinkingSetting): Thinking {
  if (isObject(json.thinking)) {
    return { ...NOTHING, thinking: json.thinking, on: json.thinking.type !== 'disabled' }
  }
  const wish = readWish(json)
  if (wish === undefined) return NOTHING
  const off = wish.effort === 'none'
  if (facts.thinking === 'none') return off ? NOTHING : { ...NOTHING, dropped: [wish.name] }
  if (off) return turnedOff(wish, facts)
  const byBudget = facts.thinking === 'budget' || (facts.thinking === 'both' && wish.budget !== undefined)
  return byBudget ? withBudget(wish, setting) : adaptive(wish, facts)
}

function readWish(json: Readonly<Json>): Wish | undefined {
  const reasoning = isObject(json.reasoning) ? json.reasoning : {}
  const level = json.reasoning_effort ?? reasoning.effort
  const name = json.reasoning_effort != null ? 'reasoning_effort' : 'reasoning'
  if (level != null) {
    if (level !== 'none' && !Object.hasOwn(BUDGETS, String(level))) {
      const param = name === 'reasoning' ? 'reasoning.effort' : name
      throw refuse(`must be none, ${Object.keys(BUDGETS).join(', ')}`, param)
    }
    return { name, effort: String(level), budget: undefined }
  }
  if (reasoning.enabled === false) return { name, effort: 'none', budget: undefined }
  if (reasoning.max_tokens != null) {
    const budget = reasoning.max_tokens
    if (typeof budget !== 'number' || !Number.isInteger(budget) || budget < 1) {
      throw refuse('must be a whole number of tokens', 'reasoning.max_tokens')
    }
    return { name, effort: undefined, budget }
  }
  return reasoning.enabled === true ? { name, effort: undefined, budget: undefined } : undefined
}

function turnedOff(wish: Wish, facts: ModelFacts): Thinking {
  if (facts.thinking !== 'adaptive') return NOTHING
  if (facts.canDisable) return { ...NOTHING, thinking: { type: 'disabled' } }
  return { ...NOTHING, effort: 'low', dropped: [wish.name] }
}

function adaptive(wish: Wish, facts: ModelFacts): Thinking {
  const thinking = { type: 'adaptive', ...(facts.display ? { display: 'summarized' } : {}) }
  return { thinking, effort: effortOf(wish, facts), on: true, dropped: [] }
}

function effortOf(wish: Wish, facts: ModelFacts): string | undefined {
  const { effort, budget } = wish
  if (budget !== undefined) {
    if (budget <= 2_048) return 'low'
    if (budget <= 10_000) return 'medium'
    return budget <= 16_384 ? 'high' : 'max'
  }
  if (effort === 'minimal') return 'low'
  return effort === 'xhigh' && !facts.xhighEffort ? 'max' : effort
}

/**
 * A budget is fitted below `max_tokens` rather than raising that: the caller's limit and the money held for it both
 * count thinking. With too little room, a forced tool, or a tool turn whose thinking was lost, it is left out.
 */
function withBudget(wish: Wish, setting: ThinkingSetting): Thinking {
  const wanted = wish.budget ?? BUDGETS[wish.effort ?? 'medium'] ?? BUDGET_MIN
  const budget = Math.min(Math.max(wanted, BUDGET_MIN), setting.maxTokens - ANSWER_MIN)
  if (budget < BUDGET_MIN || setting.forcedTool || setting.unsignedToolTurn) {
    return { ...NOTHING, dropped: [wish.name] }
  }
  return { ...NOTHING, thinking: { type: 'enabled', budget_tokens: budget }, on: true }
}

/** Thinking on Converse: what the caller wants → what each family takes, and blocks that are handed back. */
import type { Json } from '../provider.ts'
import { isObject } from '../../src/wire/raw-json.ts'
import { refuse } from './content.ts'
import type { ModelFacts } from './model.ts'

/** Marks details as Converse's: a signature of another wire would be refused here. */
export const REASONING_FORMAT = 'bedrock-converse-v1'

export const isOurs = (detail: Json): boolean =>
  detail.format === REASONING_FORMAT &&
  (typeof detail.signature === 'string' || detail.type === 'reasoning.encrypted')

/** `reasoning_details` of an assistant message → blocks. Pieces of one `index` are one block; unsigned text is no use and stays out. */
export function reasoningBlocks(details: unknown): Json[] {
  if (!Array.isArray(details)) return []
  const blocks: Json[] = []
  let open: { index: unknown; text: string } | undefined
  for (const detail of details) {
    if (!isObject(detail) || detail.format !== REASONING_FORMAT) continue
    if (detail.type === 'reasoning.encrypted' && typeof detail.data === 'string') {
      blocks.push({ reasoningContent: { redactedContent: detail.data } })
      continue
    }
    if (detail.type !== 'reasoning.text') continue
    if (open === undefined || open.index !== detail.index) open = { index: detail.index, text: '' }
    if (typeof detail.text === 'string') open.text += detail.text
    if (typeof detail.signature !== 'string' || detail.signature === '') continue
    const reasoningText = { text: open.text, signature: detail.signature }
    blocks.push({ reasoningContent: { reasoningText } })
    open = undefined
  }
  return blocks
}

const EFFORTS: ReadonlySet<string> = new Set(['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max'])

interface Wish {
  readonly name: 'reasoning_effort' | 'reasoning'
  readonly effort: string
}

/** Tokens → the level that stands for so many. */
const levelOf = (tokens: number): string => (tokens <= 2_048 ? 'low' : tokens <= 10_000 ? 'medium' : 'high')

function readWish(json: Readonly<Json>): Wish | undefined {
  const reasoning = isObject(json.reasoning) ? json.reasoning : {}
  const level = json.reasoning_effort ?? reasoning.effort
  const name = json.reasoning_effort != null ? 'reasoning_effort' : 'reasoning'
  if (level != null) {
    if (typeof level !== 'string' || !EFFORTS.has(level))
      throw refuse(`must be ${[...EFFORTS].join(', ')}`, name === 'reasoning' ? 'reasoning.effort' : name)
    return { name, effort: level }
  }
  if (reasoning.enabled === false) return { name, effort: 'none' }
  if (typeof reasoning.max_tokens === 'number') return { name, effort: levelOf(reasoning.max_tokens) }
  return reasoning.enabled === true ? { name, effort: 'medium' } : undefined
}

export interface Thinking {
  /** For `additionalModelRequestFields`. */
  readonly fields: Json
  readonly dropped: readonly string[]
  /** Nova 2 at its highest level takes no sampling parameters (docs.aws.amazon.com/nova "Extended thinking"). */
  readonly isBare: boolean
}

/**
 * The level in the model's own words; a level that it does not have becomes the nearest one. Nova 2 takes no output limit
 * at its highest level: with one it gets the level below, since the limit is somebody's money.
 */
export function encodeThinking(json: Readonly<Json>, facts: ModelFacts, isLimited: boolean): Thinking {
  const wish = readWish(json)
  if (wish === undefined) return { fields: {}, dropped: [], isBare: false }
  const { effort, name } = wish
  const three = effort === 'minimal' ? 'low' : effort === 'xhigh' || effort === 'max' ? 'high' : effort
  const isOff = effort === 'none'
  switch (facts.reasoning) {
    case 'nova': {
      const isLess = three === 'high' && isLimited
      const maxReasoningEffort = isLess ? 'medium' : three
      const reasoningConfig = isOff ? { type: 'disabled' } : { type: 'enabled', maxReasoningEffort }
      return {
        fields: { reasoningConfig },
        dropped: isLess ? [name] : [],
        isBare: maxReasoningEffort === 'high',
      }
    }
    case 'effort':
      // these always think: the least is the nearest to none
      return {
        fields: { reasoning_effort: isOff ? 'low' : three },
        dropped: isOff ? [name] : [],
        isBare: false,
      }
    case 'config':
      return isOff
        ? { fields: {}, dropped: [], isBare: false }
        : { fields: { reasoning_config: three }, dropped: [], isBare: false }
    case 'none':
      return { fields: {}, dropped: isOff ? [] : [name], isBare: false }
  }
}

/** `reasoning: {exclude: true}`: think, but do not show it. */
export function hidesReasoning(request: Readonly<Json>): boolean {
  return isObject(request.reasoning) && request.reasoning.exclude === true
}

/** What a recorded answer states itself of tokens and money, read apart from the gateway. Part of the replay. */
import type { Json } from '../../providers/provider.ts'
import { meteredOf, type Reading, type Tokens } from '../clients/reading.ts'
import { eventsOf, type Recording } from '../clients/recordings.ts'
import { costOf } from '../clients/replayer.ts'
import { type Case, jsonOf } from './corpus.ts'

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null
const isNumber = (value: unknown): value is number => typeof value === 'number'

const answersIn = ({ body, stream }: Case): Json[] => (stream ? eventsOf(body) : [body]).map(jsonOf)

/** Every `usage` that stands in an answer, wherever the host puts it. */
const usagesIn = (one: Case): Json[] =>
  answersIn(one)
    .map(answer => answer.usage ?? (isObject(answer.response) ? answer.response.usage : undefined))
    .filter(isObject)

interface CohereUsage {
  readonly tokens?: {
    readonly input_tokens: number
    readonly output_tokens: number
    readonly reasoning_tokens?: number
  }
  readonly billed_units?: { readonly input_tokens: number; readonly output_tokens: number }
  readonly cached_tokens?: number
}

/** Cohere's usage stands in the answer, or in the delta of its stream's last event. */
const cohereUsage = (one: Case): CohereUsage | undefined =>
  answersIn(one)
    .map(answer => answer.usage ?? (isObject(answer.delta) ? answer.delta.usage : undefined))
    .filter(isObject)
    .at(-1)

/** The tokens that are to be metered. Cohere's package leaves out what came from a cache and what was thought. */
export function tokensIn(one: Case, read: Reading): Tokens | undefined {
  if (one.wire !== 'cohere') return meteredOf(one as unknown as Recording, read)
  const stated = cohereUsage(one)
  if (stated === undefined || read.tokens === undefined) return undefined
  const cached = stated.cached_tokens ?? 0
  return { ...read.tokens, cached, thought: stated.tokens?.reasoning_tokens ?? 0 }
}

/** The bill at the price of every replayed model, nano-USD. Cohere bills other tokens than it counts. */
export function billIn(one: Case, tokens: Tokens): number {
  const billed = one.wire === 'cohere' ? cohereUsage(one)?.billed_units : undefined
  if (billed === undefined) return reportedNanoUsd(one) ?? costOf(tokens)
  const [input, output] = [billed.input_tokens, billed.output_tokens]
  return costOf({ input, output, cached: 0, written: 0, thought: 0 })
}

/** What the provider says that it cost. */
export function reportedNanoUsd(one: Case): number | undefined {
  const { body, wire } = one
  if (wire !== 'chat' && wire !== 'responses') return undefined
  const ticks = [...body.matchAll(/"cost_in_usd_ticks": ?(\d+)/g)].at(-1)?.[1]
  if (ticks !== undefined && ticks !== '0') return Math.round(Number(ticks) / 10)
  const cost = usagesIn(one)
    .map(usage => (isObject(usage.cost) ? usage.cost.total_cost : usage.cost))
    .findLast(isNumber)
  return cost === undefined ? undefined : Math.round(cost * 1e9)
}

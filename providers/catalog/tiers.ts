/** What tokens cost in a service tier that is dearer or cheaper than the usual one. Data, joined to the big table's offers. */
import { type Price, picoFromUsdPerMtok, type Rates, type TierRates } from '../../src/price.ts'

/**
 * OpenAI's `priority`, USD per million tokens read, read from the cache, and written: openai.com/api-priority-processing,
 * read 2026-11. Prompts that are too long for it are answered as usual, and the answer says so.
 */
const PRIORITY: Readonly<Record<string, readonly [number, number | undefined, number]>> = {
  'gpt-5.4': [5, 0.5, 30],
  'gpt-5.4-mini': [1.5, 0.15, 9],
  'gpt-5.2': [3.5, 0.35, 28],
  'gpt-5.1': [2.5, 0.25, 20],
  'gpt-5.1-codex': [2.5, 0.25, 20],
  'gpt-5': [2.5, 0.25, 20],
  'gpt-5-codex': [2.5, 0.25, 20],
  'gpt-5-mini': [0.45, 0.045, 3.6],
  'gpt-4.1': [3.5, 0.875, 14],
  'gpt-4.1-mini': [0.7, 0.175, 2.8],
  'gpt-4.1-nano': [0.2, 0.05, 0.8],
  'gpt-4o': [4.25, 2.125, 17],
  'gpt-4o-2024-11-20': [4.25, 2.125, 17],
  'gpt-4o-2024-08-06': [4.25, 2.125, 17],
  'gpt-4o-2024-05-13': [8.75, undefined, 26.25],
  'gpt-4o-mini': [0.25, 0.125, 1],
  o3: [3.5, 0.875, 14],
  'o4-mini': [2, 0.5, 8],
}

/**
 * Models that OpenAI serves as `flex`, at the rates of its batches, which are half the usual ones, cached tokens too
 * (developers.openai.com/api/docs/guides/flex-processing); others are answered with 400 there. Azure's costs half too
 * (learn.microsoft.com/azure/foundry/openai/how-to/flex-processing).
 */
const FLEX = /^(?:gpt-5(?!.*(?:chat|codex|spark))|o3$|o4-mini)/

/** Groq's `flex` costs what `on_demand` does (console.groq.com/docs/flex-processing). What `performance` costs is agreed on with each customer. */
const SAME_AT_GROQ = ['flex']

const half = (pico: number): number => Math.ceil(pico / 2)

function halved(rates: Rates): Rates {
  const { cacheReadPico: read, cacheWritePico: write } = rates
  return {
    inputPico: half(rates.inputPico),
    outputPico: half(rates.outputPico),
    ...(read !== undefined && { cacheReadPico: half(read) }),
    ...(write !== undefined && { cacheWritePico: half(write) }),
  }
}

const halvedAll = ({ tiers, ...rates }: TierRates): TierRates => ({
  ...halved(rates),
  ...(tiers && {
    tiers: tiers.map(({ overInputTokens, ...each }) => ({ overInputTokens, ...halved(each) })),
  }),
})

function priorityOf(upstream: string, { tiers }: TierRates): TierRates | undefined {
  const row = Object.hasOwn(PRIORITY, upstream) ? PRIORITY[upstream] : undefined
  if (row === undefined) return undefined
  const [input, read, output] = row
  return {
    inputPico: picoFromUsdPerMtok(input),
    outputPico: picoFromUsdPerMtok(output),
    ...(read !== undefined && { cacheReadPico: picoFromUsdPerMtok(read) }),
    ...(tiers && { tiers }),
  }
}

/** The service tiers of a provider's offer whose prices are known; {} = none is. */
export function tiersOf(provider: string, upstream: string, rates: TierRates): Pick<Price, 'byTier'> {
  if (provider === 'groq') return { byTier: Object.fromEntries(SAME_AT_GROQ.map(tier => [tier, rates])) }
  if (provider === 'azure' && FLEX.test(upstream)) return { byTier: { flex: halvedAll(rates) } }
  if (provider !== 'openai') return {}
  const priority = priorityOf(upstream, rates)
  const byTier = { ...(FLEX.test(upstream) && { flex: halvedAll(rates) }), ...(priority && { priority }) }
  return Object.keys(byTier).length === 0 ? {} : { byTier }
}

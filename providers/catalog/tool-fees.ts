/** What calls of tools that a provider runs by itself cost beside their tokens. Data, joined to the big table's offers. */
import { picoFromUsdPerUnit, type Price } from '../../src/price.ts'

/**
 * USD per call, by provider. Searches: @pydantic/genai-prices 0.1.8 (MIT), 2026-09-23 (10 and 2.5 USD per thousand). A kind that
 * is not here (a container for code, a picture) has a fee that no answer states: such bills are marked as estimates.
 */
const FEES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  openai: { web_search: 0.01, file_search: 0.0025 },
  anthropic: { web_search: 0.01 },
}

const CALLS = new Map(
  Object.entries(FEES).map(([provider, fees]) => [
    provider,
    { calls: Object.fromEntries(Object.entries(fees).map(([kind, usd]) => [kind, picoFromUsdPerUnit(usd)])) },
  ]),
)

/** The fees of a provider's offers; {} = not known. */
export const callsOf = (provider: string): Pick<Price, 'calls'> => CALLS.get(provider) ?? {}

/** What calls of tools that a provider runs by itself cost beside their tokens. Data, joined to the big table's offers. */
import { picoFromUsdPerUnit, type Price } from '../../src/price.ts'

interface Fee {
  readonly provider: string
  /** Upstream ids that it is asked for; absent = all. */
  readonly models?: RegExp
  /** USD per call, by kind. */
  readonly usd: Readonly<Record<string, number>>
}

/** Gemini up to 2.5 pays once for an answer that was grounded. */
const BY_PROMPT = /^gemini-[12](?:[.-]|$)/
/** Gemini 3 and later pay by the query. */
const BY_QUERY = /^gemini-(?![12](?:[.-]|$))/

/**
 * Searches of OpenAI and Anthropic: @pydantic/genai-prices 0.1.8 (MIT), 2026-09-23 (10 and 2.5 USD per thousand). Google's:
 * ai.google.dev/gemini-api/docs/pricing and cloud.google.com/vertex-ai/generative-ai/pricing, 2026-09 (35 USD per thousand grounded
 * prompts, 14 per thousand queries, 25 per thousand prompts grounded in Maps); what Google gives away each day or month is not
 * known here and so not taken off. A kind that is not here (a container for code, a picture) has a fee that no answer
 * states: such bills are marked as estimates.
 */
const FEES: readonly Fee[] = [
  { provider: 'openai', usd: { web_search: 0.01, file_search: 0.0025 } },
  { provider: 'anthropic', usd: { web_search: 0.01 } },
  { provider: 'gemini', models: BY_PROMPT, usd: { grounded_prompt: 0.035, google_maps: 0.025 } },
  { provider: 'gemini', models: BY_QUERY, usd: { web_search: 0.014 } },
  { provider: 'vertex', models: BY_PROMPT, usd: { grounded_prompt: 0.035, google_maps: 0.025 } },
  { provider: 'vertex', models: BY_QUERY, usd: { web_search: 0.014 } },
]

const CALLS = FEES.map(({ usd, ...fee }) => ({
  ...fee,
  price: {
    calls: Object.fromEntries(Object.entries(usd).map(([kind, each]) => [kind, picoFromUsdPerUnit(each)])),
  },
}))

/** The fees of a provider's offer; {} = not known. */
export const callsOf = (provider: string, upstream: string): Pick<Price, 'calls'> =>
  CALLS.find(fee => fee.provider === provider && (fee.models?.test(upstream) ?? true))?.price ?? {}

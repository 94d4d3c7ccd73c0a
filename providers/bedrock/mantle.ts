/**
 * Bedrock's Mantle: OpenAI's wires for open models, and Anthropic's for Claude, each as its maker has it, at one host.
 * Signed for as the service `bedrock-mantle`. Sources: recorded answers; crmne/ruby_llm providers/bedrock/mantle; vercel/ai amazon-bedrock.
 */
import { type Cloud, isClaude } from '../cloud.ts'
import type { Provider } from '../provider.ts'
import { NAME } from './model.ts'

export interface MantleWires {
  readonly anthropic: Provider
  readonly openai: Provider
  /** The same provider for models that answer at `/responses` alone. */
  overResponses(openai: Provider): Provider
}

/** Options: `region`. */
export function createMantle({ anthropic, openai, overResponses }: MantleWires): Cloud {
  const named = { name: NAME, auth: 'sigv4' as const }
  const claude: Provider = { ...anthropic, ...named }
  const open: Provider = { ...openai, ...named }
  const closed: Provider = overResponses(open)
  return request => {
    const { region } = request.options
    const own = request.baseUrl?.replace(/\/+$/, '').replace(/\/v1$/, '')
    if (own === undefined && region === undefined) return { why: 'Mantle needs the option "region"' }
    const root = own ?? `https://bedrock-mantle.${region}.api.aws`
    return isClaude(request)
      ? { provider: claude, baseUrl: `${root}/anthropic/v1` }
      : isClosed(request.upstream)
        ? { provider: closed, baseUrl: `${root}/openai/v1` }
        : { provider: open, baseUrl: `${root}/v1` }
  }
}

/**
 * Is this one of OpenAI's closed models? Bedrock has them at Mantle alone, below a path of their own and by the Responses
 * wire (recorded: gpt-5.5, gpt-5.6-luna at `/openai/v1/responses`; gpt-oss at `/v1`, in both of OpenAI's wires).
 */
export const isClosed = (upstream: string): boolean => /^(?:[a-z-]+\.)?openai\.gpt-\d/.test(upstream)

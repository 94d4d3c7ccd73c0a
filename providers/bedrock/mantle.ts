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
}

/** Options: `region`. */
export function createMantle({ anthropic, openai }: MantleWires): Cloud {
  const named = { name: NAME, auth: 'sigv4' as const }
  const claude: Provider = { ...anthropic, ...named }
  const open: Provider = { ...openai, ...named }
  return request => {
    const { region } = request.options
    const own = request.baseUrl?.replace(/\/+$/, '').replace(/\/v1$/, '')
    if (own === undefined && region === undefined) return { why: 'Mantle needs the option "region"' }
    const root = own ?? `https://bedrock-mantle.${region}.api.aws`
    return isClaude(request)
      ? { provider: claude, baseUrl: `${root}/anthropic/v1` }
      : { provider: open, baseUrl: root + openPath(request.upstream) }
  }
}

/** OpenAI's own closed models stand below a path of their own (recorded: gpt-5.5, gpt-5.6-luna; gpt-oss at `/v1`). */
const openPath = (upstream: string): string => (isClosed(upstream) ? '/openai/v1' : '/v1')

/** Is this one of OpenAI's closed models? Bedrock has them at Mantle alone. */
export const isClosed = (upstream: string): boolean => /^(?:[a-z-]+\.)?openai\.gpt-\d/.test(upstream)

/** The live test's config file: a dead provider that is always tried first, and the real one. */

/** USD per million tokens, so that each token is worth a whole number of nano-USD. */
const INPUT_USD_PER_MTOK = 1
const OUTPUT_USD_PER_MTOK = 2

/** What so many tokens must cost, as the ledger prints it. */
export const costNanoUsd = (input: number, output: number): string =>
  String((input * INPUT_USD_PER_MTOK + output * OUTPUT_USD_PER_MTOK) * 1000)

export interface LiveUpstream {
  readonly baseUrl: string
  readonly apiKey: string | undefined
  /** As the upstream knows it. */
  readonly model: string
  /** A local port on which nobody listens. */
  readonly deadPort: number
}

function hostAndPort(url: string): string {
  const { hostname, port, protocol } = new URL(url)
  return `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`
}

/** `house` is sold by the live provider; `twofold` by both, cheaper at the dead one, and price decides. */
export function configFor({ baseUrl, apiKey, model, deadPort }: LiveUpstream): string {
  const offer = (share: number) =>
    `{ upstream: ${JSON.stringify(model)}, input_usd_per_mtok: ${INPUT_USD_PER_MTOK * share}, output_usd_per_mtok: ${OUTPUT_USD_PER_MTOK * share}, context_tokens: 4096, max_output_tokens: 2048 }`
  return `discover_env: false
routing: { strategy: price }
providers:
  dead:
    kind: openai
    base_url: http://127.0.0.1:${deadPort}/v1
    models:
      twofold: ${offer(0.1)}
  live:
    kind: openai
    base_url: ${baseUrl}
    ${apiKey ? 'credentials: [{ name: main, secret: env://LIVE_API_KEY }]' : ''}
    models:
      house: ${offer(1)}
      twofold: ${offer(1)}
egress: { allow: ["127.0.0.1:${deadPort}", "${hostAndPort(baseUrl)}"] }
`
}

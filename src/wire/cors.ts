/** What browsers are told about answers to pages of other origins. Headers only, no policy. Source: fetch.spec.whatwg.org, section 3.3. */

/** Every header of our answers that a page may read: the contract's, and those of refusals. */
export const EXPOSED: readonly string[] = [
  'x-request-id',
  ...['provider', 'model', 'attempts', 'cost-usd', 'overhead-ms', 'dropped', 'max-tokens', 'limit'].map(
    name => `x-switchgate-${name}`,
  ),
  'x-should-retry',
  'retry-after',
  ...['limit', 'remaining', 'reset'].flatMap(name => [
    `x-ratelimit-${name}-requests`,
    `x-ratelimit-${name}-tokens`,
  ]),
  'ratelimit',
  'ratelimit-policy',
]

const EXPOSED_TEXT = EXPOSED.join(', ')

/** Of an answer that a page of this origin may read, flat. No credentials: a key is sent by the page itself, a cookie never counts. */
export const corsHeaders = (origin: string): string[] => [
  'access-control-allow-origin',
  origin,
  'access-control-expose-headers',
  EXPOSED_TEXT,
  'vary',
  'Origin',
]

/** How long a browser may rely on a preflight, seconds: a key that takes an origin back is felt after this at the latest. */
const PREFLIGHT_SECONDS = 600
const NAMES = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/
const NAMES_CHARS = 4_096

/** Of the answer to a preflight, flat. `asked` = `Access-Control-Request-Headers`: SDKs send dozens of their own, and none of them does harm here. */
export function preflightHeaders(origin: string, methods: string, asked: string | undefined): string[] {
  const names = asked !== undefined && asked.length <= NAMES_CHARS && NAMES.test(asked) ? asked : ''
  return [
    'access-control-allow-origin',
    origin,
    'access-control-allow-methods',
    methods,
    ...(names === '' ? [] : ['access-control-allow-headers', names]),
    'access-control-max-age',
    String(PREFLIGHT_SECONDS),
  ]
}

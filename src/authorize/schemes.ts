/** Scheme and secret → what puts the credential on a request. Asked while the market is built, not per request. */
import type { AuthScheme } from '../../providers/provider.ts'
import type { Log } from '../deps.ts'
import type { Send } from '../terms.ts'
import type { Sign } from './authorize.ts'
import { entra } from './entra.ts'
import { google } from './google.ts'
import { credentialHeaders } from './headers.ts'
import { sigv4 } from './sigv4.ts'
import type { Tokens } from './tokens.ts'

/** What schemes need from outside. A runtime makes it once. */
export interface SigningDeps {
  /** Epoch ms. */
  readonly now: () => number
  /** The guarded way out, for token endpoints. */
  readonly send: Send
  /** Reaches the metadata services of this machine's cloud and nothing else; undefined where there is none (Workers). */
  readonly metadata: Send | undefined
  readonly pause: (ms: number) => Promise<void>
  readonly env: (name: string) => string | undefined
  /** Text of a file that the cloud’s own conventions name (a profile, a projected token), `~/` = home; resolves to undefined when it does not exist. Absent where there are no files. */
  readonly readFile: ((path: string) => Promise<string | undefined>) | undefined
  readonly tokens: Tokens
  /** Every fetched secret goes here first, so that no log line can show it. */
  readonly remember: (secret: string) => void
  readonly log: Log
}

export interface SchemeInput {
  /** Key material, or a reference to the cloud's own way (`aws://default`). */
  readonly secret: string
  /** Of the provider, with what the environment says filled in. */
  readonly options: Readonly<Record<string, string>>
  /** `https://host` of the site. */
  readonly origin: string
  readonly deps: SigningDeps
}

/** How a credential gets onto requests, or why it cannot; `why` never shows it. */
export type Authorization =
  | { readonly headers: readonly string[] }
  | { readonly sign: Sign }
  | { readonly why: string }

export type Scheme = (input: SchemeInput) => Authorization

/** Schemes that compute something for each request. One line each. */
const SCHEMES: Partial<Record<AuthScheme, Scheme>> = {
  sigv4,
  google,
  entra,
}

/** Any scheme: headers made once for the plain ones, a signer for the others. `deps` undefined = this place cannot sign. */
export function authorizationOf(
  scheme: AuthScheme,
  input: Omit<SchemeInput, 'deps'> & { readonly deps: SigningDeps | undefined },
): Authorization {
  const signs = SCHEMES[scheme]
  if (signs === undefined) {
    const headers = credentialHeaders(scheme, input.secret)
    return 'why' in headers ? headers : { headers }
  }
  const { deps } = input
  return deps === undefined ? { why: 'requests cannot be signed here' } : signs({ ...input, deps })
}

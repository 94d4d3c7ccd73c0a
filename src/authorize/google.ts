/** The scheme of Google Cloud: access tokens from whatever credentials there are, or an API key (Vertex express mode) as its own header. */
import type { Sign } from './authorize.ts'
import { type GoogleSource, sourceOfFile } from './google/files.ts'
import { ambientSource, metadataSource } from './google/ambient.ts'
import { credentialHeaders } from './headers.ts'
import type { Authorization, Scheme, SchemeInput } from './schemes.ts'
import type { Token } from './tokens.ts'

/** Reads the secret: a credential file's JSON, a reference, a ready access token, or else an API key. */
export const google: Scheme = input => {
  const secret = input.secret.trim()
  if (secret.startsWith('gcp://')) return referred(input, secret)
  if (secret.startsWith('{')) {
    const source = sourceOfFile(secret, input.deps)
    return 'why' in source ? source : signing(input, source)
  }
  // Access tokens are told by their beginning (cloud.google.com, "Token types"); they end within the hour.
  const scheme = secret.startsWith('ya29.') ? 'bearer' : 'x-goog-api-key'
  const headers = credentialHeaders(scheme, secret)
  return 'why' in headers ? headers : { headers }
}

function referred(input: SchemeInput, secret: string): Authorization {
  if (secret === 'gcp://default') return signing(input, ambientSource(input.deps))
  if (secret === 'gcp://metadata') return signing(input, metadataSource(input.deps))
  return {
    why: 'the references of Google Cloud are gcp://default (application default credentials) and gcp://metadata',
  }
}

function signing(input: SchemeInput, source: GoogleSource): Authorization {
  // Without one the address is that of express mode, which takes API keys alone.
  if (!input.options.project) return { why: 'it needs options.project, or GOOGLE_CLOUD_PROJECT' }
  const renew = () => renewed(input, source)
  const sign: Sign = () => input.deps.tokens.get(`google ${input.secret}`, renew)
  return { sign }
}

async function renewed({ deps }: SchemeInput, source: GoogleSource): Promise<Token<readonly string[]>> {
  try {
    return await source()
  } catch (error) {
    const message = error instanceof Error ? error.message : 'no token'
    deps.log('warn', 'credential.not_fetched', { scheme: 'google', message })
    throw error
  }
}

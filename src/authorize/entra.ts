/** The scheme of Azure: an API key as its own header, or Microsoft Entra tokens from whatever identity there is. */
import type { Sign } from './authorize.ts'
import { ambientIdentity, managedIdentity, workloadIdentity } from './azure/ambient.ts'
import { clientSecret, cloudOf, entraFault, type Identity } from './azure/identity.ts'
import { credentialHeaders } from './headers.ts'
import type { Authorization, Scheme, SchemeInput } from './schemes.ts'

/** Reads the secret: an app registration's JSON, a reference, a ready token, or else an API key. */
export const entra: Scheme = input => {
  const secret = input.secret.trim()
  if (secret.startsWith('azure://')) return referred(input, secret)
  if (secret.startsWith('{')) {
    const identity = clientSecret(secret, input.deps)
    return 'why' in identity ? identity : signing(input, identity)
  }
  // Entra's tokens are JSON Web Tokens; API keys have no dots.
  if (/^eyJ[\w-]+\.[\w-]+\.[\w-]*$/.test(secret)) return plain('bearer', secret)
  return plain('api-key', secret)
}

function plain(scheme: 'bearer' | 'api-key', secret: string): Authorization {
  const headers = credentialHeaders(scheme, secret)
  return 'why' in headers ? headers : { headers }
}

function referred(input: SchemeInput, secret: string): Authorization {
  const [, way = '', clientId] = /^azure:\/\/([a-z-]+)(?:\/([0-9A-Za-z-]{1,64}))?$/.exec(secret) ?? []
  if (way === 'default' && clientId === undefined) return signing(input, ambientIdentity(input.deps))
  if (way === 'managed-identity') return signing(input, managedIdentity(input.deps, clientId))
  if (way === 'workload-identity') return signing(input, workloadIdentity(input.deps, clientId))
  return {
    why: 'the references of Azure are azure://default, azure://managed-identity[/<client id>] and azure://workload-identity[/<client id>]',
  }
}

function signing({ origin, secret, deps }: SchemeInput, identity: Identity): Authorization {
  const cloud = cloudOf(origin, deps.env('AZURE_AUTHORITY_HOST'))
  const renew = async () => {
    try {
      const token = await identity(cloud)
      if (!/^[\x21-\x7e]{1,16384}$/.test(token.value))
        throw entraFault('Azure sent a token that no header can carry.')
      deps.remember(token.value)
      return { value: ['authorization', `Bearer ${token.value}`], expiresAtMs: token.expiresAtMs }
    } catch (error) {
      const message = error instanceof Error ? error.message : 'no token'
      deps.log('warn', 'credential.not_fetched', { scheme: 'entra', message })
      throw error
    }
  }
  const sign: Sign = () => deps.tokens.get(`entra ${cloud.resource} ${secret}`, renew)
  return { sign }
}

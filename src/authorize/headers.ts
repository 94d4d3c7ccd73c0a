/** Puts a credential on an upstream request: scheme and secret → headers, made once when the market is built, not per request. */
import type { AuthScheme } from '../../providers/provider.ts'
import { GatewayError } from '../errors.ts'

/** Flat, lower-case header list. Throws GatewayError('bad_credential') for a secret that no header can carry; the message never shows it. */
export function credentialHeaders(scheme: AuthScheme, secret: string): readonly string[] {
  if (scheme === 'none') return []
  const trimmed = secret.trim()
  if (!/^[\x21-\x7e]{1,8192}$/.test(trimmed))
    throw new GatewayError(
      'bad_credential',
      trimmed === ''
        ? 'the credential is empty'
        : 'the credential has white space, line breaks or non-ASCII characters inside, or is longer than 8192 characters',
    )
  return scheme === 'bearer' ? ['authorization', `Bearer ${trimmed}`] : [scheme, trimmed]
}

/** Puts a credential on an upstream request: scheme and secret → headers, made once when the market is built, not per request. */
import type { AuthScheme } from '../../providers/provider.ts'

/** Flat, lower-case header list, or why no header can carry this secret; `why` never shows it. */
export function credentialHeaders(
  scheme: AuthScheme,
  secret: string,
): readonly string[] | { readonly why: string } {
  if (scheme === 'none') return []
  const trimmed = secret.trim()
  if (trimmed === '') return { why: 'it is empty' }
  if (!/^[\x21-\x7e]{1,8192}$/.test(trimmed))
    return {
      why: 'it has white space, line breaks or non-ASCII characters inside, or more than 8192 characters',
    }
  return scheme === 'bearer' ? ['authorization', `Bearer ${trimmed}`] : [scheme, trimmed]
}

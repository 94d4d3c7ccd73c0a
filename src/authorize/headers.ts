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

const KEY_FILE_CHARS_MAX = 16_384

/**
 * A secret as it is kept: trimmed, and a key file (a JSON object, as Google and AWS hand them out) on one line. Or why
 * no scheme could use it; `why` never shows it.
 */
export function cleanedSecret(text: string): { readonly secret: string } | { readonly why: string } {
  const secret = text.trim()
  const headers = credentialHeaders('bearer', secret)
  if (!('why' in headers)) return { secret }
  const file = secret.startsWith('{') ? keyFileOf(secret) : undefined
  if (file === undefined) return headers
  return file.length <= KEY_FILE_CHARS_MAX
    ? { secret: file }
    : { why: `it is a JSON object of more than ${KEY_FILE_CHARS_MAX} characters` }
}

function keyFileOf(text: string): string | undefined {
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Names the failure behind an error of the network or of undici, from its code and never from its prose. */
import { GatewayError } from '../../errors.ts'

const codeOf = (error: unknown): string | undefined => {
  if (error === null || typeof error !== 'object') return undefined
  const { code, errors, name } = error as { code?: unknown; errors?: unknown; name?: unknown }
  if (typeof code === 'string') return code
  // undici names its parser's errors and leaves some of them without a code.
  if (name === 'HTTPParserError') return name
  // Happy eyeballs tried several addresses; the first failure speaks for all.
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : undefined
}

/** Codes whose sentence differs from "the connection failed"; the rest are resets and the like. */
const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The upstream refused the connection.',
  ENOTFOUND: 'The upstream’s host name does not resolve.',
  EAI_AGAIN: 'The upstream’s host name does not resolve right now.',
  EGRESS_REFUSED: 'The egress guard refused the upstream’s address.',
  UND_ERR_CONNECT_TIMEOUT: 'The upstream did not accept a connection in time.',
  ETIMEDOUT: 'The upstream did not accept a connection in time.',
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'])
const isMalformed = (code: string): boolean =>
  code === 'HTTPParserError' ||
  code.startsWith('HPE_') ||
  code === 'UND_ERR_HEADERS_OVERFLOW' ||
  code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' ||
  code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE'
/** OpenSSL's verify codes have no common prefix: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const isTls = (code: string): boolean => /CERT|SSL|TLS|SIGNATURE|ISSUER|CRL|HOSTNAME_MISMATCH/.test(code)

/** silent (no answer in time), malformed (no HTTP), bug (we built an impossible request), else unreachable. The message holds no address. */
export function failureOf(error: unknown): GatewayError {
  const code = codeOf(error) ?? ''
  const say = (kind: 'silent' | 'malformed' | 'bug' | 'unreachable', message: string): GatewayError =>
    new GatewayError(kind, message, { cause: error })
  if (TIMEOUTS.has(code)) return say('silent', 'The upstream did not answer in time.')
  if (isMalformed(code)) return say('malformed', 'The upstream did not answer in valid HTTP.')
  if (code === 'UND_ERR_INVALID_ARG') return say('bug', 'The upstream request could not be built.')
  if (isTls(code)) return say('unreachable', `The upstream’s TLS certificate was not accepted (${code}).`)
  return say('unreachable', SENTENCES[code] ?? 'The connection to the upstream failed.')
}

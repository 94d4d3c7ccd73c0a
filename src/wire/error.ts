/** Errors and keep-alives in each caller's wire. Formats only. */
import type { GatewayError } from '../errors.ts'
import type { Wire } from '../terms.ts'

/**
 * Sent while nothing has been said; a comment is invisible to SSE clients, Anthropic's own clients expect `ping`.
 * Google's older client (@google/generative-ai) stumbles over comments, so its sign of life is an answer that says nothing.
 */
export const KEEPALIVE: Readonly<Record<Wire, string>> = {
  openai: ': waiting\n\n',
  anthropic: 'event: ping\ndata: {"type":"ping"}\n\n',
  gemini: 'data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":0}]}\r\n\r\n',
  responses: ': waiting\n\n',
}

const ANTHROPIC_TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
}

const GOOGLE_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  402: 'RESOURCE_EXHAUSTED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  405: 'UNIMPLEMENTED',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  502: 'UNAVAILABLE',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

function errorObject(wire: Wire, error: GatewayError): Record<string, unknown> {
  const { message, code, status } = error
  const param = error.param ?? null
  if (wire === 'anthropic') {
    return {
      type: 'error',
      error: {
        type: ANTHROPIC_TYPES[status] ?? (status < 500 ? 'invalid_request_error' : 'api_error'),
        message,
        code,
        param,
      },
    }
  }
  if (wire === 'gemini') {
    const info = {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: code.toUpperCase(),
      domain: 'switchgate',
      ...(error.param === undefined ? {} : { metadata: { param: error.param } }),
    }
    const named = GOOGLE_STATUS[status] ?? (status < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')
    return { error: { code: status, message, status: named, details: [info] } }
  }
  return { error: { message, type: error.type, param, code } }
}

/** Body of an error answer. OpenAI's form has all four members, `param` null when nothing is to be named. */
export function errorBody(wire: Wire, error: GatewayError): string {
  return JSON.stringify(errorObject(wire, error))
}

/**
 * Behind Gemini's error event: one that never ends. `@google/generative-ai` 0.24 takes the error for an answer and stumbles over
 * this alone ("Failed to parse stream"); whoever reads server-sent events by their rules drops it.
 */
const UNENDED = 'data: '

/** Last event of a stream that broke after its head went out; never followed by `[DONE]`. */
export function errorEvent(wire: Wire, error: GatewayError): string {
  const named = wire === 'anthropic' || wire === 'responses' ? 'event: error\n' : ''
  const body =
    wire === 'responses'
      ? JSON.stringify({
          type: 'error',
          code: error.code,
          message: error.message,
          param: error.param ?? null,
        })
      : errorBody(wire, error)
  return `${named}data: ${body}\n\n${wire === 'gemini' ? UNENDED : ''}`
}

/** The official SDKs obey `x-should-retry` before their own rules: true only where waiting a little can help. */
function worthRetrying(error: GatewayError): boolean {
  if (error.shouldRetry || error.kind === 'storage_unavailable') return true
  const rateLimited = error.kind === 'rate_limited_here' || error.kind === 'rate_limited'
  return rateLimited && error.retryAfterMs !== undefined && error.retryAfterMs <= 60_000
}

/** Headers that every error answer carries: what a client may do about it. */
export function errorHeaders(error: GatewayError): string[] {
  const headers = ['x-should-retry', String(worthRetrying(error))]
  if (error.retryAfterMs !== undefined) {
    headers.push('retry-after', String(Math.max(1, Math.ceil(error.retryAfterMs / 1000))))
  }
  if (error.limit !== undefined) headers.push('x-switchgate-limit', error.limit)
  if (error.allow !== undefined) headers.push('allow', error.allow)
  headers.push(...error.headers)
  return headers
}

/** Names the failure of an upstream answer: structured fields first (the adapter's), then the status table. Pure. */
import type { Provider, Quirks } from '../../providers/provider.ts'
import { FAILURES, type Failure, GatewayError } from '../errors.ts'
import { type HeaderMap, retryAfterMs } from './wait.ts'

const BY_STATUS: Readonly<Record<number, Failure>> = {
  400: 'refused',
  401: 'bad_credential',
  402: 'bad_credential',
  403: 'bad_credential',
  404: 'model_missing',
  408: 'overloaded',
  409: 'overloaded',
  410: 'model_missing',
  413: 'refused',
  422: 'refused',
  424: 'overloaded',
  429: 'rate_limited',
}

/** What a status alone says. 3xx is never followed: whoever answers so is not the API that was configured. */
export function failureOfStatus(status: number): Failure {
  const known = BY_STATUS[status]
  if (known) return known
  if (status >= 500) return 'overloaded'
  return status >= 400 ? 'refused' : 'malformed'
}

export { type HeaderMap, headerOf, retryAfterMs } from './wait.ts'

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

const FAULTS_SHOWN = 3

/** A list of faults, as FastAPI's validation (`detail: [{loc, msg}]`: vLLM, Mistral, TGI) and GraphQL-minded hosts (`errors: [{message}]`) write them. */
function faultsIn(list: unknown): { message: string; param: string | undefined } | undefined {
  if (!Array.isArray(list)) return undefined
  const faults = list.slice(0, FAULTS_SHOWN).flatMap(fault => {
    const said = text(fault) ?? text(field(fault, 'msg')) ?? text(field(fault, 'message'))
    if (said === undefined) return []
    const loc = field(fault, 'loc')
    const place = Array.isArray(loc) ? loc.filter(part => part !== 'body').join('.') : ''
    return [{ said: place === '' ? said : `${place}: ${said}`, place }]
  })
  const param = faults.find(({ place }) => place !== '')?.place
  return faults.length === 0 ? undefined : { message: faults.map(({ said }) => said).join('; '), param }
}

/** The upstream's own words for a client error: shown to the caller, so cut short and scrubbed by the caller of this. */
export function upstreamWords(body: unknown): {
  message: string | undefined
  code: string | undefined
  param: string | undefined
} {
  const inner = Array.isArray(body) ? body[0] : body
  const error = field(inner, 'error') ?? inner
  const detail = field(inner, 'detail')
  const faults = faultsIn(detail) ?? faultsIn(field(inner, 'errors'))
  const message =
    text(field(error, 'message')) ??
    text(error) ??
    text(field(inner, 'message')) ??
    text(field(inner, 'Message')) ??
    text(detail) ??
    text(field(detail, 'message')) ??
    faults?.message
  return { message, code: text(field(error, 'code')), param: text(field(error, 'param')) ?? faults?.param }
}

const MESSAGE_CHARS_MAX = 500

const PLAIN_WORDS: Partial<Record<Failure, string>> = {
  model_missing: 'the provider does not have this model',
  bad_credential: 'the provider refused the credential that is configured for it',
  rate_limited: 'the provider is rate limiting this gateway',
  overloaded: 'the provider is failing or overloaded',
  unreachable: 'the provider could not be reached',
  malformed: 'the provider sent an answer that cannot be read',
  oversized:
    'the provider sent more than this gateway takes (limits.answer_bytes, limits.event_bytes): ask for less of it, as with a lower max_tokens, or raise the limit',
  silent: 'the provider did not answer in time',
  interrupted: 'the provider broke off in the middle of its answer',
}

/** What the caller is told; the provider's own text only for client errors, where it helps. */
export function upstreamError(
  kind: Failure,
  provider: string,
  facts: {
    status?: number
    body?: unknown
    retryAfterMs?: number
    scrub: (text: string) => string
    cause?: unknown
    /** What an adapter found wrong with an answer; a fault of the model is told in its own words. */
    found?: string | undefined
  },
): GatewayError {
  const found =
    kind === 'malformed' && facts.found ? facts.scrub(facts.found).slice(0, MESSAGE_CHARS_MAX) : ''
  const plain = found || PLAIN_WORDS[kind]
  if (plain) {
    const options = { retryAfterMs: facts.retryAfterMs, cause: facts.cause }
    return new GatewayError(kind, `${provider}: ${plain}`, options)
  }
  const words = upstreamWords(facts.body)
  const message = facts.scrub(
    (words.message ?? 'the provider refused the request').slice(0, MESSAGE_CHARS_MAX),
  )
  const code = kind === 'refused' ? words.code : undefined
  const status = kind === 'refused' ? facts.status : undefined
  return new GatewayError(kind, `${provider}: ${message}`, { code, status, param: words.param })
}

/** What the body calls the failure, where that can be under this status: a server's error is no mistake of the caller's, nor the other way round. */
function believed(named: Failure, status: number): Failure {
  if (status >= 500 && named === 'refused') return 'overloaded'
  const isTheCallers = status === 400 || status === 413 || status === 422
  if (named === 'overloaded' && (isTheCallers || status === 404 || status === 410))
    return failureOfStatus(status)
  return named
}

/** Failure of a non-2xx answer (or of an error object inside a 200, status 200). */
export function classify(provider: Provider, status: number, body: unknown): Failure {
  const named = provider.classify?.(status, body)
  if (named) return believed(named, status)
  if (status >= 200 && status < 300) {
    const code = field(field(body, 'error'), 'code')
    const asStatus = typeof code === 'number' ? code : Number(code)
    return Number.isInteger(asStatus) && asStatus >= 400 && asStatus < 600
      ? failureOfStatus(asStatus)
      : 'overloaded'
  }
  return failureOfStatus(status)
}

/** Is it worth asking somebody else? */
export function mayTryAnother(kind: Failure): boolean {
  return FAILURES[kind].next
}

/** A non-2xx answer as an error: named, with its wait, and with words that may be shown. */
export function refusalOf(
  told: { status: number; headers: HeaderMap; text: string },
  by: {
    provider: Provider
    providerName: string
    context: { readonly quirks: Quirks }
    scrub: (text: string) => string
  },
  nowMs: number,
): GatewayError {
  let body: unknown
  try {
    body = JSON.parse(told.text)
  } catch {
    // of prose the words are told, of an error page the status speaks alone
    const prose = told.text.trim()
    if (prose !== '' && !prose.startsWith('<')) body = { error: prose }
  }
  const wait = retryAfterMs(told.headers, body, nowMs, by.context.quirks.rateLimits)
  const kind = classify(by.provider, told.status, body)
  return upstreamError(kind, by.providerName, {
    status: told.status,
    body,
    retryAfterMs: wait,
    scrub: by.scrub,
  })
}

/** The one error class of the request path and the failure table that says what each kind means. */

/** How a request or an attempt ended badly. The table below is the whole policy. */
export type Failure =
  // ours, before anything was sent
  | 'invalid_request'
  | 'too_large'
  | 'unauthenticated'
  | 'forbidden'
  | 'unknown_model'
  | 'model_unpriced'
  | 'rate_limited_here'
  | 'budget_exhausted'
  | 'sealed'
  | 'storage_unavailable'
  | 'draining'
  | 'no_candidate'
  | 'not_found'
  | 'method_not_allowed'
  // theirs
  | 'refused'
  | 'model_missing'
  | 'context_length'
  | 'content_filter'
  | 'bad_credential'
  | 'rate_limited'
  | 'overloaded'
  | 'unreachable'
  | 'malformed'
  | 'oversized'
  | 'silent'
  | 'interrupted'
  | 'cancelled'
  | 'bug'

/** What a failed attempt hurts. */
export type Blame = 'nobody' | 'offer' | 'credential' | 'target'

export interface FailureRow {
  /** Status the caller gets when this is what decided; upstream 4xx of `refused` keep their own. */
  readonly status: number
  /** OpenAI `error.type`. */
  readonly type: string
  /** OpenAI `error.code`. */
  readonly code: string
  /** May another target be tried (before the first content)? */
  readonly next: boolean
  /** May the same target be tried again when no other is left? */
  readonly repeat: boolean
  readonly blame: Blame
}

const invalid = 'invalid_request_error'
const row = (
  status: number,
  type: string,
  code: string,
  next = false,
  blame: Blame = 'nobody',
  repeat = false,
): FailureRow => ({ status, type, code, next, repeat, blame })

/** Contract section 2 (statuses and codes) and the design's failure table (who is blamed, who may try again). */
export const FAILURES: Readonly<Record<Failure, FailureRow>> = {
  invalid_request: row(400, invalid, 'invalid_request'),
  too_large: row(413, invalid, 'invalid_request'),
  unauthenticated: row(401, 'authentication_error', 'invalid_api_key'),
  forbidden: row(403, 'permission_error', 'model_not_allowed'),
  unknown_model: row(404, invalid, 'model_not_found'),
  model_unpriced: row(400, invalid, 'model_unpriced'),
  rate_limited_here: row(429, 'rate_limit_error', 'rate_limit_exceeded'),
  budget_exhausted: row(429, 'insufficient_quota', 'insufficient_quota'),
  sealed: row(503, 'api_error', 'sealed'),
  storage_unavailable: row(503, 'api_error', 'storage_unavailable'),
  draining: row(503, 'api_error', 'draining'),
  no_candidate: row(503, 'api_error', 'upstream_unavailable'),
  not_found: row(404, invalid, 'not_found'),
  method_not_allowed: row(405, invalid, 'method_not_allowed'),
  refused: row(400, invalid, 'invalid_request'),
  model_missing: row(404, invalid, 'model_not_found', true, 'offer'),
  context_length: row(400, invalid, 'context_length_exceeded', true),
  content_filter: row(400, invalid, 'content_filter'),
  bad_credential: row(502, 'api_error', 'upstream_credential', true, 'credential'),
  rate_limited: row(429, 'rate_limit_error', 'upstream_rate_limited', true, 'target'),
  overloaded: row(502, 'api_error', 'upstream_unavailable', true, 'target', true),
  unreachable: row(502, 'api_error', 'upstream_unavailable', true, 'target', true),
  malformed: row(502, 'api_error', 'upstream_unavailable', true, 'target', true),
  // it would be as large again here
  oversized: row(502, 'api_error', 'upstream_unavailable', true),
  silent: row(504, 'api_error', 'upstream_timeout', true, 'target'),
  interrupted: row(502, 'api_error', 'upstream_unavailable', false, 'target'),
  cancelled: row(499, 'api_error', 'cancelled'),
  bug: row(500, 'api_error', 'internal_error'),
}

export interface GatewayErrorOptions {
  /** Which part of the request, as a JSON path (`messages[0].content`). */
  param?: string
  /** More specific than the table's code (`ip_not_allowed`, an upstream's own code). */
  code?: string
  /** Replaces the table's status: upstream 400/413/422 pass through, 402 by config. */
  status?: number
  /** → `retry-after`, rounded up to seconds. */
  retryAfterMs?: number
  /** → `x-should-retry`; default false. */
  shouldRetry?: boolean
  /** → `x-switchgate-limit`. */
  limit?: string
  /** More headers for the answer, flat (`x-ratelimit-*`). */
  headers?: readonly string[]
  /** → `allow`. */
  allow?: string
  cause?: unknown
}

/** The only error the request path throws on purpose. `message` is shown to the caller: no secrets, no URLs. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly kind: Failure
  readonly param: string | undefined
  readonly code: string
  readonly status: number
  readonly retryAfterMs: number | undefined
  readonly shouldRetry: boolean
  readonly limit: string | undefined
  readonly allow: string | undefined
  readonly headers: readonly string[]

  constructor(kind: Failure, message: string, options: GatewayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    const facts = FAILURES[kind]
    this.kind = kind
    this.param = options.param
    this.code = options.code ?? facts.code
    this.status = options.status ?? facts.status
    this.retryAfterMs = options.retryAfterMs
    this.shouldRetry = options.shouldRetry ?? false
    this.limit = options.limit
    this.allow = options.allow
    this.headers = options.headers ?? []
  }

  /** The same error with another time to wait. */
  after(retryAfterMs: number | undefined): GatewayError {
    const { param, code, status, shouldRetry, limit, allow, headers, cause } = this
    return new GatewayError(this.kind, this.message, {
      param,
      code,
      status,
      retryAfterMs,
      shouldRetry,
      limit,
      allow,
      headers,
      cause,
    })
  }

  /** Type as OpenAI's wire names it; follows a replaced status. */
  get type(): string {
    return FAILURES[this.kind].type
  }
}

/** What went wrong, in the thrown thing's own words; for logs. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

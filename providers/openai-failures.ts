/** What the error bodies of OpenAI and its compatible hosts mean. Structured fields decide; the few texts are listed as data. */
import type { Failure } from '../src/errors.ts'

type Fields = Readonly<Record<string, unknown>>

/**
 * `code`, `type`, `error_type` or `status` of an error, lower case → failure. Everything not listed is left to the status.
 * Sources: OpenAI "Error codes"; Azure OpenAI and Foundry recordings; docs.z.ai/api-reference/api-code (four digits);
 * Cohere, Perplexity, DeepSeek, Groq recordings; Alibaba Model Studio "Error messages"; Databricks "Foundation Model limits".
 */
const CODES: Readonly<Record<string, Failure>> = {
  context_length_exceeded: 'context_length',
  model_context_window_exceeded: 'context_length',
  too_many_prompt_tokens: 'context_length',
  too_many_tokens: 'context_length',
  exceed_context_size_error: 'context_length',
  1261: 'context_length',

  content_filter: 'content_filter',
  content_policy_violation: 'content_filter',
  responsibleaipolicyviolation: 'content_filter',
  data_inspection_failed: 'content_filter',
  datainspectionfailed: 'content_filter',
  1301: 'content_filter',

  invalid_api_key: 'bad_credential',
  incorrect_api_key: 'bad_credential',
  invalid_authentication_error: 'bad_credential',
  authentication_error: 'bad_credential',
  account_deactivated: 'bad_credential',
  account_not_active: 'bad_credential',
  billing_not_active: 'bad_credential',
  billing_hard_limit_reached: 'bad_credential',
  insufficient_quota: 'bad_credential',
  insufficient_balance: 'bad_credential',
  exceeded_current_quota_error: 'bad_credential',
  api_key_invalid: 'bad_credential',
  arrearage: 'bad_credential',
  1000: 'bad_credential',
  1001: 'bad_credential',
  1002: 'bad_credential',
  1003: 'bad_credential',
  1004: 'bad_credential',
  1113: 'bad_credential',

  model_not_found: 'model_missing',
  model_decommissioned: 'model_missing',
  model_not_available: 'model_missing',
  modelnotfound: 'model_missing',
  deploymentnotfound: 'model_missing',
  unknown_model: 'model_missing',
  1211: 'model_missing',

  rate_limit_exceeded: 'rate_limited',
  rate_limit_error: 'rate_limited',
  rate_limit_reached_error: 'rate_limited',
  ratelimitreached: 'rate_limited',
  request_limit_exceeded: 'rate_limited',
  too_many_requests: 'rate_limited',
  resource_exhausted: 'rate_limited',
  1302: 'rate_limited',
  1303: 'rate_limited',

  engine_overloaded: 'overloaded',
  engine_overloaded_error: 'overloaded',
  overloaded_error: 'overloaded',
  server_error: 'overloaded',
  internal_server_error: 'overloaded',
  1305: 'overloaded',
}

/** Cloudflare Workers AI, `errors[].code` (developers.cloudflare.com/workers-ai/platform/errors). */
const CLOUDFLARE_CODES: Readonly<Record<string, Failure>> = {
  3007: 'overloaded',
  3008: 'overloaded',
  3023: 'bad_credential',
  3036: 'bad_credential',
  3040: 'overloaded',
  3042: 'model_missing',
  5007: 'model_missing',
  5016: 'bad_credential',
  5018: 'bad_credential',
  10000: 'bad_credential',
}

/** MiniMax, `base_resp.status_code`, also in a 200 (platform.minimax.io "Error codes"). 0 = success. */
const MINIMAX_CODES: Readonly<Record<string, Failure>> = {
  1000: 'overloaded',
  1001: 'overloaded',
  1002: 'rate_limited',
  1004: 'bad_credential',
  1008: 'bad_credential',
  1013: 'overloaded',
  1024: 'overloaded',
  1026: 'content_filter',
  1027: 'content_filter',
  1033: 'overloaded',
  1039: 'rate_limited',
  1041: 'rate_limited',
  2013: 'refused',
  2049: 'bad_credential',
}

/**
 * Hosts that say "too long" in prose alone, under 400, 413 or 422. Each is the shortest phrase that no other error has.
 * DeepSeek, OpenRouter, vLLM · xAI · Groq · Together · llama.cpp · LM Studio · Moonshot · Mistral · Alibaba · Ollama.
 */
const TOO_LONG: readonly RegExp[] = [
  /maximum context length (is|of) \d+/i,
  /maximum prompt length is \d+/i,
  /reduce the length of the messages/i,
  /longer than the model's context length/i,
  /exceeds the available context size/i,
  /greater than the context length/i,
  /exceeded model token limit/i,
  /too large for model with \d+ maximum context length/i,
  /Range of input length should be/i,
  /prompt too long; exceeded (max )?context length/i,
]

/** Hosts that answer a wrong key with 400 and no code for it: xAI (`code: "invalid-argument"`). */
const BAD_KEY: readonly RegExp[] = [/^Incorrect API key provided/]

const TEXT_CHARS_MAX = 2_000
const TOO_LONG_STATUSES: ReadonlySet<number> = new Set([400, 413, 422])

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function lookUp(table: Readonly<Record<string, Failure>>, code: unknown): Failure | undefined {
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  const name = String(code).toLowerCase()
  return Object.hasOwn(table, name) ? table[name] : undefined
}

/** The object that carries code and message: `error`, the first of `errors[]`, or the body itself (Cerebras, Mistral). */
function errorIn(body: Fields): Fields {
  const list: unknown = Array.isArray(body.errors) ? body.errors[0] : undefined
  return fieldsOf(body.error) ?? fieldsOf(list) ?? body
}

function textIn(body: Fields, error: Fields): string | undefined {
  for (const text of [error.message, body.error, body.detail, body.message]) {
    if (typeof text === 'string') return text.slice(0, TEXT_CHARS_MAX)
  }
  return undefined
}

function byStatus(status: number): Failure | undefined {
  if (status === 400 || status === 413 || status === 422) return 'refused'
  if (status === 401 || status === 402 || status === 403) return 'bad_credential'
  if (status === 404 || status === 410) return 'model_missing'
  if (status === 429) return 'rate_limited'
  return status >= 500 && status < 600 ? 'overloaded' : undefined
}

/** An error told in a 200: its own status (OpenRouter, Groq), its type, else a fault of theirs. */
function inSuccess(error: Fields): Failure {
  for (const status of [error.status_code, error.code]) {
    const failure = byStatus(Number(status))
    if (failure !== undefined) return failure
  }
  return error.type === 'invalid_request_error' ? 'refused' : 'overloaded'
}

/** Does this body of a 200 report an error at all? */
function saysError(body: Fields): boolean {
  return body.error != null || body.success === false || body.object === 'error'
}

/** Failure of an answer in OpenAI's shape or in that of a compatible host; undefined = the status table decides. */
export const classifyChat = classifyWith(undefined)

/** The same, where a host's own codes (`quirks.errorCodes`) come before the general ones. */
export function classifyWith(
  own: Readonly<Record<string, Failure>> | undefined,
): (status: number, body: unknown) => Failure | undefined {
  const known = own === undefined ? [CODES] : [lowered(own), CODES]
  return (status, body) => classifyBy(known, status, body)
}

const lowered = (codes: Readonly<Record<string, Failure>>): Readonly<Record<string, Failure>> =>
  Object.fromEntries(Object.entries(codes).map(([code, failure]) => [code.toLowerCase(), failure]))

function classifyBy(
  tables: readonly Readonly<Record<string, Failure>>[],
  status: number,
  body: unknown,
): Failure | undefined {
  // Google's compatible endpoint wraps the object in an array.
  const root = fieldsOf(Array.isArray(body) ? body[0] : body)
  if (root === undefined) return undefined
  const minimax = fieldsOf(root.base_resp)?.status_code
  if (minimax != null && minimax !== 0) return lookUp(MINIMAX_CODES, minimax) ?? 'overloaded'
  const success = status >= 200 && status < 300
  if (success && !saysError(root)) return undefined
  const error = errorIn(root)
  const inner = fieldsOf(error.innererror)?.code
  const codes = [inner, error.code, error.type, error.status, error.error_type, root.error_code, root.code]
  for (const table of tables)
    for (const code of codes) {
      const failure = lookUp(table, code)
      if (failure !== undefined) return failure
    }
  if (Array.isArray(root.errors)) {
    const failure = lookUp(CLOUDFLARE_CODES, error.code)
    if (failure !== undefined) return failure
  }
  const text = textIn(root, error)
  if (text !== undefined && (TOO_LONG_STATUSES.has(status) || success)) {
    if (TOO_LONG.some(pattern => pattern.test(text))) return 'context_length'
    if (BAD_KEY.some(pattern => pattern.test(text))) return 'bad_credential'
  }
  return success ? inSuccess(error) : undefined
}

/** How long an upstream asks to be left alone: Retry-After, its own reset headers, or its error body. Pure; used where a refusal is named. */
import type { RateLimitHeaders } from '../../providers/provider.ts'

export type HeaderMap = Record<string, string | string[] | undefined>

export function headerOf(headers: HeaderMap, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

const WAIT_MS_MAX = 24 * 3_600_000
const EPOCH_SECONDS_MIN = 1_000_000_000
const EPOCH_MS_MIN = 1_000_000_000_000
/** OpenAI and Groq write `1m2.5s`, `6m0s`, `12ms` (Go's duration format). */
const DURATION = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/
/** Names of OpenAI's headers, which most hosts took over, and of Anthropic's (docs.claude.com/en/api/rate-limits). */
const USUAL: readonly RateLimitHeaders[] = [
  ...['requests', 'tokens'].map(what => ({
    remaining: `x-ratelimit-remaining-${what}`,
    reset: `x-ratelimit-reset-${what}`,
  })),
  ...['requests', 'tokens', 'input-tokens', 'output-tokens'].map(what => ({
    remaining: `anthropic-ratelimit-${what}-remaining`,
    reset: `anthropic-ratelimit-${what}-reset`,
  })),
]

const clamp = (ms: number): number | undefined =>
  Number.isFinite(ms) && ms >= 0 ? Math.min(ms, WAIT_MS_MAX) : undefined

/**
 * Milliseconds until a reset, whichever way it is written: seconds (`30`, `0.25`), `6m0s`, epoch seconds (DigitalOcean)
 * or milliseconds (OpenRouter), RFC 3339 (Anthropic). Undefined = none of these.
 */
export function resetMs(text: string, nowMs: number): number | undefined {
  const value = text.trim()
  if (value === '') return undefined
  const number = Number(value)
  if (!Number.isNaN(number)) {
    if (number >= EPOCH_MS_MIN) return clamp(Math.max(0, number - nowMs))
    if (number >= EPOCH_SECONDS_MIN) return clamp(Math.max(0, number * 1000 - nowMs))
    return clamp(number * 1000)
  }
  const parts = DURATION.exec(value)
  if (parts) {
    const [, hours = 0, minutes = 0, seconds = 0, ms = 0] = parts
    return clamp(Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(ms))
  }
  const at = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : clamp(Math.max(0, at - nowMs))
}

/** The longest reset among the limits that have nothing left. A limit that has some left says nothing about this refusal. */
function exhaustedMs(
  headers: HeaderMap,
  limits: readonly RateLimitHeaders[],
  nowMs: number,
): number | undefined {
  let longest: number | undefined
  for (const { remaining, reset } of limits) {
    const left = headerOf(headers, remaining)
    const when = headerOf(headers, reset)
    if (left === undefined || left.trim() === '' || when === undefined || !(Number(left) <= 0)) continue
    const ms = resetMs(when, nowMs)
    if (ms !== undefined) longest = Math.max(longest ?? 0, ms)
  }
  return longest ?? draftMs(headers)
}

/** Hugging Face: `ratelimit: "api";r=0;t=295` (IETF draft-ietf-httpapi-ratelimit-headers). */
function draftMs(headers: HeaderMap): number | undefined {
  const told = headerOf(headers, 'ratelimit')
  if (told === undefined || !/;\s*r=0\b/.test(told)) return undefined
  const seconds = /;\s*t=(\d+)/.exec(told)?.[1]
  return seconds === undefined ? undefined : clamp(Number(seconds) * 1000)
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
}

/**
 * Milliseconds to wait as the upstream says: `retry-after-ms`, `retry-after` (seconds or HTTP date, RFC 9110 10.2.3),
 * Google's RetryInfo in the body (`details[].retryDelay: "34.4s"`), then the reset of a limit that is used up.
 * Undefined = it did not say.
 */
export function retryAfterMs(
  headers: HeaderMap,
  body: unknown,
  nowMs: number,
  limits: readonly RateLimitHeaders[] = USUAL,
): number | undefined {
  const inMs = headerOf(headers, 'retry-after-ms')
  // Azure has been recorded with `retry-after-ms: 0` beside `retry-after: 1`: a zero says nothing.
  if (inMs !== undefined && Number(inMs) > 0) return clamp(Number(inMs))
  const after = headerOf(headers, 'retry-after')
  if (after !== undefined && after.trim() !== '') {
    const seconds = Number(after)
    return clamp(Number.isNaN(seconds) ? Math.max(0, Date.parse(after) - nowMs) : seconds * 1000)
  }
  const details = field(field(body, 'error'), 'details')
  for (const detail of Array.isArray(details) ? details : []) {
    const delay = field(detail, 'retryDelay')
    if (typeof delay === 'string' && delay.endsWith('s')) return clamp(Number(delay.slice(0, -1)) * 1000)
  }
  return exhaustedMs(headers, limits, nowMs)
}

/** Sessions: a conversation goes back to the target whose prompt cache it has warmed, while that is worth it and the target is well. Used by plan.ts. */
import type { Price } from '../price.ts'
import { ratesFor } from '../price.ts'

/** Where a conversation was last answered. */
export interface Session {
  /** Health key of the target. */
  readonly target: string
  /** Tokens of its prompt that are likely in the cache there. */
  readonly cachedTokens: number
  readonly atMs: number
}

export interface Sessions {
  find(session: string, nowMs: number): Session | undefined
  /** It was answered there. `cacheRead` = what the answer says of its cache, `input` = the prompt. */
  keep(
    session: string,
    target: string,
    tokens: { readonly input: number; readonly cacheRead: number },
    nowMs: number,
  ): void
  forget(session: string): void
  readonly size: number
}

/** Providers keep a prompt for 5 to 10 minutes after its last use (Anthropic 5, OpenAI 5 to 10; OpenRouter sticks for 10). */
export const SESSION_MS = 600_000
const SESSIONS_MAX = 50_000
/** No provider caches a shorter prompt (OpenAI 1,024 tokens; Anthropic 1,024 and more). */
export const CACHEABLE_TOKENS_MIN = 1_024

/** In memory, of this process; bounded, the one that was used longest ago goes first. */
export function createSessions(sessionsMax = SESSIONS_MAX): Sessions {
  const sessions = new Map<string, Session>()
  return {
    find(session, nowMs) {
      const kept = sessions.get(session)
      if (kept && nowMs - kept.atMs <= SESSION_MS) return kept
      if (kept) sessions.delete(session)
      return undefined
    },
    keep(session, target, { input, cacheRead }, nowMs) {
      const before = sessions.get(session)
      // put in again, so that the first of the map is the one that was used longest ago; while nobody has to go soon, as it is
      if (before && sessions.size > sessionsMax / 2) sessions.delete(session)
      else if (!before && sessions.size >= sessionsMax)
        sessions.delete(sessions.keys().next().value as string)
      // A second answer from the same place tells whether it has a cache at all; a first one can only fill it.
      const returned = before?.target === target && before.cachedTokens > 0
      const cachedTokens = returned && cacheRead === 0 ? 0 : input >= CACHEABLE_TOKENS_MIN ? input : 0
      sessions.set(session, { target, cachedTokens, atMs: nowMs })
    },
    forget: session => void sessions.delete(session),
    get size() {
      return sessions.size
    },
  }
}

/** nano-USD that the cache saves on a prompt of so many tokens; 0 where cached input has no price of its own. */
export function savedNanoUsd(price: Price | undefined, inputTokens: number, cachedTokens: number): number {
  if (!price) return 0
  const { inputPico, cacheReadPico = inputPico } = ratesFor(price, inputTokens)
  return Math.max(0, (Math.min(inputTokens, cachedTokens) * (inputPico - cacheReadPico)) / 1_000)
}

const CHARS_MAX = 4_096
const DEPTH_MAX = 8

/** Two 32-bit multiplicative hashes over the strings of a value, in order; enough to tell conversations apart, not to hide them. */
function digest(value: unknown): string {
  let [a, b, chars] = [0x9e3779b9, 0x85ebca6b, 0]
  const add = (text: string) => {
    const end = Math.min(text.length, CHARS_MAX - chars)
    // two characters at a time: each step waits for the one before it
    for (let i = 0; i < end; i += 2) {
      const codes = text.charCodeAt(i) | (i + 1 < end ? text.charCodeAt(i + 1) << 16 : 0)
      a = Math.imul(a ^ codes, 0x01000193) ^ (a >>> 13)
      b = Math.imul(b ^ codes, 0x5bd1e995) ^ (b >>> 15)
    }
    a = Math.imul(a ^ end, 0x01000193)
    chars += end
  }
  const walk = (node: unknown, depth: number): void => {
    if (chars >= CHARS_MAX || depth > DEPTH_MAX) return
    if (typeof node === 'string') add(node)
    else if (typeof node === 'object' && node !== null)
      for (const member of Object.values(node)) walk(member, depth + 1)
  }
  walk(value, 0)
  return `${(a >>> 0).toString(36)}${(b >>> 0).toString(36)}`
}

/** The beginning of a conversation, which all its requests share: what stands before the messages, and the first two of them. */
function beginningOf(json: Readonly<Record<string, unknown>>): unknown {
  const { system, instructions, systemInstruction, messages, input, contents } = json
  const turns = messages ?? input ?? contents
  return [system, instructions, systemInstruction, Array.isArray(turns) ? turns.slice(0, 2) : turns]
}

export interface Conversation {
  readonly sessionId?: string | undefined
  readonly likelyInputTokens: number
  readonly json?: Readonly<Record<string, unknown>>
}

/** The name of a session, and whether the caller gave it. Undefined = too short for any cache. Lineages never share one. */
export function sessionOf(
  lineage: string,
  model: string,
  { sessionId, likelyInputTokens, json }: Conversation,
): { readonly name: string; readonly given: boolean } | undefined {
  const cacheKey = json?.prompt_cache_key
  const id =
    sessionId ?? (typeof cacheKey === 'string' && cacheKey !== '' ? cacheKey.slice(0, 256) : undefined)
  if (id !== undefined) return { name: `${lineage} ${model} =${id}`, given: true }
  if (likelyInputTokens < CACHEABLE_TOKENS_MIN || json === undefined) return undefined
  return { name: `${lineage} ${model} #${digest(beginningOf(json))}`, given: false }
}

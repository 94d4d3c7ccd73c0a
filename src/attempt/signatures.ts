/**
 * Thought signatures of tool calls, for clients that lose them: Gemini 3 refuses a call that comes back without its own
 * (https://ai.google.dev/gemini-api/docs/thought-signatures). Kept for an hour at most, in memory, by key lineage and
 * call id. Read when a request is encoded, written while an answer is decoded.
 */
import type { Clock, Signatures } from '../deps.ts'

export interface SignatureLimits {
  readonly ttlMs?: number
  /** Entries and characters that are kept; the oldest go first. */
  readonly entriesMax?: number
  readonly charsMax?: number
  /** A longer signature is not kept. */
  readonly signatureCharsMax?: number
}

interface Entry {
  readonly signature: string
  readonly chars: number
  readonly endsAtMs: number
}

/** One store for the whole process (or isolate): what another process saw is not known here. */
export function createSignatures(
  clock: Clock,
  {
    ttlMs = 3_600_000,
    entriesMax = 20_000,
    charsMax = 32_000_000,
    signatureCharsMax = 262_144,
  }: SignatureLimits = {},
): Signatures {
  // a Map keeps insertion order, and all entries live equally long: the first one is the oldest
  const entries = new Map<string, Entry>()
  let chars = 0
  const forget = (name: string, entry: Entry) => {
    entries.delete(name)
    chars -= entry.chars
  }
  return {
    keep(lineage, callId, signature) {
      if (signature.length > signatureCharsMax || callId.length > 512) return
      const name = `${lineage} ${callId}`
      const before = entries.get(name)
      if (before) forget(name, before)
      const nowMs = clock.monotonic()
      const entry = { signature, chars: name.length + signature.length, endsAtMs: nowMs + ttlMs }
      entries.set(name, entry)
      chars += entry.chars
      for (const [oldest, its] of entries) {
        if (its.endsAtMs > nowMs && entries.size <= entriesMax && chars <= charsMax) break
        forget(oldest, its)
      }
    },
    find(lineage, callId) {
      const entry = entries.get(`${lineage} ${callId}`)
      return entry && entry.endsAtMs > clock.monotonic() ? entry.signature : undefined
    },
  }
}

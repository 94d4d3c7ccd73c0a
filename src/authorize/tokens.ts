/** Short-lived credentials in memory: renewed ahead of their end, by one renewal at a time, never logged. Used by the signing schemes. */

/** Something that may be used until `expiresAtMs` (epoch ms; Infinity = for ever). */
export interface Token<T> {
  readonly value: T
  readonly expiresAtMs: number
}

export interface Tokens {
  /**
   * The token of this key, from memory or from `renew`. Near its end the old one is still given while a new one is
   * fetched; after it everybody waits for the same renewal. `key` is the whole identity: scheme, secret and options.
   */
  get<T>(key: string, renew: () => Promise<Token<T>>): Promise<T>
  /** The token was refused: the next `get` fetches another. */
  forget(key: string): void
}

export interface TokensOptions {
  /** Epoch ms. */
  readonly now: () => number
  /** False on Workers, where a request may not wait for another's I/O: each fetches its own. Default true. */
  readonly sharesRenewals?: boolean
}

/** Identities come from the configuration and the vault; the bound is for credentials that are rotated all the time. */
const TOKENS_MAX = 1_024
/** Renewed this long before the end, or in the last fifth of shorter lives. */
const AHEAD_MS = 5 * 60_000
const AHEAD_SHARE = 0.2
/** After a failure the old token, or the same error, is given for so long before somebody tries again. */
const PAUSE_MS = 2_000

interface Entry {
  token: Token<unknown> | undefined
  renewAtMs: number
  renewal: Promise<unknown> | undefined
  failure: unknown
  /** No new renewal before this time. */
  pausedUntilMs: number
}

const fresh = (): Entry => ({
  token: undefined,
  renewAtMs: 0,
  renewal: undefined,
  failure: undefined,
  pausedUntilMs: 0,
})

export function createTokens({ now, sharesRenewals = true }: TokensOptions): Tokens {
  const entries = new Map<string, Entry>()

  function entryOf(key: string): Entry {
    const entry = entries.get(key) ?? fresh()
    // put last: the first one is the one that was not asked for longest
    entries.delete(key)
    entries.set(key, entry)
    if (entries.size > TOKENS_MAX) for (const oldest of entries.keys()) if (entries.delete(oldest)) break
    return entry
  }

  async function renewed<T>(entry: Entry, renew: () => Promise<Token<T>>): Promise<T> {
    try {
      const token = await renew()
      const lifeMs = token.expiresAtMs - now()
      entry.token = token
      entry.renewAtMs = token.expiresAtMs - Math.min(AHEAD_MS, lifeMs * AHEAD_SHARE)
      entry.failure = undefined
      return token.value
    } catch (error) {
      entry.failure = error
      entry.pausedUntilMs = now() + PAUSE_MS
      throw error
    } finally {
      entry.renewal = undefined
    }
  }

  return {
    async get<T>(key: string, renew: () => Promise<Token<T>>): Promise<T> {
      const entry = entryOf(key)
      const nowMs = now()
      const token = entry.token as Token<T> | undefined
      const alive = token !== undefined && nowMs < token.expiresAtMs
      if (alive && nowMs < entry.renewAtMs) return token.value
      const paused = entry.failure !== undefined && nowMs < entry.pausedUntilMs
      if (paused) {
        if (alive) return token.value
        throw entry.failure
      }
      if (!sharesRenewals) return renewed(entry, renew)
      entry.renewal ??= renewed(entry, renew)
      if (!alive) return entry.renewal as Promise<T>
      // the failure is kept in the entry; until the end of the old token nobody needs to hear of it
      entry.renewal.catch(() => undefined)
      return token.value
    },
    forget(key) {
      entries.delete(key)
    },
  }
}

/** How much is sent where: requests in flight, repeats and hedges as shares of recent traffic. Part of the book of health. */

export interface Traffic {
  begin(key: string, nowMs: number): void
  end(key: string): void
  inFlight(key: string): number
  /** One more repeat at the same target: at most 10% of its traffic, floor 10 per 10 s. True counts it. */
  repeat(key: string, nowMs: number): boolean
  /** One more request sent twice: at most this share of all. True counts it. */
  hedge(share: number): boolean
}

interface Counts {
  sinceMs: number
  requests: number
  repeats: number
  inFlight: number
}

const ENTRIES_MAX = 20_000
const REPEAT_WINDOW_MS = 10_000
const REPEATS_FLOOR = 10
const REPEATS_SHARE = 0.1
/** After so many requests their counts are halved, so that a share is one of recent traffic. */
const HEDGE_WINDOW = 1_000

export function createTraffic(): Traffic {
  const counts = new Map<string, Counts>()
  const all = { requests: 0, twice: 0 }
  const at = (key: string, nowMs: number): Counts => {
    let c = counts.get(key)
    if (!c) {
      if (counts.size >= ENTRIES_MAX) counts.clear()
      c = { sinceMs: nowMs, requests: 0, repeats: 0, inFlight: 0 }
      counts.set(key, c)
    } else if (nowMs - c.sinceMs >= REPEAT_WINDOW_MS) {
      c.sinceMs = nowMs
      c.requests = 0
      c.repeats = 0
    }
    return c
  }
  return {
    begin(key, nowMs) {
      const c = at(key, nowMs)
      c.requests++
      c.inFlight++
      if (++all.requests > HEDGE_WINDOW) {
        all.requests /= 2
        all.twice /= 2
      }
    },
    end(key) {
      const c = counts.get(key)
      if (c && c.inFlight > 0) c.inFlight--
    },
    inFlight: key => counts.get(key)?.inFlight ?? 0,
    repeat(key, nowMs) {
      const c = at(key, nowMs)
      if (c.repeats >= Math.max(REPEATS_FLOOR, c.requests * REPEATS_SHARE)) return false
      c.repeats++
      return true
    },
    hedge(share) {
      if (all.twice + 1 > all.requests * share) return false
      all.twice++
      return true
    },
  }
}

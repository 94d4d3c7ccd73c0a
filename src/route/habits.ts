/** What answers have been like: how much a model writes, and how much of a caller's input comes from a cache. For prices before sending; fed by experience.ts. */
import type { Usage } from '../terms.ts'

/** What to expect of a request before it is sent. */
export interface Habit {
  /** Output tokens of an answer; undefined = nothing is known. */
  readonly outputTokens: number | undefined
  /** Share of input tokens that are read from a cache, 0–1. */
  readonly cachedShare: number
}

interface Count {
  requests: number
  outputTokens: number
  inputTokens: number
  cachedTokens: number
}

/** Of so many past requests the mean speaks; older ones fade. */
const MEMORY = 50
/** A hit rate is believed from here on (llmgateway: 20 requests and 20,000 tokens). */
const CACHE_REQUESTS_MIN = 20
const CACHE_TOKENS_MIN = 20_000
const ENTRIES_MAX = 20_000

export const NO_HABIT: Habit = { outputTokens: undefined, cachedShare: 0 }

export interface Habits {
  /** Of a key lineage with this model; where that is not known, of everybody with this model. */
  expect(lineage: string, model: string): Habit
  learn(lineage: string, model: string, usage: Usage): void
}

/** In memory, of this process; bounded by `entriesMax`: what was used longest ago goes first. */
export function createHabits(entriesMax = ENTRIES_MAX): Habits {
  const counts = new Map<string, Count>()
  const countOf = (name: string): Count => {
    const known = counts.get(name)
    // Put in again, so that the first of the map is the one that was used longest ago. While nobody has to go soon, order is
    // worth nothing, and it costs a new table of the map for every few requests.
    if (known !== undefined && counts.size <= entriesMax / 2) return known
    if (known !== undefined) counts.delete(name)
    else if (counts.size >= entriesMax) counts.delete(counts.keys().next().value as string)
    const count = known ?? { requests: 0, outputTokens: 0, inputTokens: 0, cachedTokens: 0 }
    counts.set(name, count)
    return count
  }
  /** Whose usage was learned last. */
  let latest:
    | { readonly lineage: string; readonly model: string; readonly own: Count; readonly all: Count }
    | undefined
  const countsOf = (lineage: string, model: string) => {
    // neighbours are mostly of one key and model; while nobody has to go, these are still those of the map
    const isSame = latest?.lineage === lineage && latest.model === model && counts.size <= entriesMax / 2
    if (latest === undefined || !isSame)
      latest = { lineage, model, own: countOf(`${lineage} ${model}`), all: countOf(model) }
    return latest
  }
  const add = (count: Count, { outputTokens, inputTokens, cacheReadInputTokens }: Usage) => {
    count.requests++
    count.outputTokens += (outputTokens - count.outputTokens) / Math.min(count.requests, MEMORY)
    const fading = count.requests > MEMORY ? 1 - 1 / MEMORY : 1
    count.inputTokens = count.inputTokens * fading + inputTokens
    count.cachedTokens = count.cachedTokens * fading + cacheReadInputTokens
  }
  return {
    expect(lineage, model) {
      const own = counts.get(`${lineage} ${model}`)
      const all = own ?? counts.get(model)
      if (!all) return NO_HABIT
      const known = own && own.requests >= CACHE_REQUESTS_MIN && own.inputTokens >= CACHE_TOKENS_MIN
      return {
        outputTokens: all.outputTokens,
        cachedShare: known ? Math.min(1, own.cachedTokens / own.inputTokens) : 0,
      }
    },
    learn(lineage, model, usage) {
      const { own, all } = countsOf(lineage, model)
      add(own, usage)
      add(all, usage)
    },
  }
}

/** What a request would cost at a listing, before it is sent: for comparing, for ceilings, and for refusing what has no price. */
import { bills, nanoFromPico, type Price, ratesFor, unitPico } from '../price.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { Habit } from './habits.ts'
import type { Listing } from './market.ts'
import type { Wanted } from './plan.ts'

/** Output tokens assumed while nothing is known of a model's answers; only compares prices. */
const OUTPUT_GUESS = 512

/** A price for pictures says nothing of a minute of sound. */
export const isPriced = (price: Price | undefined, { metering }: Wanted): boolean =>
  price !== undefined && (metering === undefined || bills(price, metering.units.kind))

/** Is a rate above what the caller would pay? An unknown one is. */
export function tooDear(listing: Listing, most: NonNullable<Preferences['maxPrice']>): boolean {
  const { price } = listing.offer
  if (!price) return true
  const over = (pico: number, usd: number | undefined) => usd !== undefined && pico > usd * 1_000_000
  return over(price.inputPico, most.prompt) || over(price.outputPico, most.completion)
}

/** Likely nano-USD; undefined = the price is unknown. Only compares. */
export function likelyCost(listing: Listing, wanted: Wanted, habit?: Habit): number | undefined {
  const { price, maxOutputTokens: most = Number.POSITIVE_INFINITY } = listing.offer
  if (!price || !isPriced(price, wanted)) return undefined
  const { units, likely } = wanted.metering ?? {}
  const each = units && unitPico(price, units.kind)
  if (each !== undefined) return nanoFromPico((likely?.units?.count ?? 0) * each)
  const input = wanted.likelyInputTokens
  const { inputPico, outputPico, cacheReadPico = inputPico } = ratesFor(price, input)
  const output = Math.min(habit?.outputTokens ?? OUTPUT_GUESS, wanted.maxOutputTokens ?? most, most)
  const cached = input * (habit?.cachedShare ?? 0)
  return nanoFromPico(Math.round((input - cached) * inputPico + cached * cacheReadPico + output * outputPico))
}

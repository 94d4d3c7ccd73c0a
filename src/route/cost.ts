/** What a request would cost at a listing, before it is sent: for comparing, for ceilings, and for refusing what has no price. */
import { bills, nanoFromPico, type Price, ratesFor, unitPico } from '../price.ts'
import type { Preferences } from '../wire/extensions.ts'
import type { Listing } from './market.ts'
import type { Wanted } from './plan.ts'

/** Output tokens assumed when the caller set no limit; only compares prices. */
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
export function likelyCost(listing: Listing, wanted: Wanted): number | undefined {
  const { price } = listing.offer
  if (!price || !isPriced(price, wanted)) return undefined
  const { units, likely } = wanted.metering ?? {}
  const each = units && unitPico(price, units.kind)
  if (each !== undefined) return nanoFromPico((likely?.units?.count ?? 0) * each)
  const rates = ratesFor(price, wanted.likelyInputTokens)
  const output = Math.min(wanted.maxOutputTokens ?? OUTPUT_GUESS, OUTPUT_GUESS)
  return nanoFromPico(wanted.likelyInputTokens * rates.inputPico + output * rates.outputPico)
}

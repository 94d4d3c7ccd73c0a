/** What a request would cost at a listing, before it is sent: for comparing, for ceilings, and for refusing what has no price. */
import { bills, billsTokens, nanoFromPico, type Price, ratesFor, unitPico } from '../price.ts'
import type { Preferences } from '../wire/extensions.ts'
import { type Habit, NO_HABIT } from './habits.ts'
import type { Listing } from './market.ts'
import type { Wanted } from './plan.ts'
import type { Quote } from './ready.ts'

/** Output tokens assumed while nothing is known of a model's answers; only compares prices. */
const OUTPUT_GUESS = 512

/** A price for pictures says nothing of a minute of sound, nor of a text. */
export const isPriced = (price: Price | undefined, { metering }: Wanted): boolean =>
  price !== undefined && (metering === undefined ? billsTokens(price) : bills(price, metering.units.kind))

/** Is a rate above what the caller would pay? An unknown one is. */
export function tooDear(
  listing: Listing,
  most: NonNullable<Preferences['maxPrice']>,
  wanted: Wanted,
): boolean {
  const { price } = listing.offer
  if (!price || !isPriced(price, wanted)) return true
  const over = (pico: number, usd: number | undefined) => usd !== undefined && pico > usd * 1_000_000
  return over(price.inputPico, most.prompt) || over(price.outputPico, most.completion)
}

/** Likely output tokens: the habit's, within what was asked for and what the model can. */
export function likelyOutput(habit: Habit, asked: number | undefined, most: number): number {
  const { outputTokens = OUTPUT_GUESS } = habit
  return Math.min(outputTokens, asked ?? most, most)
}

/** nano-USD of a text. */
const costOf = (
  { inputPico, cacheReadPico, outputPico }: Omit<Quote, 'maxOutputTokens'>,
  input: number,
  cached: number,
  output: number,
) => nanoFromPico(Math.round((input - cached) * inputPico + cached * cacheReadPico + output * outputPico))

/** Likely nano-USD; undefined = the price is unknown. Only compares. */
export function likelyCost(listing: Listing, wanted: Wanted, habit = NO_HABIT): number | undefined {
  const { price, maxOutputTokens: most = Number.POSITIVE_INFINITY } = listing.offer
  if (!price || !isPriced(price, wanted)) return undefined
  const { units, likely } = wanted.metering ?? {}
  const each = units && unitPico(price, units.kind)
  if (each !== undefined) return nanoFromPico((likely?.units?.count ?? 0) * each)
  const input = wanted.likelyInputTokens
  const { inputPico, outputPico, cacheReadPico = inputPico } = ratesFor(price, input)
  const output = likelyOutput(habit, wanted.maxOutputTokens, most)
  return costOf({ inputPico, cacheReadPico, outputPico }, input, input * habit.cachedShare, output)
}

/** The same of a text whose price is quoted: asked of every candidate of every request. */
export const quotedCost = (
  quote: Quote,
  { likelyInputTokens: input, maxOutputTokens }: Wanted,
  habit: Habit,
): number =>
  costOf(quote, input, input * habit.cachedShare, likelyOutput(habit, maxOutputTokens, quote.maxOutputTokens))

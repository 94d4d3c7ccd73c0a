/** Prices and their arithmetic. Integers in pico-USD per token: 1 USD per million tokens = 1,000,000 pico-USD per token. */

export interface Rates {
  readonly inputPico: number
  readonly outputPico: number
  /** Absent = cached input costs what input costs. */
  readonly cacheReadPico?: number
  /** Absent = a cache write costs what input costs. */
  readonly cacheWritePico?: number
  /** One-hour cache writes; absent = `cacheWritePico`. */
  readonly cacheWrite1hPico?: number
  /** Reasoning tokens, where a provider charges more for them; absent = what output costs. */
  readonly reasoningPico?: number
  /** Tokens of sound, read and written; absent = not known: the price of text stands in, and the bill is marked. */
  readonly audioInputPico?: number
  readonly audioOutputPico?: number
}

export interface Price extends Rates {
  /** Which price this is, stored on each ledger row: source and date of the fact. */
  readonly id: string
  /**
   * pico-USD per unit, by kind: `image`, `character`, `second`, `search`, `moderation`. `image/1024x1792` is narrower than
   * `image` and wins. Absent = only tokens are billed.
   */
  readonly units?: Readonly<Record<string, number>>
  /** Nothing is known of tokens: their rates are 0 because they have to be something. */
  readonly onlyUnits?: true
  /** pico-USD per call of a tool that the provider runs by itself, by kind: `web_search`, `file_search`; 0 = free. */
  readonly calls?: Readonly<Record<string, number>>
  /** The fewest units that are billed, by kind: a host may bill ten seconds for any sound. */
  readonly leastUnits?: Readonly<Record<string, number>>
  /** Whole-request tiers by total prompt tokens: the last one whose `overInputTokens` is exceeded applies to every token. */
  readonly tiers?: readonly (Rates & { readonly overInputTokens: number })[]
  /** What tokens cost in a service tier, by its name; a tier that is not here is not known, unless the price `isOwn`. */
  readonly byTier?: Readonly<Record<string, TierRates>>
  /** The operator's own statement: it holds for whatever tier he lets callers ask for. */
  readonly isOwn?: true
  /** The host is known to state its own cost: that wins over this price, where it can be believed. */
  readonly isStatedByHost?: true
}

/** Rates of one service tier; absent `tiers` = the same for prompts of any length. */
export interface TierRates extends Rates {
  readonly tiers?: Price['tiers']
}

const ratesOf = (price: TierRates): TierRates => ({
  inputPico: price.inputPico,
  outputPico: price.outputPico,
  ...(price.cacheReadPico !== undefined && { cacheReadPico: price.cacheReadPico }),
  ...(price.cacheWritePico !== undefined && { cacheWritePico: price.cacheWritePico }),
  ...(price.cacheWrite1hPico !== undefined && { cacheWrite1hPico: price.cacheWrite1hPico }),
  ...(price.reasoningPico !== undefined && { reasoningPico: price.reasoningPico }),
  ...(price.audioInputPico !== undefined && { audioInputPico: price.audioInputPico }),
  ...(price.audioOutputPico !== undefined && { audioOutputPico: price.audioOutputPico }),
  ...(price.tiers !== undefined && { tiers: price.tiers }),
})

/** The price in that service tier, with an id of its own; the same price where it has none for it. */
export function priceIn(price: Price, tier: string): Price {
  const rates = price.byTier?.[tier]
  if (rates === undefined) return price
  const { id, units, onlyUnits, calls, leastUnits, byTier, isOwn, isStatedByHost } = price
  return {
    ...rates,
    id: `${id}#${tier}`,
    ...(units && { units }),
    ...(onlyUnits && { onlyUnits }),
    ...(calls && { calls }),
    ...(leastUnits && { leastUnits }),
    ...(isOwn && { isOwn }),
    ...(isStatedByHost && { isStatedByHost }),
    // who asked for a tier may be served as usual
    byTier: { default: ratesOf(price), ...byTier },
  }
}

/** pico-USD for one unit of this kind or the nearest wider one; undefined = the price has no such unit. */
export function unitPico(price: Price, kind: string): number | undefined {
  if (price.units === undefined) return undefined
  for (let name = kind; name !== ''; name = name.slice(0, Math.max(0, name.lastIndexOf('/')))) {
    if (Object.hasOwn(price.units, name)) return price.units[name]
  }
  return undefined
}

/** Can this price bill something that comes in units of this kind? By the unit, by tokens, or because all of it is free. */
export function bills(price: Price, kind: string): boolean {
  return unitPico(price, kind) !== undefined || price.units === undefined
}

/** Does this price know tokens? One that has only units says nothing of them, which is not zero. */
export const billsTokens = ({ onlyUnits }: Price): boolean => onlyUnits !== true

export const PICO_PER_USD_PER_MTOK = 1_000_000
const PICO_PER_NANO = 1_000

/** USD per million tokens → pico-USD per token. Prices of sources carry float noise; this is where it is cleaned. */
export function picoFromUsdPerMtok(usd: number): number {
  if (!Number.isFinite(usd) || usd < 0) throw new RangeError(`not a price: ${usd} USD per million tokens`)
  return Math.round(usd * PICO_PER_USD_PER_MTOK)
}

/** USD per picture, character, second or search → pico-USD. */
export function picoFromUsdPerUnit(usd: number): number {
  const pico = Math.round(usd * 1e12)
  if (!(usd >= 0) || !Number.isSafeInteger(pico)) throw new RangeError(`not a price: ${usd} USD per unit`)
  return pico
}

/** USD per unit by kind, for reading; null = tokens are what is paid. */
export function unitUsd({ units }: Price): Readonly<Record<string, number>> | null {
  if (units === undefined) return null
  return Object.fromEntries(Object.entries(units).map(([kind, pico]) => [kind, pico / 1e12]))
}

/** pico-USD → nano-USD, half up. Refuses what a JS integer cannot hold exactly. */
export function nanoFromPico(pico: number): number {
  const nano = Math.floor((pico + PICO_PER_NANO / 2) / PICO_PER_NANO)
  if (!Number.isSafeInteger(pico)) throw new RangeError('amount above $9,007 in one attempt')
  return nano
}

/** The rates that apply to a request of this many prompt tokens. */
export function ratesFor(price: Price, inputTokens: number): Rates {
  let rates: Rates = price
  if (price.tiers) for (const tier of price.tiers) if (inputTokens > tier.overInputTokens) rates = tier
  return rates
}

const NANO_PER_USD = 1_000_000_000
const NANO_DIGITS = 9

/** Nano-USD → plain decimal USD, never an exponent: 1_500 → "0.0000015", 2_000_000_000 → "2". */
export function usdFromNano(nano: number): string {
  const abs = Math.abs(nano)
  let fraction = abs % NANO_PER_USD
  const whole = `${nano < 0 ? '-' : ''}${Math.floor(abs / NANO_PER_USD)}`
  if (fraction === 0) return whole
  let digits = NANO_DIGITS
  for (; fraction % 10 === 0; digits--) fraction /= 10
  return `${whole}.${String(fraction).padStart(digits, '0')}`
}

/** USD (a JSON number) → nano-USD, rounded half up. Throws RangeError above $9,007,199. */
export function nanoFromUsd(usd: number): number {
  const nano = Math.round(usd * NANO_PER_USD)
  if (!Number.isSafeInteger(nano)) throw new RangeError(`amount out of range: ${usd} USD`)
  return nano
}

/** Is a stream keeping to the limit that it was told? What comes beyond it is held for as it comes, or ends the stream. Part of hold.ts. */
import type { Deps, Hold } from '../deps.ts'
import { holdFor } from '../meter.ts'
import type { Price } from '../price.ts'

/** Prose has 4 to 5: who writes more was told a limit and does not keep to it. */
const BYTES_PER_TOKEN_MAX = 6

/** Can so much text be so many tokens? */
export const isWithin = (textBytes: number, tokens: number): boolean =>
  textBytes <= tokens * BYTES_PER_TOKEN_MAX

/** Output tokens held at first for a stream without a limit, and added each time the text nears what is held. */
export const SLICE_TOKENS = 1024

/** A stream whose output, up to its limit, is held already. */
export interface Limited {
  readonly hold: Hold
  /** Of all choices. */
  readonly outputTokens: number
  readonly price: Price
  /** Bound of the prompt: decides which tiers can apply. */
  readonly inputTokens: number
  readonly sound: boolean | undefined
}

/**
 * Watches over a stream that was told where to end, by the caller or by us. Beyond what so many tokens can be, a byte counts
 * as a token, as in a stream without a limit: it is held for slice by slice, and where it cannot be the stream ends.
 */
export function keeping(told: Limited, { ledger }: Pick<Deps, 'ledger'>) {
  let covered = told.outputTokens
  const afford = (textBytes: number): boolean => {
    if (textBytes <= covered || isWithin(textBytes, told.outputTokens)) return true
    const { hold, price, sound, inputTokens: tierTokensBound } = told
    const outputTokens = Math.ceil((textBytes - covered) / SLICE_TOKENS) * SLICE_TOKENS
    const more = holdFor({ inputTokensBound: 0, outputTokens, price, tierTokensBound, sound })
    if (!ledger.extend(hold, more)) return false
    covered += outputTokens
    return true
  }
  const heldOutputTokens = () => covered
  return { afford, heldOutputTokens }
}

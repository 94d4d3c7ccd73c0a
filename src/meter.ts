/** Usage × price → bill, and the upper bound that a hold sets aside. Pure; called by admit, the relay's watch over money, and record. */
import { billsTokens, nanoFromPico, type Price, priceIn, type Rates, ratesFor, unitPico } from './price.ts'
import type { Bill, Certainty, Units, Usage } from './terms.ts'
import { isStandardTier } from './wire/tiers.ts'

const PICO_PER_NANO = 1_000
/** Id on rows whose cost is the provider's own statement. */
const REPORTED = 'reported'
/**
 * UTF-8 bytes of streamed text per token, taken low: English is 4 to 5, code about 3, digits and rare scripts below.
 * What was delivered should rather be billed a little high than low.
 */
export const BYTES_PER_TOKEN = 3

/** Nonsense counts as none, but infinity stays: it makes the bill unknown rather than free. */
const tokens = (count = 0): number => (count > 0 ? Math.floor(count) : 0)

/** The counts that are paid for: billed units stand for everything, cached or not, that was read. */
function paidFor(usage: Usage): Usage {
  const { billedInputTokens: input, billedOutputTokens: output } = usage
  return {
    ...usage,
    ...(input !== undefined && {
      inputTokens: input,
      cacheReadInputTokens: 0,
      cacheCreationInputTokens: 0,
      cacheCreation1hInputTokens: 0,
    }),
    ...(output !== undefined && { outputTokens: output }),
  }
}

function picoFor(stated: Usage, rates: Rates): number {
  const isBilled = stated.billedInputTokens !== undefined || stated.billedOutputTokens !== undefined
  const usage = isBilled ? paidFor(stated) : stated
  const input = tokens(usage.inputTokens)
  const read = Math.min(tokens(usage.cacheReadInputTokens), input)
  const written = Math.min(tokens(usage.cacheCreationInputTokens), input - read)
  const written1h = Math.min(tokens(usage.cacheCreation1hInputTokens), written)
  const writePico = rates.cacheWritePico ?? rates.inputPico
  const output = tokens(usage.outputTokens)
  const thought = Math.min(tokens(usage.reasoningOutputTokens), output)
  // what is told of sound may overlap with the cache: the dearer reading holds
  const heard = Math.min(tokens(usage.audioInputTokens), input - read - written)
  const spoken = Math.min(tokens(usage.audioOutputTokens), output - thought)
  return (
    (input - read - written - heard) * rates.inputPico +
    heard * (rates.audioInputPico ?? rates.inputPico) +
    read * (rates.cacheReadPico ?? rates.inputPico) +
    (written - written1h) * writePico +
    written1h * (rates.cacheWrite1hPico ?? writePico) +
    (output - thought - spoken) * rates.outputPico +
    spoken * (rates.audioOutputPico ?? rates.outputPico) +
    thought * (rates.reasoningPico ?? rates.outputPico)
  )
}

/** pico-USD for what is counted in units; 0 where the price has none of the kind. */
function unitsCost(units: Units | undefined, price: Price): number {
  if (units === undefined) return 0
  const each = unitPico(price, units.kind)
  if (each === undefined) return 0
  return Math.max(tokens(units.count), tokens(price.leastUnits?.[units.kind])) * each
}

/** A picture whose size the host chooses. */
const OPEN = 'image/auto'

/** The same at most: for pictures of a size that the host chooses, the dearest. */
function dearestUnits(units: Units | undefined, price: Price): number {
  const cost = unitsCost(units, price)
  if (!units?.kind.startsWith(OPEN)) return cost
  const kinds = Object.keys(price.units ?? {}).filter(kind => kind.startsWith('image'))
  return kinds.reduce((most, kind) => Math.max(most, unitsCost({ kind, count: units.count }, price)), cost)
}

/** A picture whose size is not told either, at a price that asks for it. */
const isUnsized = ({ units }: Usage, price: Price): boolean =>
  units?.kind.startsWith(OPEN) === true &&
  price.units?.[units.kind] === undefined &&
  Object.keys(price.units ?? {}).some(kind => kind.startsWith('image/'))

/** pico-USD for the calls of tools that the provider ran. */
const callsCost = (calls: readonly Units[] | undefined, price: Price): number =>
  calls === undefined
    ? 0
    : calls.reduce((sum, { kind, count }) => sum + tokens(count) * (price.calls?.[kind] ?? 0), 0)

/** Is there sound in it, or a tool's call, that this price does not know? Text stands in, nothing for the call: no exact bill. */
const isGuessed = (usage: Usage, rates: Rates, price: Price): boolean =>
  rates.inputPico + rates.outputPico > 0 &&
  (usage.toolCalls?.some(({ kind, count }) => count > 0 && price.calls?.[kind] === undefined) ||
    (tokens(usage.audioInputTokens) > 0 && rates.audioInputPico === undefined) ||
    (tokens(usage.audioOutputTokens) > 0 && rates.audioOutputPico === undefined))

/** Does this usage say what this price asks for? A count of seconds says nothing to a price by the token, nor tokens to one by the unit. */
export function isStated(usage: Usage, price: Price | undefined): boolean {
  if (price === undefined) return true
  if (usage.units === undefined) return billsTokens(price)
  if (unitPico(price, usage.units.kind) !== undefined) return true
  return billsTokens(price) && usage.inputTokens + usage.outputTokens > 0
}

/** Is there nothing in this price for what was used? That is not known to be free. */
function saysNothing(price: Price, { units, inputTokens, outputTokens }: Usage): boolean {
  if (billsTokens(price)) return false
  if (units === undefined) return inputTokens + outputTokens > 0
  return units.count > 0 && unitPico(price, units.kind) === undefined
}

/**
 * The host's statement is believed up to a hundred times what tokens and prices make, or a dollar: fees by the request and
 * searches may be most of a small bill (Perplexity's are), but a slip of units is none of them.
 */
const BELIEVED_TIMES = 100
const BELIEVED_NANO_USD = 1_000_000_000

/** What the host says that it cost, nano-USD, as far as it can be; undefined = it says nothing, or nonsense. */
function statedNanoUsd({ reportedCostNanoUsd: stated }: Usage): number | undefined {
  const nanoUsd = stated === undefined ? -1 : Math.round(stated)
  return nanoUsd >= 0 && Number.isSafeInteger(nanoUsd) ? nanoUsd : undefined
}

const isBelievable = (statedNano: number, listNano: number | undefined): boolean =>
  statedNano <= BELIEVED_NANO_USD ||
  listNano === undefined ||
  listNano === 0 ||
  statedNano <= listNano * BELIEVED_TIMES

/** May the host's own statement decide here? Where there is no price, there is nothing else. */
export const takesStated = (usage: Usage, price: Price | undefined): boolean =>
  usage.reportedCostNanoUsd !== undefined &&
  (price === undefined || price.isStatedByHost === true) &&
  statedNanoUsd(usage) !== undefined

/** A service tier of its own whose price is not known: the usual price stands in. */
const isOtherTier = ({ serviceTier }: Usage, { byTier, isOwn }: Price): boolean =>
  serviceTier !== undefined &&
  !isStandardTier(serviceTier) &&
  isOwn !== true &&
  byTier?.[serviceTier] === undefined

/** Usage × price by the parts, whatever the host says of its cost. */
function listBill(usage: Usage, listed: Price | undefined, certainty: Certainty): Bill {
  if (listed === undefined || saysNothing(listed, usage))
    return { costNanoUsd: undefined, certainty, priceId: undefined }
  const price = usage.serviceTier === undefined ? listed : priceIn(listed, usage.serviceTier)
  // Tiers go by everything that was read, cached or not.
  const rates = ratesFor(price, tokens(usage.inputTokens))
  const pico = picoFor(usage, rates) + unitsCost(usage.units, price) + callsCost(usage.toolCalls, price)
  if (!Number.isSafeInteger(pico)) return { costNanoUsd: undefined, certainty: 'unknown', priceId: price.id }
  const guessed = isGuessed(usage, rates, price) || isOtherTier(usage, price) || isUnsized(usage, price)
  const sure = certainty === 'exact' && guessed ? 'estimated' : certainty
  return { costNanoUsd: nanoFromPico(pico), certainty: sure, priceId: price.id }
}

/**
 * The bill of one attempt: parts summed in pico-USD, rounded half up once. The host's own statement of cost wins where its
 * price says so, or there is none, and it can be believed. Without either the cost is undefined; so it is, and `unknown`, for
 * usage that no bill can hold (above $9,007).
 */
export function billFor(usage: Usage, price: Price | undefined, certainty: Certainty): Bill {
  const list = listBill(usage, price, certainty)
  if (!takesStated(usage, price)) return list
  const stated = statedNanoUsd(usage) as number
  return isBelievable(stated, list.costNanoUsd) ? { costNanoUsd: stated, certainty, priceId: REPORTED } : list
}

/** What is known about the size of a request before it is sent. Bounds: never too low. */
export interface HoldSize {
  readonly inputTokensBound: number
  readonly outputTokens: number
  readonly price: Price
  /** Prompt tokens that decide which tiers can apply, when more than is held for here (a later slice of a stream). */
  readonly tierTokensBound?: number
  /** What is counted beside tokens, at most. */
  readonly units?: Units | undefined
  /** Calls of tools that the provider runs, at most. */
  readonly calls?: readonly Units[] | undefined
  /** There may be sound among the tokens, in or out. */
  readonly sound?: boolean | undefined
}

/** The dearest that one prompt token can become: read plainly, from a cache, or written to one. */
const dearestInput = (rates: Rates): number =>
  Math.max(rates.inputPico, rates.cacheReadPico ?? 0, rates.cacheWritePico ?? 0, rates.cacheWrite1hPico ?? 0)

/** pico-USD of the tokens at these rates, each as dear as it can become. */
function dearest({ inputTokensBound, outputTokens, sound }: HoldSize, rates: Rates): number {
  const input = Math.max(dearestInput(rates), sound ? (rates.audioInputPico ?? 0) : 0)
  const output = Math.max(
    rates.outputPico,
    rates.reasoningPico ?? 0,
    sound ? (rates.audioOutputPico ?? 0) : 0,
  )
  return inputTokensBound * input + outputTokens * output
}

/** Nano-USD, rounded up, that no honest bill within these bounds exceeds, whichever reachable tier applies. At most 2⁵³ − 1. */
export function holdFor(size: HoldSize): number {
  const { inputTokensBound, price, tierTokensBound = 0, units } = size
  const reach = Math.max(inputTokensBound, tierTokensBound)
  let pico = dearest(size, price)
  if (price.tiers)
    for (const tier of price.tiers)
      if (reach > tier.overInputTokens) pico = Math.max(pico, dearest(size, tier))
  pico += dearestUnits(units, price) + callsCost(size.calls, price)
  return Math.min(Math.ceil(pico / PICO_PER_NANO), Number.MAX_SAFE_INTEGER)
}

/** What was seen of an answer that ended without (all of) its usage. */
export interface SeenAnswer {
  /** Usage that the provider did state, such as Anthropic's input count at the start; it wins member by member. */
  readonly stated?: Partial<Usage>
  /** Likely prompt tokens, when the provider said nothing. */
  readonly likelyInputTokens: number
  /** UTF-8 bytes of text, tool arguments and reasoning that came. */
  readonly outputBytes: number
  /** The same, counted by a tokenizer; absent = it is told from the bytes. */
  readonly countedOutputTokens?: number | undefined
  /** Events with content that came; most hosts send a token or more in each. */
  readonly contentEvents: number
  /** Bytes of `outputBytes` that were reasoning. */
  readonly reasoningBytes?: number
  /** For how long a model worked unseen on a whole answer that nobody waited for, ms. */
  readonly unseenMs?: number | undefined
  /** Output tokens held when the gateway itself ended the stream for want of money; absent = it did not. */
  readonly cutAtTokens?: number | undefined
}

/**
 * What a model may write until it notices that the gateway has hung up: two seconds of a usual one (about 100 tokens a
 * second), a quarter of a second of the fastest (about 1,000).
 */
const ON_ITS_WAY_TOKENS = 256
const USUAL_TOKENS_PER_MS = 0.1

/**
 * Usage of a broken stream; the bill made of it is `estimated`. Output that the provider stated is a floor: more may have
 * come after. Where a budget ended the stream, what was still on its way counts too, as far as it is held: else the next
 * request would be sold money that the provider is about to bill.
 */
export function estimateUsage(seen: SeenAnswer): Usage {
  const { stated = {} } = seen
  const told = seen.countedOutputTokens ?? Math.ceil(seen.outputBytes / BYTES_PER_TOKEN)
  const output = Math.max(told, seen.contentEvents)
  const unseen = ON_ITS_WAY_TOKENS + Math.ceil((seen.unseenMs ?? 0) * USUAL_TOKENS_PER_MS)
  const seenTokens = Math.max(output, tokens(stated.outputTokens))
  const outputTokens = Math.max(seenTokens, Math.min(seenTokens + unseen, seen.cutAtTokens ?? 0))
  const reasoning = Math.max(
    Math.ceil((seen.reasoningBytes ?? 0) / BYTES_PER_TOKEN),
    tokens(stated.reasoningOutputTokens),
  )
  return {
    inputTokens: stated.inputTokens ?? Math.ceil(seen.likelyInputTokens),
    cacheReadInputTokens: stated.cacheReadInputTokens ?? 0,
    cacheCreationInputTokens: stated.cacheCreationInputTokens ?? 0,
    ...(stated.cacheCreation1hInputTokens !== undefined && {
      cacheCreation1hInputTokens: stated.cacheCreation1hInputTokens,
    }),
    outputTokens,
    reasoningOutputTokens: Math.min(reasoning, outputTokens),
  }
}

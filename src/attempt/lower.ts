/** A hold comes down when a stream begins: what its prompt really is, and at which price, is known then. Between hold.ts and the relay. */
import type { Deps } from '../deps.ts'
import { growsByTools } from '../estimate.ts'
import { billFor, holdFor } from '../meter.ts'
import type { Price } from '../price.ts'
import type { Said } from '../relay/reader.ts'
import type { Offer, Usage } from '../terms.ts'
import { familyOf } from '../tokenizer/families.ts'
import type { ChatFacts } from '../wire/openai.ts'
import type { Money, Spending } from './hold.ts'

/** Less is not worth a line in the journal: one in so many of what is held. */
const WORTH = 16
/** A count far below the likely one is no count: some hosts begin with 0 and tell the truth at the end. */
const LIKELY_SHARE = 0.5

/** By the market's own objects, so that names are read once. */
const stating = new WeakMap<Offer, boolean>()

function statesInput(offer: Offer): boolean {
  let found = stating.get(offer)
  if (found === undefined) {
    found = familyOf(offer.model, offer.upstream)?.statesInput ?? false
    stating.set(offer, found)
  }
  return found
}

/**
 * The same money for a stream whose start states its prompt (`Family.statesInput`): once that is read, what is held is
 * the bill of the prompt and the output as before. For anything else the money as it is.
 */
export function lowering(
  money: Money,
  spending: Spending,
  facts: ChatFacts,
  offer: Offer,
  likelyInputTokens: number,
  { ledger }: Pick<Deps, 'ledger'>,
): Money {
  const { price } = offer
  const { stream, budgeted, units, sound } = spending
  if (!stream || !budgeted || !price || units || money.hold.heldNanoUsd === 0) return money
  if (!statesInput(offer) || growsByTools(facts)) return money
  const { hold, afford } = money
  let isStated = false

  function lower(usage: Usage): void {
    isStated = true
    if (usage.inputTokens < likelyInputTokens * LIKELY_SHARE) return
    const inputNanoUsd = costOfPrompt(usage, price as Price)
    if (inputNanoUsd === undefined) return
    const output = holdFor({
      inputTokensBound: 0,
      outputTokens: money.heldOutputTokens?.() ?? money.outputTokens,
      price: price as Price,
      tierTokensBound: usage.inputTokens,
      sound,
    })
    const free = hold.heldNanoUsd - inputNanoUsd - output
    if (free * WORTH >= hold.heldNanoUsd) ledger.lower(hold, free)
  }

  const watch = (textBytes: number, said?: Said): boolean => {
    // with the end of an answer its bill follows
    if (!isStated && said?.usage && said.finishReason === undefined) lower(said.usage)
    return afford === undefined || afford(textBytes)
  }
  return { ...money, afford: watch }
}

/** Nano-USD; undefined = this usage is told in another way than by its tokens. */
function costOfPrompt(usage: Usage, price: Price): number | undefined {
  if (usage.billedInputTokens !== undefined || usage.units !== undefined) return undefined
  const prompt = { ...usage, outputTokens: 0, reasoningOutputTokens: 0, reportedCostNanoUsd: undefined }
  return billFor(prompt, price, 'exact').costNanoUsd
}

/** Money for one attempt: how much to set aside, what to ask the model to keep to, and more of it while a stream runs. */
import type { Deps, Hold, HoldFacts, Shortfall } from '../deps.ts'
import { holdFor } from '../meter.ts'
import type { Said } from '../relay/reader.ts'
import type { Key, Offer, Units } from '../terms.ts'
import { isWithin, keeping, SLICE_TOKENS } from './keep.ts'
import { exhausted } from './short.ts'

/** What holding needs to know about a request. */
export interface Spending {
  readonly stream: boolean
  /** The caller's own output limit. */
  readonly maxOutputTokens: number | undefined
  /** Choices asked for. */
  readonly n: number
  /** Never too low. */
  readonly boundInputTokens: number
  /** A tighter bound, which takes some work: asked for once, when money is short. Absent or undefined = there is none. */
  readonly tightInputTokens?: () => Promise<number | undefined>
  /** Prompts that are read one by one, each with a context of its own. */
  readonly prompts: number
  /** A stream may bill tokens that do not come as text. */
  readonly thinksUnseen: boolean
  /** A budget counts this request. */
  readonly budgeted: boolean
  /** Thinking tokens that the caller asked for, part of the output. */
  readonly thinkingTokens: number | undefined
  /** The output cannot be limited (`maxOutputTokens` is a bound), and this much is counted beside it. Absent = it can. */
  readonly units?: Units | undefined
  /** Calls of tools that the provider runs, at most. */
  readonly calls?: readonly Units[]
  /** Sound may be read or written. */
  readonly sound?: boolean
}

export interface Money {
  readonly hold: Hold
  /** Output limit to send upstream instead of the caller's; undefined = leave the request alone. */
  readonly sendMaxTokens: number | undefined
  /** For running streams of budgeted keys; undefined = nothing to watch. */
  readonly afford: ((textBytes: number, said?: Said) => boolean) | undefined
  /** Output tokens, of all choices, that the hold covered at first. */
  readonly outputTokens: number
  /** Output tokens that are held by now, where `afford` watches over them. */
  readonly heldOutputTokens?: () => number
}

/** An answer is never cut below this (or below what was asked, if less): better refused than useless. */
const OUTPUT_FLOOR = 256
const THINKING_MARGIN = 1024
/** A share of what is left that is this large is not waited for. */
const ENOUGH_TOKENS = 2048
/** Money that others merely hold is waited for this long. */
const WAIT_MS_MAX = 2_000

interface Wish {
  readonly outputTokens: number
  readonly send: number | undefined
  readonly slices: boolean
  /** Nobody asked for so much: where several draw on the same money, each takes its share. */
  readonly shares: boolean
}

/** No budget needs a limit for it. */
const isFree = ({ price }: Offer): boolean =>
  price !== undefined && price.inputPico === 0 && price.outputPico === 0 && !price.tiers && !price.units

function wishFor(offer: Offer, s: Spending, key: Key, defaultMax: number): Wish {
  if (s.units) return { outputTokens: s.maxOutputTokens ?? 0, send: undefined, slices: false, shares: false }
  const budgeted = s.budgeted && !isFree(offer)
  const cap = key.maxOutputTokens
  const limit = cap === null ? s.maxOutputTokens : Math.min(s.maxOutputTokens ?? cap, cap)
  if (limit !== undefined) {
    const lowered = limit !== s.maxOutputTokens
    return { outputTokens: limit, send: lowered ? limit : undefined, slices: false, shares: false }
  }
  if (s.stream && !s.thinksUnseen)
    return { outputTokens: SLICE_TOKENS, send: undefined, slices: budgeted, shares: false }
  const most = Math.min(offer.maxOutputTokens ?? defaultMax, defaultMax)
  return { outputTokens: most, send: budgeted ? most : undefined, slices: false, shares: budgeted }
}

/** The least output that is worth having; below it the request is refused. */
function floorFor(s: Spending, wish: Wish): number {
  if (s.units) return wish.outputTokens
  const floor = Math.min(wish.outputTokens, OUTPUT_FLOOR)
  return s.thinkingTokens === undefined ? floor : Math.max(floor, s.thinkingTokens + THINKING_MARGIN)
}

/** The output limit that this attempt will send if the money suffices; undefined = the caller's own, untouched. */
export const limitToSend = (offer: Offer, s: Spending, key: Key, defaultMax: number): number | undefined =>
  wishFor(offer, s, key, defaultMax).send

/** What one attempt asks the ledger for. */
interface Asking {
  readonly offer: Offer
  readonly s: Spending
  readonly key: Key
  readonly attemptId: string
  readonly facts: HoldFacts
  readonly wish: Wish
  readonly floor: number
  /** Comes down where a tighter bound is found, which is looked for once. */
  input: number
  tighten: Spending['tightInputTokens'] | undefined
  readonly cost: (outputTokens: number) => number
}

/**
 * Sets money aside or throws `budget_exhausted`; a promise only where something has to be waited for. The caller of this
 * makes it durable before anything is sent.
 */
export function holdMoney(
  offer: Offer,
  s: Spending,
  key: Key,
  attemptId: string,
  facts: HoldFacts,
  deps: Deps,
): Money | Promise<Money> {
  const wish = wishFor(offer, s, key, deps.config().limits.defaultMaxOutputTokens)
  const floor = floorFor(s, wish)
  const input = Math.min(s.boundInputTokens, (offer.contextTokens ?? Number.POSITIVE_INFINITY) * s.prompts)
  const { n, units, calls, sound, tightInputTokens: tighten } = s
  const { price } = offer
  const cost = (tokens: number): number =>
    price
      ? holdFor({ inputTokensBound: asking.input, outputTokens: tokens * n, price, units, calls, sound })
      : 0
  const asking: Asking = { offer, s, key, attemptId, facts, wish, floor, input, tighten, cost }
  const first = take(asking, deps)
  return 'limit' in first ? holdLater(first, asking, deps) : first
}

/** The money if it is there, or what is missing. */
function take(asking: Asking, deps: Deps): Money | Promise<Money> | Shortfall {
  const { key, attemptId, facts, wish, floor, cost } = asking
  const enough = Math.min(wish.outputTokens, Math.max(ENOUGH_TOKENS, floor))
  const now = wish.shares ? deps.ledger.available(key, facts, cost(enough)) : undefined
  const share = now?.others ? shareOf(now, cost, wish.outputTokens) : wish.outputTokens
  const taken = now && share < enough ? now : deps.ledger.hold(key, attemptId, cost(share), facts)
  if (!('attemptId' in taken)) return taken
  if (wish.slices) return sliced(taken, asking, deps)
  return limited(taken, share, share < wish.outputTokens ? share : wish.send, asking, deps)
}

/** Money that was not there at once: the prompt is counted, others are waited for, or the answer is told to be shorter. */
async function holdLater(first: Shortfall, asking: Asking, deps: Deps): Promise<Money> {
  const { key, attemptId, facts, wish, floor, cost } = asking
  const untilMs = deps.clock.monotonic() + WAIT_MS_MAX
  for (let taken: ReturnType<typeof take> = first; ; taken = take(asking, deps)) {
    if (!('limit' in taken)) return taken
    // where nothing is left no bound is tight enough
    if (asking.tighten && taken.availableNanoUsd > 0) {
      const tight = await asking.tighten()
      asking.tighten = undefined
      if (tight !== undefined && tight < asking.input) {
        asking.input = tight
        continue
      }
    }
    const most = affordable(taken.availableNanoUsd, cost, wish.outputTokens)
    // all that was wished for may be more than the whole budget: what others hold may still make the least of it fit
    const short = most < floor ? (deps.ledger.available(key, facts, cost(floor)) ?? taken) : taken
    const leftMs = untilMs - deps.clock.monotonic()
    if (short.heldByOthers && leftMs > 0) {
      await deps.ledger.freed(key, leftMs, short)
      continue
    }
    const clamped = wish.shares ? Math.min(most, Math.max(floor, shareOf(taken, cost, most))) : most
    const refuse = (short: Shortfall) =>
      exhausted(short, cost(floor), deps.config().budgets.refusalStatus, deps.clock.now())
    if (clamped < floor) throw refuse(short)
    const less = deps.ledger.hold(key, attemptId, cost(clamped), facts)
    if (!('attemptId' in less)) throw refuse(less)
    // nothing is left to extend a stream with: the model itself is to stop there, and says what it used
    return limited(less, clamped, clamped, asking, deps)
  }
}

/** An answer whose end is known, by the caller's limit or by what is sent. A stream that a budget counts is watched for keeping to it. */
function limited(
  hold: Hold,
  share: number,
  sendMaxTokens: number | undefined,
  { s, offer, input }: Asking,
  deps: Deps,
): Money {
  const outputTokens = share * s.n
  const { price } = offer
  const money = { hold, sendMaxTokens, afford: undefined, outputTokens }
  if (!s.budgeted || !price || s.units || isFree(offer)) return money
  if (!s.stream) return s.n === 1 ? money : { ...money, heldOutputTokens: () => outputTokens }
  return { ...money, ...keeping({ hold, outputTokens, price, inputTokens: input, sound: s.sound }, deps) }
}

/** Output that leaves as much to each of those who draw on the same money; the prompt has to be paid for anyway. */
function shareOf(short: Shortfall, cost: (outputTokens: number) => number, most: number): number {
  const { availableNanoUsd, others = 0 } = short
  const input = cost(0)
  return affordable(input + (availableNanoUsd - input) / (others + 1), cost, most)
}

/** Largest output whose hold fits into what is available: mostly all of it. The cost rises with the output, so halving finds it. */
function affordable(availableNanoUsd: number, cost: (outputTokens: number) => number, most: number): number {
  if (cost(most) <= availableNanoUsd) return most
  let low = 0
  let high = most
  if (cost(0) > availableNanoUsd) return -1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (cost(middle) <= availableNanoUsd) low = middle
    else high = middle - 1
  }
  return low
}

/** Output tokens that nothing is known to exceed, where the catalogue does not say. */
const MOST_OUTPUT = 1 << 20
const mostOf = (offer: Offer): number => offer.maxOutputTokens ?? offer.contextTokens ?? MOST_OUTPUT

/** A stream that names no limit begins with its first slice. */
function sliced(hold: Hold, asking: Asking, deps: Deps): Money | Promise<Money> {
  const { offer, key, facts, tighten, cost } = asking
  const left = deps.ledger.available(key, facts)?.availableNanoUsd ?? Number.POSITIVE_INFINITY
  if (!tighten || cost(mostOf(offer)) <= left + hold.heldNanoUsd) return inSlices(hold, asking, deps)
  // the money ends before the model does: what the prompt is then decides how much is left for the answer
  return tighten().then(tight => {
    asking.input = Math.min(asking.input, tight ?? asking.input)
    return inSlices(hold, asking, deps)
  })
}

/**
 * Held slice by slice, so that many share one budget. Where the budget would not pay for all that the model can write, the
 * model is told where the money ends: text that nobody sees (thinking) cannot be held slice by slice.
 */
function inSlices(hold: Hold, { wish, input, offer, s, key, facts, cost }: Asking, deps: Deps): Money {
  const { price } = offer
  const most = mostOf(offer)
  const outputTokens = wish.outputTokens * s.n
  if (!price) return { hold, sendMaxTokens: undefined, afford: undefined, outputTokens }
  // by the looser bound, where the prompt was counted since
  deps.ledger.lower(hold, hold.heldNanoUsd - cost(wish.outputTokens))
  const left = () => deps.ledger.available(key, facts)?.availableNanoUsd ?? Number.POSITIVE_INFINITY
  let held = hold.heldNanoUsd
  const total = left() + held
  const end = cost(most) <= total ? most : affordable(total, cost, most)
  let covered = outputTokens
  const slice = holdFor({
    inputTokensBound: 0,
    outputTokens: SLICE_TOKENS,
    price,
    tierTokensBound: input,
    sound: s.sound,
  })
  /** All that it can still cost, if nobody else needs the money: then it has nothing to be cut off for. */
  const takeAll = (): boolean => {
    const rest = Math.max(0, cost(end) - held)
    if (rest > left() || !deps.ledger.extend(hold, rest)) return false
    held += rest
    covered = Math.max(covered, end * s.n)
    return true
  }
  const afford = (textBytes: number): boolean => {
    if (!isWithin(textBytes, end * s.n)) return false
    // a token is at least one byte of text: while the bytes fit, the tokens do; and all of it is held in the end
    while (textBytes > covered && covered < end * s.n) {
      if (!deps.ledger.extend(hold, slice)) return takeAll()
      held += slice
      covered += SLICE_TOKENS
    }
    return true
  }
  const heldOutputTokens = () => Math.min(covered, end * s.n)
  return { hold, sendMaxTokens: end < most ? end : undefined, afford, heldOutputTokens, outputTokens }
}

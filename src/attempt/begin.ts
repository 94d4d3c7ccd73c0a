/** Begins an attempt: leave to ask the target, the request in its wire, money set aside. And ends it: health fed, metered. */
import { countedUsage, tightInputTokens } from '../count.ts'
import type { Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { boundInputTokens } from '../estimate.ts'
import { hostedCalls } from '../hosted.ts'
import { priceIn } from '../price.ts'
import { type Metered, meter, notSent, observe, observeLate } from '../record.ts'
import type { ExchangeResult } from '../relay/contract.ts'
import type { Place } from '../route/health.ts'
import type { Target } from '../route/plan.ts'
import type { Offer } from '../terms.ts'
import type { ChatFacts } from '../wire/openai.ts'
import type { Job } from './attempt.ts'
import { asGatewayError } from './bug.ts'
import { nextTarget, placeOf, type Tried } from './choose.ts'
import { holdMoney, limitToSend, type Money, type Spending } from './hold.ts'
import { lowering } from './lower.ts'
import { clip } from './payer.ts'
import { unsent } from './rows.ts'
import { type Carried, carry, prepare, tierFor } from './send.ts'
import { mayThinkUnseen, observeThinking } from './thinking.ts'

/** Where a request stands in its plan. */
export interface Walk {
  readonly job: Job
  /** Attempts for this request over all targets. */
  readonly most: number
  readonly tried: Tried[]
  /** Not asked and not to be: they asked to be left alone, another request is finding out about them, or a budget refuses them. */
  passed: ReadonlySet<Target>
  attempts: number
  /** Time spent waiting for upstreams. */
  elsewhereMs: number
  /** The attempt that ended last, while it is not known whether another follows. */
  ended: Ended | undefined
}

/** An attempt that is ready to be sent. Its money is held and its target counts it as in flight. */
export interface Begun {
  readonly target: Target
  readonly place: Place
  readonly carried: Carried
}

export interface Ended extends Begun {
  readonly result: ExchangeResult
  readonly metered: Metered
}

/**
 * Makes an attempt ready. Gives the error back where another target may be asked instead; throws what ends the request.
 * `beside` = a target that is being asked at the same time.
 */
export async function begin(
  walk: Walk,
  target: Target,
  deps: Deps,
  beside?: Target,
): Promise<Begun | GatewayError> {
  const { job } = walk
  const place = placeOf(target)
  if (!mayAsk(walk, target, place, deps)) {
    passBy(walk, [target])
    return leftAlone(target, deps)
  }
  try {
    // what cannot be said to this target at all may be said to another
    const spending = spendingOf(job, target, deps)
    const most = deps.config().limits.defaultMaxOutputTokens
    const offer = offerIn(job, target)
    const limit = limitToSend(offer, spending, job.caller.key, most)
    const encoded = prepare(job, target, limit, deps)
    const aside = setAside(job, target, offer, spending, walk.attempts + 1, deps)
    const held = aside instanceof Promise ? await aside : aside
    const money = lowering(held, spending, job.facts, offer, job.likelyInputTokens, deps)
    const carried: Carried = {
      encoded,
      price: offer.price,
      money,
      attempt: ++walk.attempts,
      elsewhereMs: walk.elsewhereMs,
      lastResort: isLast(walk, target, beside),
      lastWords: undefined,
      sampled: undefined,
      ending: undefined,
    }
    const begun = { target, place, carried }
    try {
      await deps.ledger.durable()
      if (money.sendMaxTokens !== limit) carried.encoded = prepare(job, target, money.sendMaxTokens, deps)
    } catch (error) {
      // what is not safely held, or not to be sent after all, must not stay held either
      const failure = asGatewayError(error, deps)
      unsent(walk, begun, failure, deps, beside !== undefined)
      throw failure
    }
    return begun
  } catch (error) {
    deps.health.done(place)
    if (!(error instanceof GatewayError)) throw error
    const { kind, shouldRetry } = error
    // another model, or the same elsewhere, may cost less; beside a running attempt it is only too early
    if (kind === 'budget_exhausted' && !shouldRetry) {
      if (!beside)
        passBy(
          walk,
          job.plan.targets.filter(({ listing }) => listing === target.listing),
        )
      return error
    }
    if (kind !== 'invalid_request') throw error
    walk.tried.push({ target, failure: 'model_missing' })
    return error
  }
}

/** Sends it and waits for its end. Throws nothing: a mistake of ours ends the attempt like a failure of theirs. */
export async function run(job: Job, begun: Begun, deps: Deps): Promise<Ended> {
  const { target, place, carried } = begun
  let result: ExchangeResult
  job.exchanges++
  try {
    result = await carry(job, target, carried, deps)
  } catch (error) {
    result = notSent(asGatewayError(error, deps))
  } finally {
    deps.health.done(place)
  }
  observe(target, result, deps)
  const { facts, likelyInputTokens } = job
  if (result.failure?.kind === 'silent')
    observeLate(target, { stream: facts.stream, raced: false }, result, deps)
  if (facts.stream && result.usage && !result.failure && !result.cutShort && !facts.raw)
    observeThinking(target.listing.offer, result.usage, result.textBytes)
  const { money, sampled } = carried
  const metered = meter(result, target, {
    likelyInputTokens,
    price: carried.price,
    metering: facts.metering,
    outputTokens: money.heldOutputTokens?.() ?? money.sendMaxTokens ?? facts.maxOutputTokens,
    isWhole: !facts.stream,
    count: () => countedUsage(facts, target.listing.offer, result, sampled?.sample, deps),
  })
  return { target, place, carried, result, metered }
}

/** The money of an attempt that is not to be sent after all goes back. */
export function callOff(walk: Walk, begun: Begun, deps: Deps): void {
  deps.health.done(begun.place)
  unsent(walk, begun, new GatewayError('cancelled', 'another target had answered by then'), deps, true)
}

function passBy(walk: Walk, targets: readonly Target[]): void {
  walk.passed = new Set([...walk.passed, ...targets])
}

/** Half open and being probed is reason enough to ask somebody else, but not to ask nobody. */
function mayAsk(
  { job, tried, passed }: Walk,
  target: Target,
  place: Place,
  { health, clock }: Deps,
): boolean {
  const nowMs = clock.now()
  if (health.probe(place, nowMs)) return true
  const others = nextTarget(job.plan, tried, new Set([...passed, target]))
  return others === undefined && health.probe(place, nowMs, true)
}

function leftAlone({ key, listing }: Target, { health, clock }: Deps): GatewayError {
  const nowMs = clock.now()
  const until = health.closedUntil(key, nowMs)
  const retryAfterMs = Math.max(1000, until - nowMs)
  return new GatewayError('no_candidate', `${listing.site.name} asked to be left alone for now.`, {
    retryAfterMs,
  })
}

function isLast(
  { job, tried, passed, attempts, most }: Walk,
  target: Target,
  beside: Target | undefined,
): boolean {
  if (attempts >= most || job.plan.targets.length === 1) return true
  const after: Tried[] = [...tried]
  if (beside) after.push({ target: beside, failure: 'silent' })
  after.push({ target, failure: 'silent' })
  return nextTarget(job.plan, after, passed) === undefined
}

/** A thinking budget in OpenRouter's form or in Anthropic's. */
function thinkingTokensOf({ reasoning, thinking }: ChatFacts['json']): number | undefined {
  const member = (value: unknown, name: string) =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
  const tokens = member(reasoning, 'max_tokens') ?? member(thinking, 'budget_tokens')
  return typeof tokens === 'number' ? tokens : undefined
}

/** Is there sound in the request, or asked for (`modalities`, Gemini's `responseModalities` as chat says it)? */
const hasSound = ({ media, json }: ChatFacts): boolean =>
  media.some(({ kind }) => kind === 'audio' || kind === 'unknown') ||
  (Array.isArray(json.modalities) && json.modalities.includes('audio'))

/** The offer at the price of the service tier that it is asked for. */
function offerIn(job: Job, { listing }: Target): Offer {
  const { offer } = listing
  if (offer.price?.byTier === undefined) return offer
  const tier = tierFor(job, listing)
  return tier === undefined ? offer : { ...offer, price: priceIn(offer.price, tier) }
}

function spendingOf(job: Job, here: Target, deps: Deps): Spending {
  const { facts, caller, payer } = job
  const { offer } = here.listing
  const { user, tags } = payer
  const tight = () => tightInputTokens(facts, offer, deps)
  return {
    stream: facts.stream,
    maxOutputTokens: facts.maxOutputTokens,
    n: facts.n,
    boundInputTokens: boundInputTokens(facts, offer.upstream),
    tightInputTokens: tight,
    prompts: facts.prompts?.length ?? 1,
    thinkingTokens: thinkingTokensOf(facts.json),
    thinksUnseen: facts.stream && mayThinkUnseen(offer, facts),
    budgeted: deps.ledger.applies(caller.key, { user, tags, model: offer.model }),
    units: facts.metering?.units,
    calls: hostedCalls(facts),
    sound: hasSound(facts),
  }
}

function setAside(
  job: Job,
  here: Target,
  offer: Offer,
  spending: Spending,
  attempt: number,
  deps: Deps,
): Money | Promise<Money> {
  const { caller, call, payer } = job
  const row = {
    requestedModel: clip(job.model),
    provider: offer.provider,
    model: offer.model,
    upstreamModel: offer.upstream,
    credential: here.credential?.id ?? '',
    operation: job.endpoint.operation,
    stream: spending.stream,
    peer: call.peer,
    user: payer.user,
    tags: payer.tags,
    priceId: offer.price?.id ?? null,
    why: here.why,
  }
  return holdMoney(offer, spending, caller.key, `${call.id}.${attempt}`, row, deps)
}

/**
 * Walks the plan: hold, send, relay, settle; then done, or the next target. The one place that decides what follows a
 * failure; choosing (choose.ts), naming (classify.ts), money (hold.ts) and blame (record.ts) are separate.
 */
import type { Encoded } from '../../providers/provider.ts'
import type { Admission, Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { boundInputTokens } from '../estimate.ts'
import { usdFromNano } from '../price.ts'
import { type Metered, meter, notSent, observe, record } from '../record.ts'
import type { Answer } from '../relay/answer.ts'
import type { ExchangeResult } from '../relay/contract.ts'
import { withCost } from '../relay/reader.ts'
import type { Plan, Target } from '../route/plan.ts'
import type { Call, Caller, Endpoint } from '../terms.ts'
import type { Body } from '../wire/body.ts'
import type { Inbound } from '../wire/inbound.ts'
import type { ChatFacts } from '../wire/openai.ts'
import { nextTarget, placeOf, repeatTarget, soonestRetryMs, type Tried } from './choose.ts'
import { answerHeaders } from './headers.ts'
import { holdMoney, limitToSend, type Money, type Spending } from './hold.ts'
import { type Carried, carry, prepare } from './send.ts'

/** One admitted request on its way. */
export interface Job {
  readonly call: Call
  readonly endpoint: Endpoint
  readonly caller: Caller
  readonly inbound: Inbound
  readonly body: Body
  /** The body in the chat wire, once it was needed. */
  chatBody?: Body
  readonly facts: ChatFacts
  readonly model: string
  readonly likelyInputTokens: number
  readonly plan: Plan
  readonly admission: Admission
  readonly answer: Answer
}

/** What the gateway tells the access log. */
export interface Attempted {
  readonly attempts: number
  readonly target: Target | undefined
  readonly result: ExchangeResult | undefined
  readonly metered: Metered | undefined
  readonly failure: GatewayError | undefined
}

const REPEAT_PAUSE_MS = 100

export async function attempt(job: Job, deps: Deps): Promise<Attempted> {
  const { retries, limits, routing } = deps.config()
  const most = retries.attempts
  const defaultMax = limits.defaultMaxOutputTokens
  const tried: Tried[] = []
  let attempts = 0
  let elsewhereMs = 0
  let target = nextTarget(job.plan, tried)
  let last: GatewayError | undefined
  while (target) {
    const here: Target = target
    let encoded: Encoded
    let money: Money
    let limit: number | undefined
    try {
      // what cannot be said to this target at all may be said to another
      const spending = spendingOf(job, here)
      limit = limitToSend(here.listing.offer, spending, job.caller.key, defaultMax)
      encoded = prepare(job, here, limit, deps)
      money = await setAside(job, here, spending, attempts + 1, deps)
    } catch (error) {
      if (!(error instanceof GatewayError) || error.kind !== 'invalid_request') throw error
      last ??= error
      tried.push({ target: here, failure: 'model_missing' })
      target = nextTarget(job.plan, tried)
      continue
    }
    if (money.sendMaxTokens !== limit) encoded = prepare(job, here, money.sendMaxTokens, deps)
    attempts++
    const carried: Carried = {
      encoded,
      money,
      attempt: attempts,
      elsewhereMs,
      lastResort: isLast(job, tried, here, attempts, most),
    }
    const place = placeOf(here)
    deps.health.probe(place, deps.clock.now(), true)
    const result = await carry(job, here, carried, deps)
    deps.health.done(place)
    observe(here, result, deps)
    const metered = meter(result, here, job.likelyInputTokens, job.facts.metering)
    elsewhereMs += result.totalMs
    const endedAtMs = deps.clock.monotonic()
    if (!result.failure) return complete(job, here, carried, result, metered, deps)
    last = result.failure
    tried.push({
      target: here,
      failure: last.kind,
      retryAfterMs: last.retryAfterMs,
      moveOn: last.kind === 'content_filter' && routing.aroundContentFilter,
    })
    const next =
      result.committed || job.answer.left || attempts >= most ? undefined : await following(job, tried, deps)
    const finalStatus = next ? undefined : job.answer.headSent ? job.answer.status : result.failure.status
    record(told(job, here, carried, finalStatus), result, metered, deps)
    if (!next) {
      await settled(deps)
      job.admission.release(metered.usage ? metered.usage.inputTokens + metered.usage.outputTokens : 0)
      if (last.kind === 'rate_limited') last = last.after(soonestRetryMs(tried))
      job.answer.refuse(last, answerHeaders(job, here, carried, deps, elsewhereMs))
      return { attempts, target: here, result, metered, failure: last }
    }
    // a pause before a repeat is a wait for the upstream, not our own work
    elsewhereMs += deps.clock.monotonic() - endedAtMs
    target = next
  }
  throw last ?? new GatewayError('no_candidate', 'Nothing could be tried.')
}

/** Another target, or the same one again after a little pause if its trouble may have passed. */
async function following(job: Job, tried: readonly Tried[], deps: Deps): Promise<Target | undefined> {
  const next = nextTarget(job.plan, tried)
  if (next) return next
  const again = repeatTarget(tried)
  if (!again || !deps.health.repeat(again.key, deps.clock.now())) return undefined
  await deps.pause(REPEAT_PAUSE_MS * (1 + deps.random()) * tried.length)
  return job.answer.left ? undefined : again
}

function isLast(job: Job, tried: readonly Tried[], here: Target, attempts: number, most: number): boolean {
  return (
    attempts >= most || nextTarget(job.plan, [...tried, { target: here, failure: 'silent' }]) === undefined
  )
}

/** Names in the ledger are for people and filters; a caller's novel is not kept. */
const clip = (text: string) => (text.length > 256 ? text.slice(0, 256) : text)

/** A thinking budget in OpenRouter's form or in Anthropic's. */
function thinkingTokensOf({ reasoning, thinking }: ChatFacts['json']): number | undefined {
  const member = (value: unknown, name: string) =>
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined
  const tokens = member(reasoning, 'max_tokens') ?? member(thinking, 'budget_tokens')
  return typeof tokens === 'number' ? tokens : undefined
}

function spendingOf(job: Job, here: Target): Spending {
  const { facts } = job
  const { offer } = here.listing
  return {
    stream: facts.stream,
    maxOutputTokens: facts.maxOutputTokens,
    n: facts.n,
    boundInputTokens: boundInputTokens(facts, offer.upstream),
    prompts: facts.prompts?.length ?? 1,
    thinkingTokens: thinkingTokensOf(facts.json),
    units: facts.metering?.units,
  }
}

async function setAside(
  job: Job,
  here: Target,
  spending: Spending,
  attempt: number,
  deps: Deps,
): Promise<Money> {
  const { facts, caller, call } = job
  const { offer } = here.listing
  const row = {
    requestedModel: clip(job.model),
    provider: offer.provider,
    model: offer.model,
    upstreamModel: offer.upstream,
    credential: here.credential?.id ?? '',
    operation: job.endpoint.operation,
    stream: facts.stream,
    peer: call.peer,
    user: facts.user === undefined ? null : clip(facts.user),
    tags: facts.tags,
    priceId: offer.price?.id ?? null,
    why: here.why,
  }
  const money = await holdMoney(offer, spending, caller.key, `${call.id}.${attempt}`, row, deps)
  try {
    await deps.ledger.durable()
  } catch (error) {
    // money that is not safely held must not stay held either: nothing was sent, nothing is owed
    const failure = asUnavailable(error)
    const result = notSent(failure)
    record(told(job, here, { money, attempt }, failure.status), result, meter(result, here, 0), deps)
    throw failure
  }
  return money
}

const asUnavailable = (error: unknown): GatewayError =>
  error instanceof GatewayError
    ? error
    : new GatewayError('storage_unavailable', 'The ledger cannot be written at the moment.', { cause: error })

/** A settlement that cannot be made durable now is retried by the ledger; the caller's answer does not wait for the disk. */
async function settled(deps: Deps): Promise<void> {
  try {
    await deps.ledger.durable()
  } catch (error) {
    deps.log('error', 'settlement_not_durable', {
      message: error instanceof Error ? error.message : 'unknown',
    })
  }
}

function told(
  job: Job,
  target: Target,
  carried: Pick<Carried, 'money' | 'attempt'>,
  finalStatus: number | undefined,
) {
  const { call, facts } = job
  return {
    hold: carried.money.hold,
    target,
    finalStatus,
    row: {
      id: `${call.id}.${carried.attempt}`,
      requestId: call.id,
      attempt: carried.attempt,
      requestedModel: clip(job.model),
      operation: job.endpoint.operation,
      stream: facts.stream,
      peer: call.peer,
      user: facts.user === undefined ? null : clip(facts.user),
      tags: facts.tags.length > 0 ? facts.tags : job.caller.key.tags,
    },
  }
}

async function complete(
  job: Job,
  target: Target,
  carried: Carried,
  result: ExchangeResult,
  metered: Metered,
  deps: Deps,
): Promise<Attempted> {
  record(told(job, target, carried, 200), result, metered, deps)
  await settled(deps)
  const { usage, bill } = metered
  job.admission.release(usage ? usage.inputTokens + usage.outputTokens : undefined)
  const { answer } = job
  if (result.whole) {
    const cost = bill.costNanoUsd
    let bytes = result.whole.bytes
    if (job.facts.wantsCost && cost !== undefined)
      bytes = deps.bytes.of(withCost(deps.bytes.text(bytes), cost))
    const headers = answerHeaders(job, target, carried, deps, carried.elsewhereMs + result.totalMs)
    if (cost !== undefined) headers.push('x-switchgate-cost-usd', usdFromNano(cost))
    answer.whole(200, headers, bytes)
  } else {
    answer.end(deps.bytes.of(carried.ending?.(result, metered) ?? 'data: [DONE]\n\n'))
  }
  return { attempts: carried.attempt, target, result, metered, failure: undefined }
}

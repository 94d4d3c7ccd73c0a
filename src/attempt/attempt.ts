/**
 * Walks the plan: hold, send, relay, settle; then done, or the next target. The one place that decides what follows a
 * failure; choosing (choose.ts), naming (classify.ts), money (hold.ts), rows (rows.ts) and blame (record.ts) are separate.
 */
import type { Admission, Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import { type Metered, record } from '../record.ts'
import type { Answer } from '../relay/answer.ts'
import type { ExchangeResult } from '../relay/contract.ts'
import { withCost } from '../relay/reader.ts'
import type { Plan, Target } from '../route/plan.ts'
import type { Bill, Call, Caller, Endpoint } from '../terms.ts'
import type { Body } from '../wire/body.ts'
import type { Inbound } from '../wire/inbound.ts'
import type { ChatFacts } from '../wire/openai.ts'
import { type Begun, begin, type Ended, run, type Walk } from './begin.ts'
import { asGatewayError } from './bug.ts'
import { NOBODY, nextTarget, onceMore, repeatTarget, soonestRetryMs, staleTarget } from './choose.ts'
import { answerHeaders } from './headers.ts'
import { hedged } from './hedge.ts'
import type { Payer } from './payer.ts'
import { billOfAll, passOn, putOff, told } from './rows.ts'

/** One admitted request on its way. */
export interface Job {
  readonly call: Call
  readonly endpoint: Endpoint
  readonly caller: Caller
  readonly inbound: Inbound
  readonly body: Body
  /** The body in the chat wire, once it was needed. */
  chatBody: Body | undefined
  readonly facts: ChatFacts
  readonly payer: Payer
  readonly model: string
  readonly likelyInputTokens: number
  readonly plan: Plan
  readonly admission: Admission
  readonly answer: Answer
  /** Upstream exchanges so far. */
  exchanges: number
  /** Of the attempts before the one that answers, and of the one beside it once that is over; see rows.ts. */
  readonly bills: Bill[]
  /** Another attempt runs beside this one: nobody knows yet what it costs. */
  isRaced: boolean
}

/** What the gateway tells the access log. */
export interface Attempted {
  /** Upstream exchanges. */
  readonly attempts: number
  /** Who answered, or failed last. */
  readonly target: Target | undefined
  readonly result: ExchangeResult | undefined
  readonly metered: Metered | undefined
  /** Of all attempts together. */
  readonly bill: Bill | undefined
  readonly failure: GatewayError | undefined
}

const REPEAT_PAUSE_MS = 100

export async function attempt(job: Job, deps: Deps): Promise<Attempted> {
  const { retries, routing } = deps.config()
  const walk: Walk = {
    job,
    most: retries.attempts,
    tried: [],
    passed: NOBODY,
    attempts: 0,
    elsewhereMs: 0,
    ended: undefined,
  }
  const { tried } = walk
  const { share } = routing.hedge
  let target = nextTarget(job.plan, tried)
  let refused: GatewayError | undefined
  while (target) {
    let begun: Begun | GatewayError
    try {
      begun = await begin(walk, target, deps)
    } catch (error) {
      refused = asGatewayError(error, deps)
      break
    }
    if (begun instanceof GatewayError) {
      refused ??= begun
      target = job.exchanges > 0 ? await following(walk, deps) : nextTarget(job.plan, tried, walk.passed)
      continue
    }
    passOn(walk, deps)
    const ended = share > 0 ? await hedged(walk, begun, share, deps) : await run(job, begun, deps)
    const { carried, result } = ended
    const { failure } = result
    walk.elsewhereMs = carried.elsewhereMs + result.totalMs
    if (!failure) {
      record(told(job, ended.target, carried, 200), result, ended.metered, deps)
      try {
        await deps.ledger.durable()
      } catch (error) {
        notDurable(error, deps)
      }
      return complete(job, ended, deps)
    }
    putOff(walk, ended, deps)
    tried.push({
      target: ended.target,
      failure: failure.kind,
      retryAfterMs: failure.retryAfterMs,
      tookMs: result.totalMs,
      stale: result.stale,
      moveOn: failure.kind === 'content_filter' && routing.aroundContentFilter,
    })
    const isOver = result.committed || walk.attempts >= walk.most
    target = isOver ? undefined : await following(walk, deps)
  }
  const { ended } = walk
  if (ended && job.exchanges > 0) return failed(walk, ended, deps)
  const error = refused ?? new GatewayError('no_candidate', 'Nothing could be tried.')
  if (ended) record(told(job, ended.target, ended.carried, error.status), ended.result, ended.metered, deps)
  throw error
}

/**
 * Another target, or the same one again after a little pause if its trouble may have passed: when no other is left, or when
 * the next one is another model. The same model elsewhere is as good, so nobody waits for that.
 */
async function following(walk: Walk, deps: Deps): Promise<Target | undefined> {
  const { job, tried, passed } = walk
  if (job.answer.left) return undefined
  const unheard = staleTarget(tried, passed)
  if (unheard) return unheard
  const nowMs = deps.clock.now()
  const next = nextTarget(job.plan, tried, passed)
  const again = next ? onceMore(tried, next, walk.most - walk.attempts, passed) : repeatTarget(tried, passed)
  if (!again) return next
  const ailing = next && (deps.health.state(again.key)?.consecutiveFaults ?? 0) > 1
  if (ailing || !deps.health.repeat(again.key, nowMs)) return next
  const told = tried.at(-1)?.retryAfterMs
  // never earlier than the provider said, and not all at the same moment
  const pauseMs =
    next && told !== undefined
      ? told * (1 + 0.1 * deps.random()) + 20
      : REPEAT_PAUSE_MS * (1 + deps.random()) * tried.length
  const sinceMs = deps.clock.monotonic()
  await deps.pause(pauseMs)
  // a wait for the upstream, not our own work
  walk.elsewhereMs += deps.clock.monotonic() - sinceMs
  return job.answer.left ? undefined : again
}

/** Nobody is left to ask: the last exchange decides, whatever kept others from being asked after it. */
async function failed(walk: Walk, ended: Ended, deps: Deps): Promise<Attempted> {
  const { job, tried } = walk
  const { target, carried, metered } = ended
  const { answer } = job
  let failure = ended.result.failure as GatewayError
  // who leaves between two attempts has ended the request, not the provider
  if (answer.left && !ended.result.committed && failure.kind !== 'cancelled')
    failure = new GatewayError('cancelled', 'The client left before another attempt was made.')
  const result = { ...ended.result, failure }
  const finalStatus = answer.headSent ? answer.status : failure.status
  record(told(job, target, carried, finalStatus), result, metered, deps)
  try {
    await deps.ledger.durable()
  } catch (error) {
    notDurable(error, deps)
  }
  const { usage } = metered
  job.admission.release(usage ? usage.inputTokens + usage.outputTokens : 0)
  if (failure.kind === 'rate_limited') failure = failure.after(soonestRetryMs(tried))
  answer.refuse(failure, answerHeaders(job, target, carried, deps, walk.elsewhereMs))
  const bill = billOfAll(job, metered.bill)
  return { attempts: job.exchanges, target, result, metered, bill, failure }
}

/** A settlement that cannot be made durable now is retried by the ledger; the caller's answer does not wait for the disk. */
function notDurable(error: unknown, { log }: Deps): void {
  const message = error instanceof Error ? error.message : 'unknown'
  log('error', 'settlement_not_durable', { message })
}

/** The last bytes go out: what the attempt cost is safe by now. */
function complete(job: Job, { target, carried, result, metered }: Ended, deps: Deps): Attempted {
  const { usage } = metered
  const bill = billOfAll(job, metered.bill)
  job.admission.release(usage ? usage.inputTokens + usage.outputTokens : undefined)
  const { answer } = job
  if (result.whole) {
    const cost = bill.costNanoUsd
    let { bytes } = result.whole
    if (job.facts.wantsCost)
      bytes = deps.bytes.of(withCost(deps.bytes.text(bytes), cost, 1, result.usage?.reportedCostNanoUsd))
    const headers = answerHeaders(job, target, carried, deps, carried.elsewhereMs + result.totalMs)
    if (cost !== undefined) headers.push('x-switchgate-cost-usd', usdFromNano(cost))
    answer.whole(200, headers, bytes)
  } else {
    answer.end(deps.bytes.of(carried.ending?.(result, { usage, bill }) ?? 'data: [DONE]\n\n'))
  }
  return { attempts: job.exchanges, target, result, metered, bill, failure: undefined }
}

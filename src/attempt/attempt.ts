/**
 * Walks the plan: hold, send, relay, settle; then done, or the next target. The one place that decides what follows a
 * failure; choosing (choose.ts), naming (classify.ts), money (hold.ts) and blame (record.ts) are separate.
 */
import type { Admission, Deps } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import { type Metered, record } from '../record.ts'
import type { Answer } from '../relay/answer.ts'
import type { ExchangeResult } from '../relay/contract.ts'
import { withCost } from '../relay/reader.ts'
import type { Plan, Target } from '../route/plan.ts'
import type { Call, Caller, Endpoint } from '../terms.ts'
import type { Body } from '../wire/body.ts'
import type { Inbound } from '../wire/inbound.ts'
import type { ChatFacts } from '../wire/openai.ts'
import { begin, type Ended, run, told, type Walk } from './begin.ts'
import { nextTarget, onceMore, repeatTarget, soonestRetryMs } from './choose.ts'
import { answerHeaders } from './headers.ts'
import { hedged } from './hedge.ts'

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
  /** Upstream exchanges so far, where it is not the number of the attempt: two may run at the same time. */
  exchanges?: number
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
  const { retries, routing } = deps.config()
  const walk: Walk = {
    job,
    most: retries.attempts,
    tried: [],
    passed: new Set(),
    attempts: 0,
    elsewhereMs: 0,
  }
  const { tried, passed } = walk
  const { share } = routing.hedge
  let target = nextTarget(job.plan, tried, passed)
  let last: GatewayError | undefined
  while (target) {
    const begun = await begin(walk, target, deps)
    if (begun instanceof GatewayError) {
      last ??= begun
      target = nextTarget(job.plan, tried, passed)
      continue
    }
    const ended = share > 0 ? await hedged(walk, begun, share, deps) : await run(job, begun, deps)
    const { carried, result, metered } = ended
    walk.elsewhereMs = carried.elsewhereMs + result.totalMs
    const endedAtMs = deps.clock.monotonic()
    if (!result.failure) return complete(job, ended, deps)
    last = result.failure
    tried.push({
      target: ended.target,
      failure: last.kind,
      retryAfterMs: last.retryAfterMs,
      moveOn: last.kind === 'content_filter' && routing.aroundContentFilter,
    })
    const isOver = result.committed || job.answer.left || walk.attempts >= walk.most
    const next = isOver ? undefined : await following(walk, deps)
    const finalStatus = next ? undefined : job.answer.headSent ? job.answer.status : result.failure.status
    record(told(job, ended.target, carried, finalStatus), result, metered, deps)
    if (!next) {
      await settled(deps)
      job.admission.release(metered.usage ? metered.usage.inputTokens + metered.usage.outputTokens : 0)
      if (last.kind === 'rate_limited') last = last.after(soonestRetryMs(tried))
      job.answer.refuse(last, answerHeaders(job, ended.target, carried, deps, walk.elsewhereMs))
      return { attempts: walk.attempts, target: ended.target, result, metered, failure: last }
    }
    // a pause before a repeat is a wait for the upstream, not our own work
    walk.elsewhereMs += deps.clock.monotonic() - endedAtMs
    target = next
  }
  throw last ?? new GatewayError('no_candidate', 'Nothing could be tried.')
}

/**
 * Another target, or the same one again after a little pause if its trouble may have passed: when no other is left, or when
 * the next one is another model. The same model elsewhere is as good, so nobody waits for that.
 */
async function following(walk: Walk, deps: Deps): Promise<Target | undefined> {
  const { job, tried, passed } = walk
  const nowMs = deps.clock.now()
  const next = nextTarget(job.plan, tried, passed)
  const again = next ? onceMore(tried, next, walk.most - walk.attempts) : repeatTarget(tried)
  if (!again) return next
  const ailing = next && (deps.health.state(again.key)?.consecutiveFaults ?? 0) > 1
  if (ailing || !deps.health.repeat(again.key, nowMs)) return next
  const told = tried.at(-1)?.retryAfterMs
  // never earlier than the provider said, and not all at the same moment
  const pauseMs =
    next && told !== undefined
      ? told * (1 + 0.1 * deps.random()) + 20
      : REPEAT_PAUSE_MS * (1 + deps.random()) * tried.length
  await deps.pause(pauseMs)
  return job.answer.left ? undefined : again
}

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

async function complete(
  job: Job,
  { target, carried, result, metered }: Ended,
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

/**
 * The rows of a request's attempts. Only the last one carries the request's status, so an attempt that failed waits with its
 * row until it is known whether another has begun; its money does not wait. Between the attempts and record.ts.
 */
import type { Deps } from '../deps.ts'
import type { GatewayError } from '../errors.ts'
import { meter, notSent, record } from '../record.ts'
import type { Target } from '../route/plan.ts'
import type { Bill } from '../terms.ts'
import { certaintyOf } from '../wire/account.ts'
import type { Job } from './attempt.ts'
import type { Begun, Ended, Walk } from './begin.ts'
import { clip } from './payer.ts'
import type { Carried } from './send.ts'

/** What the row of an attempt says beside its result. `finalStatus` = no other attempt follows, and the caller sees this. */
export function told(
  job: Job,
  target: Target,
  carried: Pick<Carried, 'money' | 'attempt'>,
  finalStatus: number | undefined,
) {
  const { call, facts, payer } = job
  return {
    hold: carried.money.hold,
    target,
    finalStatus,
    row: {
      id: carried.money.hold.attemptId,
      requestId: call.id,
      attempt: carried.attempt,
      requestedModel: clip(job.model),
      operation: job.endpoint.operation,
      stream: facts.stream,
      peer: call.peer,
      user: payer.user,
      tags: payer.tags,
    },
  }
}

/** An attempt that others follow, or that runs beside the one that answers. */
export function setDown(job: Job, { target, carried, result, metered }: Ended, deps: Deps): void {
  job.bills.push(metered.bill)
  record(told(job, target, carried, undefined), result, metered, deps)
}

/** An attempt is over and has not answered: what it cost is spent now, so that the rest of its hold can be held again. */
export function putOff(walk: Walk, ended: Ended, deps: Deps): void {
  const { costNanoUsd } = ended.metered.bill
  if (costNanoUsd !== undefined) deps.ledger.charge(ended.carried.money.hold, costNanoUsd)
  walk.ended = ended
}

/** Another has begun: the one that was put off was not the last. */
export function passOn(walk: Walk, deps: Deps): void {
  const { ended } = walk
  walk.ended = undefined
  if (ended) setDown(walk.job, ended, deps)
}

/** An attempt that is not to be sent after all. Where another was sent, or is (`isBeside`), that one ends the request. */
export function unsent(walk: Walk, begun: Begun, failure: GatewayError, deps: Deps, isBeside = false): void {
  const result = notSent(failure)
  const ended = {
    ...begun,
    result,
    metered: meter(result, begun.target, { likelyInputTokens: 0, price: begun.carried.price, isWhole: true }),
  }
  if (walk.ended || isBeside) setDown(walk.job, ended, deps)
  else putOff(walk, ended, deps)
}

/** This bill together with those of the attempts before it. While one beside it is running nobody knows the cost. */
export function billOfAll({ bills, isRaced }: Job, bill: Bill): Bill {
  if (bills.length === 0 && !isRaced) return bill
  let costNanoUsd = isRaced ? undefined : bill.costNanoUsd
  for (const { costNanoUsd: more } of bills)
    costNanoUsd = costNanoUsd === undefined || more === undefined ? undefined : costNanoUsd + more
  return { costNanoUsd, certainty: certaintyOf([...bills, bill]), priceId: bill.priceId }
}

/**
 * What a crash charged in full, corrected by a person who knows better: the row, its sums and its budgets at once. Part
 * of the ledger; recovery notes where such a charge was counted, `release` takes it out again.
 */
import type { Clock, Log } from '../deps.ts'
import { GatewayError } from '../errors.ts'
import { usdFromNano } from '../price.ts'
import type { Correction, Op, Store, StoredRequest } from '../store/store.ts'
import type { AttemptRow } from '../terms.ts'
import type { Budgets } from './budgets.ts'
import type { Settled } from './fold.ts'
import type { BucketRef } from './lease.ts'

/** Setting that says in which buckets the charge of an attempt that is `unknown` was counted. */
export const chargeName = (attemptId: string): string => `charged.${attemptId}`

/** To be written before the rows themselves: a row without its note could never be released. */
export function chargeNotes(unknown: readonly Settled[]): Op[] {
  return unknown.flatMap(({ row, buckets }): Op[] =>
    buckets.length === 0
      ? []
      : [{ op: 'put_setting', name: chargeName(row.id), value: JSON.stringify(buckets) }],
  )
}

/** Did the process die while this attempt ran? A stream that its provider broke off has a status and took its time. */
const died = ({ error, status, totalMs }: AttemptRow): boolean =>
  error === 'interrupted' && status === 0 && totalMs === 0

const RELEASED = /, released \d{4}-\d{2}-\d{2}T/

/** Charged in full for want of knowledge, now or until somebody released it: a crash, or usage that no bill can hold. */
const isCharge = (row: AttemptRow): boolean =>
  row.certainty === 'unknown' || died(row) || RELEASED.test(row.why ?? '')

const conflict = (message: string): GatewayError =>
  new GatewayError('invalid_request', message, { code: 'conflict', status: 409 })

async function bucketsOf(store: Store, row: AttemptRow): Promise<readonly BucketRef[]> {
  if (row.heldNanoUsd === 0) return []
  const note = await store.setting(chargeName(row.id))
  if (note !== undefined) return JSON.parse(note) as BucketRef[]
  throw conflict(
    'An earlier version charged this request and did not note which budgets it counted in: raise them instead.',
  )
}

const released = (row: AttemptRow, costNanoUsd: number, at: string): AttemptRow => ({
  ...row,
  costNanoUsd,
  overrunNanoUsd: row.heldNanoUsd > 0 ? Math.max(0, costNanoUsd - row.heldNanoUsd) : 0,
  certainty: 'recovered',
  why: `${row.why === null ? '' : `${row.why}; `}charged ${
    row.costNanoUsd === null ? 'an unknown cost' : `$${usdFromNano(row.costNanoUsd)}`
  } ${died(row) ? 'after a crash' : 'for usage that no bill can hold'}, released ${at}`,
})

/** What releasing stands on. */
export interface ReleaseInput {
  readonly store: Store
  readonly budgets: Budgets
  readonly clock: Clock
  readonly log: Log
  /** Brings what is settled into the store. */
  readonly fold: () => Promise<void>
  /** Money came back: everybody who waits looks again. */
  readonly wakeAll: () => void
}

/**
 * Gives the attempts of a request that are `unknown`, mostly after a crash, this cost in all (nano-USD), in the store and in memory.
 * The same again changes nothing. Throws 404 `not_found`, and 409 `conflict` where there is nothing to release.
 */
async function releaseRequest(
  { store, budgets, clock }: ReleaseInput,
  id: string,
  costNanoUsd: number,
): Promise<StoredRequest> {
  const request = await store.request(id)
  if (request === undefined)
    throw new GatewayError('not_found', `there is no request ${JSON.stringify(id.slice(0, 80))}`, {
      param: 'id',
    })
  const charged = request.attempts.filter(isCharge)
  const open = charged.filter(({ certainty }) => certainty === 'unknown')
  if (open.length === 0) {
    const cost = charged.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0)
    if (charged.length > 0 && cost === costNanoUsd) return request
    throw conflict(
      charged.length > 0
        ? `This request was released before, at $${usdFromNano(cost)}.`
        : 'Only a request with certainty `unknown` can be released.',
    )
  }
  const at = new Date(clock.now()).toISOString()
  const corrections: Correction[] = []
  const changes: {
    readonly row: AttemptRow
    readonly refs: readonly BucketRef[]
    readonly nanoUsd: number
  }[] = []
  for (const [place, from] of open.entries()) {
    // One figure is known, of the whole request: the last of its attempts takes it.
    const to = released(from, place === open.length - 1 ? costNanoUsd : 0, at)
    const refs = await bucketsOf(store, from)
    corrections.push({ from, to, buckets: refs })
    changes.push({ row: to, refs, nanoUsd: (to.costNanoUsd ?? 0) - (from.costNanoUsd ?? 0) })
  }
  await store.correct(corrections)
  for (const { row, refs, nanoUsd } of changes)
    for (const ref of refs) budgets.correct(ref.owner ?? row.lineage, ref, nanoUsd)
  const after = new Map(corrections.map(({ to }) => [to.id, to]))
  return { id: request.id, attempts: request.attempts.map(row => after.get(row.id) ?? row) }
}

/** `releaseRequest`, one after another: asked twice at once it still happens once. */
export function createRelease(input: ReleaseInput) {
  let last: Promise<unknown> = Promise.resolve()
  return (requestId: string, costNanoUsd: number): Promise<StoredRequest> => {
    const done = last.then(async () => {
      await input.fold()
      const request = await releaseRequest(input, requestId, costNanoUsd)
      input.log('info', 'ledger.released', { request: request.id, cost_usd: usdFromNano(costNanoUsd) })
      input.wakeAll()
      return request
    })
    last = done.catch(() => {})
    return done
  }
}

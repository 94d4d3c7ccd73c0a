/**
 * The ledger: admission, holds, settlements. Decides in memory, tells the journal, and folds into the store later.
 * Called by admit.ts (rates, first hold), the attempt and relay stages (more holds) and record.ts (settle).
 */
import { Bag } from '../bag.ts'
import type { Clock, Hold, HoldFacts, Ledger, Log, Shortfall } from '../deps.ts'
import { GatewayError, reasonOf } from '../errors.ts'
import { requestIdOf, timeOfId } from '../ids.ts'
import type { Store, StoredRequest } from '../store/store.ts'
import type { AttemptRow, Key, Project } from '../terms.ts'
import type { Alert } from './alerts.ts'
import { type BudgetUse, createBudgets } from './budgets.ts'
import { createFolder } from './fold.ts'
import { type Entry, formatEntry, type Journal, settlement } from './journal.ts'
import { lineOf, type OpenHold, type OpenMoney, openMoneyOf } from './open.ts'
import { holderOfKey, holderOfProject } from './owners.ts'
import { createRates, type LimitsOf } from './rates.ts'
import { inheritLedger, type Recovery, recoverLedger } from './recover.ts'
import { createRelease } from './release.ts'
import { withRenewals } from './renewals.ts'
import { createSlices, noteFolded } from './slices.ts'
import { createSpending } from './spending.ts'
import { createWaiters } from './waiters.ts'
import { warner } from './warnings.ts'

/** Settled rows that may wait for a store that is down; above it new work is refused. About 60 MB, and a restart that folds them all stays below two seconds. */
const PENDING_MAX = 30_000
/** A restart reads at most about this much again; a rotation rewrites the open holds. */
const ROTATE_BYTES = 4 << 20

export type { BudgetUse, OpenMoney, Recovery }

/** The Ledger port and what its owner needs besides. */
export interface LedgerOwner extends Ledger {
  /** Takes over what an earlier process left; before the first request. Rejects when the store or the journal is unusable. */
  recover(): Promise<Recovery>
  /**
   * Takes over what another process left over the same store, once its slices have expired: what it held is charged, the
   * rest of its slices comes back. Undefined = it may still live, or has nothing. The caller sees to it that nobody
   * writes that journal any more.
   */
  inherit(holder: string, journal: Journal): Promise<Recovery | undefined>
  /**
   * Resolves when everything settled before the call is in the store. A store that answers but takes no rows lags behind
   * (logged and retried) rather than failing every view; one that does not answer rejects with `storage_unavailable`.
   */
  fold(): Promise<void>
  /** Every budget of the key's own as it stands now, in the key's order. */
  usageOf(key: Key): readonly BudgetUse[]
  /** The same of a project, or of the organisation. */
  usageOfProject(project: Project): readonly BudgetUse[]
  /** All projects, the organisation among them, as they are from now on; `recover` reads them from the store. */
  adopt(projects: readonly Project[]): void
  /** A key as it is from now on: whoever waits for money of its budgets is judged by the new ones. */
  renew(key: Key): void
  /** Gives what a crash left `unknown` of this request the cost that a person states, nano-USD; see release.ts. One after another. */
  release(requestId: string, costNanoUsd: number): Promise<StoredRequest>
  /** Folds, makes durable and closes the journal. Open holds stay in it: the next start charges them as `unknown`. */
  close(): Promise<void>
  openHolds(): number
  /** Settled attempts that are not in the store yet. */
  pending(): number
  /** What the open holds keep in which budget, and what was charged before its row is written; one entry a hold and budget. */
  openMoney(): readonly OpenMoney[]
}

function wholeNano(nanoUsd: number): number {
  if (!(nanoUsd >= 0)) throw new RangeError(`not an amount of nano-USD: ${nanoUsd}`)
  return Math.ceil(nanoUsd)
}

const unavailable = (cause: unknown) =>
  new GatewayError('storage_unavailable', 'The gateway cannot write its ledger at the moment. Try again.', {
    shouldRetry: true,
    retryAfterMs: 1_000,
    cause,
  })

/** What a ledger stands on. */
export interface LedgerInput {
  store: Store
  /** Undefined (Workers) = `durable` waits for the store itself. */
  journal: Journal | undefined
  clock: Clock
  log: Log
  /** Limits of projects; absent = there are none. */
  limitsOf?: LimitsOf
  /** This process's name where several share the store, the same after a restart; absent = it is alone and owns every window. */
  holder?: string
  /** Told of what is also logged as a warning: a soft limit passed, an overrun. */
  alert?: Alert
}

/** One ledger over one store and one journal; call `recover` before the first request. */
export function createLedger(input: LedgerInput): LedgerOwner {
  const { store, journal, clock, log } = input
  const waiters = createWaiters()
  const { wake } = waiters
  const slices = input.holder ? createSlices({ store, holder: input.holder, clock, log, wake }) : undefined
  const budgets = withRenewals(createBudgets(slices), waiters.wakeAll)
  const rates = createRates(clock.monotonic, input.limitsOf)
  const warn = warner(log, input.alert)
  const open = new Bag<OpenHold>()
  const folder = createFolder({
    store,
    log,
    onEmpty: tidy,
    onFolded: slices && (part => noteFolded(slices, part)),
    monotonic: clock.monotonic,
    isChecked: journal !== undefined,
  })
  let flushing: Promise<void> | undefined
  let answering = Promise.resolve()

  /** Nothing waits for the store now, so the open holds are all that the journal has to remember. */
  function tidy(bytesMin = ROTATE_BYTES): void {
    if (journal === undefined || folder.pending() > 0 || journal.size() < bytesMin) return
    try {
      journal.rotate(open.items.map(lineOf))
    } catch (error) {
      log('warn', 'ledger.rotate_failed', { reason: reasonOf(error) })
    }
  }

  function say(entry: Entry): void {
    journal?.append(formatEntry(entry))
  }

  const failure = (): Error | undefined =>
    journal?.failure() ??
    folder.failure() ??
    (folder.pending() > PENDING_MAX ? new Error('too many settlements wait for the store') : undefined)

  function hold(key: Key, attemptId: string, nanoUsd: number, facts?: HoldFacts): OpenHold | Shortfall {
    const deaf = failure()
    if (deaf !== undefined) throw unavailable(deaf)
    const amount = wholeNano(nanoUsd)
    const nowMs = clock.now()
    const taken = budgets.take(key, amount, nowMs, facts)
    if ('limit' in taken) return taken
    const made: OpenHold = {
      attemptId,
      key,
      createdAtMs: timeOfId(requestIdOf(attemptId)) ?? nowMs,
      heldNanoUsd: taken.refs.length === 0 ? 0 : amount,
      askedNanoUsd: amount,
      chargedNanoUsd: undefined,
      taken,
      facts,
      place: -1,
    }
    journal?.append(lineOf(made))
    open.add(made)
    return made
  }

  function extend(given: Hold, nanoUsd: number): boolean {
    const held = given as OpenHold
    const amount = wholeNano(nanoUsd)
    if (!open.has(held) || held.chargedNanoUsd !== undefined) return false
    if (held.taken.refs.length > 0) {
      if (!budgets.extend(held.taken, amount, clock.now())) return false
      held.heldNanoUsd += amount
    }
    held.askedNanoUsd += amount
    say({ say: 'extend', id: held.attemptId, nanoUsd: held.askedNanoUsd })
    return true
  }

  const { spend, charge, lower } = createSpending({ budgets, clock, warn, wake, say, open })

  function settle(given: Hold, row: AttemptRow): void {
    const held = given as OpenHold
    if (!open.remove(held)) {
      log('error', 'ledger.settled_twice', { attempt: held.attemptId })
      return
    }
    const settled = settlement(spend(held, row), held.taken.refs)
    say(settled)
    folder.add(settled)
  }

  function durable(): Promise<void> {
    const flush = journal === undefined ? folder.fold() : journal.flush()
    if (flush === flushing) return answering
    flushing = flush
    answering = flush.catch(cause => {
      throw unavailable(cause)
    })
    // A caller that does not wait must not turn a full disk into an unhandled rejection.
    answering.catch(() => {})
    return answering
  }

  async function fold(): Promise<void> {
    try {
      await folder.fold()
      if (slices) await slices.refresh()
    } catch {
      await store.ping().catch(cause => {
        throw unavailable(cause)
      })
    }
  }

  const release = createRelease({ store, budgets, clock, log, fold, wakeAll: waiters.wakeAll })
  return {
    admit: rates.admit,
    hold,
    extend,
    lower,
    charge,
    settle,
    durable,
    failure,
    applies: budgets.applies,
    available: (key, facts, nanoUsd) => budgets.available(key, clock.now(), facts, nanoUsd),
    freed: (key, withinMs, short) => waiters.wait(short?.owner ?? key.lineage, withinMs),
    recover: () =>
      recoverLedger({ store, journal, budgets, rates, nowMs: clock.now(), log, holder: input.holder }),
    inherit: (holder, left) => inheritLedger({ store, journal: left, holder, nowMs: clock.now(), log }),
    fold,
    usageOf: key => budgets.usage(holderOfKey(key), clock.now()),
    usageOfProject: project => budgets.usage(holderOfProject(project), clock.now()),
    adopt: budgets.adopt,
    renew: budgets.renew,
    release,
    openHolds: () => open.size,
    pending: folder.pending,
    openMoney: () => openMoneyOf(open.items, clock.now()),
    async close() {
      folder.stop()
      try {
        await folder.fold()
        if (slices) await slices.close()
        tidy(1)
      } finally {
        await journal?.close()
      }
    },
  }
}

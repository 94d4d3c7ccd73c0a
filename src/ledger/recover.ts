/** What a starting process takes over: the journal of the one before it, and the budget windows that the store remembers. */
import type { Log } from '../deps.ts'
import { reasonOf } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { AttemptRow, Budget } from '../terms.ts'
import type { Budgets } from './budgets.ts'
import type { Settled } from './fold.ts'
import {
  formatEntry,
  type HoldEntry,
  interruptedRow,
  type Journal,
  parseEntry,
  settlement,
} from './journal.ts'
import { ORGANISATION } from './owners.ts'
import type { Rates } from './rates.ts'
import { chargeNotes } from './release.ts'
import { seedDailyRates } from './seed.ts'
import { asWindow, parseWindow, windowStart } from './windows.ts'

const BATCH_ROWS = 64
/** Clocks of two machines differ: nobody is taken for dead before this has passed too. */
const EXPIRY_MARGIN_MS = 5_000

/** What recovery found. `chargedNanoUsd` is the sum of the holds that became `unknown` rows. */
export interface Recovery {
  /** Finished attempts read from the journal; those already in the store changed nothing. */
  readonly settled: number
  /** Attempts that were running when the process died. */
  readonly interrupted: number
  readonly chargedNanoUsd: number
  /** Lines that could not be read. */
  readonly damaged: number
}

/** Everything the lines say that is not yet known to be in the store. Pure. */
export function replay(lines: Iterable<string>): {
  settled: Settled[]
  interrupted: Settled[]
  damaged: number
} {
  const open = new Map<string, { hold: HoldEntry; nanoUsd: number }>()
  const settled = new Map<string, Settled>()
  let damaged = 0
  for (const line of lines) {
    const entry = parseEntry(line)
    if (entry === undefined) damaged++
    else if (entry.say === 'hold') open.set(entry.id, { hold: entry, nanoUsd: entry.nanoUsd })
    else if (entry.say === 'settle') settled.set(entry.row.id, entry)
    else {
      const found = open.get(entry.id)
      if (found !== undefined) found.nanoUsd = entry.nanoUsd
    }
  }
  // A hold and its settlement may lie in different segments, in either order.
  for (const id of settled.keys()) open.delete(id)
  // A request that had ended is not ended once more by an attempt beside its last one.
  const over = new Set<string>()
  for (const { row } of settled.values()) if (row.last) over.add(row.requestId)
  const ends = new Map<string, AttemptRow>()
  const rows = [...open.values()].map(({ hold, nanoUsd }) => {
    const row = interruptedRow(hold, nanoUsd, false)
    const end = ends.get(row.requestId)
    if (!over.has(row.requestId) && (end === undefined || end.attempt < row.attempt))
      ends.set(row.requestId, row)
    return { row, buckets: hold.buckets }
  })
  const interrupted = rows.map(({ row, buckets }) =>
    settlement(ends.get(row.requestId) === row ? { ...row, last: true } : row, buckets),
  )
  return { settled: [...settled.values()], interrupted, damaged }
}

async function foldBatch(store: Store, part: readonly Settled[]): Promise<void> {
  const byId = new Map(part.map(settled => [settled.row.id, settled]))
  await store.fold(
    part.map(({ row }) => row),
    row => byId.get(row.id)?.buckets ?? [],
    row => byId.get(row.id)?.detail,
  )
}

/** Folds all; returns what a working store refuses, row by row. Rejects when the store does not work. */
async function foldAll(store: Store, all: readonly Settled[], log: Log): Promise<Settled[]> {
  const refused: Settled[] = []
  for (let i = 0; i < all.length; i += BATCH_ROWS) {
    const part = all.slice(i, i + BATCH_ROWS)
    try {
      await foldBatch(store, part)
    } catch {
      for (const one of part)
        try {
          await foldBatch(store, [one])
        } catch (error) {
          await store.ping()
          refused.push(one)
          log('error', 'ledger.row_refused', { attempt: one.row.id, reason: reasonOf(error) })
        }
    }
  }
  return refused
}

/** Start of the oldest window that anybody looks at. */
function oldestWindow(holders: readonly { readonly budgets: readonly Budget[] }[], nowMs: number): number {
  let oldest = nowMs
  for (const { budgets } of holders)
    for (const { window } of budgets) {
      const span = parseWindow(window)
      if (span.kind !== 'total') oldest = Math.min(oldest, windowStart(span, nowMs))
    }
  return oldest
}

/** Everything that the journal tells of into the store, and what the store refused. */
async function foldJournal(
  store: Store,
  journal: Journal | undefined,
  log: Log,
): Promise<{ found: Recovery; refused: readonly Settled[] }> {
  const { settled, interrupted, damaged } = replay(journal?.read() ?? [])
  const notes = chargeNotes(interrupted)
  if (notes.length > 0) await store.commit(notes)
  const refused = [...(await foldAll(store, settled, log)), ...(await foldAll(store, interrupted, log))]
  const chargedNanoUsd = interrupted.reduce((sum, { row }) => sum + (row.costNanoUsd ?? 0), 0)
  const found = { settled: settled.length, interrupted: interrupted.length, chargedNanoUsd, damaged }
  if (damaged > 0) log('error', 'ledger.journal_damaged', { lines: damaged })
  if (settled.length + interrupted.length > 0) log('info', 'ledger.recovered', { ...found })
  return { found, refused }
}

/**
 * Folds what the journal holds into the store, then reads the windows back and empties the journal. Doing it twice, or
 * dying half-way, changes nothing: rows are known by attempt id. Rejects when the store or the journal cannot be used.
 */
export async function recoverLedger(input: {
  store: Store
  journal: Journal | undefined
  budgets: Budgets
  rates: Rates
  nowMs: number
  log: Log
  /** Whose slices, if the store is shared, held what the journal tells of. */
  holder?: string | undefined
}): Promise<Recovery> {
  const { store, journal, budgets, rates, nowMs, log, holder } = input
  const { found, refused } = await foldJournal(store, journal, log)
  if (holder !== undefined) await store.commit([{ op: 'release_slices', holder }])
  const keys = await store.keys()
  const projects = await store.projects()
  budgets.adopt(projects)
  for (const bucket of await store.buckets(oldestWindow([...keys, ...projects], nowMs))) {
    const window = asWindow(bucket.window)
    if (window !== undefined)
      budgets.restore(bucket.lineage, window, bucket.bucketStartMs, bucket.spentNanoUsd)
  }
  await seedDailyRates({ store, rates, keys, projects, organisation: ORGANISATION, nowMs })
  forget(journal, refused)
  return found
}

/** What the store will not take stays on disk, for a later start or a person. */
function forget(journal: Journal | undefined, refused: readonly Settled[]): void {
  journal?.rotate(refused.map(settled => formatEntry({ say: 'settle', ...settled })))
}

/** The same for a process that is gone, by another one over its store: never while its slices may still be in use. */
export async function inheritLedger(input: {
  store: Store
  journal: Journal
  holder: string
  nowMs: number
  log: Log
}): Promise<Recovery | undefined> {
  const { store, journal, holder, nowMs, log } = input
  const untilMs = (await store.sliceHolders()).get(holder)
  if (untilMs === undefined || nowMs < untilMs + EXPIRY_MARGIN_MS) return undefined
  const { found, refused } = await foldJournal(store, journal, log)
  await store.commit([{ op: 'release_slices', holder }])
  forget(journal, refused)
  return found
}

/** Moves settled attempts from memory into the store, off the request path, in batches small enough not to be felt. */
import type { Log } from '../deps.ts'
import { reasonOf } from '../errors.ts'
import type { Store } from '../store/store.ts'
import type { AttemptRow } from '../terms.ts'
import type { BucketRef } from './lease.ts'
import { chargeNotes } from './release.ts'

/** A batch holds the event loop for less than two milliseconds in SQLite; half as many rows cost a third more each, for their commit. */
const BATCH_ROWS = 256
/** As soon as a batch is full: rows that wait long are copied by the collector. */
const EAGER_ROWS = BATCH_ROWS
const IDLE_MS = 150
/** Whoever was refused because the store was stuck is served again this soon after it came back. */
const RETRY_MS_MAX = 1_000
/** A store that is locked or gone for so long stops new work: what is not in it cannot be seen, and a restart would take long. */
const STUCK_MS = 5_000

/** Nobody could tell its cost: a person may, later. */
const isUnknown = ({ row, buckets }: Settled): boolean => row.certainty === 'unknown' && buckets.length > 0

/** A finished attempt and the budget buckets that its cost belongs to. */
export interface Settled {
  readonly row: AttemptRow
  readonly buckets: readonly BucketRef[]
  /** The row's packed text. */
  readonly detail: string
}

export interface Folder {
  add(settled: Settled): void
  /** Resolves when everything added before the call is in the store; rejects when the store refuses (rows are kept and retried). */
  fold(): Promise<void>
  /** Rows not yet in the store. */
  pending(): number
  /** Why the store has taken nothing for a while, if it takes nothing from anybody; a row that alone is refused is no reason. */
  failure(): Error | undefined
  /** No further timers; rows added later move only by `fold`. */
  stop(): void
}

const NONE: readonly BucketRef[] = []
const pause = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))

/** Does the store take anything at all, and is it still the one that was opened? Rejects if not. */
async function probe(store: Store): Promise<undefined> {
  await store.commit([{ op: 'put_setting', name: 'ledger_probe', value: '' }])
  await store.ping()
}

/** Finds what belongs to a row of this batch. The store asks in the order of the batch: the next one is looked at first. */
function finder(part: readonly Settled[]): (row: AttemptRow) => Settled | undefined {
  let at = 0
  return ({ id }) => {
    for (let looked = 0; looked < part.length; looked++) {
      const settled = part[at] as Settled
      if (settled.row.id === id) return settled
      at = (at + 1) % part.length
    }
    return undefined
  }
}

/** `onEmpty` is called after a fold in the background that left nothing behind. */
export function createFolder(input: {
  store: Store
  log: Log
  onEmpty: () => void
  /** These are in the store now. */
  onFolded?: ((part: readonly Settled[]) => void) | undefined
  /** Ms. */
  monotonic: () => number
  /** Is it made sure before every batch that the database is still there? Cheap where it is a file. */
  isChecked: boolean
}): Folder {
  const { store, log, onEmpty, onFolded, monotonic, isChecked } = input
  const queue: Settled[] = []
  let settledOf = finder([])
  const bucketsOf = (row: AttemptRow) => settledOf(row)?.buckets ?? NONE
  const detailOf = (row: AttemptRow) => settledOf(row)?.detail
  let added = 0
  let folded = 0
  let size = BATCH_ROWS
  let failures = 0
  let running: Promise<void> | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let eager = false
  let busy = false
  let stopped = false
  let failingSinceMs: number | undefined
  let stuck: Error | undefined

  async function look(): Promise<void> {
    failingSinceMs ??= monotonic()
    if (monotonic() - failingSinceMs < STUCK_MS) return
    try {
      stuck = await probe(store)
    } catch (error) {
      log('error', 'ledger.store_stuck', { rows: queue.length })
      stuck = error instanceof Error ? error : new Error(String(error))
    }
  }

  async function batch(): Promise<void> {
    const part = queue.slice(0, size)
    settledOf = finder(part)
    try {
      // A database file that was moved away takes rows as well as ever.
      if (isChecked) await store.ping()
      if (part.some(isUnknown)) await store.commit(chargeNotes(part.filter(isUnknown)))
      const rows = part.map(settled => settled.row)
      await store.fold(rows, bucketsOf, detailOf)
    } catch (error) {
      failures++
      // A row that alone is refused must not hold up the others: smaller batches find it, the end of the queue takes it.
      if (part.length === 1) queue.push(queue.shift() as Settled)
      size = Math.max(1, Math.floor(part.length / 2))
      throw error
    }
    queue.splice(0, part.length)
    folded += part.length
    onFolded?.(part)
    failures = 0
    failingSinceMs = undefined
    stuck = undefined
    size = Math.min(BATCH_ROWS, size * 2)
  }

  function step(): Promise<void> {
    running ??= batch().finally(() => {
      running = undefined
    })
    return running
  }

  async function fold(): Promise<void> {
    const target = added
    while (folded < target) {
      await step()
      if (folded < target) await pause(0)
    }
  }

  function schedule(): void {
    if (stopped || busy) return
    const urgent = failures === 0 && queue.length >= EAGER_ROWS
    if (timer !== undefined) {
      if (!urgent || eager) return
      clearTimeout(timer)
    }
    eager = urgent
    const delay = Math.min(RETRY_MS_MAX, IDLE_MS * 2 ** failures)
    timer = setTimeout(background, urgent ? 0 : delay)
  }

  async function background(): Promise<void> {
    timer = undefined
    busy = true
    try {
      // One question at a time: each may hold up the process for as long as the engine waits for a lock.
      if (stuck !== undefined) stuck = await probe(store)
      await fold()
    } catch (error) {
      log('error', 'ledger.fold_failed', { rows: queue.length, failures, reason: reasonOf(error) })
      if (stuck === undefined) await look()
    }
    busy = false
    if (queue.length === 0) onEmpty()
    else schedule()
  }

  return {
    add(settled) {
      queue.push(settled)
      added++
      schedule()
    },
    fold,
    pending: () => queue.length,
    failure: () => stuck,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

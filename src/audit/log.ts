/**
 * The audit log at work: every commit that changes what an operator keeps gets its rows in the same transaction, so that
 * there is no change without a row. One writer at a time; several processes on one database meet at the row's number.
 */
import type { Clock, Log } from '../deps.ts'
import { createTurns } from '../keys/turns.ts'
import type { AuditRow, Op, Store } from '../store/store.ts'
import { type Change, changesOf, isWatched, releasesOf } from './changes.ts'
import { type Checkpoints, checkpointLine, parseCheckpoints } from './checkpoint.ts'
import { type Actor, type AuditHmac, chained, GENESIS, type Mark } from './entry.ts'
import { createRefusals, type Refusal, type RefusalCount } from './refusals.ts'
import { type Verdict, verifyLog } from './verify.ts'

/** Who makes the change that is being made. */
export interface Author {
  readonly actor: Actor
  readonly address: string | null
}

/** Carries the author from the door to the commit, through everything that waits in between (AsyncLocalStorage). */
export interface AuthorScope {
  current(): Author | undefined
  run<T>(author: Author, work: () => T): T
}

/** A file outside the database. */
export interface CheckpointFile {
  /** '' when there is none yet. */
  read(): Promise<string>
  /** One line with its end. What the database has committed by now is on the disk before the line is. */
  append(line: string): Promise<void>
}

export interface AuditOptions {
  readonly store: Store
  readonly hmac: AuditHmac
  readonly clock: Clock
  readonly scope: AuthorScope
  readonly log: Log
  /** Absent = nobody but the database remembers the head (Workers). */
  readonly checkpoints?: CheckpointFile
  /** Does the work after so many ms, without keeping the process alive. Absent = whoever counts refusals asks `due` and flushes. */
  readonly later?: (ms: number, work: () => void) => void
  /** Others write to the same database, and no request may wait for another one's promise (Workers): whoever is quicker has the number. */
  readonly isShared?: boolean
}

export interface AuditLog {
  /** The store for everybody: what changes something leaves its row. */
  readonly store: Store
  as<T>(author: Author, work: () => T): T
  /** A row for what is no write of the store, in one transaction with `also`. Rejects when it cannot be written: then it must not be done. */
  record(change: Change, also?: readonly Op[]): Promise<void>
  /** Counts a refusal; its row follows within ten seconds. Never throws and never waits. */
  refused(refusal: Refusal): void
  /** Writes the counted refusals. Rejects when the store does not take them; they are dropped then. */
  flush(): Promise<void>
  /** Are refusals counted that should be written by now? */
  due(): boolean
  /** Compares the newest checkpoint with the log, and says loudly when rows are gone. */
  begin(): Promise<void>
  verify(): Promise<Verdict>
  /** What is counted is written, and the head is noted outside: before a seal and at the end. Never rejects. */
  settle(): Promise<void>
}

const GATEWAY: Author = { actor: 'gateway', address: null }
const REFUSALS_MS = 10_000
/** How long a head may stand without a checkpoint: what is cut off within it nobody outside has seen. */
export const CHECKPOINT_MS = 1_000
const CHECKPOINT_ROWS = 256
const PAGE = 500
/** Others may have been quicker so many times. */
const TRIES = 32

const put = (row: AuditRow): Op => ({ op: 'put_audit', row })
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown')
const turnOfTheLoop = () => new Promise<void>(resolve => setTimeout(resolve, 0))

/** Appends one checkpoint after another; a head that was noted is not noted again. */
function createNotes(options: AuditOptions, head: () => Mark) {
  const { checkpoints, clock, hmac, later, log } = options
  const inTurn = createTurns()
  let noted = GENESIS.seq
  let isDue = false
  const note = () =>
    inTurn(async () => {
      isDue = false
      const mark = head()
      if (checkpoints === undefined || mark.seq <= noted) return
      try {
        await checkpoints.append(`${checkpointLine(hmac, mark, new Date(clock.now()).toISOString())}\n`)
        noted = mark.seq
      } catch (error) {
        log('warn', 'audit.checkpoint_not_written', { seq: mark.seq, message: messageOf(error) })
      }
    })
  return {
    note,
    /** The log has grown. */
    grown() {
      if (checkpoints === undefined) return
      if (head().seq - noted >= CHECKPOINT_ROWS) void note()
      else if (!isDue && later !== undefined) {
        isDue = true
        later(CHECKPOINT_MS, () => void note())
      }
    },
    begin(seq: number) {
      noted = seq
    },
  }
}

/** Reasons with which anybody can name any key. */
const UNPROVEN = new Set(['unknown', 'wrong_checksum', 'admin_token'])

/** A wrong secret for a key that exists is that key's business. */
async function refusalChange({ action, keyId, detail }: RefusalCount, store: Store): Promise<Change> {
  if (keyId === undefined) return { action, target: null, detail }
  if (!UNPROVEN.has(detail.reason)) return { action, target: `key:${keyId}`, detail }
  const exists = (await store.keyById(keyId)) !== undefined
  return exists
    ? {
        action,
        target: `key:${keyId}`,
        detail: detail.reason === 'unknown' ? { ...detail, reason: 'wrong_secret' } : detail,
      }
    : { action, target: null, detail: { ...detail, presented: keyId } }
}

/** Says what the newest checkpoint has seen and the log of a start has not. */
async function compareStart(store: Store, log: Log, newest: Mark, headSeq: number): Promise<void> {
  if (newest.seq === 0) {
    // so it is after a restore, and after a kill within the first second of its life
    const message = 'there are no checkpoints: rows cut off before now cannot be known'
    if (headSeq > 0) log('warn', 'audit.no_checkpoints', { head: headSeq, message })
    return
  }
  const [row] = await store.auditRows({ order: 'oldest', seq: newest.seq - 1, limit: 1 })
  if (row?.seq === newest.seq && row.hash === newest.hash) return
  log('error', 'audit.rows_missing', {
    checkpoint: newest.seq,
    head: headSeq,
    message: 'the database is older than its audit log was, or rows were taken out of it',
    cure: 'switchgate audit verify; if you have put back a backup on purpose, move audit.checkpoints away',
  })
}

/** Creates the log over a store; nothing is read until it is needed. */
export function createAuditLog(options: AuditOptions): AuditLog {
  const { store, hmac, clock, scope, log } = options
  const inTurn = options.isShared === true ? <T>(work: () => Promise<T>) => work() : createTurns()
  const refusals = createRefusals()
  let flushedMs = Number.NEGATIVE_INFINITY
  let head: Mark | undefined
  /** The furthest that this process has seen. */
  let peak = GENESIS
  const notes = createNotes(options, () => peak)

  async function readHead(): Promise<Mark> {
    const [row] = await store.auditRows({ order: 'newest', limit: 1 })
    return row === undefined ? GENESIS : { seq: row.seq, hash: row.hash }
  }

  function reached(mark: Mark): void {
    head = mark
    if (mark.seq > peak.seq) peak = mark
  }

  /** In a turn. `save` writes the rows together with what they tell of. */
  async function write(
    changes: () => Promise<readonly (Change & { readonly author: Author })[]>,
    save: (rows: readonly Op[]) => Promise<void>,
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      const from = head ?? (await readHead())
      const atMs = clock.now()
      const entries = (await changes()).map(({ author, action, target, detail }) => ({
        atMs,
        ...author,
        action,
        target,
        detail,
      }))
      const rows = chained(hmac, from, entries)
      const last = rows.at(-1) ?? from
      try {
        await save(rows.map(put))
        reached({ seq: last.seq, hash: last.hash })
        if (rows.length > 0) notes.grown()
        return
      } catch (error) {
        head = undefined
        const now = await readHead().catch(() => from)
        // Nobody was quicker, or what failed came after the commit: not to be done twice.
        if (now.hash === from.hash || now.hash === last.hash || tries === TRIES) throw error
      }
    }
  }

  const authored = (author: Author, all: readonly Change[]) => all.map(change => ({ ...change, author }))

  function commit(ops: readonly Op[], as?: string): Promise<void> {
    if (!ops.some(isWatched)) return store.commit(ops)
    const author = scope.current() ?? GATEWAY
    const changes = async () => authored(author, await changesOf(ops, store, as))
    return inTurn(() => write(changes, rows => store.commit([...ops, ...rows])))
  }

  function record(change: Change, also: readonly Op[] = []): Promise<void> {
    const author = scope.current() ?? GATEWAY
    return inTurn(() =>
      write(
        async () => authored(author, [change]),
        rows => store.commit([...also, ...rows]),
      ),
    )
  }

  async function flush(): Promise<void> {
    const counted = refusals.take()
    flushedMs = clock.now()
    if (counted.length === 0) return
    const changes = await Promise.all(
      counted.map(async count => ({
        ...(await refusalChange(count, store)),
        author: { actor: count.actor, address: count.address },
      })),
    )
    await inTurn(() =>
      write(
        async () => changes,
        rows => store.commit(rows),
      ),
    )
  }

  const flushed = () =>
    flush().catch((error: unknown) =>
      log('warn', 'audit.refusals_not_written', { message: messageOf(error) }),
    )

  const seen = async (): Promise<Checkpoints> =>
    parseCheckpoints(hmac, (await options.checkpoints?.read()) ?? '')

  return {
    store: {
      ...store,
      commit,
      correct(all, also = []) {
        const author = scope.current() ?? GATEWAY
        return inTurn(() =>
          write(
            async () => authored(author, releasesOf(all)),
            rows => store.correct(all, [...also, ...rows]),
          ),
        )
      },
    },
    as: (author, work) => scope.run(author, work),
    record,
    refused(refusal) {
      if (refusals.add(refusal, clock.now())) options.later?.(REFUSALS_MS, () => void flushed())
    },
    flush,
    due: () => refusals.any() && clock.now() - flushedMs >= REFUSALS_MS,
    async begin() {
      const { newest, forged } = await seen()
      reached(await readHead())
      notes.begin(newest.seq)
      if (forged !== undefined)
        log('error', 'audit.checkpoints_changed', { seq: forged, cure: 'switchgate audit verify' })
      if (options.checkpoints !== undefined) await compareStart(store, log, newest, head?.seq ?? 0)
    },
    async verify() {
      const known = peak
      const { marks, forged } = await seen()
      const read = (afterSeq: number) => store.auditRows({ order: 'oldest', seq: afterSeq, limit: PAGE })
      const verdict = await verifyLog({ hmac, read, marks, head: known, pause: turnOfTheLoop })
      if (!verdict.ok || forged === undefined) return verdict
      const message = 'the file of checkpoints has a line that this gateway did not write'
      return { ...verdict, ok: false, fault: { seq: forged, kind: 'checkpoint', message } }
    },
    async settle() {
      await flushed()
      await notes.note().catch(() => undefined)
    },
  }
}

/** The data plane's word for it: `Deps.refused`. */
export const refusedKey =
  (audit: Pick<AuditLog, 'refused'>) =>
  (reason: string, keyId: string | undefined, address: string): void =>
    audit.refused({ action: 'key.refused', reason, keyId, address })

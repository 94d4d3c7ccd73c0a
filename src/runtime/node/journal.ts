/** The ledger's journal in `<data>/journal/`: one write per turn of the event loop, and with `durability: power` one sync for all turns that wait. */
import type { Log } from '../../deps.ts'
import type { Journal } from '../../ledger/journal.ts'
import { openSegments, type Sync, type Write } from './segments.ts'

const RETRY_MS = 250

export type { Sync, Write }

export interface JournalOptions {
  /** True = a promise is kept through a power cut, not only through the death of the process. Asked at every turn. */
  readonly power?: () => boolean
  /** Brings what the store was told onto the disk; awaited before the journal forgets it. Only with power. */
  readonly syncStore?: () => Promise<void>
  readonly write?: Write
  readonly sync?: Sync
}

/** Lines that are written and being brought to the disk. */
interface Flight {
  readonly text: string
  readonly done: PromiseWithResolvers<void>
}

function deferred(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>()
  // Not everybody who causes a write waits for it.
  made.promise.catch(() => {})
  return made
}

const asError = (error: unknown) => (error instanceof Error ? error : new Error(String(error)))

/**
 * Opens the journal of this process in `folder`. Survives `kill -9`: a line that was written is in the kernel. With
 * `power` a flush resolves when fdatasync has: one sync runs at a time, off the main thread, and whatever was written
 * meanwhile shares the next one. The caller holds the data folder's lock, so nobody else writes here.
 */
export function openJournal(folder: string, log: Log, options: JournalOptions = {}): Journal {
  const { power = () => false, syncStore } = options
  const segments = openSegments(folder, options.write, options.sync)
  let text = ''
  let failure: Error | undefined
  let immediate: ReturnType<typeof setImmediate> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let turn: PromiseWithResolvers<void> | undefined
  const settledTurn = Promise.resolve()
  let closed = false
  /** Written, and no sync has begun since. */
  let unsafe = ''
  /** Everything of the newest segment before this is on the disk. */
  let safeEnd = 0
  let flight: Flight | undefined
  let dropping: Promise<void> | undefined

  function failed(error: unknown): void {
    const reason = asError(error)
    if (failure === undefined) log('error', 'journal.write_failed', { reason: reason.message })
    failure = reason
    turn?.reject(reason)
    turn = undefined
    if (closed) return
    clearTimeout(retry)
    retry = setTimeout(writeTurn, RETRY_MS)
    retry.unref()
  }

  function worked(): void {
    if (failure !== undefined) log('info', 'journal.writable_again')
    failure = undefined
  }

  /** Writes what is queued; false = it could not be. */
  function writeText(): boolean {
    try {
      if (text !== '') segments.write(text)
    } catch (error) {
      failed(error)
      return false
    }
    if (power() || flight !== undefined) unsafe += text
    text = ''
    return true
  }

  function answerTurn(): void {
    worked()
    turn?.resolve()
    turn = undefined
  }

  function writeTurn(): void {
    immediate = undefined
    if (!writeText() || flight !== undefined) return
    if (unsafe === '') answerTurn()
    else void syncAll()
  }

  /** Syncs until nothing is unsafe. Lines that were queued meanwhile are written first: who waits for a sync waits for them too. */
  async function syncAll(): Promise<void> {
    while (unsafe !== '') {
      const mine: Flight = { text: unsafe, done: turn ?? deferred() }
      const [segment, end] = [segments.newest(), segments.end()]
      flight = mine
      turn = undefined
      unsafe = ''
      try {
        await segments.sync()
      } catch (error) {
        flight = undefined
        // After a failed sync the kernel may call the same pages clean: only writing them again makes the next sync tell the truth.
        text = mine.text + unsafe + text
        unsafe = ''
        if (segment === segments.newest()) segments.rewind(safeEnd)
        mine.done.reject(asError(error))
        failed(error)
        return
      }
      if (segment === segments.newest()) safeEnd = end
      worked()
      mine.done.resolve()
      const isWritten = writeText()
      flight = undefined
      if (!isWritten) return
    }
    answerTurn()
  }

  /** The older segments are needed until the newest one and what the store was told are on the disk. */
  async function dropWhenSafe(first: number): Promise<void> {
    try {
      await segments.sync()
      await syncStore?.()
      segments.dropBefore(first)
    } catch (error) {
      log('warn', 'journal.older_kept', { reason: asError(error).message })
    }
  }

  return {
    append(line) {
      // The descriptor may belong to another file by now.
      if (closed) return
      text += `${line}\n`
      // While writing fails the retry timer is what writes.
      if (immediate === undefined && failure === undefined) immediate = setImmediate(writeTurn)
    },
    flush() {
      if (failure !== undefined) {
        const refused = Promise.reject(failure)
        refused.catch(() => {})
        return refused
      }
      if (text === '' && unsafe === '') return flight?.done.promise ?? settledTurn
      turn ??= deferred()
      return turn.promise
    },
    failure: () => failure,
    size: () => segments.end() + text.length,
    rotate(lines) {
      segments.next(lines.length === 0 ? '' : `${lines.join('\n')}\n`)
      if (!power()) {
        // Queued lines are covered too; whoever waits for them is answered at the end of the turn.
        text = ''
        segments.dropBefore(segments.newest())
        return
      }
      // What may not be on the disk yet is said once more: the carried lines do not stand for a settlement that only the store knows.
      text = unsafe + text
      unsafe = ''
      safeEnd = segments.end()
      if (text !== '' && failure === undefined) immediate ??= setImmediate(writeTurn)
      dropping = dropWhenSafe(segments.newest())
    },
    read: segments.read,
    async close() {
      if (closed) return
      closed = true
      clearImmediate(immediate)
      clearTimeout(retry)
      writeTurn()
      while (flight !== undefined) await flight.done.promise.catch(() => {})
      await dropping
      segments.close()
      if (failure !== undefined) throw failure
    },
  }
}

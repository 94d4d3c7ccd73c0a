/** The ledger's journal in `<data>/journal/`: numbered segments of lines, one write per turn of the event loop. */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Log } from '../../deps.ts'
import type { Journal } from '../../ledger/journal.ts'

const RETRY_MS = 250
const NAME = /^(\d{10})\.jsonl$/

/** Writes like `fs.writeSync(fd, bytes, offset, length, position)`; tests inject a full disk here. */
export type Write = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .map(name => NAME.exec(name)?.[1])
    .filter(digits => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

/**
 * Opens the journal of this process in `folder` (made with 0700; files 0600). Survives `kill -9`: a line that was
 * written is in the kernel. The caller holds the data folder's lock, so nobody else writes here.
 */
export function openJournal(folder: string, log: Log, write: Write = writeSync): Journal {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const pathOf = (number: number) => join(folder, `${String(number).padStart(10, '0')}.jsonl`)
  const earlier = numbersIn(folder)
  let older = [...earlier]
  let number = (earlier.at(-1) ?? 0) + 1
  let fd = openSync(pathOf(number), 'wx', 0o600)
  /** End of the last whole write: a failed write is written over, so a segment never holds half a line in its middle. */
  let end = 0
  let text = ''
  let failure: Error | undefined
  let immediate: ReturnType<typeof setImmediate> | undefined
  let retry: ReturnType<typeof setTimeout> | undefined
  let turn: PromiseWithResolvers<void> | undefined
  const settledTurn = Promise.resolve()
  let closed = false

  function writeAll(to: number, lines: string, from: number): number {
    const bytes = Buffer.from(lines, 'utf8')
    let done = 0
    while (done < bytes.length) done += write(to, bytes, done, bytes.length - done, from + done)
    return from + bytes.length
  }

  function writeTurn(): void {
    immediate = undefined
    const waiting = turn
    turn = undefined
    try {
      if (text !== '') end = writeAll(fd, text, end)
      text = ''
      if (failure !== undefined) log('info', 'journal.writable_again')
      failure = undefined
      waiting?.resolve()
    } catch (error) {
      const reason = error instanceof Error ? error : new Error(String(error))
      if (failure === undefined) log('error', 'journal.write_failed', { reason: reason.message })
      failure = reason
      waiting?.reject(reason)
      if (!closed) {
        clearTimeout(retry)
        retry = setTimeout(writeTurn, RETRY_MS)
        retry.unref()
      }
    }
  }

  function dropOlder(): void {
    older = older.filter(old => {
      try {
        unlinkSync(pathOf(old))
        return false
      } catch (error) {
        return (error as NodeJS.ErrnoException).code !== 'ENOENT'
      }
    })
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
      if (text === '') return settledTurn
      if (turn === undefined) {
        turn = Promise.withResolvers()
        turn.promise.catch(() => {})
      }
      return turn.promise
    },
    failure: () => failure,
    size: () => end + text.length,
    rotate(lines) {
      const next = number + 1
      const nextFd = openSync(pathOf(next), 'wx', 0o600)
      let nextEnd = 0
      try {
        nextEnd = lines.length === 0 ? 0 : writeAll(nextFd, `${lines.join('\n')}\n`, 0)
      } catch (error) {
        closeSync(nextFd)
        unlinkSync(pathOf(next))
        throw error
      }
      closeSync(fd)
      older.push(number)
      fd = nextFd
      number = next
      end = nextEnd
      // Queued lines are covered too; whoever waits for them is answered at the end of the turn.
      text = ''
      dropOlder()
    },
    *read() {
      for (const old of earlier) {
        const lines = readFileSync(pathOf(old), 'utf8').split('\n')
        // What follows the last line break is torn, or nothing.
        for (let i = 0; i < lines.length - 1; i++) yield lines[i] as string
      }
    },
    async close() {
      if (closed) return
      closed = true
      clearImmediate(immediate)
      clearTimeout(retry)
      writeTurn()
      closeSync(fd)
      if (failure !== undefined) throw failure
    },
  }
}

/** Numbered files of lines in a folder, for the journal: append, start the next, forget the older, bring it all to the disk. */
import {
  closeSync,
  fdatasync,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const TURN_BYTES = 1 << 16
/** UTF-8 of one unit of a JavaScript string, at most. */
const BYTES_PER_UNIT_MAX = 3

const NAME = /^(\d{10})\.jsonl$/

/** Writes like `fs.writeSync(fd, bytes, offset, length, position)`; tests inject a full disk here. */
export type Write = (
  fd: number,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
) => number

/** Brings an open file to the disk, like `fs.fdatasync`, off the main thread; tests inject a slow or broken disk here. */
export type Sync = (fd: number) => Promise<void>

export interface Segments {
  /** Appends to the newest segment. Throws when it cannot; the next write goes over what was half written. */
  write(text: string): void
  /** Takes the end of the newest segment back: what follows is written over. */
  rewind(end: number): void
  /** Bytes in the newest segment. */
  end(): number
  /** Starts a segment with this text. Throws, changing nothing, when it cannot. The older ones stay. */
  next(text: string): void
  /** Number of the newest segment. */
  newest(): number
  /** Forgets all segments before this number. */
  dropBefore(number: number): void
  /** Resolves when the newest segment, and that it exists, would survive a power cut. */
  sync(): Promise<void>
  /** Lines that were there at the start, oldest first, without a torn last line. */
  read(): Iterable<string>
  close(): void
}

function numbersIn(folder: string): number[] {
  return readdirSync(folder)
    .map(name => NAME.exec(name)?.[1])
    .filter(digits => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

const syncData: Sync = promisify(fdatasync)
const syncAll = promisify(fsync)

/** A new file in a folder is on the disk only when the folder is. Windows has no such call and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  try {
    await syncAll(fd)
  } finally {
    closeSync(fd)
  }
}

/** Writes a text at this place of a file; where it ends. The lines of a usual turn are encoded in one place that is used again. */
function createWriter(write: Write): (to: number, text: string, from: number) => number {
  const turn = Buffer.allocUnsafeSlow(TURN_BYTES)
  return (to, text, from) => {
    const fits = text.length * BYTES_PER_UNIT_MAX <= TURN_BYTES
    const bytes = fits ? turn : Buffer.from(text, 'utf8')
    const length = fits ? turn.write(text, 0, 'utf8') : bytes.length
    let done = 0
    while (done < length) done += write(to, bytes, done, length - done, from + done)
    return from + length
  }
}

/** Opens `folder` (made with 0700; files 0600) and starts a segment after those that are there. */
export function openSegments(folder: string, write: Write = writeSync, sync: Sync = syncData): Segments {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const pathOf = (number: number) => join(folder, `${String(number).padStart(10, '0')}.jsonl`)
  const earlier = numbersIn(folder)
  let older = [...earlier]
  let number = (earlier.at(-1) ?? 0) + 1
  let fd = openSync(pathOf(number), 'wx', 0o600)
  /** End of the last whole write: a failed write is written over, so a segment never holds half a line in its middle. */
  let end = 0
  /** The segment whose name is known to be on the disk. */
  let named = 0
  /** Syncs that are under way: a descriptor is closed after the last of them, its number may belong to another file. */
  const syncing = new Map<number, number>()
  const writeAll = createWriter(write)
  const doomed = new Set<number>()

  function closeLater(old: number): void {
    if (syncing.has(old)) doomed.add(old)
    else closeSync(old)
  }

  async function syncNewest(): Promise<void> {
    const [at, on] = [fd, number]
    syncing.set(at, (syncing.get(at) ?? 0) + 1)
    try {
      await sync(at)
      if (named < on) await syncFolder(folder)
      named = Math.max(named, on)
    } finally {
      const left = (syncing.get(at) as number) - 1
      if (left > 0) syncing.set(at, left)
      else syncing.delete(at)
      if (left === 0 && doomed.delete(at)) closeSync(at)
    }
  }

  return {
    write(text) {
      end = writeAll(fd, text, end)
    },
    rewind(to) {
      end = to
    },
    end: () => end,
    next(text) {
      const after = number + 1
      const nextFd = openSync(pathOf(after), 'wx', 0o600)
      let nextEnd: number
      try {
        nextEnd = writeAll(nextFd, text, 0)
      } catch (error) {
        closeSync(nextFd)
        unlinkSync(pathOf(after))
        throw error
      }
      closeLater(fd)
      older.push(number)
      fd = nextFd
      number = after
      end = nextEnd
    },
    newest: () => number,
    dropBefore(first) {
      older = older.filter(old => {
        if (old >= first) return true
        try {
          unlinkSync(pathOf(old))
          return false
        } catch (error) {
          return (error as NodeJS.ErrnoException).code !== 'ENOENT'
        }
      })
    },
    sync: syncNewest,
    *read() {
      for (const old of earlier) {
        const lines = readFileSync(pathOf(old), 'utf8').split('\n')
        // What follows the last line break is torn, or nothing.
        for (let i = 0; i < lines.length - 1; i++) yield lines[i] as string
      }
    },
    close: () => closeLater(fd),
  }
}

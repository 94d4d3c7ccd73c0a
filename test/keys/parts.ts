/** Real parts for the tests of keys and vault: a database on disk, real hashes, a clock that is set by hand. */
import { createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../src/deps.ts'
import { createKeyBook, type KeyBook, type KeyBookOptions } from '../../src/keys/book.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { logbook } from '../runtime/recorder.ts'

export const bytes = (count: number): Uint8Array => new Uint8Array(randomBytes(count))

/** HMAC-SHA-256 with a pepper that is its own version number: real, and the same after a restart. */
export const hmac = (version: number, text: string): string =>
  createHmac('sha256', `pepper ${version}`).update(text).digest('hex')

export interface HandClock extends Clock {
  nowMs: number
}

export function handClock(nowMs = Date.UTC(2026, 0, 15, 12)): HandClock {
  return {
    nowMs,
    now() {
      return this.nowMs
    },
    monotonic() {
      return this.nowMs
    },
  }
}

/** A folder that is removed by `clean`. */
export function temporary(): { path: string; clean: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'switchgate-'))
  return { path, clean: () => rmSync(path, { recursive: true, force: true }) }
}

export interface Bench {
  readonly store: Store
  readonly clock: HandClock
  readonly lines: ReturnType<typeof logbook>['lines']
  /** Opens (again) a book over the same database, as a restart would. */
  book(more?: Partial<KeyBookOptions>): Promise<KeyBook>
  clean(): Promise<void>
}

export function bench(): Bench {
  const folder = temporary()
  const store = openSqlite(join(folder.path, 'switchgate.db'))
  const clock = handClock()
  const { lines, log } = logbook()
  return {
    store,
    clock,
    lines,
    book: more =>
      createKeyBook({ store, peppers: [1], hmac, clock, env: 'live', randomBytes: bytes, log, ...more }),
    async clean() {
      await store.close()
      folder.clean()
    },
  }
}

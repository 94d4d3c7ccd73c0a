/** The journal on real files: turns, torn tails, a full disk, rotation. */
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { GatewayError } from '../../src/errors.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { formatEntry } from '../../src/ledger/journal.ts'
import { replay } from '../../src/ledger/recover.ts'
import { openJournal, type Write } from '../../src/runtime/node/journal.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { until } from '../waiting.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})
const freshFolder = () => join(createFolderFor(cleanups), 'journal')
const contents = (folder: string) =>
  readdirSync(folder)
    .sort()
    .map(name => readFileSync(join(folder, name), 'utf8'))
const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** A disk that is full while `full`, after letting through the first `torn` bytes of a write. */
function createDisk() {
  const disk = { full: false, torn: 0, writes: 0 }
  const write: Write = (fd, bytes, offset, length, position) => {
    disk.writes++
    if (!disk.full) return writeSync(fd, bytes, offset, length, position)
    if (disk.torn > 0) writeSync(fd, bytes, offset, Math.min(disk.torn, length), position)
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  }
  return { disk, write }
}

describe('journal files', () => {
  it('one write for everybody in a turn, and it is in the file when the promise resolves', async () => {
    const folder = freshFolder()
    const { disk, write } = createDisk()
    const journal = openJournal(folder, createTestLog(), { write })
    const promises: Promise<void>[] = []
    for (let i = 0; i < 50; i++) {
      journal.append(`{"line":${i}}`)
      promises.push(journal.flush())
    }
    expect(new Set(promises).size).toBe(1)
    expect(disk.writes).toBe(0)
    await promises[0]
    expect(disk.writes).toBe(1)
    expect(contents(folder)).toEqual([Array.from({ length: 50 }, (_, i) => `{"line":${i}}\n`).join('')])
    await journal.flush()
    expect(disk.writes).toBe(1)
    await journal.close()
  })

  it('is private, and a line that nobody waits for is written all the same', async () => {
    const folder = freshFolder()
    const journal = openJournal(folder, createTestLog())
    journal.append('x')
    await sleep(5)
    expect(contents(folder)).toEqual(['x\n'])
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600)
    await journal.close()
  })

  it('a short write is carried on', async () => {
    const folder = freshFolder()
    const journal = openJournal(folder, createTestLog(), {
      write: (fd, bytes, offset, length, position) =>
        writeSync(fd, bytes, offset, Math.min(3, length), position),
    })
    journal.append('äöü and more')
    await journal.flush()
    expect(contents(folder)).toEqual(['äöü and more\n'])
    await journal.close()
  })

  it('reads whole lines of all segments in order and leaves out a torn end', async () => {
    const folder = freshFolder()
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, '0000000002.jsonl'), 'c\nd\n{"torn')
    writeFileSync(join(folder, '0000000001.jsonl'), 'a\nb\n')
    writeFileSync(join(folder, 'notes.txt'), 'not ours\n')
    const journal = openJournal(folder, createTestLog())
    journal.append('new')
    await journal.flush()
    expect([...journal.read()]).toEqual(['a', 'b', 'c', 'd'])
    journal.rotate(['kept'])
    expect(readdirSync(folder).sort()).toEqual(['0000000004.jsonl', 'notes.txt'])
    await journal.close()
    expect([...openJournal(folder, createTestLog()).read()]).toEqual(['kept'])
  })

  it('a full disk refuses, keeps the lines, heals by itself, and leaves no half line inside', async () => {
    const folder = freshFolder()
    const { disk, write } = createDisk()
    const log = createTestLog()
    const journal = openJournal(folder, log, { write })
    journal.append('first')
    await journal.flush()
    disk.full = true
    disk.torn = 4
    journal.append('second line')
    await expect(journal.flush()).rejects.toThrow('ENOSPC')
    journal.append('third')
    await expect(journal.flush()).rejects.toThrow('ENOSPC')
    expect(journal.failure()?.message).toContain('ENOSPC')
    expect(() => journal.rotate(['carried'])).toThrow('ENOSPC')
    expect(readdirSync(folder)).toHaveLength(1)
    disk.full = false
    for (let i = 0; i < 50 && journal.failure() !== undefined; i++) await sleep(20)
    await journal.flush()
    expect(contents(folder)).toEqual(['first\nsecond line\nthird\n'])
    expect(log.lines).toEqual(['error journal.write_failed', 'info journal.writable_again'])
    await journal.close()
  })

  it('an append after the end is nothing, and a failing last write is told', async () => {
    const folder = freshFolder()
    const { disk, write } = createDisk()
    const journal = openJournal(folder, createTestLog(), { write })
    journal.append('x')
    disk.full = true
    await expect(journal.close()).rejects.toThrow('ENOSPC')
    journal.append('y')
    await sleep(5)
    expect(contents(folder)).toEqual([''])
  })
})

describe('ledger on a full disk', () => {
  it('refuses new work with storage_unavailable, bills what runs, and goes on when there is room', async () => {
    const folder = freshFolder()
    const { disk, write } = createDisk()
    const log = createTestLog()
    const store = createMemoryStore()
    const ledger = createLedger({
      store,
      journal: openJournal(folder, log, { write }),
      clock: createTestClock(),
      log,
    })
    await ledger.recover()
    const key = keyOf({ budgets: [budget('total', 10_000)] })
    const running = held(ledger.hold(key, 'running.1', 500))
    await ledger.durable()
    disk.full = true
    const refused = held(ledger.hold(key, 'refused.1', 500))
    const failure = await ledger.durable().catch(error => error)
    expect(failure).toBeInstanceOf(GatewayError)
    expect(failure).toMatchObject({ kind: 'storage_unavailable', status: 503, shouldRetry: true })
    expect(failure.message).not.toContain('ENOSPC')
    ledger.settle(refused, rowOf(refused, { costNanoUsd: 0 }))
    expect(() => ledger.hold(key, 'more.1', 1)).toThrow(GatewayError)
    ledger.settle(running, rowOf(running, { costNanoUsd: 400 }))
    // nobody looks at this one: no unhandled rejection may come of it
    void ledger.durable()
    await ledger.fold()
    expect((await store.request('running'))?.attempts[0]?.costNanoUsd).toBe(400)
    expect(ledger.usageOf(key)[0]).toMatchObject({ spentNanoUsd: 400, heldNanoUsd: 0 })
    disk.full = false
    await sleep(300)
    const after = held(ledger.hold(key, 'after.1', 1))
    await ledger.durable()
    ledger.settle(after, rowOf(after, { costNanoUsd: 1 }))
    await ledger.close()
    expect(contents(folder)).toEqual([''])
  })
})

describe('rotation', () => {
  it('carries open holds over, grown ones at their size, and forgets what is in the store', async () => {
    const folder = freshFolder()
    const memory = createMemoryStore()
    const log = createTestLog()
    // nothing is in the store, so nothing may be forgotten, until the journal was looked at
    let letIn = () => {}
    const looked = new Promise<void>(resolve => {
      letIn = resolve
    })
    const store: Store = {
      ...memory,
      async fold(...given) {
        await looked
        return memory.fold(...given)
      },
    }
    const ledger = createLedger({ store, journal: openJournal(folder, log), clock: createTestClock(), log })
    await ledger.recover()
    const key = keyOf({ budgets: [budget('total', 1e9)] })
    const open = held(ledger.hold(key, 'open.1', 500))
    expect(ledger.extend(open, 250)).toBe(true)
    const user = 'u'.repeat(4_000)
    for (let i = 0; i < 1_500; i++) {
      const hold = held(ledger.hold(key, `r${i}.1`, 10))
      ledger.settle(hold, rowOf(hold, { costNanoUsd: 5, user }))
      if (i % 100 === 0) await ledger.durable()
    }
    await ledger.durable()
    expect(contents(folder).join('').length).toBeGreaterThan(4 << 20)
    letIn()
    await until(() => contents(folder).join('').length <= 10_000)
    const replayed = replay(contents(folder).join('').split('\n').slice(0, -1))
    expect(replayed.settled).toEqual([])
    expect(replayed.interrupted.map(({ row }) => [row.id, row.costNanoUsd])).toEqual([['open.1', 750]])
    expect(log.lines).toEqual([])
    await ledger.close()
  })
})

describe('replay', () => {
  const key = keyOf({ budgets: [budget('day', 1_000)] })

  it('counts damage, goes on, and lets only the last attempt of a request end it', () => {
    const hold = (id: string, nanoUsd: number, facts = {}) =>
      formatEntry({
        say: 'hold',
        id,
        atMs: 1,
        keyId: key.id,
        lineage: key.lineage,
        project: null,
        nanoUsd,
        buckets: [],
        facts,
      })
    const { settled, interrupted, damaged } = replay([
      hold('a.1', 10),
      'garbage',
      hold('a.2', 20),
      '{"say":"settle"}',
      hold('b.1', 0),
      hold('c.1', 0, { priceId: 'free' }),
      'null',
      JSON.stringify({ say: 'extend', id: 'gone.1', nanoUsd: 5 }),
    ])
    expect(settled).toEqual([])
    expect(damaged).toBe(3)
    expect(interrupted.map(({ row }) => [row.id, row.last, row.costNanoUsd])).toEqual([
      ['a.1', false, 10],
      ['a.2', true, 20],
      ['b.1', true, null],
      ['c.1', true, 0],
    ])
  })

  it('a damaged segment does not stop a start', async () => {
    const folder = freshFolder()
    const first = openJournal(folder, createTestLog())
    await first.close()
    appendFileSync(join(folder, '0000000001.jsonl'), '\u0000\u0000\n{"say":"hold","id":"a.1"\n')
    const log = createTestLog()
    const ledger = createLedger({
      store: createMemoryStore(),
      journal: openJournal(folder, log),
      clock: createTestClock(),
      log,
    })
    expect(await ledger.recover()).toEqual({ settled: 0, interrupted: 0, chargedNanoUsd: 0, damaged: 2 })
    expect(log.lines).toEqual(['error ledger.journal_damaged'])
    await ledger.close()
  })
})

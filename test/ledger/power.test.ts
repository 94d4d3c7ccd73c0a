/** `durability: power` on a disk that loses what was not synced: acknowledged promises are there after a cut at any instant. */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createLedger } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { Store } from '../../src/store/store.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, rowOf } from './parts.ts'
import { sleep, until } from '../waiting.ts'

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})
const turn = () => new Promise(resolve => setImmediate(resolve))

/** A disk whose syncs end when told, and that keeps apart what was synced: `cut` makes a folder as a power cut would leave it. */
function createPowerDisk() {
  const synced = new Map<string, Buffer>()
  const waiting: (() => void)[] = []
  const disk = { syncs: 0, broken: false, automatic: false, writes: 0 }
  const sync = async (fd: number) => {
    disk.syncs++
    const path = readlinkSync(`/proc/self/fd/${fd}`)
    // What reaches the disk is what was written before the sync began.
    const bytes = readFileSync(path)
    if (!disk.automatic) await new Promise<void>(resolve => waiting.push(resolve))
    else await turn()
    if (disk.broken) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' })
    synced.set(basename(path), bytes)
  }
  return {
    disk,
    sync,
    write: (...[fd, bytes, offset, length, position]: Parameters<typeof writeAt>) => {
      disk.writes++
      return writeAt(fd, bytes, offset, length, position)
    },
    finish: () => {
      for (const done of waiting.splice(0)) done()
    },
    /** Segments that were deleted stay deleted. */
    cut(from: string, to: string) {
      rmSync(to, { recursive: true, force: true })
      mkdirSync(to, { recursive: true })
      for (const name of readdirSync(from)) writeFileSync(join(to, name), synced.get(name) ?? '')
    },
  }
}

const writeAt = (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) =>
  writeSync(fd, bytes, offset, length, position)

/** Has this promise ended by now? The folder of the journal is synced by the real disk, which takes a moment. */
async function ended(promise: Promise<unknown>, waitMs = 0): Promise<boolean> {
  let done = false
  promise.then(
    () => (done = true),
    () => (done = true),
  )
  for (let i = 0; i < 5 || (!done && i * 5 < waitMs); i++) await (waitMs === 0 ? turn() : sleep(5))
  return done
}
const LONG = 10_000

describe.runIf(process.platform === 'linux')('a journal that survives a power cut', () => {
  it('acknowledges after the sync, and all who came meanwhile share the next one', async () => {
    const folder = join(createFolderFor(cleanups), 'journal')
    const { disk, sync, write, finish } = createPowerDisk()
    const journal = openJournal(folder, createTestLog(), { power: () => true, sync, write })
    journal.append('first')
    const first = journal.flush()
    expect(await ended(first)).toBe(false)
    expect(readFileSync(join(folder, '0000000001.jsonl'), 'utf8')).toBe('first\n')
    const later: Promise<void>[] = []
    for (let i = 0; i < 20; i++) {
      journal.append(`later ${i}`)
      later.push(journal.flush())
      await turn()
    }
    expect([disk.syncs, new Set(later).size]).toEqual([1, 1])
    finish()
    expect(await ended(first, LONG)).toBe(true)
    expect([disk.syncs, await ended(later[0] as Promise<void>)]).toEqual([2, false])
    // asked for again while it is under way: the same answer, no third sync
    expect(await ended(journal.flush())).toBe(false)
    finish()
    expect(await ended(later[0] as Promise<void>, LONG)).toBe(true)
    expect(await ended(journal.flush())).toBe(true)
    expect(disk.syncs).toBe(2)
    const closing = journal.close()
    finish()
    await closing
  })

  it('nobody syncs without power', async () => {
    const folder = join(createFolderFor(cleanups), 'journal')
    const { disk, sync, write } = createPowerDisk()
    const journal = openJournal(folder, createTestLog(), { sync, write })
    journal.append('x')
    await journal.flush()
    journal.rotate(['y'])
    await journal.close()
    expect(disk.syncs).toBe(0)
  })

  it('a failed sync refuses, and the same lines are written again before the next one is believed', async () => {
    const folder = join(createFolderFor(cleanups), 'journal')
    const { disk, sync, write } = createPowerDisk()
    disk.automatic = true
    const log = createTestLog()
    const journal = openJournal(folder, log, { power: () => true, sync, write })
    journal.append('safe')
    await journal.flush()
    disk.broken = true
    journal.append('shaky')
    await expect(journal.flush()).rejects.toThrow('EIO')
    expect(journal.failure()?.message).toContain('EIO')
    await expect(journal.flush()).rejects.toThrow('EIO')
    journal.append('later')
    const before = disk.writes
    disk.broken = false
    await until(() => journal.failure() === undefined)
    await journal.flush()
    expect(disk.writes).toBeGreaterThan(before)
    expect(readFileSync(join(folder, '0000000001.jsonl'), 'utf8')).toBe('safe\nshaky\nlater\n')
    expect(log.lines).toEqual(['error journal.write_failed', 'info journal.writable_again'])
    await journal.close()
  })

  it('keeps the older segments until the newest and what the store was told are on the disk', async () => {
    const folder = join(createFolderFor(cleanups), 'journal')
    const { disk, sync, write } = createPowerDisk()
    disk.automatic = true
    const log = createTestLog()
    const store = Promise.withResolvers<void>()
    let isBroken = true
    const journal = openJournal(folder, log, {
      power: () => true,
      sync,
      write,
      syncStore: () => (isBroken ? Promise.reject(new Error('EIO')) : store.promise),
    })
    journal.append('settled')
    await journal.flush()
    journal.rotate(['carried'])
    await until(() => log.lines.length > 0)
    // the store may have lost it: nothing is forgotten
    expect(log.lines).toEqual(['warn journal.older_kept'])
    expect(readdirSync(folder).sort()).toEqual(['0000000001.jsonl', '0000000002.jsonl'])
    isBroken = false
    journal.append('not yet on the disk')
    journal.rotate(['carried on'])
    for (let i = 0; i < 10; i++) await turn()
    expect(readdirSync(folder)).toHaveLength(3)
    store.resolve()
    await until(() => readdirSync(folder).length === 1)
    expect(readdirSync(folder)).toEqual(['0000000003.jsonl'])
    // a line that only the store knew when the segment began is said once more
    expect(readFileSync(join(folder, '0000000003.jsonl'), 'utf8')).toBe('carried on\nnot yet on the disk\n')
    await journal.close()
  })

  it('40 cuts at any instant lose no acknowledged settlement and charge what was open', async () => {
    const root = createFolderFor(cleanups)
    const folder = join(root, 'journal')
    const { disk, sync, write, cut } = createPowerDisk()
    disk.automatic = true
    const log = createTestLog()
    const clock = createTestClock()
    const store = createMemoryStore()
    const ledger = createLedger({
      store,
      // the store's own disk never fails here: what it was told counts as lost until the journal forgot it
      journal: openJournal(folder, log, { power: () => true, sync, write }),
      clock,
      log,
    })
    await ledger.recover()
    const key = keyOf({ budgets: [budget('total', 1e12)] })
    const settled = new Set<string>()
    const promised = new Set<string>()
    let going = true
    let resting = false
    const caller = async (name: number) => {
      for (let i = 0; going; i++) {
        while (resting && going) await turn()
        const id = `c${name}n${i}.1`
        const hold = held(ledger.hold(key, id, 100))
        await ledger.durable()
        promised.add(id)
        for (let turns = (name + i) % 4; turns >= 0; turns--) await turn()
        ledger.settle(hold, rowOf(hold, { costNanoUsd: 60 }))
        await ledger.durable()
        settled.add(id)
      }
    }
    const callers = Array.from({ length: 20 }, (_, name) => caller(name))
    for (let round = 0; round < 40; round++) {
      resting = false
      for (let turns = 3 + (round % 7); turns >= 0; turns--) await turn()
      // those on their way go on, so that the cut falls anywhere in their lives
      resting = true
      const [mustSettle, mustHold] = [new Set(settled), new Set(promised)]
      const image = join(root, 'image')
      cut(folder, image)
      const copy = await copyOf(store)
      const after = createLedger({
        store: copy,
        journal: openJournal(image, createTestLog()),
        clock,
        log: createTestLog(),
      })
      await after.recover()
      const rows = await costsIn(copy)
      expect([...mustSettle].filter(id => rows.get(id) !== 60)).toEqual([])
      expect([...mustHold].filter(id => rows.get(id) !== 60 && rows.get(id) !== 100)).toEqual([])
      await after.close()
    }
    going = false
    await Promise.all(callers)
    expect(settled.size).toBeGreaterThan(200)
    // one sync serves many
    expect(disk.syncs).toBeLessThan(promised.size * 2)
    await ledger.close()
  })
})

/** A store as it is now: a cut after this moment changes nothing in it. */
async function copyOf(store: Store): Promise<Store> {
  const copy = createMemoryStore()
  const { data } = await store.requests({ limit: 1_000_000 })
  await copy.fold(
    data.flatMap(request => [...request.attempts]),
    () => [],
  )
  return copy
}

async function costsIn(store: Store): Promise<Map<string, number | null>> {
  const { data } = await store.requests({ limit: 1_000_000 })
  return new Map(data.flatMap(request => request.attempts.map(row => [row.id, row.costNanoUsd] as const)))
}

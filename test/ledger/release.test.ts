/** What a crash charged in full and a person corrects: budgets of every holder, sums, rows, restarts. Real SQLite and journal, a process that dies. */
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { type Check, checkLedger } from '../../src/ledger/check.ts'
import { createLedger, type LedgerOwner } from '../../src/ledger/ledger.ts'
import { openJournal } from '../../src/runtime/node/journal.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import type { Project } from '../../src/terms.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, NOON, rowOf } from './parts.ts'

const HOUR = 3_600_000
const cleanups: (() => void)[] = []
const open: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0)) await close()
  for (const clean of cleanups.splice(0).reverse()) clean()
})

const projectOf = (id: string): Project => ({
  id,
  name: id,
  status: 'active',
  createdAtMs: NOON,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets: [budget('month', 1_000_000)],
  metadata: {},
})
const PROJECTS = [projectOf('blue'), projectOf('organisation')]
const scoped = (kind: 'user' | 'tag' | 'model') => ({
  ...budget('day', 100_000),
  scope: { kind, name: null },
})
const key = keyOf({
  project: 'blue',
  budgets: [budget('day', 10_000), budget('5h', 10_000), scoped('user'), scoped('tag'), scoped('model')],
})
const FACTS = { model: 'gpt-5', provider: 'openai', user: 'ann', tags: ['x', 'y'], why: 'only one' }

function setup() {
  const folder = createFolderFor(cleanups)
  const clock = createTestClock()
  const log = createTestLog()
  /** A new process over the folder; the one before is simply gone: nothing of it is closed. */
  async function start(): Promise<{ ledger: LedgerOwner; store: Store }> {
    const store = openSqlite(join(folder, 'switchgate.db'))
    const ledger = createLedger({ store, journal: openJournal(join(folder, 'journal'), log), clock, log })
    await store.commit([
      { op: 'put_key', key },
      ...PROJECTS.map(project => ({ op: 'put_project', project }) as const),
    ])
    await ledger.recover()
    open.push(async () => {
      await ledger.close().catch(() => {})
      await store.close()
    })
    return { ledger, store }
  }
  return { clock, log, start }
}

const spentIn = (ledger: LedgerOwner) => [
  ...ledger.usageOf(key).map(use => use.spentNanoUsd),
  ...PROJECTS.flatMap(project => ledger.usageOfProject(project).map(use => use.spentNanoUsd)),
]
const wrong = (checks: readonly Check[]) => checks.filter(check => check.differences.length > 0)
const checked = (ledger: LedgerOwner, store: Store, nowMs: number) =>
  checkLedger({ store, ledger, keys: [key], projects: PROJECTS, nowMs, pause: async () => {} })

/** One request of 300 that ended, one of 4,000 that the crash caught. */
async function crashed() {
  const parts = setup()
  const first = await parts.start()
  const done = held(first.ledger.hold(key, 'req_done.1', 500, FACTS))
  first.ledger.settle(done, rowOf(done, { ...FACTS, project: 'blue', costNanoUsd: 300 }))
  held(first.ledger.hold(key, 'req_cut.1', 4_000, FACTS))
  await first.ledger.durable()
  return { ...parts, ...(await parts.start()) }
}

describe('releasing what a crash charged', () => {
  it('gives the money back to every budget, and rows, sums and buckets agree, after another crash too', async () => {
    const { ledger, store, clock, start, log } = await crashed()
    expect(spentIn(ledger)).toEqual([4_300, 4_300, 4_300, 4_300, 4_300, 4_300, 4_300])
    const answer = await ledger.release('req_cut', 0)
    expect(spentIn(ledger)).toEqual([300, 300, 300, 300, 300, 300, 300])
    expect(answer.attempts[0]).toMatchObject({
      costNanoUsd: 0,
      heldNanoUsd: 4_000,
      certainty: 'recovered',
      error: 'interrupted',
      why: `only one; charged $0.000004 after a crash, released ${new Date(clock.now()).toISOString()}`,
    })
    expect((await store.request('req_cut'))?.attempts).toEqual(answer.attempts)
    expect(log.lines).toContain('info ledger.released')
    clock.advance(2 * HOUR)
    expect(wrong(await checked(ledger, store, clock.now()))).toEqual([])
    const next = await start()
    expect(spentIn(next.ledger)).toEqual([300, 300, 300, 300, 300, 300, 300])
    expect(wrong(await checked(next.ledger, next.store, clock.now()))).toEqual([])
    const [total] = await next.store.spend({ fromMs: 0, toMs: clock.now() * 2, groupBy: [] })
    expect(total).toMatchObject({ requests: 2, attempts: 2, costNanoUsd: 300, unknownNanoUsd: 0 })
  })

  it('takes what it really cost, more than was held too', async () => {
    const { ledger, store, clock } = await crashed()
    await ledger.release('req_cut', 4_500)
    expect(spentIn(ledger)).toEqual([4_800, 4_800, 4_800, 4_800, 4_800, 4_800, 4_800])
    expect((await store.request('req_cut'))?.attempts[0]).toMatchObject({
      costNanoUsd: 4_500,
      overrunNanoUsd: 500,
    })
    clock.advance(2 * HOUR)
    expect(wrong(await checked(ledger, store, clock.now()))).toEqual([])
  })

  it('happens once: asked again, and at once, it changes nothing; another cost is a conflict', async () => {
    const { ledger } = await crashed()
    const answers = await Promise.all([ledger.release('req_cut', 100), ledger.release('req_cut', 100)])
    expect(answers[1]).toEqual(answers[0])
    expect(await ledger.release('req_cut', 100)).toEqual(answers[0])
    expect(spentIn(ledger)).toEqual([400, 400, 400, 400, 400, 400, 400])
    await expect(ledger.release('req_cut', 0)).rejects.toMatchObject({ status: 409, code: 'conflict' })
    expect(spentIn(ledger)[0]).toBe(400)
  })

  it('is for what is unknown only', async () => {
    const { ledger } = await crashed()
    await expect(ledger.release('req_done', 0)).rejects.toMatchObject({ status: 409 })
    await expect(ledger.release('req_none', 0)).rejects.toMatchObject({ kind: 'not_found' })
    // a stream that its provider broke off is not the crash of ours
    const hold = held(ledger.hold(key, 'req_broken.1', 700, FACTS))
    const end = { error: 'interrupted', certainty: 'estimated', costNanoUsd: 700, project: 'blue' } as const
    ledger.settle(hold, rowOf(hold, end))
    await expect(ledger.release('req_broken', 0)).rejects.toMatchObject({ status: 409 })
    expect(spentIn(ledger)[0]).toBe(5_000)
    // nobody could tell what it cost
    const absurd = held(ledger.hold(key, 'req_absurd.1', 600, FACTS))
    ledger.settle(absurd, rowOf(absurd, { certainty: 'exact', costNanoUsd: null, project: 'blue' }))
    expect(spentIn(ledger)[0]).toBe(5_600)
    await ledger.release('req_absurd', 0)
    expect(spentIn(ledger)[0]).toBe(5_000)
  })

  it('lets a request that waits for that money go on', async () => {
    const { ledger } = await crashed()
    const short = ledger.hold(key, 'req_next.1', 8_000, FACTS)
    expect(short).toMatchObject({ limit: 'key.budget.day' })
    const freed = ledger.freed(key, 60_000)
    await ledger.release('req_cut', 0)
    await freed
    held(ledger.hold(key, 'req_next.1', 8_000, FACTS))
  })

  it('of a window that has ended changes the books and not the new window', async () => {
    const { ledger, store, clock } = await crashed()
    clock.advance(24 * HOUR)
    await ledger.release('req_cut', 0)
    expect(ledger.usageOf(key)[0]).toMatchObject({ window: 'day', spentNanoUsd: 0 })
    expect(ledger.usageOfProject(PROJECTS[0] as Project)[0]).toMatchObject({ spentNanoUsd: 300 })
    expect(wrong(await checked(ledger, store, clock.now()))).toEqual([])
  })

  it('forgets its note with the row', async () => {
    const { store, clock } = await crashed()
    expect(await store.setting('charged.req_cut.1')).toBeDefined()
    await store.forgetRequests(clock.now() + 1, 10)
    expect(await store.setting('charged.req_cut.1')).toBeUndefined()
  })
})

describe('a limit that is raised', () => {
  it('is seen by the request that waits under the old one, of a key and of a project', async () => {
    const { start } = setup()
    const { ledger } = await start()
    const small = keyOf({ id: 'key000000002', lineage: 'key000000002', budgets: [budget('day', 1_000)] })
    held(ledger.hold(small, 'req_a.1', 900))
    const waits = async (who: typeof small, id: string) => {
      const short = ledger.hold(who, id, 500)
      expect(short).toMatchObject({ heldByOthers: true })
      await ledger.freed(who, 60_000, short as never)
      return held(ledger.hold(who, id, 500))
    }
    const first = waits(small, 'req_b.1')
    ledger.renew({ ...small, budgets: [budget('day', 2_000)] })
    expect((await first).heldNanoUsd).toBe(500)

    const member = keyOf({ id: 'key000000003', lineage: 'key000000003', project: 'blue' })
    const project = { ...(PROJECTS[0] as Project), budgets: [budget('month', 1_000)] }
    ledger.adopt([project])
    held(ledger.hold(member, 'req_c.1', 900))
    const second = waits(member, 'req_d.1')
    ledger.adopt([{ ...project, budgets: [budget('month', 2_000)] }])
    expect((await second).heldNanoUsd).toBe(500)
  })
})

/** The log at work over real SQLite: a change and its row are one, one chain whoever writes, refusals bounded, checkpoints outside. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, describe, expect, it } from 'vitest'
import { checkpointLine } from '../../src/audit/checkpoint.ts'
import { type AuditLog, type AuditOptions, type CheckpointFile, createAuditLog } from '../../src/audit/log.ts'
import { changedPaths } from '../../src/audit/paths.ts'
import { GatewayError } from '../../src/errors.ts'
import { createKeyBook } from '../../src/keys/book.ts'
import { createProjectBook } from '../../src/keys/projects.ts'
import { createAuthorScope } from '../../src/runtime/author.ts'
import { createCheckpointFile } from '../../src/runtime/node/audit.ts'
import { nodeRandomBytes } from '../../src/runtime/node/digest.ts'
import { createSqliteDriver, openSqlite } from '../../src/runtime/node/sqlite.ts'
import { createSqliteStore } from '../../src/store/sqlite.ts'
import type { Store } from '../../src/store/store.ts'
import { keyRow } from '../store/rows.ts'
import { hmac, keyed, logOf } from './chain.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-audit-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = () => join(folder, `${files++}.db`)

const clock = { now: () => 1_795_000_000_000, monotonic: () => performance.now() }
const logged: { level: string; event: string }[] = []
const log: AuditOptions['log'] = (level, event) => void logged.push({ level, event })

const openLog = (store: Store, more: Partial<AuditOptions> = {}): AuditLog =>
  createAuditLog({ store, hmac, clock, scope: createAuthorScope(), log, ...more })

const allRows = (store: Store) => store.auditRows({ order: 'oldest', limit: 10_000 })

async function booksOver(store: Store) {
  const projects = await createProjectBook({ store, clock, randomBytes: nodeRandomBytes, log })
  const keys = await createKeyBook({
    store,
    project: projects.get,
    peppers: [1],
    hmac: (_version, text) => keyed('pepper')(text),
    clock,
    env: 'live',
    randomBytes: nodeRandomBytes,
    log,
  })
  return { keys, projects }
}

/** The store, whose method number `at` from now on fails, once. */
function failingAt(store: Store): { readonly store: Store; arm(at: number): void; calls(): number } {
  let left = Number.POSITIVE_INFINITY
  let calls = 0
  const wrapped = Object.fromEntries(
    Object.entries(store).map(([name, member]) => [
      name,
      typeof member !== 'function'
        ? member
        : (...given: unknown[]) => {
            calls++
            left--
            if (left === 0) return Promise.reject(new GatewayError('storage_unavailable', 'the disk is gone'))
            return (member as (...all: unknown[]) => unknown)(...given)
          },
    ]),
  ) as unknown as Store
  return {
    store: wrapped,
    arm(at) {
      left = at
      calls = 0
    },
    calls: () => calls,
  }
}

/** What an operator keeps, without what differs from run to run. */
const picture = async (store: Store) => ({
  keys: (await store.keys()).map(({ name, status, limits, budgets, lineage, id }) => ({
    name,
    status,
    limits,
    budgets,
    isFirst: lineage === id,
  })),
  projects: await store.projects(),
})

describe('a change and its row', () => {
  type Books = Awaited<ReturnType<typeof booksOver>>
  const CHANGES: Readonly<Record<string, (books: Books, id: string) => Promise<unknown>>> = {
    create: ({ keys }) => keys.create({ name: 'made' }),
    patch: ({ keys }, id) => keys.patch(id, { limits: { rpm: 5 } }),
    'top up': ({ keys }, id) => keys.topUp(id, 1_000, 'once'),
    rotate: ({ keys }, id) => keys.rotate(id, 60),
    suspend: ({ keys }, id) => keys.setStatus(id, 'suspended'),
    revoke: ({ keys }, id) => keys.setStatus(id, 'revoked'),
    'make a project': ({ projects }) => projects.create('blue', {}),
  }

  it.each(Object.keys(CHANGES))('%s: storage that fails at any call leaves both or neither', async name => {
    const change = CHANGES[name] as NonNullable<(typeof CHANGES)[string]>
    for (let at = 1; ; at++) {
      const faulty = failingAt(openSqlite(fresh()))
      const audit = openLog(faulty.store)
      const books = await booksOver(audit.store)
      const { key } = await books.keys.create({
        name: 'first',
        budgets: [{ window: 'total', limitNanoUsd: 5_000, softNanoUsd: null }],
      })
      const [before, rowsBefore] = [await picture(faulty.store), (await allRows(faulty.store)).length]
      faulty.arm(at)
      const failed = await change(books, key.id).then(
        () => false,
        () => true,
      )
      const calls = faulty.calls()
      faulty.arm(Number.POSITIVE_INFINITY)
      const [after, rowsAfter] = [await picture(faulty.store), (await allRows(faulty.store)).length]
      const label = `${name}, call ${at} of ${calls}`
      if (failed) expect(after, label).toEqual(before)
      else expect(after, label).not.toEqual(before)
      expect(rowsAfter > rowsBefore, label).toBe(!failed)
      expect((await audit.verify()).ok, label).toBe(true)
      // the next change finds its place
      await books.keys.create({ name: 'after' })
      expect((await audit.verify()).ok, label).toBe(true)
      await faulty.store.close()
      if (calls < at) {
        expect(failed).toBe(false)
        expect(at).toBeGreaterThan(2)
        return
      }
      expect(failed, label).toBe(true)
    }
  })

  it('no row, no change: the engine itself undoes the change when the row cannot be written', async () => {
    const path = fresh()
    const opened = openSqlite(path)
    const audit = openLog(opened)
    const { keys } = await booksOver(audit.store)
    const { key } = await keys.create({ name: 'first' })
    const other = new Database(path)
    other.exec("create trigger full before insert on audit begin select raise(abort, 'full'); end")
    await expect(keys.patch(key.id, { name: 'second' })).rejects.toMatchObject({
      kind: 'storage_unavailable',
    })
    expect((await opened.keyById(key.id))?.name).toBe('first')
    expect(keys.get(key.id)?.name).toBe('first')
    other.exec('drop trigger full')
    other.close()
    await keys.patch(key.id, { name: 'second' })
    expect(await audit.verify()).toMatchObject({ ok: true, rows: 2 })
    await opened.close()
  })

  it('a failure after the commit is not done twice', async () => {
    const opened = openSqlite(fresh())
    let isLate = false
    const late: Store = {
      ...opened,
      async commit(ops) {
        await opened.commit(ops)
        if (isLate) throw new GatewayError('storage_unavailable', 'not on the disk')
      },
    }
    const audit = openLog(late)
    const { keys } = await booksOver(audit.store)
    isLate = true
    await expect(keys.create({ name: 'late' })).rejects.toThrow('not on the disk')
    isLate = false
    expect(await opened.keys()).toHaveLength(1)
    expect(await allRows(opened)).toHaveLength(1)
    await keys.create({ name: 'next' })
    expect(await audit.verify()).toMatchObject({ ok: true, rows: 2 })
    await opened.close()
  })
})

describe('one chain', () => {
  it('many changes at once stand one after another, each with its author', async () => {
    const opened = openSqlite(fresh())
    const audit = openLog(opened)
    const { keys } = await booksOver(audit.store)
    await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        audit.as({ actor: 'admin', address: `203.0.113.${i}` }, async () => {
          const { key } = await keys.create({ name: `k${i}` })
          await keys.setStatus(key.id, 'suspended')
        }),
      ),
    )
    const rows = await allRows(opened)
    expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1))
    const byAddress = Map.groupBy(rows, ({ address }) => address)
    expect(byAddress.size).toBe(60)
    for (const own of byAddress.values())
      expect(own.map(({ action }) => action)).toEqual(['key.create', 'key.suspend'])
    expect(await audit.verify()).toMatchObject({ ok: true, rows: 120 })
    await opened.close()
  })

  it('two writers that know nothing of each other keep one chain on one database', async () => {
    const path = fresh()
    const both = [openSqlite(path), openSqlite(path)].map(store => ({
      store,
      audit: openLog(store, { isShared: true }),
    }))
    await Promise.all(
      both.flatMap(({ audit }, writer) =>
        Array.from({ length: 12 }, (_, i) =>
          audit.store.commit([
            {
              op: 'put_key',
              key: keyRow({ id: `k${writer}_${i}`, hash: `${writer}-${i}`.padStart(64, '0') }),
            },
          ]),
        ),
      ),
    )
    for (const { audit, store } of both) {
      expect(await audit.verify()).toMatchObject({ ok: true, rows: 24 })
      await store.close()
    }
  })

  it('ten thousand rows are walked without holding anybody up', async () => {
    const path = fresh()
    const opened = openSqlite(path)
    const audit = openLog(opened)
    await opened.commit(logOf(10_000).map(row => ({ op: 'put_audit', row })))
    let turns = 0
    const timer = setInterval(() => turns++, 0)
    expect(await audit.verify()).toMatchObject({ ok: true, rows: 10_000 })
    clearInterval(timer)
    expect(turns).toBeGreaterThan(5)
    await opened.close()
  })
})

describe('refused keys', () => {
  it('leave one row for each kind, key and address, and only so many', async () => {
    const opened = openSqlite(fresh())
    let due: (() => void) | undefined
    const audit = openLog(opened, {
      later: (ms, work) => {
        if (ms === 10_000) due = work
      },
    })
    await opened.commit([{ op: 'put_key', key: keyRow({ id: 'known' }) }])
    const refuse = (reason: string, keyId: string | undefined, address: string) =>
      audit.refused({ action: 'key.refused', reason, keyId, address })
    for (let i = 0; i < 1_000; i++) refuse('revoked', 'known', '203.0.113.9')
    for (let i = 0; i < 10; i++) refuse('unknown', 'known', `2001:db8::${i}`)
    refuse('unknown', 'nobody', '203.0.113.9')
    refuse('malformed', undefined, '203.0.113.9')
    for (let i = 0; i < 5_000; i++) refuse('malformed', undefined, `198.51.${i % 250}.${i % 200}`)
    expect(await allRows(opened)).toEqual([])
    due?.()
    await expect.poll(async () => (await allRows(opened)).length).toBe(33)
    const rows = await allRows(opened)
    const told = rows.map(({ actor, address, target, detail }) => [
      actor,
      address,
      target,
      JSON.parse(detail) as { reason: string; count: number; presented?: string },
    ])
    expect(told.slice(0, 4)).toEqual([
      ['caller', '203.0.113.9', 'key:known', expect.objectContaining({ reason: 'revoked', count: 1_000 })],
      [
        'stranger',
        '2001:db8::0',
        'key:known',
        expect.objectContaining({ reason: 'wrong_secret', count: 10 }),
      ],
      ['stranger', '203.0.113.9', null, expect.objectContaining({ reason: 'unknown', presented: 'nobody' })],
      ['stranger', '203.0.113.9', null, expect.objectContaining({ reason: 'malformed', count: 1 })],
    ])
    expect(told.at(-1)?.slice(0, 3)).toEqual(['stranger', null, null])
    const total = told.reduce((sum, [, , , detail]) => sum + (detail as { count: number }).count, 0)
    expect(total).toBe(6_012)
    expect((await audit.verify()).ok).toBe(true)
    await opened.close()
  })

  it('that the store does not take trouble nobody', async () => {
    const faulty = failingAt(openSqlite(fresh()))
    const audit = openLog(faulty.store)
    audit.refused({ action: 'key.refused', reason: 'revoked', keyId: 'k', address: '203.0.113.9' })
    faulty.arm(1)
    logged.length = 0
    await audit.settle()
    expect(logged).toEqual([{ level: 'warn', event: 'audit.refusals_not_written' }])
    faulty.arm(Number.POSITIVE_INFINITY)
    await faulty.store.close()
  })
})

describe('checkpoints', () => {
  const ticking = (): { later: NonNullable<AuditOptions['later']>; tick(): void } => {
    const due: (() => void)[] = []
    return {
      later: (_ms, work) => void due.push(work),
      tick() {
        for (const work of due.splice(0)) work()
      },
    }
  }

  async function opened(path: string, checkpoints: CheckpointFile) {
    const store = openSqlite(path)
    const timer = ticking()
    const audit = openLog(store, { checkpoints, later: timer.later })
    logged.length = 0
    await audit.begin()
    return { store, audit, timer, told: logged.map(({ event }) => event) }
  }
  const rename = (audit: AuditLog, name: string) =>
    audit.store.commit([{ op: 'put_key', key: keyRow({ name }) }])

  it('find a cut tail and a database that was put back, at the start and by verify', async () => {
    const path = fresh()
    const file = join(folder, `${files}.checkpoints`)
    let synced = 0
    const checkpoints = createCheckpointFile(file, async () => void synced++)
    const first = await opened(path, checkpoints)
    expect(first.told).toEqual([])
    for (let i = 0; i < 5; i++) await rename(first.audit, `name ${i}`)
    await first.store.backup(`${path}.old`)
    first.timer.tick()
    for (let i = 5; i < 10; i++) await rename(first.audit, `name ${i}`)
    await first.audit.settle()
    // nothing has changed since: nothing is noted
    await first.audit.settle()
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
    expect(lines.at(-1)).toContain('v1 10 ')
    expect(synced).toBe(lines.length)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(await first.audit.verify()).toMatchObject({ ok: true, rows: 10 })
    await first.store.close()

    const cutter = new Database(path)
    cutter.exec('delete from audit where seq > 7')
    cutter.close()
    const second = await opened(path, checkpoints)
    expect(second.told).toEqual(['audit.rows_missing'])
    expect((await second.audit.verify()).fault).toMatchObject({ seq: 8, kind: 'truncate' })
    // going on does not hide it
    for (let i = 0; i < 5; i++) await rename(second.audit, `other ${i}`)
    expect((await second.audit.verify()).fault).toMatchObject({ seq: 10, kind: 'rollback' })
    await second.store.close()

    const nowhere = { read: async () => '', append: async () => {} }
    const moved = await opened(`${path}.old`, nowhere)
    expect(moved.told).toEqual(['audit.no_checkpoints'])
    await moved.store.close()
    const third = await opened(`${path}.old`, checkpoints)
    expect(third.told).toEqual(['audit.rows_missing'])
    expect((await third.audit.verify()).fault).toMatchObject({ seq: 6, kind: 'truncate' })
    await third.store.close()
  })

  it('a line that a crash has cut is ended, and a forged one is named', async () => {
    const path = fresh()
    const file = join(folder, `${files}.checkpoints`)
    writeFileSync(file, 'v1 3 abc')
    const checkpoints = createCheckpointFile(file, async () => {})
    const { audit, store, told } = await opened(path, checkpoints)
    expect(told).toEqual([])
    await rename(audit, 'a')
    await audit.settle()
    const text = readFileSync(file, 'utf8')
    expect(text.split('\n').map(line => line.slice(0, 8))).toEqual([
      'v1 3 abc',
      expect.stringMatching(/^v1 1 /),
      '',
    ])
    expect((await audit.verify()).ok).toBe(true)
    const forged = checkpointLine(keyed('not the audit key'), { seq: 1, hash: 'a'.repeat(64) }, 'now')
    writeFileSync(file, `${text}${forged}\n`)
    expect((await audit.verify()).fault).toMatchObject({ seq: 1, kind: 'checkpoint' })
    await store.close()
  })

  it('are written after so many rows at once, and never ahead of the database', async () => {
    const path = fresh()
    const lines: string[] = []
    let isBroken = true
    const { audit, store } = await opened(path, {
      read: async () => lines.join(''),
      append: async line => {
        if (isBroken) throw new Error('the disk is full')
        lines.push(line)
      },
    })
    const ops = Array.from({ length: 256 }, (_, i) => ({
      op: 'put_key' as const,
      key: keyRow({ id: `k${i}`, hash: `${i}`.padStart(64, '0') }),
    }))
    await audit.store.commit(ops)
    await audit.settle()
    expect(lines).toEqual([])
    expect(logged.map(({ event }) => event)).toContain('audit.checkpoint_not_written')
    isBroken = false
    await audit.settle()
    expect(lines.map(line => line.slice(0, 7))).toEqual(['v1 256 '])
    await store.close()
  })
})

describe('a configuration', () => {
  it('is compared by name alone', () => {
    const before = {
      routing: { strategy: 'price' },
      providers: { a: { headers: { x: 'secret' } } },
      list: [1],
    }
    const after = {
      routing: { strategy: 'latency' },
      providers: { a: { headers: { x: 'other' } }, b: {} },
      list: [1],
    }
    expect(changedPaths(before, before)).toEqual([])
    expect(changedPaths(before, after)).toEqual(['routing.strategy', 'providers.a.headers.x', 'providers.b'])
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`n${i}`, i]))
    expect(changedPaths({}, many)).toHaveLength(101)
    expect(changedPaths({}, many).at(-1)).toBe('and 50 more')
  })
})

describe('over D1’s driver', () => {
  it('a batch that fails leaves neither the change nor the row', async () => {
    const path = fresh()
    openSqlite(path).close()
    const database = new Database(path)
    const driver = createSqliteDriver(database, path)
    const audit = openLog(createSqliteStore({ ...driver, bulk: 'json' }), { isShared: true })
    database.exec("create trigger full before insert on audit begin select raise(abort, 'full'); end")
    await expect(audit.store.commit([{ op: 'put_key', key: keyRow() }])).rejects.toThrow()
    expect(await audit.store.keys()).toEqual([])
    database.close()
  })
})

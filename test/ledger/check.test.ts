/** The ledger held against itself: silent when all is well, and it names what was changed behind its back. Real SQLite. */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { type Check, checkLedger } from '../../src/ledger/check.ts'
import { createMemoryJournal } from '../../src/ledger/journal.ts'
import { createLedger } from '../../src/ledger/ledger.ts'
import { createRetention } from '../../src/ledger/retention.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import type { Project } from '../../src/terms.ts'
import { randomRows, T0 } from '../store/rows.ts'
import { budget, createFolderFor, createTestClock, createTestLog, held, keyOf, NOON, rowOf } from './parts.ts'

const DAY = 86_400_000
const cleanups: (() => void)[] = []
afterEach(() => {
  for (const clean of cleanups.splice(0).reverse()) clean()
})

const PROJECT: Project = {
  id: 'blue',
  name: 'blue',
  status: 'active',
  createdAtMs: NOON,
  limits: { rpm: null, tpm: null, rpd: null, concurrency: null },
  budgets: [budget('month', 1_000_000)],
  metadata: {},
}

async function setup() {
  const path = join(createFolderFor(cleanups), 'c.db')
  const store = openSqlite(path)
  const clock = createTestClock(Math.max(T0, NOON) + 3 * DAY)
  const ledger = createLedger({ store, journal: createMemoryJournal(), clock, log: createTestLog() })
  const key = keyOf({ budgets: [budget('day', 50_000), budget('total', 900_000)], project: 'blue' })
  await store.commit([
    { op: 'put_project', project: PROJECT },
    { op: 'put_key', key },
  ])
  await ledger.recover()
  await store.fold(randomRows(120, 31), () => [])
  const database = new Database(path)
  cleanups.push(() => {
    database.close()
    void ledger.close().then(() => store.close())
  })
  const check = (sinceMs?: number) =>
    checkLedger({
      store,
      ledger,
      keys: [key],
      projects: [PROJECT],
      nowMs: clock.now(),
      sinceMs,
      pause: async () => {},
    })
  const spend = (n: number, costNanoUsd: number, isOpen = false) => {
    const hold = held(ledger.hold(key, `req_spent${n}.1`, 5_000))
    if (!isOpen) ledger.settle(hold, rowOf(hold, { costNanoUsd, createdAtMs: clock.now(), project: 'blue' }))
  }
  return { store, clock, ledger, key, database, check, spend }
}

const wrong = (checks: readonly Check[]) =>
  checks.flatMap(({ name, differences }) => differences.map(({ at, figure }) => `${name}: ${at} ${figure}`))

describe('the check', () => {
  it('finds nothing where nothing is wrong, with holds open, and looks at everything', async () => {
    const { check, spend, clock } = await setup()
    for (let n = 0; n < 5; n++) spend(n, 4_000)
    spend(6, 0, true)
    clock.advance(2 * 3_600_000)
    const checks = await check()
    expect(wrong(checks)).toEqual([])
    expect(checks.map(({ name }) => name)).toEqual([
      'rows = hourly sums',
      'hourly sums = daily sums',
      'daily sums = closed days',
      'key totals = daily sums',
      'every request ended once',
      'spent in every budget = its buckets in the store',
      'held in every budget = its open holds',
      'spent + held ≤ limit',
    ])
    for (const { name, compared } of checks) expect(compared, name).toBeGreaterThan(2)
  })

  it.each([
    [
      'a row’s cost',
      "update attempts set detail = json_set(detail, '$[14]', 7) where id = 'req_000003.1'",
      /^rows = hourly sums: .*costNanoUsd$/,
    ],
    ['a row gone', "delete from attempts where id = 'req_000005.1'", /^rows = hourly sums: .*attempts$/],
    [
      'an hour’s tokens',
      'update spend_hourly set input_tokens = input_tokens + 1',
      /^rows = hourly sums: .*inputTokens$/,
    ],
    [
      'a user’s hour',
      "update parts_hourly set requests = requests + 1 where kind = 'user'",
      /^rows = hourly sums: .*user=.* requests$/,
    ],
    ['a day’s cost', 'update spend_daily set cost_nano_usd = 0', /^hourly sums = daily sums: .*costNanoUsd$/],
    ['a tag’s day', "delete from parts_daily where kind = 'tag'", /^hourly sums = daily sums: .*tag=/],
    [
      'a closed day',
      'insert into closed_days select day_ms, 1, sum(attempts) from spend_daily group by day_ms',
      /^daily sums = closed days: .*user=.*costNanoUsd$/,
    ],
    [
      'a key’s total',
      'update key_use set spent_nano_usd = spent_nano_usd + 1',
      /^key totals = daily sums: key=.* costNanoUsd$/,
    ],
    [
      'a second ending',
      "update attempts set ended = 200 where id = 'req_000000.1'",
      /^every request ended once: req_000000 last rows$/,
    ],
    [
      'no ending',
      "update attempts set ended = null where id like 'req_000001.%'",
      /^every request ended once: req_000001 last rows$/,
    ],
    [
      'a budget’s bucket',
      "update budget_buckets set spent_nano_usd = spent_nano_usd - 1 where window = 'total'",
      /^spent in every budget .*: key000000001 total spent$/,
    ],
  ])('names %s that was changed', async (_what, statement, expected) => {
    const { check, spend, database } = await setup()
    // A request with two attempts, so that a second ending can be made.
    for (let n = 0; n < 3; n++) spend(n, 4_000)
    await check()
    const { changes } = database.prepare(statement).run()
    expect(changes).toBeGreaterThan(0)
    const found = wrong(await check())
    expect(found).toContainEqual(expect.stringMatching(expected))
  })

  it('rows ahead of a clock that was set right since are counted with the others', async () => {
    const { check, spend, clock, ledger } = await setup()
    const rightMs = clock.now()
    clock.advance(40 * DAY)
    for (let n = 0; n < 3; n++) spend(n, 4_000)
    await ledger.fold()
    clock.advance(rightMs - clock.now())
    expect(clock.now()).toBe(rightMs)
    const totals = (await check()).find(({ name }) => name === 'key totals = daily sums')
    expect(totals).toMatchObject({ differences: [] })
    expect(totals?.compared).toBeGreaterThan(0)
  })

  it('held money that no hold accounts for, and what is above a limit, are told apart', async () => {
    const { check, spend, ledger } = await setup()
    spend(1, 70_000)
    const checks = await check()
    const above = checks.find(({ name }) => name === 'spent + held ≤ limit')
    expect(above).toMatchObject({
      isNote: true,
      differences: [{ at: 'key000000001 day', expected: 0, found: 20_000 }],
    })
    expect(wrong(checks.filter(({ isNote }) => !isNote))).toEqual([])
    const lost = {
      ...ledger,
      openMoney: () => [{ owner: 'key000000001', window: 'day', nanoUsd: 5, chargedNanoUsd: 0 }],
    }
    const again = await checkLedger({
      store: (await setup()).store,
      ledger: lost,
      keys: [keyOf({ budgets: [budget('day', 50_000)] })],
      projects: [],
      nowMs: NOON,
      pause: async () => {},
    })
    expect(wrong(again)).toContain('held in every budget = its open holds: key000000001 day held')
  })

  it('rows that were forgotten are no fault: only days that are whole are compared', async () => {
    const { check, store, clock, spend } = await setup()
    spend(1, 4_000)
    const retention = createRetention({
      store,
      clock,
      log: createTestLog(),
      days: () => 3,
      pause: async () => {},
    })
    expect(await retention.forget()).toBeGreaterThan(0)
    retention.stop()
    const checks = await check()
    expect(wrong(checks)).toEqual([])
  })
})

/** What made peers lose rows or stand still when there were many of them (T27, T83, T85, T86, T88), each by its name. Real SQLite. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, expect, it } from 'vitest'
import { parseLimit } from '../../src/admin/page.ts'
import { RANGES, queryFor, slotsOf } from '../../src/dashboard/series.ts'
import { billFor, holdFor } from '../../src/meter.ts'
import type { Price } from '../../src/price.ts'
import { openSqlite } from '../../src/runtime/node/sqlite.ts'
import { spendParts } from '../../src/store/spend.ts'
import type { SpendGroup } from '../../src/store/store.ts'
import { monthOf, parseSpendQuery } from '../../src/wire/spend.ts'
import { randomRows, T0 } from './rows.ts'

const folder = mkdtempSync(join(tmpdir(), 'switchgate-peers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const newPath = () => join(folder, `${files++}.db`)
const noBuckets = () => []
const always = { fromMs: 0, toMs: T0 + 1e11, groupBy: [] }

it('T27 litellm#40002: a hold for a prompt above 272k tokens is priced by that tier, whatever is cached of it', () => {
  const price: Price = {
    id: 'p',
    inputPico: 2_500_000,
    outputPico: 15_000_000,
    cacheReadPico: 250_000,
    tiers: [
      { overInputTokens: 272_000, inputPico: 5_000_000, outputPico: 22_500_000, cacheReadPico: 500_000 },
    ],
  }
  for (const inputTokens of [271_999, 272_000, 272_001, 400_000])
    for (const cacheReadInputTokens of [0, inputTokens - 1]) {
      const usage = {
        inputTokens,
        cacheReadInputTokens,
        cacheCreationInputTokens: 0,
        outputTokens: 1_000,
        reasoningOutputTokens: 0,
      }
      const held = holdFor({ inputTokensBound: inputTokens, outputTokens: 1_000, price })
      expect(billFor(usage, price, 'exact').costNanoUsd).toBeLessThanOrEqual(held)
    }
  const above = holdFor({ inputTokensBound: 272_001, outputTokens: 1_000, price })
  expect(above).toBe((272_001 * 5_000_000 + 1_000 * 22_500_000) / 1_000)
})

it('T83 litellm#6895, #18708: writers with the same keys in opposite orders neither fail nor lose a sum', async () => {
  const path = newPath()
  const [one, two] = [openSqlite(path), openSqlite(path)]
  const rows = randomRows(120, 41)
  const upwards = rows.filter((_, n) => n % 2 === 0)
  const downwards = rows.filter((_, n) => n % 2 === 1).reverse()
  for (let at = 0; at < rows.length; at += 16)
    await Promise.all([
      one.fold(upwards.slice(at, at + 16), noBuckets),
      two.fold(downwards.slice(at, at + 16), noBuckets),
    ])
  const [total] = await one.spend(always)
  expect(total?.costNanoUsd).toBe(rows.reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0))
  expect(total?.attempts).toBe(rows.length)
  await one.close()
  await two.close()
})

it('T85 litellm#37007: no list is without an end: 50 unless more is asked for, 500 at most', () => {
  expect(parseLimit(new URLSearchParams())).toBe(50)
  expect(parseLimit(new URLSearchParams('limit=500'))).toBe(500)
  for (const limit of ['501', '110000', '-1', '0', '1e9'])
    expect(() => parseLimit(new URLSearchParams({ limit })), limit).toThrow(/1 to 500/)
})

it('T86 litellm#13182, #7229: what the dashboard and a month’s view ask for comes from sums alone, never from rows', () => {
  const now = Date.UTC(2026, 10, 22, 10, 17, 3)
  const groups: readonly (readonly SpendGroup[])[] = [
    [],
    ['key'],
    ['user', 'tag'],
    ['hour', 'model'],
    ['day', 'project'],
    ['provider', 'tag', 'hour'],
  ]
  const queries = [
    ...RANGES.flatMap(range => [
      queryFor(slotsOf(range, now), 'key'),
      queryFor(slotsOf(range, now), 'model'),
    ]),
    ...groups.map(groupBy => ({ ...monthOf(now), groupBy })),
    ...groups.map(groupBy => parseSpendQuery(new URLSearchParams('from=2026-09-01'), now, groupBy)),
    // A script that asks up to this moment.
    parseSpendQuery(new URLSearchParams({ from: '2026-11-01', to: new Date(now + 1).toISOString() }), now, [
      'key',
    ]),
  ]
  for (const query of queries)
    for (const { statement } of spendParts(query))
      expect(statement.sql, JSON.stringify(query)).not.toContain('from "attempt')
  // Only the edges of a span that begins in the middle of an hour need rows.
  const odd = spendParts({ fromMs: now - 7 * 86_400_000, toMs: now, groupBy: ['key'] })
  expect(odd.filter(({ statement }) => statement.sql.includes('from "attempt_facts"'))).toHaveLength(2)
})

/** Holds the write lock of the database for so long, from another thread. */
function lockFor(path: string, ms: number): Promise<() => Promise<unknown>> {
  const program = `
    const { parentPort, workerData } = require('node:worker_threads')
    const Database = require('better-sqlite3')
    const database = new Database(workerData.path)
    database.exec('begin immediate')
    parentPort.postMessage('locked')
    setTimeout(() => { database.exec('commit'); database.close() }, workerData.ms)`
  const worker = new Worker(program, { eval: true, workerData: { path, ms } })
  const ended = new Promise(resolve => worker.once('exit', resolve))
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve(() => ended))
    worker.once('error', reject)
  })
}

it('T88 claude-mem#2821: a writer that finds the database locked waits for it and loses nothing', async () => {
  const path = newPath()
  const store = openSqlite(path)
  await store.fold(randomRows(5, 42), noBuckets)
  const rows = randomRows(40, 43).map(row => ({ ...row, id: `x${row.id}`, requestId: `x${row.requestId}` }))
  const ended = await lockFor(path, 200)
  await store.fold(rows, noBuckets)
  await ended()
  const [total] = await store.spend(always)
  expect(total?.attempts).toBe(rows.length + randomRows(5, 42).length)
  await store.close()
})

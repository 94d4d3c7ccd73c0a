/** `switchgate doctor --ledger` over a ledger in its first hour: all of it is looked at where nobody works with it, and what is not looked at is no tick. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  configFor,
  type ScriptedUpstream,
  sendJson,
  startGateway,
  startUpstream,
} from '../gateway/harness.ts'
import { say } from './say.ts'

const root = mkdtempSync(join(tmpdir(), 'switchgate-doctor-'))
const token = `sgate_admin_${'a'.repeat(40)}`
const env = {
  SWITCHGATE_CONFIG: join(root, 'switchgate.yaml'),
  SWITCHGATE_DATA: join(root, 'data'),
  SWITCHGATE_DISCOVER_LOCAL: 'false',
}
let upstream: ScriptedUpstream
let whileWorking: Awaited<ReturnType<typeof say>>

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  const config = configFor({ alpha: upstream.port })
  const running = await startGateway({ config, folder: root, env: { SWITCHGATE_ADMIN_TOKEN: token } })
  const key = await running.key({ tags: ['web'] })
  for (let n = 0; n < 5; n++) await (await running.post(key, { ...CHAT, user: `u${n}` })).arrayBuffer()
  whileWorking = await say(`doctor --ledger --url ${running.url} --token ${token}`)
  await running.close()
})
afterAll(async () => {
  await upstream.close()
  rmSync(root, { recursive: true, force: true })
})

const TOO_YOUNG = ['rows = hourly sums', 'hourly sums = daily sums', 'every request ended once']

test('while a gateway works: what is too young is said, and is no tick by itself', () => {
  expect(whileWorking).toMatchObject({ code: 0, err: '' })
  for (const name of TOO_YOUNG) {
    const line = whileWorking.out.split('\n').find(text => text.includes(name)) ?? ''
    expect(line).toMatch(/not looked at: \d{4}-\d\d-\d\dT\d\d:00Z-now, a gateway works with it$/)
    expect(line).not.toMatch(/✓.* 0 compared/)
  }
})

test('with nobody at work: everything is compared', async () => {
  const { code, out } = await say('doctor --ledger', env)
  expect([code, out]).toEqual([0, expect.not.stringContaining('not looked at')])
  for (const name of TOO_YOUNG)
    expect(out).toMatch(new RegExp(`^✓ ${name}: [1-9]\\d* compared, 0 differ$`, 'm'))
})

test.each([
  [
    'an hour',
    'update spend_hourly set cost_nano_usd = cost_nano_usd + 1000000000',
    /^✗ rows = hourly sums: .*\n.*costNanoUsd is 10\d+ nano-USD, should be \d+ nano-USD$/m,
  ],
  ['a row', 'delete from attempts where id in (select max(id) from attempts)', /^✗ rows = hourly sums: /m],
  [
    'a day',
    'update spend_daily set cost_nano_usd = cost_nano_usd + 5000',
    /^✗ hourly sums = daily sums: .*\n.*costNanoUsd is \d+ nano-USD/m,
  ],
])('damage to %s of this hour is found', async (_what, statement, words) => {
  const database = new Database(join(root, 'data', 'switchgate.db'))
  const tables = ['spend_hourly', 'attempts', 'spend_daily']
  const before = tables.map(table => database.prepare(`select * from ${table}`).raw().all() as unknown[][])
  database.exec(statement)
  database.close()
  const { code, out } = await say('doctor --ledger', env)
  expect([code, out]).toEqual([1, expect.stringMatching(words)])
  const again = new Database(join(root, 'data', 'switchgate.db'))
  tables.forEach((table, i) => {
    again.exec(`delete from ${table}`)
    for (const row of before[i] ?? [])
      again.prepare(`insert into ${table} values (${row.map(() => '?').join(', ')})`).run(...row)
  })
  again.close()
  expect((await say('doctor --ledger', env)).code).toBe(0)
})

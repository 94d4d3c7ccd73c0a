/** One window has one name, however its zone is written: what was spent stays, two of the same are refused. And a raise is for later. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CHAT, completion, type ScriptedUpstream, sendJson, startUpstream } from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

let upstream: ScriptedUpstream
let rig: MoneyRig

beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  rig = await startMoney({ alpha: upstream.port })
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})

const COST_USD = 0.00002
const windowsOf = async (path: string) =>
  (await rig.admin('GET', path)).json.budgets as { window: string; spent_usd: number }[]

test.each([
  ['day', 'day@UTC'],
  ['day@Etc/UTC', 'day'],
  ['month@utc', 'month@GMT'],
  ['week@europe/berlin', 'week@Europe/Berlin'],
])('%s and %s are the same window', async (first, second) => {
  const { id, key } = await rig.key({ budgets: [{ window: first, usd: 1 }] })
  await (await rig.post(key, CHAT)).text()
  const [before] = await windowsOf(`/keys/${id}`)
  expect(before?.spent_usd).toBe(COST_USD)
  const changed = await rig.admin('PATCH', `/keys/${id}`, { budgets: [{ window: second, usd: 2 }] })
  expect(changed).toMatchObject({
    status: 200,
    json: { budgets: [{ window: before?.window, usd: 2, spent_usd: COST_USD }] },
  })
  const both = [first, second].map(window => ({ window, usd: 1 }))
  expect(await rig.admin('POST', '/keys', { name: 'two', budgets: both })).toMatchObject({
    status: 400,
    json: { error: { param: 'budgets', message: expect.stringMatching(/a window twice/) } },
  })
})

test.each([
  ['day@UTC', 'day'],
  ['week@europe/berlin', 'week@Europe/Berlin'],
  ['month@etc/gmt', 'month'],
  ['total', 'total'],
  ['5h', '5h'],
])('%s is kept as %s', async (given, kept) => {
  const { json } = await rig.admin('POST', '/keys', { name: 'k', budgets: [{ window: given, usd: 1 }] })
  expect(json.budgets).toMatchObject([{ window: kept }])
  await rig.admin('POST', '/projects', { budgets: [{ window: given, usd: 1 }] })
  expect((await rig.admin('GET', '/projects')).json.data).toContainEqual(
    expect.objectContaining({ budgets: [expect.objectContaining({ window: kept })] }),
  )
})

test('a budget that was kept as it was typed keeps its spend, sent back as it came or by another name', async () => {
  const budgets = [{ window: 'day@europe/berlin', limitNanoUsd: 1_000_000_000, softNanoUsd: null }] as const
  const { key, text } = await rig.gateway.keys.create({ name: 'old', budgets })
  await (await rig.post(text, CHAT)).text()
  const shown = (await rig.admin('GET', `/keys/${key.id}`)).json.budgets
  for (const sent of [shown, [{ window: 'day@Europe/Berlin', usd: 3 }]]) {
    const { status, json } = await rig.admin('PATCH', `/keys/${key.id}`, { budgets: sent })
    expect({ status, json }).toMatchObject({ status: 200, json: { budgets: [{ spent_usd: COST_USD }] } })
  }
})

test('a raise that is over before it begins is refused; one that has ended may come back as it was shown', async () => {
  const past = '2020-01-01T00:00:00Z'
  const { id } = await rig.key({ budgets: [{ window: 'month', usd: 1 }] })
  const raise = (until: string) =>
    rig.admin('PATCH', `/keys/${id}`, {
      budgets: [
        { window: 'day', usd: 1 },
        { window: 'month', usd: 1, raise: { usd: 2, until } },
      ],
    })
  expect(await raise(past)).toMatchObject({
    status: 400,
    json: { error: { param: 'budgets[1].raise.until', message: expect.stringMatching(/in the future/) } },
  })
  // as a key has it whose raise has just ended
  const ended = { limitNanoUsd: 2_000_000_000, untilMs: Date.parse(past) }
  await rig.gateway.keys.patch(id, {
    budgets: [{ window: 'month', limitNanoUsd: 1_000_000_000, softNanoUsd: null, raise: ended }],
  })
  expect((await raise(past)).status).toBe(200)
})

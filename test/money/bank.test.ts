/**
 * The bank test through the whole gateway: many callers at once on a key, its project and the organisation, streams and
 * wholes, with and without a limit, until nothing more is sold. What was served is counted at the upstream.
 * `npm run test:bank` plays it at full size, 200 at once for 50 rounds, and prints a table.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Ledger, Shortfall } from '../../src/deps.ts'
import {
  type Bank,
  buy,
  faultsOf,
  lineOf,
  openBank,
  REQUEST_USD,
  sell,
  servedSoFar,
  TABLE_HEAD,
} from './bank.ts'
import { type MoneyRig, startMoney } from './rig.ts'

const FULL = process.env.MODE === 'bank'
const SIZE = FULL ? { atOnce: 200, rounds: 50, toTheEnd: true } : { atOnce: 40, rounds: 60 }

let bank: Bank
let rig: MoneyRig
const table: string[] = [TABLE_HEAD]

beforeAll(async () => {
  bank = await openBank()
  rig = await startMoney({ alpha: bank.upstream.port })
})
afterAll(async () => {
  await rig.close()
  await bank.upstream.close()
  if (FULL) process.stdout.write(`\n${table.join('\n')}\n\n`)
})

const LEVELS = ['key', 'project', 'organisation'] as const

async function setUp(gateway: MoneyRig, tight: (typeof LEVELS)[number], usd: number): Promise<string[]> {
  const budget = (level: string) => [{ window: 'month', usd: level === tight ? usd : usd * 3 }]
  await gateway.admin('PATCH', '/organisation', { budgets: budget('organisation') })
  await gateway.admin('POST', '/projects', { id: 'p', budgets: budget('project') })
  const lineage = await gateway.key({ project: 'p', budgets: budget('key') })
  const heir = await gateway.admin('POST', `/keys/${lineage.id}/rotate`, { grace_seconds: 3600 })
  const other = tight === 'key' ? [] : [(await gateway.key({ project: 'p', budgets: budget('key') })).key]
  return [lineage.key, String(heir.json.key), ...other]
}

describe.each(LEVELS)('the %s is the tightest of three levels', tight => {
  test.each([1, 10, 100])(
    "a budget of %i requests' worth: overshoot 0, used but for less than anything costs, no bill below what was served",
    async worth => {
      const gateway = await rig.fresh()
      try {
        const usd = worth * REQUEST_USD
        const keys = await setUp(gateway, tight, usd)
        const books = await sell(gateway, keys, bank, { usd, ...SIZE })
        table.push(lineOf(worth, tight, books))
        expect(faultsOf(books)).toEqual([])
        expect(books.sold).toBeGreaterThanOrEqual(worth)
      } finally {
        await gateway.close()
      }
    },
    FULL ? 600_000 : 180_000,
  )
})

/** Looks at what is spent, and forgets what is on its way: the classic mistake. */
function checkThenAct(ledger: Ledger): Ledger {
  return {
    ...ledger,
    hold(key, id, nanoUsd, facts) {
      const now = ledger.available(key, facts) as (Shortfall & { heldNanoUsd?: number }) | undefined
      if (now !== undefined && now.availableNanoUsd <= 0) return now
      return ledger.hold({ ...key, budgets: [], project: null }, id, nanoUsd, facts)
    },
  }
}

test('the same test catches a ledger that checks first and acts later', async () => {
  const gateway = await rig.fresh()
  try {
    const usd = 10 * REQUEST_USD
    const key = await gateway.key({ budgets: [{ window: 'month', usd }] })
    Object.assign(gateway.gateway.deps, { ledger: checkThenAct(gateway.gateway.ledger) })
    const books = await sell(gateway, [key.key], bank, { usd, atOnce: SIZE.atOnce, rounds: 1 })
    expect(faultsOf(books)).toContainEqual(expect.stringMatching(/^overshoot: served/))
  } finally {
    await gateway.close()
  }
})

test('20 agents without max_tokens on one budget meet no refusal before 80% of it is truly spent', async () => {
  // a quarter of what has to be held for a whole answer without a limit
  const small = await openBank(2_000)
  const gateway = await startMoney({ alpha: small.upstream.port })
  try {
    const limit = 0.4e9
    const { key } = await gateway.key({ budgets: [{ window: 'day', usd: limit / 1e9 }] })
    let servedAtFirst: number | undefined
    await Promise.all(
      Array.from({ length: 20 }, async (_, agent) => {
        while (servedAtFirst === undefined) {
          const { status } = await buy(gateway, key, small, agent % 2 === 0 ? { stream: true } : {})
          if (status !== 200) servedAtFirst ??= servedSoFar(small)
        }
      }),
    )
    process.stdout.write(
      `20 agents: first refusal at ${(((servedAtFirst ?? 0) / limit) * 100).toFixed(1)}% spent\n`,
    )
    expect(servedAtFirst).toBeGreaterThanOrEqual(limit * 0.8)
    expect(servedSoFar(small)).toBeLessThanOrEqual(limit)
  } finally {
    await gateway.close()
    await small.upstream.close()
  }
})

/**
 * The bank test through the whole gateway: many callers at once on a key, its project and the organisation, streams and
 * wholes, with and without a limit, until nothing more is sold. What was served is counted at the upstream.
 */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Ledger, Shortfall } from '../../src/deps.ts'
import {
  CHAT,
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type Seen,
  sendJson,
  type ScriptedUpstream,
  sse,
  startUpstream,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

const NANO = 1e9
/** Of the harness's `house-model`, USD. */
const INPUT = 1e-6
const OUTPUT = 2e-6
const BYTES_PER_TOKEN = 4
const OUTPUT_TOKENS = 2_000
const PROMPT_TOKENS = 20

let upstream: ScriptedUpstream
let rig: MoneyRig
/** nano-USD of all that was given out. */
let served = 0

function count(outputTokens: number): void {
  served += Math.round((PROMPT_TOKENS * INPUT + outputTokens * OUTPUT) * NANO)
}

/** Answers as asked, keeps to the limit, and counts what it gave even when it was cut off. */
async function serve(response: ServerResponse, seen: Seen): Promise<void> {
  const { stream, max_tokens, max_completion_tokens } = seen.json()
  const limit = Number(max_tokens ?? max_completion_tokens ?? OUTPUT_TOKENS)
  const tokens = Math.min(limit, OUTPUT_TOKENS)
  await new Promise(resolve => setTimeout(resolve, 5))
  const usage = {
    prompt_tokens: PROMPT_TOKENS,
    completion_tokens: tokens,
    total_tokens: PROMPT_TOKENS + tokens,
  }
  if (stream !== true) {
    count(tokens)
    return sendJson(response, 200, completion('x', usage))
  }
  sse(response).write(role)
  const piece = 'word'.repeat(50)
  let given = 0
  for (; given < tokens && !response.destroyed; given += piece.length / BYTES_PER_TOKEN) {
    response.write(delta(piece))
    await new Promise(resolve => setImmediate(resolve))
  }
  count(Math.min(given, tokens))
  response.end(finish() + event({ ...completion(), choices: [], usage }) + DONE)
}

beforeAll(async () => {
  upstream = await startUpstream(serve)
  rig = await startMoney({ alpha: upstream.port })
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  served = 0
})

const KINDS = [{ stream: true }, {}, { stream: true, max_tokens: 1_500 }, { max_tokens: 1_500 }] as const

/** Rounds of 40 at once until a whole round is refused for what is spent. Returns how many were served. */
async function buyOut(gateway: MoneyRig, keys: readonly string[]): Promise<number> {
  let sold = 0
  for (let round = 0; round < 60; round++) {
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const answer = await gateway.post(keys[i % keys.length] ?? '', {
          ...CHAT,
          ...KINDS[(i + round) % KINDS.length],
        })
        await answer.text()
        return answer
      }),
    )
    const fine = answers.filter(answer => answer.status === 200).length
    for (const { status } of answers) expect([200, 429]).toContain(status)
    sold += fine
    if (fine === 0 && answers.every(answer => answer.headers.get('x-should-retry') === 'false')) break
  }
  return sold
}

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
  test.each([10, 100])(
    "a budget of %i requests' worth: overshoot 0, at least 95% used, or all but a part of one request",
    async worth => {
      const gateway = await rig.fresh()
      try {
        const usd = worth * (300 * INPUT + OUTPUT_TOKENS * OUTPUT)
        const keys = await setUp(gateway, tight, usd)
        const sold = await buyOut(gateway, keys)
        expect(sold).toBeGreaterThanOrEqual(worth * 0.9)
        const spent = (await gateway.rows()).reduce((sum, row) => sum + (row.costNanoUsd ?? 0), 0)
        const limit = Math.round(usd * NANO)
        expect(served).toBeLessThanOrEqual(limit)
        expect(spent).toBeLessThanOrEqual(limit)
        // of ten requests' worth one request is a tenth: what is left may be too little for another
        expect(spent).toBeGreaterThanOrEqual(limit * Math.min(0.95, 1 - 1 / worth))
        expect(spent).toBeGreaterThanOrEqual(served)
        expect((await gateway.rows()).every(row => row.overrunNanoUsd === 0)).toBe(true)
        expect(gateway.gateway.ledger.openHolds()).toBe(0)
      } finally {
        await gateway.close()
      }
    },
    120_000,
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
    const usd = 10 * (300 * INPUT + OUTPUT_TOKENS * OUTPUT)
    const key = await gateway.key({ budgets: [{ window: 'month', usd }] })
    Object.assign(gateway.gateway.deps, { ledger: checkThenAct(gateway.gateway.ledger) })
    await Promise.all(
      Array.from({ length: 40 }, async () =>
        (await gateway.post(key.key, { ...CHAT, max_tokens: 2_000 })).text(),
      ),
    )
    expect(served).toBeGreaterThan(usd * NANO)
  } finally {
    await gateway.close()
  }
})

test('20 agents without max_tokens on one budget meet no refusal before 80% of it is truly spent', async () => {
  const gateway = await rig.fresh()
  try {
    const usd = 0.4
    const { key } = await gateway.key({ budgets: [{ window: 'day', usd }] })
    let servedAtFirst: number | undefined
    await Promise.all(
      Array.from({ length: 20 }, async (_, agent) => {
        while (servedAtFirst === undefined) {
          const answer = await gateway.post(key, { ...CHAT, ...(agent % 2 === 0 && { stream: true }) })
          await answer.text()
          if (answer.status !== 200) servedAtFirst ??= served
        }
      }),
    )
    process.stdout.write(
      `20 agents: first refusal at ${(((servedAtFirst ?? 0) / NANO / usd) * 100).toFixed(1)}% spent\n`,
    )
    expect(servedAtFirst).toBeGreaterThanOrEqual(usd * NANO * 0.8)
    expect(served).toBeLessThanOrEqual(usd * NANO)
  } finally {
    await gateway.close()
  }
}, 120_000)

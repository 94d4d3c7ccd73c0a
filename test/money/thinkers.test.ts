/** Models that think unseen: what they bill at the end was never on the wire. Many at once, over real sockets. */
import type { ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CHAT,
  completion,
  DONE,
  delta,
  event,
  finish,
  role,
  type ScriptedUpstream,
  type Seen,
  sse,
  startUpstream,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

const MOST = 8192
/** Of a whole answer, nano-USD. */
const WHOLE = MOST * 2_000
const WORDS = 'Yes, it is.'

let upstream: ScriptedUpstream
let rig: MoneyRig
/** nano-USD of all that was billed by the upstream. */
let billed = 0

const sentLimit = (seen: Seen): number | undefined => {
  const { max_tokens, max_completion_tokens } = seen.json()
  return (max_completion_tokens ?? max_tokens) as number | undefined
}
const limitOf = (seen: Seen): number => sentLimit(seen) ?? MOST

/** Says a few words, and bills so many tokens of thoughts besides. */
function think(response: ServerResponse, tokens: number, thought = tokens): void {
  billed += 10 * 1_000 + tokens * 2_000
  const usage = {
    prompt_tokens: 10,
    completion_tokens: tokens,
    total_tokens: 10 + tokens,
    completion_tokens_details: { reasoning_tokens: thought },
  }
  sse(response).write(role + delta(WORDS))
  response.end(finish() + event({ ...completion(), choices: [], usage }) + DONE)
}

beforeAll(async () => {
  upstream = await startUpstream(() => undefined)
  const prices = 'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000'
  const config = `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${upstream.port}/v1
    models:
      gpt-5: { ${prices}, max_output_tokens: ${MOST} }
      gpt-4o: { ${prices}, max_output_tokens: ${MOST} }
      nobody-knows: { ${prices}, max_output_tokens: ${MOST} }
      o4-of-the-house: { ${prices} }
egress: { allow: ["127.0.0.1:${upstream.port}"] }
`
  rig = await startMoney({}, '', undefined, config)
})
afterAll(async () => {
  await rig.close()
  await upstream.close()
})
beforeEach(() => {
  upstream.seen.length = 0
  billed = 0
})

const ask = (model: string) => ({ ...CHAT, model, stream: true })
const keyWith = async (nanoUsd: number) =>
  (await rig.key({ budgets: [{ window: 'total', usd: nanoUsd / 1e9 }] })).key
const spend = async (key: string, model: string) => {
  const answer = await rig.post(key, ask(model))
  await answer.text()
  return answer
}

describe.each(['gpt-5', 'nobody-knows'])('%s bills all that it may, and shows a few words', model => {
  test('forty at once, until nothing is sold: no budget is overshot', async () => {
    const fresh = await rig.fresh()
    try {
      const limit = 6 * WHOLE
      const { key } = await fresh.key({ budgets: [{ window: 'total', usd: limit / 1e9 }] })
      upstream.script = (response, seen) => think(response, limitOf(seen))
      for (let sold = 1; sold > 0; ) {
        const answers = await Promise.all(Array.from({ length: 40 }, () => fresh.post(key, ask(model))))
        await Promise.all(answers.map(answer => answer.text()))
        sold = answers.filter(({ status }) => status === 200).length
      }
      expect(billed).toBeLessThanOrEqual(limit)
      expect(billed).toBeGreaterThan(limit * 0.9)
      const rows = await fresh.rows()
      expect(rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0)).toBe(billed)
      expect(rows.filter(({ overrunNanoUsd }) => overrunNanoUsd > 0)).toEqual([])
    } finally {
      await fresh.close()
    }
  }, 60_000)
})

test('20 agents of a model that thinks unseen, all at work at the same time, meet no refusal before 80 % is truly spent', async () => {
  const limit = 10 * WHOLE
  const key = await keyWith(limit)
  let refusedAt: number | undefined
  let waiting: (() => void)[] = []
  let asked = 0
  const go = () => {
    if (refusedAt === undefined && waiting.length < 20) return
    for (const answer of waiting) answer()
    waiting = []
  }
  // nobody is answered before all have asked: what is held by one is no help to another
  upstream.script = (response, seen) => {
    asked++
    waiting.push(() => think(response, Math.min(limitOf(seen), 1_500)))
    go()
  }
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      while (refusedAt === undefined) {
        const { status } = await spend(key, 'gpt-5')
        if (status === 200) continue
        refusedAt ??= billed
        go()
      }
    }),
  )
  expect(asked).toBeGreaterThan(40)
  expect(refusedAt).toBeGreaterThanOrEqual(limit * 0.8)
  expect(billed).toBeLessThanOrEqual(limit)
}, 60_000)

test('a model that does not think pays nothing for it: forty at once on money for three whole answers, none limited', async () => {
  const key = await keyWith(42 * 1_024 * 2_000 + 42 * 400_000)
  let waiting: (() => void)[] = []
  upstream.script = response => {
    waiting.push(() => think(response, 5, 0))
    if (waiting.length < 40) return
    for (const answer of waiting) answer()
    waiting = []
  }
  const answers = await Promise.all(Array.from({ length: 40 }, () => spend(key, 'gpt-4o')))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
})

test('one that nobody has described is believed to think until its streams have shown otherwise, and again if they do', async () => {
  const key = await keyWith(100 * WHOLE)
  const limits: (number | undefined)[] = []
  let next: [number, number] = [4, 0]
  upstream.script = (response, seen) => {
    limits.push(sentLimit(seen))
    think(response, ...next)
  }
  const fresh = await rig.fresh()
  try {
    const { key: own } = await fresh.key({ budgets: [{ window: 'total', usd: 1 }] })
    const once = async (...tokens: [number, number]) => {
      next = tokens
      await (await fresh.post(own, ask('nobody-knows'))).text()
      return limits.at(-1)
    }
    expect(await once(4, 0)).toBe(MOST)
    expect(await once(4, 0), 'all of its tokens were to be seen').toBeUndefined()
    // it has thought for once, and nobody can tell whether all of that was to be seen
    expect(await once(9, 5)).toBeUndefined()
    expect(await once(4, 0)).toBe(MOST)
    expect(await once(4, 0)).toBeUndefined()
    // proof
    await once(4_000, 0)
    expect(await once(4, 0)).toBe(MOST)
    expect(await once(4, 0)).toBe(MOST)
  } finally {
    await fresh.close()
  }
  // a name says it, too
  await spend(key, 'o4-of-the-house')
  expect(limits.at(-1)).toBe(16_384)
  const held = (await rig.rows()).at(-1)?.heldNanoUsd
  expect(held).toBeGreaterThan(16_384 * 2_000)
})

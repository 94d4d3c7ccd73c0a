/** Every request ends once, wherever it ends: its last row, what the caller is told, the spend and the access line say the same. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Deps } from '../../src/deps.ts'
import { GatewayError } from '../../src/errors.ts'
import { checkLedger } from '../../src/ledger/check.ts'
import {
  CHAT,
  completion,
  DONE,
  delta,
  finish,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sse,
  startUpstream,
  until,
  usageEvent,
} from '../gateway/harness.ts'
import { type MoneyRig, startMoney } from './rig.ts'

const HOUR_MS = 3_600_000
let alpha: ScriptedUpstream
let beta: ScriptedUpstream
let rig: MoneyRig
let keys: { readonly id: string; readonly key: string }[]

const good: Script = (response, seen) =>
  seen.json().stream
    ? void sse(response).end(role + delta('fine') + finish() + usageEvent + DONE)
    : sendJson(response, 200, completion())
const broken: Script = response => sendJson(response, 500, { error: { message: 'no' } })
/** Three words, and then the connection breaks. */
const cut: Script = response => {
  sse(response).write(role + delta('one ') + delta('two ') + delta('three '))
  setTimeout(() => response.destroy(), 10)
}

const config = () => `providers:
  alpha:
    kind: openai
    base_url: http://127.0.0.1:${alpha.port}/v1
    models:
      house-model: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
      alphas-own: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
      first: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
  beta:
    kind: openai
    base_url: http://127.0.0.1:${beta.port}/v1
    models:
      house-model: { input_usd_per_mtok: 2.0, output_usd_per_mtok: 4.0, context_tokens: 128000, max_output_tokens: 8192 }
      second: { input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0, context_tokens: 128000, max_output_tokens: 8192 }
      free: { input_usd_per_mtok: 0, output_usd_per_mtok: 0, context_tokens: 128000, max_output_tokens: 8192 }
aliases: { either: { models: [first, second], strategy: priority } }
egress: { allow: ["127.0.0.1:${alpha.port}", "127.0.0.1:${beta.port}"] }
routing: { strategy: price }
`

beforeAll(async () => {
  alpha = await startUpstream(good)
  beta = await startUpstream(good)
})
beforeEach(async () => {
  await rig?.close()
  rig = await startMoney({}, '', undefined, config())
  keys = []
  for (const upstream of [alpha, beta]) {
    upstream.seen.length = 0
    upstream.script = good
  }
})
afterAll(async () => {
  await rig?.close()
  await alpha?.close()
  await beta?.close()
})

/** Some 20,000 bytes: at the price of alpha 0.02 USD are held for it, and a quarter of that is likely. */
const LONG = [{ role: 'user', content: 'word '.repeat(4_000) }]
/** Enough for one attempt, and not for another one once the first has cost something. */
const ONE_ATTEMPT_USD = 0.0215
const STREAMED = { messages: LONG, max_tokens: 100, stream: true, stream_guarantee: 'complete' }

async function keyWith(budgets: readonly object[]): Promise<string> {
  const made = await rig.key({ budgets })
  keys.push(made)
  return made.key
}
const total = (usd: number) => ({ window: 'total', usd })

/** Every invariant of the ledger, as an hour that is over is looked at. */
async function expectSound(): Promise<void> {
  const { deps, ledger, keys: book } = rig.gateway
  await until(() => ledger.openHolds() === 0)
  const checks = await checkLedger({
    store: deps.store,
    ledger,
    keys: keys.flatMap(({ id }) => book.get(id) ?? []),
    projects: [],
    nowMs: Date.now() + 2 * HOUR_MS,
    pause: async () => {},
  })
  expect(checks.find(({ name }) => name === 'every request ended once')?.compared).toBeGreaterThan(0)
  for (const { name, differences, isNote } of checks)
    if (!isNote) expect([name, differences]).toEqual([name, []])
}

interface MutableLedger {
  hold: unknown
  available: unknown
}

interface Told {
  readonly status: number
  readonly body: string
  readonly headers: Headers
  readonly code: unknown
  /** What `/v1/generation` says. */
  readonly generation: Record<string, unknown>
  readonly spend: Record<string, unknown>
  /** The access line. */
  readonly line: Record<string, unknown>
}

/** Asks, and looks everywhere at what is said of it. */
async function asked(key: string, body: object): Promise<Told> {
  const answer = await rig.post(key, body)
  const text = await answer.text()
  const id = String(answer.headers.get('x-request-id'))
  const own = { headers: { authorization: `Bearer ${key}` } }
  const read = async (path: string) =>
    (await (await fetch(`${rig.url}${path}`, own)).json()) as Record<string, unknown>
  const lines = rig.logs.map(line => JSON.parse(line) as Record<string, unknown>)
  return {
    status: answer.status,
    body: text,
    headers: answer.headers,
    code: answer.ok ? undefined : (JSON.parse(text) as { error: { code: unknown } }).error.code,
    generation: await read(`/v1/generation?id=${id}`),
    spend: (await read('/v1/key/spend')).total as Record<string, unknown>,
    line: lines.find(line => line.event === 'request' && line.id === id) ?? {},
  }
}

const rowsOf = async () => (await rig.rows()).map(row => [row.provider, row.status, row.error, row.last])

/** Does this instead of nothing in the pause before the next attempt. */
function inThePause(work: () => void | Promise<void>): void {
  const deps = rig.gateway.deps as { pause: (ms: number) => Promise<void> }
  const { pause } = deps
  deps.pause = async ms => {
    deps.pause = pause
    await work()
    await pause(ms)
  }
}

describe('a failover that ends without another attempt', () => {
  test('the money left does not suffice for another one: the last exchange decides, and its cost is told', async () => {
    alpha.script = cut
    const key = await keyWith([total(ONE_ATTEMPT_USD)])
    const told = await asked(key, { model: 'alphas-own', ...STREAMED })
    expect([told.status, told.code]).toEqual([502, 'upstream_unavailable'])
    expect(told.headers.get('x-switchgate-attempts')).toBe('1')
    expect(told.headers.get('x-switchgate-provider')).toBe('alpha')
    expect(told.headers.get('x-switchgate-limit')).toBeNull()
    expect(alpha.seen).toHaveLength(1)
    expect(await rowsOf()).toEqual([['alpha', 502, expect.any(String), true]])
    expect(told.generation).toMatchObject({ status: 502, provider: 'alpha', certainty: 'estimated' })
    expect(Number(told.generation.cost_usd)).toBeGreaterThan(0)
    expect(told.spend).toMatchObject({ requests: 1, attempts: 1, cost_usd: told.generation.cost_usd })
    expect(told.line).toMatchObject({
      status: 502,
      'gen_ai.provider.name': 'alpha',
      cost_usd: String(told.generation.cost_usd),
      certainty: 'estimated',
      attempts: 1,
    })
    await expectSound()
  })

  test('with money for one more, what the first attempt did not use is there for it', async () => {
    alpha.script = (response, seen, n) => (n === 1 ? cut : good)(response, seen, n)
    // both at the same time would not fit, one after the other does
    const key = await keyWith([total(0.03)])
    const told = await asked(key, { model: 'alphas-own', ...STREAMED })
    expect(told.body).toContain('fine')
    expect(await rowsOf()).toEqual([
      ['alpha', 200, expect.any(String), false],
      ['alpha', 200, null, true],
    ])
    expect(told.spend).toMatchObject({ requests: 1, attempts: 2, cost_usd: told.generation.cost_usd })
    await expectSound()
  })

  test('the next one is too dear: it is passed over, and the first asked once more', async () => {
    alpha.script = broken
    const key = await keyWith([total(ONE_ATTEMPT_USD)])
    const told = await asked(key, { model: 'house-model', messages: LONG, max_tokens: 100 })
    expect([told.status, told.code]).toEqual([502, 'upstream_unavailable'])
    expect([alpha.seen.length, beta.seen.length]).toEqual([3, 0])
    expect(told.headers.get('x-switchgate-attempts')).toBe('3')
    expect((await rowsOf()).map(([, , , last]) => last)).toEqual([false, false, true])
    expect(told.spend).toMatchObject({ requests: 1, attempts: 3 })
    await expectSound()
  })

  test.each([
    ['a refusal', broken],
    ['a stream that breaks', cut],
  ])('the only target begins to rest in the pause after %s', async (_, script) => {
    alpha.script = script
    const { health, clock } = rig.gateway.deps
    inThePause(() => {
      const [target = ''] = [...health.entries()].find(([name]) => name.startsWith('alpha/')) ?? []
      health.observe(target, { kind: 'cool_down', untilMs: clock.now() + 60_000, told: true }, clock.now())
    })
    const key = await keyWith([total(10)])
    const told = await asked(key, { model: 'alphas-own', ...STREAMED })
    expect([told.status, told.code]).toEqual([502, 'upstream_unavailable'])
    expect(told.headers.get('x-switchgate-attempts')).toBe('1')
    expect(alpha.seen).toHaveLength(1)
    expect((await rowsOf()).map(([, status, , last]) => [status, last])).toEqual([[502, true]])
    expect(told.generation).toMatchObject({ status: 502 })
    expect(told.spend).toMatchObject({ requests: 1, attempts: 1 })
    await expectSound()
  })

  test.each([
    ['the money is gone meanwhile', 'money'],
    ['the target rests meanwhile', 'rest'],
  ])('a kept connection was closed, and %s: nobody is asked for ever', async (_, what) => {
    const key = await keyWith([total(10)])
    const body = { ...CHAT, model: 'alphas-own', max_tokens: 50 }
    expect((await asked(key, body)).status).toBe(200)
    const { ledger, health, clock } = rig.gateway.deps as Omit<Deps, 'ledger'> & { ledger: MutableLedger }
    const { hold, available } = ledger
    const none = { limit: 'key.budget.total', heldByOthers: false, availableNanoUsd: 0, resetsAtMs: null }
    alpha.script = response => {
      if (what === 'money') ledger.hold = ledger.available = () => none
      else {
        const [target = ''] = [...health.entries()].find(([name]) => name.startsWith('alpha/')) ?? []
        health.observe(target, { kind: 'cool_down', untilMs: clock.now() + 60_000, told: true }, clock.now())
      }
      response.destroy()
    }
    const told = await asked(key, body)
    Object.assign(ledger, { hold, available })
    expect([told.status, told.code]).toEqual([502, 'upstream_unavailable'])
    expect(alpha.seen).toHaveLength(2)
    expect((await rowsOf()).map(([, , , last]) => last)).toEqual([true, true])
    await expectSound()
  })

  test('the caller leaves in the pause: row and access line say so', async () => {
    alpha.script = broken
    const abort = new AbortController()
    inThePause(async () => {
      abort.abort()
      // what has been asked after the caller left is answered after that was seen
      for (let i = 0; i < 3; i++) await (await fetch(`${rig.url}/healthz`)).text()
    })
    const key = await keyWith([total(10)])
    const body = { ...CHAT, model: 'alphas-own', max_tokens: 50 }
    await expect(rig.post(key, body, { signal: abort.signal })).rejects.toThrow()
    const lineOf = () => rig.logs.map(text => JSON.parse(text)).find(({ event }) => event === 'request')
    await until(() => lineOf() !== undefined)
    const line = lineOf()
    expect(await rowsOf()).toEqual([['alpha', 499, 'cancelled', true]])
    expect(line).toMatchObject({ status: 499, error: 'cancelled', attempts: 1 })
    expect(alpha.seen).toHaveLength(1)
    await expectSound()
  })

  test.each([0, 1])('a hold that cannot be made durable, after %i exchanges', async before => {
    alpha.script = broken
    const { ledger } = rig.gateway.deps as { ledger: { durable(): Promise<void> } }
    const { durable } = ledger
    let asks = 0
    ledger.durable = () =>
      asks++ === before
        ? Promise.reject(new GatewayError('storage_unavailable', 'not now'))
        : durable.call(ledger)
    const key = await keyWith([total(10)])
    const told = await asked(key, { ...CHAT, model: 'alphas-own', max_tokens: 50 })
    ledger.durable = durable
    expect(alpha.seen).toHaveLength(before)
    expect(told.headers.get('x-switchgate-attempts')).toBe(String(before))
    expect([told.status, told.code]).toEqual(
      before === 0 ? [503, 'storage_unavailable'] : [502, 'upstream_unavailable'],
    )
    const unsent = ['alpha', before === 0 ? 503 : 0, 'storage_unavailable', before === 0]
    expect(await rowsOf()).toEqual(before === 0 ? [unsent] : [['alpha', 502, 'overloaded', true], unsent])
    await expectSound()
  })
})

describe('what a request cost is the sum of its attempts', () => {
  test('in a stream, its generation and the access line', async () => {
    alpha.script = cut
    const key = await keyWith([total(10)])
    const body = { model: 'house-model', ...STREAMED, usage: { include: true } }
    const told = await asked(key, body)
    expect([alpha.seen.length, beta.seen.length]).toEqual([1, 1])
    const rows = await rig.rows()
    const sum = rows.reduce((all, row) => all + (row.costNanoUsd ?? Number.NaN), 0)
    expect(rows.map(row => (row.costNanoUsd ?? 0) > 0)).toEqual([true, true])
    expect(told.generation.cost_nano_usd).toBe(String(sum))
    expect(told.line).toMatchObject({
      cost_usd: String(told.generation.cost_usd),
      certainty: 'estimated',
      attempts: 2,
    })
    const cost = /"cost":([0-9.]+)/.exec(told.body)?.[1]
    expect(Number(cost)).toBeCloseTo(sum / 1e9, 12)
    await expectSound()
  })
})

describe('a budget that refuses one target', () => {
  const OF_FIRST = { window: 'total', usd: 0.000_01, model: 'first' }
  const body = { ...CHAT, max_tokens: 50 }

  test.each([
    ['a list of models', { model: 'first', models: ['second'] }],
    ['an alias', { model: 'either' }],
  ])('moves on to another model: %s', async (_, named) => {
    const key = await keyWith([OF_FIRST, total(10)])
    const told = await asked(key, { ...body, ...named })
    expect(told.status).toBe(200)
    expect(told.headers.get('x-switchgate-provider')).toBe('beta')
    expect(told.headers.get('x-switchgate-attempts')).toBe('1')
    expect([alpha.seen.length, beta.seen.length]).toEqual([0, 1])
    await expectSound()
  })

  test('moves on to a model that costs nothing, and to a cheaper place', async () => {
    const poor = await keyWith([total(0.000_000_01)])
    expect((await asked(poor, { ...body, model: 'first', models: ['free'] })).status).toBe(200)
    expect([alpha.seen.length, beta.seen.length]).toEqual([0, 1])
    const key = await keyWith([total(ONE_ATTEMPT_USD)])
    const dearFirst = {
      model: 'house-model',
      messages: LONG,
      max_tokens: 100,
      provider: { order: ['beta', 'alpha'] },
    }
    const told = await asked(key, dearFirst)
    expect([told.status, told.headers.get('x-switchgate-provider')]).toEqual([200, 'alpha'])
    await expectSound()
  })

  test('is the answer if nobody could be asked at all', async () => {
    const key = await keyWith([OF_FIRST, { ...OF_FIRST, model: 'second' }])
    const told = await asked(key, { ...body, model: 'first', models: ['second'] })
    expect([told.status, told.code]).toEqual([429, 'insufficient_quota'])
    expect(told.headers.get('x-switchgate-limit')).toBe('key.model.budget.total')
    expect(told.headers.get('x-switchgate-attempts')).toBe('0')
    expect([alpha.seen.length, beta.seen.length]).toEqual([0, 0])
    expect(rig.gateway.ledger.openHolds()).toBe(0)
  })
})

test('many at once, with every kind of fault: each ends once, and what was asked upstream is what is told', async () => {
  const kinds: readonly Script[] = [
    good,
    broken,
    cut,
    response => void response.destroy(),
    response => sendJson(response, 429, { error: { message: 'slow' } }, { 'retry-after': '0' }),
    response => sendJson(response, 200, '{"half'),
  ]
  // any order of faults will do; this one is the same each time for the same arrivals
  alpha.script = (response, seen, n) => (kinds[(n * 7) % kinds.length] as Script)(response, seen, n)
  beta.script = (response, seen, n) => (kinds[(n * 5 + 1) % kinds.length] as Script)(response, seen, n)
  const all = [await keyWith([total(0.05)]), await keyWith([total(0.03)]), await keyWith([total(100)])]
  const names = ['house-model', 'alphas-own', 'either']
  const ask = async (i: number) => {
    const body = { ...STREAMED, model: names[i % names.length], stream: i % 2 === 0 }
    const abort = new AbortController()
    const left = i % 11 === 0
    if (left) setTimeout(() => abort.abort(), 30 + i)
    try {
      const answer = await rig.post(all[i % all.length] as string, body, { signal: abort.signal })
      await answer.text()
      return { answer, left: false }
    } catch (error) {
      if (!left) throw error
      return { answer: undefined, left: true }
    }
  }
  for (let wave = 0; wave < 3; wave++) {
    const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => ask(wave * 24 + i)))
    await until(() => rig.gateway.ledger.openHolds() === 0)
    const byRequest = Map.groupBy(await rig.rows(), row => row.requestId)
    for (const { answer } of answers) {
      if (!answer) continue
      const rows = byRequest.get(String(answer.headers.get('x-request-id'))) ?? []
      expect(rows.length).toBe(Number(answer.headers.get('x-switchgate-attempts')))
      expect(rows.filter(row => row.last).map(row => row.status)).toEqual(
        rows.length > 0 ? [answer.status] : [],
      )
    }
    for (const rows of byRequest.values())
      expect(rows.map(row => row.last).lastIndexOf(true)).toBe(rows.length - 1)
  }
  expect((await rig.rows()).length).toBeGreaterThan(24)
  for (const { key, id } of keys) {
    const own = { headers: { authorization: `Bearer ${key}` } }
    const { budgets } = (await (await fetch(`${rig.url}/v1/key`, own)).json()) as {
      budgets: { usd: number; spent_usd: number; held_usd: number }[]
    }
    expect([id, budgets[0]?.held_usd]).toEqual([id, 0])
    expect(Number(budgets[0]?.spent_usd)).toBeLessThanOrEqual(Number(budgets[0]?.usd))
  }
  await expectSound()
})

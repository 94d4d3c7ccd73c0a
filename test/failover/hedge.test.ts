/** Hedging: a late target gets a rival, the first content wins, the other is cancelled and has a row of its own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createHealth } from '../../src/route/health.ts'
import type { Key } from '../../src/terms.ts'
import {
  CHAT,
  completion,
  configFor,
  DONE,
  delta,
  finish,
  role,
  type Script,
  type ScriptedUpstream,
  sendJson,
  sleep,
  sse,
  startGateway,
  startUpstream,
  type TestGateway,
  until,
  usageEvent,
} from '../gateway/harness.ts'

const answer =
  (text: string): Script =>
  (response, seen) =>
    seen.json().stream
      ? void sse(response).end(role + delta(text) + finish() + usageEvent + DONE)
      : sendJson(response, 200, completion(text))
/** Waits for something before it answers. */
const once =
  (wait: () => Promise<unknown>, script: Script): Script =>
  async (response, seen, n) => {
    await wait()
    await script(response, seen, n)
  }
/** Never answers; its connection ends when the gateway gives it up. */
const silent: Script = () => undefined
const betaIsAsked = () => until(() => beta.seen.length > 0)

let alpha: ScriptedUpstream
let beta: ScriptedUpstream
let gateway: TestGateway
let key: string
/** What is known of alpha before the first hedge: a real answer, and so many more. Shares are of all requests so far. */
const WARM = 1
const TOLD = 100

beforeAll(async () => {
  alpha = await startUpstream(answer('from alpha'))
  beta = await startUpstream(answer('from beta'))
})
afterAll(async () => {
  await alpha?.close()
  await beta?.close()
})

const config = (share: number, more = '') =>
  configFor(
    { alpha: alpha.port, beta: beta.port },
    `routing: { strategy: price, hedge: { share: ${share} } }\n${more}`,
  ).replace(
    'input_usd_per_mtok: 1.0, output_usd_per_mtok: 2.0',
    'input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.2',
  )

async function warmed(
  share: number,
  body: object,
  more = '',
  change = (text: string) => text,
): Promise<void> {
  alpha.script = answer('from alpha')
  beta.script = answer('from beta')
  gateway = await startGateway({ config: change(config(share, more)) })
  key = await gateway.key()
  for (let i = 0; i < WARM; i++) await (await gateway.post(key, body)).text()
  // the rest is told: on a busy machine some of so many real ones would be late themselves, and hedged
  const { health, clock } = gateway.gateway.deps
  const isAlpha = ([name]: readonly [string, unknown]) => name.startsWith('alpha/')
  await until(() => [...health.entries()].some(isAlpha))
  const [target = ''] = [...health.entries()].find(isAlpha) ?? []
  const place = { target, offer: target, credential: undefined }
  for (let i = 0; i < TOLD; i++) {
    health.probe(place, clock.now())
    const quick = { kind: 'ok', ttftMs: 10, totalMs: 12, outputTokens: 3, stream: true } as const
    for (const stream of [true, false]) health.observe(target, { ...quick, stream }, clock.now())
    health.done(place)
  }
  expect(beta.seen).toHaveLength(0)
  alpha.seen.length = 0
}

async function closed(): Promise<void> {
  await gateway.close()
  alpha.seen.length = 0
  beta.seen.length = 0
}

describe.each([{ stream: true }, { stream: false }])('stream: $stream', ({ stream }) => {
  const body = { ...CHAT, stream }

  test('a late target gets a rival; the first content wins, the other is cut off and metered', async () => {
    await warmed(0.5, body)
    try {
      alpha.script = silent
      const aborted = alpha.aborted
      const got = await gateway.post(key, body)
      const text = await got.text()
      expect(text).toContain('from beta')
      expect(got.headers.get('x-switchgate-provider')).toBe('beta')
      expect(got.headers.get('x-switchgate-attempts')).toBe('2')
      expect([alpha.seen.length, beta.seen.length]).toEqual([1, 1])
      await until(() => alpha.aborted === aborted + 1)
      const rows = (await gateway.rows()).slice(-2)
      expect(rows.map(row => [row.provider, row.error, row.last, row.attempt])).toEqual([
        ['alpha', 'cancelled', false, 1],
        ['beta', null, true, 2],
      ])
      // it was at work: what it read is charged as an estimate
      expect(rows[0]).toMatchObject({ certainty: 'estimated' })
      expect(rows[0]?.costNanoUsd).toBeGreaterThan(0)
      expect(rows[1]).toMatchObject({ certainty: 'exact' })
      const sum = rows.reduce((all, row) => all + (row.costNanoUsd ?? Number.NaN), 0)
      if (!stream) expect(Number(got.headers.get('x-switchgate-cost-usd'))).toBeCloseTo(sum / 1e9, 12)
      // being slower than somebody else is no fault
      const { health } = gateway.gateway.deps
      const [target] = [...health.entries()].find(([name]) => name.startsWith('alpha/')) ?? ['']
      const state = health.state(target)
      expect(state).toMatchObject({ consecutiveFaults: 0, errorRate: 0 })
      // but it is seen: it would have taken at least as long as it was waited for
      expect(stream ? state?.ttftMs : state?.wholeMs).toBeGreaterThan(17)
      expect(health.inFlight(target)).toBe(0)
    } finally {
      await closed()
    }
  })

  test('the first may still win', async () => {
    await warmed(0.5, body)
    try {
      alpha.script = once(betaIsAsked, answer('from alpha'))
      beta.script = silent
      const got = await gateway.post(key, body)
      expect(await got.text()).toContain('from alpha')
      expect(got.headers.get('x-switchgate-attempts')).toBe('2')
      expect((await gateway.rows()).slice(-2).map(row => [row.provider, row.error, row.last])).toEqual([
        ['alpha', null, true],
        ['beta', 'cancelled', false],
      ])
    } finally {
      await closed()
    }
  })

  test('one fails, the other answers: no third is asked', async () => {
    await warmed(0.5, body)
    try {
      let isOver = false
      alpha.script = once(betaIsAsked, response => {
        response.on('close', () => {
          isOver = true
        })
        sendJson(response, 500, { error: { message: 'no' } })
      })
      const failed = async () => {
        await until(() => isOver)
        await sleep(300)
      }
      beta.script = once(failed, answer('from beta'))
      const got = await gateway.post(key, body)
      expect(await got.text()).toContain('from beta')
      expect([alpha.seen.length, beta.seen.length]).toEqual([1, 1])
      expect((await gateway.rows()).slice(-2).map(row => [row.provider, row.error])).toEqual([
        ['alpha', 'overloaded'],
        ['beta', null],
      ])
    } finally {
      await closed()
    }
  })

  test('both fail: the attempts of the request are counted together', async () => {
    await warmed(0.5, body)
    try {
      const broken: Script = response => sendJson(response, 500, { error: { message: 'no' } })
      alpha.script = once(betaIsAsked, broken)
      beta.script = once(() => sleep(300), broken)
      const got = await gateway.post(key, body)
      expect(got.status).toBe(502)
      await got.text()
      expect(alpha.seen.length + beta.seen.length).toBe(3)
      expect(got.headers.get('x-switchgate-attempts')).toBe('3')
      expect((await gateway.rows()).slice(WARM).map(row => row.last)).toEqual([false, false, true])
      expect(gateway.gateway.ledger.openHolds()).toBe(0)
    } finally {
      await closed()
    }
  })
})

test('the caller who leaves ends both', async () => {
  await warmed(0.5, { ...CHAT, stream: true })
  try {
    key = await gateway.key()
    alpha.script = silent
    beta.script = silent
    const before = [alpha.aborted, beta.aborted]
    const abort = new AbortController()
    const asked = gateway.post(key, { ...CHAT, stream: true }, { signal: abort.signal })
    await until(() => beta.seen.length === 1)
    abort.abort()
    await expect(asked).rejects.toThrow()
    await until(() => alpha.aborted === (before[0] ?? 0) + 1 && beta.aborted === (before[1] ?? 0) + 1)
    const raced = async () => (await gateway.rows()).filter(row => key.includes(row.keyId))
    await until(async () => (await raced()).length === 2)
    expect((await raced()).map(row => row.error)).toEqual(['cancelled', 'cancelled'])
  } finally {
    await closed()
  }
})

describe.each([{ stream: true }, { stream: false }])(
  'with on_disconnect: drain (stream: $stream)',
  ({ stream }) => {
    const body = { ...CHAT, stream }
    const draining = (text: string) =>
      text.replaceAll('kind: openai', 'kind: openai\n    on_disconnect: drain')
    /** Of a key of its own: a slow moment of the warming up may have begun a race too. */
    const raced = async () => (await gateway.rows()).filter(row => key.includes(row.keyId))
    const budget = { window: 'total', limitNanoUsd: 1e12, softNanoUsd: null } as const

    /** Nothing is held any more, and each attempt was charged once. */
    async function settledOnce(): Promise<void> {
      const { ledger, keys } = gateway.gateway
      await until(() => ledger.openHolds() === 0)
      const rows = await raced()
      const cost = rows.reduce((sum, row) => sum + (row.costNanoUsd ?? Number.NaN), 0)
      const payer = keys.get(rows[0]?.keyId ?? '') as Key
      expect(cost).toBeGreaterThan(0)
      expect(ledger.usageOf(payer)).toMatchObject([{ spentNanoUsd: cost, heldNanoUsd: 0 }])
    }

    test.each(['alpha', 'beta'])(
      '%s wins: each is metered once, and the other is cut off all the same',
      async winner => {
        await warmed(0.5, body, '', draining)
        try {
          key = await gateway.key({ budgets: [budget] })
          const [loser, lost] = winner === 'alpha' ? (['beta', beta] as const) : (['alpha', alpha] as const)
          const aborted = lost.aborted
          alpha.script = winner === 'alpha' ? once(betaIsAsked, answer('from alpha')) : silent
          beta.script = winner === 'beta' ? answer('from beta') : silent
          const got = await gateway.post(key, body)
          expect(await got.text()).toContain(`from ${winner}`)
          expect(got.headers.get('x-switchgate-provider')).toBe(winner)
          // nobody has left: there is nothing to wait for
          await until(() => lost.aborted === aborted + 1)
          await until(async () => (await raced()).length === 2)
          const rows = await raced()
          expect(
            Object.fromEntries(rows.map(row => [row.provider, [row.error, row.last, row.certainty]])),
          ).toEqual({
            [winner]: [null, true, 'exact'],
            [loser]: ['cancelled', false, 'estimated'],
          })
          expect([alpha.seen.length, beta.seen.length]).toEqual([1, 1])
          await settledOnce()
        } finally {
          await closed()
        }
      },
    )

    test('the caller who leaves during a race: both are read to their ends and metered once, for what they say', async () => {
      await warmed(0.5, body, '', draining)
      try {
        key = await gateway.key({ budgets: [budget] })
        let release = () => {}
        const released = new Promise<void>(resolve => {
          release = resolve
        })
        alpha.script = once(() => released, answer('from alpha'))
        beta.script = once(() => released, answer('from beta'))
        const before = [alpha.aborted, beta.aborted]
        const abort = new AbortController()
        const asked = gateway.post(key, body, { signal: abort.signal })
        await until(() => beta.seen.length === 1)
        abort.abort()
        await expect(asked).rejects.toThrow()
        // what has been asked after the caller left is answered after that was seen
        for (let i = 0; i < 3; i++) await (await fetch(`${gateway.url}/healthz`)).text()
        release()
        await until(async () => (await raced()).length === 2)
        const rows = await raced()
        expect(rows.map(row => [row.provider, row.error, row.certainty]).sort()).toEqual([
          ['alpha', null, 'recovered'],
          ['beta', null, 'recovered'],
        ])
        expect(rows.filter(row => row.last)).toHaveLength(1)
        expect([alpha.aborted, beta.aborted]).toEqual(before)
        await settledOnce()
      } finally {
        await closed()
      }
    })
  },
)

test('with complete, a winner that breaks is still mended', async () => {
  await warmed(0.5, { ...CHAT, stream: true }, 'retries: { attempts: 3 }\n')
  try {
    alpha.script = (response, seen, n) => (n === 1 ? undefined : answer('from alpha')(response, seen, n))
    beta.script = response => {
      sse(response).write(role + delta('half'))
      setTimeout(() => response.destroy(), 20)
    }
    const got = await gateway.post(key, { ...CHAT, stream: true, stream_guarantee: 'complete' })
    const text = await got.text()
    expect(text).toContain('from alpha')
    expect(text).not.toContain('half')
    expect([alpha.seen.length, beta.seen.length]).toEqual([2, 1])
  } finally {
    await closed()
  }
})

test('off by default: nothing is sent twice, however late', async () => {
  await warmed(0, { ...CHAT, stream: true })
  try {
    alpha.script = once(() => sleep(600), answer('from alpha'))
    expect(await (await gateway.post(key, { ...CHAT, stream: true })).text()).toContain('from alpha')
    expect(beta.seen).toHaveLength(0)
  } finally {
    await closed()
  }
})

test('the share is kept, at any traffic', () => {
  const health = createHealth()
  const place = { target: 'a/m/-', offer: 'a/m', credential: undefined }
  let twice = 0
  for (let i = 0; i < 20_000; i++) {
    health.probe(place, i)
    if (health.hedge(0.03)) twice++
    health.done(place)
  }
  expect(twice / 20_000).toBeLessThanOrEqual(0.031)
  expect(twice / 20_000).toBeGreaterThan(0.025)
})

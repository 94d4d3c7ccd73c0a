/** Rate limits through a whole gateway: headers, refusals, users, models, projects, waiting for one's turn. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CHAT, completion, configFor, sendJson, startGateway, startUpstream } from './harness.ts'
import type { ScriptedUpstream, TestGateway } from './harness.ts'
import type { Limits } from '../../src/terms.ts'

const NONE: Limits = { rpm: null, tpm: null, rpd: null, concurrency: null }

let upstream: ScriptedUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream(response => sendJson(response, 200, completion()))
  gateway = await startGateway({ config: configFor({ alpha: upstream.port }) })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

const code = async (answer: Response) => ((await answer.json()) as { error?: { code?: string } }).error?.code

describe('what an answer says about limits', () => {
  test('both families and the IETF fields, on answers and on refusals', async () => {
    const key = await gateway.key({ limits: { ...NONE, rpm: 2, tpm: 10_000, concurrency: 5 } })
    const first = await gateway.post(key, CHAT)
    expect(first.status).toBe(200)
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('10000')
    expect(first.headers.get('ratelimit-policy')).toBe(
      '"key.rpm";q=2;w=60, "key.tpm";q=10000;qu="tokens";w=60, "key.concurrency";q=5;qu="concurrent-requests"',
    )
    expect(first.headers.get('ratelimit')).toMatch(
      /^"key\.rpm";r=1;t=(1\d|2\d|30), "key\.tpm";r=\d+;t=\d+, "key\.concurrency";r=4$/,
    )
    await first.text()
    await (await gateway.post(key, CHAT)).text()
    const refused = await gateway.post(key, CHAT)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-switchgate-limit')).toBe('key.rpm')
    const retryAfter = Number(refused.headers.get('retry-after'))
    const policies = refused.headers.get('ratelimit') ?? ''
    expect(policies).toMatch(/^"key\.rpm";r=0;t=\d+/)
    // Nothing in it reaches past Retry-After (section 6 of the draft).
    for (const [, seconds] of policies.matchAll(/;t=(\d+)/g))
      expect(Number(seconds)).toBeLessThanOrEqual(retryAfter)
    expect(await code(refused)).toBe('rate_limit_exceeded')
  })

  test('a key without limits says nothing of them', async () => {
    const answer = await gateway.post(await gateway.key(), CHAT)
    for (const name of ['ratelimit', 'ratelimit-policy', 'x-ratelimit-limit-requests'])
      expect(answer.headers.get(name), name).toBeNull()
    await answer.text()
  })

  test('tokens are settled to what the upstream counted', async () => {
    const key = await gateway.key({ limits: { ...NONE, tpm: 1_000_000 } })
    for (let i = 0; i < 4; i++) await (await gateway.post(key, CHAT)).text()
    const answer = await gateway.post(key, CHAT)
    // Four answers of 15 tokens, this one's estimate, and what has drained meanwhile.
    const remaining = Number(answer.headers.get('x-ratelimit-remaining-tokens'))
    expect(remaining).toBeGreaterThan(1_000_000 - 60 - 600)
    await answer.text()
  })
})

describe('whose limit', () => {
  test('each end user by itself, and the message says so', async () => {
    const key = await gateway.key({ limits: { ...NONE, perUser: { ...NONE, rpm: 1 } } })
    const ask = (user?: string) => gateway.post(key, { ...CHAT, ...(user && { user }) })
    expect((await ask('ann')).status).toBe(200)
    expect((await ask('bob')).status).toBe(200)
    expect((await ask()).status).toBe(200)
    const refused = await ask('ann')
    expect(refused.headers.get('x-switchgate-limit')).toBe('key.user.rpm')
    expect(((await refused.json()) as { error: { message: string } }).error.message).toContain('one end user')
  })

  test('a model by its canonical name, however it was asked for', async () => {
    const key = await gateway.key({ limits: { ...NONE, perModel: { 'house-model': { ...NONE, rpm: 1 } } } })
    expect((await gateway.post(key, { ...CHAT, model: 'house-model@alpha' })).status).toBe(200)
    const refused = await gateway.post(key, { ...CHAT, model: 'alpha/house-model' })
    expect(refused.headers.get('x-switchgate-limit')).toBe('key.model.rpm')
  })

  test('a project’s keys together; changed limits hold at once', async () => {
    const { projects } = gateway.gateway
    const project = await projects.create('team', { name: 'team', limits: { ...NONE, rpm: 2 } })
    const [ann, bob] = [
      await gateway.key({ project: project.id }),
      await gateway.key({ project: project.id }),
    ]
    expect((await gateway.post(ann, CHAT)).status).toBe(200)
    expect((await gateway.post(bob, CHAT)).status).toBe(200)
    expect((await gateway.post(ann, CHAT)).headers.get('x-switchgate-limit')).toBe('project.rpm')
    await projects.patch(project.id, { limits: { ...NONE, rpm: 100 } })
    expect((await gateway.post(bob, CHAT)).status).toBe(200)
  })

  test('a refused request consumes nothing and reaches nobody', async () => {
    const key = await gateway.key({ limits: { ...NONE, rpm: 1_000, perUser: { ...NONE, rpm: 1 } } })
    await (await gateway.post(key, { ...CHAT, user: 'ann' })).text()
    const seen = upstream.seen.length
    for (let i = 0; i < 5; i++) expect((await gateway.post(key, { ...CHAT, user: 'ann' })).status).toBe(429)
    expect(upstream.seen.length).toBe(seen)
    const answer = await gateway.post(key, { ...CHAT, user: 'bob' })
    const [, left] = /"key\.rpm";r=(\d+)/.exec(answer.headers.get('ratelimit') ?? '') ?? []
    expect(Number(left)).toBeGreaterThanOrEqual(998)
    await answer.text()
  })
})

describe('waiting for one’s turn', () => {
  test('a request that is let in within the wait is served, and one that is not is refused', async () => {
    // A slot every 500 ms: the second waits for it, a key that may not wait is told to.
    const patient = await gateway.key({ limits: { ...NONE, rpm: 120, burst: 1, throttleMs: 30_000 } })
    expect((await gateway.post(patient, CHAT)).status).toBe(200)
    expect((await gateway.post(patient, CHAT)).status).toBe(200)
    const hasty = await gateway.key({ limits: { ...NONE, rpm: 1, throttleMs: 2_000 } })
    expect((await gateway.post(hasty, CHAT)).status).toBe(200)
    const refused = await gateway.post(hasty, CHAT)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-switchgate-limit')).toBe('key.rpm')
  })

  test('a slot that comes back is taken by who waits for it', async () => {
    let answerFirst: (() => void) | undefined
    let calls = 0
    upstream.script = response => {
      calls++
      const answer = () => sendJson(response, 200, completion())
      if (calls === 1) answerFirst = answer
      else answer()
    }
    const key = await gateway.key({ limits: { ...NONE, concurrency: 1, throttleMs: 30_000 } })
    const first = gateway.post(key, CHAT)
    while (answerFirst === undefined) await new Promise(resolve => setTimeout(resolve, 5))
    const second = gateway.post(key, CHAT)
    setTimeout(answerFirst, 50)
    expect((await first).status).toBe(200)
    expect((await second).status).toBe(200)
    upstream.script = response => sendJson(response, 200, completion())
  })

  test('a client that leaves while it waits takes no slot and reaches nobody', async () => {
    let answerFirst: (() => void) | undefined
    const before = upstream.seen.length
    upstream.script = response => {
      answerFirst = () => sendJson(response, 200, completion())
    }
    const key = await gateway.key({ limits: { ...NONE, concurrency: 1, throttleMs: 30_000 } })
    const first = gateway.post(key, CHAT)
    while (answerFirst === undefined) await new Promise(resolve => setTimeout(resolve, 5))
    const leaver = new AbortController()
    const second = gateway.post(key, CHAT, { signal: leaver.signal })
    setTimeout(() => leaver.abort(), 30)
    await expect(second).rejects.toThrow()
    answerFirst()
    expect((await first).status).toBe(200)
    upstream.script = response => sendJson(response, 200, completion())
    // Whoever comes next is served: nothing was left taken.
    expect((await gateway.post(key, CHAT)).status).toBe(200)
    expect(upstream.seen.length).toBe(before + 2)
  })

  test('a client that leaves while it waits for its minute takes nothing of it', async () => {
    const key = await gateway.key({ limits: { ...NONE, rpm: 60, burst: 1, rpd: 3, throttleMs: 30_000 } })
    const before = upstream.seen.length
    const first = await gateway.post(key, CHAT)
    expect(first.headers.get('ratelimit')).toContain('"key.rpd";r=2;')
    await first.text()
    const leaver = new AbortController()
    const leaving = [1, 2].map(() =>
      expect(gateway.post(key, CHAT, { signal: leaver.signal })).rejects.toThrow(),
    )
    setTimeout(() => leaver.abort(), 100)
    await Promise.all(leaving)
    // whoever comes next waits behind nobody, and finds the day as it was
    const next = await gateway.post(key, CHAT)
    expect(next.status).toBe(200)
    expect(next.headers.get('ratelimit')).toContain('"key.rpd";r=1;')
    expect(upstream.seen.length).toBe(before + 2)
  })

  test('a request larger than the whole limit is refused at once, whatever the wait', async () => {
    const key = await gateway.key({ limits: { ...NONE, tpm: 10, throttleMs: 2_000 } })
    const refused = await gateway.post(key, CHAT)
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBeNull()
    expect(await code(refused)).toBe('rate_limit_exceeded')
  })
})

describe('a request that a budget refuses', () => {
  test('consumes no limit of its key, its user, its project or the organisation', async () => {
    const key = await gateway.key({
      limits: { ...NONE, rpm: 5, rpd: 5, tpm: 100_000, perUser: { ...NONE, rpd: 5 } },
      budgets: [{ window: 'day', limitNanoUsd: 1_000, softNanoUsd: null }],
    })
    for (let i = 0; i < 8; i++) {
      const refused = await gateway.post(key, { ...CHAT, user: 'ada' })
      expect([refused.status, await code(refused)]).toEqual([429, 'insufficient_quota'])
      expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('5')
      expect(refused.headers.get('x-ratelimit-remaining-tokens')).toBe('100000')
      // the budget would not pay for it if nothing were spent
      expect(refused.headers.get('retry-after')).toBeNull()
    }
  })
})
